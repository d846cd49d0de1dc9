//! What people signed, as a ledger holds it: `approvals/<subject>/<key>.<action>.json` shows the newest record of each.

use std::collections::BTreeSet;

use orgo_spec::approval::SignedApproval;
use orgo_spec::overriding::SignedOverride;
use orgo_spec::record::{ApprovalRecord, Statement};
use orgo_spec::signature::PublicKey;
use orgo_spec::{Digest, ReasonCode};

use super::trust::{Moment, Trust};
use super::{Head, Ledger, LedgerError, MAX_RECORD_BYTES, bounded, layout};
use crate::git::Entry;

impl Ledger {
    /// What is on record about a subject, approvals and withdrawals. Signatures of approvers are verified with the
    /// records; the ledger itself is not.
    ///
    /// # Errors
    /// [`LedgerError`] if a record is damaged.
    pub fn approvals(&self, head: &Head, subject: &Digest) -> Result<Vec<SignedApproval>, LedgerError> {
        let folder = layout::approval_folder(subject);
        let Some(tree) = self.git.entry(head.tree, &folder)?.filter(Entry::is_tree) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for (name, entry) in self.git.tree(tree.id)?.iter() {
            let path = format!("{folder}/{name}");
            let bytes = bounded(&self.git, entry.id, MAX_RECORD_BYTES, &path)?;
            match Statement::<ApprovalRecord>::parse(&bytes) {
                Ok(record) => found.push(record.predicate.facts.approval),
                Err(error) => return Err(LedgerError::Damaged { path, why: error.to_string() }),
            }
        }
        Ok(found)
    }
}

impl Ledger {
    /// Which of these overrides were used, by id.
    ///
    /// # Errors
    /// [`LedgerError`] if the tree cannot be read.
    pub fn spent(&self, head: &Head, overrides: &[SignedOverride]) -> Result<BTreeSet<Digest>, LedgerError> {
        let mut spent = BTreeSet::new();
        for id in overrides.iter().map(|o| o.document.id()) {
            if self.git.entry(head.tree, &layout::override_path(&id))?.is_some() {
                spent.insert(id);
            }
        }
        Ok(spent)
    }
}

/// Whether the trust in force lists a key as that of an approver, who may approve what records of `kind` are about.
///
/// # Errors
/// The reason code and what is wrong.
pub(crate) fn may_approve(
    trust: &Trust,
    key: &PublicKey,
    kind: &str,
    at: Moment<'_>,
) -> Result<(), (ReasonCode, String)> {
    let short = key.id().short();
    match trust.lists(key) {
        Some(("approver", _)) => trust.may_sign(key, Some(kind), at),
        Some((role, _)) => Err((ReasonCode::KeyScopeMismatch, format!("the key {short} approved; its duty is {role}"))),
        None => {
            let message = format!("the key {short} approved; the trust in force does not list it");
            Err((ReasonCode::KeyUnknown, message))
        }
    }
}
