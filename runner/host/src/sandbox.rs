//! The working folder of one attempt: inputs are copied in, outputs are taken out.
//!
//! At `open` nothing is enforced: the folder is an ordinary one, and the stage sees the host.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use orgo_kernel::key::{Blob, CONFIG_PATH, Output, OutputKind, SourceFile, TOOL_PATH};
use orgo_spec::ReasonCode;

use crate::file::{At, PathError, Stamp, remove_tree, status};
use crate::store::{ObjectError, Store};

/// What goes into a working folder.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Repository files.
    pub files: Vec<SourceFile>,
    /// Outputs of earlier stages and where they appear.
    pub upstream: Vec<(String, std::sync::Arc<Vec<Output>>)>,
    /// Binary and configuration of a built-in tool.
    pub builtin: Option<(Blob, Blob)>,
    /// Declared outputs.
    pub outs: Vec<String>,
}

/// Why outputs are refused.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A declared output is not there.
    #[error("the declared output `{0}` was not produced")]
    Missing(String),
    /// Something that is not a file, a folder or a relative link that stays inside.
    #[error("the output `{0}` is not a regular file, a folder or a link that stays inside")]
    Refused(String),
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl OutputError {
    /// The reason code.
    #[must_use]
    pub const fn code(&self) -> ReasonCode {
        match self {
            Self::Missing(_) => ReasonCode::OutputMissing,
            Self::Refused(_) => ReasonCode::OutputRefused,
            Self::Path(_) => ReasonCode::InternalError,
        }
    }
}

/// A working folder that is removed when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    root: PathBuf,
    keep: bool,
}

impl Sandbox {
    /// Makes the folder and copies the inputs in.
    ///
    /// # Errors
    /// [`ObjectError`] if an input cannot be had from the store or written.
    pub fn new(root: PathBuf, contents: &Contents, store: &Store) -> Result<Self, ObjectError> {
        fs::create_dir(&root).at("create the folder", &root)?;
        let sandbox = Self { root, keep: false };
        let mut folders = Folders::default();
        for file in &contents.files {
            let path = folders.make_parent(&sandbox.root, &file.path)?;
            store.copy_out(file.blob, &path, file.executable)?;
        }
        for (at, outputs) in &contents.upstream {
            folders.make(&sandbox.root, at)?;
            for output in outputs.iter() {
                let path = folders.make_parent(&sandbox.root, &format!("{at}/{}", output.path))?;
                place(output, &path, store)?;
            }
        }
        if let Some((binary, config)) = contents.builtin {
            let tool = folders.make_parent(&sandbox.root, TOOL_PATH)?;
            store.copy_out(binary, &tool, true)?;
            let place = folders.make_parent(&sandbox.root, CONFIG_PATH)?;
            store.copy_out(config, &place, false)?;
        }
        for out in &contents.outs {
            folders.make_parent(&sandbox.root, out)?;
        }
        Ok(sandbox)
    }

    /// Where it lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Leaves the folder where it is, for people to look at.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Stores everything below the declared outputs; the list is sorted by path.
    ///
    /// # Errors
    /// [`OutputError`] if a declared output is missing or cannot be stored.
    pub fn collect(&self, outs: &[String], store: &Store) -> Result<Vec<Output>, OutputError> {
        let mut outputs = Vec::with_capacity(outs.len());
        for out in outs {
            collect(&self.root, out, store, &mut outputs)?;
        }
        outputs.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(outputs)
    }

    /// Moves the declared outputs to `to`, replacing what is there.
    ///
    /// # Errors
    /// [`PathError`] if they cannot be moved.
    pub fn hand_over(&self, outs: &[String], to: &Path) -> Result<(), PathError> {
        remove_tree(to)?;
        fs::create_dir_all(to).at("create the folder", to)?;
        for out in outs {
            let target = to.join(out);
            if out.contains('/') {
                let parent = target.parent().expect("a path with a slash has a parent");
                fs::create_dir_all(parent).at("create the folder", parent)?;
            }
            fs::rename(self.root.join(out), &target).at("move the output to", &target)?;
        }
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.keep {
            let _ = remove_tree(&self.root); // a leftover is removed when the next run starts
        }
    }
}

/// Folders that were made, so that each is made once.
#[derive(Default)]
struct Folders(std::collections::BTreeSet<String>);

impl Folders {
    fn make(&mut self, root: &Path, folder: &str) -> Result<(), PathError> {
        if self.0.contains(folder) {
            return Ok(());
        }
        if let Some((parent, _)) = folder.rsplit_once('/') {
            self.make(root, parent)?;
        }
        let path = root.join(folder);
        match fs::create_dir(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(e).at("create the folder", &path),
            _ => {}
        }
        self.0.insert(folder.to_owned());
        Ok(())
    }

    fn make_parent(&mut self, root: &Path, path: &str) -> Result<PathBuf, PathError> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.make(root, parent)?;
        }
        Ok(root.join(path))
    }
}

/// Puts one output at a path that is free.
fn place(output: &Output, path: &Path, store: &Store) -> Result<(), ObjectError> {
    match &output.kind {
        OutputKind::File { blob, executable } => store.copy_out(*blob, path, *executable),
        OutputKind::Link(target) => Ok(std::os::unix::fs::symlink(target, path).at("create the link", path)?),
        OutputKind::EmptyFolder => Ok(fs::create_dir(path).at("create the folder", path)?),
    }
}

fn collect(root: &Path, path: &str, store: &Store, outputs: &mut Vec<Output>) -> Result<(), OutputError> {
    let full = root.join(path);
    let found = status(&full)?.ok_or_else(|| OutputError::Missing(path.to_owned()))?;
    let kind = if found.is_file {
        let file = File::open(&full).at("open", &full)?;
        OutputKind::File { blob: store.put_file(file, &full, found.stamp.size_bytes)?, executable: found.executable }
    } else if found.is_link {
        let target = fs::read_link(&full).at("read the link", &full)?;
        let target =
            target.to_str().filter(|t| stays_inside(path, t)).ok_or_else(|| OutputError::Refused(path.to_owned()))?;
        OutputKind::Link(target.to_owned())
    } else if found.is_folder {
        let mut names = Vec::new();
        for entry in fs::read_dir(&full).at("list", &full)? {
            let name = entry.at("list", &full)?.file_name();
            names.push(name.into_string().map_err(|_| OutputError::Refused(path.to_owned()))?);
        }
        names.sort_unstable();
        for name in &names {
            collect(root, &format!("{path}/{name}"), store, outputs)?;
        }
        if !names.is_empty() {
            return Ok(());
        }
        OutputKind::EmptyFolder
    } else {
        return Err(OutputError::Refused(path.to_owned()));
    };
    outputs.push(Output { path: path.to_owned(), kind });
    Ok(())
}

/// Whether a link at `path` leads to a place below the same folder.
fn stays_inside(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return false;
    }
    let mut depth = i64::try_from(path.matches('/').count()).unwrap_or(0);
    for part in target.split('/') {
        match part {
            ".." => depth -= 1,
            "" | "." => {}
            _ => depth += 1,
        }
        if depth < 0 {
            return false;
        }
    }
    true
}

/// Writes outputs below `to`, replacing what is there.
///
/// # Errors
/// [`ObjectError`] if an object cannot be had or a file cannot be written.
pub fn restore(outputs: &[Output], to: &Path, store: &Store) -> Result<(), ObjectError> {
    remove_tree(to)?;
    fs::create_dir_all(to).at("create the folder", to)?;
    let mut folders = Folders::default();
    for output in outputs {
        let path = folders.make_parent(to, &output.path)?;
        place(output, &path, store)?;
    }
    Ok(())
}

/// Stamps of outputs below `to`, in their order; `None` if one is missing or of another kind.
///
/// # Errors
/// [`PathError`] if a status cannot be read.
pub fn stamps(outputs: &[Output], to: &Path) -> Result<Option<Vec<Stamp>>, PathError> {
    let mut stamps = Vec::with_capacity(outputs.len());
    let mut path = to.as_os_str().to_owned();
    let prefix = path.len();
    for output in outputs {
        path.push("/");
        path.push(&output.path);
        let found = status(Path::new(&path))?;
        let right = found.filter(|s| match output.kind {
            OutputKind::File { .. } => s.is_file,
            OutputKind::Link(_) => s.is_link,
            OutputKind::EmptyFolder => s.is_folder,
        });
        let Some(right) = right else { return Ok(None) };
        stamps.push(right.stamp);
        path = {
            use std::os::unix::ffi::{OsStrExt, OsStringExt};
            let mut bytes = path.into_vec();
            bytes.truncate(prefix);
            std::ffi::OsStr::from_bytes(&bytes).to_owned()
        };
    }
    Ok(Some(stamps))
}

#[cfg(test)]
mod tests {
    use super::stays_inside;

    #[test]
    fn links_may_not_lead_out() {
        assert!(stays_inside("out/a", "b"));
        assert!(stays_inside("out/a/l", "../b"));
        assert!(!stays_inside("out/l", "../../etc/passwd"));
        assert!(!stays_inside("out/l", "/etc/passwd"));
        assert!(!stays_inside("l", "a/../../b"));
    }
}
