//! An evidence store in a folder, which may be a mounted share.
//!
//! A file gets its name by a rename after all its bytes are on the disk. What a killed writer left lies below `new/` and
//! is removed by a later one, an hour after.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use orgo_spec::Name;

use super::{Door, EvidenceError, MARK, MARK_TEXT, Place};
use crate::file::{At, PathError, read_if_there, status_followed, write_atomic};
use crate::folder::Folder;

/// How old what lies below `new/` is before nobody writes it any more.
const LEFT: Duration = Duration::from_secs(3600);

/// An open folder.
pub(super) struct Directory {
    store: String,
    root: Folder,
    path: PathBuf,
    touched: BTreeSet<PathBuf>,
    written: u64,
}

impl Directory {
    pub(super) fn open(store: &Name, path: &Path, make: bool) -> Result<Self, EvidenceError> {
        let unusable = |why: &dyn std::fmt::Display| EvidenceError::unusable(store.as_str(), why);
        let here = status_followed(path).map_err(|e| unusable(&said(&e)))?;
        match here {
            Some(status) if !status.is_folder => return Err(unusable(&format!("`{}` is no folder", path.display()))),
            None if !make => return Err(unusable(&format!("there is no folder `{}`", path.display()))),
            None | Some(_) => {}
        }
        let mark = path.join(MARK);
        match read_if_there(&mark).map_err(|e| unusable(&said(&e)))? {
            Some(text) if text == MARK_TEXT => {}
            Some(_) => return Err(unusable(&format!("`{}` says another format", mark.display()))),
            // A mistyped path must never make a home folder a store.
            None if here.is_some() && fs::read_dir(path).is_ok_and(|mut d| d.next().is_some()) => {
                return Err(unusable(&format!("`{}` holds something else", path.display())));
            }
            None if make => {
                fs::create_dir_all(path.join("new")).at("create the folder", path).map_err(|e| unusable(&said(&e)))?;
                write_atomic(&mark, MARK_TEXT).map_err(|e| unusable(&said(&e)))?;
            }
            None => return Err(unusable(&format!("`{}` is no evidence store yet", path.display()))),
        }
        let root = Folder::open(path).map_err(|e| unusable(&said(&e)))?;
        if make {
            clear(&path.join("new"));
        }
        let path = path.to_owned();
        Ok(Self { store: store.to_string(), root, path, touched: BTreeSet::new(), written: 0 })
    }

    fn at<T>(&self, result: Result<T, PathError>) -> Result<T, EvidenceError> {
        result.map_err(|e| EvidenceError::unusable(&self.store, said(&e)))
    }
}

impl Door for Directory {
    fn size(&self, place: Place) -> Result<Option<u64>, EvidenceError> {
        Ok(self.at(self.root.status(&place.path()))?.filter(|s| s.is_file).map(|s| s.stamp.size_bytes))
    }

    fn read(&self, place: Place) -> Result<Option<Box<dyn Read + '_>>, EvidenceError> {
        Ok(self.at(self.root.read(&place.path()))?.map(|file| Box::new(file) as Box<dyn Read>))
    }

    fn write(&mut self, place: Place, content: &mut File) -> Result<(), EvidenceError> {
        let path = place.path();
        let full = self.path.join(&path);
        let folder = full.parent().unwrap_or(&self.path).to_owned();
        self.at(fs::create_dir_all(&folder).at("create the folder", &folder))?;
        self.at(fs::create_dir_all(self.path.join("new")).at("create the folder", &self.path))?;
        self.written += 1;
        let new = format!("new/{}-{}", crate::clock::random_uuid(), self.written);
        let written = self.root.create(&new, 0o444).and_then(|mut file| {
            let copied = content.rewind().and_then(|()| std::io::copy(content, &mut file));
            copied.and_then(|_| file.flush()).and_then(|()| file.sync_all()).at("write", &full)
        });
        let named = written.and_then(|()| self.root.rename(&new, &path));
        if named.is_err() {
            let _ = self.root.remove(&new); // what stays is cleared later
        }
        self.touched.insert(folder);
        self.at(named)
    }

    fn remove(&mut self, place: Place) -> Result<(), EvidenceError> {
        self.at(self.root.remove(&place.path()))
    }

    fn commit(&mut self, _why: &str, _seconds: i64) -> Result<(), EvidenceError> {
        for folder in std::mem::take(&mut self.touched) {
            self.at(File::open(&folder).and_then(|f| f.sync_all()).at("flush", &folder))?;
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<(Place, u64)>, EvidenceError> {
        let mut found = Vec::new();
        for kind in ["sealed", "sha256"] {
            for byte in 0..=255u8 {
                let first = format!("{byte:02x}");
                let folder = self.path.join(kind).join(&first);
                let entries = match fs::read_dir(&folder) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                    other => self.at(other.at("list", &folder))?,
                };
                for entry in entries {
                    let entry = self.at(entry.at("list", &folder))?;
                    let name = entry.file_name();
                    let place = name.to_str().and_then(|n| Place::of(kind, &first, n));
                    let status = entry.metadata().ok().filter(fs::Metadata::is_file);
                    found.extend(place.zip(status.map(|s| s.len())));
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

fn clear(new: &Path) {
    let Ok(entries) = fs::read_dir(new) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
        if age.is_some_and(|age| age > LEFT) {
            let _ = fs::remove_file(entry.path()); // another writer may have been faster
        }
    }
}

fn said(error: &PathError) -> String {
    format!("{error}: {}", error.io())
}
