//! What a build was made of and what came of it: lane, source, pipeline, compiler, snapshots, outputs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Digest, Name};

/// Development or production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Made with keys that made themselves.
    Development,
    /// Made under a trust that somebody approved.
    Production,
}

/// What a run may leave behind (design 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// A person's machine; never releasable.
    Local,
    /// A pull request; never releasable.
    Request,
    /// A runner key, a clean tree, a protected branch.
    Protected,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Every stage that was asked for is done, but for optional ones and what depends on them.
    Succeeded,
    /// A stage failed or a gate refused.
    Failed,
    /// Somebody interrupted it.
    Cancelled,
    /// All that may run is done; a stage waits for approvals.
    Waiting,
}

/// A named and versioned thing, with the digest that pins it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compiler {
    /// Digest of it.
    pub digest: Digest,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Whether host programs and external inputs were those that `orgo.lock` pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// Digest of `orgo.lock` in the source that was read; there exactly if the state is `locked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lock: Option<Digest>,
    /// `locked` or `unpinned`.
    state: PinState,
}

/// Whether everything was pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PinState {
    /// All that the stages of the run took in was compared with the lock before the first of them started.
    Locked,
    /// There was no lock, or it was set aside.
    Unpinned,
}

impl Pins {
    /// Nothing was compared with a lock.
    pub const UNPINNED: Self = Self { lock: None, state: PinState::Unpinned };

    /// Everything was as the lock of that digest pins it.
    #[must_use]
    pub const fn locked(lock: Digest) -> Self {
        Self { lock: Some(lock), state: PinState::Locked }
    }

    /// Whether it says which lock held, if one did.
    pub(super) fn is_sound(self) -> bool {
        self.lock.is_some() == (self.state == PinState::Locked)
    }

    /// Digest of the lock that held.
    #[must_use]
    pub const fn lock(&self) -> Option<Digest> {
        self.lock
    }
}

/// A content-addressed input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Where it lies in the repository.
    pub path: String,
}

/// A named artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Digest of its content; of a folder, of its Merkle tree.
    pub digest: Digest,
    /// What it is called.
    pub name: String,
}

/// The pipeline that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineRef {
    /// Digest over everything declared.
    pub definition: Digest,
    /// Its name.
    pub name: Name,
    /// Parameters of the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The profile that it promises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The stages that were asked for; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}

/// The source that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The commit that trust, mandate and gate rules come from, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The commit that was checked out.
    pub commit: String,
    /// Whether any file differed from it.
    pub dirty: bool,
    /// The branch that was checked out.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "ref")]
    pub reference: Option<String>,
    /// The commit's tree: what eligibility goes by.
    pub tree: String,
}

/// What a successful run claims.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// Output trees of the last stages (those that no other stage needs).
    pub artifacts: Vec<Artifact>,
    /// Exchange and Runtime Pack, if the run compiled them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kristal: Option<KristalOutputs>,
}

/// Exchange and Runtime Pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KristalOutputs {
    /// Digest of every file of the Exchange, by path.
    pub exchange_hashes: Vec<Artifact>,
    /// Digest of the Exchange's manifest.
    pub exchange_manifest_ref: Digest,
    /// The Exchange.
    pub kristal_id: Digest,
    /// Digest of every file of the pack, by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payload_hashes: Vec<Artifact>,
    /// The pack, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_pack_id: Option<String>,
    /// Digest of the pack's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_pack_manifest_ref: Option<Digest>,
}
