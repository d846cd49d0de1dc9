//! The only home of libgit2: repositories, objects, signed commits, compare-and-swap of a branch.
//!
//! libgit2 runs no hooks, no filter programs and no file-system monitor, so a hostile configuration has
//! nothing to start here. What could *mislead* a reader is refused when a repository is opened:
//! grafts, replacement references, objects, work trees and repositories elsewhere, configuration that the tree
//! provides, and folders of another owner (supply-chain T-69).
//!
//! Object hashes are verified on every read (libgit2's strict mode, SHA-1 with collision detection).

mod base;
mod commit;
mod export;
mod filtered;
mod look;
mod loose;
mod name;
mod pack;
mod range;
mod remote;
mod shape;
mod source;
mod tree;
mod write;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{ErrorClass, ErrorCode, ObjectType};
use orgo_spec::ReasonCode;

pub use commit::{Commit, CommitShape};
pub use git2::Oid as ObjectId;
pub use look::Looked;
pub use pack::Packs;
pub use remote::{Remote, RemoteError};
pub use source::Source;
pub use tree::{Change, Entry, MODE_FILE};
pub use write::{Identity, Swap};

/// An open repository. Not shareable between threads: each opens its own.
pub struct Git {
    inner: git2::Repository,
    /// The trees read last.
    trees: RefCell<VecDeque<(ObjectId, Arc<tree::Tree>)>>,
    /// For who reads very many objects; what it cannot read libgit2 does.
    packs: RefCell<Option<pack::PackReader>>,
    /// The remote that has what this clone left there, if it is a filtered one.
    promisor: Option<String>,
    /// Whether reads fetch from there what is missing.
    brings: Cell<bool>,
}

/// What went wrong with a repository.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum GitError {
    #[error("`{0}` is not in a git repository")]
    NotARepository(PathBuf),
    #[error("the repository `{path}` is refused: {why}")]
    Unsafe { path: PathBuf, why: String },
    #[error("`{name}` is a branch here, and git finds `{other}` under the same name")]
    Ambiguous { name: String, other: String },
    #[error("the repository has no commit yet")]
    Unborn,
    #[error("there is no object {0}")]
    Missing(ObjectId),
    #[error("the object {id} is not in this filtered clone, and its remote cannot be asked for it: {said}")]
    Unreachable { id: ObjectId, said: String },
    #[error("the object {id} is damaged: {why}")]
    Damaged { id: ObjectId, why: String },
    #[error("{0}")]
    Git(#[source] git2::Error),
    #[error("`{path}`: {error}")]
    Io { path: PathBuf, error: std::io::Error },
}

impl GitError {
    /// The reason code of the refusal; none for faults of the environment.
    #[must_use]
    pub fn code(&self) -> Option<ReasonCode> {
        match self {
            Self::Unsafe { .. } => Some(ReasonCode::RepoUnsafe),
            Self::Ambiguous { .. } => Some(ReasonCode::RefAmbiguous),
            Self::Damaged { .. } => Some(ReasonCode::RecordAltered),
            Self::Missing(_) => Some(ReasonCode::RecordMissing),
            Self::Unreachable { .. } => Some(ReasonCode::RemoteUnreachable),
            Self::Git(error) => fault(error),
            Self::Io { error, .. } => crate::file::fault(error),
            Self::NotARepository(_) | Self::Unborn => None,
        }
    }

    fn of(error: git2::Error) -> Self {
        Self::Git(error)
    }

    /// An error of reading the object `id`.
    fn reading(id: ObjectId) -> impl FnOnce(git2::Error) -> Self {
        move |error| {
            if error.code() == ErrorCode::NotFound {
                Self::Missing(id)
            } else if error.code() == ErrorCode::HashsumMismatch
                || matches!(error.class(), ErrorClass::Odb | ErrorClass::Zlib | ErrorClass::Object | ErrorClass::Tree)
            {
                Self::Damaged { id, why: error.message().to_owned() }
            } else {
                Self::Git(error)
            }
        }
    }
}

/// The system's answer, where libgit2 repeats it: it hands out the words and not the number.
fn fault(error: &git2::Error) -> Option<ReasonCode> {
    let said = |errno: rustix::io::Errno| {
        let words = std::io::Error::from(errno).to_string();
        error.message().contains(words.split(" (os error").next().unwrap_or(&words))
    };
    if said(rustix::io::Errno::NOSPC) || said(rustix::io::Errno::DQUOT) {
        Some(ReasonCode::NoSpace)
    } else {
        said(rustix::io::Errno::ROFS).then_some(ReasonCode::ReadOnly)
    }
}

impl Git {
    /// Opens the repository at `path`: a work tree's root, a `.git` folder or a bare repository.
    ///
    /// # Errors
    /// [`GitError::NotARepository`], or [`GitError::Unsafe`] for a shape that could mislead readers.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        filtered::allow();
        Self::checked(git2::Repository::open(path), path)
    }

    /// Opens the bare repository at `path`, and makes it if nothing is there: for content on its way.
    ///
    /// # Errors
    /// As [`Git::open`].
    pub fn scratch(path: &Path) -> Result<Self, GitError> {
        filtered::allow();
        if !path.join("HEAD").exists() {
            git2::Repository::init_bare(path).map_err(GitError::of)?;
        }
        Self::open(path)
    }

    /// Opens the repository that `start` lies in.
    ///
    /// # Errors
    /// As [`Git::open`].
    pub fn discover(start: &Path) -> Result<Self, GitError> {
        filtered::allow();
        Self::checked(git2::Repository::discover(start), start)
    }

    /// Opens the same repository again, with empty caches.
    ///
    /// # Errors
    /// As [`Git::open`].
    pub fn reopen(&self) -> Result<Self, GitError> {
        let git = Self::open(self.inner.path())?;
        git.brings.set(self.brings.get());
        Ok(git)
    }

    fn checked(opened: Result<git2::Repository, git2::Error>, path: &Path) -> Result<Self, GitError> {
        let inner = match opened {
            Ok(inner) => inner,
            Err(e) if e.code() == ErrorCode::NotFound => return Err(GitError::NotARepository(path.to_owned())),
            Err(e) if e.code() == ErrorCode::Owner => {
                let why = "its folder belongs to another user".to_owned();
                return Err(GitError::Unsafe { path: path.to_owned(), why });
            }
            Err(e) => return Err(GitError::of(e)),
        };
        if let Some(why) = shape::unsafe_shape(&inner)? {
            return Err(GitError::Unsafe { path: path.to_owned(), why });
        }
        let promisor = filtered::promisor(&inner);
        Ok(Self { inner, trees: RefCell::default(), packs: RefCell::default(), promisor, brings: Cell::default() })
    }

    /// The root of the work tree; none for a bare repository.
    #[must_use]
    pub fn root(&self) -> Option<&Path> {
        self.inner.workdir()
    }

    /// The repository's own folder: what [`Git::open`] opens again.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.inner.path()
    }

    /// The folder that holds objects and references (shared by linked work trees).
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        self.inner.commondir()
    }

    /// The commit that a full reference name points to; none if there is no such reference.
    ///
    /// # Errors
    /// [`GitError`] if the reference cannot be read.
    pub fn tip(&self, reference: &str) -> Result<Option<ObjectId>, GitError> {
        match self.inner.refname_to_id(reference) {
            Ok(id) => Ok(Some(id)),
            Err(e) if e.code() == ErrorCode::NotFound => Ok(None),
            Err(e) => Err(GitError::of(e)),
        }
    }

    /// The full names of the references below a prefix, sorted.
    ///
    /// # Errors
    /// [`GitError`] if references cannot be read.
    pub fn branches(&self, prefix: &str) -> Result<Vec<String>, GitError> {
        let references = self.inner.references_glob(&format!("{prefix}*")).map_err(GitError::of)?;
        let mut names = Vec::new();
        for reference in references {
            names.extend(reference.map_err(GitError::of)?.name().map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The packs as they are now, for [`Git::read_packs`].
    #[must_use]
    pub fn packs(&self) -> Packs {
        Packs::open(&self.common_dir().join("objects"))
    }

    /// Reads objects out of these packs from now on, without a lock that other threads wait for: for who reads very
    /// many. What is not there is read as before.
    pub fn read_packs(&self, packs: Arc<Packs>) {
        *self.packs.borrow_mut() = Some(pack::PackReader::new(packs));
    }

    /// The bytes of an object of this type, if packs are read and have it.
    fn packed(&self, id: ObjectId, kind: ObjectType) -> Option<Arc<Vec<u8>>> {
        let (found, bytes) = self.packs.borrow_mut().as_mut()?.read(id)?;
        (found == kind).then_some(bytes)
    }

    /// The bytes of an object of this type and of at most `limit` bytes; of a larger one its size.
    fn object(&self, id: ObjectId, kind: ObjectType, limit: usize) -> Result<Result<Vec<u8>, usize>, GitError> {
        let within = |bytes: Vec<u8>| if bytes.len() > limit { Err(bytes.len()) } else { Ok(bytes) };
        if let Some(bytes) = self.packed(id, kind) {
            return Ok(within(Arc::unwrap_or_clone(bytes)));
        }
        let other = || GitError::Damaged { id, why: format!("it is not a {kind}") };
        match self.loose(id, limit)? {
            Some(Ok((found, bytes))) if found == kind => return Ok(Ok(bytes)),
            Some(Ok(_)) => return Err(other()),
            Some(Err(size)) => return Ok(Err(size)),
            None => {}
        }
        if kind != ObjectType::Commit {
            self.bring(&[id])?;
        }
        match self.size(id)? {
            size if size > limit => return Ok(Err(size)),
            _ => {}
        }
        let odb = self.inner.odb().map_err(GitError::of)?;
        let object = odb.read(id).map_err(GitError::reading(id))?;
        if object.kind() == kind { Ok(within(object.data().to_vec())) } else { Err(other()) }
    }

    /// The bytes of an object of this type, however many.
    fn whole(&self, id: ObjectId, kind: ObjectType) -> Result<Vec<u8>, GitError> {
        let read = self.object(id, kind, usize::MAX)?;
        read.map_err(|size| GitError::Damaged { id, why: format!("it claims to have {size} bytes") })
    }

    /// The bytes of a blob of at most `limit` bytes; of a larger one its size.
    ///
    /// # Errors
    /// As [`Git::blob`].
    pub fn blob_within(&self, id: ObjectId, limit: usize) -> Result<Result<Vec<u8>, usize>, GitError> {
        self.object(id, ObjectType::Blob, limit)
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`GitError::Missing`], [`GitError::Damaged`].
    pub fn blob(&self, id: ObjectId) -> Result<Vec<u8>, GitError> {
        self.whole(id, ObjectType::Blob)
    }

    /// The tree of whatever names a commit: a branch, a tag, an id, `HEAD~2`.
    ///
    /// # Errors
    /// [`GitError`] if nothing has that name.
    pub fn tree_of(&self, revision: &str) -> Result<ObjectId, GitError> {
        let named = self.inner.revparse_single(revision).map_err(GitError::of)?;
        Ok(named.peel_to_tree().map_err(GitError::of)?.id())
    }

    /// The SHA-256 of a blob's bytes.
    ///
    /// # Errors
    /// As [`Git::blob`].
    pub fn digest(&self, id: ObjectId) -> Result<orgo_spec::Digest, GitError> {
        self.blob(id).map(|bytes| orgo_spec::Digest::of(&bytes))
    }

    /// The size of an object in bytes, without reading its content.
    ///
    /// # Errors
    /// As [`Git::blob`].
    pub fn size(&self, id: ObjectId) -> Result<usize, GitError> {
        match self.loose(id, 0)? {
            Some(Ok((_, bytes))) => return Ok(bytes.len()),
            Some(Err(size)) => return Ok(size),
            None => {}
        }
        let odb = self.inner.odb().map_err(GitError::of)?;
        // git2 panics where a damaged pack gives an object a type that does not exist.
        let header = std::panic::catch_unwind(AssertUnwindSafe(|| odb.read_header(id)));
        let unknown = |_| GitError::Damaged { id, why: "it has a type that does not exist".to_owned() };
        Ok(header.map_err(unknown)?.map_err(GitError::reading(id))?.0)
    }

    /// The id that a file with these bytes has in git.
    ///
    /// # Errors
    /// [`GitError`] if libgit2 refuses.
    pub fn blob_id(bytes: &[u8]) -> Result<ObjectId, GitError> {
        ObjectId::hash_object(git2::ObjectType::Blob, bytes).map_err(GitError::of)
    }

    /// The entry at a path of a tree.
    ///
    /// # Errors
    /// [`GitError`] if a tree on the way cannot be read.
    pub fn entry(&self, tree: ObjectId, path: &str) -> Result<Option<Entry>, GitError> {
        let mut at = Entry { id: tree, mode: tree::MODE_TREE };
        for name in path.split('/') {
            if at.mode != tree::MODE_TREE {
                return Ok(None);
            }
            match self.tree(at.id)?.get(name) {
                Some(entry) => at = entry,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}

impl std::fmt::Debug for Git {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Git({})", self.inner.path().display())
    }
}
