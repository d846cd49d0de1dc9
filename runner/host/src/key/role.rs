//! Duties of keys, and how keys came to be.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The duty of a key. One key has one duty (supply-chain 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Signs records (DSSE).
    Runner,
    /// Signs the commits of the ledger (SSHSIG, namespace `git`).
    Git,
    /// Signs trust records (DSSE).
    Root,
    /// Signs the checkpoints of the ledger (signed notes).
    Log,
    /// Signs approvals (SSHSIG, namespaces `orgo-mandate`, `orgo-approval` and `orgo-override`).
    Approver,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Runner, Self::Git, Self::Root, Self::Log, Self::Approver];

    /// The name as files and commands spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Git => "git",
            Self::Root => "root",
            Self::Log => "log",
            Self::Approver => "approver",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|r| r.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a role (runner, git, root, log, approver)"))
    }
}

/// How a key came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyClass {
    /// Made by itself on first use; production trust refuses it.
    Development,
    /// Made on purpose.
    Standard,
}

impl KeyClass {
    /// The name as files spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Standard => "standard",
        }
    }
}
