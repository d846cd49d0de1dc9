//! Work on many items at once, with repository handles that are opened once a thread.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::git::{Git, Packs};
use crate::ledger::LedgerError;

/// The most items of a task: small tasks keep every processor busy to the end.
const TASK: usize = 32;

/// Handles of one repository, for as many threads as there are.
pub(super) struct Handles {
    path: PathBuf,
    packs: Option<Arc<Packs>>,
    free: Mutex<Vec<Git>>,
}

impl Handles {
    pub(super) fn new(git: &Git) -> Self {
        Self { path: git.path().to_owned(), packs: None, free: Mutex::default() }
    }

    /// Reads packs without libgit2 from now on, if for `items` that is worth reading their indexes.
    pub(super) fn expect(&mut self, git: &Git, items: usize) {
        /// Reading the index of so many objects costs as much as is saved with one item.
        const OBJECTS: u64 = 1000;
        if self.packs.is_none() && items as u64 >= Packs::objects(git) / OBJECTS {
            let packs = Arc::new(git.packs());
            git.read_packs(Arc::clone(&packs));
            self.packs = Some(packs);
            self.free = Mutex::default();
        }
    }

    fn take(&self) -> Result<Git, LedgerError> {
        if let Some(git) = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(git);
        }
        let git = Git::open(&self.path)?;
        if let Some(packs) = &self.packs {
            git.read_packs(Arc::clone(packs));
        }
        Ok(git)
    }

    /// Applies `work` to every item; the results come in order.
    pub(super) fn map<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&Git, &T) -> Result<R, LedgerError> + Sync,
    ) -> Result<Vec<R>, LedgerError> {
        let task = (items.len() / (rayon::current_num_threads() * 4)).clamp(1, TASK);
        let parts: Vec<Vec<R>> = items
            .par_chunks(task)
            .map(|part| {
                let git = self.take()?;
                let results = part.iter().map(|item| work(&git, item)).collect();
                self.free.lock().unwrap_or_else(PoisonError::into_inner).push(git);
                results
            })
            .collect::<Result<_, LedgerError>>()?;
        Ok(parts.into_iter().flatten().collect())
    }
}
