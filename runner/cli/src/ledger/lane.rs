//! Which ledger a run writes to (design 3.2), and with which keys.

use std::rc::Rc;

use orgo_host::clock::Clock;
use orgo_host::git::{Git, GitError, Source};
use orgo_host::key::{PrivateKey, Role, UserDir};
use orgo_host::ledger::{Append, Ledger, Signers, Spool, Trust};
use orgo_spec::project::{LOCAL_LEDGER, Project};
use orgo_spec::record::{Class as RecordClass, Lane, OverrideRecord, Predicate as _};
use orgo_spec::{Name, ReasonCode};

use super::begin_development;
use crate::failure::{Class, Failure};

/// Where a run's record goes and who signs it.
pub(crate) struct Desk {
    pub(crate) lane: Lane,
    pub(crate) ledger: Ledger,
    /// The branch, without `refs/heads/`.
    pub(crate) branch: String,
    pub(crate) runner: PrivateKey,
    target: Target,
    /// The trust in force when the run began.
    pub(crate) trust: Trust,
    pub(crate) source: Source,
    pub(crate) class: RecordClass,
    /// What the run is for.
    pub(crate) environment: Name,
    /// Why the lane is not the protected one; said in one line.
    pub(crate) because: Option<String>,
}

/// What a run asks for.
pub(crate) struct Demand {
    /// The lane; the protected one if the run may have it, unless told.
    pub(crate) lane: Option<Lane>,
    /// What the run is for.
    pub(crate) environment: Name,
}

impl Desk {
    /// Appends to the ledger, or puts into the spool; returns the number of the last record, if it has one.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be written, or is refused.
    pub(crate) fn put(&self, append: Append) -> Result<Option<u64>, Failure> {
        match &self.target {
            Target::Ledger { git, log } => {
                let signers = Signers { runner: &self.runner, git, log, roots: &[] };
                Ok(self.ledger.append(&append, &signers)?.records.last().map(|(number, _)| *number))
            }
            Target::Spool(spool) => {
                spool.put(&append, &self.runner, &self.trust)?;
                Ok(None)
            }
        }
    }
}

impl Desk {
    /// Whether runs may use overrides: the ledger here shows which were used, and the runner may sign that.
    pub(crate) fn uses_overrides(&self) -> bool {
        let direct = matches!(self.target, Target::Ledger { .. });
        let runner = self.trust.facts().keys.runner.iter().find(|k| k.key == *self.runner.public());
        direct && self.lane == Lane::Protected && runner.is_some_and(|k| k.covers(OverrideRecord::KIND))
    }
}

/// Where records go.
enum Target {
    /// To the ledger here, signed with these keys.
    Ledger { git: Box<PrivateKey>, log: Box<PrivateKey> },
    /// To a folder where they wait to be submitted.
    Spool(Spool),
}

/// Opens the ledger that a run may write to. The protected lane needs a runner key of the trust in force,
/// a clean tree and a protected branch; everything else is local.
///
/// Returns nothing for a repository without a commit: there is nothing that a record could be about.
///
/// # Errors
/// [`Failure`] if `demand` names a lane that this run may not have, or a ledger or key cannot be used.
pub(crate) fn open_desk(
    project: &Project,
    root: &std::path::Path,
    home: &UserDir,
    clock: &Clock,
    demand: Demand,
    spool: Option<Spool>,
) -> Result<Option<Desk>, Failure> {
    let Demand { lane: demanded, environment } = demand;
    let git = match Git::open(root) {
        Ok(git) => git,
        Err(error) if demanded.is_none() && error.code().is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let source = match git.source() {
        Ok(source) => source,
        Err(GitError::Unborn) if demanded.is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    git.bring_missing();
    let git = Rc::new(git);
    let audit = Ledger::of(Rc::clone(&git), &git.branch(&project.ledger)?);
    let patterns: Vec<String> = project.protected.iter().map(|p| full(p)).collect();
    let refusal = match audit.head()? {
        None => Some((ReasonCode::RootNotTrusted, format!("there is no ledger `{}` yet", project.ledger))),
        Some(head) => match own_keys(home, &head.trust, spool.as_ref())? {
            None => {
                let duties = if spool.is_some() { "runner" } else { "runner, git and log" };
                Some((ReasonCode::KeyUnknown, format!("the trust in force does not list keys at hand as {duties}")))
            }
            Some(_) if source.is_dirty() => {
                let named = source.changed.first().map_or(String::new(), |p| format!(" (`{p}` differs)"));
                Some((ReasonCode::TreeDirty, format!("the tree has changes that are not committed{named}")))
            }
            Some(_) if let Some(error) = ambiguous(&git, &source) => Some((ReasonCode::RefAmbiguous, error)),
            Some(_) if git.protected_reference(&source, &patterns)?.is_none() => {
                Some((ReasonCode::KeyScopeMismatch, "the branch is not a protected one".to_owned()))
            }
            Some(_) if head.trust.tenant() != &project.tenant => Some((
                ReasonCode::TenantMismatch,
                format!("the ledger is that of the tenant `{}`", head.trust.tenant()),
            )),
            Some((runner, _))
                if let Err((code, why)) = head.trust.may_serve(runner.public(), Some(environment.as_str())) =>
            {
                Some((code, why))
            }
            Some((runner, target)) if demanded.is_none_or(|lane| lane == Lane::Protected) => {
                let class = class_of(&head.trust);
                return Ok(Some(Desk {
                    lane: Lane::Protected,
                    ledger: audit,
                    branch: project.ledger.clone(),
                    runner,
                    target,
                    source,
                    class,
                    environment,
                    trust: head.trust,
                    because: None,
                }));
            }
            Some(_) => None,
        },
    };
    if let (Some(Lane::Protected), Some((code, why))) = (demanded, &refusal) {
        return Err(Failure::message(
            Class::Refused,
            Some(*code),
            format!("this run cannot be protected: {why}"),
            code.remedy(),
        ));
    }
    let local = git.branch(LOCAL_LEDGER)?;
    let ledger = Ledger::of(Rc::clone(&git), &local);
    let head = match ledger.head()? {
        Some(head) => head,
        None => {
            begin_development(&ledger, project, home, clock)?;
            ledger.head()?.expect("begun above")
        }
    };
    let Some((runner, target)) = own_keys(home, &head.trust, None)? else {
        return Err(Failure::message(
            Class::Integrity,
            Some(ReasonCode::KeyUnknown),
            format!("the local ledger `{LOCAL_LEDGER}` was begun with other keys than those at hand"),
            format!("use the folder of these keys with `--home`, or remove the branch: git branch -D {LOCAL_LEDGER}"),
        ));
    };
    let class = class_of(&head.trust);
    Ok(Some(Desk {
        lane: if demanded == Some(Lane::Request) { Lane::Request } else { Lane::Local },
        ledger,
        branch: LOCAL_LEDGER.to_owned(),
        runner,
        target,
        source,
        class,
        environment,
        trust: head.trust,
        because: refusal.map(|(_, why)| why),
    }))
}

fn full(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// What the short name of the branch that is built could also mean.
fn ambiguous(git: &Git, source: &Source) -> Option<String> {
    let branch = source.reference.as_deref()?.strip_prefix("refs/heads/")?;
    git.branch(branch).err().map(|e| e.to_string())
}

/// The class of what is signed under a trust.
pub(super) fn class_of(trust: &Trust) -> RecordClass {
    if trust.is_development() { RecordClass::Development } else { RecordClass::Production }
}

/// The user's runner key and what is needed to write where records go, if the trust lists all the keys that takes: for a
/// spool the runner's is enough.
fn own_keys(home: &UserDir, trust: &Trust, spool: Option<&Spool>) -> Result<Option<(PrivateKey, Target)>, Failure> {
    use orgo_host::key::KeyError;
    let key = |role: Role| match home.key(role) {
        Ok(key) if trust.role_of(&key.public().id()) == Some(role.as_str()) => Ok(Some(key)),
        Ok(_) | Err(KeyError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    let Some(runner) = key(Role::Runner)? else { return Ok(None) };
    if let Some(spool) = spool {
        return Ok(Some((runner, Target::Spool(spool.clone()))));
    }
    let keys = key(Role::Git)?.zip(key(Role::Log)?);
    Ok(keys.map(|(git, log)| (runner, Target::Ledger { git: Box::new(git), log: Box::new(log) })))
}
