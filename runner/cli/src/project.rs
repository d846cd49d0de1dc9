//! Finds a repository and reads what it declares.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orgo_host::file::{At, read_if_there, replace, status_followed};
use orgo_host::run::Problem;
use orgo_host::workspace::Workspace;
use orgo_kernel::expand::{Given, Growth, KnownList, expand_with, grow};
use orgo_kernel::plan::Resolved;
use orgo_spec::document::{Document, DocumentError, NotRead, RelativePath, Syntax, closest};
use orgo_spec::pipeline::{Pipeline, parse_pipelines_with};
use orgo_spec::project::Project;
use orgo_spec::secret::scan;
use orgo_spec::{Digest, Hasher, ReasonCode};

use crate::args::Told;
use crate::failure::{Class, Failure};

/// A repository and its declarations.
pub(crate) struct Repository {
    pub(crate) project: Project,
    pub(crate) workspace: Workspace,
    /// Digest over `orgo.kdl` and every pipeline document, names included.
    declared: Digest,
    documents: Vec<(Document, Digest)>,
    /// What documents led to, such as includes and lists, as it was read.
    reads: RefCell<BTreeMap<String, Digest>>,
}

/// Finds the repository that `from` lies in.
///
/// # Errors
/// [`Failure`] if there is none.
pub(crate) fn find_root(from: &Path) -> Result<PathBuf, Failure> {
    let from = std::fs::canonicalize(from).at("resolve", from)?;
    let mut folder = from.as_path();
    loop {
        if Syntax::ENDINGS.iter().any(|(ending, _)| folder.join(format!("orgo.{ending}")).is_file()) {
            return Ok(folder.to_owned());
        }
        folder = folder.parent().ok_or_else(|| {
            Failure::message(
                Class::Declared,
                None,
                format!("no `orgo.kdl` in `{}` or above it", from.display()),
                "run `orgo init` to make one here, or `orgo demo` to see a complete repository",
            )
        })?;
    }
}

impl Repository {
    /// Reads `orgo.kdl` (or `orgo.yaml`) and all pipeline documents of the repository that `from` lies in.
    ///
    /// # Errors
    /// [`Failure`] if there is no repository, or `orgo.kdl` has problems.
    pub(crate) fn open(from: &Path) -> Result<Self, Failure> {
        let root = find_root(from)?;
        let mut documents = Vec::new();
        let mut hasher = Hasher::new();
        let project = document_name(&root, "orgo")?.unwrap_or_else(|| "orgo.kdl".to_owned());
        for name in std::iter::once(project).chain(pipeline_documents(&root)?) {
            let path = root.join(&name);
            let bytes = std::fs::read(&path).at("read", &path)?;
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
            let digest = Digest::of(&bytes);
            let text = String::from_utf8(bytes).map_err(|_| {
                Failure::message(Class::Declared, None, format!("`{name}` is not UTF-8 text"), "save it as UTF-8")
            })?;
            documents.push((Document::new(name, text), digest));
        }
        let project = Project::parse(&documents[0].0).map_err(|e| Failure::documents(vec![e]))?;
        let workspace = Workspace::new(&root, &project);
        Ok(Self { project, workspace, declared: hasher.finish(), documents, reads: RefCell::default() })
    }

    /// Decodes every document; all problems of all documents come at once.
    ///
    /// # Errors
    /// [`Failure`] with every problem.
    fn declared(&self) -> Result<Vec<(Document, Pipeline)>, Failure> {
        let mut found: Vec<(Document, Pipeline)> = Vec::new();
        let mut errors: Vec<DocumentError> = Vec::new();
        for (document, _) in &self.documents[1..] {
            match parse_pipelines_with(document, &|path| self.read_text(path)) {
                Err(error) => errors.push(error),
                Ok((pipelines, whole)) => found.extend(pipelines.into_iter().map(|p| (whole.clone(), p))),
            }
        }
        if !errors.is_empty() {
            return Err(Failure::documents(errors));
        }
        found.sort_by(|a, b| a.1.name.as_str().cmp(b.1.name.as_str()));
        if let Some(pair) = found.windows(2).find(|pair| *pair[0].1.name == *pair[1].1.name) {
            return Err(Failure::message(
                Class::Declared,
                Some(ReasonCode::FieldDuplicate),
                format!(
                    "`{}` and `{}` both declare a pipeline called `{}`",
                    pair[0].0.name(),
                    pair[1].0.name(),
                    *pair[0].1.name
                ),
                "give one of them another name, or remove one of the two files",
            ));
        }
        Ok(found)
    }

    /// What stands for what plans are made from: the documents, and the program that reads them; not parameters, and
    /// not what documents lead to.
    ///
    /// # Errors
    /// [`Failure`] if the program's own file cannot be found.
    pub(crate) fn plan_key(&self) -> Result<Digest, Failure> {
        let mut hasher = Hasher::new();
        hasher.update(self.declared.as_bytes());
        hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
        let program = own_path()?;
        let stamp = status_followed(&program)?.map(|s| s.stamp);
        hasher.update(format!("{stamp:?}").as_bytes());
        Ok(hasher.finish())
    }

    /// Decodes and expands every pipeline; all problems of all documents come at once. Parameters that nobody gave get
    /// their default, or some value of their type.
    ///
    /// # Errors
    /// [`Failure`] with every problem.
    pub(crate) fn pipelines(&self, told: &Told) -> Result<Vec<Checked>, Failure> {
        let parameters = parameters(told)?;
        let declared = self.declared()?;
        for name in parameters.keys() {
            if !declared.iter().any(|(_, p)| p.params.iter().any(|param| param.name.as_str() == name)) {
                return Err(Failure::message(
                    Class::Declared,
                    Some(ReasonCode::ParameterUnknown),
                    format!("no pipeline here has a parameter `{name}`"),
                    ReasonCode::ParameterUnknown.remedy(),
                ));
            }
        }
        let mut found = Vec::with_capacity(declared.len());
        let mut errors: Vec<DocumentError> = Vec::new();
        for (document, pipeline) in declared {
            let read = |path: &RelativePath| self.read_text(path);
            let given = Given { parameters: &parameters, lenient: true, read: &read, lists: &[], document: &document };
            match expand_with(&pipeline, &given) {
                Ok(plan) => found.push(Checked { document, pipeline, plan }),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(found) } else { Err(Failure::documents(errors)) }
    }

    /// The resolved pipeline called `name`, or the only one, with the variables that its stages are passed; from the
    /// plan cache if nothing changed.
    ///
    /// # Errors
    /// [`Failure`] with every problem of the documents, or if there is no such pipeline.
    pub(crate) fn resolve(&self, name: Option<&str>, told: &Told) -> Result<Resolved, Failure> {
        let parameters = parameters(told)?;
        let cache = PlanCache::open(self, &parameters)?;
        if let Some(name) = name
            && let Some((plan, reads)) = cache.get(name)?
            && reads.iter().all(|(path, digest)| self.reads_as(path, *digest))
        {
            return passed(plan);
        }
        let mut found = self.declared()?;
        let names: Vec<String> = found.iter().map(|(_, p)| p.name.to_string()).collect();
        let at = match name {
            Some(name) => names.iter().position(|n| n == name).ok_or_else(|| {
                let help = match closest(name, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the pipelines are {}", names.join(", ")),
                };
                Failure::usage(format!("no pipeline is called `{name}`"), help)
            })?,
            None => match names.as_slice() {
                [_] => 0,
                [] => return Err(Failure::usage("the repository declares no pipeline", "write one in `pipelines/`")),
                _ => {
                    return Err(Failure::usage(
                        "the repository declares several pipelines",
                        format!("name one of {}", names.join(", ")),
                    ));
                }
            },
        };
        let (document, pipeline) = found.swap_remove(at);
        let read = |path: &RelativePath| self.read_text(path);
        let given = Given { parameters: &parameters, lenient: false, read: &read, lists: &[], document: &document };
        let plan = expand_with(&pipeline, &given).map_err(|e| Failure::documents(vec![e]))?;
        self.workspace.prepare()?;
        cache.set(&plan, &self.reads())?;
        passed(plan)
    }

    /// The pipeline called `name`, expanded with lists that its stages wrote.
    ///
    /// # Errors
    /// [`Problem`] if a list is not what it should be.
    pub(crate) fn grow(&self, name: &str, told: &Told, lists: &[KnownList]) -> Result<Growth, Problem> {
        let read = |failure: Failure| Problem { code: ReasonCode::ListInvalid, message: failure.render(false) };
        let definition = self.definition();
        let parameters = parameters(told).map_err(read)?;
        let declared = self.declared().map_err(read)?;
        let gone = || Problem { code: ReasonCode::InputChanged, message: format!("`{name}` is not declared any more") };
        let (document, pipeline) = declared.into_iter().find(|(_, p)| p.name.as_str() == name).ok_or_else(gone)?;
        let read_text = |path: &RelativePath| self.read_text(path);
        let given = Given { parameters: &parameters, lenient: false, read: &read_text, lists, document: &document };
        // Without the list all was well: what is wrong is what is in it.
        let growth = grow(&pipeline, &given);
        if self.definition() != definition {
            let message = "what the pipeline is declared in changed while the run was under way".to_owned();
            return Err(Problem { code: ReasonCode::InputChanged, message });
        }
        let growth = growth.map_err(|error| Problem {
            code: if error.code() == ReasonCode::InputTooLarge { error.code() } else { ReasonCode::ListInvalid },
            message: error.problems().next().map_or_else(String::new, |p| p.message().to_owned()),
        })?;
        Ok(Growth { plan: passed(growth.plan).map_err(read)?, origins: growth.origins })
    }

    /// Digest over everything declared: the documents, and what they led to.
    pub(crate) fn definition(&self) -> Digest {
        let reads = self.reads();
        if reads.is_empty() {
            return self.declared;
        }
        let mut hasher = Hasher::new();
        hasher.update(self.declared.as_bytes());
        for (path, digest) in &reads {
            hasher.update(&(path.len() as u64).to_le_bytes());
            hasher.update(path.as_bytes());
            hasher.update(digest.as_bytes());
        }
        hasher.finish()
    }

    /// Every file that declarations were read from, by path.
    pub(crate) fn files(&self) -> Vec<(String, Digest)> {
        let mut files = self.reads();
        files.extend(self.documents.iter().map(|(document, digest)| (document.name().to_owned(), *digest)));
        files
    }

    /// Every file that documents led to, by path.
    pub(crate) fn reads(&self) -> Vec<(String, Digest)> {
        self.reads.borrow().iter().map(|(path, digest)| (path.clone(), *digest)).collect()
    }

    /// Whether a file has the content that it had.
    fn reads_as(&self, path: &str, digest: Digest) -> bool {
        RelativePath::new(path).is_some_and(|path| self.read_text(&path).is_ok())
            && self.reads.borrow().get(path) == Some(&digest)
    }

    /// Reads a file that a document names: a regular file of the repository, never one outside, never one of ours.
    fn read_text(&self, path: &RelativePath) -> Result<String, NotRead> {
        let refused = |code: ReasonCode, why: &str, help: &str| NotRead {
            code,
            message: format!("`{path}` {why}"),
            help: help.to_owned(),
        };
        if path.parts().next().is_some_and(|first| matches!(first, ".git" | ".orgo" | "out")) {
            return Err(refused(ReasonCode::InputMissing, "is not part of the repository", "name a committed file"));
        }
        let root = std::fs::canonicalize(self.workspace.root());
        let full = std::fs::canonicalize(self.workspace.root().join(path.as_str()));
        let (Ok(root), Ok(full)) = (root, full) else {
            return Err(refused(ReasonCode::InputMissing, "does not exist", "create it, or correct the path"));
        };
        let size = std::fs::metadata(&full).ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
        let Some(size) = size.filter(|_| full.starts_with(&root)) else {
            let why = "is not a regular file of the repository";
            return Err(refused(ReasonCode::InputMissing, why, "name a file that lies in it, and no link out of it"));
        };
        if size > MAX_LIST {
            return Err(refused(ReasonCode::InputTooLarge, "is larger than 256 MiB", "split it"));
        }
        let bytes =
            std::fs::read(&full).map_err(|e| refused(ReasonCode::InputMissing, &e.to_string(), "make it readable"))?;
        self.reads.borrow_mut().insert(path.as_str().to_owned(), Digest::of(&bytes));
        String::from_utf8(bytes)
            .map_err(|_| refused(ReasonCode::DocumentInvalid, "is not UTF-8 text", "save it as UTF-8"))
    }
}

/// The largest file that a document may name, in bytes.
const MAX_LIST: u64 = 256 << 20;

/// A pipeline that was checked.
pub(crate) struct Checked {
    pub(crate) document: Document,
    pub(crate) pipeline: Pipeline,
    pub(crate) plan: Resolved,
}

/// What the command line says about parameters, by name.
fn parameters(told: &Told) -> Result<BTreeMap<String, String>, Failure> {
    let mut parameters = BTreeMap::new();
    for (name, value) in &told.parameters {
        if parameters.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::usage(format!("the parameter `{name}` is given twice"), "keep one of the two"));
        }
    }
    Ok(parameters)
}

/// The plan with the values of the variables that its stages are passed, as they are now.
fn passed(mut plan: Resolved) -> Result<Resolved, Failure> {
    for stage in &mut plan.stages {
        let names = stage.env_pass();
        if names.is_empty() {
            continue;
        }
        let mut env = stage.env.to_vec();
        for name in names {
            let Some(value) = std::env::var_os(name) else { continue };
            let value = value.into_string().map_err(|_| {
                Failure::usage(format!("the variable `{name}`, which is passed to stages, is not text"), "correct it")
            })?;
            if scan(format!("{name}={value}").as_bytes()).next().is_some() {
                return Err(Failure::message(
                    Class::Refused,
                    Some(ReasonCode::SecretNotAllowed),
                    format!("the value of `{name}` looks like a secret, and passed values stand in keys"),
                    format!("declare `secret \"{name}\" from=\"env:{name}\"` in place of `env-pass`"),
                ));
            }
            env.retain(|(known, _)| known != name);
            env.push((name.clone(), value));
        }
        env.sort_unstable();
        stage.env = env.into();
    }
    Ok(plan)
}

/// The document called `stem`, in whichever syntax it is written: its path with its ending; `None` if there is none.
///
/// # Errors
/// [`Failure`] naming both if there are two.
pub(crate) fn document_name(root: &Path, stem: &str) -> Result<Option<String>, Failure> {
    let mut found: Option<String> = None;
    for (ending, _) in Syntax::ENDINGS {
        let name = format!("{stem}.{ending}");
        if status_followed(&root.join(&name))?.is_none_or(|s| s.is_folder) {
            continue;
        }
        if let Some(first) = found {
            return Err(Failure::message(
                Class::Declared,
                Some(ReasonCode::FieldDuplicate),
                format!("`{first}` and `{name}` are both there"),
                "keep one of the two",
            ));
        }
        found = Some(name);
    }
    Ok(found)
}

fn pipeline_documents(root: &Path) -> Result<Vec<String>, Failure> {
    let folder = root.join("pipelines");
    let mut names = Vec::new();
    if status_followed(&folder)?.is_some_and(|s| s.is_folder) {
        for entry in std::fs::read_dir(&folder).at("list", &folder)? {
            let name = entry.at("list", &folder)?.file_name();
            if let Some(name) = name.to_str().filter(|n| Syntax::of(n).is_some()) {
                names.push(format!("pipelines/{name}"));
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Resolved plans by the digest of everything declared, and by the program that resolved them.
struct PlanCache {
    folder: PathBuf,
    key: Digest,
}

/// A plan as it is kept: with the digest of what it was made from, and what was read on the way.
type Kept = (Digest, Vec<(String, Digest)>, Resolved);

/// A plan that was kept, and what was read on the way to it.
type Found = (Resolved, Vec<(String, Digest)>);

impl PlanCache {
    fn open(repository: &Repository, parameters: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut hasher = Hasher::new();
        hasher.update(repository.plan_key()?.as_bytes());
        hasher.update(format!("{parameters:?}").as_bytes());
        Ok(Self { folder: repository.workspace.state(), key: hasher.finish() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.plan"))
    }

    fn get(&self, name: &str) -> Result<Option<Found>, Failure> {
        if orgo_spec::Name::new(name).is_err() {
            return Ok(None);
        }
        let bytes = read_if_there(&self.path(name))?;
        let kept: Option<Kept> = bytes.and_then(|b| postcard::from_bytes(&b).ok());
        Ok(kept.filter(|(key, ..)| *key == self.key).map(|(_, reads, plan)| (plan, reads)))
    }

    fn set(&self, plan: &Resolved, reads: &[(String, Digest)]) -> Result<(), Failure> {
        let bytes = postcard::to_stdvec(&(self.key, reads, plan)).expect("a plain structure serializes");
        Ok(replace(&self.path(&plan.name), &bytes)?)
    }
}

/// The file of the running program.
///
/// # Errors
/// [`Failure`] if the system does not say.
pub(crate) fn own_path() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|e| {
        Failure::message(
            Class::Environment,
            None,
            format!("cannot find the running program: {e}"),
            "start it by its path",
        )
    })
}
