//! Documents that people write: text to a tree with spans, tree to types, every error at once.
//!
//! [`parse_kdl`] turns KDL 2 text into [`Node`]s; a decoder walks them with [`Fields`], which hands
//! out values by name and reports what nobody asked for, with a suggestion. All problems of one file
//! are collected in [`Problems`] and shown together.
//!
//! One rule for all documents: a field with one value may be written as a property (`timeout="10m"`)
//! or as a child (`timeout "10m"`); a field with several values, or with fields of its own, is a child.

mod fields;
mod kdl;
mod nesting;
mod plain;
mod problem;
mod scalar;
mod tree;

pub use fields::Fields;
pub use kdl::parse_kdl;
pub use problem::{Document, DocumentError, NotRead, Problem, Problems, ReadText, closest};
pub use scalar::{ByteSize, DurationMs, FromScalar, Literal, RelativePath};
pub use tree::{Node, Scalar, Span, Spanned};
