//! The mandate and the blueprint of a pipeline: read, checked, and turned into what gates need.

use std::path::Path;

use orgo_host::file::{At, read_if_there};
use orgo_host::run::GatePolicy;
use orgo_kernel::blueprint::check;
use orgo_kernel::plan::Resolved;
use orgo_spec::blueprint::Blueprint;
use orgo_spec::document::Document;
use orgo_spec::mandate::Mandate;
use orgo_spec::pipeline::RecordMode;
use orgo_spec::project::Project;
use orgo_spec::{Digest, ReasonCode, canonical};

use crate::failure::{Class, Failure};

/// What governs a run.
#[derive(Default)]
pub(crate) struct Governance {
    pub(crate) mandate: Option<Mandate>,
    pub(crate) blueprint: Option<Blueprint>,
}

impl Governance {
    /// Reads what the pipeline names and holds the plan to it.
    ///
    /// # Errors
    /// [`Failure`] if a document is missing or wrong, a pin does not hold, or a stage is weaker than the
    /// mandate's minimum.
    pub(crate) fn read(root: &Path, project: &Project, plan: &Resolved) -> Result<Self, Failure> {
        let mandate = match &plan.mandate {
            None => None,
            Some(name) => {
                let document = document(root, &format!("mandates/{name}/mandate.kdl"))?.ok_or_else(|| {
                    let code = ReasonCode::MandateMissing;
                    let message =
                        format!("the pipeline `{}` is governed by the mandate `{name}`, which is not there", plan.name);
                    Failure::message(
                        Class::Refused,
                        Some(code),
                        message,
                        format!("write `mandates/{name}/mandate.kdl`"),
                    )
                })?;
                let mandate = Mandate::parse(&document).map_err(|e| Failure::documents(vec![e]))?;
                if mandate.tenant_id != project.tenant {
                    let code = ReasonCode::TenantMismatch;
                    let message = format!("the mandate `{name}` is that of the tenant `{}`", mandate.tenant_id);
                    return Err(Failure::message(Class::Refused, Some(code), message, code.remedy()));
                }
                if let Some(stage) = plan.stages.iter().find(|s| s.isolation < mandate.isolation_minimum) {
                    let code = ReasonCode::IsolationTooWeak;
                    let message = format!(
                        "the stage `{}` runs at `{}`; the mandate demands `{}`",
                        stage.name,
                        stage.isolation.as_str(),
                        mandate.isolation_minimum.as_str()
                    );
                    return Err(Failure::message(Class::Refused, Some(code), message, code.remedy()));
                }
                Some(mandate)
            }
        };
        let blueprint = match &plan.blueprint {
            None => None,
            Some(name) => {
                let (document, blueprint) = self::blueprint(root, name)?.ok_or_else(|| {
                    let code = ReasonCode::BlueprintUnpinned;
                    let message =
                        format!("the pipeline `{}` names the blueprint `{name}`, which is not there", plan.name);
                    Failure::message(Class::Declared, Some(code), message, format!("write `blueprints/{name}.kdl`"))
                })?;
                hold(root, &document, &blueprint)?;
                check(&blueprint, &document, plan).map_err(|e| Failure::documents(vec![e]))?;
                Some(blueprint)
            }
        };
        Ok(Self { mandate, blueprint })
    }

    /// What gates read.
    pub(crate) fn policy(&self) -> GatePolicy {
        GatePolicy { mandate: self.mandate.as_ref().map(|m| (m.id(), m.accepts())), required: self.mandate.is_some() }
    }

    /// Whether a run that repeats the last one adds a record all the same.
    pub(crate) fn always_records(&self, plan: &Resolved) -> bool {
        plan.record_always || self.mandate.as_ref().is_some_and(|m| m.record == RecordMode::Always)
    }

    /// The documents as evidence: canonical JSON, which their ids are the digests of.
    pub(crate) fn evidence(&self) -> Vec<Vec<u8>> {
        let mut evidence = Vec::new();
        evidence.extend(self.mandate.as_ref().map(|m| canonical::bytes_of(m).expect("small numbers")));
        evidence.extend(self.blueprint.as_ref().map(|b| canonical::bytes_of(b).expect("small numbers")));
        evidence
    }
}

/// The blueprint of that name; none if there is none.
///
/// # Errors
/// [`Failure`] if it cannot be read.
pub(crate) fn blueprint(root: &Path, name: &str) -> Result<Option<(Document, Blueprint)>, Failure> {
    let Some(document) = document(root, &format!("blueprints/{name}.kdl"))? else { return Ok(None) };
    let blueprint = Blueprint::parse(&document).map_err(|e| Failure::documents(vec![e]))?;
    Ok(Some((document, blueprint)))
}

/// Compares every pin of a blueprint with what is there.
///
/// # Errors
/// [`Failure`] with each pin that does not hold.
pub(crate) fn hold(root: &Path, document: &Document, blueprint: &Blueprint) -> Result<(), Failure> {
    let digest = |path: &str| std::fs::read(root.join(path)).ok().map(|bytes| Digest::of(&bytes));
    blueprint.check(document, digest).map_err(|e| Failure::documents(vec![e]))
}

fn document(root: &Path, path: &str) -> Result<Option<Document>, Failure> {
    let full = root.join(path);
    let Some(bytes) = read_if_there(&full)? else { return Ok(None) };
    let text = String::from_utf8(bytes)
        .map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e))
        .at("read", &full)?;
    Ok(Some(Document::new(path, text)))
}
