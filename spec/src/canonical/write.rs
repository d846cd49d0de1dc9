//! Writes canonical bytes and the reviewer's pretty form.

use std::cmp::Ordering;
use std::io::{self, Write};

use super::number::format_number;
use super::value::{Object, Value};

/// RFC 8785 bytes of a value.
#[must_use]
pub fn to_bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_canonical(value, &mut out).expect("writing to memory does not fail");
    out
}

/// Writes the RFC 8785 bytes of a value.
///
/// # Errors
/// Passes on what `out` reports.
pub fn write_canonical(value: &Value, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(b) => out.write_all(if *b { b"true" } else { b"false" }),
        Value::Int(i) => write!(out, "{i}"),
        Value::Float(f) => out.write_all(format_number(*f).as_bytes()),
        Value::String(s) => write_string(s, out),
        Value::Array(items) => {
            out.write_all(b"[")?;
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.write_all(b",")?;
                }
                write_canonical(item, out)?;
            }
            out.write_all(b"]")
        }
        Value::Object(object) => {
            out.write_all(b"{")?;
            for (i, (name, member)) in sorted(object).into_iter().enumerate() {
                if i > 0 {
                    out.write_all(b",")?;
                }
                write_string(name, out)?;
                out.write_all(b":")?;
                write_canonical(member, out)?;
            }
            out.write_all(b"}")
        }
    }
}

/// The form that reviewers diff: canonical member order, two spaces, one array element a line, LF.
#[must_use]
pub fn to_pretty(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_pretty(value, 0, &mut out).expect("writing to memory does not fail");
    out.push(b'\n');
    out
}

fn write_pretty(value: &Value, depth: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                line(out, depth + 1);
                write_pretty(item, depth + 1, out)?;
            }
            line(out, depth);
            out.push(b']');
            Ok(())
        }
        Value::Object(object) if !object.is_empty() => {
            out.push(b'{');
            for (i, (name, member)) in sorted(object).into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                line(out, depth + 1);
                write_string(name, out)?;
                out.extend_from_slice(b": ");
                write_pretty(member, depth + 1, out)?;
            }
            line(out, depth);
            out.push(b'}');
            Ok(())
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => write_canonical(value, out),
    }
}

/// Writes a JSON string with the escapes of RFC 8785 section 3.2.2.2.
///
/// # Errors
/// Passes on what `out` reports.
pub fn write_string(text: &str, out: &mut impl Write) -> io::Result<()> {
    let mut rest = text.as_bytes();
    out.write_all(b"\"")?;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0x00..=0x1f)) {
        out.write_all(&rest[..at])?;
        let short: &[u8] = match rest[at] {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            0x08 => b"\\b",
            0x09 => b"\\t",
            0x0a => b"\\n",
            0x0c => b"\\f",
            0x0d => b"\\r",
            _ => b"",
        };
        if short.is_empty() {
            write!(out, "\\u{:04x}", rest[at])?;
        } else {
            out.write_all(short)?;
        }
        rest = &rest[at + 1..];
    }
    out.write_all(rest)?;
    out.write_all(b"\"")
}

fn sorted(object: &Object) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_unstable_by(|a, b| by_utf16(a.0, b.0));
    members
}

/// Orders names by UTF-16 code units (RFC 8785 section 3.2.3).
///
/// UTF-8 bytes order the same way except where a code point above U+FFFF (surrogates D800–DFFF in
/// UTF-16) meets one in U+E000–U+FFFF.
pub(super) fn by_utf16(a: &str, b: &str) -> Ordering {
    if a.is_ascii() || b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}
