//! Watching what a run reads.
//!
//! Waking up and deciding are two things. What wakes may wake too often: any change in a folder where an input lies or
//! may come to lie, or the clock. Whether a run is due is decided by comparing contents, so that a file that nobody
//! reads, a file that was touched, and a branch that was left and taken again start nothing.

mod alarm;
mod view;

pub use alarm::{Alarm, Way};
pub use view::{Inputs, View};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::file::{At, PathError};
use crate::process::Waker;
use crate::run::Stop;

use alarm::Woken;
use view::Looker;

/// Nothing may have changed for so long before it is asked what changed.
const QUIET: Duration = Duration::from_millis(100);
/// Where changes never pause, it is asked after so long all the same.
const RESTLESS: Duration = Duration::from_secs(2);
/// How long a `git` command may hold its index, such as while it switches branches, before it is taken to be dead.
const GIT: Duration = Duration::from_secs(60);

/// Watches one repository.
pub struct Watcher {
    alarm: Alarm,
    looker: Looker,
    interrupted: Arc<AtomicBool>,
    /// What `git` has while it changes the working folder.
    index_lock: Option<PathBuf>,
}

impl Watcher {
    /// Begins to watch for signals; `memory` is what runs remember of source files.
    ///
    /// # Errors
    /// [`PathError`] if the root cannot be opened or the system has no descriptors left.
    pub fn open(root: &Path, memory: &Path, git: Option<&Path>, way: Way) -> Result<Self, PathError> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let alarm = Alarm::new(way, &interrupted).at("watch signals for", Path::new("this process"))?;
        let index_lock = git.map(|git| git.join("index.lock"));
        Ok(Self { alarm, looker: Looker::open(root, memory)?, interrupted, index_lock })
    }

    /// Whether somebody interrupted this process.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Why it is the clock that wakes; nothing, if the system tells of changes.
    #[must_use]
    pub fn polls_because(&self) -> Option<&str> {
        self.alarm.polls_because()
    }

    /// What the inputs are now. From here on a change wakes.
    pub fn look(&mut self, inputs: &Inputs) -> View {
        let mut patient = true;
        loop {
            let began = Instant::now();
            let mut folders = BTreeSet::new();
            let view = self.looker.look(inputs, &mut folders);
            self.alarm.took(began.elapsed());
            // What was put into a folder before it was watched is not told: such a folder is looked at again.
            if self.alarm.cover(&folders) {
                continue;
            }
            // What came or went just now is looked at once more.
            if view.is_whole() || !std::mem::take(&mut patient) {
                return view;
            }
            std::thread::sleep(QUIET);
        }
    }

    /// Waits until the inputs are not any more what `before` says, and tells which differ; `None` if
    /// somebody interrupted. `rung` ends the waiting too.
    pub fn changed(&mut self, inputs: &Inputs, before: &View, rung: Option<&Waker>) -> Option<Vec<String>> {
        let mut first = true;
        loop {
            let woken = if first { Woken::Perhaps } else { self.alarm.wait(None, rung) };
            first = false;
            match woken {
                Woken::Perhaps if self.settle(rung) => {}
                Woken::Perhaps | Woken::Interrupted | Woken::Rung => return None,
                Woken::Late => continue,
            }
            let differing = before.differing(&self.look(inputs));
            if !differing.is_empty() {
                return Some(differing);
            }
        }
    }

    /// Waits until nothing more changes for a moment; says no if the waiting was ended from outside.
    fn settle(&mut self, rung: Option<&Waker>) -> bool {
        let began = Instant::now();
        loop {
            match self.alarm.wait(Some(QUIET), rung) {
                Woken::Interrupted | Woken::Rung => return false,
                Woken::Late if !self.git_is_busy() || began.elapsed() > GIT => return true,
                Woken::Perhaps if !self.git_is_busy() && began.elapsed() > RESTLESS => return true,
                Woken::Late | Woken::Perhaps => {}
            }
        }
    }

    fn git_is_busy(&self) -> bool {
        self.index_lock.as_ref().is_some_and(|lock| lock.exists())
    }

    /// Does `work`, and has it stopped as soon as the inputs are not any more what `before` says; tells which differ.
    pub fn guard<T>(
        &mut self,
        inputs: &Inputs,
        before: &View,
        stop: &Stop,
        work: impl FnOnce() -> T,
    ) -> (T, Vec<String>) {
        let Ok(bell) = Waker::new() else { return (work(), Vec::new()) };
        std::thread::scope(|scope| {
            let ring = bell.clone();
            let guard = scope.spawn(move || {
                let differing = self.changed(inputs, before, Some(&ring)).unwrap_or_default();
                if !differing.is_empty() {
                    stop.ask();
                }
                differing
            });
            let done = work();
            bell.wake();
            (done, guard.join().unwrap_or_default())
        })
    }
}
