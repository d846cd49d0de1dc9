//! Records: signed facts about runs and about trust.
//!
//! A record is an in-toto Statement v1. Its bytes are the pretty canonical form (reviewers diff exactly
//! the signed bytes), its id is their SHA-256. A predicate has two parts, `facts` and `run`, which sort
//! in this order: first what happened, then the circumstances (times, hosts, ids) in which it did.
//!
//! Adding a kind is one file: a type that implements [`Predicate`].
//!
//! What other programs ask for in their own words is derived from records: [`Provenance`] and [`Vsa`].

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
