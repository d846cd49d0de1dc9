//! The objects that a build record names by digest: what an evidence store holds, and what garbage collection keeps.

use super::build::BuildRecord;
use super::stage::StageFacts;
use crate::Digest;
use crate::evidence::Kind;

/// An object that a record names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// What it is to the record.
    pub kind: Kind,
    /// What it is, in words: `log of test`.
    pub what: String,
}

impl Named {
    fn new(digest: Digest, kind: Kind, what: impl Into<String>) -> Self {
        Self { digest, kind, what: what.into() }
    }
}

impl BuildRecord {
    /// Every object that the record names, sorted, each once a kind. Outputs of stages that stand on pages are named
    /// by the pages ([`named_by`]). Repository files are not among them: git has them.
    ///
    /// Digests of folders are Merkle trees over files that are named themselves.
    #[must_use]
    pub fn named(&self) -> Vec<Named> {
        let facts = &self.facts;
        let mut named = named_by(&facts.stages);
        for stage in &self.run.stages {
            named.extend(stage.log.map(|log| Named::new(log, Kind::Logs, format!("log of {}", stage.stage))));
        }
        named.extend(facts.mandate_ref.map(|d| Named::new(d, Kind::Evidence, "mandate")));
        named.extend(facts.blueprint_ref.map(|d| Named::new(d, Kind::Evidence, "blueprint")));
        named.extend(facts.validation_report_ref.map(|d| Named::new(d, Kind::Reports, "validation report")));
        for gate in &facts.gates {
            let mut refs = gate.evidence_refs.iter();
            named.extend(
                refs.next().map(|d| Named::new(*d, Kind::Evidence, format!("facts of the gate {}", gate.gate))),
            );
            let report = refs.next();
            named.extend(report.map(|d| Named::new(*d, Kind::Reports, format!("report of the gate {}", gate.gate))));
            named.extend(refs.map(|d| Named::new(*d, Kind::Evidence, format!("excerpt for the gate {}", gate.gate))));
        }
        named.extend(facts.pages.iter().map(|p| Named::new(p.digest, Kind::Evidence, "page of stages")));
        // The list of inputs, where there are too many to name; single inputs are files of the tree.
        let lists = facts.input_snapshots.iter().filter(|s| s.path.starts_with('('));
        named.extend(lists.map(|s| Named::new(s.digest, Kind::Evidence, "list of inputs")));
        let lists = facts.outputs().into_iter().flat_map(|o| &o.artifacts).filter(|a| a.name.starts_with('('));
        named.extend(lists.map(|a| Named::new(a.digest, Kind::Evidence, "list of outputs")));
        let kristal = facts.outputs().and_then(|o| o.kristal.as_ref());
        for (folder, files) in
            kristal.iter().flat_map(|k| [("exchange", &k.exchange_hashes), ("pack", &k.payload_hashes)])
        {
            named.extend(files.iter().map(|f| Named::new(f.digest, Kind::Outputs, format!("{folder}/{}", f.name))));
        }
        sorted(named)
    }
}

/// The objects that stages made.
#[must_use]
pub fn named_by(stages: &[StageFacts]) -> Vec<Named> {
    let made = stages.iter().flat_map(|s| s.artifacts_out.iter().map(move |a| (s, a)));
    sorted(made.map(|(s, a)| Named::new(a.digest, Kind::Outputs, format!("{} of {}", a.name, s.stage))).collect())
}

/// What is empty needs no keeping.
fn sorted(mut named: Vec<Named>) -> Vec<Named> {
    named.retain(|n| n.digest != Digest::EMPTY);
    named.sort_unstable();
    named.dedup_by(|a, b| a.digest == b.digest && a.kind == b.kind);
    named
}
