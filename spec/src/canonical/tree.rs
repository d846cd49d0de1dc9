//! Serializable values to trees, without a detour.
//!
//! `serde_json` would turn a number that is not finite into `null` and keep the last of two equal keys;
//! here both are refused, as everywhere in this module.

use std::fmt;

use serde::ser::{self, Serialize};

use super::parse::{JsonError, JsonErrorKind};
use super::value::{Object, Value};

/// Builds the tree of a value.
pub(super) struct Tree;

impl ser::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(JsonErrorKind::Unsupported(message.to_string()), 0)
    }
}

fn integer(i: impl TryInto<i64> + fmt::Display + Copy) -> Result<Value, JsonError> {
    let refused = || JsonError::new(JsonErrorKind::Number(i.to_string()), 0);
    i.try_into().ok().and_then(Value::integer).ok_or_else(refused)
}

fn tagged(variant: &'static str, value: Value) -> Value {
    let mut object = Object::new();
    object.push_unique(variant.to_owned(), value);
    Value::Object(object)
}

macro_rules! integers {
    ($($method:ident $type:ty),+) => {
        $(fn $method(self, i: $type) -> Result<Value, JsonError> { integer(i) })+
    };
}

impl ser::Serializer for Tree {
    type Ok = Value;
    type Error = JsonError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    integers!(
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128
    );

    fn serialize_bool(self, b: bool) -> Result<Value, JsonError> {
        Ok(Value::Bool(b))
    }

    fn serialize_f32(self, f: f32) -> Result<Value, JsonError> {
        self.serialize_f64(f64::from(f))
    }

    fn serialize_f64(self, f: f64) -> Result<Value, JsonError> {
        Value::float(f).ok_or_else(|| JsonError::new(JsonErrorKind::Number(f.to_string()), 0))
    }

    fn serialize_char(self, c: char) -> Result<Value, JsonError> {
        Ok(Value::String(c.to_string()))
    }

    fn serialize_str(self, text: &str) -> Result<Value, JsonError> {
        Ok(Value::from(text))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, JsonError> {
        Ok(Value::Array(bytes.iter().map(|b| Value::Int(i64::from(*b))).collect()))
    }

    fn serialize_none(self) -> Result<Value, JsonError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, JsonError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, JsonError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, JsonError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, JsonError> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value, JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, JsonError> {
        Ok(tagged(variant, value.serialize(self)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items, JsonError> {
        Ok(Items { items: Vec::with_capacity(len.unwrap_or(0).min(1024)), variant: None })
    }

    fn serialize_tuple(self, len: usize) -> Result<Items, JsonError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items, JsonError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items, JsonError> {
        Ok(Items { variant: Some(variant), ..self.serialize_seq(Some(len))? })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, JsonError> {
        Ok(Members::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members, JsonError> {
        Ok(Members::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members, JsonError> {
        Ok(Members { variant: Some(variant), ..Members::default() })
    }
}

/// Elements of an array as they come.
pub(super) struct Items {
    items: Vec<Value>,
    variant: Option<&'static str>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        self.items.push(value.serialize(Tree)?);
        Ok(())
    }

    fn finish(self) -> Value {
        let array = Value::Array(self.items);
        match self.variant {
            Some(variant) => tagged(variant, array),
            None => array,
        }
    }
}

macro_rules! items {
    ($($trait:ident $method:ident),+) => {
        $(impl ser::$trait for Items {
            type Ok = Value;
            type Error = JsonError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
                self.push(value)
            }

            fn end(self) -> Result<Value, JsonError> {
                Ok(self.finish())
            }
        })+
    };
}

items!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

/// Members of an object as they come.
#[derive(Default)]
pub(super) struct Members {
    object: Object,
    name: Option<String>,
    variant: Option<&'static str>,
}

impl Members {
    fn push<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), JsonError> {
        self.object.push_unique(name, value.serialize(Tree)?);
        Ok(())
    }

    fn finish(self) -> Result<Value, JsonError> {
        if let Some(name) = self.object.duplicate() {
            return Err(JsonError::new(JsonErrorKind::DuplicateKey(name.to_owned()), 0));
        }
        let object = Value::Object(self.object);
        Ok(match self.variant {
            Some(variant) => tagged(variant, object),
            None => object,
        })
    }
}

impl ser::SerializeMap for Members {
    type Ok = Value;
    type Error = JsonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), JsonError> {
        match key.serialize(Tree)? {
            Value::String(name) => self.name = Some(name),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Array(_) | Value::Object(_) => {
                return Err(ser::Error::custom("a key is not text"));
            }
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        let name = self.name.take().ok_or_else(|| ser::Error::custom("a member has no key"))?;
        self.push(name, value)
    }

    fn end(self) -> Result<Value, JsonError> {
        self.finish()
    }
}

macro_rules! members {
    ($($trait:ident),+) => {
        $(impl ser::$trait for Members {
            type Ok = Value;
            type Error = JsonError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), JsonError> {
                self.push(name.to_owned(), value)
            }

            fn end(self) -> Result<Value, JsonError> {
                self.finish()
            }
        })+
    };
}

members!(SerializeStruct, SerializeStructVariant);
