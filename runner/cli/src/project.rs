//! Finds a repository and reads what it declares.

use std::path::{Path, PathBuf};

use orgo_host::file::{At, read_if_there, replace, status_followed};
use orgo_host::workspace::Workspace;
use orgo_kernel::expand::expand;
use orgo_kernel::plan::Resolved;
use orgo_spec::document::{Document, DocumentError, Syntax, closest};
use orgo_spec::pipeline::{Pipeline, parse_pipelines};
use orgo_spec::project::Project;
use orgo_spec::{Digest, Hasher, ReasonCode};

use crate::failure::{Class, Failure};

/// A repository and its declarations.
pub(crate) struct Repository {
    pub(crate) project: Project,
    pub(crate) workspace: Workspace,
    /// Digest over the project document and every pipeline document, names included.
    pub(crate) declared: Digest,
    documents: Vec<Document>,
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
            let text = String::from_utf8(bytes).map_err(|_| {
                Failure::message(Class::Declared, None, format!("`{name}` is not UTF-8 text"), "save it as UTF-8")
            })?;
            documents.push(Document::new(name, text));
        }
        let project = Project::parse(&documents[0]).map_err(|e| Failure::documents(vec![e]))?;
        let workspace = Workspace::new(&root, &project);
        Ok(Self { project, workspace, declared: hasher.finish(), documents })
    }

    /// Decodes and expands every pipeline; all problems of all documents come at once.
    ///
    /// # Errors
    /// [`Failure`] with every problem.
    pub(crate) fn pipelines(&self) -> Result<Vec<(Pipeline, Resolved)>, Failure> {
        let mut found: Vec<(Pipeline, Resolved, &str)> = Vec::new();
        let mut errors: Vec<DocumentError> = Vec::new();
        for document in &self.documents[1..] {
            match parse_pipelines(document) {
                Err(error) => errors.push(error),
                Ok(pipelines) => {
                    for pipeline in pipelines {
                        match expand(document, &pipeline) {
                            Ok(resolved) => found.push((pipeline, resolved, document.name())),
                            Err(error) => errors.push(error),
                        }
                    }
                }
            }
        }
        if !errors.is_empty() {
            return Err(Failure::documents(errors));
        }
        found.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        if let Some(pair) = found.windows(2).find(|pair| pair[0].1.name == pair[1].1.name) {
            return Err(Failure::message(
                Class::Declared,
                Some(ReasonCode::FieldDuplicate),
                format!("`{}` and `{}` both declare a pipeline called `{}`", pair[0].2, pair[1].2, pair[0].1.name),
                "give one of them another name, or remove one of the two files",
            ));
        }
        Ok(found.into_iter().map(|(pipeline, resolved, _)| (pipeline, resolved)).collect())
    }

    /// What stands for everything that plans are made from: the declarations, and the program that reads them.
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

    /// The resolved pipeline called `name`, or the only one; from the plan cache if nothing changed.
    ///
    /// # Errors
    /// [`Failure`] with every problem of the documents, or if there is no such pipeline.
    pub(crate) fn resolve(&self, name: Option<&str>) -> Result<Resolved, Failure> {
        let cache = PlanCache { folder: self.workspace.state(), key: self.plan_key()? };
        if let Some(name) = name
            && let Some(plan) = cache.get(name)?
        {
            return Ok(plan);
        }
        let mut found: Vec<Resolved> = self.pipelines()?.into_iter().map(|(_, resolved)| resolved).collect();
        let names: Vec<String> = found.iter().map(|p| p.name.clone()).collect();
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
        let plan = found.swap_remove(at);
        self.workspace.prepare()?;
        cache.set(&plan)?;
        Ok(plan)
    }
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

impl PlanCache {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.plan"))
    }

    fn get(&self, name: &str) -> Result<Option<Resolved>, Failure> {
        if orgo_spec::Name::new(name).is_err() {
            return Ok(None);
        }
        let bytes = read_if_there(&self.path(name))?;
        let plan: Option<(Digest, Resolved)> = bytes.and_then(|b| postcard::from_bytes(&b).ok());
        Ok(plan.filter(|(key, _)| *key == self.key).map(|(_, plan)| plan))
    }

    fn set(&self, plan: &Resolved) -> Result<(), Failure> {
        let bytes = postcard::to_stdvec(&(self.key, plan)).expect("a plain structure serializes");
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
