//! Objects out of the store: a verified copy, never a shared inode.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use orgo_kernel::key::Blob;
use orgo_spec::{Digest, Hasher};

use super::{ObjectError, SMALL, Store};
use crate::file::At;

impl Store {
    /// Copies an object to a new file and verifies it on the way.
    ///
    /// # Errors
    /// [`ObjectError`] if it is missing, damaged (then it is removed, and so is the copy) or the copy
    /// cannot be written.
    pub fn copy_out(&self, blob: Blob, to: &Path, executable: bool) -> Result<(), ObjectError> {
        let path = self.path(blob.digest);
        let mut source = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(ObjectError::Missing(blob.digest)),
            Err(e) => return Err(Err::<(), _>(e).at("open", &path).expect_err("an error stays one").into()),
        };
        let mode = if executable { 0o755 } else { 0o644 };
        let mut target = OpenOptions::new().write(true).create_new(true).mode(mode).open(to).at("create", to)?;
        let digest = if blob.size_bytes <= SMALL {
            let mut bytes = Vec::with_capacity(usize::try_from(blob.size_bytes).unwrap_or(0) + 1);
            source.read_to_end(&mut bytes).at("read", &path)?;
            target.write_all(&bytes).at("write", to)?;
            Digest::of(&bytes)
        } else {
            let cloned = rustix::fs::ioctl_ficlone(&target, &source).is_ok();
            let mut hasher = Hasher::new();
            let mut buffer = vec![0; 1 << 20];
            loop {
                let n = source.read(&mut buffer).at("read", &path)?;
                if n == 0 {
                    break hasher.finish();
                }
                hasher.update(&buffer[..n]);
                if !cloned {
                    target.write_all(&buffer[..n]).at("write", to)?;
                }
            }
        };
        if digest != blob.digest {
            drop(target);
            std::fs::remove_file(to).at("remove", to)?;
            return Err(self.evict(blob.digest));
        }
        Ok(())
    }
}
