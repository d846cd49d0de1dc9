//! The folder that holds a user's keys and pins.
//!
//! It is named on the command line (`--home DIR`) or derived from the user database. `HOME` and the `XDG_*`
//! variables are not consulted: no environment variable chooses keys or trust (design 13). A reference may name a
//! variable that holds a key, and then it is the reference that chooses.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{KeyError, Sources};

/// The folder of one user, and where its keys come from if they are not in it.
#[derive(Debug, Clone)]
pub struct UserDir {
    path: PathBuf,
    sources: Sources,
}

impl UserDir {
    /// The folder at `path`, which need not exist yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), sources: Sources::default() }
    }

    /// `.config/orgo` in the home folder that `/etc/passwd` gives the effective user.
    ///
    /// # Errors
    /// [`KeyError::NoHome`] if the user is not listed there.
    pub fn of_user() -> Result<Self, KeyError> {
        let uid = rustix::process::geteuid().as_raw();
        let path = Path::new("/etc/passwd");
        let passwd = std::fs::read_to_string(path).map_err(KeyError::io(path))?;
        let home = home_of(&passwd, uid).ok_or(KeyError::NoHome { uid })?;
        Ok(Self::at(home.join(".config/orgo")))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same folder with what the command line says about keys.
    #[must_use]
    pub fn with_sources(self, sources: Sources) -> Self {
        Self { sources, ..self }
    }

    /// What was said about keys.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }
}

/// The absolute home folder of `uid` in a text of the form of `/etc/passwd`.
fn home_of(passwd: &str, uid: u32) -> Option<PathBuf> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, id, _, _, home, ..] = fields.as_slice() else { return None };
        (id.parse() == Ok(uid) && home.starts_with('/')).then(|| PathBuf::from(home))
    })
}

/// Makes a private folder, or checks that the one there belongs to us and that nobody else can write to it.
///
/// # Errors
/// [`KeyError::Unusable`] for a folder that others control.
pub(crate) fn private_folder(path: &Path) -> Result<(), KeyError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(KeyError::io(path))?;
    let meta = std::fs::metadata(path).map_err(KeyError::io(path))?;
    let refuse = |why: &str| Err(KeyError::Unusable { path: path.to_owned(), why: why.to_owned() });
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return refuse("the folder belongs to another user");
    }
    if meta.mode() & 0o022 != 0 {
        return refuse("others can write to the folder");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_folder_comes_from_the_user_database() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\n# odd line\nnohome:x:7:7:::\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n";
        assert_eq!(home_of(passwd, 1000), Some(PathBuf::from("/home/ann")));
        assert_eq!(home_of(passwd, 7), None, "an empty home is none");
        assert_eq!(home_of(passwd, 5), None);
    }
}
