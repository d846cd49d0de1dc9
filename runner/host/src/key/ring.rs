//! The keys of a user's folder: `keys/<name>.key` holds a key, `keys/<role>.ref` says where one is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use orgo_spec::Name;

use super::{KeyClass, KeyEntry, KeyError, KeyRef, KeyRefError, PrivateKey, Role, UserDir, file};

/// A key of the user: its name, and what is known of it or why it cannot be used.
pub type ListedKey = (String, Result<KeyEntry, KeyError>);

impl UserDir {
    /// The file of the key called `name`.
    #[must_use]
    pub fn key_path(&self, name: &Name) -> PathBuf {
        self.keys_folder().join(format!("{name}.key"))
    }

    /// The file that says where the key of a duty is.
    #[must_use]
    pub fn reference_path(&self, role: Role) -> PathBuf {
        self.keys_folder().join(format!("{role}.ref"))
    }

    fn keys_folder(&self) -> PathBuf {
        self.path().join("keys")
    }

    /// Where the key of a duty is: what the command line says, else `keys/<role>.ref` or `keys/<role>.key`.
    ///
    /// # Errors
    /// [`KeyError::Ambiguous`] if both files are there, [`KeyError::Missing`] if neither is.
    pub fn reference(&self, role: Role) -> Result<KeyRef, KeyError> {
        if let Some(reference) = self.sources().references.get(&role) {
            return Ok(reference.clone());
        }
        let key = self.key_path(&Name::new(role.as_str()).expect("roles are names"));
        let reference = self.reference_path(role);
        match (is_there(&key)?, is_there(&reference)?) {
            (true, true) => Err(KeyError::Ambiguous { role, key, reference }),
            (true, false) => Ok(KeyRef::File(key)),
            (false, true) => read_reference(&reference),
            (false, false) => Err(KeyError::Missing { path: key, role }),
        }
    }

    /// The user's key of a duty, made as a development key if nothing says where one is.
    ///
    /// # Errors
    /// [`KeyError`]; what is there but unusable is never replaced.
    pub fn key_or_development(&self, role: Role) -> Result<PrivateKey, KeyError> {
        match self.key(role) {
            Err(KeyError::Missing { path, .. }) => match PrivateKey::create(&path, role, KeyClass::Development) {
                // Another process was faster: its key is as good.
                Err(KeyError::Exists { .. }) => self.key(role),
                other => other,
            },
            other => other,
        }
    }

    /// The user's key of a duty.
    ///
    /// # Errors
    /// [`KeyError::Missing`] if nothing says where one is, [`KeyError`] if it is unusable.
    pub fn key(&self, role: Role) -> Result<PrivateKey, KeyError> {
        PrivateKey::open(&self.reference(role)?, role, self.sources())
    }

    /// Says from now on where the key of a duty is, in `keys/<role>.ref`. A path is made absolute. The key must
    /// be usable now.
    ///
    /// # Errors
    /// [`KeyError`] if it is not, [`KeyError::Ambiguous`] if `keys/<role>.key` is there, [`KeyError::Role`] if the
    /// key has another duty already.
    pub fn use_key(&self, role: Role, reference: &KeyRef) -> Result<PrivateKey, KeyError> {
        let reference = match reference {
            KeyRef::File(path) => KeyRef::File(std::path::absolute(path).map_err(KeyError::io(path))?),
            KeyRef::Agent(_) | KeyRef::Env(_) => reference.clone(),
        };
        let key = self.key_path(&Name::new(role.as_str()).expect("roles are names"));
        let path = self.reference_path(role);
        if is_there(&key)? {
            return Err(KeyError::Ambiguous { role, key, reference: path });
        }
        let opened = PrivateKey::open(&reference, role, self.sources())?;
        let has = |other: &Role| self.entry(other.as_str()).is_ok_and(|k| k.public == *opened.public());
        if let Some(have) = Role::ALL.into_iter().find(|other| *other != role && has(other)) {
            return Err(KeyError::Role { have, need: role });
        }
        let line = format!("{reference}\n");
        if parse_reference(&line).as_ref() != Ok(&reference) {
            return Err(KeyError::unusable(&path, "a line of text cannot hold the path of the key"));
        }
        file::replace(&path, line.as_bytes())?;
        Ok(opened)
    }

    /// Every key of the user, by name, with what the command line says; no passphrase is asked for. A key that
    /// cannot be used is listed with its reason.
    ///
    /// # Errors
    /// [`KeyError::Io`] if the folder cannot be read; a folder that does not exist has no keys.
    pub fn keys(&self) -> Result<Vec<ListedKey>, KeyError> {
        let folder = self.keys_folder();
        let mut names = BTreeSet::new();
        match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(KeyError::io(&folder)(error)),
            Ok(entries) => {
                for entry in entries {
                    let name = entry.map_err(KeyError::io(&folder))?.file_name();
                    let Some((stem, suffix)) = name.to_str().and_then(|n| n.rsplit_once('.')) else { continue };
                    if matches!(suffix, "key" | "ref") {
                        names.insert(stem.to_owned());
                    }
                }
            }
        }
        names.extend(self.sources().references.keys().map(ToString::to_string));
        Ok(names.into_iter().map(|n| (n.clone(), self.entry(&n))).collect())
    }

    /// What is known of the key called `name`: that of a duty, or `keys/<name>.key`.
    ///
    /// # Errors
    /// [`KeyError`] if it is not there or could not be used.
    pub fn entry(&self, name: &str) -> Result<KeyEntry, KeyError> {
        let role: Option<Role> = name.parse().ok();
        let reference = match role {
            Some(role) => self.reference(role)?,
            None => {
                let key = self.keys_folder().join(format!("{name}.key"));
                let reference = self.keys_folder().join(format!("{name}.ref"));
                if !is_there(&key)? && is_there(&reference)? {
                    return Err(KeyError::unusable(&reference, "its name is not a duty"));
                }
                KeyRef::File(key)
            }
        };
        KeyEntry::read(&reference, role, self.sources())
    }
}

fn is_there(path: &Path) -> Result<bool, KeyError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(KeyError::io(path)(error)),
    }
}

fn read_reference(path: &Path) -> Result<KeyRef, KeyError> {
    let text = file::read(path)?;
    let text = std::str::from_utf8(&text).map_err(|_| KeyError::unusable(path, "it is not UTF-8"))?;
    match parse_reference(text) {
        Ok(KeyRef::File(key)) if !key.is_absolute() => {
            Err(KeyError::unusable(path, format!("the path `{}` is not absolute", key.display())))
        }
        Ok(reference) => Ok(reference),
        Err(KeyRefError::Weak) => Err(KeyError::Weak { reference: KeyRef::File(path.to_owned()) }),
        Err(error) => Err(KeyError::unusable(path, error.to_string())),
    }
}

/// One line; its line feed may be left out.
fn parse_reference(text: &str) -> Result<KeyRef, KeyRefError> {
    text.strip_suffix('\n').unwrap_or(text).parse()
}

#[cfg(test)]
mod tests;
