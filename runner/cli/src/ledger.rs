//! Records of runs: in which lane, what they say, and how they get into the ledger.

mod assemble;
mod governance;
mod kristal;
mod lane;
mod submit;

pub(crate) use assemble::About;
pub(crate) use governance::Governance;
pub(crate) use lane::{Desk, open_desk};
pub(crate) use submit::{Recorded, submit};

use orgo_host::clock::Clock;
use orgo_host::key::{Role, UserDir, distinct};
use orgo_host::ledger::{Ledger, Signers, Trust};
use orgo_spec::Name;

use crate::failure::Failure;

/// Begins a ledger with a development trust that lists the user's own keys, made on first use.
///
/// # Errors
/// [`Failure`] if a key cannot be used or the ledger cannot be written.
pub(crate) fn begin_development(ledger: &Ledger, tenant: &Name, home: &UserDir, clock: &Clock) -> Result<(), Failure> {
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
