//! What looks like a secret is never signed (supply-chain T-49).

use orgo_spec::ReasonCode;
use orgo_spec::secret::scan;

use super::LedgerError;

/// Refuses bytes that hold something of the shape of a secret; `what` is called so in the message.
///
/// The message names the rule and the place, by line and by JSON pointer, and never the text that was found: it may
/// stand in a member's name as well, so such names are left out.
///
/// # Errors
/// [`LedgerError::Refused`] with [`ReasonCode::SecretInRecord`].
pub(super) fn refuse_secrets(what: &str, bytes: &[u8]) -> Result<(), LedgerError> {
    let Some(finding) = scan(bytes).next() else { return Ok(()) };
    let line = bytes[..finding.offset].iter().filter(|b| **b == b'\n').count() + 1;
    let at = match pointer(bytes, finding.offset) {
        Some(pointer) if scan(pointer.as_bytes()).next().is_none() => format!(" at `{pointer}`"),
        _ => String::new(),
    };
    let message = format!(
        "{what} holds something that looks like a secret (rule `{}`){at}, line {line}; nothing was signed",
        finding.rule
    );
    Err(LedgerError::Refused { code: ReasonCode::SecretInRecord, message })
}

/// The JSON pointer of the value that `offset` lies in; none for a text that is no JSON.
fn pointer(text: &[u8], offset: usize) -> Option<String> {
    /// A step on the way: the member of an object, or the index of an element.
    enum Step {
        Member(Vec<u8>),
        Element(usize),
    }
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return None;
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    let mut at = 0;
    while at < offset {
        match text[at] {
            b'"' => {
                let start = at + 1;
                at = start;
                while *text.get(at)? != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                if at >= offset {
                    break;
                }
                last = text[start..at].to_vec();
            }
            b'{' => steps.push(Step::Member(Vec::new())),
            b'[' => steps.push(Step::Element(0)),
            b'}' | b']' => drop(steps.pop()?),
            b':' => {
                if let Some(Step::Member(name)) = steps.last_mut() {
                    *name = std::mem::take(&mut last);
                }
            }
            b',' => {
                if let Some(Step::Element(index)) = steps.last_mut() {
                    *index += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    let step = |step: &Step| match step {
        Step::Member(name) => String::from_utf8_lossy(name).replace('~', "~0").replace('/', "~1"),
        Step::Element(index) => index.to_string(),
    };
    Some(steps.iter().map(|s| format!("/{}", step(s))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (Option<ReasonCode>, String) {
        let error = refuse_secrets("the record", text.as_bytes()).expect_err("refused");
        (error.code(), error.to_string())
    }

    #[test]
    fn the_place_is_named_and_the_secret_is_not() {
        let secret = format!("gh{}_{}", 'p', "0123456789abcdefghij0123456789ABCDEF");
        for (text, place) in [
            (format!("{{\n  \"a\": {{\"b/c\": [1, {{\"d\": 2}}, \"x {secret}\"]}}\n}}"), "`/a/b~1c/2`, line 2"),
            (format!("[\"\\\"\", \"{secret}\"]"), "`/1`, line 1"),
            (format!("a\nb {secret}"), "(rule `github-token`), line 2"),
            (format!("{{\"x\": {{\"{secret}\": {{\"y\": \"{secret}\"}}}}}}"), "(rule `github-token`) at `/x/`, line 1"),
        ] {
            let (code, message) = refusal(&text);
            assert_eq!(code, Some(ReasonCode::SecretInRecord));
            assert!(message.contains(place), "{message}");
            assert!(!message.contains(&secret), "{message}");
        }
    }

    #[test]
    fn a_record_without_secrets_passes() {
        let text = format!("{{\"digest\": \"sha256:{}\", \"token_count\": 3}}", "0a".repeat(32));
        assert!(refuse_secrets("the record", text.as_bytes()).is_ok());
    }
}
