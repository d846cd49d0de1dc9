//! The Runtime Pack: canon laid out for offline look-up (portable conformance profile, koa-contract 2.15, 3.10).
//!
//! | File | What |
//! |---|---|
//! | `data/rows.jsonl` | one statement a line, `qid_pid_statement_id_asc` |
//! | `data/row-groups.json` | where groups of rows begin |
//! | `dict/entities.jsonl` | labels and aliases, by id |
//! | `evidence/index.jsonl` | evidence, by id |
//! | `filters/membership.kbf` | Bloom filter over the ids that the pack knows |
//! | `index/predicates/*.roaring` | rows of each property |
//! | `index/subjects.jsonl` | where the rows of each subject lie |
//! | `index/truthy.roaring` | rows of the best rank |
//! | `query/capabilities.json` | limits |

mod bloom;
mod build;
mod layout;
mod open;

pub use bloom::Bloom;
pub use build::compile_pack;
pub use layout::{order_rows_by, row_groups};

use layout::order_rows;
pub use open::{Found, OpenError, Pack};

/// Rows, one a line.
const ROWS: &str = "data/rows.jsonl";
const ROW_GROUPS: &str = "data/row-groups.json";
const ENTITIES: &str = "dict/entities.jsonl";
const EVIDENCE: &str = "evidence/index.jsonl";
const FILTER: &str = "filters/membership.kbf";
const SUBJECTS: &str = "index/subjects.jsonl";
const TRUTHY: &str = "index/truthy.roaring";
const CAPABILITIES: &str = "query/capabilities.json";

/// Where the rows of a property are listed.
fn predicate_path(property: &str) -> String {
    format!("index/predicates/{property}.roaring")
}
