//! Texts in quotes.

use super::{shown, wrong};
use crate::document::problem::Problem;
use crate::document::tree::Span;

/// `written` is what stands between the quote and the end of the line, with the quote; `marks` says how long the quote is.
pub(in crate::document::kdl) fn open_text(written: &str, from: usize, marks: usize) -> Problem {
    let close: String = written[..marks].chars().rev().collect();
    let problem = wrong("this text is not closed", from, marks).label("opened here");
    if marks == 1 && written.len() > 1 && written.trim_end().ends_with("\\\"") {
        return problem
            .help("`\\\"` is a quote within the text and does not end it; write `\\\\\"` if it ends with a backslash");
    }
    problem
        .help(format!("end it with `{close}` on the same line; a text of several lines begins and ends with `\"\"\"`"))
}

pub(in crate::document::kdl) fn open_lines(opening: Span, hashes: usize) -> Problem {
    let close = format!("\"\"\"{}", "#".repeat(hashes.min(8)));
    wrong("this text of several lines is not closed", opening.offset as usize, opening.len as usize)
        .label("opened here")
        .help(format!("end it with `{close}` on a line of its own"))
}

pub(in crate::document::kdl) fn begins_below(opening: Span) -> Problem {
    wrong("a text in `\"\"\"` begins on the line below", opening.offset as usize, opening.len as usize)
        .label("a line break must follow")
        .help("write the text on lines of its own, or put one quote at each end")
}

pub(in crate::document::kdl) fn blanks_behind_opening(opening: Span, blanks: usize) -> Problem {
    wrong(
        "nothing stands behind the quotes that open a text of several lines",
        (opening.offset + opening.len) as usize,
        blanks,
    )
    .label("blanks")
    .help("remove the blanks at the end of this line")
}

pub(in crate::document::kdl) fn closing_alone(closing: Span) -> Problem {
    wrong(
        "the quotes that close a text of several lines stand on a line of their own",
        closing.offset as usize,
        closing.len as usize,
    )
    .label("text stands in front of them")
    .help("put a line break in front of them; within the text, write `\\\"\"\"`")
}

/// A line at `line` begins with so many `blanks`, and not with `prefix`.
pub(in crate::document::kdl) fn not_indented(line: usize, blanks: usize, prefix: &str, closing: Span) -> Problem {
    let wanted = prefix.chars().count();
    let problem = wrong("this line begins further left than its text, or with other blanks", line, blanks)
        .label(if blanks == 0 { "no blanks here" } else { "these blanks" })
        .also(closing, "the blanks in front of these quotes begin each line");
    problem.help(match (prefix.contains('\t'), prefix.contains(' ')) {
        (true, false) => format!("begin it with {wanted} tabs, as the last line does"),
        (false, true) => format!("begin it with {wanted} spaces, as the last line does"),
        _ => "begin it with the very blanks that the last line begins with".to_owned(),
    })
}

pub(in crate::document::kdl) fn bad_escape(from: usize, c: char) -> Problem {
    let escape = shown(&format!("\\{c}"));
    let problem = wrong(format!("`{escape}` is no escape"), from, 1 + c.len_utf8()).label("in this text");
    problem.help(match c {
        '/' => "write `/` as it is".to_owned(),
        '\'' => "write `'` as it is".to_owned(),
        '0' => "write `\\u{0}`".to_owned(),
        'x' => "write `\\u{…}` with the number of the character".to_owned(),
        _ => "write `\\\\` for a backslash, or a raw text, `#\"…\"#`; escapes are `\\n`, `\\r`, `\\t`, `\\s`, `\\b`, \
              `\\f`, `\\\"`, `\\\\` and `\\u{…}`"
            .to_owned(),
    })
}

pub(in crate::document::kdl) fn bad_code_point(from: usize, to: usize) -> Problem {
    wrong("`\\u` takes one to six hexadecimal digits in braces", from, to - from)
        .label("not so here")
        .help("write `\\u{e9}`, or the character as it is")
}

pub(in crate::document::kdl) fn no_character(written: &str, from: usize) -> Problem {
    wrong(format!("`{written}` is no character"), from, written.len())
        .label("not a Unicode scalar value")
        .help("write a number up to `10ffff`, and none from `d800` to `dfff`")
}
