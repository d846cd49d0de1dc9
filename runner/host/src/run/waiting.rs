//! What the loop waits for: messages, pauses that end, and stages that print.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use orgo_kernel::graph::StageId;

use crate::file::PathError;

use super::engine::{Engine, Message};
use super::mailbox::{Nothing, Receiver};
use super::options::Notice;
use super::tail::LOOK;

/// What came.
pub(super) enum Next {
    Message(Message),
    Elapsed(StageId),
    /// There is nobody left who could send anything.
    Nothing,
}

impl Engine<'_, '_> {
    /// Lets the scheduler know when a pause is over.
    pub(super) fn pause(&mut self, stage: StageId, ms: u64) {
        let end = Instant::now() + Duration::from_millis(ms);
        self.pauses.push(Reverse((end, stage)));
    }

    /// Waits for what comes next; what the journal has to say is written before a long wait.
    pub(super) fn next(
        &mut self,
        messages: &Receiver<Message>,
        notices: &mut dyn FnMut(Notice<'_>),
    ) -> Result<Next, PathError> {
        loop {
            let mut wait = self.journal.patience();
            if let Some(Reverse((end, stage))) = self.pauses.peek().copied() {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    self.pauses.pop();
                    return Ok(Next::Elapsed(stage));
                }
                wait = wait.min(left);
            }
            if !self.tails.is_empty() {
                let left = LOOK.saturating_sub(self.looked.elapsed());
                if left.is_zero() {
                    self.look_at_logs(notices)?;
                }
                wait = wait.min(left);
            }
            match messages.recv_timeout(wait) {
                Ok(message) => return Ok(Next::Message(message)),
                Err(Nothing::Ever) => return Ok(Next::Nothing),
                Err(Nothing::Yet) if self.journal.patience().is_zero() => self.journal.flush()?,
                Err(Nothing::Yet) => {}
            }
        }
    }
}
