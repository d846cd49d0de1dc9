//! One declared store, with what is known about it: what is sealed there, and what has outlived its time.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use orgo_spec::evidence::{Evidence, EvidenceStore, Kind, Restricted};
use orgo_spec::{Digest, Hasher};
use serde::Serialize;

use super::seal::{Identities, NotOpened, Recipients};
use super::{Door, EvidenceError, MAX_OBJECT_BYTES, NamedObject, Place, Register, open};
use crate::file::At;

/// A declared store that is open.
pub struct Mirror<'p> {
    /// What was declared.
    pub declared: &'p EvidenceStore,
    class: Option<(&'p Restricted, Recipients)>,
    door: Box<dyn Door>,
    scratch: PathBuf,
}

/// What came of putting something into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was there already.
    There,
    /// It is there now; so many bytes were written.
    Written(u64),
    /// What was to be put there is not what its digest says: nothing was written.
    Altered,
}

/// What came of looking for something in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// It is not there.
    Missing,
    /// It is there, and hashes to its digest.
    Found,
    /// It is there and sealed, and no identity at hand opens it.
    Sealed,
    /// What is there is something else. What was written to the sink must not be used.
    Altered,
}

/// Something that a store need not hold any longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// The digest of the content.
    pub digest: Digest,
    /// What it is to the records that name it.
    pub kinds: Vec<Kind>,
    /// Its size in the store, in bytes.
    pub size_bytes: u64,
    /// `retention`, or `restricted` for what lies there unsealed and may not.
    pub because: &'static str,
    /// Where it lies.
    #[serde(skip)]
    pub place: Place,
}

impl<'p> Mirror<'p> {
    /// Opens a declared store; with `make`, one that is not there is made.
    ///
    /// # Errors
    /// [`EvidenceError`] if it cannot be reached, or the class names no good recipient.
    pub fn open(
        evidence: &'p Evidence,
        store: &'p EvidenceStore,
        root: &Path,
        scratch: &Path,
        make: bool,
    ) -> Result<Self, EvidenceError> {
        let class = match &evidence.restricted {
            None => None,
            Some(class) => Some((class, Recipients::parse(&class.recipients)?)),
        };
        std::fs::create_dir_all(scratch).at("create the folder", scratch)?;
        let door = open(store, root, scratch, make)?;
        Ok(Self { declared: store, class, door, scratch: scratch.to_owned() })
    }

    /// What the store is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.declared.name.as_str()
    }

    /// Whether the store holds such objects.
    #[must_use]
    pub fn wants(&self, object: &NamedObject) -> bool {
        self.declared.holds(object.kinds.iter().copied())
    }

    fn seals(&self, kinds: impl IntoIterator<Item = Kind>) -> Option<&(&'p Restricted, Recipients)> {
        self.class.as_ref().filter(|(class, _)| class.covers(&self.declared.name, kinds))
    }

    /// Where the object is to lie.
    #[must_use]
    pub fn place(&self, object: &NamedObject) -> Place {
        match self.seals(object.kinds.iter().copied()) {
            Some((class, _)) => Place { sealed: true, name: class.handle(object.digest) },
            None => Place { sealed: false, name: object.digest },
        }
    }

    /// The size of the object in the store, as it is to lie there; none if it does not.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be asked.
    pub fn size(&self, object: &NamedObject) -> Result<Option<u64>, EvidenceError> {
        self.door.size(self.place(object))
    }

    /// Puts an object into the store, and reads it back. It is hashed on its way.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be written, or does not give back what was written.
    pub fn put(&mut self, object: &NamedObject, mut content: File) -> Result<Put, EvidenceError> {
        let place = self.place(object);
        let length = content.metadata().at("read the status of", &self.scratch)?.len();
        match self.door.size(place)? {
            Some(size) if place.sealed || size == length => return Ok(Put::There),
            Some(_) | None => {}
        }
        let mut passing = tempfile::tempfile_in(&self.scratch).at("create a file in", &self.scratch)?;
        let mut source = Hashing::new(&mut content);
        match self.seals(object.kinds.iter().copied()) {
            Some((_, recipients)) => recipients.seal(&mut source, &mut passing)?,
            None => drop(std::io::copy(&mut source, &mut passing).at("write", &self.scratch)?),
        }
        if source.hasher.finish() != object.digest {
            return Ok(Put::Altered);
        }
        passing.rewind().at("read", &self.scratch)?;
        let (written, size) = Digest::of_reader(&mut passing).at("read", &self.scratch)?;
        self.door.write(place, &mut passing)?;
        let there = self.door.read(place)?.map(|r| Digest::of_reader(r.take(size + 1)));
        match there.transpose() {
            Ok(Some((digest, _))) if digest == written => Ok(Put::Written(size)),
            Ok(_) | Err(_) => Err(EvidenceError::NotDurable { store: self.name().to_owned(), place: place.path() }),
        }
    }

    /// Reads an object into `sink`: as it is, or opened with an identity at hand. It is hashed on its way.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be read or `sink` not written.
    pub fn get(
        &self,
        object: &NamedObject,
        identities: &Identities,
        sink: &mut dyn Write,
    ) -> Result<Got, EvidenceError> {
        let plain = Place { sealed: false, name: object.digest };
        if let Some(reader) = self.door.read(plain)? {
            return self.pass(object.digest, reader, sink, &plain);
        }
        let Some((class, _)) = &self.class else { return Ok(Got::Missing) };
        let sealed = Place { sealed: true, name: class.handle(object.digest) };
        let Some(reader) = self.door.read(sealed)? else { return Ok(Got::Missing) };
        if identities.is_empty() {
            return Ok(Got::Sealed);
        }
        match identities.open(reader) {
            Ok(opened) => self.pass(object.digest, opened, sink, &sealed),
            Err(NotOpened::NotOurs) => Ok(Got::Sealed),
            Err(NotOpened::Altered) => Ok(Got::Altered),
        }
    }

    fn pass(
        &self,
        digest: Digest,
        mut reader: impl Read,
        sink: &mut dyn Write,
        place: &Place,
    ) -> Result<Got, EvidenceError> {
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 64 << 10];
        let mut left = MAX_OBJECT_BYTES;
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                // A sealed file that was altered, or cut, shows it only here.
                Err(_) if place.sealed => return Ok(Got::Altered),
                Err(e) => return Err(EvidenceError::unusable(self.name(), e)),
            };
            if n == 0 {
                break;
            }
            left = left
                .checked_sub(n as u64)
                .ok_or(EvidenceError::TooLarge { what: place.path(), limit: MAX_OBJECT_BYTES })?;
            hasher.update(&buffer[..n]);
            sink.write_all(&buffer[..n]).at("write", &self.scratch)?;
        }
        Ok(if hasher.finish() == digest { Got::Found } else { Got::Altered })
    }

    /// What need not be in the store any longer: what every record's retention let go, and what lies there unsealed and
    /// may not. Never what a hold keeps from being deleted; and never what no record here names, which may be another's.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be listed.
    pub fn expired(&self, register: &Register, now_ms: i64) -> Result<Vec<Expired>, EvidenceError> {
        let handles: std::collections::HashMap<Digest, Digest> = match &self.class {
            Some((class, _)) => register.objects().map(|o| (class.handle(o.digest), o.digest)).collect(),
            None => std::collections::HashMap::new(),
        };
        let mut expired = Vec::new();
        for (place, size_bytes) in self.door.list()? {
            let digest = if place.sealed { handles.get(&place.name).copied() } else { Some(place.name) };
            let Some(object) = digest.and_then(|d| register.get(&d)) else { continue };
            let because = if object.kept(now_ms) {
                let bare = !place.sealed && self.seals(object.kinds.iter().copied()).is_some();
                // Gone only once the sealed copy is there.
                if !bare || self.size(object)?.is_none() {
                    continue;
                }
                "restricted"
            } else {
                "retention"
            };
            let kinds = object.kinds.iter().copied().collect();
            expired.push(Expired { digest: object.digest, kinds, size_bytes, because, place });
        }
        Ok(expired)
    }

    /// Removes what [`Mirror::expired`] named.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be written.
    pub fn remove(&mut self, expired: &[Expired]) -> Result<(), EvidenceError> {
        expired.iter().try_for_each(|e| self.door.remove(e.place))
    }

    /// Makes what was put and removed lasting.
    ///
    /// # Errors
    /// [`EvidenceError`] if the store cannot be written.
    pub fn commit(&mut self, why: &str, now_ms: i64) -> Result<(), EvidenceError> {
        self.door.commit(why, now_ms / 1000)
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::new() }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}
