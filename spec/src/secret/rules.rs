//! The rules: each begins at one byte and sees a little before and a bounded piece after it.

use std::ops::Range;

use super::assignment::assignment;

/// What a rule finds: its name and the range of the secret, counted from the rule's byte.
pub(super) type Match = (&'static str, Range<usize>);
/// A rule: what stands before its byte, and the text from its byte on.
type Rule = fn(before: &[u8], rest: &[u8]) -> Option<Match>;

/// Which rules begin at which byte.
pub(super) static TRIGGERS: [Option<Rule>; 256] = {
    let mut table: [Option<Rule>; 256] = [None; 256];
    table[b'-' as usize] = Some(private_key);
    table[b's' as usize] = Some(key_file);
    table[b'A' as usize] = Some(capital_a);
    table[b'a' as usize] = Some(authorization);
    table[b'g' as usize] = Some(forge);
    table[b'x' as usize] = Some(slack);
    table[b'n' as usize] = Some(npm);
    table[b'c' as usize] = Some(crates);
    table[b'p' as usize] = Some(pypi);
    table[b'e' as usize] = Some(jwt);
    table[b':' as usize] = Some(colon);
    table[b'=' as usize] = Some(assignment);
    table
};

/// The letters of base64 and of base64url.
const fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'_' | b'-')
}

const fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}

/// How many bytes at the start satisfy `accept`.
fn run(bytes: &[u8], accept: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|b| accept(**b)).count()
}

/// Whether a token may begin here: what stands before is no letter of one, or is an escaped line feed.
fn begins(before: &[u8], letter: impl Fn(u8) -> bool) -> bool {
    match before {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., last] => !letter(*last),
        [] => true,
    }
}

/// Whether a text mixes digits, capitals and small letters, as random ones do and words do not.
fn is_mixed(text: &[u8]) -> bool {
    let has = |class: fn(&u8) -> bool| text.iter().any(class);
    has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
}

/// A token of one of `prefixes`, then at least `least` bytes that satisfy `letter`, with a digit among them.
fn prefixed(
    rule: &'static str,
    before: &[u8],
    rest: &[u8],
    prefixes: &[&str],
    least: usize,
    letter: fn(u8) -> bool,
) -> Option<Match> {
    let prefix = prefixes.iter().find(|p| rest.starts_with(p.as_bytes()))?;
    if !begins(before, is_word) {
        return None;
    }
    let tail = &rest[prefix.len()..];
    let tail = &tail[..run(tail, letter)];
    (tail.len() >= least && tail.iter().any(u8::is_ascii_digit)).then(|| (rule, 0..prefix.len() + tail.len()))
}

/// A token of a prefix and exactly `len` bytes, standing alone and mixed: such prefixes occur in base64.
fn exact(rule: &'static str, before: &[u8], rest: &[u8], prefix: &str, len: usize) -> Option<Match> {
    let tail = rest.strip_prefix(prefix.as_bytes())?;
    let alone = begins(before, is_base64) && run(tail, is_base64) == len && tail.get(len) != Some(&b'=');
    (alone && is_mixed(&tail[..len])).then(|| (rule, 0..prefix.len() + len))
}

/// `-----BEGIN … PRIVATE KEY-----` with at least a line of content, up to its end.
fn private_key(_: &[u8], rest: &[u8]) -> Option<Match> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let label = rest.strip_prefix(BEGIN)?;
    let length = run(&label[..label.len().min(48)], |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
    let (label, body) = label.split_at(length);
    if !label.ends_with(b"PRIVATE KEY") && !label.ends_with(b"PRIVATE KEY BLOCK") {
        return None;
    }
    let body = body.strip_prefix(b"-----")?;
    let head = BEGIN.len() + label.len() + 5;
    let near = &body[..body.len().min(256)];
    if !near.split(|b| !is_base64(*b)).any(|word| word.len() >= 32) {
        return None;
    }
    // As far as the next dashes, whatever a log puts before each line, but not out of a JSON text.
    let body = &body[..body.iter().position(|b| *b == b'"').unwrap_or(body.len())];
    let length = match body.windows(5).position(|window| window == b"-----") {
        Some(at) => match body[at..].strip_prefix(b"-----END ").and_then(|b| b.strip_prefix(label)) {
            Some(end) if end.starts_with(b"-----") => at + 14 + label.len(),
            _ => at,
        },
        None => run(body, |b| is_base64(b) || b.is_ascii_whitespace() || matches!(b, b'=' | b'\\' | b':' | b',')),
    };
    Some(("private-key", 0..head + length))
}

/// The line of Orgo's own key files that holds the seed.
fn key_file(before: &[u8], rest: &[u8]) -> Option<Match> {
    let seed = rest.strip_prefix(b"secret ")?;
    let hex = run(&seed[..seed.len().min(65)], |b| b.is_ascii_hexdigit());
    (hex == 64 && begins(before, is_word)).then_some(("orgo-key", 7..71))
}

fn capital_a(before: &[u8], rest: &[u8]) -> Option<Match> {
    exact("google-key", before, rest, "AIza", 35).or_else(|| aws(before, rest)).or_else(|| authorization(before, rest))
}

/// An AWS access key id with its secret within 256 bytes.
fn aws(before: &[u8], rest: &[u8]) -> Option<Match> {
    const ID: usize = 20;
    let is_id = rest.starts_with(b"AKIA") || rest.starts_with(b"ASIA");
    let capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if !is_id || !begins(before, is_base64) || run(rest, capital) != ID || rest.get(ID).copied().is_some_and(is_base64)
    {
        return None;
    }
    let near = &rest[ID..rest.len().min(ID + 320)];
    let mut at = 0;
    while at < near.len() {
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        let length = run(&near[at..], letter);
        if length == 40 && at <= 256 && is_mixed(&near[at..at + 40]) {
            return Some(("aws-key", 0..ID + at + 40));
        }
        at += length + 1;
    }
    None
}

/// GitHub and GitLab.
fn forge(before: &[u8], rest: &[u8]) -> Option<Match> {
    let letter = |b: u8| b.is_ascii_alphanumeric();
    let snake = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    prefixed("github-token", before, rest, &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], 36, letter)
        .or_else(|| prefixed("github-token", before, rest, &["github_pat_"], 50, snake))
        .or_else(|| prefixed("gitlab-token", before, rest, &["glpat-"], 20, is_word))
}

fn slack(before: &[u8], rest: &[u8]) -> Option<Match> {
    let prefixes = ["xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-"];
    prefixed("slack-token", before, rest, &prefixes, 20, |b| b.is_ascii_alphanumeric() || b == b'-')
}

fn npm(before: &[u8], rest: &[u8]) -> Option<Match> {
    prefixed("npm-token", before, rest, &["npm_"], 36, |b| b.is_ascii_alphanumeric())
}

fn crates(before: &[u8], rest: &[u8]) -> Option<Match> {
    exact("crates-token", before, rest, "cio", 32)
}

fn pypi(before: &[u8], rest: &[u8]) -> Option<Match> {
    prefixed("pypi-token", before, rest, &["pypi-AgEI"], 32, is_word)
}

/// A JSON Web Token: three parts in base64url, of which the first two are JSON objects.
fn jwt(before: &[u8], rest: &[u8]) -> Option<Match> {
    if !rest.starts_with(b"eyJ") || !begins(before, |b| is_word(b) || b == b'.') {
        return None;
    }
    let head = run(rest, is_word);
    let claims = rest.get(head..)?.strip_prefix(b".")?;
    let body = run(claims, is_word);
    let signature = claims.get(body..)?.strip_prefix(b".")?;
    let tail = run(signature, is_word);
    let fits = claims.starts_with(b"eyJ") && head >= 12 && body >= 8 && tail >= 16;
    fits.then(|| ("jwt", 0..head + body + tail + 2))
}

fn colon(before: &[u8], rest: &[u8]) -> Option<Match> {
    if rest.starts_with(b"://") { userinfo(rest) } else { assignment(before, rest) }
}

/// The password of `scheme://user:password@host`.
fn userinfo(rest: &[u8]) -> Option<Match> {
    let part =
        |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'@' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`');
    let address = &rest[3..rest.len().min(1024)];
    let user = run(address, |b| part(b) && b != b':');
    let password = address.get(user..)?.strip_prefix(b":")?;
    let length = run(password, part);
    let start = 3 + user + 1;
    let real = length > 0 && password.get(length) == Some(&b'@') && !is_placeholder(&password[..length]);
    real.then_some(("url-password", start..start + length))
}

/// `Authorization: Bearer …`, also in quotes.
fn authorization(before: &[u8], rest: &[u8]) -> Option<Match> {
    const NAME: usize = "authorization".len();
    if !rest.get(..NAME)?.eq_ignore_ascii_case(b"authorization") || !begins(before, |b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let blank = |b: u8| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'\\');
    let skip = |at: usize, most: usize| at + run(&rest[at.min(rest.len())..rest.len().min(at + most)], blank);
    let mut at = skip(NAME, 4);
    if !matches!(rest.get(at)?, b':' | b'=') {
        return None;
    }
    at = skip(at + 1, 8);
    let scheme = ["bearer", "basic", "token"]
        .into_iter()
        .find(|s| rest.get(at..at + s.len()).is_some_and(|word| word.eq_ignore_ascii_case(s.as_bytes())))?;
    at += scheme.len();
    let value = skip(at, 4);
    let letter = |b: u8| is_base64(b) || matches!(b, b'.' | b'~' | b'=');
    let length = run(&rest[value..], letter);
    let real = value > at && length >= 8 && !is_placeholder(&rest[value..value + length]);
    real.then_some(("authorization", value..value + length))
}

/// Whether a value stands for a secret instead of being one: a reference, a mask, a word in brackets.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let marked = matches!(value.first(), None | Some(b'$' | b'<' | b'{' | b'%' | b'['));
    marked || value.iter().all(|b| *b == value[0]) || value.starts_with(super::MASK)
}
