//! Provenance and verification summaries of a record, before they are signed.

use orgo_host::ledger::{Head, StoredRecord};
use orgo_spec::ReasonCode;
use orgo_spec::record::{AttestationError, BuildRecord, Predicate, Provenance, Statement, Vsa};
use orgo_spec::signature::{PublicKey, Unverified, Verified};

use crate::failure::{Class, Failure};

/// The bytes of the SLSA provenance of a record.
///
/// # Errors
/// [`Failure`] if there can be none, or if `runner` may not sign it.
pub(super) fn provenance(head: &Head, record: &StoredRecord, runner: &PublicKey) -> Result<Vec<u8>, Failure> {
    let verified = verified(head, record)?;
    Provenance::of(&verified, runner).and_then(|p| p.to_bytes()).map_err(|e| refused(record, &e))
}

/// The bytes of the verification summary of the gates in front of `stage`, or of the one stage that has any.
///
/// # Errors
/// [`Failure`] if there can be none, or if `runner` may not sign it.
pub(super) fn summary(
    head: &Head,
    record: &StoredRecord,
    stage: Option<&str>,
    runner: &PublicKey,
) -> Result<Vec<u8>, Failure> {
    let verified = verified(head, record)?;
    let refused = |e: AttestationError| refused(record, &e);
    let statement = verified.open(Statement::<BuildRecord>::parse).map_err(|e| refused(e.into()))?;
    let facts = &statement.predicate.facts;
    let stages = Vsa::stages(facts);
    let stage = match (stage, stages.as_slice()) {
        (Some(stage), _) => stage,
        (None, [stage]) => stage,
        // Without a gate that passed the error says so, whichever stage is named.
        (None, []) => "(any)",
        (None, several) => {
            return Err(Failure::usage(
                format!("gates before {} stages passed: {}", several.len(), several.join(", ")),
                format!("say whose: `--as vsa --stage {}`", several[0]),
            ));
        }
    };
    Vsa::of(&verified, stage, runner).and_then(|v| v.to_bytes()).map_err(refused)
}

/// The record under the trust in force. A key that is no longer in it attests nothing.
fn verified(head: &Head, record: &StoredRecord) -> Result<Verified<Statement<BuildRecord>>, Failure> {
    if record.kind.as_str() != BuildRecord::KIND {
        return Err(Failure::usage(
            format!(
                "record {} is one of kind `{}`; provenance and summaries are of builds",
                record.number, record.kind
            ),
            "name a build: `orgo record list`; any record can be had with `--as dsse` or `--as bundle`",
        ));
    }
    let unverified = Unverified::new(record.statement.clone(), record.envelope.clone().unwrap_or_default());
    unverified.verify(std::slice::from_ref(head.trust.runners())).map_err(|e| refused(record, &e.into()))
}

/// Why there is no attestation, and what to do about it.
fn refused(record: &StoredRecord, error: &AttestationError) -> Failure {
    let code = error.code();
    let help = match error {
        AttestationError::NotPassed { .. } => {
            "only runs that succeeded have artifacts; the record itself is had with `--as dsse`".to_owned()
        }
        AttestationError::Dirty => {
            "commit, run again, and export that record: `orgo run && orgo record export latest`".to_owned()
        }
        AttestationError::NoSubject(_) => "export a run whose last stages have outputs (`out`)".to_owned(),
        AttestationError::NoGate(_) => format!("see which gates passed: `orgo record show {}`", record.number),
        AttestationError::NotSigner(_) => "only the runner that signed a record says how it was made: export it \
             there, or name that runner's key with `--home DIR` or `--key`"
            .to_owned(),
        AttestationError::Envelope(_)
        | AttestationError::Record(_)
        | AttestationError::Json(_)
        | AttestationError::Digest { .. }
        | AttestationError::Builder(_)
        | AttestationError::Verifier(_)
        | AttestationError::Parameters(_)
        | AttestationError::OtherSubject(_)
        | AttestationError::OtherResource { .. }
        | AttestationError::NotVerified(_)
        | AttestationError::Level(_) => {
            let help = if code == ReasonCode::KeyUnknown {
                "a key that is no longer trusted attests nothing; run the build again"
            } else {
                code.remedy()
            };
            return Failure::message(Class::Integrity, Some(code), format!("record {}: {error}", record.number), help);
        }
    };
    Failure::message(Class::Refused, Some(code), format!("record {}: {error}", record.number), help)
}
