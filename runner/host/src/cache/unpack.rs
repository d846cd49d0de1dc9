//! Taking a cache pack in: all of it or nothing, and nothing that is there is replaced.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;
use orgo_kernel::key::{Blob, StageKey};
use orgo_spec::canonical::{self, Profile};
use orgo_spec::record::{Bringer, Origin};
use orgo_spec::{Digest, Hasher};

use super::objects;
use super::pack::{End, FORMAT, Head, Line, PackError};
use crate::file::At;
use crate::store::{Cached, Incoming, Seen, Store, TakeError, contents};

/// The longest line, in bytes: a result with a hundred thousand outputs.
const MAX_LINE: u64 = 16 << 20;
/// The most that all results together may have, in bytes: they are kept in memory.
const MAX_RESULTS: u64 = 256 << 20;
/// The most objects in a pack.
const MAX_OBJECTS: u64 = 4 << 20;

/// What was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The pack's id.
    pub id: Digest,
    /// How many results are in it.
    pub results: usize,
    /// How many of them are new here.
    pub new: usize,
    /// Keys that have a result here with other outputs; these stay.
    pub other: Vec<StageKey>,
    /// How many objects are in it.
    pub objects: usize,
}

/// Takes in the pack `file`, which may have `limit` bytes of content.
///
/// # Errors
/// [`PackError`] if it is not whole and honest, belongs to another tenant, or cannot be written; then nothing of it is
/// in the store.
pub fn unpack(store: &Store, tenant: &str, file: &Path, limit: u64, now_ms: i64) -> Result<Unpacked, PackError> {
    let _shared = store.share()?;
    let open = File::open(file).at("open", file)?;
    let gzip = GzDecoder::new(BufReader::with_capacity(1 << 18, open));
    let mut reader =
        Reader { file, inner: BufReader::with_capacity(1 << 18, gzip), hasher: Hasher::new(), left: limit };
    let Line::Pack(Head { schema: FORMAT, tenant: of }) = reader.line()? else {
        return Err(reader.invalid("it begins with something else, or is of another version"));
    };
    if of != tenant {
        return Err(PackError::Tenant { path: file.display().to_string(), tenant: canonical::plain(&of, 80) });
    }
    let mut incoming = store.incoming();
    let mut packed: BTreeSet<Blob> = BTreeSet::new();
    let mut results: Vec<Cached> = Vec::new();
    let mut results_bytes = 0;
    let end: End = loop {
        let before = reader.left;
        match reader.line()? {
            Line::Pack(_) => return Err(reader.invalid("it begins twice")),
            Line::Object(blob) => {
                if !results.is_empty() || packed.last().is_some_and(|last| last.digest >= blob.digest) {
                    return Err(reader.invalid("its objects are not in their order"));
                }
                if packed.len() as u64 >= MAX_OBJECTS {
                    return Err(reader.invalid("it has too many objects"));
                }
                reader.object(blob, &mut incoming)?;
                packed.insert(blob);
            }
            Line::Result(result) => {
                if results.last().is_some_and(|last| last.key.0 >= result.key.0) || result.origin.is_some() {
                    return Err(reader.invalid("its results are not in their order"));
                }
                results_bytes += before - reader.left;
                if results_bytes > MAX_RESULTS {
                    return Err(reader.invalid("its results are too large"));
                }
                results.push(*result);
            }
            Line::End(end) => break end,
        }
    };
    reader.end(&end, packed.len(), results.len())?;
    let mut named: BTreeSet<Blob> = BTreeSet::new();
    for result in &mut results {
        let objects = objects(result).map_err(|why| reader.invalid(why))?;
        if !objects.iter().all(|blob| packed.contains(blob)) {
            return Err(reader.invalid("a result names an object that is not in it"));
        }
        named.extend(objects);
        result.origin = Some(Origin { by: Bringer::Pack, name: end.digest.to_string() });
    }
    if named.len() != packed.len() {
        return Err(reader.invalid("it has an object that no result names"));
    }
    let mut other = Vec::new();
    for result in &results {
        let here = store.result(result.key)?;
        let Some(here) = here.filter(|here| here.outputs != result.outputs) else { continue };
        if here.origin.is_none() {
            let (here, there) = (contents(&here.outputs), contents(&result.outputs));
            store.set_varied(result.key, Seen::Foreign, &here, &there, now_ms)?;
        }
        other.push(result.key);
    }
    let new = incoming.accept(&results)?;
    store.flush()?;
    Ok(Unpacked { id: end.digest, results: results.len(), new, other, objects: packed.len() })
}

/// Reads what was compressed, hashes it, and counts it.
struct Reader<'p> {
    file: &'p Path,
    inner: BufReader<GzDecoder<BufReader<File>>>,
    hasher: Hasher,
    /// How many bytes it may still have.
    left: u64,
}

impl Reader<'_> {
    fn invalid(&self, why: impl Into<String>) -> PackError {
        PackError::Invalid { path: self.file.display().to_string(), why: why.into() }
    }

    /// What a fault while reading means: the compressed form is damaged, or the system refuses.
    fn fault(&self, error: std::io::Error) -> PackError {
        match error.raw_os_error() {
            None => self.invalid(format!("it is cut or damaged ({error})")),
            Some(_) => match Err::<(), _>(error).at("read", self.file) {
                Err(error) => error.into(),
                Ok(()) => self.invalid("it cannot be read"),
            },
        }
    }

    fn line(&mut self) -> Result<Line, PackError> {
        let mut bytes = Vec::new();
        let most = self.left.min(MAX_LINE);
        match self.inner.by_ref().take(most).read_until(b'\n', &mut bytes) {
            Err(error) => return Err(self.fault(error)),
            Ok(_) if bytes.last() == Some(&b'\n') => {}
            Ok(n) if n as u64 == most => return Err(self.invalid("it is larger than it may be (`--max-size`)")),
            Ok(_) => return Err(self.invalid("it is cut")),
        }
        let line: Line = canonical::from_slice(&bytes, Profile::DOCUMENT)
            .map_err(|_| self.invalid("it has a line that is none of a pack"))?;
        // One line has one spelling, and the last one is not part of what is hashed.
        if super::pack::line(&line) != bytes {
            return Err(self.invalid("it has a line in another spelling"));
        }
        if !matches!(line, Line::End(_)) {
            self.hasher.update(&bytes);
        }
        self.left -= bytes.len() as u64;
        Ok(line)
    }

    fn object(&mut self, blob: Blob, incoming: &mut Incoming<'_>) -> Result<(), PackError> {
        if blob.size_bytes >= self.left {
            return Err(self.invalid("it is larger than it may be (`--max-size`)"));
        }
        let mut source = Hashed { inner: &mut self.inner, hasher: &mut self.hasher };
        match incoming.take(blob, &mut source) {
            Ok(()) => {}
            Err(TakeError::Own(error)) => return Err(error.into()),
            Err(TakeError::Read(error)) => return Err(self.fault(error)),
            Err(TakeError::Wrong) => {
                return Err(self.invalid(format!("{} is cut, or is not what it hashes to", blob.digest)));
            }
        }
        let mut feed = [0];
        match self.inner.read_exact(&mut feed) {
            Ok(()) if feed == *b"\n" => {}
            Ok(()) => return Err(self.invalid("an object is longer than it says")),
            Err(error) => return Err(self.fault(error)),
        }
        self.hasher.update(b"\n");
        self.left -= blob.size_bytes + 1;
        Ok(())
    }

    /// Holds what was read to the last line, and looks that nothing follows it.
    fn end(&mut self, end: &End, objects: usize, results: usize) -> Result<(), PackError> {
        if (end.objects, end.results) != (objects as u64, results as u64) || end.digest != self.hasher.clone().finish()
        {
            return Err(self.invalid("it does not hold what its last line says"));
        }
        let mut more = [0];
        // Reading to the end is what checks the compressed form, too.
        match self.inner.read(&mut more) {
            Ok(0) => {}
            Ok(_) => return Err(self.invalid("something follows its last line")),
            Err(error) => return Err(self.fault(error)),
        }
        match self.inner.get_mut().get_mut().fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(self.invalid("something follows its last line")),
            Err(error) => Err(self.fault(error)),
        }
    }
}

/// Hashes what is read.
struct Hashed<'r, R> {
    inner: &'r mut R,
    hasher: &'r mut Hasher,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}
