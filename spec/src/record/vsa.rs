//! Verification summaries of gates that passed: `https://slsa.dev/verification_summary/v1`.
//!
//! A gate decided under a mandate on what it saw. The summary says it to somebody who has an artifact and
//! trusts the runner, but has neither ledger nor evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attest::{
    AttestationError, Authorities, Descriptor, DigestSet, Open, about, read, runner_id, signed, speaks_for, write,
};
use super::slsa::{claimed, record_uri};
use super::{BuildFacts, BuildRecord, Class, Decision, GateRecord, Lane, Statement};
use crate::signature::{PublicKey, Unverified, Verified};
use crate::{Digest, Name};

/// A verification summary: an in-toto Statement v1 with SLSA's predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vsa {
    /// The artifacts, each with its SHA-256.
    pub subject: Vec<Descriptor>,
    /// What was verified.
    pub predicate: VsaPredicate,
}

/// The body (SLSA verification summary v1). Unknown fields are ignored when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VsaPredicate {
    /// The attestations that the verdict rests on, all of them: the Build Record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_attestations: Vec<Descriptor>,
    /// What was decided by: the mandate, or the pipeline's own definition if there is none.
    pub policy: Descriptor,
    /// What the artifact was verified as: [`resource_uri`].
    pub resource_uri: String,
    /// The version of SLSA that the words are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
    /// When, RFC 3339, UTC: not later than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_verified: Option<String>,
    /// `PASSED` or `FAILED`.
    pub verification_result: String,
    /// What holds of the artifact.
    pub verified_levels: Vec<String>,
    /// Who decided.
    pub verifier: Verifier,
}

/// Who decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// Whom one trusts: [`runner_id`] of the key.
    pub id: String,
    /// The rules that decided, and their version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}

/// What somebody who has an artifact expects of a summary.
#[derive(Debug, Clone)]
pub struct VsaExpect<'a> {
    /// SHA-256 of the artifact.
    pub artifact: Digest,
    /// What it is to be used as: [`resource_uri`].
    pub resource_uri: &'a str,
    /// Verifiers, each with the keys that may sign for it.
    pub verifiers: &'a Authorities,
    /// Levels that must all have been verified. A level of a SLSA track is also met by a higher one of it.
    pub levels: &'a [&'a str],
}

/// The resource that an artifact is verified as: `orgo:TENANT/PLACE/NAME`. The place is a channel or a
/// pipeline, the name what the artifact is called there.
#[must_use]
pub fn resource_uri(tenant: &Name, place: &Name, name: &str) -> String {
    format!("orgo:{tenant}/{place}/{name}")
}

impl Vsa {
    /// The predicate type.
    pub const TYPE: &'static str = "https://slsa.dev/verification_summary/v1";
    /// The version of SLSA that is written.
    pub const SLSA_VERSION: &'static str = "1.1";
    /// The level of whoever makes no claim about the build track. A gate decides about content.
    pub const UNEVALUATED: &'static str = "SLSA_BUILD_LEVEL_UNEVALUATED";
    /// The result of a verification that passed.
    pub const PASSED: &'static str = "PASSED";

    /// The summary of what the gates in front of `stage` decided. `runner` is the key that signed the record
    /// and will sign this. It is about the artifacts of that stage which the run claims.
    ///
    /// # Errors
    /// [`AttestationError`]: a run that did not succeed or read a dirty tree, a stage without a gate that
    /// passed or without artifacts that are claimed, a key that did not sign the record.
    pub fn of(
        record: &Verified<Statement<BuildRecord>>,
        stage: &str,
        runner: &PublicKey,
    ) -> Result<Self, AttestationError> {
        let statement = record.open(Statement::<BuildRecord>::parse)?;
        if !record.signers().contains(runner) {
            return Err(AttestationError::NotSigner(runner.id()));
        }
        let BuildRecord { facts, run } = &statement.predicate;
        let subject = behind(claimed(&statement.predicate)?, facts, stage);
        if !Self::stages(facts).contains(&stage) {
            return Err(AttestationError::NoGate(stage.to_owned()));
        }
        let gates: Vec<&GateRecord> = facts.gates.iter().filter(|g| g.stage == stage).collect();
        if subject.is_empty() {
            return Err(AttestationError::NoSubject("the run claims no artifact of the stage behind the gate"));
        }
        let uri = Some(record_uri(&facts.tenant_id));
        let input = Descriptor { digest: DigestSet::sha256(&record.id()), name: None, uri };
        let predicate = VsaPredicate {
            input_attestations: vec![input],
            policy: policy(facts),
            resource_uri: resource_uri(&facts.tenant_id, &facts.pipeline.name, stage),
            slsa_version: Some(Self::SLSA_VERSION.to_owned()),
            time_verified: Some(run.ended_at.clone()),
            verification_result: Self::PASSED.to_owned(),
            verified_levels: levels(facts),
            verifier: Verifier {
                id: runner_id(&runner.id()),
                version: gates.iter().map(|g| (g.engine.name.clone(), g.engine.version.clone())).collect(),
            },
        };
        Ok(Self { subject, predicate })
    }

    /// The stages in front of which a gate passed: what [`Vsa::of`] can be asked for.
    #[must_use]
    pub fn stages(facts: &BuildFacts) -> Vec<&str> {
        let of = |decision| facts.gates.iter().filter(move |g| g.decision == decision).map(|g| g.stage.as_str());
        let refused: BTreeSet<_> = of(Decision::Fail).collect();
        let passed: BTreeSet<_> = of(Decision::Pass).collect();
        passed.difference(&refused).copied().collect()
    }

    /// The bytes to sign: pretty canonical JSON. They were read back once.
    ///
    /// # Errors
    /// [`AttestationError`] for whatever [`Vsa::parse`] would refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>, AttestationError> {
        write(Self::TYPE, &self.predicate, &self.subject)
    }

    /// Reads a summary, whoever wrote it: strict JSON, digests that are accepted, unknown fields ignored.
    ///
    /// # Errors
    /// [`AttestationError`]. Nothing is said about whether it is to be believed.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestationError> {
        let Open { predicate, subject, .. } = read::<VsaPredicate>(Self::TYPE, bytes)?;
        predicate.policy.check(false)?;
        predicate.input_attestations.iter().try_for_each(|d| d.check(true))?;
        Ok(Self { subject, predicate })
    }

    /// Verifies a summary by the seven steps that SLSA demands: (1) signature, (2) subject, (3) predicate
    /// type, (4) verifier and key belong together, (5) resource, (6) result, (7) levels.
    ///
    /// The type (3) is looked at before the subject (2): without it nothing else has a meaning.
    ///
    /// # Errors
    /// [`AttestationError`] with the code of the first step that fails.
    pub fn verify(summary: Unverified<Self>, expect: &VsaExpect<'_>) -> Result<Self, AttestationError> {
        let verified = signed(summary, expect.verifiers)?;
        let this = verified.open(Self::parse)?;
        about(&this.subject, &expect.artifact)?;
        let says = &this.predicate;
        if !speaks_for(expect.verifiers, &says.verifier.id, verified.signers()) {
            return Err(AttestationError::Verifier(says.verifier.id.clone()));
        }
        if says.resource_uri != expect.resource_uri {
            let (found, expected) = (says.resource_uri.clone(), expect.resource_uri.to_owned());
            return Err(AttestationError::OtherResource { found, expected });
        }
        if says.verification_result != Self::PASSED {
            return Err(AttestationError::NotVerified(says.verification_result.clone()));
        }
        match expect.levels.iter().find(|level| !says.verified_levels.iter().any(|has| meets(has, level))) {
            Some(missing) => Err(AttestationError::Level((*missing).to_owned())),
            None => Ok(this),
        }
    }
}

/// Whether a verified level is the one that is demanded, or a higher one of the same SLSA track.
fn meets(has: &str, demanded: &str) -> bool {
    let track = |level: &str| -> Option<(String, u8)> {
        let (track, number) = level.strip_prefix("SLSA_")?.rsplit_once("_LEVEL_")?;
        let digit = matches!(number.as_bytes(), [b'0'..=b'9']);
        Some((track.to_owned(), digit.then(|| number.parse().ok())??))
    };
    match (track(has), track(demanded)) {
        (Some((a, has)), Some((b, demanded))) => a == b && has >= demanded,
        _ => has == demanded,
    }
}

/// Of what a run claims, the artifacts of one stage: its output tree, and files with the content of its outputs.
/// Nothing at all is no artifact: an empty file would match what is missing.
fn behind(claimed: Vec<Descriptor>, facts: &BuildFacts, stage: &str) -> Vec<Descriptor> {
    let outputs = facts.stages.iter().filter(|s| s.stage == stage).flat_map(|s| &s.artifacts_out);
    let made: BTreeSet<Digest> = outputs.map(|a| a.digest).filter(|d| *d != Digest::EMPTY).collect();
    let trees = facts.outputs().into_iter().flat_map(|o| &o.artifacts);
    let trees: BTreeSet<Digest> = trees.filter(|a| a.name == stage).map(|a| a.digest).collect();
    let is_its = |d: &Descriptor| match d.digest.get_sha256() {
        Some(digest) => made.contains(&digest) || (trees.contains(&digest) && d.name.as_deref() == Some(stage)),
        None => false,
    };
    claimed.into_iter().filter(is_its).collect()
}

fn policy(facts: &BuildFacts) -> Descriptor {
    let tenant = &facts.tenant_id;
    let (uri, digest) = match &facts.mandate_ref {
        Some(mandate) => (format!("orgo:{tenant}/mandate"), mandate),
        None => (format!("orgo:{tenant}/pipeline/{}", facts.pipeline.name), &facts.pipeline.definition),
    };
    Descriptor { digest: DigestSet::sha256(digest), name: None, uri: Some(uri) }
}

/// No claim about SLSA's tracks, but how far the record itself goes: its class and lane.
fn levels(facts: &BuildFacts) -> Vec<String> {
    let class = match facts.class {
        Class::Development => "ORGO_CLASS_DEVELOPMENT",
        Class::Production => "ORGO_CLASS_PRODUCTION",
    };
    let lane = match facts.lane {
        Lane::Local => "ORGO_LANE_LOCAL",
        Lane::Request => "ORGO_LANE_REQUEST",
        Lane::Protected => "ORGO_LANE_PROTECTED",
    };
    [class, lane, Vsa::UNEVALUATED].map(str::to_owned).to_vec()
}
