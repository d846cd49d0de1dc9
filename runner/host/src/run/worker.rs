//! Workers: each prepares a working folder, runs the stage in it and takes the outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orgo_kernel::gate::Admission;
use orgo_kernel::graph::StageId;
use orgo_kernel::key::{Blob, Output, OutputKind, SourceFile, StageKey};
use orgo_spec::ReasonCode;
use orgo_spec::pipeline::Isolation;
use orgo_spec::secret::Redactor;

use crate::clock::Clock;
use crate::file::{At, PathError, Stamp};
use crate::isolation::{Confined, Launchers, hint};
use crate::kept::{Keeper, Scene, Story};
use crate::process::{Ending, Exit, Invocation, Streams, Waker, run};
use crate::sandbox::{Contents, Sandbox, Upstream, stamps};
use crate::store::{Cached, Executor, ObjectError, Seen, Store, contents};
use crate::trace::{Known, Traces};

use super::engine::Message;
use super::heal::heal;
use super::mailbox::{Receiver, Sender};
use super::outcome::Attempt;
use super::redact::Secrets;

/// The most that is kept of what a stage prints.
const MAX_LOG: u64 = 16 << 20;

/// One attempt to be made.
pub(super) struct Job {
    pub(super) stage: StageId,
    pub(super) scene: Scene,
    /// What is known of it, if it is traced.
    pub(super) known: Option<Known>,
    pub(super) contents: Arc<Contents>,
    /// Variables whose values are in no key and in no log.
    pub(super) secrets: Vec<(String, String)>,
    pub(super) timeout: Duration,
    /// How often it is run; its outputs have to be the same every time.
    pub(super) repeat: u32,
    /// Where results go.
    pub(super) out: PathBuf,
    /// What its working folder is kept as if it fails.
    pub(super) keep_as: Option<String>,
    /// Proof that the gate in front of the stage passed, for gated stages. Consumed with the job.
    pub(super) _admission: Option<Admission>,
}

/// What came of an attempt.
pub(super) struct Done {
    pub(super) stage: StageId,
    pub(super) slot: usize,
    pub(super) attempt: Attempt,
    pub(super) made: Option<Made>,
}

/// What a good attempt made.
pub(super) struct Made {
    pub(super) outputs: Arc<Vec<Output>>,
    pub(super) stamps: Vec<Stamp>,
    pub(super) duration_ms: u64,
}

/// A worker's part of a run.
pub(super) struct Worker {
    pub(super) slot: usize,
    pub(super) bench: Bench,
    pub(super) store: Arc<Store>,
    /// The repository, where source files lie.
    pub(super) root: PathBuf,
    pub(super) clock: Clock,
    pub(super) executor: Executor,
    pub(super) secrets: Arc<Secrets>,
    /// Where working folders of stages go that failed.
    pub(super) keeper: Arc<Keeper>,
    /// Where what stages touch is told, if they are traced.
    pub(super) traces: Option<Arc<Traces>>,
    pub(super) waker: Waker,
    pub(super) jobs: Receiver<Job>,
    pub(super) done: Sender<Message>,
}

/// What a worker keeps from one attempt to the next.
pub(super) struct Bench {
    sandbox: Sandbox,
    /// Where stages print; emptied after each attempt.
    log: File,
    /// What stages read: nothing.
    input: File,
    launchers: Launchers,
}

impl Bench {
    /// Makes the bench of the worker `slot`, with a working folder below `work`.
    ///
    /// # Errors
    /// [`PathError`] if a folder or a file cannot be made.
    pub(super) fn new(work: &Path, slot: usize) -> Result<Self, PathError> {
        let null = Path::new("/dev/null");
        Ok(Self {
            sandbox: Sandbox::new(work, &slot.to_string())?,
            log: tempfile::tempfile_in(work).at("create a file in", work)?,
            input: File::open(null).at("open", null)?,
            launchers: Launchers::default(),
        })
    }

    /// What stages print, to be read while they do.
    pub(super) fn log(&self) -> Result<File, PathError> {
        self.log.try_clone().at("share", Path::new("the log"))
    }
}

impl Worker {
    /// Takes jobs until there are no more.
    pub(super) fn work(mut self) {
        while let Some(job) = self.jobs.recv() {
            let started_ms = self.clock.now_ms();
            let mut exit = None;
            let result = self.attempt(&job, &mut exit);
            let printed =
                take_log(&mut self.bench.log, &self.secrets.redactor(&job.scene.env, &job.secrets), &self.store);
            let ended_ms = self.clock.now_ms();
            let (made, code, message) = match result {
                Ok(made) => (Some(made), None, None),
                Err((code, message)) => (None, Some(code), message),
            };
            let (printed, code, message) = match printed {
                Ok(printed) => (printed, code, message),
                Err(e) => {
                    let (fault, why) = internal(&e);
                    (None, code.or(Some(fault)), message.or(why))
                }
            };
            let hint = self.hint(&job, exit, printed);
            let made = made.filter(|_| code.is_none()).map(|mut made| {
                made.duration_ms = u64::try_from(ended_ms - started_ms).unwrap_or(0);
                made
            });
            if let Some(made) = &made {
                let cached = Cached {
                    schema: 1,
                    key: job.scene.key,
                    outputs: Arc::clone(&made.outputs),
                    log: printed,
                    isolation: job.scene.isolation,
                    executor: self.executor.clone(),
                    duration_ms: made.duration_ms,
                    origin: None,
                };
                // What cannot be stored is still used in this run; the next one runs the stage again.
                if let Ok(Some(before)) = self.store.set_result(&cached) {
                    let seen = if before.origin.is_some() { Seen::Foreign } else { Seen::Run };
                    self.varied(job.scene.key, seen, &before.outputs, &cached.outputs);
                }
            }
            let kept = code.is_some_and(|code| self.keep(&job, exit, ended_ms, code, message.as_ref()));
            let attempt = Attempt { started_ms, ended_ms, exit, code, message, hint, log: printed, kept };
            let done = Done { stage: job.stage, slot: self.slot, attempt, made };
            if !self.done.send(Message::Done(done)) {
                return;
            }
        }
    }

    /// Runs a stage as often as is asked for, and takes its outputs, if they are the same every time.
    fn attempt(&mut self, job: &Job, exit: &mut Option<Exit>) -> Result<Made, (ReasonCode, Option<String>)> {
        let outputs = self.once(job, exit)?;
        for time in 2..=job.repeat {
            let again = self.once(job, exit)?;
            if again != outputs {
                self.varied(job.scene.key, Seen::Repeat, &outputs, &again);
                let message = format!("time {time}: {}", differences(&outputs, &again));
                return Err((ReasonCode::OutputNondeterministic, Some(message)));
            }
        }
        let sandbox = &self.bench.sandbox;
        sandbox.hand_over(&job.contents.outs, &job.out).map_err(|e| internal(&e))?;
        let stamps = stamps(&outputs, &job.out).map_err(|e| internal(&e))?.unwrap_or_default();
        Ok(Made { outputs: Arc::new(outputs), stamps, duration_ms: 0 })
    }

    /// Fills the working folder, runs the stage in it, and stores what it made.
    fn once(&mut self, job: &Job, exit: &mut Option<Exit>) -> Result<Vec<Output>, (ReasonCode, Option<String>)> {
        let Bench { sandbox, log, input, launchers } = &mut self.bench;
        fill(sandbox, &job.contents, &self.root, &self.store).map_err(|e| match e {
            ObjectError::Missing(_) | ObjectError::Corrupt(_) => (ReasonCode::StoreCorrupt, Some(e.to_string())),
            ObjectError::Path(e) => internal(&e),
        })?;
        let annex = match &job.scene.confinement {
            None => None,
            Some(confinement) => Some((confinement, sandbox.annex().map_err(|e| internal(&e))?)),
        };
        if job.scene.isolation == Isolation::Hermetic {
            sandbox.fix_times().map_err(|e| internal(&e))?;
        }
        let confined = annex.as_ref().map(|(confinement, annex)| Confined {
            confinement,
            temporary: &annex.temporary,
            mount_point: &annex.mount_point,
            launchers: &mut *launchers,
        });
        let program = sandbox.root().join(&job.scene.program); // an absolute path stays what it is
        let env = [job.scene.env.as_slice(), &job.secrets].concat();
        let invocation = Invocation {
            program: &program,
            argv: &job.scene.argv,
            env: &env,
            folder: sandbox.root(),
            streams: Streams::Files { input, log },
            timeout: job.timeout,
            ending: Ending::default(),
            confined,
        };
        let end = run(invocation, &self.waker);
        if let (Some(traces), Some(known)) = (&self.traces, &job.known) {
            traces.add(known, sandbox.root(), &launchers.seen());
        }
        let end = end.map_err(|e| (e.code(), Some(e.to_string())))?;
        *exit = Some(end);
        if let Some(code) = end.code() {
            return Err((code, None));
        }
        sandbox.collect(&job.contents.outs, &self.store).map_err(|e| (e.code(), Some(e.to_string())))
    }
}

/// The first outputs that are not the same in two lists, both sorted by path.
fn differences(one: &[Output], other: &[Output]) -> String {
    const MOST: usize = 3;
    let known: BTreeMap<&str, &Output> = one.iter().map(|o| (o.path.as_str(), o)).collect();
    let again: BTreeMap<&str, &Output> = other.iter().map(|o| (o.path.as_str(), o)).collect();
    let paths: BTreeSet<&str> = known.keys().chain(again.keys()).copied().collect();
    let mut told: Vec<String> = paths
        .into_iter()
        .filter(|path| known.get(path) != again.get(path))
        .map(|path| match (known.get(path), again.get(path)) {
            (Some(one), Some(other)) => format!("`{path}` was {}, and is {}", content(one), content(other)),
            (Some(_), None) => format!("`{path}` is not there any more"),
            (None, _) => format!("`{path}` is new"),
        })
        .collect();
    let more = told.len().saturating_sub(MOST);
    told.truncate(MOST);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{more}", told.join("; "))
}

fn content(output: &Output) -> String {
    match &output.kind {
        OutputKind::File { blob, executable } => {
            format!("{} of {} bytes{}", blob.digest, blob.size_bytes, if *executable { ", executable" } else { "" })
        }
        OutputKind::Link(target) => format!("a link to `{target}`"),
        OutputKind::EmptyFolder => "an empty folder".to_owned(),
    }
}

impl Worker {
    /// Keeps that a key made different results; where that cannot be written, only this run tells of it.
    fn varied(&self, key: StageKey, seen: Seen, one: &[Output], other: &[Output]) {
        let _ = self.store.set_varied(key, seen, &contents(one), &contents(other), self.clock.now_ms());
    }

    /// Keeps what a stage left that ran and failed; says whether it did.
    fn keep(&self, job: &Job, exit: Option<Exit>, ended_ms: i64, code: ReasonCode, message: Option<&String>) -> bool {
        let ran = exit.filter(|exit| *exit != Exit::Cancelled);
        let of_the_machine = matches!(code, ReasonCode::NoSpace | ReasonCode::ReadOnly | ReasonCode::InternalError);
        let (Some(stage), Some(exit), false) = (&job.keep_as, ran, of_the_machine) else { return false };
        let story = Story::new(job.scene.clone(), ended_ms, code, exit.exit_code(), message.cloned());
        self.keeper.keep(&self.bench.sandbox, stage, &story)
    }

    /// What a stage that failed within a confinement may have touched.
    fn hint(&self, job: &Job, exit: Option<Exit>, printed: Option<Blob>) -> Option<String> {
        let confinement = job.scene.confinement.as_ref()?;
        exit.and_then(Exit::exit_code).filter(|code| *code != 0)?;
        let log = self.store.get(printed?.digest).ok()?;
        hint(confinement, &log)
    }
}

/// Fills the working folder; objects that are lost or damaged are taken from `out/`, or from the source files below
/// `root`, if these are as they were.
pub(super) fn fill(sandbox: &mut Sandbox, contents: &Contents, root: &Path, store: &Store) -> Result<(), ObjectError> {
    let most = contents.files.len() + contents.upstream.iter().map(|u| u.outputs.len()).sum::<usize>();
    for _ in 0..most {
        match sandbox.fill(contents, store) {
            Err(ObjectError::Missing(digest) | ObjectError::Corrupt(digest)) => {
                let file = |f: &SourceFile| OutputKind::File { blob: f.blob, executable: f.executable };
                let files = contents.files.iter().map(|f| Output { path: f.path.clone(), kind: file(f) });
                let outputs = Arc::new(files.collect());
                let sources = Upstream { at: String::new(), outputs, shown: root.to_owned() };
                heal(digest, contents.upstream.iter().chain([&sources]), store)?;
            }
            other => return other,
        }
    }
    sandbox.fill(contents, store)
}

fn internal(error: &PathError) -> (ReasonCode, Option<String>) {
    (error.reason().unwrap_or(ReasonCode::InternalError), Some(explain(error)))
}

pub(super) fn explain(error: &PathError) -> String {
    format!("{error}: {}", error.io())
}

/// Moves what was printed, without its secrets, into the store and empties the file.
pub(super) fn take_log(log: &mut File, redactor: &Redactor, store: &Store) -> Result<Option<Blob>, PathError> {
    let path = Path::new("the log");
    let size = log.metadata().at("read the status of", path)?.len();
    if size == 0 {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let mut redaction = redactor.stream();
    let mut piece = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(64 << 10)];
    let mut left = MAX_LOG;
    log.rewind().at("read", path)?;
    loop {
        let limit = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match log.read(&mut piece[..limit]) {
            Ok(0) => break,
            Ok(n) => {
                redaction.push(&piece[..n], &mut bytes);
                left -= n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e).at("read", path),
        }
    }
    if size > MAX_LOG {
        // What could not be judged any more is dropped: it may be the first half of a secret.
        drop(redaction);
        bytes.extend_from_slice(
            format!("\n[the log goes on for about {} bytes that were not kept]\n", size - MAX_LOG).as_bytes(),
        );
    } else {
        redaction.finish(&mut bytes);
    }
    log.set_len(0).at("empty", path)?;
    log.rewind().at("rewind", path)?;
    store.put(&bytes).map(Some)
}
