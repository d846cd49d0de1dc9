//! Ending a run from another thread, as an interrupt does.

use std::sync::{Arc, Mutex, PoisonError};

use super::engine::Message;
use super::mailbox::Sender;

/// Asks a run to end: no further stage is started, running ones are ended, and what comes last still runs.
#[derive(Clone, Default)]
pub struct Stop(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    asked: bool,
    sender: Option<Sender<Message>>,
}

impl Stop {
    /// Asks; a run that has not begun yet ends as soon as it does.
    pub fn ask(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut state.asked, true)
            && let Some(sender) = &state.sender
        {
            sender.send(Message::Cancel);
        }
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).asked
    }

    /// Lets a run hear of it, as long as what is returned lives.
    pub(super) fn attach(&self, sender: Sender<Message>) -> Attached {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.asked {
            sender.send(Message::Cancel);
        }
        state.sender = Some(sender);
        Attached(self.clone())
    }
}

/// A run that hears of it.
pub(super) struct Attached(Stop);

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).sender = None;
    }
}
