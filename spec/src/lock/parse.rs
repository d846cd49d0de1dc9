//! Text to [`Lock`]: strict, every problem at once, each with its place.

use super::{HEADER, Lock, Pin, Subject, encode};
use crate::document::{Document, DocumentError, Problem, Problems, Span};
use crate::{Digest, ReasonCode};

/// Largest accepted lock: 4 MiB, more than 20,000 lines.
const MAX_BYTES: usize = 4 << 20;

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    /// [`DocumentError`] with every problem: `LOCK_CONFLICT` for each merge conflict that is left,
    /// `FIELD_DUPLICATE` for what is pinned twice, `DOCUMENT_INVALID` for everything that is not the only spelling.
    pub fn parse(document: &Document) -> Result<Self, DocumentError> {
        let mut problems = Problems::new(document);
        let text = document.text();
        if text.len() > MAX_BYTES {
            problems.push(Problem::new(ReasonCode::InputTooLarge, "the lock is larger than 4 MiB", Span::default()));
            return Err(problems.into_error());
        }
        let mut lock = Self::default();
        let mut offset = 0;
        let mut before: Option<&str> = None;
        for (number, line) in text.split('\n').enumerate() {
            let span = Span::new(offset, line.len());
            offset += line.len() + 1;
            let is_end = offset > text.len();
            if is_end && line.is_empty() && number > 0 {
                break;
            }
            if number == 0 && line != HEADER {
                problems.push(header(line, span));
            }
            if is_end {
                let problem = Problem::new(ReasonCode::DocumentInvalid, "the last line does not end", span);
                problems.push(problem.help("end it with a line feed"));
            }
            if number == 0 {
                continue;
            }
            if line.starts_with("<<<<<<<") || line.starts_with("=======") || line.starts_with(">>>>>>>") {
                problems.push(conflict(span));
                continue;
            }
            let (subject, part, pin) = match entry(line) {
                Ok(entry) => entry,
                Err(message) => {
                    let problem = Problem::new(ReasonCode::DocumentInvalid, message, span);
                    problems.push(problem.help("let `orgo lock` write the file; its lines are not made by hand"));
                    continue;
                }
            };
            if let Some(last) = before.filter(|last| *last > line) {
                let last: String = last.chars().take(60).collect();
                let problem =
                    Problem::new(ReasonCode::DocumentInvalid, "the lines are not sorted by their bytes", span);
                problems.push(problem.help(format!("this one belongs before `{last}…`")));
            }
            before = Some(line);
            if let Some(first) = lock.spans.get(&(subject.clone(), part.clone())) {
                let message = format!("{} is pinned twice", subject.describe());
                let problem = Problem::new(ReasonCode::FieldDuplicate, message, span);
                problems.push(problem.also(*first, "first pinned here").help("keep one of the two"));
                continue;
            }
            lock.spans.insert((subject.clone(), part.clone()), span);
            lock.subjects.entry(subject).or_default().insert(part, pin);
        }
        for (subject, parts) in &lock.subjects {
            if !parts.contains_key("") {
                let first = parts.keys().next().map_or("", String::as_str);
                let message = format!("what {} loads is pinned, and not the program itself", subject.describe());
                let problem = Problem::new(ReasonCode::DocumentInvalid, message, lock.span(subject, first));
                problems.push(problem.help(format!("pin it again: `orgo lock --refresh {}`", subject.name())));
            }
        }
        problems.check(Some(lock))
    }
}

fn header(line: &str, span: Span) -> Problem {
    if line.starts_with("<<<<<<<") {
        return conflict(span);
    }
    let message = if line.starts_with("orgo-lock ") {
        "the lock has another version than this program knows"
    } else {
        "this is not an `orgo.lock`"
    };
    Problem::new(ReasonCode::DocumentInvalid, message, span).help(format!("the first line is `{HEADER}`"))
}

fn conflict(span: Span) -> Problem {
    Problem::new(ReasonCode::LockConflict, "a merge left both sides here", span)
        .help("keep the lines of one side, remove the markers, then see `orgo lock --check`")
}

/// Reads one line.
fn entry(line: &str) -> Result<(Subject, String, Pin), String> {
    let mut fields = Vec::new();
    for field in line.split(' ') {
        fields.push(decode(field)?);
    }
    let mut fields = fields.into_iter();
    let kind = fields.next().unwrap_or_default();
    let rest: Vec<String> = fields.collect();
    let digest = |text: &str| {
        text.parse::<Digest>().map(Some).map_err(|_| "the line does not end with the digest that pins".to_owned())
    };
    let wrong = |form: &str| Err(format!("this line is not of the form `{form}`"));
    match kind.as_str() {
        "contract" => match <[String; 3]>::try_from(rest) {
            Ok([name, at, d]) => Ok((Subject::Contract { name }, String::new(), Pin { at, digest: digest(&d)? })),
            Err(_) => wrong("contract NAME VERSION DIGEST"),
        },
        "orgo" => match <[String; 1]>::try_from(rest) {
            Ok([at]) => Ok((Subject::Orgo, String::new(), Pin { at, digest: None })),
            Err(_) => wrong("orgo VERSION"),
        },
        "source" => match <[String; 4]>::try_from(rest) {
            Ok([name, version, file, d]) => {
                let pin = Pin { at: String::new(), digest: digest(&d)? };
                Ok((Subject::Source { name, version, file }, String::new(), pin))
            }
            Err(_) => wrong("source NAME VERSION FILE DIGEST"),
        },
        "tool" => match <[String; 6]>::try_from(rest) {
            Ok([platform, search, name, part, at, d]) => {
                Ok((Subject::Tool { platform, search, name }, part, Pin { at, digest: digest(&d)? }))
            }
            Err(_) => wrong("tool PLATFORM SEARCH-PATH NAME LOADED FILE DIGEST"),
        },
        _ => Err("a line begins with `contract`, `orgo`, `source` or `tool`".to_owned()),
    }
}

/// Reads a field that is spelled as [`encode`] spells it.
fn decode(field: &str) -> Result<String, String> {
    let bytes = if field == "-" { Vec::new() } else { percent(field.as_bytes()) };
    let text = String::from_utf8(bytes).map_err(|_| "a field is not UTF-8 text".to_owned())?;
    let mut again = String::new();
    encode(&text, &mut again);
    if again == field { Ok(text) } else { Err("a field is not spelled as `orgo lock` spells it".to_owned()) }
}

/// Replaces `%XX` by its byte; what is no such thing stays, and is found by spelling it again.
fn percent(field: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Vec::with_capacity(field.len());
    let mut at = 0;
    while at < field.len() {
        let code = match field[at..] {
            [b'%', high, low, ..] => digit(high).zip(digit(low)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                at += 3;
            }
            None => {
                bytes.push(field[at]);
                at += 1;
            }
        }
    }
    bytes
}
