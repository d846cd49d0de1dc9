//! A queue between threads of a run: many send, one takes.
//!
//! Who waits sleeps at once, and is woken only if it sleeps: a stage takes longer than any spinning would, and both would
//! cost more than the stage's own bookkeeping.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One end to send from; the other end hears of it when the last one is gone.
pub(super) struct Sender<T>(Arc<Mailbox<T>>);

/// The end to take from.
pub(super) struct Receiver<T>(Arc<Mailbox<T>>);

struct Mailbox<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    senders: usize,
    /// Whether there is somebody to take.
    open: bool,
    /// Whether somebody sleeps until something comes.
    asleep: bool,
}

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nothing {
    /// Not yet.
    Yet,
    /// Nobody is left who could send.
    Ever,
}

/// Makes a queue.
pub(super) fn mailbox<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { queue: VecDeque::new(), senders: 1, open: true, asleep: false };
    let mailbox = Arc::new(Mailbox { state: Mutex::new(state), filled: Condvar::new() });
    (Sender(Arc::clone(&mailbox)), Receiver(mailbox))
}

impl<T> Mailbox<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State<T>>) {
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.filled.notify_one();
        }
    }
}

impl<T> Sender<T> {
    /// Puts something at the end; says whether there is somebody to take it.
    pub(super) fn send(&self, value: T) -> bool {
        let mut state = self.0.state();
        if !state.open {
            return false;
        }
        state.queue.push_back(value);
        self.0.wake(state);
        true
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.senders -= 1;
        if state.senders == 0 {
            self.0.wake(state);
        }
    }
}

impl<T> Receiver<T> {
    /// Takes what came first, if anything is there.
    pub(super) fn try_recv(&self) -> Result<T, Nothing> {
        Self::take(&mut self.0.state())
    }

    /// Takes what comes first; none if nobody is left who could send.
    pub(super) fn recv(&self) -> Option<T> {
        let mut state = self.0.state();
        loop {
            match Self::take(&mut state) {
                Ok(value) => return Some(value),
                Err(Nothing::Ever) => return None,
                Err(Nothing::Yet) => {
                    state.asleep = true;
                    state = self.0.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Takes what comes first within `limit`; a limit beyond what a clock can say is none.
    pub(super) fn recv_timeout(&self, limit: Duration) -> Result<T, Nothing> {
        let Some(end) = Instant::now().checked_add(limit) else { return self.recv().ok_or(Nothing::Ever) };
        let mut state = self.0.state();
        loop {
            let left = match Self::take(&mut state) {
                Err(Nothing::Yet) => end.saturating_duration_since(Instant::now()),
                other => return other,
            };
            if left.is_zero() {
                return Err(Nothing::Yet);
            }
            state.asleep = true;
            let waited = self.0.filled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn take(state: &mut State<T>) -> Result<T, Nothing> {
        state.asleep = false;
        let nothing = if state.senders == 0 { Nothing::Ever } else { Nothing::Yet };
        state.queue.pop_front().ok_or(nothing)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open = false;
        state.queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_many_send_is_taken_once_and_in_their_order() {
        let (sender, receiver) = mailbox();
        let threads: Vec<_> = (0..4u32)
            .map(|who| {
                let sender = sender.clone();
                std::thread::spawn(move || (0..1000u32).for_each(|n| assert!(sender.send((who, n)))))
            })
            .collect();
        drop(sender);
        let mut next = [0u32; 4];
        let mut taken = 0;
        while let Some((who, n)) = receiver.recv() {
            assert_eq!(next[who as usize], n);
            next[who as usize] += 1;
            taken += 1;
        }
        assert_eq!(taken, 4000);
        threads.into_iter().for_each(|t| t.join().expect("sent"));
        assert_eq!(receiver.try_recv(), Err(Nothing::Ever));
    }

    #[test]
    fn who_waits_is_told_when_nothing_will_come() {
        let (sender, receiver) = mailbox::<u32>();
        assert_eq!(receiver.try_recv(), Err(Nothing::Yet));
        assert_eq!(receiver.recv_timeout(Duration::from_millis(5)), Err(Nothing::Yet));
        let waits = std::thread::spawn(move || (receiver.recv_timeout(Duration::MAX).ok(), receiver));
        assert!(sender.send(1));
        let (first, receiver) = waits.join().expect("woken");
        assert_eq!(first, Some(1));
        let waits = std::thread::spawn(move || receiver.recv());
        drop(sender);
        assert_eq!(waits.join().expect("woken"), None);
    }

    #[test]
    fn nothing_is_sent_to_nobody() {
        let (sender, receiver) = mailbox();
        drop(receiver);
        assert!(!sender.send(1));
    }
}
