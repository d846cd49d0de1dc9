//! Everything that a repository declares, read out of one tree of files: a commit's, or the working folder's.
//!
//! The caller says how files are read ([`Files`]); nothing is read but documents. What a run takes from the base of a
//! change (mandate, rules, grants, minimum isolation) and what a review compares come from here.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::blueprint::Blueprint;
use orgo_spec::canonical;
use orgo_spec::document::{Document, DocumentError, NotRead, Problem, Problems, RelativePath, Span, Syntax};
use orgo_spec::knowledge::{Decision, Rules, decode_decisions};
use orgo_spec::mandate::Bundle;
use orgo_spec::pipeline::{Pipeline, parse_pipelines_with};
use orgo_spec::project::Project;
use orgo_spec::{Digest, Name, ReasonCode};

use crate::expand::{Given, expand_with};
use crate::plan::{Action, Resolved};
use crate::policy::Policies;

/// The project document, without its ending.
const PROJECT: &str = "orgo";
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

/// A mandate with everything that decides.
#[derive(Debug)]
pub struct DeclaredMandate {
    /// The text of its settings.
    pub document: Document,
    /// Settings, policies and tests.
    pub bundle: Bundle,
    /// The policies, valid.
    pub policies: Policies,
}

/// Everything that a tree declares.
#[derive(Debug, Default)]
pub struct Declared {
    /// The project; none if its document is missing or wrong.
    pub project: Option<Read<Project>>,
    /// Pipelines by name.
    pub pipelines: BTreeMap<String, DeclaredPipeline>,
    /// Mandates by name.
    pub mandates: BTreeMap<String, DeclaredMandate>,
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
        for path in Syntax::ENDINGS.map(|(ending, _)| format!("{PROJECT}.{ending}")) {
            if let Some(document) = declared.document(files, &path)?
                && declared.is_alone(declared.project.as_ref().map(|p| p.document.name().to_owned()), &path)
            {
                declared.project = declared.decode(document, Project::parse);
            }
        }
        for path in declared.list(files, "pipelines")?.into_iter().filter(|p| is_document(p, 1)) {
            if let Some(document) = declared.document(files, &path)? {
                declared.pipelines_of(files, &document)?;
            }
        }
        declared.read_mandates(files)?;
        for path in declared.list(files, "blueprints")?.into_iter().filter(|p| is_document(p, 1)) {
            let name = stem(&path).to_owned();
            if let Some(document) = declared.document(files, &path)?
                && declared.is_alone(declared.blueprints.get(&name).map(|b| b.document.name().to_owned()), &path)
            {
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
            self.refuse(
                ReasonCode::DocumentInvalid,
                folder,
                "documents are files of the repository, and this is a link",
                "put the files here",
            );
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
            self.refuse(
                ReasonCode::DocumentInvalid,
                &link,
                "documents are files of the repository, and this is a link",
                "put the file here",
            );
        }
        Ok(paths)
    }

    /// Whether nothing declares the same in another syntax; a problem if something does.
    fn is_alone(&mut self, other: Option<String>, path: &str) -> bool {
        if let Some(other) = &other {
            self.refuse(
                ReasonCode::FieldDuplicate,
                path,
                &format!("`{other}` declares the same"),
                "keep one of the two",
            );
        }
        other.is_none()
    }

    fn refuse(&mut self, code: ReasonCode, path: &str, message: &str, help: &str) {
        let mut problems = Problems::new(&Document::new(path, ""));
        problems.push(Problem::new(code, message, Span::default()).help(help));
        self.errors.push(problems.into_error());
    }

    fn document<F: Files>(&mut self, files: &F, path: &str) -> Result<Option<Document>, F::Error> {
        let Some(bytes) = files.read(path)? else {
            if files.is_link(path)? {
                self.refuse(
                    ReasonCode::DocumentInvalid,
                    path,
                    "documents are files of the repository, and this is a link",
                    "put the file here",
                );
            }
            return Ok(None);
        };
        let text = String::from_utf8(bytes);
        if text.is_err() {
            self.refuse(ReasonCode::DocumentInvalid, path, "the file is not UTF-8 text", "save it as UTF-8");
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

    fn read_mandates<F: Files>(&mut self, files: &F) -> Result<(), F::Error> {
        let mut folders: BTreeMap<Name, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
        for path in self.list(files, "mandates")? {
            let parts = path.strip_prefix("mandates/").and_then(|p| p.split_once('/'));
            let part = parts.and_then(|(name, file)| Some((Name::new(name).ok()?, file)));
            let Some((name, file)) = part.filter(|(_, file)| is_of_mandate(file)) else {
                self.other(files, path)?;
                continue;
            };
            let bytes = files.read(&path)?.unwrap_or_default();
            folders.entry(name).or_default().insert(file.to_owned(), bytes);
        }
        for (name, files) in folders {
            let Some(settings) = Bundle::SETTINGS.iter().find(|file| files.contains_key(**file)) else { continue };
            let text = String::from_utf8_lossy(&files[*settings]).into_owned();
            let document = Document::new(format!("mandates/{name}/{settings}"), text);
            let read = Bundle::read(&name, &files)
                .and_then(|bundle| Ok((Policies::load(bundle.id(), bundle.policies())?, bundle)));
            match read {
                Ok((policies, bundle)) => {
                    self.mandates.insert(name.to_string(), DeclaredMandate { document, bundle, policies });
                }
                Err(errors) => self.errors.extend(errors),
            }
        }
        Ok(())
    }

    fn other<F: Files>(&mut self, files: &F, path: String) -> Result<(), F::Error> {
        let bytes = files.read(&path)?;
        self.others.extend(bytes.map(|bytes| (path, Digest::of(&bytes))));
        Ok(())
    }

    /// The pipelines of a document, expanded with some value for parameters that have no default.
    fn pipelines_of<F: Files>(&mut self, files: &F, document: &Document) -> Result<(), F::Error> {
        let failed = RefCell::new(None);
        let read = |path: &RelativePath| text(files, path, &failed);
        match parse_pipelines_with(document, &read) {
            Err(error) => self.errors.push(error),
            Ok((pipelines, whole)) => {
                for pipeline in pipelines {
                    self.pipeline(
                        &whole,
                        pipeline,
                        &Given {
                            parameters: &BTreeMap::new(),
                            lenient: true,
                            read: &read,
                            lists: &[],
                            document: &whole,
                        },
                    );
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

    /// Whether the project's document could not be read.
    #[must_use]
    pub fn has_broken_project(&self) -> bool {
        let names = self.errors.iter().map(|e| e.document().name());
        names.into_iter().any(|name| Syntax::of(name).is_some() && stem(name) == PROJECT && is_flat(name))
    }

    /// Whether a document could not be read, so that nothing is known of what it declares.
    #[must_use]
    pub fn is_broken(&self, path: &str) -> bool {
        self.errors.iter().any(|e| e.document().name() == path)
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

/// Whether a file of a mandate's folder decides anything.
fn is_of_mandate(file: &str) -> bool {
    match file.strip_prefix("tests/") {
        Some(test) => is_flat(test) && test.ends_with(".kdl"),
        None => is_flat(file) && (Syntax::of(file).is_some() || file.ends_with(".cedar")),
    }
}

/// Whether a path is that of a document at most so many folders deep.
fn is_document(path: &str, depth: usize) -> bool {
    Syntax::of(path).is_some() && path.matches('/').count() <= depth
}

/// Whether a path has no folder.
fn is_flat(path: &str) -> bool {
    !path.contains('/')
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
    fn documents_in_either_syntax_are_read_and_what_stands_twice_is_refused() {
        let Ok(declared) = Declared::read(&Texts(&[
            ("orgo.yaml", "project test: {}\n"),
            ("pipelines/a.yaml", "pipeline a:\n  stage s:\n    run: \"true\"\n"),
            ("orgo.yml", "project test: {}\n"),
        ]));
        assert!(declared.is_broken("orgo.yml") && declared.has_broken_project());
        assert_eq!(declared.errors.len(), 1, "{:?}", declared.errors);
        assert!(declared.project.is_some() && declared.pipelines.contains_key("a"));
    }

    #[test]
    fn a_wrong_document_does_not_hide_the_others() {
        let Ok(declared) = Declared::read(&Texts(&[
            ("orgo.kdl", "project \"test\""),
            ("pipelines/a.kdl", "pipeline \"a\" { stage \"s\" { run \"true\" } }"),
            ("pipelines/b.kdl", "pipeline \"b\" { stage \"s\" { rn \"true\" } }"),
            ("pipelines/c.kdl", "pipeline \"a\" { stage \"s\" { run \"true\" } }"),
            ("mandates/m/mandate.kdl", "mandate \"m\""),
            ("mandates/m/notes.txt", "more"),
        ]));
        assert_eq!(declared.pipelines.keys().collect::<Vec<_>>(), ["a"]);
        assert!(declared.is_broken("pipelines/b.kdl") && declared.is_broken("mandates/m/mandate.kdl"));
        assert!(declared.is_broken("pipelines/c.kdl"), "a name is declared once");
        assert_eq!(declared.errors.len(), 3);
        assert!(declared.others.contains_key("mandates/m/notes.txt"));
    }
}
