//! What floats, as this machine and this repository have it now, beside what `orgo.lock` pins.

use std::collections::BTreeMap;
use std::fs::File;

use orgo_host::file::{At, read_if_there};
use orgo_host::machine::platform;
use orgo_host::tools::{ToolError, Tools};
use orgo_kernel::pins::Uses;
use orgo_kernel::plan::Resolved;
use orgo_spec::document::{Document, Problem, Problems};
use orgo_spec::lock::{Drift, LOCK_FILE, Lock, Parts, Pin, Subject};
use orgo_spec::record::Pins;
use orgo_spec::{Digest, Hasher, ReasonCode, schema};

use crate::failure::{Class, Failure};
use crate::project::Repository;

/// The version of the contract that artifacts of this program follow.
pub(crate) const CONTRACT_VERSION: &str = "4";

/// A lock as it lies in the repository.
pub(crate) struct Held {
    pub(crate) lock: Lock,
    /// Digest of the file.
    pub(crate) digest: Digest,
    document: Document,
}

/// What is there, subject by subject.
pub(crate) struct Found {
    pub(crate) lock: Lock,
    /// What is used and cannot be had here, and why.
    pub(crate) absent: BTreeMap<Subject, (ReasonCode, String)>,
}

/// Reads the repository's lock, if it has one.
///
/// # Errors
/// [`Failure`] if it cannot be read.
pub(crate) fn read(repository: &Repository) -> Result<Option<Held>, Failure> {
    let path = repository.workspace.root().join(LOCK_FILE);
    let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
    let digest = Digest::of(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| {
        let code = Some(ReasonCode::DocumentInvalid);
        Failure::message(Class::Declared, code, "`orgo.lock` is not text", "restore it, or remove it and lock again")
    })?;
    let document = Document::new(LOCK_FILE, text);
    let lock = Lock::parse(&document).map_err(|e| Failure::documents(vec![e]))?;
    Ok(Some(Held { lock, digest, document }))
}

/// The lock that a run has to hold to; none if there is none, or if it is set aside.
///
/// # Errors
/// [`Failure`] if it cannot be read, or if a protected run sets it aside.
pub(crate) fn of_run(repository: &Repository, unlocked: bool, protected: bool) -> Result<Option<Held>, Failure> {
    match (unlocked, protected) {
        (true, true) => Err(Failure::usage(
            "a protected run holds to `orgo.lock`",
            "leave out `--unlocked`, or say `--lane local` as well",
        )),
        (true, false) => Ok(None),
        (false, _) => read(repository),
    }
}

/// What stands for everything that a run is made from, its pins included.
///
/// # Errors
/// As [`Repository::plan_key`].
pub(crate) fn settle_key(repository: &Repository, pins: Pins) -> Result<Digest, Failure> {
    let mut hasher = Hasher::new();
    hasher.update(repository.plan_key()?.as_bytes());
    hasher.update(pins.lock().unwrap_or(Digest::EMPTY).as_bytes());
    Ok(hasher.finish())
}

/// Looks at everything on a list of subjects.
///
/// # Errors
/// [`Failure`] if the system refuses.
pub(crate) fn look<'s>(repository: &Repository, subjects: impl Iterator<Item = &'s Subject>) -> Result<Found, Failure> {
    let workspace = &repository.workspace;
    workspace.prepare()?;
    let mut tools = Tools::open(&workspace.state().join("programs"))?;
    let mut found = Found { lock: Lock::default(), absent: BTreeMap::new() };
    for subject in subjects {
        match subject {
            Subject::Contract { .. } => {
                found.lock.set_one(subject.clone(), CONTRACT_VERSION, Some(schema::schema_set_id()));
            }
            Subject::Orgo => found.lock.set_one(Subject::Orgo, env!("CARGO_PKG_VERSION"), None),
            Subject::Source { file, .. } => {
                let path = workspace.root().join(file);
                if path.is_file() {
                    let (digest, _) = Digest::of_reader(File::open(&path).at("open", &path)?).at("read", &path)?;
                    found.lock.set_one(subject.clone(), "", Some(digest));
                } else {
                    let message = format!("`{file}` is not there");
                    found.absent.insert(subject.clone(), (ReasonCode::InputMissing, message));
                }
            }
            Subject::Tool { search, name, .. } => match tools.loads(name, search) {
                Ok(loads) => {
                    let mut parts = Parts::new();
                    for loaded in loads {
                        // One name can lead to several files: who asks has a say in where it is looked for.
                        let mut part = loaded.asked.clone();
                        let mut count = 1;
                        while parts.contains_key(&part) {
                            count += 1;
                            part = format!("{}#{count}", loaded.asked);
                        }
                        let at = loaded.file.to_string_lossy().into_owned();
                        parts.insert(part, Pin { at, digest: Some(loaded.digest) });
                    }
                    found.lock.set(subject.clone(), parts);
                }
                Err(error @ ToolError::Missing { .. }) => {
                    found.absent.insert(subject.clone(), (ReasonCode::ToolMissing, error.to_string()));
                }
                Err(ToolError::Path(error)) => return Err(error.into()),
                Err(error @ ToolError::Source(_)) => return Err(Failure::report(Class::Environment, error)),
            },
        }
    }
    tools.save()?;
    Ok(found)
}

impl Held {
    /// Compares everything that the stages use that `wanted` marks, before any of them starts.
    ///
    /// # Errors
    /// [`Failure`] with each program and input that is not the pinned one.
    pub(crate) fn hold(&self, repository: &Repository, plan: &Resolved, wanted: &[bool]) -> Result<Pins, Failure> {
        let platform = platform();
        let uses = Uses::of(plan, |id| wanted[id.index()]);
        let stages: BTreeMap<Subject, &str> =
            uses.subjects(&platform).map(|(subject, id)| (subject, plan.stage(id).name.as_str())).collect();
        let found = look(repository, stages.keys())?;
        let mut problems = Problems::new(&self.document);
        let stage = |subject: &Subject| stages.get(subject).copied().unwrap_or_default();
        for (subject, (code, message)) in &found.absent {
            let message = format!("the stage `{}` uses {}: {message}", stage(subject), subject.describe());
            problems.push(Problem::new(*code, message, self.lock.span(subject, "")).help(code.remedy()));
        }
        let drift = self.lock.drift(&found.lock, &platform);
        for drift in drift.into_iter().filter(|d| d.code != ReasonCode::LockExtra) {
            let subject = &drift.subject;
            if drift.code == ReasonCode::LockMissing {
                let message =
                    format!("the stage `{}` uses {}, which is not pinned here", stage(subject), subject.describe());
                let problem = Problem::new(drift.code, message, self.lock.span(subject, ""));
                problems.push(problem.label("the lock").help(help(&drift)));
                continue;
            }
            for moved in &drift.parts {
                let message =
                    format!("the stage `{}` uses {}: {}", stage(subject), subject.describe(), moved.describe());
                let problem = Problem::new(drift.code, message, self.lock.span(subject, &moved.part));
                problems.push(problem.label("this pin").help(help(&drift)));
            }
        }
        if problems.is_empty() {
            Ok(Pins::locked(self.digest))
        } else {
            Err(Failure::refused_at(problems.into_error()))
        }
    }
}

/// What to do about a difference.
pub(crate) fn help(drift: &Drift) -> String {
    if drift.code == ReasonCode::LockDrifted {
        format!("restore it; if the change is wanted: `orgo lock --refresh {}`", drift.subject.name())
    } else {
        drift.code.remedy().to_owned()
    }
}
