//! The files that declarations are read from: documents, and what they lead to.

use std::path::Path;

use orgo_host::file::{At, status_followed};
use orgo_spec::document::{NotRead, RelativePath, Syntax};
use orgo_spec::{Digest, Hasher, ReasonCode};

use super::Repository;
use crate::failure::{Class, Failure};

/// The largest file that a document may name, in bytes.
const MAX_LIST: u64 = 256 << 20;

impl Repository {
    /// Digest over everything declared: the documents, and what they led to.
    pub(crate) fn definition(&self) -> Digest {
        let reads = self.reads();
        if reads.is_empty() {
            return self.declared;
        }
        let mut hasher = Hasher::new();
        hasher.update(self.declared.as_bytes());
        for (path, digest) in &reads {
            hasher.update(&(path.len() as u64).to_le_bytes());
            hasher.update(path.as_bytes());
            hasher.update(digest.as_bytes());
        }
        hasher.finish()
    }

    /// Every file that declarations were read from, by path.
    pub(crate) fn files(&self) -> Vec<(String, Digest)> {
        let mut files = self.reads();
        files.extend(self.documents.iter().map(|(document, digest)| (document.name().to_owned(), *digest)));
        files
    }

    /// Every file that documents led to, by path.
    pub(crate) fn reads(&self) -> Vec<(String, Digest)> {
        self.reads.borrow().iter().map(|(path, digest)| (path.clone(), *digest)).collect()
    }

    /// Every path that documents led to, whether there is such a file or not.
    pub(crate) fn tried(&self) -> Vec<String> {
        self.tried.borrow().iter().cloned().collect()
    }

    /// Whether a file has the content that it had.
    pub(super) fn reads_as(&self, path: &str, digest: Digest) -> bool {
        RelativePath::new(path).is_some_and(|path| self.read_text(&path).is_ok())
            && self.reads.borrow().get(path) == Some(&digest)
    }

    /// Reads a file that a document names: a regular file of the repository, never one outside, never one of ours.
    pub(super) fn read_text(&self, path: &RelativePath) -> Result<String, NotRead> {
        let refused = |code: ReasonCode, why: &str, help: &str| NotRead {
            code,
            message: format!("`{path}` {why}"),
            help: help.to_owned(),
        };
        if path.parts().next().is_some_and(|first| matches!(first, ".git" | ".orgo" | "out")) {
            return Err(refused(ReasonCode::InputMissing, "is not part of the repository", "name a committed file"));
        }
        self.tried.borrow_mut().insert(path.as_str().to_owned());
        let root = std::fs::canonicalize(self.workspace.root());
        let full = std::fs::canonicalize(self.workspace.root().join(path.as_str()));
        let (Ok(root), Ok(full)) = (root, full) else {
            return Err(refused(ReasonCode::InputMissing, "does not exist", "create it, or correct the path"));
        };
        let size = std::fs::metadata(&full).ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
        let Some(size) = size.filter(|_| full.starts_with(&root)) else {
            let why = "is not a regular file of the repository";
            return Err(refused(ReasonCode::InputMissing, why, "name a file that lies in it, and no link out of it"));
        };
        if size > MAX_LIST {
            return Err(refused(ReasonCode::InputTooLarge, "is larger than 256 MiB", "split it"));
        }
        let bytes =
            std::fs::read(&full).map_err(|e| refused(ReasonCode::InputMissing, &e.to_string(), "make it readable"))?;
        self.reads.borrow_mut().insert(path.as_str().to_owned(), Digest::of(&bytes));
        String::from_utf8(bytes)
            .map_err(|_| refused(ReasonCode::DocumentInvalid, "is not UTF-8 text", "save it as UTF-8"))
    }
}

/// The document called `stem`, in whichever syntax it is written: its path with its ending; `None` if there is none.
///
/// # Errors
/// [`Failure`] naming both if there are two.
pub(crate) fn document_name(root: &Path, stem: &str) -> Result<Option<String>, Failure> {
    let mut found: Option<String> = None;
    for (ending, _) in Syntax::ENDINGS {
        let name = format!("{stem}.{ending}");
        if status_followed(&root.join(&name))?.is_none_or(|s| s.is_folder) {
            continue;
        }
        if let Some(first) = found {
            return Err(Failure::message(
                Class::Declared,
                Some(ReasonCode::FieldDuplicate),
                format!("`{first}` and `{name}` are both there"),
                "keep one of the two",
            ));
        }
        found = Some(name);
    }
    Ok(found)
}

pub(super) fn pipeline_documents(root: &Path) -> Result<Vec<String>, Failure> {
    let folder = root.join("pipelines");
    let mut names = Vec::new();
    if status_followed(&folder)?.is_some_and(|s| s.is_folder) {
        for entry in std::fs::read_dir(&folder).at("list", &folder)? {
            let name = entry.at("list", &folder)?.file_name();
            if let Some(name) = name.to_str().filter(|n| Syntax::of(n).is_some()) {
                names.push(format!("pipelines/{name}"));
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}
