//! How much a policy may say, and the stack for it: reading and evaluating cost stack for every level, and policies
//! come from whoever writes evidence. With a bound and a stack of one size, an answer never depends on who asks.

/// Most operators, brackets and words of the language in one policy. Each may be a level of its own.
const MOST: usize = 256;

/// The stack on which Cedar works: 256 KiB for every operator that a policy may have.
const STACK_BYTES: usize = 64 << 20;

/// Does work that nests on a stack that is large enough for whatever [`too_much`] lets through.
///
/// # Panics
/// If the machine gives no thread.
pub(super) fn with_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        match worker.expect("a thread").join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Where a text first has a policy that says too much; none if it has none.
///
/// Strings and comments do not count. A `;` ends a policy only outside of brackets.
pub(super) fn too_much(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut said, mut open) = (0, 0usize, 0usize);
    while at < bytes.len() {
        let mut next = at + 1;
        match bytes[at] {
            b'"' => next = end_of_string(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                next = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n);
            }
            b'(' | b'[' | b'{' => (said, open) = (said + 1, open + 1),
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b';' if open == 0 => said = 0,
            b'!' | b'-' | b'+' | b'*' | b'.' | b'<' | b'>' | b'=' | b'&' | b'|' | b':' | b';' => said += 1,
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => {
                next = bytes[at..]
                    .iter()
                    .position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))
                    .map_or(bytes.len(), |n| at + n);
                said += usize::from(matches!(
                    &text[at..next],
                    "if" | "then" | "else" | "has" | "like" | "in" | "is" | "when" | "unless"
                ));
            }
            _ => {}
        }
        if said > MOST {
            return Some(at);
        }
        at = next;
    }
    None
}

fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_comments_and_other_policies_do_not_count() {
        let policy = "@id(\"a\") permit(principal, action, resource) when { context.lane == \"local\" };\n";
        assert_eq!(too_much(&policy.repeat(1_000)), None);
        let strings =
            format!("permit(principal) when {{ context.x == \"{}\\\"{}\" }};", "(".repeat(1_000), "!".repeat(1_000));
        assert_eq!(too_much(&strings), None);
        assert_eq!(too_much(&format!("// {}\n{policy}", "((".repeat(1_000))), None);
        assert_eq!(too_much("\"never closed \\"), None);
        for nested in ["(", "!", "-", "if true then ", "a && ", "a.", "[", "{;", "x has "] {
            let text = format!("permit(principal) when {{ {} }};", nested.repeat(MOST + 1));
            assert!(too_much(&text).is_some(), "{nested}");
        }
    }
}
