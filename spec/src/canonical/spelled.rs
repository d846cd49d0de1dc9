//! Whether bytes are the pretty form of a value, found in one pass: no tree is built and nothing is written.
//!
//! INVARIANT: "yes" is said only where [`super::to_pretty`] writes exactly these bytes and [`super::parse`] accepts
//! them under the profile. "No" says nothing: whoever hears it takes the long way, which also knows the reason.

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

macro_rules! integers {
    ($($method:ident $type:ty),+) => {
        $(fn $method(self, i: $type) -> Result<(), Unsure> { self.integer(i64::try_from(i).ok()) })+
    };
}

impl<'s, 't> ser::Serializer for &'s mut Spelled<'t> {
    type Ok = ();
    type Error = Unsure;
    type SerializeSeq = Items<'s, 't>;
    type SerializeTuple = Items<'s, 't>;
    type SerializeTupleStruct = Items<'s, 't>;
    type SerializeTupleVariant = Items<'s, 't>;
    type SerializeMap = Members<'s, 't>;
    type SerializeStruct = Members<'s, 't>;
    type SerializeStructVariant = Members<'s, 't>;

    integers!(
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128
    );

    fn serialize_bool(self, b: bool) -> Result<(), Unsure> {
        self.expect(if b { b"true" } else { b"false" })
    }

    fn serialize_f32(self, _: f32) -> Result<(), Unsure> {
        Err(Unsure)
    }

    fn serialize_f64(self, _: f64) -> Result<(), Unsure> {
        Err(Unsure)
    }

    fn serialize_char(self, c: char) -> Result<(), Unsure> {
        self.string(c.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Unsure> {
        self.string(text)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Unsure> {
        Err(Unsure)
    }

    fn serialize_none(self) -> Result<(), Unsure> {
        self.expect(b"null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unsure> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unsure> {
        self.expect(b"null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unsure> {
        self.expect(b"null")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unsure> {
        self.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Unsure> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unsure> {
        self.tag(Some(variant))?;
        value.serialize(&mut *self)?;
        self.untag(true)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'s, 't>, Unsure> {
        self.items(None)
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'s, 't>, Unsure> {
        self.items(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'s, 't>, Unsure> {
        self.items(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'s, 't>, Unsure> {
        self.items(Some(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'s, 't>, Unsure> {
        self.members(None)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'s, 't>, Unsure> {
        self.members(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'s, 't>, Unsure> {
        self.members(Some(variant))
    }
}

macro_rules! items {
    ($($trait:ident $method:ident),+) => {
        $(impl ser::$trait for Items<'_, '_> {
            type Ok = ();
            type Error = Unsure;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsure> {
                self.push(value)
            }

            fn end(self) -> Result<(), Unsure> {
                self.finish()
            }
        })+
    };
}

items!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

impl ser::SerializeMap for Members<'_, '_> {
    type Ok = ();
    type Error = Unsure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unsure> {
        let key = key.serialize(super::tree::Tree).map_err(|_| Unsure)?;
        self.name(key.as_str().ok_or(Unsure)?)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsure> {
        value.serialize(&mut *self.to)
    }

    fn end(self) -> Result<(), Unsure> {
        self.finish()
    }
}

macro_rules! members {
    ($($trait:ident),+) => {
        $(impl ser::$trait for Members<'_, '_> {
            type Ok = ();
            type Error = Unsure;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unsure> {
                self.name(name)?;
                value.serialize(&mut *self.to)
            }

            fn end(self) -> Result<(), Unsure> {
                self.finish()
            }
        })+
    };
}

members!(SerializeStruct, SerializeStructVariant);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::{parse, to_pretty};
    use super::*;

    #[derive(Debug, Clone, serde::Serialize)]
    struct Sample {
        a: BTreeMap<String, i64>,
        b: Option<Box<Sample>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        c: Vec<Variant>,
        d: bool,
        e: String,
        f: (u8, Option<u64>),
    }

    #[derive(Debug, Clone, serde::Serialize)]
    enum Variant {
        Unit,
        New(String),
        Pair(i8, u32),
        Named { x: Vec<String>, y: () },
        Turned { y: u8, x: u8 },
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![4 => "[a-z0-9:./-]{0,8}", 1 => "[\\x00-\\x7f]{0,4}", 1 => "\\PC{0,4}|(?s:.){0,3}"]
    }

    fn variant() -> impl Strategy<Value = Variant> {
        prop_oneof![
            Just(Variant::Unit),
            text().prop_map(Variant::New),
            any::<(i8, u32)>().prop_map(|(a, b)| Variant::Pair(a, b)),
            proptest::collection::vec(text(), 0..3).prop_map(|x| Variant::Named { x, y: () }),
            any::<(u8, u8)>().prop_map(|(y, x)| Variant::Turned { y, x }),
        ]
    }

    fn sample() -> impl Strategy<Value = Sample> {
        let maps = || proptest::collection::btree_map(text(), -(1i64 << 54)..1 << 54, 0..3);
        let flat =
            (maps(), proptest::collection::vec(variant(), 0..4), any::<bool>(), text(), any::<(u8, Option<u64>)>());
        let flat = flat.prop_map(|(a, c, d, e, f)| Sample { a, b: None, c, d, e, f: (f.0, f.1.map(|n| n >> 10)) });
        flat.prop_recursive(3, 4, 1, |inner| {
            inner.prop_map(|b| Sample { e: "deeper".to_owned(), b: Some(Box::new(b.clone())), ..b })
        })
    }

    /// What the long way says.
    fn is_its_spelling(text: &str, value: &Sample) -> bool {
        parse(text.as_bytes(), Profile::RECORD).is_ok()
            && Value::of(value).is_ok_and(|value| to_pretty(&value) == text.as_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn yes_is_said_only_where_the_long_way_agrees(value in sample(), at in any::<usize>(), with in "[ -~\n]{0,2}") {
            let Ok(tree) = Value::of(&value) else { return Ok(()) };
            let text = String::from_utf8(to_pretty(&tree)).expect("JSON is text");
            if is_spelled(&text, &value, Profile::RECORD) {
                prop_assert!(is_its_spelling(&text, &value));
            }
            let at = at % text.len();
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                let other = format!("{}{with}{}", &text[..at], &text[at + 1..]);
                if is_spelled(&other, &value, Profile::RECORD) {
                    prop_assert!(is_its_spelling(&other, &value));
                }
            }
        }
    }

    #[test]
    fn what_records_are_made_of_needs_no_long_way() {
        let inner = Sample {
            a: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), -2)]),
            b: None,
            c: vec![Variant::Unit, Variant::New("x \"\\ \n é".to_owned()), Variant::Pair(-1, 2)],
            d: true,
            e: String::new(),
            f: (0, Some(1)),
        };
        let named = Variant::Named { x: vec!["q".to_owned()], y: () };
        let value = Sample { a: BTreeMap::new(), b: Some(Box::new(inner.clone())), c: vec![named], ..inner };
        let text = to_pretty(&Value::of(&value).expect("small numbers"));
        let text = std::str::from_utf8(&text).expect("JSON is text");
        assert!(is_spelled(text, &value, Profile::RECORD));
        assert!(!is_spelled(text, &value, Profile { max_bytes: text.len() - 1, ..Profile::RECORD }));
        assert!(!is_spelled(text, &value, Profile { max_depth: 2, ..Profile::RECORD }));
        assert!(!is_spelled(text.trim_end(), &value, Profile::RECORD));
        assert!(!is_spelled(&format!("{text}\n"), &value, Profile::RECORD));
        let hidden = Sample { e: "a\u{202e}".to_owned(), ..value };
        let text = to_pretty(&Value::of(&hidden).expect("small numbers"));
        assert!(!is_spelled(std::str::from_utf8(&text).expect("JSON is text"), &hidden, Profile::RECORD));
    }
}
