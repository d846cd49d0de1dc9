//! The shapes of a repository that could mislead a reader (supply-chain T-69).
//!
//! What only *starts* something is not refused: hooks, filter drivers, `core.fsmonitor` and `core.sshCommand` are in
//! honest repositories too, and libgit2 starts none of them.

use std::path::Path;

use super::GitError;

/// The longest file of one path that git writes.
const MAX_PATH_FILE: u64 = 16 << 10;

/// Why a repository is not to be read; none if its shape is sound.
///
/// # Errors
/// [`GitError`] if references or the configuration cannot be read.
pub(super) fn unsafe_shape(repo: &git2::Repository) -> Result<Option<String>, GitError> {
    let common = repo.commondir();
    if common.join("info/grafts").exists() {
        let why = "it has grafts (`info/grafts`), which show another history than the one that is signed";
        return Ok(Some(why.to_owned()));
    }
    if repo.references_glob("refs/replace/*").map_err(GitError::of)?.next().is_some() {
        let why = "it has replacement objects (`refs/replace/`), which show other content than is signed";
        return Ok(Some(why.to_owned()));
    }
    if common.join("objects/info/alternates").metadata().is_ok_and(|m| m.len() > 0) {
        let why = "its objects lie elsewhere (`objects/info/alternates`), where others can take them away; \
                   `git repack -ad` brings them home, then the file can be removed";
        return Ok(Some(why.to_owned()));
    }
    if let Some(root) = repo.workdir() {
        if repo.is_worktree() {
            if !is_linked_worktree(repo, root) {
                let why = "its `.git` is a file that leads to a repository which does not know this work tree";
                return Ok(Some(why.to_owned()));
            }
        } else if root.canonicalize().ok() != repo.path().parent().and_then(|p| p.canonicalize().ok()) {
            let why = "its `.git` leads elsewhere, or its work tree lies elsewhere (`core.worktree`)";
            return Ok(Some(why.to_owned()));
        }
        if let Some(file) = included_from_tree(repo, root)? {
            return Ok(Some(format!("its configuration includes `{}`, which the tree provides", file.escape_debug())));
        }
    }
    Ok(None)
}

/// Whether a linked work tree and its repository name each other, and the repository is none of the tree's files.
fn is_linked_worktree(repo: &git2::Repository, root: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let (Some(own), Some(common), Some(root)) = (real(repo.path()), real(repo.commondir()), real(root)) else {
        return false;
    };
    let back = own.join("gitdir");
    let small = back.metadata().is_ok_and(|m| m.is_file() && m.len() <= MAX_PATH_FILE);
    let named = small.then(|| std::fs::read_to_string(&back).ok()).flatten();
    let named = named.and_then(|text| real(own.join(text.trim_end()).parent()?));
    own.parent() == Some(common.join("worktrees").as_path()) && named == Some(root.clone()) && !common.starts_with(root)
}

/// A file of the work tree that the repository's own configuration includes: whoever can commit would configure git.
/// Files elsewhere are the user's business (CI services keep credentials in such files).
fn included_from_tree(repo: &git2::Repository, root: &Path) -> Result<Option<String>, GitError> {
    let config = repo.config().map_err(GitError::of)?;
    let Ok(root) = root.canonicalize() else { return Ok(None) };
    let common = repo.commondir().canonicalize().unwrap_or_else(|_| repo.commondir().to_owned());
    let mut found = None;
    let entries = config.entries(Some("^include(if\\..*)?\\.path$")).map_err(GitError::of)?;
    entries
        .for_each(|entry| {
            let local = matches!(entry.level(), git2::ConfigLevel::Local | git2::ConfigLevel::Worktree);
            let Some(text) = entry.value().ok().filter(|_| local) else { return };
            // A path is relative to the file that it stands in.
            for base in [repo.path(), repo.commondir()] {
                let path = base.join(text);
                let real = path.canonicalize().unwrap_or_else(|_| lexical(&path));
                if real.starts_with(&root) && !real.starts_with(&common) {
                    found = Some(text.to_owned());
                }
            }
        })
        .map_err(GitError::of)?;
    Ok(found)
}

/// A path without `.` and `..`, for files that are not there (yet).
fn lexical(path: &Path) -> std::path::PathBuf {
    let mut plain = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(plain.pop()),
            std::path::Component::CurDir => {}
            std::path::Component::Prefix(_) | std::path::Component::RootDir | std::path::Component::Normal(_) => {
                plain.push(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use orgo_spec::ReasonCode;

    use super::super::Git;
    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(args).current_dir(folder).env_clear();
        assert!(command.env("PATH", "/usr/bin:/bin").status().expect("git runs").success(), "{args:?}");
    }

    fn code(folder: &Path) -> Option<ReasonCode> {
        Git::open(folder).err().and_then(|e| e.code())
    }

    #[test]
    fn an_honest_work_tree_is_opened_and_a_forged_one_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let main = folder.path().join("main");
        std::fs::create_dir(&main).expect("a folder");
        git(&main, &["init", "-q"]);
        git(&main, &["commit", "-qm", "one", "--allow-empty"]);
        git(&main, &["worktree", "add", "-q", "../linked"]);
        assert_eq!(code(&folder.path().join("linked")), None);
        // The same, moved by hand: the repository knows another folder.
        std::fs::rename(folder.path().join("linked"), folder.path().join("moved")).expect("renamed");
        assert_eq!(code(&folder.path().join("moved")), Some(ReasonCode::RepoUnsafe));
    }

    #[test]
    fn only_configuration_from_the_tree_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("r");
        std::fs::create_dir(&root).expect("a folder");
        git(&root, &["init", "-q"]);
        for (path, refused) in [
            ("../.gitconfig", true),
            ("more", false),
            ("../../beside", false),
            (root.join("deep/config").to_str().expect("UTF-8"), true),
        ] {
            for name in ["include.path", "includeIf.gitdir:/nowhere/.path"] {
                git(&root, &["config", name, path]);
                assert_eq!(code(&root) == Some(ReasonCode::RepoUnsafe), refused, "{name} {path}");
                git(&root, &["config", "--unset", name]);
            }
        }
    }
}
