//! Serializable values to canonical bytes, without a tree between them.
//!
//! Members are written as they come. Where they came in canonical order, as the fields of our own types do, that is
//! all; otherwise what was written of the object is put in order when it ends.
//!
//! `serde_json` would turn a number that is not finite into `null` and keep the last of two equal keys; here both are
//! refused, as everywhere in this module.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::ser::{self, Serialize};

use super::error::{JsonError, JsonErrorKind};
use super::parse::{Profile, parse};
use super::value::Value;
use super::write::{by_utf16, write_canonical, write_string};

/// Canonical bytes of a value.
pub(super) fn compact<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::new();
    value.serialize(Direct { out: &mut out, depth: None })?;
    Ok(out)
}

/// The reviewer's form of a value, as [`super::to_pretty`] writes it.
pub(super) fn pretty<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::new();
    value.serialize(Direct { out: &mut out, depth: Some(0) })?;
    out.push(b'\n');
    Ok(out)
}

/// Writes a value to the end of `out`; with a depth, in the reviewer's form.
struct Direct<'o> {
    out: &'o mut Vec<u8>,
    depth: Option<usize>,
}

fn line(out: &mut Vec<u8>, depth: Option<usize>) {
    if let Some(depth) = depth {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    write_string(text, out).expect("writing to memory does not fail");
}

fn deeper(depth: Option<usize>) -> Option<usize> {
    depth.map(|depth| depth + 1)
}

fn name(out: &mut Vec<u8>, name: &str, depth: Option<usize>) {
    line(out, depth);
    text(out, name);
    out.extend_from_slice(if depth.is_some() { b": " } else { b":" });
}

/// The tree of a value, by way of its bytes.
pub(super) fn tree<T: Serialize + ?Sized>(value: &T) -> Result<Value, JsonError> {
    const ANY: Profile = Profile { max_bytes: usize::MAX, max_depth: usize::MAX, floats: true, plain_text: false };
    parse(&compact(value)?, ANY)
}

/// The text that a key of a map is.
pub(super) fn key_text<T: Serialize + ?Sized>(key: &T) -> Result<String, JsonError> {
    match tree(key)? {
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Array(_) | Value::Object(_) => {
            Err(ser::Error::custom("a key is not text"))
        }
    }
}

impl<'o> Direct<'o> {
    /// A number that was `told`, if it can be written.
    fn number(self, number: Option<Value>, told: impl fmt::Display) -> Result<(), JsonError> {
        let refused = || JsonError::new(JsonErrorKind::Number(told.to_string()), 0);
        write_canonical(&number.ok_or_else(refused)?, self.out).expect("writing to memory does not fail");
        Ok(())
    }

    fn integer(self, i: impl TryInto<i64> + fmt::Display + Copy) -> Result<(), JsonError> {
        self.number(i.try_into().ok().and_then(Value::integer), i)
    }

    /// Begins an object with one member, called `variant`; what follows is its value.
    fn tagged(self, variant: &str) -> Self {
        self.out.push(b'{');
        name(self.out, variant, deeper(self.depth));
        Self { depth: deeper(self.depth), ..self }
    }

    fn items(self, tagged: bool) -> Items<'o> {
        self.out.push(b'[');
        Items { out: self.out, depth: self.depth, tagged, empty: true }
    }

    fn members(self, tagged: bool) -> Members<'o> {
        self.out.push(b'{');
        let start = self.out.len();
        Members { out: self.out, depth: self.depth, tagged, start, written: Vec::new(), name: None }
    }
}

/// Ends what [`Direct::tagged`] began around a value at `depth`.
fn end_tag(out: &mut Vec<u8>, depth: Option<usize>, tagged: bool) {
    if tagged {
        line(out, depth.map(|depth| depth - 1));
        out.push(b'}');
    }
}

macro_rules! integers {
    ($($method:ident $type:ty),+) => {
        $(fn $method(self, i: $type) -> Result<(), JsonError> { self.integer(i) })+
    };
}

impl<'o> ser::Serializer for Direct<'o> {
    type Ok = ();
    type Error = JsonError;
    type SerializeSeq = Items<'o>;
    type SerializeTuple = Items<'o>;
    type SerializeTupleStruct = Items<'o>;
    type SerializeTupleVariant = Items<'o>;
    type SerializeMap = Members<'o>;
    type SerializeStruct = Members<'o>;
    type SerializeStructVariant = Members<'o>;

    integers!(
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128
    );

    fn serialize_bool(self, b: bool) -> Result<(), JsonError> {
        self.out.extend_from_slice(if b { b"true".as_slice() } else { b"false" });
        Ok(())
    }

    fn serialize_f32(self, f: f32) -> Result<(), JsonError> {
        self.serialize_f64(f64::from(f))
    }

    fn serialize_f64(self, f: f64) -> Result<(), JsonError> {
        self.number(Value::float(f), f)
    }

    fn serialize_char(self, c: char) -> Result<(), JsonError> {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), JsonError> {
        text(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), JsonError> {
        bytes.serialize(self)
    }

    fn serialize_none(self) -> Result<(), JsonError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), JsonError> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), JsonError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), JsonError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), JsonError> {
        let Direct { out, depth } = self.tagged(variant);
        value.serialize(Direct { out, depth })?;
        end_tag(out, depth, true);
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'o>, JsonError> {
        Ok(self.items(false))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'o>, JsonError> {
        Ok(self.items(false))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'o>, JsonError> {
        Ok(self.items(false))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'o>, JsonError> {
        Ok(self.tagged(variant).items(true))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'o>, JsonError> {
        Ok(self.members(false))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'o>, JsonError> {
        Ok(self.members(false))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'o>, JsonError> {
        Ok(self.tagged(variant).members(true))
    }
}

/// Elements of an array as they come.
struct Items<'o> {
    out: &'o mut Vec<u8>,
    depth: Option<usize>,
    tagged: bool,
    empty: bool,
}

impl Items<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        let depth = deeper(self.depth);
        line(self.out, depth);
        value.serialize(Direct { out: self.out, depth })
    }

    fn finish(self) {
        if !self.empty {
            line(self.out, self.depth);
        }
        self.out.push(b']');
        end_tag(self.out, self.depth, self.tagged);
    }
}

macro_rules! items {
    ($($trait:ident $method:ident),+) => {
        $(impl ser::$trait for Items<'_> {
            type Ok = ();
            type Error = JsonError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
                self.push(value)
            }

            fn end(self) -> Result<(), JsonError> {
                self.finish();
                Ok(())
            }
        })+
    };
}

items!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

/// Members of an object as they come.
struct Members<'o> {
    out: &'o mut Vec<u8>,
    depth: Option<usize>,
    tagged: bool,
    /// Where the first member begins.
    start: usize,
    /// The names that were written, and where each member ends.
    written: Vec<(Cow<'static, str>, usize)>,
    /// The name whose value comes next.
    name: Option<String>,
}

impl Members<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, key: Cow<'static, str>, value: &T) -> Result<(), JsonError> {
        if !self.written.is_empty() {
            self.out.push(b',');
        }
        let depth = deeper(self.depth);
        name(self.out, &key, depth);
        value.serialize(Direct { out: self.out, depth })?;
        self.written.push((key, self.out.len()));
        Ok(())
    }

    /// Puts what was written into canonical order.
    fn sort(&mut self) -> Result<(), JsonError> {
        let bytes = self.out.split_off(self.start);
        let mut from = 0;
        let mut members = Vec::with_capacity(self.written.len());
        for (key, end) in &self.written {
            let end = end - self.start;
            members.push((key.as_ref(), &bytes[from..end]));
            from = end + 1; // the comma
        }
        members.sort_unstable_by(|a, b| by_utf16(a.0, b.0));
        if let Some(pair) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(JsonError::new(JsonErrorKind::DuplicateKey(pair[0].0.to_owned()), 0));
        }
        for (i, (_, member)) in members.into_iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(member);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), JsonError> {
        if !self.written.is_sorted_by(|a, b| by_utf16(&a.0, &b.0) == Ordering::Less) {
            self.sort()?;
        }
        if !self.written.is_empty() {
            line(self.out, self.depth);
        }
        self.out.push(b'}');
        end_tag(self.out, self.depth, self.tagged);
        Ok(())
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), JsonError> {
        self.name = Some(key_text(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        let name = self.name.take().ok_or_else(|| ser::Error::custom("a member has no key"))?;
        self.push(Cow::Owned(name), value)
    }

    fn end(self) -> Result<(), JsonError> {
        self.finish()
    }
}

macro_rules! members {
    ($($trait:ident),+) => {
        $(impl ser::$trait for Members<'_> {
            type Ok = ();
            type Error = JsonError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), JsonError> {
                self.push(Cow::Borrowed(name), value)
            }

            fn end(self) -> Result<(), JsonError> {
                self.finish()
            }
        })+
    };
}

members!(SerializeStruct, SerializeStructVariant);
