//! A checked-out repository as a place where runs happen.
//!
//! ```text
//! <repository>/.orgo/        everything of ours; ignored by git, may be deleted at any time
//!     store/                 the object store, unless the project names another place
//!     state/                 what is remembered between runs
//!     runs/                  journals
//!     evidence/              what is on its way to and from evidence stores
//!     work/                  working folders of stages that run now
//!     kept/                  working folders of stages that failed
//!     aside-…/               what people are in, and what traced runs use
//!     left-…/                those of a run that was killed, until they can be removed
//!     lock                   held while a run is under way
//! <repository>/out/          results, ignored by git
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use orgo_spec::project::Project;

use crate::file::{At, PathError, read_if_there, remove_leftovers, remove_tree, replace, status};
use crate::store::{Store, TENANT, VARIED};

/// How names of working folders begin that were moved out of the way.
const LEFT: &str = "left-";

/// How names of folders begin that are used beside runs: by people who enter a sandbox, and by traced runs.
const ASIDE: &str = "aside-";
/// The file in them that is locked as long as they are used.
const IN_USE: &str = "lock";

/// How long a file that is being written may rest before it counts as left behind.
pub(crate) const LEFTOVER_AGE: Duration = Duration::from_secs(60 * 60);

/// Why a workspace cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum WorkspaceError {
    /// Another run holds the lock.
    #[error("another run is under way in this repository")]
    #[diagnostic(help("wait for it, or end it; the lock goes with its process"))]
    Busy,
    /// The store is another tenant's.
    #[error("the store `{}` belongs to the tenant `{tenant}`", store.display())]
    #[diagnostic(
        code(TENANT_MISMATCH),
        help("a store belongs to one tenant: name another with `store` in `orgo.kdl`, or remove this one")
    )]
    Tenant {
        /// Where it lies.
        store: PathBuf,
        /// Whose it is.
        tenant: String,
    },
    /// The system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Path(#[from] PathError),
}

/// The places of one repository.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    /// Where `.orgo` and `out` are.
    base: PathBuf,
    store: PathBuf,
    tenant: String,
}

/// Held while a run is under way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// A folder that is used beside runs; it goes with the value.
#[derive(Debug)]
pub struct Aside {
    folder: tempfile::TempDir,
    _lock: File,
}

impl Aside {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether nobody uses such a folder any more.
fn is_unused(folder: &Path) -> bool {
    let lock = OpenOptions::new().write(true).open(folder.join(IN_USE));
    lock.is_ok_and(|lock| lock.try_lock().is_ok())
}

impl Workspace {
    /// The workspace of the repository at `root`.
    #[must_use]
    pub fn new(root: &Path, project: &Project) -> Self {
        let store = project.store.as_ref().map_or_else(|| root.join(".orgo/store"), |s| root.join(s.as_str()));
        Self { root: root.to_owned(), base: root.to_owned(), store, tenant: project.tenant.to_string() }
    }

    /// The same repository with a store, memory, working folders and results of its own, below `base`.
    #[must_use]
    pub fn within(&self, base: &Path) -> Self {
        Self {
            root: self.root.clone(),
            base: base.to_owned(),
            store: base.join(".orgo/store"),
            tenant: self.tenant.clone(),
        }
    }

    /// The folder that `.orgo` and `out` are in.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The repository's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where results of a stage appear.
    #[must_use]
    pub fn out(&self, pipeline: &str, stage: &str) -> PathBuf {
        self.base.join("out").join(pipeline).join(stage)
    }

    /// Where journals lie.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.base.join(".orgo/runs")
    }

    /// Where memory lies.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.base.join(".orgo/state")
    }

    /// Where working folders lie.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.base.join(".orgo/work")
    }

    /// Where working folders of stages that failed are kept, by pipeline.
    #[must_use]
    pub fn kept(&self) -> PathBuf {
        self.base.join(".orgo/kept")
    }

    /// Makes a folder that is used beside runs; it goes with the value, or with a later run.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be made.
    pub fn aside(&self) -> Result<Aside, PathError> {
        self.prepare()?;
        let orgo = self.base.join(".orgo");
        let folder = tempfile::Builder::new().prefix(ASIDE).tempdir_in(&orgo).at("make a folder in", &orgo)?;
        let path = folder.path().join(IN_USE);
        let lock = File::create(&path).at("create", &path)?;
        lock.lock().at("lock", &path)?;
        Ok(Aside { folder, _lock: lock })
    }

    /// Where evidence passes through on its way to and from stores.
    #[must_use]
    pub fn passage(&self) -> PathBuf {
        self.base.join(".orgo/evidence")
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Opens the object store. A new one is this tenant's from then on.
    ///
    /// # Errors
    /// [`WorkspaceError`] if it cannot be made, or belongs to another tenant.
    pub fn open_store(&self) -> Result<Store, WorkspaceError> {
        self.prepare()?;
        let store = Store::open(&self.store)?;
        self.claim(&self.store)?;
        Ok(store)
    }

    /// Opens a store somewhere else, such as a directory that others share.
    ///
    /// # Errors
    /// [`WorkspaceError`] if it cannot be made, or belongs to another tenant.
    pub fn open_store_at(&self, path: &Path) -> Result<Store, WorkspaceError> {
        let store = Store::open(path)?;
        self.claim(path)?;
        Ok(store)
    }

    fn claim(&self, store: &Path) -> Result<(), WorkspaceError> {
        let path = store.join(TENANT);
        match read_if_there(&path)? {
            Some(of) if of.trim_ascii() == self.tenant.as_bytes() => Ok(()),
            Some(of) => {
                let tenant = orgo_spec::canonical::plain(&String::from_utf8_lossy(&of), 80);
                Err(WorkspaceError::Tenant { store: store.to_owned(), tenant })
            }
            None => Ok(replace(&path, format!("{}\n", self.tenant).as_bytes())?),
        }
    }

    /// Makes the folders that every command needs, with their `.gitignore`.
    ///
    /// # Errors
    /// [`PathError`] if one cannot be made.
    pub fn prepare(&self) -> Result<(), PathError> {
        for folder in [".orgo", "out"] {
            let folder = self.base.join(folder);
            let ignore = folder.join(".gitignore");
            if status(&ignore)?.is_none() {
                fs::create_dir_all(&folder).at("create the folder", &folder)?;
                fs::write(&ignore, "*\n").at("write", &ignore)?;
            }
        }
        for folder in [self.runs(), self.state()] {
            if status(&folder)?.is_none() {
                fs::create_dir_all(&folder).at("create the folder", &folder)?;
            }
        }
        Ok(())
    }

    /// Whether the store knows of keys that made different results.
    ///
    /// # Errors
    /// [`PathError`] if the status cannot be read.
    pub fn has_varied(&self) -> Result<bool, PathError> {
        Ok(status(&self.store.join(VARIED))?.is_some())
    }

    /// Whether a run is under way.
    ///
    /// # Errors
    /// [`PathError`] if the lock is there and cannot be opened.
    pub fn is_busy(&self) -> Result<bool, PathError> {
        let path = self.base.join(".orgo/lock");
        match fs::File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            other => Ok(matches!(other.at("open", &path)?.try_lock_shared(), Err(TryLockError::WouldBlock))),
        }
    }

    /// Whether the last run was cut off: it left something in the working folders.
    ///
    /// # Errors
    /// [`PathError`] if they are there and cannot be listed.
    pub fn was_cut_off(&self) -> Result<bool, PathError> {
        match fs::read_dir(self.work()) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            other => Ok(other.at("list", &self.work())?.next().is_some()),
        }
    }

    /// Takes the lock and clears what an earlier run left in the working folders.
    ///
    /// # Errors
    /// [`WorkspaceError::Busy`] if another run holds it.
    pub fn lock(&self) -> Result<Lock, WorkspaceError> {
        self.prepare()?;
        let path = self.base.join(".orgo/lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).at("open", &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WorkspaceError::Busy),
            Err(TryLockError::Error(e)) => {
                return Err(Err::<(), _>(e).at("lock", &path).expect_err("an error stays one").into());
            }
        }
        self.clear()?;
        Ok(Lock { _file: file })
    }

    /// Takes away what killed runs left. A stage of theirs may still run and write: its folder is moved out of the way
    /// first, and what cannot be removed now is removed by a later run.
    fn clear(&self) -> Result<(), PathError> {
        let (orgo, work) = (self.base.join(".orgo"), self.work());
        if self.was_cut_off()? {
            let aside = orgo.join(format!("{LEFT}{}-{:x}", std::process::id(), crate::sources::now_ns()));
            fs::rename(&work, &aside).at("move out of the way", &work)?;
        }
        for entry in fs::read_dir(&orgo).at("list", &orgo)? {
            let entry = entry.at("list", &orgo)?;
            let name = entry.file_name();
            let is_left = |name: &str| name.starts_with(LEFT) || name.starts_with(ASIDE) && is_unused(&entry.path());
            if name.to_str().is_some_and(is_left) {
                let _ = remove_tree(&entry.path());
            }
        }
        match fs::create_dir(&work) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.at("create the folder", &work)?,
        }
        remove_leftovers(&self.state(), LEFTOVER_AGE)?;
        remove_leftovers(&self.runs(), LEFTOVER_AGE)
    }
}
