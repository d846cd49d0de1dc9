//! Everything that a repository declares, read out of one tree of files: a commit's, or the working folder's.
//!
//! The caller says how files are read ([`Files`]); nothing is read but documents. What a run takes from the base of a
//! change (mandate, rules, grants, minimum isolation) and what a review compares come from here.

use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::blueprint::Blueprint;
use orgo_spec::canonical;
use orgo_spec::document::{Document, DocumentError, Problem, Problems, Span};
use orgo_spec::knowledge::{Decision, Rules, decode_decisions};
use orgo_spec::mandate::Mandate;
use orgo_spec::pipeline::{Pipeline, parse_pipelines};
use orgo_spec::project::Project;
use orgo_spec::{Digest, ReasonCode};

use crate::expand::expand;
use crate::plan::{Action, Resolved};

/// The project document.
pub const PROJECT: &str = "orgo.kdl";
/// The lock file.
pub const LOCK: &str = "orgo.lock";

/// A tree of files.
pub trait Files {
    /// Why it cannot be read.
    type Error;

    /// The paths of all files and links below a folder, sorted; none if there is no such folder.
    ///
    /// # Errors
    /// What the caller says.
    fn list(&self, folder: &str) -> Result<Vec<String>, Self::Error>;

    /// The content of a regular file; `None` if there is none.
    ///
    /// # Errors
    /// What the caller says.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Whether something is a link.
    ///
    /// # Errors
    /// What the caller says.
    fn is_link(&self, path: &str) -> Result<bool, Self::Error>;
}

/// A decoded document.
#[derive(Debug)]
pub struct Read<T> {
    /// The text.
    pub document: Document,
    /// What it says.
    pub value: T,
}

/// A pipeline as it was written, and as it is run.
#[derive(Debug)]
pub struct DeclaredPipeline {
    /// The text.
    pub document: Document,
    /// As it was written.
    pub pipeline: Pipeline,
    /// As it is run.
    pub plan: Resolved,
}

/// Everything that a tree declares.
#[derive(Debug, Default)]
pub struct Declared {
    /// The project; none if its document is missing or wrong.
    pub project: Option<Read<Project>>,
    /// Pipelines by name.
    pub pipelines: BTreeMap<String, DeclaredPipeline>,
    /// Mandates by name.
    pub mandates: BTreeMap<String, Read<Mandate>>,
    /// Blueprints by name.
    pub blueprints: BTreeMap<String, Read<Blueprint>>,
    /// Rule sets that stages read, by path.
    pub rules: BTreeMap<String, Read<Rules>>,
    /// Files of decisions, by path.
    pub decisions: BTreeMap<String, Read<Vec<Decision>>>,
    /// The lock file.
    pub lock: Option<Document>,
    /// Digests of what else lies beside mandates and below `trust/`, by path.
    pub others: BTreeMap<String, Digest>,
    /// Everything that is wrong, by document.
    pub errors: Vec<DocumentError>,
}

impl Declared {
    /// Reads every document of a tree. What is wrong with documents is in [`Declared::errors`]; the rest is read all
    /// the same.
    ///
    /// # Errors
    /// Those of `files`.
    pub fn read<F: Files>(files: &F) -> Result<Self, F::Error> {
        let mut declared = Self::default();
        if let Some(document) = declared.document(files, PROJECT)? {
            declared.project = declared.decode(document, Project::parse);
        }
        for path in declared.list(files, "pipelines")?.into_iter().filter(|p| is_document(p, 1)) {
            if let Some(document) = declared.document(files, &path)? {
                declared.pipelines_of(&document);
            }
        }
        for path in declared.list(files, "mandates")? {
            let name = path.strip_prefix("mandates/").and_then(|p| p.strip_suffix("/mandate.kdl"));
            let Some(name) = name.filter(|n| !n.contains('/')) else {
                declared.other(files, path)?;
                continue;
            };
            if let Some(document) = declared.document(files, &path)? {
                let read = declared.decode(document, Mandate::parse);
                declared.mandates.extend(read.map(|read| (name.to_owned(), read)));
            }
        }
        for path in declared.list(files, "blueprints")?.into_iter().filter(|p| is_document(p, 1)) {
            if let Some(document) = declared.document(files, &path)? {
                let name = stem(&path).to_owned();
                let read = declared.decode(document, Blueprint::parse);
                declared.blueprints.extend(read.map(|read| (name, read)));
            }
        }
        for path in declared.rule_sets() {
            if let Some(document) = declared.document(files, &path)? {
                let read = declared.decode(document, Rules::decode);
                declared.rules.extend(read.map(|read| (path, read)));
            }
        }
        for path in declared.list(files, "decisions")?.into_iter().filter(|p| is_document(p, usize::MAX)) {
            if let Some(document) = declared.document(files, &path)? {
                let read = declared.decode(document, decode_decisions);
                declared.decisions.extend(read.map(|read| (path, read)));
            }
        }
        for path in declared.list(files, "trust")? {
            declared.other(files, path)?;
        }
        declared.lock = declared.document(files, LOCK)?;
        Ok(declared)
    }

    /// The files below a folder. A link is a problem: who reviews a change sees where it leads to, not what is there.
    fn list<F: Files>(&mut self, files: &F, folder: &str) -> Result<Vec<String>, F::Error> {
        if files.is_link(folder)? {
            self.refuse(folder, "documents are files of the repository, and this is a link", "put the files here");
            return Ok(Vec::new());
        }
        let mut paths = files.list(folder)?;
        let mut links = Vec::new();
        for path in &paths {
            if files.is_link(path)? {
                links.push(path.clone());
            }
        }
        paths.retain(|path| !links.contains(path));
        for link in links {
            self.refuse(&link, "documents are files of the repository, and this is a link", "put the file here");
        }
        Ok(paths)
    }

    fn refuse(&mut self, path: &str, message: &str, help: &str) {
        let mut problems = Problems::new(&Document::new(path, ""));
        problems.push(Problem::new(ReasonCode::DocumentInvalid, message, Span::default()).help(help));
        self.errors.push(problems.into_error());
    }

    fn document<F: Files>(&mut self, files: &F, path: &str) -> Result<Option<Document>, F::Error> {
        let Some(bytes) = files.read(path)? else {
            if files.is_link(path)? {
                self.refuse(path, "documents are files of the repository, and this is a link", "put the file here");
            }
            return Ok(None);
        };
        let text = String::from_utf8(bytes);
        if text.is_err() {
            self.refuse(path, "the file is not UTF-8 text", "save it as UTF-8");
        }
        Ok(text.ok().map(|text| Document::new(path, text)))
    }

    fn decode<T>(
        &mut self,
        document: Document,
        decode: impl FnOnce(&Document) -> Result<T, DocumentError>,
    ) -> Option<Read<T>> {
        match decode(&document) {
            Ok(value) => Some(Read { document, value }),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    fn other<F: Files>(&mut self, files: &F, path: String) -> Result<(), F::Error> {
        let bytes = files.read(&path)?;
        self.others.extend(bytes.map(|bytes| (path, Digest::of(&bytes))));
        Ok(())
    }

    fn pipelines_of(&mut self, document: &Document) {
        let pipelines = match parse_pipelines(document) {
            Ok(pipelines) => pipelines,
            Err(error) => return self.errors.push(error),
        };
        for pipeline in pipelines {
            if let Some(other) = self.pipelines.get(pipeline.name.as_str()) {
                let mut problems = Problems::new(document);
                let message =
                    format!("`{}` declares a pipeline called `{}` too", other.document.name(), pipeline.name.as_str());
                let problem = Problem::new(ReasonCode::FieldDuplicate, message, pipeline.name.span);
                problems.push(problem.help("give one of them another name"));
                self.errors.push(problems.into_error());
                continue;
            }
            match expand(document, &pipeline) {
                Err(error) => self.errors.push(error),
                Ok(plan) => {
                    let declared = DeclaredPipeline { document: document.clone(), pipeline, plan };
                    self.pipelines.insert(declared.plan.name.clone(), declared);
                }
            }
        }
    }

    /// Paths of the rule sets that stages read.
    fn rule_sets(&self) -> BTreeSet<String> {
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

    /// Whether a document could not be read, so that nothing is known of what it declares.
    #[must_use]
    pub fn is_broken(&self, path: &str) -> bool {
        self.errors.iter().any(|e| e.document().name() == path)
    }
}

/// Whether a path is that of a document at most so many folders deep.
fn is_document(path: &str, depth: usize) -> bool {
    path.ends_with(".kdl") && path.matches('/').count() <= depth
}

/// The file's name without folders and ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Files in memory.
    pub(crate) struct Texts<'t>(pub(crate) &'t [(&'t str, &'t str)]);

    impl Files for Texts<'_> {
        type Error = std::convert::Infallible;

        fn list(&self, folder: &str) -> Result<Vec<String>, Self::Error> {
            let below = |path: &&str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            Ok(self.0.iter().map(|(path, _)| *path).filter(below).map(str::to_owned).collect())
        }

        fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Self::Error> {
            Ok(self.0.iter().find(|(p, _)| *p == path).map(|(_, text)| text.as_bytes().to_vec()))
        }

        fn is_link(&self, _: &str) -> Result<bool, Self::Error> {
            Ok(false)
        }
    }

    #[test]
    fn a_wrong_document_does_not_hide_the_others() {
        let Ok(declared) = Declared::read(&Texts(&[
            ("orgo.kdl", "project \"test\""),
            ("pipelines/a.kdl", "pipeline \"a\" { stage \"s\" { run \"true\" } }"),
            ("pipelines/b.kdl", "pipeline \"b\" { stage \"s\" { rn \"true\" } }"),
            ("pipelines/c.kdl", "pipeline \"a\" { stage \"s\" { run \"true\" } }"),
            ("mandates/m/mandate.kdl", "mandate \"m\""),
            ("mandates/m/extra.cedar", "permit();"),
        ]));
        assert_eq!(declared.pipelines.keys().collect::<Vec<_>>(), ["a"]);
        assert!(declared.is_broken("pipelines/b.kdl") && declared.is_broken("mandates/m/mandate.kdl"));
        assert!(declared.is_broken("pipelines/c.kdl"), "a name is declared once");
        assert_eq!(declared.errors.len(), 3);
        assert!(declared.others.contains_key("mandates/m/extra.cedar"));
    }
}
