//! Records of runs: in which lane, what they say, and how they get into the ledger.

mod assemble;
mod authority;
mod confirm;
mod governance;
mod kristal;
mod lane;
mod repeat;
mod start;
mod submit;
mod variance;

pub(crate) use assemble::{About, artifact, config_hash};
pub(crate) use authority::{Authority, Papers};
pub(crate) use confirm::Confirmations;
pub(crate) use governance::{Governance, blueprint, hold, pinned_file, pinned_mandate};
pub(crate) use lane::{Demand, Desk, open_desk};
pub(crate) use repeat::Repetition;
pub(crate) use start::start;
pub(crate) use submit::{Recorded, submit};
pub(crate) use variance::{Variance, sentence, variances};

use orgo_host::clock::Clock;
use orgo_host::key::{Role, UserDir, distinct};
use orgo_host::ledger::{Ledger, Signers, Trust};
use orgo_spec::ReasonCode;
use orgo_spec::project::Project;

use crate::failure::{Class, Failure};

/// Begins a ledger with a development trust that lists the user's own keys, made on first use.
///
/// # Errors
/// [`Failure`] if a key cannot be used or the ledger cannot be written.
pub(crate) fn begin_development(
    ledger: &Ledger,
    project: &Project,
    home: &UserDir,
    clock: &Clock,
) -> Result<(), Failure> {
    let tenant = &project.tenant;
    refuse_another_tenant(ledger, project)?;
    let runner = home.key_or_development(Role::Runner)?;
    let git = home.key_or_development(Role::Git)?;
    let log = home.key_or_development(Role::Log)?;
    let root = home.key_or_development(Role::Root)?;
    distinct(&[&runner, &git, &log, &root])?;
    let now_ms = clock.now_ms();
    let roots = [root];
    let signers = Signers { runner: &runner, git: &git, log: &log, roots: &roots };
    let statement = Trust::development(tenant, &signers, &orgo_host::clock::rfc3339(now_ms));
    ledger.init(statement, now_ms / 1000, &signers)?;
    Ok(())
}

/// A repository has the ledgers of one tenant, unless its project says that it is shared: git hides no branch from
/// who can read another (supply-chain 2.3).
fn refuse_another_tenant(ledger: &Ledger, project: &Project) -> Result<(), Failure> {
    if project.shared {
        return Ok(());
    }
    for branch in ledger.git().branches("refs/heads/orgo/")? {
        let other = Ledger::of(ledger.git_rc(), &branch);
        if let Ok(Some(head)) = other.head()
            && *head.trust.tenant() != project.tenant
        {
            let message = format!(
                "the repository has a ledger of the tenant `{}` on `{branch}`; this project is of `{}`",
                head.trust.tenant(),
                project.tenant
            );
            let help = "give each tenant a repository of its own, or write `shared #true` into `orgo.kdl`, if everybody who can read one ledger may read all";
            return Err(Failure::message(Class::Refused, Some(ReasonCode::TenantMismatch), message, help));
        }
    }
    Ok(())
}
