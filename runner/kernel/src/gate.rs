//! Gates: verdicts over reports, and the only source of the token that lets compilers run.
//!
//! No compile on fail, by construction: a gated stage is looked up or started only with an
//! [`Admission`]; an admission comes only from a [`Pass`] that is consumed; a pass comes only from
//! [`decide`], and carries the digest of what was decided about. Neither can be cloned, stored or made
//! elsewhere. Deciding again ([`replay`]) yields a [`ReplayedVerdict`], which starts nothing.
//!
//! The built-in rules are the floor: what they refuse, nothing permits. Where a mandate governs, its policies
//! are asked as well ([`crate::policy`]), and can only refuse more. What they refuse people may lift, once and where the
//! mandate says so; what the floor refuses nobody may.
//!
//! Everything that cannot be read, is missing, or contradicts itself refuses.
//!
//! ```
//! use orgo_kernel::gate::{FACTS_VERSION, decide};
//! use orgo_spec::record::{GateFacts, ValidatorFacts};
//! use orgo_spec::{Digest, ReasonCode};
//!
//! let facts = GateFacts {
//!     accepts: None,
//!     gate: "accept".to_owned(),
//!     mandate: None,
//!     mandate_required: false,
//!     overriding: None,
//!     report: None,
//!     report_digest: None,
//!     request: None,
//!     schema_version: FACTS_VERSION.to_owned(),
//!     stage: "pack".to_owned(),
//!     subject: Some(Digest::of(b"what would be compiled")),
//!     validator: ValidatorFacts { builtin: true, digest: Digest::EMPTY },
//! };
//! let (verdict, pass) = decide(facts, None, None, "run");
//! assert_eq!(verdict.record.reason_codes, [ReasonCode::ReportMissing]);
//! assert!(pass.is_none(), "so nothing is compiled");
//! ```

mod excerpt;
mod overriding;
mod pass;
mod report;
mod rules;

pub use excerpt::{MAX_REPORT_BYTES, excerpt};
pub use overriding::{Signer, count as count_signers, terms as override_terms};
pub use pass::{Admission, Pass};
pub use report::read_report;

use orgo_spec::canonical::{self, Profile};
use orgo_spec::record::{Decision, Engine, GateFacts, GateRecord, OverrideFacts};
use orgo_spec::{Digest, ReasonCode};

use self::rules::{Assessed, assess, floor};
use crate::policy::{self, Policies};

/// The rules that decide where no mandate governs, as they stand in records.
pub const ENGINE: &str = "orgo-builtin";
/// The version of these rules: it changes when a verdict could.
pub const ENGINE_VERSION: &str = "1";
/// Version of the facts document.
pub const FACTS_VERSION: &str = "1.0.0";
/// Largest facts document, in bytes.
pub const MAX_FACTS_BYTES: usize = 64 * 1024;

/// The verdict of a gate decided again from its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedVerdict {
    /// The verdict now.
    pub decision: Decision,
    /// Why not, sorted.
    pub reason_codes: Vec<ReasonCode>,
    /// The policies that determined it.
    pub policies: Vec<String>,
    /// Whether the same policies were lifted, by the same override.
    pub same_override: bool,
    /// What the gate saw of an override.
    pub overriding: Option<OverrideFacts>,
    /// Whether the record was made by the same rules.
    pub same_engine: bool,
    /// Whether the gate had a report that is not at hand: the verdict rests on what was recorded of it.
    pub report_absent: bool,
    /// Whether policies decided that are not at hand: what they said is taken from the record.
    pub policies_absent: bool,
    /// Whether verdict, reasons and policies are those of the record, and all evidence was read again.
    pub confirmed: bool,
}

/// Why a recorded gate cannot be decided again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The facts cannot be read.
    #[error("the facts of the gate `{gate}` cannot be read: {why}")]
    Facts {
        /// The gate.
        gate: String,
        /// What is wrong.
        why: String,
    },
    /// The facts are about another gate or stage, or the evidence is not what the record names.
    #[error("the evidence of the gate `{gate}` belongs to something else")]
    Other {
        /// The gate.
        gate: String,
    },
}

/// Decides a gate. `facts.report` is read from `report` here, whatever the caller put there.
///
/// Where `facts` name a mandate, its `policies` are asked, too; that they are not there, or are those of another
/// mandate, refuses. Returns what goes into the record, and a pass if nothing refuses.
#[must_use]
pub fn decide(
    mut facts: GateFacts,
    report: Option<&[u8]>,
    policies: Option<&Policies>,
    run: &str,
) -> (Verdict, Option<Pass>) {
    facts.report_digest = report.map(Digest::of);
    facts.report = report.and_then(read_report);
    let bytes = canonical::bytes_of(&facts).expect("facts have no numbers beyond 2^53");
    let mut assessed = assess(&facts, policies);
    if bytes.len() > MAX_FACTS_BYTES {
        assessed = Assessed { codes: vec![ReasonCode::InputTooLarge], ..Assessed::default() };
    }
    let pass = match (assessed.codes.is_empty(), facts.subject, facts.report_digest) {
        (true, Some(subject), Some(report)) => {
            Some(Pass { gate: facts.gate.clone(), subject, report, policy: facts.mandate, run: run.to_owned() })
        }
        _ => None,
    };
    let mut evidence_refs = vec![Digest::of(&bytes)];
    evidence_refs.extend(facts.report_digest);
    let excerpt = report.and_then(excerpt);
    evidence_refs.extend(excerpt.as_deref().map(Digest::of));
    let record = GateRecord {
        decision: if pass.is_some() { Decision::Pass } else { Decision::Fail },
        engine: engine(&facts),
        evidence_refs,
        gate: facts.gate,
        override_ref: (!assessed.lifted.is_empty())
            .then(|| facts.overriding.as_ref().map(|o| o.signed.document.id()))
            .flatten(),
        lifted: assessed.lifted,
        policies: assessed.by,
        reason_codes: assessed.codes,
        stage: facts.stage,
    };
    (Verdict { record, facts: bytes, excerpt }, pass)
}

/// Who decides about these facts: where a mandate governs, its policies do, too.
fn engine(facts: &GateFacts) -> Engine {
    match facts.mandate {
        None => Engine { name: ENGINE.to_owned(), version: ENGINE_VERSION.to_owned() },
        Some(_) => Engine { name: policy::ENGINE.to_owned(), version: policy::engine_version() },
    }
}

/// A verdict and the facts that it rests on, as canonical JSON.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What goes into the build record.
    pub record: GateRecord,
    /// Evidence.
    pub facts: Vec<u8>,
    /// What stands for the report in a ledger, if it is too large for one.
    pub excerpt: Option<Vec<u8>>,
}

/// Decides a recorded gate again from its evidence. Starts nothing.
///
/// `excerpt` is what stands for a report that is too large to be kept; it is held to the facts. Without the report, or
/// without the policies of a mandate that governed, the verdict rests on what is there and is not confirmed: missing is not invalid. A gate that [`ENGINE`] decided is decided by its rules alone.
///
/// # Errors
/// [`ReplayError`] if the evidence is not what the record names, or cannot be read.
pub fn replay(
    record: &GateRecord,
    facts: &[u8],
    report: Option<&[u8]>,
    excerpt: Option<&[u8]>,
    policies: Option<&Policies>,
) -> Result<ReplayedVerdict, ReplayError> {
    let other = || ReplayError::Other { gate: record.gate.clone() };
    let unreadable = |why: String| ReplayError::Facts { gate: record.gate.clone(), why };
    if record.evidence_refs.first() != Some(&Digest::of(facts)) {
        return Err(other());
    }
    let profile = Profile { max_bytes: MAX_FACTS_BYTES, ..Profile::RECORD };
    let read: GateFacts = canonical::from_slice(facts, profile).map_err(|e| unreadable(e.to_string()))?;
    if canonical::bytes_of(&read).map_err(|e| unreadable(e.to_string()))? != facts {
        return Err(unreadable("they are not in canonical form".to_owned()));
    }
    let report_digest = report.map(Digest::of).or(read.report_digest);
    // A report that is at hand says whether there is an excerpt, and which; without it, the record does.
    let third = match report {
        Some(report) => excerpt::excerpt(report).map(|bytes| Digest::of(&bytes)),
        None => record.evidence_refs.get(2).copied(),
    };
    let named = read.report_digest.iter().chain(&third);
    let names_this = record.evidence_refs[1..].iter().eq(named) && read.report_digest == report_digest;
    let counts = read.report.as_ref().map(|r| &r.counts);
    let is_about = |bytes| read.report_digest.is_some_and(|digest| excerpt::is_about(bytes, digest, counts));
    if excerpt.is_some_and(|bytes| third != Some(Digest::of(bytes)) || !is_about(bytes)) {
        return Err(other());
    }
    if read.gate != record.gate || read.stage != record.stage || !names_this {
        return Err(other());
    }
    let builtin = record.engine.name == ENGINE;
    // Facts that ask policies were never decided without them.
    if builtin && read.request.is_some() {
        return Err(other());
    }
    let policies_absent = !builtin && read.mandate.is_some() && policies.is_none();
    let mut assessed = if builtin || policies_absent {
        Assessed { codes: floor(&read), ..Assessed::default() }
    } else {
        assess(&read, policies)
    };
    if policies_absent {
        assessed.rest_on(record, &read);
    }
    if report.is_some_and(|report| read.report != read_report(report)) {
        // The recorded reading is not what the report says.
        assessed = Assessed { codes: vec![ReasonCode::ReportUnreadable], ..Assessed::default() };
    }
    let decision = if assessed.codes.is_empty() { Decision::Pass } else { Decision::Fail };
    let known = if builtin { ENGINE_VERSION.to_owned() } else { policy::engine_version() };
    let same_engine = (builtin || record.engine.name == policy::ENGINE) && record.engine.version == known;
    let report_absent = report.is_none() && read.report_digest.is_some();
    let used = read.overriding.as_ref().filter(|_| !assessed.lifted.is_empty()).map(|o| o.signed.document.id());
    let same_override = assessed.lifted == record.lifted && used == record.override_ref;
    let same_reasons = assessed.codes == record.reason_codes && assessed.by == record.policies;
    let same = decision == record.decision && same_reasons && same_override;
    Ok(ReplayedVerdict {
        decision,
        reason_codes: assessed.codes,
        policies: assessed.by,
        same_override,
        overriding: read.overriding,
        same_engine,
        report_absent,
        policies_absent,
        confirmed: same && !report_absent && !policies_absent,
    })
}

#[cfg(test)]
pub(crate) mod tests;
