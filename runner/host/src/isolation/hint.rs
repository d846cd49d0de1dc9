//! What a refused stage touched, as far as its own words tell.

use std::path::Path;

use orgo_spec::pipeline::{Isolation, Network};

use super::Confinement;

/// How much of the end of a log is looked at, in bytes.
const TAIL: usize = 64 << 10;
/// What programs say when they are refused, and what they say at `hermetic`, where most of the host is not there.
const REFUSED: [&str; 3] = ["Permission denied", "EACCES", "permission denied"];
const ABSENT: [&str; 2] = ["No such file or directory", "ENOENT"];
/// Words that speak of the network.
const NETWORK: [&str; 8] = [
    "Network is unreachable",
    "Temporary failure in name resolution",
    "Could not resolve host",
    "could not resolve host",
    "Name or service not known",
    "socket:",
    "socket(",
    "connect to",
];

/// What may help a stage that failed within a confinement; `None` if its log does not tell.
///
/// A guess from what the stage printed: it says so, and decides nothing.
pub(crate) fn hint(confinement: &Confinement, log: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL)..]);
    let says = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    let level = confinement.level.as_str();
    let absent = if confinement.level == Isolation::Hermetic { ABSENT.as_slice() } else { &[] };
    text.lines().rev().find_map(|line| {
        if confinement.network == Network::None && says(line, &NETWORK) {
            return Some(format!(
                "at `{level}` a stage without `network \"host\"` reaches nobody; its log says: {}",
                line.trim()
            ));
        }
        if !says(line, &REFUSED) && !says(line, absent) {
            return None;
        }
        let path = absolute(line)?;
        let declare = match Path::new(path).strip_prefix(&confinement.hidden) {
            Ok(own) => format!("declare it with `files \"{}\"`, or read it from a stage with `from`", own.display()),
            Err(_) => "a program is declared with `tool`; other files belong into the repository".to_owned(),
        };
        Some(format!("`{path}` is out of reach at `{level}`: {declare}"))
    })
}

/// The first absolute path in a line.
fn absolute(line: &str) -> Option<&str> {
    let is_end = |c: char| c.is_whitespace() || "'\"`:,;()[]<>‘’".contains(c);
    let words = line.split(is_end);
    words.map(|w| w.trim_end_matches('.')).find(|w| w.len() > 1 && w.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(level: Isolation, log: &str) -> Option<String> {
        let confinement = Confinement {
            level,
            network: Network::None,
            programs: Vec::new(),
            hidden: "/home/me/project".into(),
            memory_bytes: None,
            watch: None,
        };
        hint(&confinement, log.as_bytes())
    }

    #[test]
    fn what_was_touched_is_named_with_what_to_declare() {
        let confined = Isolation::Confined;
        let text = said(confined, "ok\ncat: /etc/passwd: Permission denied\n").expect("named");
        assert!(text.contains("`/etc/passwd`") && text.contains("`tool`"), "{text}");
        let text = said(confined, "cat: /home/me/project/a.txt: Permission denied").expect("named");
        assert!(text.contains("files \"a.txt\""), "{text}");
        let text = said(confined, "curl: (6) Could not resolve host: example.org").expect("named");
        assert!(text.contains("network \"host\""), "{text}");
    }

    #[test]
    fn nothing_is_made_up() {
        assert_eq!(said(Isolation::Confined, "error: expected `;`\n"), None);
        assert_eq!(said(Isolation::Confined, "cat: /x: No such file or directory\n"), None);
        assert!(said(Isolation::Hermetic, "cat: /x: No such file or directory\n").is_some());
    }
}
