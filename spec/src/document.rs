//! Documents that people write: text to a tree with spans, tree to types, every error at once.
//!
//! [`parse`] turns KDL 2 or YAML text into [`Node`]s; a decoder walks them with [`Fields`], which hands
//! out values by name and reports what nobody asked for, with a suggestion. All problems of one file
//! are collected in [`Problems`] and shown together.
//!
//! One rule for all documents: a field with one value may be written as a property (`timeout="10m"`)
//! or as a child (`timeout "10m"`); a field with several values, or with fields of its own, is a child.

mod closest;
mod comment;
mod convert;
mod fields;
mod format;
mod kdl;
mod problem;
mod scalar;
mod source;
mod syntax;
mod tree;
mod wording;
mod yaml;

pub use closest::closest;
pub use convert::{Converted, convert, kdl_text};
pub use fields::Fields;
pub use format::format_kdl;
pub use problem::{DocumentError, Problem, Problems};
pub use scalar::{ByteSize, DurationMs, FromScalar, Literal, RelativePath};
pub use source::{Document, NotRead, ReadText};
pub use syntax::{Syntax, parse};
pub use tree::{Node, Scalar, Span, Spanned};
