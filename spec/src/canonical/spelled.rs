//! Whether bytes are the pretty form of a value, found in one pass: no tree is built and nothing is written.
//!
//! INVARIANT: "yes" is said only where [`super::to_pretty`] writes exactly these bytes and [`super::parse`] accepts
//! them under the profile. "No" says nothing: whoever hears it takes the long way, which also knows the reason.

mod serializer;

use std::fmt;

use serde::ser::{self, Serialize};

use super::parse::Profile;
use super::text::is_plain;
use super::value::Value;
use super::write::write_string;

/// Whether `text` is surely the pretty form of `value`, and one that `profile` accepts.
///
/// Values whose members are not serialized in canonical order, numbers with a fraction and keys with escapes are left
/// to the long way.
pub(crate) fn is_spelled<T: Serialize + ?Sized>(text: &str, value: &T, profile: Profile) -> bool {
    if text.len() > profile.max_bytes {
        return false;
    }
    let mut spelled = Spelled { rest: text.as_bytes(), depth: 0, profile };
    value.serialize(&mut spelled).is_ok() && spelled.rest == b"\n"
}

/// The bytes are others, or nobody knows.
#[derive(Debug)]
struct Unsure;

impl fmt::Display for Unsure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not surely the spelling of the value")
    }
}

impl std::error::Error for Unsure {}

impl ser::Error for Unsure {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Spelled<'t> {
    /// What was not compared yet.
    rest: &'t [u8],
    depth: usize,
    profile: Profile,
}

impl<'t> Spelled<'t> {
    fn expect(&mut self, bytes: &[u8]) -> Result<(), Unsure> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(Unsure)?;
        Ok(())
    }

    fn line(&mut self) -> Result<(), Unsure> {
        const SPACES: [u8; 64] = [b' '; 64];
        self.expect(b"\n")?;
        self.expect(SPACES.get(..self.depth * 2).ok_or(Unsure)?)
    }

    fn open(&mut self, bracket: &[u8]) -> Result<(), Unsure> {
        self.depth += 1;
        if self.depth > self.profile.max_depth {
            return Err(Unsure);
        }
        self.expect(bracket)
    }

    /// What stands before the next element or member.
    fn next(&mut self, first: bool) -> Result<(), Unsure> {
        if !first {
            self.expect(b",")?;
        }
        self.line()
    }

    fn close(&mut self, empty: bool, bracket: &[u8]) -> Result<(), Unsure> {
        self.depth -= 1;
        if !empty {
            self.line()?;
        }
        self.expect(bracket)
    }

    fn string(&mut self, text: &str) -> Result<(), Unsure> {
        let bytes = text.as_bytes();
        if bytes.iter().all(|b| is_simple(*b)) {
            self.expect(b"\"")?;
            self.expect(bytes)?;
            return self.expect(b"\"");
        }
        if self.profile.plain_text && !is_plain(text) {
            return Err(Unsure);
        }
        let mut escaped = Vec::with_capacity(bytes.len() + 16);
        write_string(text, &mut escaped).map_err(|_| Unsure)?;
        self.expect(&escaped)
    }

    /// A key, behind the one called `before`; returns it as it stands in the text.
    fn key(&mut self, before: Option<&'t [u8]>, key: &str) -> Result<&'t [u8], Unsure> {
        let bytes = key.as_bytes();
        if !bytes.iter().all(|b| is_simple(*b)) {
            return Err(Unsure);
        }
        self.expect(b"\"")?;
        let (found, rest) = self.rest.split_at_checked(bytes.len()).ok_or(Unsure)?;
        if found != bytes || before.is_some_and(|before| before >= found) {
            return Err(Unsure);
        }
        self.rest = rest;
        self.expect(b"\": ")?;
        Ok(found)
    }

    fn integer(&mut self, i: Option<i64>) -> Result<(), Unsure> {
        let i = i.filter(|i| Value::integer(*i).is_some()).ok_or(Unsure)?;
        self.expect(i.to_string().as_bytes())
    }

    fn members(&mut self, variant: Option<&str>) -> Result<Members<'_, 't>, Unsure> {
        self.tag(variant)?;
        self.open(b"{")?;
        Ok(Members { to: self, before: None, tagged: variant.is_some() })
    }

    fn items(&mut self, variant: Option<&str>) -> Result<Items<'_, 't>, Unsure> {
        self.tag(variant)?;
        self.open(b"[")?;
        Ok(Items { to: self, empty: true, tagged: variant.is_some() })
    }

    /// The object of one member around the content of a variant.
    fn tag(&mut self, variant: Option<&str>) -> Result<(), Unsure> {
        if let Some(variant) = variant {
            self.open(b"{")?;
            self.next(true)?;
            self.key(None, variant)?;
        }
        Ok(())
    }

    fn untag(&mut self, tagged: bool) -> Result<(), Unsure> {
        if tagged { self.close(false, b"}") } else { Ok(()) }
    }
}

/// A byte that stands for itself in a string, and that every profile accepts.
fn is_simple(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

struct Items<'s, 't> {
    to: &'s mut Spelled<'t>,
    empty: bool,
    tagged: bool,
}

struct Members<'s, 't> {
    to: &'s mut Spelled<'t>,
    before: Option<&'t [u8]>,
    tagged: bool,
}

impl Items<'_, '_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsure> {
        self.to.next(self.empty)?;
        self.empty = false;
        value.serialize(&mut *self.to)
    }

    fn finish(self) -> Result<(), Unsure> {
        self.to.close(self.empty, b"]")?;
        self.to.untag(self.tagged)
    }
}

impl Members<'_, '_> {
    fn name(&mut self, name: &str) -> Result<(), Unsure> {
        self.to.next(self.before.is_none())?;
        self.before = Some(self.to.key(self.before, name)?);
        Ok(())
    }

    fn finish(self) -> Result<(), Unsure> {
        self.to.close(self.before.is_none(), b"}")?;
        self.to.untag(self.tagged)
    }
}

#[cfg(test)]
mod tests;
