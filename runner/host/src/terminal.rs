//! The terminal, lent to a program that somebody works in.
//!
//! The program is in the group of this process, so keys at the terminal reach both: they are meant for the program. A
//! shell makes groups of its own and gives the terminal to them; afterwards it is taken back, as it was.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr, tcsetpgrp};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGQUIT};

use crate::isolation::with_output_of_groups_ignored;

/// A terminal that is lent as long as this lives.
#[derive(Debug)]
pub(crate) struct Lent {
    before: Option<Termios>,
    handlers: Vec<SigId>,
}

impl Lent {
    /// Lends the terminal, if standard input is one. Programs that are started see signals as they are by default.
    pub(crate) fn now() -> std::io::Result<Self> {
        let seen = Arc::new(AtomicBool::new(false));
        let handle = |signal| signal_hook::flag::register(signal, Arc::clone(&seen));
        let handlers = [SIGINT, SIGQUIT].into_iter().map(handle).collect::<std::io::Result<_>>()?;
        let input = std::io::stdin();
        let before = if input.is_terminal() { tcgetattr(&input).ok() } else { None };
        Ok(Self { before, handlers })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            signal_hook::low_level::unregister(handler);
        }
        let Some(before) = &self.before else { return };
        let input = std::io::stdin();
        // Who is in the background is stopped for this; and a terminal that is gone needs nothing.
        with_output_of_groups_ignored(|| {
            let _ = tcsetpgrp(&input, getpgrp());
            let _ = tcsetattr(&input, OptionalActions::Drain, before);
        });
    }
}
