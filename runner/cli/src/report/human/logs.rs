//! What stages printed, for people.

use orgo_host::run::Attempt;
use orgo_kernel::key::Blob;

use super::{Human, last_lines};
use crate::output::{DIM, RESET, plain};

/// How many of the last lines of a log are shown folded.
const FOLDED: usize = 5000;

impl Human<'_> {
    /// Shows the end of a log, in one piece.
    pub(super) fn show_log(&self, log: Option<Blob>, most: usize) {
        let lines = self.lines(log, most);
        if !lines.is_empty() {
            self.foreign(|| lines.iter().for_each(|line| self.print("     ", line)));
        }
    }

    /// Shows a log folded, if that is asked for and it has more than so many lines; says whether it did.
    pub(super) fn fold(&self, title: &str, end: &Attempt, more_than: usize) -> bool {
        let Some(folds) = self.folds.as_ref().filter(|_| !self.stream) else { return false };
        let lines = self.lines(end.log, FOLDED);
        if lines.len() <= more_than {
            return false;
        }
        let show = || lines.iter().for_each(|line| self.print("     ", line));
        folds.group(title, [end.started_ms, end.ended_ms], show);
        true
    }

    /// The last lines of a log.
    fn lines(&self, log: Option<Blob>, most: usize) -> Vec<String> {
        let bytes = log.and_then(|log| self.store.get(log.digest).ok());
        bytes.map_or_else(Vec::new, |bytes| last_lines(&bytes, most))
    }

    /// Prints a line of somebody's.
    pub(super) fn print(&self, whose: &str, line: &str) {
        self.progress.aside(|| self.output.warn(format!("{DIM}{whose} |{RESET} {}", plain(line))));
    }

    /// Shows what comes from elsewhere, so that no code host takes it for a command.
    pub(super) fn foreign(&self, show: impl FnOnce()) {
        match &self.folds {
            Some(folds) => folds.foreign(show),
            None => show(),
        }
    }
}
