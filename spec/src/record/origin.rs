//! Where results came from that were not made where they are used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a result came from that was not made here. Nothing in it proves who made it: the run took the word of whoever
/// let it use this place, or of an earlier record with the same key and outputs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What brought it.
    pub by: Bringer,
    /// The path of the shared directory, or the id of the pack.
    pub name: String,
}

/// What brings results from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bringer {
    /// A cache directory that others fill.
    Shared,
    /// A file that `orgo cache unpack` took in.
    Pack,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.by {
            Bringer::Shared => write!(f, "the shared cache `{}`", self.name),
            Bringer::Pack => write!(f, "the cache pack {}", self.name.get(..19).unwrap_or(&self.name)),
        }
    }
}
