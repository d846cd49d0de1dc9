//! What stages touch in a traced run, sorted by where it lies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use orgo_kernel::trace::Touched;
use orgo_spec::pipeline::Network;

use crate::isolation::{How, NETWORK_ROOTS, Seen, is_host_root};

/// What belongs to the kernel and to devices.
const SYSTEM: [&str; 3] = ["/dev", "/proc", "/sys"];

/// What is known of a stage before it runs.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) stage: String,
    /// Declared programs by name, its own among them: where they were found, and what is there.
    pub(crate) programs: Vec<(String, Vec<PathBuf>)>,
    /// Everything that these load.
    pub(crate) loaded: BTreeSet<PathBuf>,
    /// Where it looks for programs.
    pub(crate) path: String,
    pub(crate) network: Network,
    pub(crate) pipeline: String,
    pub(crate) project: PathBuf,
    /// What belongs to the run itself.
    pub(crate) own: PathBuf,
}

/// What the stages of a run touched, by name.
#[derive(Debug, Default)]
pub struct Traces(Mutex<BTreeMap<String, Touched>>);

impl Traces {
    /// What was touched.
    #[must_use]
    pub fn touched(&self) -> BTreeMap<String, Touched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes in what a stage touched whose working folder still lies where it lay.
    pub(crate) fn add(&self, known: &Known, folder: &Path, seen: &[Seen]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let touched = all.entry(known.stage.clone()).or_default();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        seen.iter().for_each(|seen| known.sort(seen, &folder, touched));
    }
}

impl Known {
    fn sort(&self, seen: &Seen, folder: &Path, touched: &mut Touched) {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        if let Ok(inside) = seen.path.strip_prefix(folder) {
            return in_folder(seen, &text(inside), touched);
        }
        let read = How::OPENED.and(How::LISTED);
        if seen.path.starts_with(&self.own) || !seen.how.any(read.and(How::STARTED)) {
            return; // what is only looked at may be looked at
        }
        if let Ok(inside) = seen.path.strip_prefix(&self.project) {
            let mut parts = inside.components().map(|part| text(part.as_os_str().as_ref()));
            match (parts.next().as_deref(), parts.next(), parts.next()) {
                (Some("out"), Some(pipeline), Some(stage)) if pipeline == self.pipeline => {
                    touched.results.insert(stage);
                }
                (Some(".git" | ".orgo" | "out") | None, ..) => {
                    touched.elsewhere.insert(text(&seen.path));
                }
                (Some(_), ..) if seen.path.is_file() => {
                    touched.astray.insert(text(inside));
                }
                (Some(_), ..) => {}
            }
            return;
        }
        let of_system = is_host_root(&seen.path) || SYSTEM.iter().any(|root| seen.path.starts_with(root));
        let of_network = self.network == Network::Host && NETWORK_ROOTS.iter().any(|root| seen.path.starts_with(root));
        if seen.how.any(How::STARTED) {
            self.started(seen, is_host_root(&seen.path), touched);
        } else if of_system || of_network || self.loaded.contains(&seen.path) {
            touched.system += 1;
        } else {
            touched.elsewhere.insert(text(&seen.path));
        }
    }

    fn started(&self, seen: &Seen, of_host: bool, touched: &mut Touched) {
        let is = |files: &Vec<PathBuf>| files.contains(&seen.path) || files.contains(&seen.asked);
        let mut declared = self.programs.iter().filter(|(_, files)| is(files)).peekable();
        if declared.peek().is_some() {
            return touched.tools.extend(declared.map(|(name, _)| name.clone()));
        }
        let name = seen.asked.file_name().map(|name| name.to_string_lossy().into_owned());
        let on_path = seen.asked.parent().is_some_and(|folder| self.path.split(':').any(|p| Path::new(p) == folder));
        match name.filter(|_| on_path) {
            Some(name) => touched.programs.insert(name),
            None if of_host => touched.helpers.insert(seen.path.to_string_lossy().into_owned()),
            None => touched.programs.insert(seen.asked.to_string_lossy().into_owned()),
        };
    }
}

fn in_folder(seen: &Seen, inside: &str, touched: &mut Touched) {
    let is_given = seen.how.any(How::GIVEN);
    if seen.path.is_dir() {
        if seen.how.any(How::LISTED) {
            touched.listed.insert(inside.to_owned());
            if is_given {
                touched.undeclared_folders.insert(inside.to_owned());
            }
        }
    } else if is_given {
        touched.undeclared.insert(inside.to_owned());
    } else {
        touched.inside.insert(inside.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known {
            stage: "s".to_owned(),
            programs: vec![("cc".to_owned(), vec!["/usr/bin/cc".into(), "/usr/bin/gcc-12".into()])],
            loaded: BTreeSet::from(["/opt/lib/libx.so".into()]),
            path: "/usr/bin:/opt/bin".to_owned(),
            network: Network::None,
            pipeline: "p".to_owned(),
            project: "/home/me/project".into(),
            own: "/home/me/project/.orgo/aside-1".into(),
        }
    }

    fn sorted(list: &[(&str, &str, How)]) -> Touched {
        let mut touched = Touched::default();
        let folder = Path::new("/home/me/project/.orgo/aside-1/.orgo/work/0");
        for (path, asked, how) in list {
            known().sort(&Seen { path: path.into(), asked: asked.into(), how: *how }, folder, &mut touched);
        }
        touched
    }

    #[test]
    fn what_is_touched_is_known_by_where_it_lies() {
        let folder = "/home/me/project/.orgo/aside-1/.orgo/work/0";
        let touched = sorted(&[
            (&format!("{folder}/main.c"), "", How::OPENED),
            (&format!("{folder}/a.h"), "", How::OPENED.and(How::GIVEN)),
            ("/home/me/project/.orgo/aside-1/.orgo/work/0.tmp/x", "", How::OPENED),
            ("/home/me/project/out/p/a/o", "", How::OPENED),
            ("/home/me/project/out/q/a/o", "", How::OPENED),
            ("/usr/bin/gcc-12", "/usr/bin/cc", How::STARTED),
            ("/usr/bin/x86_64-linux-gnu-as", "/usr/bin/as", How::STARTED),
            ("/usr/libexec/gcc/cc1", "/usr/libexec/gcc/cc1", How::STARTED),
            ("/opt/tools/ld", "/opt/tools/ld", How::STARTED),
            ("/usr/include/stdio.h", "", How::OPENED),
            ("/opt/lib/libx.so", "", How::OPENED),
            ("/proc/self/maps", "", How::OPENED),
            ("/etc/passwd", "", How::OPENED),
            ("/etc/group", "", How::LOOKED_AT),
        ]);
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(touched.inside, set(&["main.c"]));
        assert_eq!(touched.undeclared, set(&["a.h"]));
        assert_eq!(touched.results, set(&["a"]));
        assert_eq!(touched.tools, set(&["cc"]));
        assert_eq!(touched.programs, set(&["/opt/tools/ld", "as"]));
        assert_eq!(touched.helpers, set(&["/usr/libexec/gcc/cc1"]));
        assert_eq!(touched.elsewhere, set(&["/etc/passwd", "/home/me/project/out/q/a/o"]));
        assert_eq!(touched.system, 3);
    }
}
