//! What a program loads before its first instruction: loader and libraries of an ELF file, the
//! interpreter of a script.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the dynamic loader looks when a program does not say.
const LIBRARY_FOLDERS: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// What a file asks for, as its own bytes say it: a function of the content alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// The loader or interpreter, an absolute path.
    interpreter: Option<String>,
    /// Names of libraries.
    libraries: Vec<String>,
    /// Folders in which the file wants them looked for first; `$ORIGIN` is its own.
    folders: Vec<String>,
}

impl Needs {
    /// What these bytes ask for; nothing, if they are neither ELF nor a script.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        if let Some(line) = bytes.strip_prefix(b"#!") {
            let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
            let text = String::from_utf8_lossy(line);
            let interpreter = text.split_whitespace().next().filter(|i| i.starts_with('/'));
            return Self { interpreter: interpreter.map(str::to_owned), ..Self::default() };
        }
        let Ok(elf) = goblin::elf::Elf::parse(bytes) else { return Self::default() };
        let owned = |texts: &mut dyn Iterator<Item = &str>| texts.map(str::to_owned).collect();
        Self {
            interpreter: elf.interpreter.map(str::to_owned),
            libraries: owned(&mut elf.libraries.iter().copied()),
            folders: owned(&mut elf.runpaths.iter().chain(&elf.rpaths).flat_map(|paths| paths.split(':'))),
        }
    }

    /// The files that the loader would take now, with the names they were asked for by; `file` is the one that asks.
    /// A library that is nowhere to be found is left out: the loader will say so.
    #[must_use]
    pub fn found(&self, file: &Path) -> Vec<(String, PathBuf)> {
        let origin = file.parent().unwrap_or(Path::new("/")).to_string_lossy();
        let own = |folder: &String| PathBuf::from(folder.replace("$ORIGIN", &origin).replace("${ORIGIN}", &origin));
        let folders = || self.folders.iter().map(own).chain(LIBRARY_FOLDERS.iter().map(PathBuf::from));
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        found.extend(self.interpreter.iter().map(|i| (i.clone(), PathBuf::from(i))));
        for library in &self.libraries {
            let place = folders().map(|f| f.join(library)).find(|p| p.is_file());
            found.extend(place.map(|p| (library.clone(), p)));
        }
        found
    }
}
