//! Mandates as files: from a folder, from a git tree, and from the evidence of a ledger.
//!
//! Whoever decides which mandate governs calls one of these; all of them give the same bundle for the same bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use orgo_kernel::policy::Policies;
use orgo_spec::document::{Document, DocumentError, Problem, Problems, closest};
use orgo_spec::mandate::{Bundle, MAX_FILE_BYTES, MAX_FILES, Terms};
use orgo_spec::record::Approval;
use orgo_spec::signature::Namespace;
use orgo_spec::{Digest, Name, ReasonCode};

use crate::file::{At, read_if_there};
use crate::git::{Entry, Git, GitError, MODE_FILE, ObjectId};
use crate::ledger::{Ledger, LedgerError};

/// Why a mandate cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MandateError {
    /// Its documents have problems.
    #[error("the mandate cannot be read")]
    Documents(Vec<DocumentError>),
    /// The repository cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] crate::file::PathError),
    /// The folder holds more than a mandate may.
    #[error("`mandates/{0}` holds more than {MAX_FILES} files, or one larger than 256 KiB")]
    TooLarge(Name),
}

/// A mandate with everything that decides: its bundle and its policies, valid.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Settings, texts and tests.
    pub bundle: Bundle,
    /// The policies.
    pub policies: Policies,
}

impl Loaded {
    fn of(name: &Name, files: &BTreeMap<String, Vec<u8>>) -> Result<Option<Self>, MandateError> {
        if !Bundle::SETTINGS.iter().any(|file| files.contains_key(*file)) {
            return Ok(None);
        }
        let bundle = Bundle::read(name, files).map_err(MandateError::Documents)?;
        let policies = Policies::load(bundle.id(), bundle.policies()).map_err(MandateError::Documents)?;
        liftable(&bundle, &policies).map_err(|error| MandateError::Documents(vec![error]))?;
        Ok(Some(Self { bundle, policies }))
    }
}

/// Whether everything that people may lift is a policy of the mandate, one that forbids.
fn liftable(bundle: &Bundle, policies: &Policies) -> Result<(), DocumentError> {
    let mut problems = Problems::new(bundle.document());
    let mandate = bundle.mandate();
    for (named, span) in mandate.overrides.iter().zip(&mandate.override_spans) {
        let id = named.policy.as_str();
        let ids = || policies.list().iter().filter(|p| p.forbids).map(|p| p.id.as_str());
        let problem = match policies.list().iter().find(|p| p.id == id) {
            Some(policy) if policy.forbids => continue,
            Some(_) => Problem::new(ReasonCode::MandateInvalid, format!("the policy `{id}` permits"), *span)
                .help("an override takes a prohibition away; name a policy that forbids"),
            None => {
                let problem = Problem::new(ReasonCode::MandateInvalid, format!("there is no policy `{id}`"), *span);
                match closest(id, ids()) {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem.help(format!("policies that forbid: {}", ids().collect::<Vec<_>>().join(", "))),
                }
            }
        };
        problems.push(problem);
    }
    problems.check(Some(()))
}

/// The mandate `name` of the working folder at `root`; none if it has no settings.
///
/// # Errors
/// [`MandateError`]; a mandate that cannot be read permits nothing.
pub fn from_folder(root: &Path, name: &Name) -> Result<Option<Loaded>, MandateError> {
    let folder = root.join("mandates").join(name.as_str());
    let mut files = BTreeMap::new();
    for (part, suffixes) in PARTS {
        for file in list(&folder.join(part))? {
            if suffixes.iter().any(|s| file.ends_with(s)) {
                let path = folder.join(part).join(&file);
                let size = std::fs::metadata(&path).at("read", &path)?.len();
                if files.len() == MAX_FILES || size > MAX_FILE_BYTES as u64 {
                    return Err(MandateError::TooLarge(name.clone()));
                }
                if let Some(bytes) = read_if_there(&path)? {
                    files.insert(format!("{part}{file}"), bytes);
                }
            }
        }
    }
    Loaded::of(name, &files)
}

/// The mandate `name` of a git tree, whatever the working folder holds; none if it has no settings.
///
/// # Errors
/// [`MandateError`]; a mandate that cannot be read permits nothing.
pub fn from_tree(git: &Git, tree: ObjectId, name: &Name) -> Result<Option<Loaded>, MandateError> {
    let mut files = BTreeMap::new();
    for (part, suffixes) in PARTS {
        let path = format!("mandates/{name}/{part}");
        let Some(folder) = git.entry(tree, path.trim_end_matches('/'))?.filter(Entry::is_tree) else { continue };
        for (file, entry) in git.tree(folder.id)?.iter() {
            if entry.mode == MODE_FILE && suffixes.iter().any(|s| file.ends_with(s)) {
                if files.len() == MAX_FILES || git.size(entry.id)? > MAX_FILE_BYTES {
                    return Err(MandateError::TooLarge(name.clone()));
                }
                files.insert(format!("{part}{file}"), git.blob(entry.id)?);
            }
        }
    }
    Loaded::of(name, &files)
}

/// The folders of a mandate, and the ends of the names of files that count.
const PARTS: [(&str, &[&str]); 2] = [("", &[".kdl", ".yaml", ".yml", ".cedar"]), ("tests/", &[".kdl"])];

/// The names of the mandates of the working folder at `root`, sorted.
///
/// # Errors
/// [`MandateError::File`].
pub fn names(root: &Path) -> Result<Vec<Name>, MandateError> {
    let folder = root.join("mandates");
    let mut names: Vec<Name> = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).at("list", &folder).map_err(Into::into),
        Ok(entries) => entries
            .filter_map(Result::ok)
            .filter(|e| Bundle::SETTINGS.iter().any(|file| e.path().join(file).is_file()))
            .filter_map(|e| Name::new(e.file_name().to_str()?).ok())
            .collect(),
    };
    names.sort_unstable();
    Ok(names)
}

/// The approvals that lie beside the mandate `name`, in `approvals/*.sig`; those over other bytes than `manifest`
/// are left out and counted.
///
/// # Errors
/// [`MandateError::File`].
pub fn approvals(root: &Path, name: &Name, manifest: &[u8]) -> Result<(Vec<Approval>, usize), MandateError> {
    let folder = root.join("mandates").join(name.as_str()).join("approvals");
    let (mut found, mut others) = (Vec::new(), 0);
    for file in list(&folder)?.into_iter().filter(|f| f.ends_with(".sig")) {
        let bytes = read_if_there(&folder.join(&file))?.unwrap_or_default();
        let approval = std::str::from_utf8(&bytes).ok().and_then(|text| Approval::parse(Namespace::Mandate, text).ok());
        match approval.filter(|a| a.covers(Namespace::Mandate, manifest)) {
            Some(approval) => found.push(approval),
            None => others += 1,
        }
    }
    found.sort_unstable_by_key(|a| a.key);
    found.dedup_by_key(|a| a.key);
    Ok((found, others))
}

/// The names of the plain files in a folder, sorted; none if it is not there.
fn list(folder: &Path) -> Result<Vec<String>, MandateError> {
    let mut names = Vec::new();
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).at("list", folder).map_err(Into::into),
        Ok(entries) => {
            for entry in entries {
                let entry = entry.at("list", folder)?;
                if entry.file_type().at("list", folder)?.is_file() {
                    names.extend(entry.file_name().into_string().ok());
                }
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// A mandate as a ledger holds it.
#[derive(Debug, Clone)]
pub struct Held {
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The policies.
    pub policies: Rc<Policies>,
}

/// The manifest and the policies of a mandate that a ledger has as evidence; none if something is not at hand, or not
/// usable.
///
/// # Errors
/// [`LedgerError`] if the ledger cannot be read.
pub fn from_ledger(ledger: &Ledger, mandate: Digest) -> Result<Option<Held>, LedgerError> {
    let Some(manifest) = ledger.evidence(&mandate)? else { return Ok(None) };
    Ok(match from_evidence(mandate, &|digest: &Digest| ledger.evidence(digest))? {
        Recorded::There(_, policies) => Some(Held { manifest, policies }),
        Recorded::Absent(..) | Recorded::Unreadable(_) => None,
    })
}

/// What evidence says about the policies that decided a gate.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// The policies; an empty set for a mandate without.
    There(Terms, Rc<Policies>),
    /// Something is not at hand.
    Absent(&'static str, Digest),
    /// The mandate is not readable, or its policies are not valid under this version.
    Unreadable(String),
}

/// Reads a mandate back from evidence: the manifest, and the policies that it names.
///
/// # Errors
/// What `evidence` reports.
pub(crate) fn from_evidence<E>(
    mandate: Digest,
    evidence: &(impl Fn(&Digest) -> Result<Option<Vec<u8>>, E> + ?Sized),
) -> Result<Recorded, E> {
    let Some(manifest) = evidence(&mandate)? else { return Ok(Recorded::Absent("the mandate", mandate)) };
    let terms = match Terms::of(&manifest) {
        Ok(terms) => terms,
        Err(error) => return Ok(Recorded::Unreadable(error.to_string())),
    };
    let mut documents = Vec::new();
    for policy in &terms.policies {
        let Some(bytes) = evidence(&policy.sha256)? else {
            return Ok(Recorded::Absent("a policy of the mandate", policy.sha256));
        };
        match String::from_utf8(bytes) {
            Ok(text) => documents.push(Document::new(&policy.file, text)),
            Err(_) => return Ok(Recorded::Unreadable(format!("`{}` is not UTF-8", policy.file))),
        }
    }
    Ok(match load(mandate, &documents) {
        Ok(policies) => Recorded::There(terms, policies),
        Err(why) => Recorded::Unreadable(why),
    })
}

thread_local! {
    /// The policies that were validated last: a ledger has few mandates and many runs under each.
    static LAST: RefCell<Option<Rc<Policies>>> = const { RefCell::new(None) };
}

/// Validates policies, unless they are those of the last time. A mandate's id names the bytes of all its policies, and
/// each was found by its digest.
fn load(mandate: Digest, documents: &[Document]) -> Result<Rc<Policies>, String> {
    if let Some(last) = LAST.with_borrow(|last| last.clone().filter(|p| p.mandate() == mandate)) {
        return Ok(last);
    }
    let policies = Policies::load(mandate, documents).map_err(|errors| {
        let first = errors.iter().flat_map(DocumentError::problems).next();
        first.map_or_else(String::new, |p| p.message().to_owned())
    })?;
    let policies = Rc::new(policies);
    LAST.set(Some(Rc::clone(&policies)));
    Ok(policies)
}
