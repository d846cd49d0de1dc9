//! The tree that canonical bytes are written from.

use serde::Serialize;

use super::MAX_SAFE_INTEGER;
use super::error::JsonError;

/// A JSON value as this project accepts it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer within ±(2^53−1).
    Int(i64),
    /// A finite number that is not such an integer. Upstream data only: our own documents have none.
    Float(f64),
    /// Text.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

/// Members of an object: names are unique; order is restored when bytes are written, and does not
/// matter when objects are compared.
#[derive(Debug, Clone, Default)]
pub struct Object(Vec<(String, Value)>);

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |object: &Self| {
            let mut order: Vec<usize> = (0..object.0.len()).collect();
            order.sort_unstable_by_key(|i| &object.0[*i].0);
            order
        };
        let pairs = || sorted(self).into_iter().zip(sorted(other));
        self.0.len() == other.0.len() && pairs().all(|(a, b)| self.0[a] == other.0[b])
    }
}

impl Object {
    /// An object without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a member, replacing an earlier one of that name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let name = name.into();
        let value = value.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some(slot) => slot.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// Adds a member whose name is known to be new.
    pub(super) fn push_unique(&mut self, name: String, value: Value) {
        self.0.push((name, value));
    }

    /// The member called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Takes the member called `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(at).1)
    }

    /// Members in the order they were read or inserted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// Members in the order they were read or inserted, values mutable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value)> {
        self.0.iter_mut().map(|(n, v)| (n.as_str(), v))
    }

    /// Keeps the members for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(n, _)| keep(n));
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        let mut object = Self::new();
        for (name, value) in members {
            object.insert(name, value);
        }
        object
    }
}

impl Value {
    /// The tree of any serializable value.
    ///
    /// # Errors
    /// [`JsonError`] for a number that is not finite or an integer beyond ±(2^53−1), for keys that stand
    /// twice, and for keys that are not text.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        super::direct::tree(value)
    }

    /// An integer, if it is within ±(2^53−1).
    #[must_use]
    pub fn integer(i: i64) -> Option<Self> {
        (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&i).then_some(Self::Int(i))
    }

    /// A finite number; one with an integral value within ±(2^53−1) becomes an integer.
    ///
    /// Refused are integral values from 2^53 up to, not including, 10^21: they would be written with digits
    /// alone, as an integer that no reader may accept. From 10^21 on, canonical numbers have an exponent.
    #[must_use]
    pub fn float(f: f64) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "2^53−1 is exact")]
        let whole = f.fract() == 0.0 && f.abs() <= MAX_SAFE_INTEGER as f64;
        if whole {
            #[expect(clippy::cast_possible_truncation, reason = "within ±(2^53−1)")]
            return Some(Self::Int(f as i64));
        }
        let writable = f.is_finite() && (f.fract() != 0.0 || f.abs() >= 1e21);
        writable.then_some(Self::Float(f))
    }

    /// The text, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(s) = self { Some(s) } else { None }
    }

    /// The integer, if this is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(i) = self { Some(*i) } else { None }
    }

    /// The members, if this is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        if let Self::Object(o) = self { Some(o) } else { None }
    }

    /// The members, mutable, if this is an object.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        if let Self::Object(o) = self { Some(o) } else { None }
    }

    /// The elements, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(a) = self { Some(a) } else { None }
    }

    /// The member called `name`, if this is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }

    /// The value at a path of member names.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self, |v, name| v.get(name))
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::String(s.to_owned())
    }
}
impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::String(s)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}
impl From<u32> for Value {
    fn from(i: u32) -> Self {
        Self::Int(i64::from(i))
    }
}
impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::Array(items)
    }
}
impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}
impl From<crate::Digest> for Value {
    fn from(digest: crate::Digest) -> Self {
        Self::String(digest.to_string())
    }
}
