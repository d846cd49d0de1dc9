//! Evidence as a project declares it: where it is mirrored, how long it is kept, and what is sealed.
//!
//! The format is `docs/formats/evidence.md`.

mod decode;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::document::{ByteSize, FromScalar, Scalar};
use crate::{Digest, Hasher, Name};

/// How long what a record on the local branch names is kept, unless the project says otherwise.
pub const LOCAL_DAYS: u32 = 30;

/// What an object is to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What a gate saw: facts, mandate, blueprint; and parts of a record that lie beside it.
    Evidence,
    /// What a stage printed.
    Logs,
    /// What a stage or a run made.
    Outputs,
    /// A validation report.
    Reports,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Evidence, Self::Logs, Self::Outputs, Self::Reports];

    /// As documents spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Logs => "logs",
            Self::Outputs => "outputs",
            Self::Reports => "reports",
        }
    }
}

impl FromScalar for Kind {
    const EXPECTED: &'static str = "`evidence`, `logs`, `outputs` or `reports`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        let text = String::from_scalar(scalar)?;
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }
}

/// How long something is kept: `90d`, or `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// A number of days.
    Days(u32),
    /// Without end.
    Forever,
}

impl Keep {
    /// The end of the time, for something of the time `from_ms`; both in milliseconds since 1970.
    #[must_use]
    pub fn until_ms(self, from_ms: i64) -> i64 {
        match self {
            Self::Days(days) => from_ms.saturating_add(i64::from(days) * 86_400_000),
            Self::Forever => i64::MAX,
        }
    }
}

impl FromScalar for Keep {
    const EXPECTED: &'static str = "a number of days such as `90d`, or `forever`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        let text = String::from_scalar(scalar)?;
        if text == "forever" {
            return Some(Self::Forever);
        }
        let digits = text.strip_suffix('d').filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse().ok().filter(|d| (1..=36_500).contains(d)).map(Self::Days)
    }
}

impl JsonSchema for Keep {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Keep".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "days, or without end",
            "oneOf": [
                { "const": "Forever" },
                { "type": "object", "required": ["Days"], "properties": { "Days": { "type": "integer", "minimum": 1 } } }
            ]
        })
    }
}

/// Everything about evidence that a project declares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// Where evidence is mirrored.
    pub stores: Vec<EvidenceStore>,
    /// How long each kind is kept; what is not declared is kept for ever, or [`LOCAL_DAYS`] on the local branch.
    pub retain: BTreeMap<Kind, Keep>,
    /// What is sealed, and for whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted: Option<Restricted>,
    /// What `orgo gc` goes by.
    pub gc: Collect,
}

impl Evidence {
    /// How long something of a kind is kept that a record on the audit branch (or on the local one) names.
    #[must_use]
    pub fn keep(&self, kind: Kind, local: bool) -> Keep {
        let default = if local { Keep::Days(LOCAL_DAYS) } else { Keep::Forever };
        self.retain.get(&kind).copied().unwrap_or(default)
    }
}

/// A declared evidence store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EvidenceStore {
    /// What it is called.
    pub name: Name,
    /// Where it is.
    pub address: Address,
    /// When it is written to.
    pub push: Push,
    /// What it holds; every kind, if none is named.
    pub kinds: Vec<Kind>,
}

impl EvidenceStore {
    /// Whether the store holds something that is of these kinds.
    pub fn holds(&self, kinds: impl IntoIterator<Item = Kind>) -> bool {
        self.kinds.is_empty() || kinds.into_iter().any(|k| self.kinds.contains(&k))
    }
}

/// Where an evidence store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    /// A folder; a relative path begins at the repository.
    Directory(String),
    /// A branch of a git repository.
    Git {
        /// The address, as git takes it.
        url: String,
        /// The branch, without `refs/heads/`.
        branch: String,
    },
}

/// When an evidence store is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Push {
    /// At the end of each protected run, and when somebody asks for it.
    Auto,
    /// When somebody asks for it.
    Manual,
}

impl FromScalar for Push {
    const EXPECTED: &'static str = "`auto` or `manual`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        match String::from_scalar(scalar)?.as_str() {
            "auto" => Some(Self::Auto),
            "manual" => Some(Self::Manual),
            _ => None,
        }
    }
}

/// What leaves for an evidence store only as a sealed file, and for whom it is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Restricted {
    /// These kinds, in every store.
    pub kinds: Vec<Kind>,
    /// Everything, in these stores.
    pub stores: Vec<Name>,
    /// Who can open it: age recipients (X25519).
    pub recipients: Vec<String>,
    /// Enters the names of sealed files, so that who can only list a store can guess no content.
    pub blind: String,
}

impl Restricted {
    /// The least length of `blind`, in characters.
    pub const MIN_BLIND: usize = 16;

    /// Whether an object of these kinds is sealed in that store.
    pub fn covers(&self, store: &Name, kinds: impl IntoIterator<Item = Kind>) -> bool {
        self.stores.contains(store) || kinds.into_iter().any(|k| self.kinds.contains(&k))
    }

    /// The name of a sealed file: a digest over the blind and the digest of the content.
    #[must_use]
    pub fn handle(&self, digest: Digest) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(b"orgo-sealed/1\n");
        hasher.update(Digest::of(self.blind.as_bytes()).as_bytes());
        hasher.update(digest.as_bytes());
        hasher.finish()
    }
}

/// What `orgo gc` goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Collect {
    /// The object store's size, above which the oldest results go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<ByteSize>,
    /// The age from which results go that nothing keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Keep>,
    /// Objects that always stay.
    pub pins: Vec<Digest>,
}
