//! The bundle: settings, policies and policy tests of one mandate, as bytes from wherever they lie.
//!
//! The id is the digest of the *manifest*: the canonical JSON of the settings with the digest of every
//! policy. Policy tests and approvals are no part of it: they change nothing that is decided.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Mandate, Overridable, PolicyEngine, PolicyFile, Table, TrustSettings, Validation};
use crate::canonical::{self, JsonError, Profile};
use crate::document::{Document, DocumentError, Problem, Problems, Span};
use crate::record::Accepts;
use crate::{Digest, Name, ReasonCode};

/// Most files in the folder of a mandate.
pub const MAX_FILES: usize = 128;
/// Largest file of a bundle.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// A mandate with its policies and their tests.
#[derive(Debug, Clone)]
pub struct Bundle {
    settings: Document,
    mandate: Mandate,
    policies: Vec<Document>,
    tables: Vec<Table>,
}

impl Bundle {
    /// The names that the file of the settings may have; a folder has one of them.
    pub const SETTINGS: [&str; 3] = ["mandate.kdl", "mandate.yaml", "mandate.yml"];

    /// Reads the folder of the mandate `name`: paths below it, and bytes.
    ///
    /// `mandate.kdl` (or `.yaml`, `.yml`) is the settings, `*.cedar` are the policies, `tests/*.kdl` their tests; all else is for
    /// people. Policies are read as text here; what they mean is for the kernel to say.
    ///
    /// # Errors
    /// A [`DocumentError`] for each document with problems. A bundle that cannot be read permits nothing.
    pub fn read(name: &Name, files: &BTreeMap<String, Vec<u8>>) -> Result<Self, Vec<DocumentError>> {
        let mut errors = Vec::new();
        let mut document = |file: &str| -> Option<Document> {
            let path = format!("mandates/{name}/{file}");
            let refused = |message: &str| {
                let mut problems = Problems::new(&Document::new(&path, String::new()));
                problems.push(Problem::new(ReasonCode::MandateInvalid, message, Span::default()));
                problems.into_error()
            };
            let bytes = files.get(file)?;
            if bytes.len() > MAX_FILE_BYTES {
                errors.push(refused("the file is larger than 256 KiB"));
                return None;
            }
            match String::from_utf8(bytes.clone()) {
                Ok(text) => Some(Document::new(&path, text)),
                Err(_) => {
                    errors.push(refused("the file is not UTF-8"));
                    None
                }
            }
        };
        let mut settings: Vec<Document> = Self::SETTINGS.iter().filter_map(|file| document(file)).collect();
        let policies: Vec<Document> = files.keys().filter(|f| is_policy(f)).filter_map(|f| document(f)).collect();
        let tables: Vec<Document> = files.keys().filter(|f| is_table(f)).filter_map(|f| document(f)).collect();
        if let [first, second, ..] = settings.as_slice() {
            let mut problems = Problems::new(second);
            let message = format!("`{}` declares the mandate, too", first.name());
            let problem = Problem::new(ReasonCode::FieldDuplicate, message, Span::default());
            problems.push(problem.help("keep one of the two"));
            errors.push(problems.into_error());
        }
        settings.truncate(1);
        let settings = settings.pop().unwrap_or_else(|| Document::new(format!("mandates/{name}/mandate.kdl"), ""));
        let mut read = Vec::new();
        for document in &tables {
            match Table::parse(document) {
                Ok(table) => read.push(table),
                Err(error) => errors.push(error),
            }
        }
        let mandate = Mandate::parse(&settings).and_then(|mandate| {
            let mut problems = Problems::new(&settings);
            if mandate.name.value != *name {
                let message = format!("the folder `mandates/{name}` declares the mandate `{}`", *mandate.name);
                problems.push(Problem::new(ReasonCode::MandateInvalid, message, mandate.name.span));
            }
            if mandate.version == 0 {
                let message = "versions count from 1";
                problems.push(Problem::new(ReasonCode::MandateInvalid, message, mandate.name.span));
            }
            problems.check(Some(mandate))
        });
        match mandate {
            Ok(mut mandate) if errors.is_empty() => {
                let file = |d: &Document| PolicyFile {
                    file: d.name().rsplit('/').next().unwrap_or_default().to_owned(),
                    sha256: Digest::of(d.text().as_bytes()),
                };
                mandate.policies = policies.iter().map(file).collect();
                mandate.policy_engine = (!policies.is_empty()).then(PolicyEngine::cedar);
                Ok(Self { settings, mandate, policies, tables: read })
            }
            Ok(_) => Err(errors),
            Err(error) => {
                errors.push(error);
                Err(errors)
            }
        }
    }

    /// The settings, with the digests of the policies.
    #[must_use]
    pub fn mandate(&self) -> &Mandate {
        &self.mandate
    }

    /// The document of the settings.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.settings
    }

    /// The texts of the policies, sorted by file name.
    #[must_use]
    pub fn policies(&self) -> &[Document] {
        &self.policies
    }

    /// The tests of the policies.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The mandate's id: the digest of the manifest.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.mandate.id()
    }

    /// The manifest, which the id is the digest of and which approvers sign.
    ///
    /// # Panics
    /// Never: a mandate has no numbers beyond 2^53.
    #[must_use]
    pub fn manifest(&self) -> Vec<u8> {
        canonical::bytes_of(&self.mandate).expect("a mandate has no numbers beyond 2^53")
    }

    /// Everything that gates decide by, as evidence: the manifest, then the policies.
    #[must_use]
    pub fn evidence(&self) -> Vec<Vec<u8>> {
        let policies = self.policies.iter().map(|d| d.text().as_bytes().to_vec());
        std::iter::once(self.manifest()).chain(policies).collect()
    }
}

fn is_policy(file: &str) -> bool {
    file.ends_with(".cedar") && !file.contains('/')
}

fn is_table(file: &str) -> bool {
    file.strip_prefix("tests/").is_some_and(|rest| rest.ends_with(".kdl") && !rest.contains('/'))
}

/// What a manifest says, as far as gates and the ledger ask; read back from evidence.
#[derive(Debug, Clone, Deserialize)]
pub struct Terms {
    /// What it is called.
    pub name: Name,
    /// Whose it is.
    pub tenant_id: Name,
    /// Counts up.
    pub version: u32,
    /// What gates accept.
    pub validation: Validation,
    /// Who must approve it.
    #[serde(default)]
    pub trust: TrustSettings,
    /// What people may lift once.
    #[serde(default)]
    pub overrides: Vec<Overridable>,
    /// Its policies.
    #[serde(default)]
    pub policies: Vec<PolicyFile>,
}

impl Terms {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`JsonError`] for bytes that are no mandate.
    pub fn of(manifest: &[u8]) -> Result<Self, JsonError> {
        canonical::from_slice(manifest, Profile::DOCUMENT)
    }

    /// What gates accept, as their facts repeat it.
    #[must_use]
    pub fn accepts(&self) -> Accepts {
        self.validation.accepts()
    }
}
