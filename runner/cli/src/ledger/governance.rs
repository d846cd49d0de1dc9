//! The mandate and the blueprint of a pipeline: read, checked, and turned into what gates need.

use std::path::Path;

use orgo_host::file::{At, read_if_there};
use orgo_host::ledger::Ledger;
use orgo_host::mandate::{self, Loaded};
use orgo_host::run::{GatePolicy, InForce, Overriding};
use orgo_kernel::blueprint::check;
use orgo_kernel::plan::Resolved;
use orgo_kernel::policy::may_govern;
use orgo_spec::blueprint::Blueprint;
use orgo_spec::document::Document;
use orgo_spec::mandate::Mandate;
use orgo_spec::pipeline::RecordMode;
use orgo_spec::project::Project;
use orgo_spec::record::{Class as RecordClass, Lane};
use orgo_spec::{Digest, Name, ReasonCode, canonical};

use super::authority::Authority;
use super::lane::Desk;
use crate::base::Base;
use crate::failure::{Class, Failure};
use crate::project::{Repository, document_name};

/// What governs a run.
#[derive(Default)]
pub(crate) struct Governance {
    mandate: Option<Loaded>,
    pub(crate) blueprint: Option<Blueprint>,
    /// What the base says otherwise than the tree.
    pub(crate) differs: Option<String>,
}

impl Governance {
    /// Reads what the pipeline names and holds the plan to it. Where there is a base, the mandate is the base's: the one
    /// that it names, with the text that it has. A mandate that the base does not have can only refuse more than none.
    ///
    /// # Errors
    /// [`Failure`] if a document is missing or wrong, a pin does not hold, or a stage is weaker than the
    /// mandate's minimum.
    pub(crate) fn read(root: &Path, project: &Project, plan: &Resolved, base: Option<&Base>) -> Result<Self, Failure> {
        let (name, differs) = base.map_or((plan.mandate.as_deref(), None), |base| base.mandate_of(plan));
        let mandate = match name {
            None if project.mandate_required && plan.kristal => {
                let message = format!("the pipeline `{}` names no mandate; the project demands one", plan.name);
                return Err(refused(ReasonCode::MandateMissing, message));
            }
            None => None,
            Some(name) => {
                let of_base = base.map(|base| base.mandate(plan, name)).transpose()?.flatten();
                Some(governing(root, project, plan, name, of_base)?)
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
        Ok(Self { mandate, blueprint, differs })
    }

    /// Holds the mandate to the active one of its name, which stands on the project's ledger.
    ///
    /// A protected run obeys it, and every run of a project that demands it. Others say where they differ: nothing
    /// that they make is ever released. Without an active mandate a production ledger refuses.
    ///
    /// # Errors
    /// [`Failure`] with `MANDATE_MISSING`, `MANDATE_ROLLBACK` or `MANDATE_UNAPPROVED`.
    pub(crate) fn check_active(&self, project: &Project, desk: Option<&Desk>) -> Result<Option<String>, Failure> {
        let Some(settings) = self.settings() else { return Ok(None) };
        let active = match desk {
            Some(desk) => {
                let ledger = Ledger::of(desk.ledger.git_rc(), &format!("refs/heads/{}", project.ledger));
                match ledger.head()? {
                    Some(head) => ledger.mandate(&head, &settings.name.value)?,
                    None => None,
                }
            }
            None => None,
        };
        let protected = desk.is_some_and(|d| d.lane == Lane::Protected);
        let required =
            project.mandate_required || protected && desk.is_some_and(|d| d.class == RecordClass::Production);
        let at_hand = (settings.id(), settings.version);
        let active = active.map(|a| (a.facts.mandate_id, a.facts.version));
        let Err(code) = may_govern(at_hand, active, required) else { return Ok(None) };
        let name = &settings.name.value;
        let message = match active {
            Some((_, version)) => {
                format!(
                    "the mandate `{name}` here is version {}; version {version} is active, and differs",
                    settings.version
                )
            }
            None => format!("no mandate `{name}` is active on {}", project.ledger),
        };
        if protected || project.mandate_required {
            let help = match active {
                Some(_) => code.remedy().to_owned(),
                None => format!("have it approved: `orgo mandate sign {name}`, then `orgo mandate activate {name}`"),
            };
            return Err(Failure::message(Class::Refused, Some(code), message, help));
        }
        Ok(Some(message))
    }

    /// The settings of the mandate, if one governs.
    pub(crate) fn settings(&self) -> Option<&Mandate> {
        self.mandate.as_ref().map(|m| m.bundle.mandate())
    }

    /// The id of the mandate, if one governs.
    pub(crate) fn mandate_id(&self) -> Option<Digest> {
        self.mandate.as_ref().map(|m| m.policies.mandate())
    }

    /// What gates read. Overrides count where the record of the run goes straight to the ledger of the protected lane,
    /// which shows whether one was used.
    ///
    /// # Errors
    /// [`Failure`] if the ledger or the folder of overrides cannot be read.
    pub(crate) fn policy(&self, repository: &Repository, desk: Option<&Desk>) -> Result<GatePolicy, Failure> {
        let lane = desk.map_or(Lane::Local, |desk| desk.lane);
        let Some(mandate) = &self.mandate else { return Ok(GatePolicy::default()) };
        let allowed = &mandate.bundle.mandate().overrides;
        let overriding = match desk.filter(|desk| !allowed.is_empty() && desk.uses_overrides()) {
            None => None,
            Some(desk) => {
                let authority = Authority::open(repository)?;
                let (_, known) = authority.overrides(&repository.project.tenant, Some(*desk.runner.public()))?;
                Some(Overriding { allowed: allowed.clone(), ..known })
            }
        };
        Ok(self.policy_in(lane, overriding))
    }

    /// What gates read in that lane.
    pub(crate) fn policy_in(&self, lane: Lane, overriding: Option<Overriding>) -> GatePolicy {
        let Some(mandate) = &self.mandate else { return GatePolicy::default() };
        let (accepts, policies) = (mandate.bundle.mandate().accepts(), mandate.policies.clone());
        GatePolicy { mandate: Some(InForce { accepts, lane, policies, overriding }), required: true }
    }

    /// Whether a run that repeats the last one adds a record all the same.
    pub(crate) fn always_records(&self, plan: &Resolved) -> bool {
        plan.record_always || self.settings().is_some_and(|m| m.record == RecordMode::Always)
    }

    /// The documents as evidence: canonical JSON, which their ids are the digests of, and the policies.
    pub(crate) fn evidence(&self) -> Vec<Vec<u8>> {
        let mut evidence = self.mandate.as_ref().map_or_else(Vec::new, |m| m.bundle.evidence());
        evidence.extend(self.blueprint.as_ref().map(|b| canonical::bytes_of(b).expect("small numbers")));
        evidence
    }
}

fn refused(code: ReasonCode, message: String) -> Failure {
    Failure::message(Class::Refused, Some(code), message, code.remedy())
}

/// The mandate that the pipeline names, if it may govern it.
fn governing(
    root: &Path,
    project: &Project,
    plan: &Resolved,
    name: &str,
    of_base: Option<Loaded>,
) -> Result<Loaded, Failure> {
    let missing = || {
        let message = format!("the pipeline `{}` is governed by the mandate `{name}`, which is not there", plan.name);
        let help = format!("write `mandates/{name}/mandate.kdl`, or begin with `orgo mandate new {name}`");
        Failure::message(Class::Refused, Some(ReasonCode::MandateMissing), message, help)
    };
    let loaded = match of_base {
        Some(loaded) => loaded,
        None => mandate::from_folder(root, &Name::new(name).map_err(|_| missing())?)?.ok_or_else(missing)?,
    };
    let settings = loaded.bundle.mandate();
    if loaded.policies.list().is_empty() {
        let message = format!("the mandate `{name}` has no policy: it permits nothing");
        let help = format!("write one in `mandates/{name}/`, such as `gate.cedar`; `orgo mandate new` shows how");
        return Err(Failure::message(Class::Refused, Some(ReasonCode::PolicyError), message, help));
    }
    if settings.tenant_id != project.tenant {
        let message = format!("the mandate `{name}` is that of the tenant `{}`", settings.tenant_id);
        return Err(refused(ReasonCode::TenantMismatch, message));
    }
    if !settings.pipelines.is_empty() && !settings.pipelines.iter().any(|p| p.as_str() == plan.name) {
        let message = format!("the mandate `{name}` does not govern the pipeline `{}`", plan.name);
        return Err(refused(ReasonCode::MandateMissing, message));
    }
    if let Some(stage) = plan.stages.iter().find(|s| s.isolation < settings.isolation_minimum) {
        let message = format!(
            "the stage `{}` runs at `{}`; the mandate demands `{}`",
            stage.name,
            stage.isolation.as_str(),
            settings.isolation_minimum.as_str()
        );
        return Err(refused(ReasonCode::IsolationTooWeak, message));
    }
    Ok(loaded)
}

/// The blueprint of that name; none if there is none.
///
/// # Errors
/// [`Failure`] if it cannot be read.
pub(crate) fn blueprint(root: &Path, name: &str) -> Result<Option<(Document, Blueprint)>, Failure> {
    let Some(document) = document(root, &format!("blueprints/{name}"))? else { return Ok(None) };
    let blueprint = Blueprint::parse(&document).map_err(|e| Failure::documents(vec![e]))?;
    Ok(Some((document, blueprint)))
}

/// The id of the mandate that a blueprint pins, as it is here; none if it is not.
///
/// # Errors
/// [`Failure`] if the mandate cannot be read.
pub(crate) fn pinned_mandate(root: &Path, blueprint: &Blueprint) -> Result<Option<Digest>, Failure> {
    Ok(mandate::from_folder(root, &blueprint.mandate.name)?.map(|loaded| loaded.bundle.id()))
}

/// The digest of a file that a blueprint pins, as it is here; none if it is not.
pub(crate) fn pinned_file(root: &Path, path: &str) -> Option<Digest> {
    std::fs::read(root.join(path)).ok().map(|bytes| Digest::of(&bytes))
}

/// Compares every pin of a blueprint with what is there.
///
/// # Errors
/// [`Failure`] with each pin that does not hold.
pub(crate) fn hold(root: &Path, document: &Document, blueprint: &Blueprint) -> Result<(), Failure> {
    let mandate = pinned_mandate(root, blueprint)?;
    blueprint.check(document, mandate, |path| pinned_file(root, path)).map_err(|e| Failure::documents(vec![e]))
}

/// The document called `stem`, in either syntax.
fn document(root: &Path, stem: &str) -> Result<Option<Document>, Failure> {
    let Some(path) = document_name(root, stem)? else { return Ok(None) };
    let full = root.join(&path);
    let Some(bytes) = read_if_there(&full)? else { return Ok(None) };
    let text = String::from_utf8(bytes)
        .map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e))
        .at("read", &full)?;
    Ok(Some(Document::new(path, text)))
}
