//! What a record says, judged after its signature.

use orgo_spec::Name;
use orgo_spec::signature::Verified;

use super::report::{Counts, Finding};
use crate::git::{Git, ObjectId};
use crate::ledger::{LedgerError, Trust};

/// INTERIM until the record types arrive.
pub(super) struct Facts;

/// What came of judging one record.
pub(super) struct Judged {
    pub(super) findings: Vec<Finding>,
    pub(super) counts: Counts,
    /// The path under `latest/` that must show this record.
    pub(super) latest: Option<String>,
}

pub(super) fn judge(
    _git: &Git,
    _tree: ObjectId,
    _kind: &Name,
    _trust: &Trust,
    _record: &Verified<Facts>,
) -> Result<Judged, LedgerError> {
    Ok(Judged { findings: Vec::new(), counts: Counts::default(), latest: None })
}
