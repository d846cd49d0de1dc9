//! Words, numbers, keywords, types, and `=`.

use super::{char_at, shown, wrong};
use crate::document::closest::closest;
use crate::document::kdl::number::Fault;
use crate::document::problem::Problem;
use crate::document::tree::Span;

/// A word in quotes, as it is to be written.
fn in_quotes(word: &str) -> String {
    match word {
        word if word.len() > 40 || word.chars().any(char::is_control) => "\"…\"".to_owned(),
        word if word.contains(['\\', '"']) => format!("#\"{word}\"#"),
        word => format!("\"{word}\""),
    }
}

/// A word with a character that words do not have, so many bytes behind its beginning.
pub(in crate::document::kdl) fn odd_word(word: &str, from: usize, odd: usize) -> Problem {
    let c = word[odd..].chars().next().unwrap_or(' ');
    match word {
        "/" => wrong("`/` begins nothing", from, 1).help("comments begin with `//`; a path stands in quotes"),
        "*/" => wrong("no comment is open here that `*/` could close", from, 2)
            .label("no counterpart")
            .help("remove it, or open the comment with `/*`"),
        _ => wrong(format!("`{}` needs quotes", shown(word)), from, word.len())
            .label(format!("`{c}` may not stand in a bare word"))
            .help(format!("write `{}`", in_quotes(word))),
    }
}

pub(in crate::document::kdl) fn bracket(from: usize, to: usize) -> Problem {
    wrong("brackets have no meaning here", from, to - from)
        .label("not a value")
        .help("a list is its values, one behind the other: `name \"a\" \"b\"`; text with brackets stands in quotes")
}

/// A value that begins where nothing separates it from what stands in front of it.
pub(in crate::document::kdl) fn unseparated(text: &str, at: usize) -> Problem {
    let (before, behind) = text.split_at(at);
    let problem = |message: &str| wrong(message, at, char_at(text, at));
    let word = &before[before.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len()..];
    match behind.as_bytes().first() {
        Some(b',') => problem("values are separated by blanks").label("not by a comma").help("remove the comma"),
        Some(b':') => problem("no colon stands behind a name")
            .label("this colon")
            .help("write `name value`, or `name=value` for a property"),
        Some(b'"' | b'#') if word == "r" => problem("a raw text begins with `#`")
            .label("`r` is a word of its own")
            .help("write `#\"…\"#`, without `r` and with as many `#` at both ends"),
        _ => problem("a blank is missing here").label("begins a value of its own").help("separate values by a blank"),
    }
}

pub(in crate::document::kdl) fn keyword_as_name(word: &str, from: usize) -> Problem {
    wrong(format!("`{word}` is no name"), from, word.len())
        .label("reserved")
        .help(format!("put it in quotes: `\"{word}\"`"))
}

pub(in crate::document::kdl) fn bare_keyword(word: &str, from: usize) -> Problem {
    wrong(format!("`{word}` is written `#{word}`"), from, word.len())
        .label("a `#` is missing")
        .help(format!("write `#{word}`, or `\"{word}\"` if it is text"))
}

pub(in crate::document::kdl) fn bad_keyword(word: &str, from: usize) -> Problem {
    const KNOWN: [&str; 6] = ["#true", "#false", "#null", "#inf", "#-inf", "#nan"];
    let problem = wrong(format!("`{}` is no keyword", shown(word)), from, word.len());
    match closest(&word.to_ascii_lowercase(), KNOWN).filter(|_| word.len() > 1) {
        Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
        None => problem.label("`#` begins a keyword or a raw text").help(format!(
            "put text in quotes: `{}`; keywords are `#true`, `#false`, `#null`, `#inf`, `#-inf` and `#nan`",
            in_quotes(word)
        )),
    }
}

pub(in crate::document::kdl) fn hash_comment(from: usize) -> Problem {
    wrong("`#` begins no comment", from, 1).label("not a comment").help("comments begin with `//`")
}

pub(in crate::document::kdl) fn bad_number(word: &str, from: usize, fault: Fault) -> Problem {
    let quotes = in_quotes(word);
    let problem = |message: String, help: String| wrong(message, from, word.len()).help(help);
    let no_number = format!("`{}` is no number", shown(word));
    match fault {
        Fault::Text if word.ends_with(',') => {
            problem("values are separated by blanks".to_owned(), "remove the comma".to_owned())
        }
        Fault::Text => problem(no_number, format!("write `{quotes}`: text that begins with a digit stands in quotes"))
            .label("text that begins like a number"),
        Fault::TooLarge => {
            problem("this number is too large".to_owned(), "put it in quotes if it is text, such as an id".to_owned())
                .label("more than 127 bits")
        }
        Fault::NoDigitBeforePoint => {
            problem(no_number, format!("write a digit in front of the point, or `{quotes}` if it is text"))
                .label("no digit in front of the point")
        }
        Fault::NoDigitBehindPoint => {
            problem(no_number, format!("write a digit behind the point, or `{quotes}` if it is text"))
                .label("no digit behind the point")
        }
        Fault::NoDigitInExponent => {
            problem(no_number, format!("write an exponent such as `1e3`, or `{quotes}` if it is text"))
                .label("no digit in the exponent")
        }
        Fault::UpperCase => {
            problem(no_number, "write `0x`, `0o` or `0b` in lower case".to_owned()).label("a capital letter")
        }
        Fault::BadDigit(radix) => {
            let digits = match radix {
                16 => "hexadecimal digits behind `0x`",
                8 => "digits from 0 to 7 behind `0o`",
                _ => "digits 0 and 1 behind `0b`",
            };
            problem(no_number, format!("write {digits}, or `{quotes}` if it is text"))
                .label(format!("expected {digits}"))
        }
    }
}

pub(in crate::document::kdl) fn not_a_name(of: &str, written: &str, from: usize) -> Problem {
    wrong(format!("the name of {of} is text, and this is not"), from, written.len())
        .label("not text")
        .help(format!("put it in quotes: `{}`", in_quotes(written)))
}

pub(in crate::document::kdl) fn empty_type(from: usize, to: usize) -> Problem {
    wrong("a type has a name", from, to - from)
        .label("no name in these parentheses")
        .help("write `(name)`, or remove them")
}

pub(in crate::document::kdl) fn odd_type(from: usize, to: usize) -> Problem {
    wrong("a type is one name in parentheses", from, to - from)
        .label("this is more")
        .help("write `(name)`; text with parentheses stands in quotes")
}

pub(in crate::document::kdl) fn open_type(from: usize) -> Problem {
    wrong("this `(` is not closed", from, 1)
        .label("opened here")
        .help("a type is one word in parentheses, `(name)`; text with parentheses stands in quotes")
}

pub(in crate::document::kdl) fn type_without(from: usize, to: usize) -> Problem {
    wrong("nothing stands behind this type", from, to - from)
        .label("the type of what?")
        .help("remove it, or write a name or a value behind it")
}

pub(in crate::document::kdl) fn nameless_value(at: usize) -> Problem {
    wrong("no name stands in front of this `=`", at, 1).label("the value of what?").help("write `name value`")
}

pub(in crate::document::kdl) fn valueless(equals: usize) -> Problem {
    wrong("no value stands behind this `=`", equals, 1)
        .label("a value is missing")
        .help("write `name=value`; a text without characters is `\"\"`")
}

pub(in crate::document::kdl) fn spaced_equals(at: usize) -> Problem {
    wrong("no blank stands beside `=`", at, 1).help("write `name=value`, or `name value` on a line of its own")
}

/// `name=value` where a node begins.
pub(in crate::document::kdl) fn property_as_node(text: &str, name: Span, equals: usize) -> Problem {
    let from = name.offset as usize;
    let written = &text[from..from + name.len as usize];
    wrong("a property stands behind the name of a node", from, equals + 1 - from)
        .label("no node stands in front of this")
        .help(format!("write `{} …` with a blank instead of `=`, or move it to the line of its node", shown(written)))
}

pub(in crate::document::kdl) fn misplaced_equals(at: usize) -> Problem {
    wrong("no name of a property stands in front of this `=`", at, 1)
        .label("the value of what?")
        .help("write `name=value`; a name that is no word stands in quotes, a type behind `=`")
}
