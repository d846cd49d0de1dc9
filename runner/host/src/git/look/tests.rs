use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::git::Git;

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// A repository whose names sort differently as names and as paths, with ignored files of several kinds.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    git(at, &["init", "-q"]);
    for name in ["a-b/x", "a/x", "a/y/z", "a0", "top", "deep/er/and/deeper"] {
        write(at, name, "content\n");
    }
    std::os::unix::fs::symlink("a0", at.join("link")).expect("made");
    write(at, ".gitignore", "*.o\n!kept.o\n/built/\n");
    write(at, "a/.gitignore", "*.tmp\n");
    write(at, "own/.gitignore", "*\n");
    write(at, "own/state/file", "");
    write(at, "built/file", "");
    write(at, "a/x.o", "");
    write(at, "a/y/x.tmp", "");
    fs::create_dir_all(at.join("empty/er")).expect("made");
    git(at, &["add", "."]);
    git(at, &["commit", "-qm", "one"]);
    settle(at);
    folder
}

/// Lets git's index be clearly younger than all files.
fn settle(at: &Path) {
    std::thread::sleep(std::time::Duration::from_millis(30));
    git(at, &["update-index", "-q", "--really-refresh"]);
    git(at, &["update-index", "--force-write-index"]);
}

/// Whether the quick look alone says that nothing differs.
fn is_sure(at: &Path) -> bool {
    let repository = Repository::open(at).expect("a repository");
    let tree = repository.head().expect("a head").peel_to_tree().expect("a tree");
    look(&repository, &tree).is_some_and(|(_, clean)| clean)
}

/// That all is clean for us if and only if it is for git, whoever of us said so.
fn agrees(at: &Path, edit: &str) -> bool {
    let theirs = git(at, &["--no-optional-locks", "status", "--porcelain"]);
    let ours = Git::open(at).expect("a repository").source().expect("a source").changed;
    assert_eq!(ours.is_empty(), theirs.is_empty(), "after {edit}: {ours:?}, git says:\n{theirs}");
    assert!(!is_sure(at) || theirs.is_empty(), "after {edit}: git says:\n{theirs}");
    theirs.is_empty()
}

#[test]
fn it_is_sure_of_a_clean_tree_with_ignored_files_and_empty_folders() {
    let folder = repository();
    assert!(agrees(folder.path(), "nothing"));
    assert!(is_sure(folder.path()));
}

#[test]
fn it_is_sure_of_nothing_that_git_says_differs() {
    type Edit = (&'static str, fn(&Path));
    let edits: [Edit; 14] = [
        ("a content of the same size", |at| write(at, "a/x", "CONTENT\n")),
        ("a permission", |at| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(at.join("top"), mode).expect("set");
        }),
        ("a deletion", |at| fs::remove_file(at.join("a/y/z")).expect("removed")),
        ("a new file", |at| write(at, "a/y/new", "")),
        ("a new file in a new folder", |at| write(at, "new/er/file", "")),
        ("a file that is not ignored where others are", |at| write(at, "a/kept.o", "")),
        ("a file in what was empty", |at| write(at, "empty/er/file", "")),
        ("another link", |at| {
            fs::remove_file(at.join("link")).expect("removed");
            std::os::unix::fs::symlink("to", at.join("link")).expect("made");
        }),
        ("a link in place of a file", |at| {
            fs::rename(at.join("top"), at.join("built/top")).expect("moved");
            std::os::unix::fs::symlink("built/top", at.join("top")).expect("made");
        }),
        ("a link in place of a folder", |at| {
            fs::rename(at.join("deep"), at.join("built/deep")).expect("moved");
            std::os::unix::fs::symlink("built/deep", at.join("deep")).expect("made");
        }),
        ("a staged change", |at| {
            write(at, "a0", "staged\n");
            git(at, &["add", "a0"]);
        }),
        ("a staged change that was taken back in the tree", |at| {
            write(at, "a0", "staged\n");
            git(at, &["add", "a0"]);
            write(at, "a0", "content\n");
        }),
        ("a file that will be added", |at| {
            write(at, "later", "");
            git(at, &["add", "-N", "later"]);
        }),
        ("a repository within", |at| {
            git(at, &["init", "-q", "within"]);
            write(at, "within/file", "");
        }),
    ];
    for (name, edit) in edits {
        let folder = repository();
        edit(folder.path());
        assert!(!agrees(folder.path(), name), "{name}");
        assert!(!is_sure(folder.path()), "{name}");
    }
}

#[test]
fn what_was_written_right_after_the_index_is_read() {
    let folder = repository();
    let at = folder.path();
    for i in 0..40 {
        write(at, "a/x", &format!("content {:02}\n", 2 * i));
        git(at, &["commit", "-qam", "next"]);
        assert!(agrees(at, "a commit right after a change"));
        write(at, "a/x", &format!("content {:02}\n", 2 * i + 1));
        assert!(!agrees(at, "a change of the same size right after a commit"));
    }
}

#[test]
fn what_it_found_is_told_by_name() {
    let folder = repository();
    fs::remove_file(folder.path().join("a0")).expect("removed");
    let looked = Git::open(folder.path()).expect("a repository").source().expect("a source").looked.expect("looked");
    assert!(looked.get("a/y/z").is_some_and(|found| found.is_some_and(|s| s.is_file && s.stamp.size_bytes == 8)));
    assert!(looked.get("link").is_some_and(|found| found.is_some_and(|s| s.is_link)));
    assert!(looked.get("a0").is_some_and(|found| found.is_none()), "tracked, and not there");
    assert!(looked.get("a/x.o").is_none() && looked.get("a").is_none(), "not tracked");
    let mut hint = 0;
    let all: Vec<&str> = [".gitignore", "a-b/x", "a/.gitignore", "a/x", "top", "a/y/z"].into();
    assert!(all.iter().all(|name| looked.next(&mut hint, name).is_some()), "in any order");
}
