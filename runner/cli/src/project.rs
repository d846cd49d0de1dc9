//! Finds a repository and reads what it declares.

mod cache;
mod files;
mod places;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use orgo_host::file::{At, status_followed};
use orgo_host::run::Problem;
use orgo_host::workspace::Workspace;
use orgo_kernel::expand::{Given, Growth, KnownList, expand_with, grow};
use orgo_kernel::plan::Resolved;
use orgo_spec::document::{Document, DocumentError, RelativePath, Syntax, closest};
use orgo_spec::pipeline::{Pipeline, parse_pipelines_with};
use orgo_spec::project::Project;
use orgo_spec::secret::scan;
use orgo_spec::{Digest, Hasher, ReasonCode};

use self::cache::PlanCache;
pub(crate) use self::files::document_name;
use self::files::pipeline_documents;
pub(crate) use self::places::Places;
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
    /// What they led to, whether it could be read or not.
    tried: RefCell<BTreeSet<String>>,
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
        Ok(Self {
            project,
            workspace,
            declared: hasher.finish(),
            documents,
            reads: RefCell::default(),
            tried: RefCell::default(),
        })
    }

    /// Uses a store of its own below `.orgo/`, whatever the project names.
    pub(crate) fn set_store_aside(&mut self) {
        self.project.store = None;
        self.workspace = Workspace::new(self.workspace.root(), &self.project);
    }

    /// The names of all pipelines that are declared.
    ///
    /// # Errors
    /// [`Failure`] with every problem of every document.
    pub(crate) fn names(&self) -> Result<Vec<String>, Failure> {
        Ok(self.declared()?.iter().map(|(_, pipeline)| pipeline.name.to_string()).collect())
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

    /// The pipeline called `name` as it is declared, and the document with its places.
    ///
    /// # Errors
    /// [`Failure`] with every problem of the documents, or if there is no such pipeline any more.
    pub(crate) fn declaration(&self, name: &str) -> Result<(Document, Pipeline), Failure> {
        let found = self.declared()?.into_iter().find(|(_, pipeline)| pipeline.name.as_str() == name);
        found.ok_or_else(|| Failure::usage(format!("`{name}` is not declared any more"), "run it again"))
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
}

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
