//! The base of a change (design 3.2): what governs a run that nobody has accepted yet.
//!
//! The tree under build says which stages there are and what they read. What holds it to account is taken from the base:
//! the project's settings, the mandate with its rules, the minimum isolation, and what stages are granted. A protected
//! run is on a branch that is its own base, and obeys the mandate that is active on the ledger.

use orgo_host::declared::plan_of_tree;
use orgo_host::git::{Git, ObjectId};
use orgo_host::mandate::Loaded;
use orgo_kernel::declared::Declared;
use orgo_kernel::grants::beyond;
use orgo_kernel::plan::Resolved;
use orgo_spec::ReasonCode;
use orgo_spec::project::Project;

use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::here::Here;

/// The base of a change.
pub(crate) struct Base {
    /// What it was called.
    name: String,
    git: Git,
    tree: Option<ObjectId>,
    declared: Declared,
}

impl Base {
    /// Reads what the commit called `name` declares.
    ///
    /// # Errors
    /// [`Failure`] if it is no commit, or if a document that governs cannot be read: what it granted is not known then.
    pub(crate) fn read(context: &Context, name: &str) -> Result<Self, Failure> {
        let here = Here::find(context)?;
        let commit = here.git.commit_named(name)?.ok_or_else(|| {
            Failure::usage(
                format!("the base `{name}` is no commit of this repository"),
                "name a branch, a tag or a commit; a shallow clone may have to be fetched deeper",
            )
        })?;
        let tree = here.project(commit)?;
        let declared = here.declared(tree)?;
        let governs = |file: &str| {
            file.starts_with("pipelines/")
                || file.starts_with("mandates/")
                || !file.contains('/') && file != "orgo.lock"
        };
        let broken = declared.errors.iter().map(|e| e.document().name()).find(|file| governs(file));
        if let Some(file) = broken {
            return Err(Failure::message(
                Class::Refused,
                Some(ReasonCode::UntrustedDefinition),
                format!("`{file}` of the base `{name}` cannot be read, so nobody knows what it grants"),
                format!("mend it on the base first: git show {name}:{file}"),
            ));
        }
        Ok(Self { name: name.to_owned(), git: here.git, tree, declared })
    }

    /// The project's settings that are in force; those at hand, if the base has none.
    pub(crate) fn project(&self) -> Option<&Project> {
        self.declared.project.as_ref().map(|read| &read.value)
    }

    /// The pipeline as the base has it.
    fn pipeline(&self, name: &str) -> Option<&Resolved> {
        self.declared.pipelines.get(name).map(|p| &p.plan)
    }

    /// The name of the mandate that governs a pipeline: the base's, if it says one; and why, where that is not what
    /// the tree says.
    pub(crate) fn mandate_of<'m>(&'m self, plan: &'m Resolved) -> (Option<&'m str>, Option<String>) {
        let of_base = self.pipeline(&plan.name).and_then(|p| p.mandate.as_deref());
        match (of_base, plan.mandate.as_deref()) {
            (Some(of_base), here) if here != Some(of_base) => {
                let here = here.map_or_else(|| "no mandate".to_owned(), |here| format!("the mandate `{here}`"));
                let note = format!(
                    "the base `{}` has `{}` governed by the mandate `{of_base}`, which is in force; here it names {here}",
                    self.name, plan.name
                );
                (Some(of_base), Some(note))
            }
            (of_base, here) => (of_base.or(here), None),
        }
    }

    /// The mandate called `name` as the base has it; none if it has none of that name.
    ///
    /// # Errors
    /// [`Failure`] with `MANDATE_MISSING`, if the base has its own pipeline governed by it: a change cannot bring the
    /// mandate that it is held to.
    pub(crate) fn mandate(&self, plan: &Resolved, name: &str) -> Result<Option<Loaded>, Failure> {
        if let Some(found) = self.declared.mandates.get(name) {
            return Ok(Some(Loaded { bundle: found.bundle.clone(), policies: found.policies.clone() }));
        }
        if self.pipeline(&plan.name).is_some_and(|p| p.mandate.as_deref() == Some(name)) {
            let message =
                format!("the base `{}` has no mandate `{name}`, by which `{}` is governed", self.name, plan.name);
            let help = format!("have `mandates/{name}/` merged first");
            return Err(Failure::message(Class::Refused, Some(ReasonCode::MandateMissing), message, help));
        }
        Ok(None)
    }

    /// Refuses stages of the run that take more than the base grants.
    ///
    /// # Errors
    /// [`Failure`] with `UNTRUSTED_DEFINITION`, naming everything that is beyond it.
    pub(crate) fn hold(&self, plan: &Resolved, wanted: &[bool], withheld: &[bool]) -> Result<(), Failure> {
        let base = match self.tree {
            Some(tree) => plan_of_tree(&self.git, tree, &self.declared, &plan.name, &plan.parameters)?,
            None => None,
        };
        let found = beyond(base.as_ref(), plan, |id| wanted[id.index()] && !withheld[id.index()]);
        let Some(first) = found.first() else { return Ok(()) };
        let lines: Vec<String> = found.iter().map(|b| format!("`{}` takes {}", b.stage, b.grant)).collect();
        let why = match (first.is_known, base.is_some()) {
            (true, _) => "which its base does not grant a stage that differs",
            (false, true) => "and the base has no such stage",
            (false, false) => "and the base has no such pipeline",
        };
        Err(Failure::message(
            Class::Refused,
            Some(ReasonCode::UntrustedDefinition),
            format!("{}, {why} (`{}`)", lines.join("; "), self.name),
            ReasonCode::UntrustedDefinition.remedy(),
        ))
    }
}
