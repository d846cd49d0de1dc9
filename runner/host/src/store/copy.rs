//! Objects out of the store: a verified copy, never a shared inode.

use std::io::{Read, Write};

use orgo_kernel::key::Blob;
use orgo_spec::{Digest, Hasher};

use super::{ObjectError, SMALL, Store, place};
use crate::file::PathError;
use crate::folder::{AtName, Folder, read_all};

impl Store {
    /// Hands out an object piece by piece, and verifies it on the way: at the end of bytes that were handed out already.
    ///
    /// # Errors
    /// [`ObjectError`] if it is missing, damaged (then it is removed) or unreadable, or if `each` fails.
    pub fn read_to(&self, blob: Blob, mut each: impl FnMut(&[u8]) -> Result<(), PathError>) -> Result<(), ObjectError> {
        let object = place("sha256", blob.digest);
        let Some(mut source) = self.root.read(&object)? else { return Err(ObjectError::Missing(blob.digest)) };
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; usize::try_from(blob.size_bytes).unwrap_or(usize::MAX).clamp(1, 1 << 20)];
        loop {
            let n = source.read(&mut buffer).at_name("read", &self.root, &object)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            each(&buffer[..n])?;
        }
        if hasher.finish() == blob.digest { Ok(()) } else { Err(self.evict(blob.digest)) }
    }

    /// Copies an object to a new file and verifies it on the way.
    ///
    /// # Errors
    /// [`ObjectError`] if it is missing, damaged (then it is removed, and so is the copy) or the copy
    /// cannot be written.
    pub fn copy_out(&self, blob: Blob, to: &Folder, name: &str, executable: bool) -> Result<(), ObjectError> {
        let object = place("sha256", blob.digest);
        let Some(mut source) = self.root.read(&object)? else { return Err(ObjectError::Missing(blob.digest)) };
        let mut target = to.create(name, if executable { 0o755 } else { 0o644 })?;
        let digest = if blob.size_bytes <= SMALL {
            let bytes = read_all(&mut source, blob.size_bytes).at_name("read", &self.root, &object)?;
            target.write_all(&bytes).at_name("write", to, name)?;
            Digest::of(&bytes)
        } else {
            let cloned = rustix::fs::ioctl_ficlone(&target, &source).is_ok();
            let mut hasher = Hasher::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                let n = source.read(&mut buffer).at_name("read", &self.root, &object)?;
                if n == 0 {
                    break hasher.finish();
                }
                hasher.update(&buffer[..n]);
                if !cloned {
                    target.write_all(&buffer[..n]).at_name("write", to, name)?;
                }
            }
        };
        if digest != blob.digest {
            drop(target);
            to.remove(name)?;
            return Err(self.evict(blob.digest));
        }
        Ok(())
    }
}
