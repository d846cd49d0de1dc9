//! Transport: fetch and push through the `git` program, with a fixed set of options.
//!
//! What could make git run somebody's program, or change what is pushed, is switched off on the command line:
//! hooks, file-system monitors, submodules, `ext::` addresses, automatic maintenance, prompts. Credentials and
//! the ssh client stay those of the user. A push is never forced: the server's own check is the swap.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{Git, GitError, ObjectId, Swap};

/// Settings that stand above whatever the repository's configuration says.
const SAFE: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "push.gpgSign=false",
    "fetch.fsckObjects=true",
    "transfer.fsckObjects=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "core.alternateRefsCommand=true",
];

/// Why a remote could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct RemoteError {
    /// What was tried.
    pub what: &'static str,
    /// What git said.
    pub said: String,
}

/// A remote of a repository.
#[derive(Debug, Clone)]
pub struct Remote {
    folder: std::path::PathBuf,
    start: std::path::PathBuf,
    name: String,
    /// Whether the clone left objects at a remote.
    filtered: bool,
}

impl Git {
    /// A remote, by its name in the repository's configuration or by its address.
    ///
    /// # Errors
    /// [`RemoteError`] for a text that git could take for an option.
    pub fn remote(&self, name: &str) -> Result<Remote, RemoteError> {
        if name.is_empty() || name.starts_with('-') {
            return Err(RemoteError { what: "remote", said: format!("`{}` is not a remote", name.escape_debug()) });
        }
        Ok(Remote { name: name.to_owned(), ..self.here() })
    }

    /// No remote, but what runs git here.
    fn here(&self) -> Remote {
        let filtered = self.is_filtered();
        Remote { folder: self.path().to_owned(), start: self.start(), name: String::new(), filtered }
    }

    /// As [`Git::remote`], with relative addresses read from `start`.
    ///
    /// # Errors
    /// As [`Git::remote`].
    pub fn remote_from(&self, name: &str, start: &std::path::Path) -> Result<Remote, RemoteError> {
        Ok(Remote { start: start.to_owned(), ..self.remote(name)? })
    }

    /// Packs loose objects, and small packs into larger ones, so that their sizes make a geometric row: objects are
    /// packed again a number of times that grows with the logarithm of their number. Nothing is removed that a
    /// reference leads to. Not done where the user switched automatic maintenance off (`gc.auto=0`), nor in a filtered clone,
    /// whose packs must stay apart.
    ///
    /// # Errors
    /// [`RemoteError`] if git refuses; nothing is lost then, it only stays unpacked.
    pub fn pack(&self) -> Result<(), RemoteError> {
        let config = self.inner.config().and_then(|mut c| c.snapshot());
        if self.is_filtered() || config.is_ok_and(|c| c.get_i64("gc.auto").is_ok_and(|n| n == 0)) {
            return Ok(());
        }
        let here = self.here();
        // Records differ from their neighbours in the same places: a wider search for differences finds no smaller ones,
        // and costs most of the time.
        let args = ["repack", "--geometric=2", "--window=2", "-d", "-l", "-q", "--no-write-bitmap-index"];
        here.must("repack", &args)?;
        here.must("prune-packed", &["prune-packed", "-q"]).map(drop)
    }

    /// Writes a bundle of what a reference leads to, without what `known` leads to.
    ///
    /// # Errors
    /// [`RemoteError`] if git refuses.
    pub fn bundle(&self, file: &Path, reference: &str, known: Option<ObjectId>) -> Result<(), RemoteError> {
        let here = self.here();
        let file = file.to_string_lossy();
        let without = known.map(|commit| format!("^{commit}"));
        let mut args = vec!["bundle", "create", "-q", &file, reference];
        args.extend(without.as_deref());
        here.must("bundle", &args).map(drop)
    }

    /// Whether history ends somewhere before its beginning in this clone.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.inner.is_shallow()
    }

    /// Where git is started: relative addresses of remotes are read from there, as git does it.
    fn start(&self) -> std::path::PathBuf {
        self.root().unwrap_or_else(|| self.path()).to_owned()
    }

    /// Forgets what libgit2 remembers of the object database, after another program wrote to it.
    ///
    /// # Errors
    /// [`GitError`] if it cannot be read.
    pub fn refresh(&self) -> Result<(), GitError> {
        self.inner.odb().and_then(|odb| odb.refresh()).map_err(GitError::of)
    }
}

impl Remote {
    /// The commit that a reference has at the remote; none if it is not there.
    ///
    /// # Errors
    /// [`RemoteError`] if the remote cannot be read.
    pub fn tip(&self, reference: &str) -> Result<Option<ObjectId>, RemoteError> {
        let said = self.must("ls-remote", &["ls-remote", "--refs", "--", &self.name, reference])?;
        let malformed = || RemoteError { what: "ls-remote", said: "an answer that is not understood".to_owned() };
        for line in said.lines() {
            let (id, name) = line.split_once('\t').ok_or_else(malformed)?;
            if name == reference {
                return id.parse().map(Some).map_err(|_| malformed());
            }
        }
        Ok(None)
    }

    /// Fetches a reference into another one of this repository.
    ///
    /// # Errors
    /// [`RemoteError`] if the remote cannot be read, or sent objects that are not sound.
    pub fn fetch(&self, reference: &str, into: &str) -> Result<(), RemoteError> {
        let refspec = format!("+{reference}:{into}");
        let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", &self.name, &refspec];
        self.must("fetch", &args).map(drop)
    }

    /// Fetches the newest commit of a reference, without those before it.
    ///
    /// # Errors
    /// As [`Remote::fetch`].
    pub fn fetch_newest(&self, reference: &str, into: &str) -> Result<(), RemoteError> {
        let refspec = format!("+{reference}:{into}");
        let args = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--", &self.name, &refspec];
        self.must("fetch", &args).map(drop)
    }

    /// Fetches objects by their ids, and nothing that they lead to.
    ///
    /// # Errors
    /// As [`Remote::fetch`]; git then says `not our ref` of an object that the remote does not have.
    pub(super) fn fetch_objects(&self, ids: &[ObjectId]) -> Result<(), RemoteError> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        // Nothing is negotiated: what is asked for is not here. git fetches missing objects with the same words, but for the
        // filter: its own brings everything below a folder.
        let mut args =
            vec!["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--filter=tree:0", "--no-tags"];
        args.extend(["--no-write-fetch-head", "--no-prune", "--", &self.name]);
        args.extend(ids.iter().map(String::as_str));
        self.must("fetch", &args).map(drop)
    }

    /// Pushes a commit; moved if the server has another one by now.
    ///
    /// # Errors
    /// [`RemoteError`] if the remote cannot be written, for another reason than a lost race.
    pub fn push(&self, commit: ObjectId, reference: &str) -> Result<Swap, RemoteError> {
        let refspec = format!("{commit}:{reference}");
        // Differences to files that the remote has are looked for among those, which are not all here.
        let thin = if self.filtered { "--no-thin" } else { "--thin" };
        let output = self.git(&["push", "--porcelain", "--no-verify", thin, "--", &self.name, &refspec])?;
        if output.status.success() {
            return Ok(Swap::Done);
        }
        let told = String::from_utf8_lossy(&output.stdout);
        let lost = told.lines().filter(|l| l.starts_with('!')).any(|line| {
            ["(fetch first)", "(non-fast-forward)", "(cannot lock ref", "(failed to update ref", "(remote rejected)"]
                .iter()
                .any(|what| line.contains(what) || line.contains("reference already exists"))
                && !line.contains("hook declined")
                && !line.contains("protected")
        });
        if lost { Ok(Swap::Moved) } else { Err(failed("push", &output)) }
    }

    fn must(&self, what: &'static str, args: &[&str]) -> Result<String, RemoteError> {
        let output = self.git(args)?;
        if !output.status.success() {
            return Err(failed(what, &output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn git(&self, args: &[&str]) -> Result<Output, RemoteError> {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&self.folder);
        for setting in SAFE {
            command.args(["-c", setting]);
        }
        command
            .args(args)
            .current_dir(&self.start)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| passes(name)))
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // In a filtered clone, git would fetch whatever it looks at (git 2.45 and newer obey).
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(|e| RemoteError { what: "git", said: format!("the program `git` cannot be started: {e}") })
    }
}

/// Variables that git needs to reach the remote as the user would. None of them decides what is pushed.
fn passes(name: &OsStr) -> bool {
    const NAMES: &[&str] = &[
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SSH_AUTH_SOCK",
        "SSH_ASKPASS",
        "GIT_SSH_COMMAND",
        "GIT_ASKPASS",
        "http_proxy",
        "https_proxy",
        "HTTPS_PROXY",
        "no_proxy",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "GIT_CONFIG_GLOBAL",
        "XDG_CONFIG_HOME",
    ];
    NAMES.iter().any(|n| name == OsStr::new(n))
}

fn failed(what: &'static str, output: &Output) -> RemoteError {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    RemoteError { what, said: lines[lines.len().saturating_sub(4)..].join("; ") }
}
