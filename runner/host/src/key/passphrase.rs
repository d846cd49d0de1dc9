//! Passphrases of key files: asked for at the terminal or read from a file; never taken from the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The longest passphrase, in bytes.
const MAX_BYTES: usize = 1024;
/// How often a person may try.
const TRIES: usize = 3;
/// What Ctrl-C sends.
const INTERRUPT: u8 = 3;

/// The bytes of a passphrase; wiped from memory when dropped.
pub type Passphrase = Zeroizing<Vec<u8>>;

/// Where passphrases come from. Each is asked for once in a process.
#[derive(Clone, Default)]
pub struct Passphrases {
    origin: Origin,
    known: Arc<Mutex<BTreeMap<PathBuf, Passphrase>>>,
}

#[derive(Debug, Clone, Default)]
enum Origin {
    #[default]
    Nowhere,
    File(PathBuf),
    Terminal,
}

impl Passphrases {
    /// Passphrases are the first line of this file: 0600 and the user's own, or a pipe such as `/dev/fd/3`.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { origin: Origin::File(path.into()), known: Arc::default() }
    }

    /// Passphrases are asked for at the terminal, if standard input is one.
    #[must_use]
    pub fn terminal() -> Self {
        Self { origin: Origin::Terminal, known: Arc::default() }
    }

    /// Opens what `path` locks with its passphrase.
    pub(super) fn unlock<T>(&self, path: &Path, open: impl Fn(&[u8]) -> Option<T>) -> Result<T, String> {
        if let Some(known) = self.known(path)
            && let Some(opened) = open(&known)
        {
            return Ok(opened);
        }
        let tries = if matches!(self.origin, Origin::Terminal) { TRIES } else { 1 };
        for _ in 0..tries {
            let passphrase = self.ask(&format!("passphrase of {}: ", path.display()))?;
            if let Some(opened) = open(&passphrase) {
                self.remember(path, &passphrase);
                return Ok(opened);
            }
        }
        Err("the passphrase is wrong, or the file is damaged".to_owned())
    }

    /// A passphrase for a new key at `path`; a person types it twice.
    ///
    /// # Errors
    /// Why there is none, as a sentence without its first capital.
    pub fn choose(&self, path: &Path) -> Result<Passphrase, String> {
        let passphrase = self.ask(&format!("passphrase for {}: ", path.display()))?;
        if matches!(self.origin, Origin::Terminal) && self.ask("the same again: ")? != passphrase {
            return Err("the two passphrases differ".to_owned());
        }
        Ok(passphrase)
    }

    fn ask(&self, question: &str) -> Result<Passphrase, String> {
        let passphrase = match &self.origin {
            Origin::Nowhere => return Err("it has a passphrase".to_owned()),
            Origin::Terminal if !std::io::stdin().is_terminal() => {
                return Err("there is no terminal to ask for a passphrase".to_owned());
            }
            Origin::Terminal => prompt(question)?,
            // A pipe can be read once only.
            Origin::File(path) => match self.known(path) {
                Some(known) => known,
                None => {
                    let read = first_line(path).map_err(|e| format!("`{}`: {e}", path.display()))?;
                    self.remember(path, &read);
                    read
                }
            },
        };
        if passphrase.is_empty() {
            return Err("the passphrase is empty".to_owned());
        }
        Ok(passphrase)
    }

    fn known(&self, path: &Path) -> Option<Passphrase> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    fn remember(&self, path: &Path, passphrase: &Passphrase) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_owned(), passphrase.clone());
    }
}

impl fmt::Debug for Passphrases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passphrases({:?})", self.origin)
    }
}

fn first_line(path: &Path) -> std::io::Result<Passphrase> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    let own = meta.uid() == rustix::process::geteuid().as_raw();
    if meta.is_file() && (!own || meta.mode() & 0o077 != 0) {
        return Err(std::io::Error::other("it is not the user's own, or others may read it (chmod 600)"));
    }
    read_line(&file)
}

/// Reads up to a line feed or the end, byte by byte: what follows is not ours.
fn read_line(mut file: &File) -> std::io::Result<Passphrase> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    let mut byte = Zeroizing::new([0u8; 1]);
    loop {
        match file.read(byte.as_mut()) {
            Ok(0) => return Ok(line),
            Ok(_) if byte[0] == b'\n' => return Ok(line),
            Ok(_) if byte[0] == INTERRUPT => return Err(std::io::Error::other("interrupted")),
            Ok(_) if line.len() == MAX_BYTES => return Err(std::io::Error::other("it is too long")),
            Ok(_) => line.push(byte[0]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Restores the terminal.
struct Quiet<'a>(&'a File, Termios);

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.0, OptionalActions::Flush, &self.1); // the terminal may be gone
    }
}

/// Asks at the terminal without echo.
fn prompt(question: &str) -> Result<Passphrase, String> {
    let told = |e: std::io::Error| format!("no passphrase came from the terminal: {e}");
    let mut terminal = File::options().read(true).write(true).open("/dev/tty").map_err(told)?;
    terminal.write_all(question.as_bytes()).map_err(told)?;
    let read = {
        let before = tcgetattr(&terminal).map_err(|e| told(e.into()))?;
        let mut silent = before.clone();
        // Signals would leave the terminal without echo: Ctrl-C ends the line instead, and is seen in it.
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(|e| told(e.into()))?;
        let _restore = Quiet(&terminal, before);
        read_line(&terminal).map_err(told)
    };
    terminal.write_all(b"\n").map_err(told)?;
    read
}
