//! Interrupts, as messages to the run.

use crate::file::{At, PathError};

use super::engine::Message;
use super::mailbox::Sender;

/// Turns the first interrupt into a message; the thread ends with the run.
pub(super) fn watch(sender: Sender<Message>) -> Result<SignalGuard, PathError> {
    let signals = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP];
    let mut iterator =
        signal_hook::iterator::Signals::new(signals).at("watch signals for", std::path::Path::new("this process"))?;
    let handle = iterator.handle();
    let thread = std::thread::spawn(move || {
        for _ in iterator.forever() {
            if !sender.send(Message::Cancel) {
                return;
            }
        }
    });
    Ok(SignalGuard { handle, thread: Some(thread) })
}

/// Ends the watching thread when it is dropped.
pub(super) struct SignalGuard {
    handle: signal_hook::iterator::Handle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
