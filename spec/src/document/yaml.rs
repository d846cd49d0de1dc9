//! YAML to the same trees as KDL. The only place that knows the `granit-parser` crate.
//!
//! What is read is the small part of YAML 1.2 that `docs/formats/yaml.md` describes: one document of mappings, lists
//! and values, typed by the core schema. Anchors, aliases, tags, merge keys and directives are refused where they
//! stand; a key that is there twice is refused with both places.

mod events;
mod key;
mod nodes;
mod value;
pub(super) mod write;

use super::problem::{DocumentError, Problems};
use super::source::Document;
use super::tree::Node;

pub(super) use events::comments;

/// Deepest accepted nesting of mappings and lists.
const MAX_DEPTH: usize = 64;

/// Reads YAML text into nodes.
///
/// # Errors
/// [`DocumentError`] with the first mistake of syntax, or with everything that this part of YAML does not have.
pub(super) fn parse(document: &Document, mut problems: Problems) -> Result<Vec<Node>, DocumentError> {
    let nodes = match events::read(document.text(), &mut problems) {
        Some(value) => nodes::top(&value, &mut problems),
        None => Vec::new(),
    };
    problems.check(Some(nodes))
}

#[cfg(test)]
mod tests;
