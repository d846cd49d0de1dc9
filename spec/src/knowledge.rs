//! What engineers and stewards write for the knowledge spine, decoded from KDL.
//!
//! * [`Map`]: which column of which source says what (`maps/*.kdl`).
//! * [`Rules`]: what must hold before anything becomes canon (`rules/*.kdl`).
//! * [`Decision`]: who decided between sources, and why (`decisions/*.kdl`).
//!
//! Grammar: `docs/formats/maps.md`, `rules.md`, `decisions.md`.

mod decisions;
mod map;
mod rules;

pub use decisions::{Decision, Verdict, decode_decisions};
pub use map::{ColumnMap, Map, SourceMap, ValueKind};
pub use rules::{Rule, RuleKind, Rules};
