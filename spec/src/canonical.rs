//! Canonical JSON: the only way in which a value becomes bytes that are hashed or signed.
//!
//! * [`parse`] reads JSON text under a strict [`Profile`] and refuses what parsers read differently:
//!   duplicate keys, lone surrogates, huge numbers, deep nesting, trailing bytes.
//! * [`to_bytes`] writes RFC 8785 (JCS): no white space, members sorted by UTF-16 code units,
//!   numbers as ECMAScript prints them.
//! * [`to_pretty`] writes the reviewer's form of the same value: the same order of members, two
//!   spaces of indentation, one array element a line, a final line feed.
//!
//! INVARIANT: what [`to_bytes`] writes, [`parse`] reads back to the same value; nothing here depends on the order in
//! which members were inserted or on the map type of `serde_json`; canonical order is restored when bytes are written.
//!
//! One value has one spelling, whoever wrote it:
//!
//! ```
//! use orgo_spec::Digest;
//! use orgo_spec::canonical::{Profile, digest_of, parse, to_bytes};
//!
//! let value = parse(br#"{ "b": [2, 1.5], "a": null }"#, Profile::DATA)?;
//! assert_eq!(to_bytes(&value), br#"{"a":null,"b":[2,1.5]}"#);
//! assert_eq!(digest_of(&(2, 1.5))?, Digest::of(b"[2,1.5]"));
//! assert!(parse(br#"{ "a": 1, "a": 2 }"#, Profile::DATA).is_err(), "readers differ about it");
//! assert!(parse(b"1.5", Profile::RECORD).is_err(), "what we sign has no fractions");
//! # Ok::<(), orgo_spec::canonical::JsonError>(())
//! ```

mod direct;
mod error;
mod number;
mod parse;
mod spelled;
mod text;
mod value;
mod write;

pub use error::{JsonError, JsonErrorKind};
pub use number::format_number;
pub(crate) use parse::typed;
pub use parse::{Profile, from_slice, parse};
pub(crate) use spelled::is_spelled;
pub use text::{is_plain, plain};
pub use value::{Object, Value};
pub use write::{to_bytes, to_pretty, write_canonical, write_string};

use serde::Serialize;

use crate::{Digest, ReasonCode};

/// The profile name that Kristal documents carry for these bytes (koa-contract 3.1).
pub const CANONICALIZATION_PROFILE: &str = "kristal.v3:jcs-rfc8785";
/// The version that belongs to [`CANONICALIZATION_PROFILE`].
pub const CANONICALIZATION_VERSION: &str = "1";

/// The largest integer that every JSON reader keeps exactly: 2^53 − 1.
pub const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// Canonical bytes of any serializable value.
///
/// # Errors
/// [`JsonError`] when the value holds a number that is not finite or an integer beyond ±(2^53−1).
pub fn bytes_of<T: Serialize>(value: &T) -> Result<Vec<u8>, JsonError> {
    direct::compact(value)
}

/// The reviewer's form of any serializable value: what [`to_pretty`] writes.
///
/// # Errors
/// As [`bytes_of`].
pub fn pretty_of<T: Serialize>(value: &T) -> Result<Vec<u8>, JsonError> {
    direct::pretty(value)
}

/// Reads a document whose one spelling is the reviewer's form, and which `check` finds consistent.
///
/// # Errors
/// The reason code and what is wrong: strict JSON, known fields, what `check` says, the spelling.
pub fn from_pretty<T: Serialize + serde::de::DeserializeOwned>(
    bytes: &[u8],
    max_bytes: usize,
    check: impl FnOnce(&T) -> Result<(), &'static str>,
) -> Result<T, (ReasonCode, String)> {
    let profile = Profile { max_bytes, ..Profile::RECORD };
    let read: T = from_slice(bytes, profile).map_err(|e| (e.code(), e.to_string()))?;
    check(&read).map_err(|why| (ReasonCode::SchemaInvalid, why.to_owned()))?;
    match pretty_of(&read) {
        Ok(spelled) if spelled == bytes => Ok(read),
        Ok(_) | Err(_) => {
            let why = "the bytes are not the canonical pretty form of what they say";
            Err((ReasonCode::SchemaInvalid, why.to_owned()))
        }
    }
}

/// SHA-256 of the canonical bytes of any serializable value.
///
/// # Errors
/// As [`bytes_of`].
pub fn digest_of<T: Serialize>(value: &T) -> Result<Digest, JsonError> {
    Ok(Digest::of(&bytes_of(value)?))
}

#[cfg(test)]
mod tests;
