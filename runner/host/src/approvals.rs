//! What people signed, as files of the repository: `approvals/<subject>/<name>.json`, beside each the signature that
//! `ssh-keygen -Y sign` writes, `<name>.json.sig`. And what waits for them, as the last run left it.

use std::path::{Path, PathBuf};

use orgo_spec::approval::{ApprovalSubject, MAX_DOCUMENT_BYTES, SignedApproval};
use orgo_spec::canonical::{self, Profile};
use orgo_spec::{Digest, ReasonCode};
use serde::{Deserialize, Serialize};

use crate::file::{At, PathError, read_if_there, remove_tree, replace, status};

/// How many digits of a subject's digest name its folder.
const DIGITS: usize = 16;
/// The most documents of one subject that are looked at.
const MAX_DOCUMENTS: usize = 256;

/// What lies in the folder of a subject.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The documents whose signatures verify, by the names of their files.
    pub documents: Vec<SignedApproval>,
    /// Files that are none, and why.
    pub refused: Vec<(String, ReasonCode, String)>,
}

/// The folder of a subject below the root of the repository.
#[must_use]
pub fn folder(subject: &Digest) -> String {
    format!("approvals/{}", &subject.hex()[..DIGITS])
}

/// Reads what people signed about a subject; every signature is verified, nothing else is judged.
///
/// # Errors
/// [`PathError`] if the folder cannot be read.
pub fn read(root: &Path, subject: &Digest) -> Result<Found, PathError> {
    let below = folder(subject);
    let folder = root.join(&below);
    let mut names = Vec::new();
    if !status(&folder)?.is_some_and(|s| s.is_folder) {
        return Ok(Found::default());
    }
    for entry in std::fs::read_dir(&folder).at("list", &folder)? {
        let name = entry.at("list", &folder)?.file_name();
        names.extend(name.into_string().ok().filter(|n| n.ends_with(".json") && !n.starts_with('.')));
    }
    names.sort_unstable();
    let mut found = Found::default();
    for (at, name) in names.iter().enumerate() {
        let path = folder.join(name);
        let said = if at < MAX_DOCUMENTS {
            one(&path)?.and_then(|signed| about(signed, subject))
        } else {
            Err((ReasonCode::InputTooLarge, format!("at most {MAX_DOCUMENTS} documents of one subject are looked at")))
        };
        match said {
            Ok(signed) => found.documents.push(signed),
            Err((code, why)) => found.refused.push((format!("{below}/{name}"), code, why)),
        }
    }
    Ok(found)
}

type Said = Result<SignedApproval, (ReasonCode, String)>;

fn one(path: &Path) -> Result<Said, PathError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sig");
    let mut files = Vec::new();
    for path in [path, Path::new(&beside)] {
        match status(path)? {
            None => return Ok(Err((ReasonCode::SigMissing, "there is no signature beside it".to_owned()))),
            Some(s) if !s.is_file || s.stamp.size_bytes > MAX_DOCUMENT_BYTES as u64 => {
                return Ok(Err((ReasonCode::InputTooLarge, "it is not a file of at most 8 KiB".to_owned())));
            }
            Some(_) => files.push(read_if_there(path)?.unwrap_or_default()),
        }
    }
    Ok(SignedApproval::read(&files[0], &files[1]))
}

/// The folder is named by what is approved: what is about something else has no place there.
fn about(signed: SignedApproval, subject: &Digest) -> Said {
    if signed.document.subject.digest() == *subject {
        return Ok(signed);
    }
    Err((ReasonCode::SubjectMismatch, "it is about something else than its folder is for".to_owned()))
}

/// Writes a document and its signature; returns the path of the document below the root.
///
/// # Errors
/// [`PathError`] if a file cannot be written.
pub fn write(root: &Path, name: &str, signed: &SignedApproval) -> Result<String, PathError> {
    let folder = folder(&signed.document.subject.digest());
    let path = format!("{folder}/{name}.json");
    std::fs::create_dir_all(root.join(&folder)).at("make", &root.join(&folder))?;
    // In this order: a document without signature counts for nothing.
    replace(&root.join(&path), &signed.document.to_bytes())?;
    replace(&root.join(format!("{path}.sig")), signed.signature.as_bytes())?;
    Ok(path)
}

/// What waits for approvals, as the last run of a pipeline left it.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    schema: String,
    subjects: Vec<ApprovalSubject>,
}

const WAITING: &str = "orgo.waiting/1";

fn waiting_path(state: &Path, pipeline: &str) -> PathBuf {
    state.join(format!("{pipeline}.waiting"))
}

/// Remembers what waits for approvals in a pipeline.
///
/// # Errors
/// [`PathError`] if it cannot be written.
///
/// # Panics
/// Never: subjects have no numbers.
pub fn remember(state: &Path, pipeline: &str, subjects: Vec<ApprovalSubject>) -> Result<(), PathError> {
    let path = waiting_path(state, pipeline);
    if subjects.is_empty() {
        return if status(&path)?.is_some() { remove_tree(&path) } else { Ok(()) };
    }
    let waiting = Waiting { schema: WAITING.to_owned(), subjects };
    replace(&path, &canonical::bytes_of(&waiting).expect("subjects have no numbers"))
}

/// What waits for approvals in a pipeline; what cannot be read is nothing.
///
/// # Errors
/// [`PathError`] if the file cannot be read.
pub fn remembered(state: &Path, pipeline: &str) -> Result<Vec<ApprovalSubject>, PathError> {
    let bytes = read_if_there(&waiting_path(state, pipeline))?;
    let read = bytes.and_then(|b| canonical::from_slice::<Waiting>(&b, Profile::DOCUMENT).ok());
    Ok(read.filter(|w| w.schema == WAITING).map_or_else(Vec::new, |w| w.subjects))
}
