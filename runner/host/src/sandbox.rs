//! The working folder of a worker: inputs are copied in, outputs are taken out, and what is left is
//! cleared before the next attempt.
//!
//! At `open` the folder is an ordinary one, and the stage sees the host; other levels: [`crate::isolation`].

mod arrange;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orgo_kernel::key::{Blob, CONFIG_PATH, Output, OutputKind, SourceFile, TOOL_PATH};
use orgo_spec::ReasonCode;

use self::arrange::{Arranger, Layout};
use crate::file::{At, PathError, Stamp, Status, remove_tree, status};
use crate::folder::{AtName, Folder};
use crate::kept;
use crate::store::{ObjectError, Store};

/// What goes into a working folder.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Repository files.
    pub files: Vec<SourceFile>,
    /// Outputs of earlier stages.
    pub upstream: Vec<Upstream>,
    /// Binary and configuration of a built-in tool.
    pub builtin: Option<(Blob, Blob)>,
    /// Declared outputs.
    pub outs: Vec<String>,
}

/// What an earlier stage made.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Where it appears in the working folder; empty for the folder itself.
    pub at: String,
    /// The outputs.
    pub outputs: Arc<Vec<Output>>,
    /// Where users see them.
    pub shown: PathBuf,
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
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Missing(_) => ReasonCode::OutputMissing,
            Self::Refused(_) => ReasonCode::OutputRefused,
            Self::Path(e) => e.reason().unwrap_or(ReasonCode::InternalError),
        }
    }
}

/// The working folder of one worker; it is removed when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    arranger: Arranger,
    root: Folder,
    annex: Option<Beside>,
}

/// The folders beside a working folder.
#[derive(Debug)]
struct Beside {
    temporary: Arranger,
    mount_point: Arranger,
    /// Where that is. No stage reaches it, so it stays as it was made.
    made: PathBuf,
}

/// Two folders beside the working folder, both empty.
#[derive(Debug)]
pub struct Annex {
    /// For temporary files.
    pub temporary: PathBuf,
    /// For a root of the stage's own to be mounted on.
    pub mount_point: PathBuf,
}

/// The time of every input at `hermetic`, seconds since the epoch: 2011-11-11 11:11:11, which workers of the Remote
/// Execution API use.
const FIXED_TIME: i64 = 1_321_009_871;

impl Sandbox {
    /// Makes an empty folder called `name` below `work`.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be made.
    pub fn new(work: &Path, name: &str) -> Result<Self, PathError> {
        let arranger = Arranger::new(Folder::open(work)?, name)?;
        let root = arranger.arrange(&Layout::default())?;
        Ok(Self { arranger, root, annex: None })
    }

    /// Clears what earlier attempts left and copies the inputs in.
    ///
    /// # Errors
    /// [`ObjectError`] if an input cannot be had from the store or written.
    pub fn fill(&mut self, contents: &Contents, store: &Store) -> Result<(), ObjectError> {
        let mut layout = Layout::default();
        contents.files.iter().for_each(|f| layout.add_parent(&f.path));
        for Upstream { at, outputs, .. } in &contents.upstream {
            let inner = if at.is_empty() { &mut layout } else { layout.add(at) };
            outputs.iter().for_each(|o| inner.add_parent(&o.path));
        }
        if contents.builtin.is_some() {
            [TOOL_PATH, CONFIG_PATH].iter().for_each(|path| layout.add_parent(path));
        }
        contents.outs.iter().for_each(|out| layout.add_parent(out));
        self.root = self.arranger.arrange(&layout)?;
        for file in &contents.files {
            store.copy_out(file.blob, &self.root, &file.path, file.executable)?;
        }
        for Upstream { at, outputs, .. } in &contents.upstream {
            for output in outputs.iter() {
                let path = if at.is_empty() { output.path.clone() } else { [at, "/", &output.path].concat() };
                place(output, &self.root, &path, store)?;
            }
        }
        if let Some((binary, config)) = contents.builtin {
            store.copy_out(binary, &self.root, TOOL_PATH, true)?;
            store.copy_out(config, &self.root, CONFIG_PATH, false)?;
        }
        Ok(())
    }

    /// Gives everything in the working folder one fixed time, so that no stage sees when it runs.
    ///
    /// # Errors
    /// [`PathError`] if a time cannot be set.
    pub fn fix_times(&self) -> Result<(), PathError> {
        fix_times(self.root.path())
    }

    /// Makes the folders beside the working folder; empties the one that stages write to.
    ///
    /// # Errors
    /// [`PathError`] if one cannot be made.
    pub fn annex(&mut self) -> Result<Annex, PathError> {
        let arrange = |arranger: &Arranger| arranger.arrange(&Layout::default()).map(|f| f.path().to_owned());
        let beside = match self.annex.take() {
            Some(beside) => beside,
            None => {
                let mount_point = self.arranger.beside("root")?;
                let made = arrange(&mount_point)?;
                Beside { temporary: self.arranger.beside("tmp")?, mount_point, made }
            }
        };
        let beside = self.annex.insert(beside);
        Ok(Annex { temporary: arrange(&beside.temporary)?, mount_point: beside.made.clone() })
    }

    /// Where it lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
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

    /// Gives away what an attempt left: moves the working folder to `to`, and with `temporary` the one for temporary
    /// files. The next attempt gets new ones. Comes back with where they lay, by their new names.
    ///
    /// # Errors
    /// [`PathError`] if they cannot be moved.
    pub(crate) fn leave(&self, to: &Path, temporary: bool) -> Result<Vec<(String, PathBuf)>, PathError> {
        let mut lay_at = vec![(kept::FOLDER.to_owned(), self.root.path().to_owned())];
        let beside = self.annex.as_ref().filter(|_| temporary);
        lay_at.extend(beside.map(|beside| (kept::TEMPORARY.to_owned(), beside.temporary.path())));
        for (name, from) in &lay_at {
            let target = to.join(name);
            fs::rename(from, &target).at("move to", &target)?;
        }
        Ok(lay_at)
    }

    /// Moves the declared outputs to `to`, replacing what is there.
    ///
    /// # Errors
    /// [`PathError`] if they cannot be moved.
    pub fn hand_over(&self, outs: &[String], to: &Path) -> Result<(), PathError> {
        empty_folder(to)?;
        for out in outs {
            let target = to.join(out);
            if out.contains('/') {
                let parent = target.parent().expect("a path with a slash has a parent");
                fs::create_dir_all(parent).at("create the folder", parent)?;
            }
            rustix::fs::renameat(&self.root, out, rustix::fs::CWD, &target).at("move the output to", &target)?;
        }
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let annex = self.annex.iter().flat_map(|annex| [&annex.temporary, &annex.mount_point]);
        for folder in annex.chain([&self.arranger]) {
            let _ = folder.clear(); // a leftover is removed when the next run starts
        }
    }
}

/// Sets the time of everything below `folder`, and then its own.
fn fix_times(folder: &Path) -> Result<(), PathError> {
    for entry in fs::read_dir(folder).at("list", folder)? {
        let entry = entry.at("list", folder)?;
        let path = entry.path();
        if entry.file_type().at("read the status of", &path)?.is_dir() {
            fix_times(&path)?;
        } else {
            fix_time(&path)?;
        }
    }
    fix_time(folder)
}

fn fix_time(path: &Path) -> Result<(), PathError> {
    let time = rustix::fs::Timespec { tv_sec: FIXED_TIME, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .at("set the time of", path)
}

/// Makes the folder `path`, empty.
fn empty_folder(path: &Path) -> Result<(), PathError> {
    match fs::create_dir(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => fs::create_dir_all(path),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            remove_tree(path)?;
            fs::create_dir(path)
        }
        other => other,
    }
    .at("create the folder", path)
}

/// Puts one output at a name that is free.
fn place(output: &Output, to: &Folder, name: &str, store: &Store) -> Result<(), ObjectError> {
    match &output.kind {
        OutputKind::File { blob, executable } => store.copy_out(*blob, to, name, *executable),
        OutputKind::Link(target) => Ok(to.link(target, name)?),
        OutputKind::EmptyFolder => Ok(to.make(name)?),
    }
}

fn collect(root: &Folder, path: &str, store: &Store, outputs: &mut Vec<Output>) -> Result<(), OutputError> {
    let missing = || OutputError::Missing(path.to_owned());
    let refused = || OutputError::Refused(path.to_owned());
    let found = root.status(path)?.ok_or_else(missing)?;
    let kind = if found.is_file {
        let file = root.read(path)?.ok_or_else(missing)?;
        let blob = store.put_file(file, &root.path().join(path), found.stamp.size_bytes)?;
        OutputKind::File { blob, executable: found.executable }
    } else if found.is_link {
        let target = rustix::fs::readlinkat(root, path, Vec::new()).at_name("read the link", root, path)?;
        let target = target.to_str().ok().filter(|t| stays_inside(path, t)).ok_or_else(refused)?;
        OutputKind::Link(target.to_owned())
    } else if found.is_folder {
        let full = root.path().join(path);
        let mut names = Vec::new();
        for entry in fs::read_dir(&full).at("list", &full)? {
            let name = entry.at("list", &full)?.file_name();
            names.push(name.into_string().map_err(|_| refused())?);
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
        return Err(refused());
    };
    outputs.push(Output { path: path.to_owned(), kind });
    Ok(())
}

/// Whether a link at `path` leads to a place below the same folder.
pub(crate) fn stays_inside(path: &str, target: &str) -> bool {
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
    empty_folder(to)?;
    let folder = Folder::open(to)?;
    for output in outputs {
        if let Some((parent, _)) = output.path.rsplit_once('/') {
            let parent = to.join(parent);
            fs::create_dir_all(&parent).at("create the folder", &parent)?;
        }
        place(output, &folder, &output.path, store)?;
    }
    Ok(())
}

/// The stamp of an output below `to`; `None` if it is missing or of another kind.
///
/// # Errors
/// [`PathError`] if its status cannot be read.
pub fn stamp_of(output: &Output, to: &Path) -> Result<Option<Stamp>, PathError> {
    Ok(status(&to.join(&output.path))?.filter(|s| is_kind(output, s)).map(|s| s.stamp))
}

/// Whether a status can be that of an output.
pub(crate) fn is_kind(output: &Output, status: &Status) -> bool {
    match output.kind {
        OutputKind::File { .. } => status.is_file,
        OutputKind::Link(_) => status.is_link,
        OutputKind::EmptyFolder => status.is_folder,
    }
}

/// Stamps of outputs below `to`, in their order; `None` if one is missing or of another kind.
///
/// # Errors
/// [`PathError`] if a status cannot be read.
pub fn stamps(outputs: &[Output], to: &Path) -> Result<Option<Vec<Stamp>>, PathError> {
    outputs.iter().map(|o| stamp_of(o, to)).collect()
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
