//! What commands print: results to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};

use serde_json::Value;

/// How a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// One JSON document on standard output instead of text.
    pub(crate) json: bool,
    /// No progress and no detail.
    pub(crate) quiet: bool,
    /// More detail.
    pub(crate) verbose: bool,
}

impl Output {
    /// Prints a line of the result, unless the result is JSON.
    pub(crate) fn line(self, text: impl AsRef<str>) {
        if !self.json {
            write(&mut anstream::stdout(), text.as_ref());
        }
    }

    /// Prints the result as JSON, if it was asked for.
    pub(crate) fn document(self, value: &Value) {
        if self.json {
            let text = serde_json::to_string_pretty(value).expect("a JSON value serializes");
            write(&mut std::io::stdout(), &text);
        }
    }

    /// Prints a remark that is not the result.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.quiet {
            write(&mut anstream::stderr(), text.as_ref());
        }
    }
}

/// Prints an error.
pub(crate) fn error(text: &str) {
    write(&mut anstream::stderr(), text);
}

/// Whether errors may be coloured.
pub(crate) fn errors_in_color() -> bool {
    std::io::stderr().is_terminal()
}

/// A reader that went away is no error of ours.
fn write(to: &mut impl Write, text: &str) {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'\n');
    let _ = to.write_all(&bytes);
}

/// Text from elsewhere, made safe for terminals: control characters are shown escaped.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() && c != '\n' && c != '\t' { c.escape_default().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect()
}
