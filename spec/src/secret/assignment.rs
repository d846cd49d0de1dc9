//! Assignments: a name that promises a secret, and a value that looks like one.

use super::rules::{Match, is_placeholder};

/// How the names of secrets end, in capitals with `_` between words.
const ENDINGS: [&[u8]; 10] = [
    b"PASSWORD",
    b"PASSWD",
    b"SECRET",
    b"TOKEN",
    b"API_KEY",
    b"PRIVATE_KEY",
    b"APIKEY",
    b"PRIVATEKEY",
    b"ACCESS_KEY",
    b"SECRET_KEY",
];
/// The longest name that is read.
const MAX_NAME: usize = 64;
/// The longest value that is read, in bytes.
const MAX_VALUE: usize = 4096;
/// How many bytes of a value are judged.
const SAMPLE: usize = 256;
/// The shortest value that counts, in bytes.
const MIN_VALUE: usize = 16;
/// How random a value is at least, in bits a byte.
const MIN_ENTROPY: f64 = 3.5;

/// Whether the value of an environment variable of this name is a secret whatever it looks like: names that end in
/// `_TOKEN`, `_SECRET` or `_KEY` (or are that word alone), and names with `PASSWORD` or `PASSWD` in them.
#[must_use]
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let last = name.rsplit('_').next().unwrap_or(&name);
    matches!(last, "TOKEN" | "SECRET" | "KEY" | "APIKEY" | "PASS")
        || name.contains("PASSWORD")
        || name.contains("PASSWD")
        || name.contains("PASSPHRASE")
}

/// A value behind `=` or `:`, if the name before promises a secret and the value looks like one.
pub(super) fn assignment(before: &[u8], rest: &[u8]) -> Option<Match> {
    if !promises(before) {
        return None;
    }
    let mut at = 1;
    if rest.get(at) == Some(&b'=') {
        at += 1; // `:=` and `==`
    }
    let blanks = rest[at..].iter().take(8).take_while(|b| matches!(b, b' ' | b'\t')).count();
    at += blanks;
    if rest.get(at) == Some(&b'\\') {
        at += 1; // a quote within a quoted text
    }
    let quote = rest.get(at).copied().filter(|b| matches!(b, b'"' | b'\'' | b'`'));
    at += usize::from(quote.is_some());
    let value = rest.get(at..rest.len().min(at + MAX_VALUE))?;
    let sample = &value[..value.len().min(SAMPLE)];
    let inside = |b: u8| match quote {
        Some(quote) => b != quote && b != b'\\' && (b == b' ' || b.is_ascii_graphic()),
        None => b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'`' | b',' | b';' | b'&' | b'(' | b')' | b'\\'),
    };
    let run = |text: &[u8]| text.iter().take_while(|b| inside(**b)).count();
    let length = run(sample);
    let is_call = quote.is_none() && sample.get(length) == Some(&b'(');
    let found = !is_call && looks_secret(&sample[..length]);
    // The whole value is read only once it is known to be hidden: the time stays linear.
    found.then(|| ("assignment", at..at + run(value)))
}

/// Whether the text ends with a name that promises a secret, perhaps in quotes and with blanks behind it.
fn promises(before: &[u8]) -> bool {
    let trim = |text: &mut &[u8], what: fn(u8) -> bool, most: usize| {
        for _ in 0..most {
            match text {
                [head @ .., last] if what(*last) => *text = head,
                _ => break,
            }
        }
    };
    let mut text = before;
    trim(&mut text, |b| matches!(b, b' ' | b'\t'), 8);
    trim(&mut text, |b| matches!(b, b'"' | b'\'' | b'\\' | b'`'), 2);
    let mut name = [0; MAX_NAME];
    let mut used = 0;
    for b in text.iter().rev().take(MAX_NAME) {
        if !b.is_ascii_alphanumeric() && !matches!(b, b'_' | b'-' | b'.') {
            break;
        }
        name[used] = if matches!(b, b'-' | b'.') { b'_' } else { b.to_ascii_uppercase() };
        used += 1;
    }
    ENDINGS.iter().any(|ending| ending.len() <= used && ending.iter().rev().eq(&name[..ending.len()]))
}

/// Whether a value is long and random enough, and is neither a digest nor a reference.
fn looks_secret(value: &[u8]) -> bool {
    value.len() >= MIN_VALUE && !is_placeholder(value) && !is_reference(value) && entropy(value) >= MIN_ENTROPY
}

/// Digests, addresses and paths stand for something public.
fn is_reference(value: &[u8]) -> bool {
    let hex = value.strip_prefix(b"sha256:").or_else(|| value.strip_prefix(b"SHA256:"));
    let is_digest = hex.is_some() || (value.len() == 64 && value.iter().all(u8::is_ascii_hexdigit));
    let is_place = [&b"file:"[..], b"env:", b"agent:", b"http://", b"https://", b"ssh-ed25519 "];
    let is_path = matches!(value, [b'/', ..] | [b'.', b'/', ..] | [b'~', b'/', ..])
        && !value.iter().any(|b| matches!(b, b'+' | b'=') || b.is_ascii_digit());
    is_digest || is_path || is_place.iter().any(|p| value.starts_with(p))
}

/// Shannon's entropy of a text, in bits a byte.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for b in text {
        counts[usize::from(*b)] += 1;
    }
    let all = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / all).map(|p| -p * p.log2()).sum()
}
