//! What serde asks of a serializer: each call compares the bytes that stand next.

use serde::ser::{self, Serialize};

use super::{Items, Members, Spelled, Unsure};
use crate::canonical::direct::key_text;

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
        self.name(&key_text(key).map_err(|_| Unsure)?)
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
