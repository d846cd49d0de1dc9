//! What people signed to lift a policy once, as files of the repository: `overrides/<id>/override.json`, and beside it a
//! signature of each of them, `<name>.sig`.

use std::path::Path;

use orgo_spec::ReasonCode;
use orgo_spec::overriding::{MAX_DOCUMENT_BYTES, MAX_SIGNERS, OverrideDocument, SignedOverride};

use crate::file::{At, PathError, read_if_there, replace, status};

/// The folder of all overrides, below the root of the repository.
const FOLDER: &str = "overrides";
/// The file of the document.
const DOCUMENT: &str = "override.json";
/// How many digits of an override's id name its folder.
const DIGITS: usize = 16;
/// The most overrides that are looked at.
const MAX_OVERRIDES: usize = 256;

/// What lies in the folder.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The overrides, the signatures that verify sorted by key.
    pub overrides: Vec<SignedOverride>,
    /// Files that count for nothing, and why.
    pub refused: Vec<(String, ReasonCode, String)>,
}

/// The folder of an override below the root of the repository.
#[must_use]
pub fn folder(document: &OverrideDocument) -> String {
    format!("{FOLDER}/{}", &document.id().hex()[..DIGITS])
}

/// The document of an override below the root of the repository.
#[must_use]
pub fn path(document: &OverrideDocument) -> String {
    format!("{}/{DOCUMENT}", folder(document))
}

/// Reads every override; each signature is verified, nothing else is judged.
///
/// # Errors
/// [`PathError`] if the folder cannot be read.
pub fn read(root: &Path) -> Result<Found, PathError> {
    let mut found = Found::default();
    for (at, name) in names(&root.join(FOLDER))?.into_iter().enumerate() {
        let below = format!("{FOLDER}/{name}");
        if !status(&root.join(&below))?.is_some_and(|s| s.is_folder) {
            continue;
        }
        if at >= MAX_OVERRIDES {
            let why = format!("at most {MAX_OVERRIDES} overrides are looked at; remove those that were used");
            found.refused.push((below, ReasonCode::InputTooLarge, why));
            break;
        }
        one(root, &below, &mut found)?;
    }
    Ok(found)
}

fn one(root: &Path, below: &str, found: &mut Found) -> Result<(), PathError> {
    let path = format!("{below}/{DOCUMENT}");
    let Some(bytes) = small(&root.join(&path))? else {
        let why = format!("there is no `{DOCUMENT}` of at most 8 KiB in it");
        found.refused.push((below.to_owned(), ReasonCode::SchemaInvalid, why));
        return Ok(());
    };
    let document = match OverrideDocument::parse(&bytes) {
        Ok(document) => document,
        Err((code, why)) => {
            found.refused.push((path, code, why));
            return Ok(());
        }
    };
    if folder(&document) != below {
        let why = "its folder is not named by its id: it was changed after it was made".to_owned();
        found.refused.push((path, ReasonCode::SubjectMismatch, why));
        return Ok(());
    }
    let mut signatures = Vec::new();
    for name in names(&root.join(below))?.into_iter().filter(|n| n.ends_with(".sig")) {
        let file = format!("{below}/{name}");
        let armored = small(&root.join(&file))?.unwrap_or_default();
        match SignedOverride::signature(&bytes, &armored) {
            Ok(signature) => signatures.push(signature),
            Err((code, why)) => found.refused.push((file, code, why)),
        }
    }
    signatures.sort_unstable_by_key(|s| s.key);
    signatures.dedup_by_key(|s| s.key);
    signatures.truncate(MAX_SIGNERS);
    found.overrides.push(SignedOverride { document, signatures });
    Ok(())
}

/// The bytes of a file that is not too large; none if there is no such file.
fn small(path: &Path) -> Result<Option<Vec<u8>>, PathError> {
    match status(path)? {
        Some(s) if s.is_file && s.stamp.size_bytes <= MAX_DOCUMENT_BYTES as u64 => read_if_there(path),
        Some(_) | None => Ok(None),
    }
}

/// The names in a folder, sorted; none if it is not there.
fn names(folder: &Path) -> Result<Vec<String>, PathError> {
    let mut names = Vec::new();
    if !status(folder)?.is_some_and(|s| s.is_folder) {
        return Ok(names);
    }
    for entry in std::fs::read_dir(folder).at("list", folder)? {
        let name = entry.at("list", folder)?.file_name();
        names.extend(name.into_string().ok().filter(|n| !n.starts_with('.')));
    }
    names.sort_unstable();
    Ok(names)
}

/// Writes a document; returns its path below the root.
///
/// # Errors
/// [`PathError`] if it cannot be written.
pub fn write(root: &Path, document: &OverrideDocument) -> Result<String, PathError> {
    let folder = root.join(folder(document));
    std::fs::create_dir_all(&folder).at("make", &folder)?;
    replace(&folder.join(DOCUMENT), &document.to_bytes())?;
    Ok(path(document))
}

/// Writes a signature beside its document; returns its path below the root.
///
/// # Errors
/// [`PathError`] if it cannot be written.
pub fn add(root: &Path, document: &OverrideDocument, name: &str, armored: &str) -> Result<String, PathError> {
    let path = format!("{}/{name}.sig", folder(document));
    replace(&root.join(&path), armored.as_bytes())?;
    Ok(path)
}
