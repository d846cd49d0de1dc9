//! The tree that every syntax decodes into.

use serde::Serialize;

/// A range of bytes in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// A range of bytes; positions beyond 4 GiB are clamped (documents are bounded far below that).
    #[must_use]
    pub fn new(offset: usize, len: usize) -> Self {
        let clamp = |n| u32::try_from(n).unwrap_or(u32::MAX);
        Self { offset: clamp(offset), len: clamp(len) }
    }
}

impl From<Span> for miette::SourceSpan {
    fn from(span: Span) -> Self {
        (span.offset as usize, span.len as usize).into()
    }
}

/// A value and where it was written. Serializes as the value alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Pairs a value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Changes the value, keeps the place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), span: self.span }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: std::fmt::Display> std::fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: Serialize> Serialize for Spanned<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Spanned<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// One value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A number that is not an integer of 64 bits, exactly as written.
    Number(String),
    /// A truth value.
    Bool(bool),
    /// The null value.
    Null,
}

impl Scalar {
    /// What kind of value this is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "an integer",
            Self::Number(_) => "a number",
            Self::Bool(_) => "a truth value",
            Self::Null => "null",
        }
    }
}

/// A node: a name, arguments, properties and children, each with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What the node is called.
    pub name: Spanned<String>,
    /// Positional values.
    pub args: Vec<Spanned<Scalar>>,
    /// Named values, in order, duplicates included.
    pub props: Vec<(Spanned<String>, Spanned<Scalar>)>,
    /// Nodes inside.
    pub children: Vec<Node>,
    /// The whole node.
    pub span: Span,
}

impl Node {
    /// The properties as nodes with one value, which say the same.
    pub(super) fn props_as_children(&self) -> impl Iterator<Item = Self> {
        self.props.iter().map(|(name, value)| Self {
            name: name.clone(),
            args: vec![value.clone()],
            props: Vec::new(),
            children: Vec::new(),
            span: Span::new(name.span.offset as usize, name.span.len.max(value.span.len) as usize),
        })
    }

    /// What the node says, whatever the syntax: without places, properties as the first of its children.
    #[must_use]
    pub fn meaning(&self) -> Self {
        let nowhere = Span::default();
        Self {
            name: Spanned::new(self.name.value.clone(), nowhere),
            args: self.args.iter().map(|arg| Spanned::new(arg.value.clone(), nowhere)).collect(),
            props: Vec::new(),
            children: self.props_as_children().chain(self.children.iter().cloned()).map(|c| c.meaning()).collect(),
            span: nowhere,
        }
    }

    /// Moves every place by `by`: those of an included document lie behind those of the one that includes it.
    pub(crate) fn shift(&mut self, by: u32) {
        let shift = |span: &mut Span| span.offset = span.offset.saturating_add(by);
        shift(&mut self.span);
        shift(&mut self.name.span);
        self.args.iter_mut().for_each(|arg| shift(&mut arg.span));
        for (name, value) in &mut self.props {
            shift(&mut name.span);
            shift(&mut value.span);
        }
        self.children.iter_mut().for_each(|child| child.shift(by));
    }
}
