//! Reading loose objects without libgit2, which waits for ever for the rest of one that was cut off.
//!
//! INVARIANT: whatever lies under an object's name is that object, whole, or is refused as damaged; libgit2 is asked only
//! for objects that are not loose.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use flate2::bufread::ZlibDecoder;
use git2::ObjectType;

use super::{Git, GitError, ObjectId};

/// The longest head that git writes: a type, a size, a zero.
const MAX_HEAD: usize = 32;

/// A loose object; of one that is larger than was asked for its size.
pub(super) type Loose = Result<(ObjectType, Vec<u8>), usize>;

impl Git {
    /// The loose object with this id, if there is one.
    ///
    /// # Errors
    /// [`GitError::Damaged`] if another file lies there than that object; [`GitError::Io`].
    pub(super) fn loose(&self, id: ObjectId, limit: usize) -> Result<Option<Loose>, GitError> {
        let hex = id.to_string();
        let path = self.common_dir().join("objects").join(&hex[..2]).join(&hex[2..]);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(GitError::Io { path, error }),
        };
        let damaged = |why: &str| GitError::Damaged { id, why: why.to_owned() };
        let object = open(BufReader::new(file), limit).map_err(damaged)?;
        if let Ok((kind, bytes)) = &object
            && ObjectId::hash_object(*kind, bytes).map_err(GitError::of)? != id
        {
            return Err(damaged("it does not hash to its name"));
        }
        Ok(Some(object))
    }

    /// Refuses an object that libgit2 could not be asked for without danger: a loose one that is damaged.
    ///
    /// # Errors
    /// As [`Git::loose`].
    pub(super) fn sound(&self, id: ObjectId) -> Result<(), GitError> {
        self.loose(id, usize::MAX).map(|_| ())
    }
}

/// The object in a file.
fn open(file: impl BufRead, limit: usize) -> Result<Loose, &'static str> {
    let mut inflate = BufReader::new(ZlibDecoder::new(file));
    let mut head = Vec::with_capacity(MAX_HEAD);
    let read = inflate.by_ref().take(MAX_HEAD as u64).read_until(0, &mut head);
    read.map_err(|_| "it cannot be inflated, or ends too early")?;
    let head = head.strip_suffix(&[0]).and_then(|head| std::str::from_utf8(head).ok()?.split_once(' '));
    let head = head.ok_or("it has no head")?;
    let kind = match head.0 {
        "blob" => ObjectType::Blob,
        "tree" => ObjectType::Tree,
        "commit" => ObjectType::Commit,
        "tag" => ObjectType::Tag,
        _ => return Err("it has a type that does not exist"),
    };
    let digits = head.1.bytes().all(|b| b.is_ascii_digit());
    let size: usize = head.1.parse().ok().filter(|_| digits).ok_or("its head has no size")?;
    if size > limit {
        return Ok(Err(size));
    }
    let mut bytes = Vec::new();
    // One byte more, so that an object that is too long is seen.
    let read = inflate.by_ref().take(size as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|_| "it cannot be inflated, or ends too early")?;
    if bytes.len() != size || !inflate.into_inner().into_inner().fill_buf().is_ok_and(<[u8]>::is_empty) {
        return Err("it has another length than its head says");
    }
    Ok(Ok((kind, bytes)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(content).expect("memory");
        zlib.finish().expect("memory")
    }

    #[test]
    fn only_a_whole_object_is_read() {
        let whole = packed(b"blob 5\0hello");
        assert_eq!(open(&whole[..], 5), Ok(Ok((ObjectType::Blob, b"hello".to_vec()))));
        assert_eq!(open(&whole[..], 4), Ok(Err(5)));
        for cut in 0..whole.len() {
            assert!(open(&whole[..cut], 100).is_err(), "{cut} bytes");
        }
        for bad in [&b"blob 5\0hell"[..], b"blob 5\0hellow", b"blub 5\0hello", b"blob +5\0hello", b"blob\0", b""] {
            assert!(open(&packed(bad)[..], 100).is_err(), "{bad:?}");
        }
        assert!(open(&[&whole[..], b"x"].concat()[..], 100).is_err(), "something follows");
    }
}
