//! JSON Lines, hashed while they are written and checked while they are read.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};

use orgo_spec::artifact::{ArtifactError, FileRef, HexDigest};
use orgo_spec::document::RelativePath;
use orgo_spec::{Digest, Hasher, ReasonCode, artifact};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SpineError;
use crate::folder::{ReadFolder, WriteFolder, read_all};

/// Longest line: 256 MiB.
const MAX_LINE: u64 = 256 << 20;

/// A path that is written in our code.
pub(crate) fn path(text: &str) -> RelativePath {
    RelativePath::new(text).expect("paths in code are relative")
}

/// Writes one canonical document a line.
pub(crate) struct LineWriter {
    out: BufWriter<Box<dyn Write>>,
    hasher: Hasher,
    path: RelativePath,
    lines: u64,
}

impl LineWriter {
    pub(crate) fn create(folder: &mut dyn WriteFolder, name: &str) -> std::io::Result<Self> {
        let out = BufWriter::with_capacity(1 << 16, folder.create(name)?);
        Ok(Self { out, hasher: Hasher::new(), path: path(name), lines: 0 })
    }

    /// Writes a document.
    pub(crate) fn push<T: Serialize>(&mut self, document: &T) -> std::io::Result<()> {
        self.push_bytes(&artifact::canonical(document))
    }

    /// Writes bytes that are a line, without its line feed.
    pub(crate) fn push_bytes(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.lines += 1;
        for part in [line, b"\n"] {
            self.hasher.update(part);
            self.out.write_all(part)?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> std::io::Result<FileRef> {
        self.out.flush()?;
        let (digest, size_bytes) = self.hasher.finish_with_size();
        Ok(FileRef { path: self.path, sha256: HexDigest(digest), size_bytes, lines: Some(self.lines) })
    }
}

/// Reads the lines of a pinned file; at the end its length and digest must be the pinned ones, so a caller
/// must drop what it made if an error comes.
pub(crate) fn read_lines<T: DeserializeOwned>(
    folder: &dyn ReadFolder,
    file: &FileRef,
    mut take: impl FnMut(u64, T) -> Result<(), SpineError>,
) -> Result<(), SpineError> {
    let name = file.path.as_str();
    let mut input = BufReader::with_capacity(1 << 16, open(folder, name)?);
    let mut hasher = Hasher::new();
    let mut lines = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        hasher.update(&line);
        let body =
            line.strip_suffix(b"\n").ok_or_else(|| ArtifactError::Rule(format!("`{name}` has an unended line")))?;
        take(lines, artifact::read(&format!("line {} of `{name}`", lines + 1), body)?)?;
        lines += 1;
    }
    let (digest, size) = hasher.finish_with_size();
    pinned(name, file.sha256.0, digest)?;
    if size != file.size_bytes || file.lines.is_some_and(|l| l != lines) {
        return Err(ArtifactError::Rule(format!("`{name}` has another length than its manifest says")).into());
    }
    Ok(())
}

/// Reads a small file that must be there.
pub(crate) fn read_existing(folder: &dyn ReadFolder, name: &str) -> Result<Vec<u8>, SpineError> {
    open(folder, name)?;
    Ok(read_all(folder, name)?)
}

fn open(folder: &dyn ReadFolder, name: &str) -> Result<Box<dyn crate::ReadSeek>, SpineError> {
    let missing = || SpineError::refused(ReasonCode::FileMissing, format!("`{name}` is missing"));
    folder.open(name)?.ok_or_else(missing)
}

fn pinned(name: &str, declared: Digest, computed: Digest) -> Result<(), ArtifactError> {
    if declared == computed {
        return Ok(());
    }
    Err(ArtifactError::Identity {
        what: format!("the manifest's entry of `{name}`"),
        declared: declared.to_string(),
        computed: computed.to_string(),
    })
}

/// Writes a small document in the reviewer's form and returns its digest.
pub(crate) fn write_document<T: Serialize>(
    folder: &mut dyn WriteFolder,
    name: &str,
    document: &T,
) -> std::io::Result<Digest> {
    let bytes = artifact::pretty(document);
    write_bytes(folder, name, &bytes)?;
    Ok(Digest::of(&bytes))
}

/// Writes a small file.
pub(crate) fn write_bytes(folder: &mut dyn WriteFolder, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut out = folder.create(name)?;
    out.write_all(bytes)?;
    out.flush()
}
