//! SLSA provenance of a build that passed: `https://slsa.dev/provenance/v1`.
//!
//! A Build Record says everything in our own words; this says the part that supply-chain programs ask for in
//! theirs. It is derived from the record alone, so the same record always gives the same bytes.

mod body;
mod parameters;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;

pub use body::{BuildDefinition, BuildMetadata, Builder, ProvenancePredicate, RunDetails};
use parameters::InternalParameters;
pub use parameters::{ExternalParameters, ParametersExpect, SourceParameter};

use super::attest::{
    AttestationError, Authorities, Descriptor, DigestSet, Open, about, read, runner_id, signed, source_uri, speaks_for,
    write,
};
use super::{BuildFacts, BuildRecord, Statement, Status};
use crate::signature::{PublicKey, Unverified, Verified};
use crate::{Digest, Name};

/// The provenance of artifacts: an in-toto Statement v1 with SLSA's predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The artifacts, each with its SHA-256.
    pub subject: Vec<Descriptor>,
    /// How they were made.
    pub predicate: ProvenancePredicate,
}

/// What somebody who has an artifact knows about how it should have been made.
#[derive(Debug, Clone)]
pub struct ProvenanceExpect<'a> {
    /// SHA-256 of the artifact.
    pub artifact: Digest,
    /// Builders, each with the keys that may sign for it.
    pub builders: &'a Authorities,
    /// Build types whose parameters are understood: [`Provenance::BUILD_TYPE`].
    pub build_types: &'a [&'a str],
    /// What the parameters must be.
    pub parameters: ParametersExpect<'a>,
}

impl Provenance {
    /// The predicate type.
    pub const TYPE: &'static str = "https://slsa.dev/provenance/v1";
    /// The build type; its page is `docs/formats/provenance.md`.
    pub const BUILD_TYPE: &'static str = "https://orgo.dev/buildtypes/pipeline/v1";

    /// The provenance of what a run made. `runner` is the key that signed the record and will sign this.
    ///
    /// # Errors
    /// [`AttestationError`]: a run that did not succeed or read a dirty tree, one without artifacts, a key that
    /// did not sign the record.
    pub fn of(record: &Verified<Statement<BuildRecord>>, runner: &PublicKey) -> Result<Self, AttestationError> {
        let statement = record.open(Statement::<BuildRecord>::parse)?;
        if !record.signers().contains(runner) {
            return Err(AttestationError::NotSigner(runner.id()));
        }
        let BuildRecord { facts, run } = &statement.predicate;
        let subject = claimed(&statement.predicate)?;
        let external = ExternalParameters {
            parameters: facts.pipeline.parameters.clone(),
            pipeline: facts.pipeline.name.clone(),
            source: SourceParameter {
                digest: DigestSet::commit(&facts.source.commit),
                reference: facts.source.reference.clone(),
                uri: source_uri(&facts.tenant_id),
            },
            targets: facts.pipeline.targets.clone(),
        };
        let internal = InternalParameters {
            blueprint: facts.blueprint_ref.as_ref(),
            class: facts.class,
            config_hash: &facts.config_hash,
            lane: facts.lane,
            mandate: facts.mandate_ref.as_ref(),
        };
        let json = |value: serde_json::Result<Json>| value.expect("texts, digests and names are JSON");
        let build_definition = BuildDefinition {
            build_type: Self::BUILD_TYPE.to_owned(),
            external_parameters: json(serde_json::to_value(&external)),
            internal_parameters: json(serde_json::to_value(&internal)),
            resolved_dependencies: dependencies(facts),
        };
        let mut byproduct = Descriptor::named("build-record", &record.id());
        byproduct.uri = Some(record_uri(&facts.tenant_id));
        let run_details = RunDetails {
            builder: Builder {
                builder_dependencies: vec![Descriptor::named(&facts.compiler.name, &facts.compiler.digest)],
                id: runner_id(&runner.id()),
                version: BTreeMap::from([(facts.compiler.name.clone(), facts.compiler.version.clone())]),
            },
            byproducts: vec![byproduct],
            metadata: BuildMetadata {
                finished_on: Some(run.ended_at.clone()),
                invocation_id: Some(run.build_id.clone()),
                started_on: Some(run.started_at.clone()),
            },
        };
        Ok(Self { subject, predicate: ProvenancePredicate { build_definition, run_details } })
    }

    /// The bytes to sign: pretty canonical JSON. They were read back once.
    ///
    /// # Errors
    /// [`AttestationError`] for whatever [`Provenance::parse`] would refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>, AttestationError> {
        write(Self::TYPE, &self.predicate, &self.subject)
    }

    /// Reads provenance, whoever wrote it: strict JSON, digests that are accepted, unknown fields ignored.
    ///
    /// # Errors
    /// [`AttestationError`]. Nothing is said about whether it is to be believed.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestationError> {
        let Open { predicate, subject, .. } = read::<ProvenancePredicate>(Self::TYPE, bytes)?;
        let details = &predicate.run_details;
        let all = [&predicate.build_definition.resolved_dependencies, &details.byproducts];
        let all = all.into_iter().chain([&details.builder.builder_dependencies]);
        all.flatten().try_for_each(|d| d.check(false))?;
        Ok(Self { subject, predicate })
    }

    /// Verifies provenance against what is expected (SLSA 1.1, *verifying artifacts*): the signature, that it
    /// is about the artifact, that builder and signer belong together, the build type, every parameter.
    ///
    /// # Errors
    /// [`AttestationError`] with the code of the first step that fails.
    pub fn verify(provenance: Unverified<Self>, expect: &ProvenanceExpect<'_>) -> Result<Self, AttestationError> {
        let verified = signed(provenance, expect.builders)?;
        let this = verified.open(Self::parse)?;
        about(&this.subject, &expect.artifact)?;
        let builder = &this.predicate.run_details.builder.id;
        if !speaks_for(expect.builders, builder, verified.signers()) {
            return Err(AttestationError::Builder(builder.clone()));
        }
        this.parameters(expect.build_types)?.check(&expect.parameters)?;
        Ok(this)
    }

    /// The external parameters.
    ///
    /// # Errors
    /// [`AttestationError::Parameters`] for a build type that is not listed, for parameters that are not known
    /// or missing; [`AttestationError::Digest`] for a source by a digest that is not accepted.
    fn parameters(&self, build_types: &[&str]) -> Result<ExternalParameters, AttestationError> {
        let definition = &self.predicate.build_definition;
        if !build_types.contains(&definition.build_type.as_str()) || definition.build_type != Self::BUILD_TYPE {
            return Err(AttestationError::Parameters(format!("the build type is `{}`", definition.build_type)));
        }
        let parameters = ExternalParameters::deserialize(&definition.external_parameters);
        let parameters = parameters.map_err(|e| AttestationError::Parameters(e.to_string()))?;
        let what = parameters.source.uri.clone();
        parameters.source.digest.check().map_err(|error| AttestationError::Digest { what, error })?;
        Ok(parameters)
    }
}

/// How attestations name the ledger's records: `orgo:TENANT/record`, beside the record's digest.
pub(super) fn record_uri(tenant: &Name) -> String {
    format!("orgo:{tenant}/record")
}

/// The artifacts that a run claims, by name and SHA-256.
///
/// # Errors
/// [`AttestationError`] unless the run succeeded, read a commit, and claims something.
pub(super) fn claimed(record: &BuildRecord) -> Result<Vec<Descriptor>, AttestationError> {
    if record.facts.status() != Status::Succeeded {
        return Err(AttestationError::NotPassed { reason: record.facts.terminal_reason_code() });
    }
    if record.facts.source.dirty {
        return Err(AttestationError::Dirty);
    }
    let artifact = |(name, digest): (String, Digest)| Descriptor::named(name, &digest);
    let subject: Vec<_> = record.claims().into_iter().map(artifact).collect();
    if subject.is_empty() { Err(AttestationError::NoSubject("the run claims no artifacts")) } else { Ok(subject) }
}

/// What was read: source, definition, contract, input files, programs. Each once, in this order.
fn dependencies(facts: &BuildFacts) -> Vec<Descriptor> {
    let uri = Some(source_uri(&facts.tenant_id));
    let git = |name: &str, digest| Descriptor { digest, name: Some(name.to_owned()), uri: uri.clone() };
    let mut all = vec![
        git("source", DigestSet::commit(&facts.source.commit)),
        git("tree", DigestSet::tree(&facts.source.tree)),
        Descriptor::named(format!("pipeline/{}", facts.pipeline.name), &facts.pipeline.definition),
    ];
    all.extend(
        facts.kristal_pin.iter().map(|pin| Descriptor::named(format!("{} {}", pin.name, pin.version), &pin.digest)),
    );
    all.extend(facts.input_snapshots.iter().map(|s| Descriptor::named(&s.path, &s.digest)));
    // The version of a host program is the digest of it and what it names; built-in tools have a number.
    let program = |s: &super::StageFacts| Some((s.identity.name.clone(), s.identity.version.parse::<Digest>().ok()?));
    let programs: BTreeSet<_> = facts.stages.iter().filter_map(program).collect();
    all.extend(programs.into_iter().map(|(name, digest)| Descriptor::named(format!("program/{name}"), &digest)));
    all
}
