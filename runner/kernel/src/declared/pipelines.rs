//! Pipelines of a tree: decoded, expanded, and what they lead to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::ReasonCode;
use orgo_spec::canonical;
use orgo_spec::document::{Document, NotRead, Problem, Problems, RelativePath};
use orgo_spec::pipeline::{Pipeline, parse_pipelines_with};

use super::{Declared, DeclaredPipeline, Files};
use crate::expand::{Given, expand_with};
use crate::plan::{Action, Resolved};

impl Declared {
    /// The pipelines of a document, expanded with some value for parameters that have no default.
    pub(super) fn pipelines_of<F: Files>(&mut self, files: &F, document: &Document) -> Result<(), F::Error> {
        let failed = RefCell::new(None);
        let read = |path: &RelativePath| text(files, path, &failed);
        match parse_pipelines_with(document, &read) {
            Err(error) => self.errors.push(error),
            Ok((pipelines, whole)) => {
                for pipeline in pipelines {
                    let parameters = &BTreeMap::new();
                    let given = Given { parameters, lenient: true, read: &read, lists: &[], document: &whole };
                    self.pipeline(&whole, pipeline, &given);
                }
            }
        }
        failed.into_inner().map_or(Ok(()), Err)
    }

    fn pipeline(&mut self, document: &Document, pipeline: Pipeline, given: &Given<'_>) {
        if let Some(other) = self.pipelines.get(pipeline.name.as_str()) {
            let mut problems = Problems::new(document);
            let message =
                format!("`{}` declares a pipeline called `{}` too", other.document.name(), pipeline.name.as_str());
            let problem = Problem::new(ReasonCode::FieldDuplicate, message, pipeline.name.span);
            problems.push(problem.help("give one of them another name"));
            return self.errors.push(problems.into_error());
        }
        match expand_with(&pipeline, given) {
            Err(error) => self.errors.push(error),
            Ok(plan) => {
                let declared = DeclaredPipeline { document: document.clone(), pipeline, plan };
                self.pipelines.insert(declared.plan.name.clone(), declared);
            }
        }
    }

    /// The plan of a pipeline with other parameters, as far as it knows them; none if there is no such pipeline, or it
    /// cannot be expanded so.
    ///
    /// # Errors
    /// Those of `files`.
    pub fn plan_with<F: Files>(
        &self,
        files: &F,
        name: &str,
        parameters: &[(String, String)],
    ) -> Result<Option<Resolved>, F::Error> {
        let Some(DeclaredPipeline { document, pipeline, .. }) = self.pipelines.get(name) else { return Ok(None) };
        let known = |name: &String| pipeline.params.iter().any(|p| p.name.as_str() == name);
        let parameters = parameters.iter().filter(|(name, _)| known(name)).cloned().collect();
        let failed = RefCell::new(None);
        let read = |path: &RelativePath| text(files, path, &failed);
        let given = Given { parameters: &parameters, lenient: true, read: &read, lists: &[], document };
        let plan = expand_with(pipeline, &given);
        failed.into_inner().map_or(Ok(plan.ok()), Err)
    }

    /// Paths of the rule sets that stages read.
    pub(super) fn rule_sets(&self) -> BTreeSet<String> {
        let rules = |action: &Action| match action {
            Action::Tool { name, config } if name == "validate" => {
                let config = canonical::parse(config, canonical::Profile::DOCUMENT).ok()?;
                config.get("rules").and_then(canonical::Value::as_str).map(str::to_owned)
            }
            Action::Tool { .. } | Action::Run(_) | Action::Compile(_) => None,
        };
        let stages = self.pipelines.values().flat_map(|p| &p.plan.stages);
        stages.filter_map(|stage| rules(&stage.action)).collect()
    }
}

/// A file that a document names. What the tree itself refuses is kept in `failed`.
fn text<F: Files>(files: &F, path: &RelativePath, failed: &RefCell<Option<F::Error>>) -> Result<String, NotRead> {
    let refused = |code: ReasonCode, why: &str, help: &str| NotRead {
        code,
        message: format!("`{path}` {why}"),
        help: help.to_owned(),
    };
    let bytes = files.read(path.as_str()).unwrap_or_else(|error| {
        *failed.borrow_mut() = Some(error);
        None
    });
    let bytes = bytes.ok_or_else(|| {
        refused(ReasonCode::InputMissing, "is no file of the repository", "create it, or correct the path")
    })?;
    String::from_utf8(bytes).map_err(|_| refused(ReasonCode::DocumentInvalid, "is not UTF-8 text", "save it as UTF-8"))
}
