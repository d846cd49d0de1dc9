//! What the commands about records share: finding the ledger, and saying how far it is to be trusted.

use std::path::Path;

use orgo_host::git::Git;
use orgo_host::ledger::{Head, Ledger, LedgerError};
use orgo_host::verify::Pins;
use orgo_spec::project::{DEFAULT_LEDGER, LOCAL_LEDGER};

use super::Context;
use crate::failure::Failure;
use crate::project::Repository;

/// The ledger of a repository, with what its user knows about it.
pub(super) struct Opened {
    pub(super) ledger: Ledger,
    pub(super) pins: Pins,
    /// The branch without `refs/heads/` or `refs/remotes/origin/`.
    pub(super) branch: String,
}

/// Opens the ledger of the repository at `path`: the branch that is named, otherwise the project's, the audit
/// branch or the local one, whichever is there first; what was fetched but has no branch here counts too.
pub(super) fn open(context: &Context, path: Option<&Path>, branch: Option<&str>) -> Result<Opened, Failure> {
    let path = path.unwrap_or(&context.global.directory);
    let git = Git::discover(path)?;
    // A repository whose declarations cannot be read has a ledger all the same.
    let project = Repository::open(path).ok().map(|r| r.project.ledger);
    let mut branches: Vec<&str> = match branch {
        Some(branch) => vec![branch.strip_prefix("refs/heads/").unwrap_or(branch)],
        None => project.as_deref().into_iter().chain([DEFAULT_LEDGER, LOCAL_LEDGER]).collect(),
    };
    branches.dedup();
    // In full, a name says what it means.
    let full = branch.is_some_and(|b| b.starts_with("refs/heads/"));
    for branch in &branches {
        if !full {
            git.branch(branch)?;
        }
        for reference in [format!("refs/heads/{branch}"), format!("refs/remotes/origin/{branch}")] {
            if git.tip(&reference)?.is_some() {
                let ledger = Ledger::open(git.path(), &reference)?;
                let pins = Pins::load(&context.home()?)?;
                return Ok(Opened { ledger, pins, branch: (*branch).to_owned() });
            }
        }
    }
    let names = branches.iter().map(|b| format!("`{b}`")).collect::<Vec<_>>().join(" or ");
    Err(Failure::usage(
        format!("`{}` has no ledger on {names}", path.display()),
        "a first `orgo run` makes one; in a clone, fetch the branch",
    ))
}

impl Opened {
    /// Head of the ledger.
    pub(super) fn head(&self) -> Result<Head, Failure> {
        Ok(self.ledger.head()?.ok_or_else(|| LedgerError::Empty(self.branch.clone()))?)
    }

    /// What must be said before a record is shown: who vouches for the ledger.
    pub(super) fn standing(&self, head: &Head) -> Result<Standing, Failure> {
        let pin = self.pins.get(self.ledger.git(), &self.branch)?;
        let development = head.trust.is_development();
        let (anchored, contradicted) = match pin {
            Some(pin) => (pin.root == head.root, pin.root != head.root),
            None => (false, false),
        };
        Ok(Standing { development, anchored, contradicted })
    }
}

/// Who vouches for a ledger.
pub(super) struct Standing {
    pub(super) development: bool,
    pub(super) anchored: bool,
    contradicted: bool,
}

impl Standing {
    /// The first line above a record.
    pub(super) fn line(&self) -> String {
        let class = if self.development { "development trust, not for release" } else { "production trust" };
        let anchor = if self.contradicted {
            "THE ROOT IS NOT THE PINNED ONE (ROOT_NOT_TRUSTED)"
        } else if self.anchored {
            "root pinned"
        } else {
            "not anchored: no root is pinned (`orgo verify --pin`)"
        };
        format!("# {class}; {anchor}")
    }
}
