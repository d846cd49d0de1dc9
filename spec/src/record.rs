//! Records: signed facts about runs and about trust.
//!
//! A record is an in-toto Statement v1. Its bytes are the pretty canonical form (reviewers diff exactly
//! the signed bytes), its id is their SHA-256. A predicate has two parts, `facts` and `run`, which sort
//! in this order: first what happened, then the circumstances (times, hosts, ids) in which it did.
//!
//! Adding a kind is one file: a type that implements [`Predicate`].
//!
//! What other programs ask for in their own words is derived from records: [`Provenance`] and [`Vsa`].
//!
//! A record that contradicts itself can neither be written nor read:
//!
//! ```
//! use orgo_spec::record::{Actor, AdminAction, AdminFacts, AdminRecord, AdminRun, Statement};
//! use orgo_spec::{Digest, Name};
//!
//! let facts = AdminFacts {
//!     action: AdminAction::Hold,
//!     after: Some("held".to_owned()),
//!     before: None,
//!     object: Name::new(AdminRecord::HOLD_RECORDS)?,
//!     reason: "incident 12".to_owned(),
//!     schema_version: AdminRecord::SCHEMA_VERSION.to_owned(),
//!     tenant_id: Name::new("acme")?,
//! };
//! let actor = Actor { id: "alice".to_owned(), kind: "person".to_owned() };
//! let run = AdminRun { actor, created_at: "2026-01-01T00:00:00Z".to_owned() };
//! let hold = Statement::new(AdminRecord { facts, run });
//!
//! let bytes = hold.to_bytes()?;
//! assert_eq!(Statement::parse(&bytes)?, hold);
//! println!("the record {} would be signed", Digest::of(&bytes));
//!
//! let mut nothing = hold;
//! nothing.predicate.facts.after = None;
//! assert_eq!(nothing.to_bytes().unwrap_err().to_string(), "the change changes nothing");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admin;
mod approval;
mod attest;
mod build;
mod epoch;
mod gate;
mod level;
mod mandate;
mod named;
mod origin;
mod overriding;
mod revocation;
mod slsa;
mod stage;
mod started;
mod statement;
mod trust;
mod vsa;

pub use admin::{AdminAction, AdminFacts, AdminRecord, AdminRun, EvidenceHeld};
pub use approval::{ApprovalDecision, ApprovalEntry, ApprovalFacts, ApprovalRecord, ApprovalRecordFacts, ApprovalRun};
pub use attest::{AttestationError, Authorities, Descriptor, DigestSet, runner_id, source_uri};
pub use build::{
    Actor, Artifact, BuildFacts, BuildRecord, BuildRun, Class, Compiler, KristalOutputs, Lane, Outcome, Outputs,
    PinState, Pins, PipelineRef, Program, Snapshot, Source, Status,
};
pub use epoch::Epoch;
pub use gate::{Accepts, Decision, Engine, GateFacts, GateRecord, Produces, ReportFacts, RequestFacts, ValidatorFacts};
pub use level::{ServiceFacts, Unenforced};
pub use mandate::{Approval, MandateFacts, MandateRecord, MandateRun};
pub use named::{Named, named_by};
pub use origin::{Bringer, Origin};
pub use overriding::{OverrideFacts, OverrideRecord, OverrideRecordFacts, OverrideRun};
pub use revocation::{RevocationFacts, RevocationReason, RevocationRecord, Revoked};
pub use slsa::{
    BuildDefinition, BuildMetadata, Builder, ExternalParameters, ParametersExpect, Provenance, ProvenanceExpect,
    ProvenancePredicate, RunDetails, SourceParameter,
};
pub use stage::{AttemptRun, Identity, StageCounts, StageError, StageFacts, StagePage, StageRun, StageStatus};
pub use started::{AbandonedFacts, AbandonedRecord, AbandonedRun, StartedFacts, StartedRecord, StartedRun};
pub use statement::{Predicate, RecordError, RecordId, STATEMENT_TYPE, Statement, Subject};
pub(crate) use trust::is_moment;
pub use trust::{TrustFacts, TrustKeys, TrustRecord, TrustRun, TrustedKey};
pub use vsa::{Verifier, Vsa, VsaExpect, VsaPredicate, resource_uri};

#[cfg(test)]
pub(crate) mod tests;
