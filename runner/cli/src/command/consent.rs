//! Where people's consent is asked for and judged: what `orgo approve` and `orgo override` stand on.

use orgo_host::clock::{Clock, moment};
use orgo_host::key::Role;
use orgo_spec::Name;
use orgo_spec::signature::PublicKey;

use super::Context;
use crate::failure::Failure;
use crate::ledger::Authority;
use crate::project::Repository;

/// A repository, who may consent in it, and when.
pub(super) struct Place<'c> {
    pub(super) context: &'c Context,
    pub(super) repository: Repository,
    pub(super) authority: Authority,
    /// RFC 3339, UTC, whole seconds.
    pub(super) now: String,
}

impl<'c> Place<'c> {
    /// Opens the repository of the command line.
    ///
    /// # Errors
    /// [`Failure`] if it, or its ledger, cannot be read.
    pub(super) fn open(context: &'c Context) -> Result<Self, Failure> {
        let repository = Repository::open(&context.global.directory)?;
        let authority = Authority::open(&repository)?;
        Ok(Self { context, repository, authority, now: moment(Clock::system().now_ms() / 1000) })
    }

    pub(super) fn tenant(&self) -> &Name {
        &self.repository.project.tenant
    }

    /// The public half of the runner's key, if it is at hand: it consents to nothing.
    ///
    /// # Errors
    /// [`Failure`] if the folder of keys cannot be read.
    pub(super) fn runner(&self) -> Result<Option<PublicKey>, Failure> {
        Ok(self.context.home()?.entry(Role::Runner.as_str()).ok().map(|entry| entry.public))
    }
}
