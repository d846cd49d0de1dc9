//! What the commands about evidence share: the register of what records name, the declared stores, the time.

use orgo_host::clock::Clock;
use orgo_host::evidence::{EvidenceError, Identities, Mirror, Pushed, Register, Scope, Unusable, push};
use orgo_host::git::{Git, GitError};
use orgo_host::ledger::Ledger;
use orgo_host::store::Store;
use orgo_spec::evidence::Push;
use orgo_spec::project::LOCAL_LEDGER;

use crate::failure::{Class, Failure};
use crate::output::Output;
use crate::project::Repository;

/// The declared stores that could be opened, and those that could not.
pub(crate) struct Stores<'r> {
    pub(crate) mirrors: Vec<Mirror<'r>>,
    pub(crate) unusable: Vec<Unusable>,
}

impl<'r> Stores<'r> {
    /// Opens the declared stores that `wanted` chooses; with `make`, one that is not there is made.
    ///
    /// # Errors
    /// [`Failure`] for a declaration that cannot be followed. A store that cannot be reached is no failure.
    pub(crate) fn open(
        repository: &'r Repository,
        make: bool,
        wanted: impl Fn(&orgo_spec::evidence::EvidenceStore) -> bool,
    ) -> Result<Self, Failure> {
        let evidence = &repository.project.evidence;
        let (root, scratch) = (repository.workspace.root(), repository.workspace.passage());
        let mut stores = Self { mirrors: Vec::new(), unusable: Vec::new() };
        repository.workspace.prepare()?;
        for store in evidence.stores.iter().filter(|s| wanted(s)) {
            match Mirror::open(evidence, store, root, &scratch, make) {
                Ok(mirror) => stores.mirrors.push(mirror),
                Err(EvidenceError::Unusable { store, why }) => stores.unusable.push(Unusable { store, why }),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(stores)
    }
}

/// Whether a branch is the one whose records are kept for a shorter time.
pub(crate) fn is_local(branch: &str) -> bool {
    branch == LOCAL_LEDGER
}

/// What the records of every ledger here name: on the audit branch, on the local one, and as it was fetched. And whether
/// all of them are under a development trust.
///
/// # Errors
/// [`Failure`] if one cannot be read: what it names would not be known.
pub(crate) fn register_of_all(repository: &Repository, store: &Store) -> Result<(Register, bool), Failure> {
    let mut register = Register::default();
    let mut development = true;
    let git = match Git::discover(repository.workspace.root()) {
        Ok(git) => git,
        Err(GitError::NotARepository(_)) => return Ok((register, development)),
        Err(error) => return Err(error.into()),
    };
    let audit = &repository.project.ledger;
    let branches =
        [format!("refs/heads/{audit}"), format!("refs/remotes/origin/{audit}"), format!("refs/heads/{LOCAL_LEDGER}")];
    for (at, reference) in branches.iter().enumerate() {
        let ledger = Ledger::open(git.path(), reference)?;
        let Some(head) = ledger.head()? else { continue };
        development &= head.trust.is_development();
        register.add(&ledger, at == 2, &repository.project.evidence, store, Scope::All)?;
    }
    Ok((register, development))
}

/// The time of a command that deletes or judges by age: a test's is accepted only where nothing can be released.
///
/// # Errors
/// [`Failure`] for a text that is no time, and for an injected one beside a production trust.
pub(crate) fn now_ms(injected: Option<&str>, development: bool) -> Result<i64, Failure> {
    match injected {
        None => Ok(Clock::system().now_ms()),
        Some(_) if !development => {
            Err(Failure::usage("`--clock` is accepted with development keys only", "leave it out"))
        }
        Some(start) => Ok(Clock::injected(start).map_err(|e| Failure::usage(e, "write it in UTC"))?.now_ms()),
    }
}

/// Reads the identities that the command line names.
///
/// # Errors
/// [`Failure`] for a file that cannot be used.
pub(crate) fn identities(files: &[std::path::PathBuf]) -> Result<Identities, Failure> {
    Ok(Identities::read(files.iter().map(std::path::PathBuf::as_path))?)
}

/// A failure if a store was not reached, told after the result.
///
/// # Errors
/// [`Failure`] of the environment, if there is any.
pub(crate) fn all_reached(unusable: &[Unusable], output: Output) -> Result<(), Failure> {
    let Some(first) = unusable.first() else { return Ok(()) };
    let code = orgo_spec::ReasonCode::EvidenceStoreUnusable;
    let message = format!("the evidence store `{}` cannot be used: {}", first.store, first.why);
    Err(Failure::message(Class::Environment, Some(code), message, code.remedy()).after_document(output))
}

/// What came of mirroring a record at the end of its run.
#[derive(Default)]
pub(crate) struct Mirrored {
    pub(crate) lines: Vec<String>,
    pub(crate) stores: Vec<serde_json::Value>,
    pub(crate) unusable: Vec<Unusable>,
}

impl Mirrored {
    /// Mirrors what a record names in the stores that are written to by themselves.
    ///
    /// # Errors
    /// [`Failure`] if the record cannot be read, or what it names cannot.
    pub(crate) fn of(repository: &Repository, ledger: &Ledger, number: u64) -> Result<Self, Failure> {
        let evidence = &repository.project.evidence;
        let mut told = Self::default();
        if evidence.stores.iter().all(|s| s.push != Push::Auto) {
            return Ok(told);
        }
        let store = repository.workspace.open_store()?;
        let _shared = store.share()?;
        let mut register = Register::default();
        register.add(ledger, false, evidence, &store, Scope::Records(&[number]))?;
        let mut stores = Stores::open(repository, true, |s| s.push == Push::Auto)?;
        let (scratch, now_ms) = (repository.workspace.passage(), Clock::system().now_ms());
        for mirror in &mut stores.mirrors {
            match push(mirror, &register, ledger, &store, &scratch, now_ms) {
                Ok(pushed) => {
                    told.lines.push(format!("evidence: {}", sentence(mirror.name(), &pushed)));
                    told.stores.push(document(mirror.name(), &pushed));
                }
                Err(EvidenceError::Unusable { store, why }) => stores.unusable.push(Unusable { store, why }),
                Err(error) => return Err(error.into()),
            }
        }
        told.unusable = stores.unusable;
        Ok(told)
    }
}

/// What came of a push, in one line.
pub(crate) fn sentence(store: &str, pushed: &Pushed) -> String {
    let mut text = format!(
        "{store}: {} objects pushed ({} bytes), {} were there, {} are not here",
        pushed.written,
        pushed.bytes,
        pushed.there,
        pushed.missing.len()
    );
    if !pushed.too_large.is_empty() {
        text.push_str(&format!(", {} are too large for it", pushed.too_large.len()));
    }
    text
}

/// What came of a push, as JSON.
pub(crate) fn document(store: &str, pushed: &Pushed) -> serde_json::Value {
    let mut value = serde_json::json!(pushed);
    value["store"] = serde_json::json!(store);
    value
}
