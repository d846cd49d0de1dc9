//! What commands print: results to standard output, everything else to standard error.

mod escape;

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use orgo_spec::secret::{Redactor, scan};
use serde_json::Value;

pub(crate) use escape::{DIM, GREEN, RED, RESET, YELLOW, masked, plain};

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
            write(&mut anstream::stdout(), &escape::painted(text.as_ref()));
        }
    }

    /// Prints the result as JSON, if it was asked for.
    pub(crate) fn document(self, value: &Value) {
        if self.json {
            let text = serde_json::to_string_pretty(value).expect("a JSON value serializes");
            write(&mut std::io::stdout(), &escape::json(&text));
        }
    }

    /// Prints one of several results as JSON on a line of its own, if JSON was asked for.
    pub(crate) fn row(self, value: &Value) {
        if self.json {
            write(&mut std::io::stdout(), &escape::json(&value.to_string()));
        }
    }

    /// Prints a remark that is not the result.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Prints a remark that matters even to those who want results and errors only.
    pub(crate) fn warn(self, text: impl AsRef<str>) {
        write(&mut anstream::stderr(), &escape::painted(&without_secrets(text.as_ref())));
    }
}

/// Prints one JSON object on a line of standard error.
pub(crate) fn log(value: &Value) {
    write(&mut std::io::stderr(), &escape::json(&without_secrets(&value.to_string())));
}

/// A remark without what looks like a secret: remarks name files and arguments, and end in the logs of a CI service.
pub(crate) fn without_secrets(text: &str) -> Cow<'_, str> {
    if scan(text.as_bytes()).next().is_none() {
        return Cow::Borrowed(text);
    }
    let clean = Redactor::default().redact(text.as_bytes());
    Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
}

/// Prints a line that a code host obeys, as it is: what is foreign in it was made safe.
pub(crate) fn command(line: &str) {
    write(&mut std::io::stderr(), line);
}

/// Prints an error, whose foreign parts are escaped already.
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
