//! What a stage prints, told while it runs.
//!
//! The kept log is redacted as a whole. A live view cannot wait for the whole: it is redacted by lines that are
//! complete and have been there for one look, together with all that came with them; from the beginning of a
//! private key on, everything is held back until the key ends.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orgo_kernel::graph::StageId;
use orgo_kernel::key::Blob;
use orgo_spec::secret::Redactor;

use crate::file::{At, PathError};
use crate::journal;

use super::engine::Engine;
use super::options::Notice;

/// How often stages are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// A stage that runs for longer can be followed from outside.
const LONG: Duration = Duration::from_secs(1);
/// The most that is read at one look.
const MOST: u64 = 1 << 20;
/// The most that is held back.
const HELD: usize = 4 << 20;

/// The log of a stage that runs.
pub(super) struct Tail {
    log: Arc<File>,
    redactor: Redactor,
    started: Instant,
    read: u64,
    held: Vec<u8>,
    /// How much of `held` was there at the last look.
    settled: usize,
    /// How many lines were told.
    lines: usize,
    shown: Option<(PathBuf, File)>,
}

impl Tail {
    pub(super) fn new(log: Arc<File>, redactor: Redactor) -> Self {
        Self { log, redactor, started: Instant::now(), read: 0, held: Vec::new(), settled: 0, lines: 0, shown: None }
    }

    /// Reads on, and takes out what can be told.
    fn look(&mut self) -> std::io::Result<Vec<u8>> {
        let known = self.held.len();
        let end = self.log.metadata()?.len();
        let more = end.saturating_sub(self.read).min(MOST);
        let mut piece = vec![0; usize::try_from(more).unwrap_or(0)];
        let got = self.log.read_at(&mut piece, self.read)?;
        self.read += got as u64;
        self.held.extend_from_slice(&piece[..got]);
        let text = &self.held[..std::mem::replace(&mut self.settled, self.held.len()).min(known)];
        let key = find(text, b"-----BEGIN ").filter(|at| find(&text[*at..], b"-----END ").is_none());
        let text = &text[..key.unwrap_or(text.len())];
        let Some(lines) = text.iter().rposition(|b| *b == b'\n').map(|at| at + 1) else {
            if self.held.len() > HELD {
                self.held.clear(); // the kept log has it
                self.settled = 0;
            }
            return Ok(Vec::new());
        };
        let told = self.redactor.redact(&self.held[..lines]);
        self.held.drain(..lines);
        self.settled -= lines;
        self.lines += told.iter().filter(|b| **b == b'\n').count();
        Ok(told)
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|w| w == what)
}

impl Engine<'_, '_> {
    /// Tells what running stages have printed since the last look.
    pub(super) fn look_at_logs(&mut self, notices: &mut dyn FnMut(Notice<'_>)) -> Result<(), PathError> {
        self.looked = Instant::now();
        let mut stages: Vec<StageId> = self.tails.keys().copied().collect();
        stages.sort_unstable();
        for stage in stages {
            let name = &self.plan.stage(stage).name;
            let Some(tail) = self.tails.get_mut(&stage) else { continue };
            let is_long = tail.started.elapsed() > LONG;
            if !is_long && !self.options.stream {
                continue;
            }
            let path = journal::live(&self.workspace.runs(), &self.options.run, name);
            let text = tail.look().at("read what is printed for", &path)?;
            // From its first line on, so that whoever follows can count them.
            if tail.shown.is_none() && (is_long || !text.is_empty()) {
                let folder = path.parent().unwrap_or(Path::new("."));
                std::fs::create_dir_all(folder).at("create the folder", folder)?;
                let file = OpenOptions::new().create(true).append(true).open(&path).at("create", &path)?;
                tail.shown = Some((path, file));
            }
            if let Some((path, file)) = &mut tail.shown {
                file.write_all(&text).at("write", path)?;
            }
            if self.options.stream && !text.is_empty() {
                notices(Notice::Printed(stage, &String::from_utf8_lossy(&text)));
            }
        }
        Ok(())
    }

    /// Tells the rest of what a stage printed, from its kept log.
    pub(super) fn end_log(&mut self, stage: StageId, log: Option<Blob>, notices: &mut dyn FnMut(Notice<'_>)) {
        let Some(tail) = self.tails.remove(&stage) else { return };
        if let Some((path, _)) = &tail.shown {
            let _ = std::fs::remove_file(path); // the kept log takes its place
        }
        if let (true, Some(log)) = (self.options.stream, log)
            && let Ok(bytes) = self.planner.store().get(log.digest)
        {
            let rest: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').skip(tail.lines).collect();
            if !rest.is_empty() {
                notices(Notice::Printed(stage, &String::from_utf8_lossy(&rest.concat())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_when_they_are_complete_and_keys_never() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        let mut tail = Tail::new(Arc::new(file.try_clone().expect("shared")), Redactor::new(&[b"hunter2hunter2"]));
        let mut print = |text: &str| file.write_all(text.as_bytes()).expect("written");
        let mut told = || {
            let first = tail.look().expect("read");
            String::from_utf8([first, tail.look().expect("read")].concat()).expect("text")
        };
        print("one\ntwo");
        assert_eq!(told(), "one\n");
        print(" is hunter2hunter2\n");
        assert_eq!(told(), "two is [redacted]\n");
        let line = "x".repeat(40);
        print(&["three\n-----BEGIN ", "PRIVATE KEY-----\n", &line, "\n"].concat());
        assert_eq!(told(), "three\n");
        print(&[&line, "\n-----END ", "PRIVATE KEY-----\nfour\n"].concat());
        assert_eq!(told(), "[redacted]\nfour\n");
    }
}
