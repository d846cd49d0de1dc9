//! What inputs are at one moment: the content of each, by path.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use orgo_spec::Digest;

use crate::file::{At, PathError, Stamp, Status, status_followed};
use crate::folder::Folder;
use crate::sources::pattern::{is_literal, walk};
use crate::sources::{RACY_NS, now_ns, remembered};

/// What is looked at: paths, and patterns as stages declare them, relative to the repository; and programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// What stages read: files that git ignores are not matched.
    pub files: BTreeSet<String>,
    /// Documents: matched whether git ignores them or not, and read through links.
    pub documents: BTreeSet<String>,
    /// Files of the host, by absolute paths.
    pub programs: BTreeSet<String>,
}

/// What they were.
#[derive(Debug, Clone)]
pub struct View {
    files: BTreeMap<String, Content>,
    is_whole: bool,
}

impl Default for View {
    fn default() -> Self {
        Self { files: BTreeMap::new(), is_whole: true }
    }
}

/// What of a file decides about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content {
    digest: Digest,
    executable: bool,
}

impl View {
    /// Puts in what a run used, which may not be what it was when it was looked at.
    pub fn used(&mut self, path: &str, digest: Digest, executable: bool) {
        if !is_ours(path) {
            self.files.insert(path.to_owned(), Content { digest, executable });
        }
    }

    /// Puts in what was read of a document.
    pub fn read(&mut self, path: &str, digest: Digest) {
        self.used(path, digest, false);
    }

    /// Takes from `other` what neither this nor `but` knows.
    pub fn complete(&mut self, other: &Self, but: &Self) {
        for (path, content) in other.files.iter().filter(|(path, _)| !but.files.contains_key(*path)) {
            self.files.entry(path.clone()).or_insert(*content);
        }
    }

    /// Puts in that something cannot be read.
    fn refuse(&mut self, what: &str, error: &impl std::fmt::Display) {
        self.used(what, Digest::of(error.to_string().as_bytes()), false);
        self.is_whole = false;
    }

    /// Whether all that was looked at could be read.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Paths whose content is not the same in both, sorted.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let paths: BTreeSet<&String> = self.files.keys().chain(other.files.keys()).collect();
        paths.into_iter().filter(|path| self.files.get(*path) != other.files.get(*path)).cloned().collect()
    }

    /// How many files there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// How many of them are files of the host: programs, and what they load.
    #[must_use]
    pub fn of_host(&self) -> usize {
        self.files.keys().filter(|path| path.starts_with('/')).count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// Looks, and reads a file again only if its stamp is another one.
pub(super) struct Looker {
    root: Folder,
    known: HashMap<String, (Stamp, Content)>,
}

impl Looker {
    pub(super) fn open(root: &Path, memory: &Path) -> Result<Self, PathError> {
        let known = remembered(memory)?
            .map(|(path, stamp, digest, executable)| (path, (stamp, Content { digest, executable })))
            .collect();
        Ok(Self { root: Folder::open(root)?, known })
    }

    /// What the inputs are, and in `folders` every folder in which one lies or may come to lie. What cannot be read is
    /// told by the run; here it is what the system says of it, and different from anything that can.
    pub(super) fn look(&mut self, inputs: &Inputs, folders: &mut BTreeSet<PathBuf>) -> View {
        let mut view = View::default();
        for (patterns, ignores) in [(&inputs.documents, false), (&inputs.files, true)] {
            for pattern in patterns {
                self.above(pattern, folders);
                if is_literal(pattern) {
                    self.add(pattern, ignores, &mut view);
                    continue;
                }
                match walk(&self.root, pattern, ignores) {
                    Ok(walked) => {
                        let results = self.root.path().join("out");
                        folders.extend(walked.folders.into_iter().filter(|folder| !folder.starts_with(&results)));
                        walked.files.iter().for_each(|path| self.add(path, ignores, &mut view));
                    }
                    Err(error) => view.refuse(pattern, &error),
                }
            }
        }
        for program in &inputs.programs {
            folders.extend(Path::new(program).parent().filter(|folder| folder.is_dir()).map(Path::to_owned));
            self.add(program, false, &mut view);
        }
        view
    }

    /// The folders from the root down to where a pattern begins, as far as they are there.
    fn above(&self, pattern: &str, folders: &mut BTreeSet<PathBuf>) {
        let mut folder = self.root.path().to_owned();
        folders.insert(folder.clone());
        let Some((parents, _)) = pattern.rsplit_once('/').filter(|_| !is_ours(pattern)) else { return };
        for part in parents.split('/').take_while(|part| is_literal(part)) {
            folder.push(part);
            if !folder.is_dir() {
                return;
            }
            folders.insert(folder.clone());
        }
    }

    fn add(&mut self, path: &str, is_source: bool, view: &mut View) {
        if is_ours(path) || view.files.contains_key(path) {
            return;
        }
        let full = self.root.path().join(path);
        let found = if is_source { self.root.status(path) } else { status_followed(&full) };
        let content = found.and_then(|found| match found.filter(|found| found.is_file) {
            Some(found) => self.content(path, &full, found),
            None => Ok(None),
        });
        match content {
            Ok(Some(content)) => {
                let executable = content.executable && is_source;
                view.files.insert(path.to_owned(), Content { executable, ..content });
            }
            Ok(None) => {}
            Err(error) => view.refuse(path, &error),
        }
    }

    /// The content of a file; `None` if it went away just now.
    fn content(&mut self, path: &str, full: &Path, found: Status) -> Result<Option<Content>, PathError> {
        if let Some((stamp, content)) = self.known.get(path)
            && *stamp == found.stamp
        {
            return Ok(Some(*content));
        }
        let hashed_ns = now_ns();
        let file = match File::open(full) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.at("open", full)?,
        };
        let (digest, _) = Digest::of_reader(file).at("read", full)?;
        let content = Content { digest, executable: found.executable };
        // As in `sources`: a file that is as new as that may change again without changing its stamp.
        if found.stamp.mtime_ns.max(found.stamp.ctime_ns) + RACY_NS < hashed_ns {
            self.known.insert(path.to_owned(), (found.stamp, content));
        } else {
            self.known.remove(path);
        }
        Ok(Some(content))
    }
}

/// Whether a path leads to what runs write: nothing there is ever watched.
fn is_ours(path: &str) -> bool {
    matches!(path.split('/').next(), Some("out" | ".orgo" | ".git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(files: &[&str]) -> Inputs {
        Inputs { files: files.iter().map(|f| (*f).to_owned()).collect(), ..Inputs::default() }
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a parent")).expect("a folder");
        std::fs::write(path, text).expect("writable");
    }

    #[test]
    fn only_what_a_pattern_matches_is_seen_and_only_where_it_can_be_is_watched() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        for path in ["a.md", "src/a.c", "src/deep/b.c", "src/deep/b.h", "doc/a.md", "out/p/s/x.c", ".orgo/y.c"] {
            write(root, path, path);
        }
        let mut looker = Looker::open(root, &root.join("none")).expect("opened");
        let mut look = |patterns: &[&str]| {
            let mut folders = BTreeSet::new();
            let view = looker.look(&inputs(patterns), &mut folders);
            let names = |f: PathBuf| f.strip_prefix(root).expect("below").to_string_lossy().into_owned();
            (view.files.into_keys().collect::<Vec<_>>(), folders.into_iter().map(names).collect::<Vec<_>>())
        };
        assert_eq!(look(&["*.md"]), (vec!["a.md".into()], vec![String::new()]));
        assert_eq!(look(&["src/*.c"]), (vec!["src/a.c".into()], vec![String::new(), "src".into()]));
        let deep = (vec!["src/a.c".into(), "src/deep/b.c".into()], vec!["".into(), "src".into(), "src/deep".into()]);
        assert_eq!(look(&["src/**/*.c"]), deep);
        assert_eq!(look(&["new/*.c", "new/x"]), (vec![], vec![String::new()]));
        assert_eq!(look(&["{src/deep/b,a}.*"]).0, ["a.md", "src/deep/b.c", "src/deep/b.h"]);
        let (files, folders) = look(&["**/*.c", "out/p/s/x.c"]);
        assert_eq!(files, ["src/a.c", "src/deep/b.c"], "results are not watched");
        assert!(!folders.iter().any(|f| f.starts_with("out") || f.starts_with(".orgo")), "{folders:?}");
    }

    #[test]
    fn contents_decide_and_not_times() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        let mut looker = Looker::open(root, &root.join("none")).expect("opened");
        let mut look = || looker.look(&inputs(&["*.c"]), &mut BTreeSet::new());
        write(root, "a.c", "one");
        let before = look();
        std::fs::remove_file(root.join("a.c")).expect("removed");
        assert_eq!(before.differing(&look()), ["a.c"]);
        write(root, "a.c", "one");
        assert_eq!(before.differing(&look()), Vec::<String>::new(), "the same content again");
        write(root, "a.c", "two");
        write(root, "b.c", "new");
        assert_eq!(before.differing(&look()), ["a.c", "b.c"], "within one tick of the clock");
        let mut used = before.clone();
        used.used("a.c", Digest::of(b"two"), false);
        assert_eq!(used.differing(&look()), ["b.c"], "a run used what came later");
    }

    #[test]
    fn what_cannot_be_read_is_seen_and_so_is_its_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        write(root, "a.c", "one");
        let mut looker = Looker::open(root, &root.join("none")).expect("opened");
        let mut look = |patterns: &[&str]| looker.look(&inputs(patterns), &mut BTreeSet::new());
        let wrong = look(&["a[", "*.c"]);
        assert!(!wrong.is_whole());
        assert!(wrong.differing(&look(&["a[", "*.c"])).is_empty(), "nothing changed");
        assert_eq!(wrong.differing(&look(&["*.c"])), ["a["]);
    }
}
