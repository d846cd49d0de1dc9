//! A folder that others serve, over a network perhaps: every answer is waited for, but not for ever.
//!
//! A call into a file system whose server is gone waits in the kernel, and nothing takes its thread out of there. So a
//! thread of its own makes all calls. If it does not answer in time, nobody asks it again: it is left where it is, and
//! ends with the process. It only reads there and never touches what is ours, so it can do no harm when it wakes up.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use crate::file::PathError;
use crate::folder::Folder;

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How much is read for one answer, in bytes.
const PIECE: u64 = 256 << 10;

/// An open folder that may stop to answer.
pub(super) struct Distant {
    root: Arc<Folder>,
    reader: Reader,
}

impl Distant {
    /// Opens the folder at `path`; or says why that cannot be done.
    pub(super) fn open(path: &Path, patience: Duration) -> Result<Self, String> {
        let reader = Reader::start(patience).map_err(|e| e.to_string())?;
        let path = path.to_owned();
        let root = reader.ask(move || Folder::open(&path)).map_err(|e| e.to_string())?.map_err(|e| said(&e))?;
        Ok(Self { root: Arc::new(root), reader })
    }

    /// Whether it did not answer in time. It is not asked any more then.
    pub(super) fn is_silent(&self) -> bool {
        self.reader.is_silent.get()
    }

    /// Whether there is a folder of that name.
    pub(super) fn has_folder(&self, name: &str) -> Result<bool, String> {
        let status = self.ask(name, |root, name| root.status(name).map_err(|e| said(&e)))?;
        Ok(status.is_some_and(|s| s.is_folder))
    }

    /// The size of a regular file, in bytes; `None` if there is none.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, String> {
        let status = self.ask(name, |root, name| root.status(name).map_err(|e| said(&e)))?;
        Ok(status.filter(|s| s.is_file).map(|s| s.stamp.size_bytes))
    }

    /// A regular file of `most` bytes at most; `None` if there is none.
    pub(super) fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        let Some(mut file) = self.file(name)? else { return Ok(None) };
        if file.size_bytes > most {
            return Err(format!("its file `{name}` is too large"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| format!("its file `{name}` cannot be read: {e}"))?;
        Ok(Some(bytes))
    }

    /// A regular file, opened, with its first bytes; `None` if there is none. It is never waited for a writer.
    pub(super) fn file(&self, name: &str) -> Result<Option<DistantFile<'_>>, String> {
        let opened = self.ask(name, |root, name| {
            let Some(file) = root.read(name).map_err(|e| said(&e))? else { return Ok(None) };
            let status = file.metadata().map_err(|e| e.to_string())?;
            if !status.is_file() {
                return Err(format!("its file `{name}` is no regular file"));
            }
            // One byte more than it says to have shows whether it has more.
            let first = piece(&file, status.len().saturating_add(1));
            let first = first.map_err(|e| format!("its file `{name}` cannot be read: {e}"))?;
            Ok(Some((file, status.len(), first)))
        })?;
        Ok(opened.map(|(file, size_bytes, ready)| DistantFile {
            reader: &self.reader,
            file: Arc::new(file),
            size_bytes,
            is_at_end: (ready.len() as u64) < PIECE.min(size_bytes.saturating_add(1)),
            ready,
            at: 0,
        }))
    }

    fn ask<A: Send + 'static>(
        &self,
        name: &str,
        question: impl FnOnce(&Folder, &str) -> Result<A, String> + Send + 'static,
    ) -> Result<A, String> {
        let (root, name) = (Arc::clone(&self.root), name.to_owned());
        self.reader.ask(move || question(&root, &name)).unwrap_or_else(|silent| Err(silent.to_string()))
    }
}

/// An open file of such a folder.
pub(super) struct DistantFile<'d> {
    reader: &'d Reader,
    file: Arc<File>,
    /// Its size when it was opened, in bytes.
    pub(super) size_bytes: u64,
    ready: Vec<u8>,
    at: usize,
    is_at_end: bool,
}

impl Read for DistantFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() && !self.is_at_end {
            let file = Arc::clone(&self.file);
            self.ready = self.reader.ask(move || piece(&file, PIECE))??;
            self.at = 0;
            self.is_at_end = (self.ready.len() as u64) < PIECE;
        }
        let n = (&self.ready[self.at..]).read(buffer)?;
        self.at += n;
        Ok(n)
    }
}

/// The next bytes of a file, `most` of them at most: less only at its end.
fn piece(mut file: &File, most: u64) -> io::Result<Vec<u8>> {
    let most = most.min(PIECE);
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or(0));
    file.by_ref().take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

type Question = Box<dyn FnOnce() + Send>;

/// The thread that asks.
struct Reader {
    questions: Sender<Question>,
    patience: Duration,
    is_silent: Cell<bool>,
}

impl Reader {
    fn start(patience: Duration) -> io::Result<Self> {
        let (questions, asked) = channel::<Question>();
        thread::Builder::new().name("distant".to_owned()).spawn(move || {
            for question in asked {
                question();
            }
        })?;
        Ok(Self { questions, patience, is_silent: Cell::new(false) })
    }

    /// The answer to a question, if it comes in time and none before it was late.
    fn ask<A: Send + 'static>(&self, question: impl FnOnce() -> A + Send + 'static) -> io::Result<A> {
        let (answer, answers) = sync_channel(1);
        let question = move || {
            let _ = answer.send(question()); // nobody waits any more
        };
        let is_asked = !self.is_silent.get() && self.questions.send(Box::new(question)).is_ok();
        let answered = is_asked.then(|| answers.recv_timeout(self.patience).ok()).flatten();
        answered.ok_or_else(|| {
            self.is_silent.set(true);
            io::Error::new(ErrorKind::TimedOut, format!("it did not answer for {} s", self.patience.as_secs_f32()))
        })
    }
}

fn said(error: &PathError) -> String {
    format!("{error}: {}", error.io())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    #[test]
    fn a_file_is_read_whole_whatever_its_size() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let distant = Distant::open(folder.path(), PATIENCE).expect("opened");
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            std::fs::write(folder.path().join("f"), &bytes).expect("writable");
            assert_eq!(distant.size("f"), Ok(Some(size)));
            assert_eq!(distant.read("f", size).as_ref().map(Option::as_ref), Ok(Some(&bytes)), "{size} bytes");
        }
        assert!(distant.read("f", 3 * PIECE - 1).is_err(), "larger than it may be");
        assert_eq!(distant.read("g", 1), Ok(None));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_never_waited_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &name, rustix::fs::Mode::RUSR).expect("made");
        std::fs::create_dir(folder.path().join("folder")).expect("made");
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("bound");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("link")).expect("made");
        let distant = Distant::open(folder.path(), PATIENCE).expect("opened");
        let since = Instant::now();
        for name in ["fifo", "folder", "socket", "link"] {
            assert!(distant.read(name, 100).is_err(), "{name}");
            assert_eq!(distant.size(name), Ok(None), "{name}");
        }
        assert!(!distant.is_silent() && since.elapsed() < PATIENCE);
    }

    #[test]
    fn an_answer_is_waited_for_once_and_then_nothing_is_asked_any_more() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("f"), "x").expect("writable");
        let distant = Distant::open(folder.path(), SHORT).expect("opened");
        assert_eq!(distant.read("f", 1), Ok(Some(b"x".to_vec())));
        let (wake, hang) = channel::<()>();
        let since = Instant::now();
        let late: io::Result<()> = distant.reader.ask(move || hang.recv().unwrap_or_default());
        assert!(late.is_err_and(|e| e.kind() == ErrorKind::TimedOut) && distant.is_silent());
        for _ in 0..100 {
            assert!(distant.read("f", 1).is_err_and(|e| e.contains("did not answer for 0.2 s")));
        }
        assert!(since.elapsed() < 20 * SHORT, "{:?}", since.elapsed());
        drop(wake);
    }

    #[test]
    fn a_file_that_stops_in_the_middle_is_a_fault_of_reading() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        io::Write::write_all(&mut writer, b"half").expect("room");
        let asks = Reader::start(SHORT).expect("started");
        let file = Arc::new(File::from(std::os::fd::OwnedFd::from(reader)));
        let mut file = DistantFile { reader: &asks, file, size_bytes: 8, ready: Vec::new(), at: 0, is_at_end: false };
        let error = file.read_to_end(&mut Vec::new()).expect_err("the other half never comes");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
