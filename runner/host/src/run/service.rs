//! Services: started for the stages that need them, asked whether they are ready, and ended with all they started.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orgo_kernel::key::Blob;
use orgo_kernel::plan::{Readiness, ResolvedService};
use orgo_spec::Digest;
use orgo_spec::pipeline::{Isolation, StopSignal};

use crate::clock::Clock;
use crate::file::{At, PathError};
use crate::isolation::{Confined, Confinement, Launchers};
use crate::process::{Ending, Exit, Invocation, Streams, Waker, run};
use crate::sandbox::{Annex, Contents, Sandbox};
use crate::store::Store;

use super::engine::Message;
use super::mailbox::Sender;
use super::redact::Secrets;
use super::worker::{explain, take_log};

/// How long between two questions whether a service is ready.
const ASK: Duration = Duration::from_millis(50);
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(5);
/// No service runs for longer.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A service whose files and programs are known.
#[derive(Debug, Clone)]
pub(super) struct PreparedService {
    /// Digest over everything that it is: what enters the keys of its stages.
    pub(super) digest: Digest,
    pub(super) contents: Arc<Contents>,
    pub(super) program: PathBuf,
    /// The program that tells whether it is ready.
    pub(super) probe: Option<PathBuf>,
    /// What is kept away from it, and from that program; nothing at `open`.
    pub(super) confinement: Option<Confinement>,
}

/// How a service ended.
pub(super) struct ServiceEnd {
    pub(super) service: u32,
    pub(super) started_ms: i64,
    pub(super) ended_ms: i64,
    /// Why it ended by itself; nothing if it was told to.
    pub(super) fault: Option<String>,
    pub(super) log: Option<Blob>,
}

/// A service that runs; it is ended when this is dropped.
pub(super) struct Running {
    stop: Arc<Stop>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Tells a service, and who asks whether it is ready, that it is over.
struct Stop {
    said: AtomicBool,
    service: Waker,
    probe: Waker,
}

impl Stop {
    fn say(&self) {
        self.said.store(true, Ordering::SeqCst);
        self.service.wake();
        self.probe.wake();
    }

    fn is_said(&self) -> bool {
        self.said.load(Ordering::SeqCst)
    }
}

/// What the thread of a service needs.
pub(super) struct Attendant {
    pub(super) service: u32,
    pub(super) declared: ResolvedService,
    pub(super) prepared: PreparedService,
    pub(super) work: PathBuf,
    pub(super) store: Arc<Store>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) clock: Clock,
    pub(super) messages: Sender<Message>,
}

impl Running {
    /// Starts a service; what becomes of it comes as messages.
    ///
    /// # Errors
    /// [`PathError`] if the system has no descriptors left.
    pub(super) fn start(attendant: Attendant) -> Result<Self, PathError> {
        let waker = || Waker::new().at("make a descriptor for", &attendant.work);
        let stop = Arc::new(Stop { said: AtomicBool::new(false), service: waker()?, probe: waker()? });
        let seen = Arc::clone(&stop);
        Ok(Self { stop, thread: Some(std::thread::spawn(move || attendant.attend(&seen))) })
    }

    /// Tells it to end, and does not wait.
    pub(super) fn dismiss(&self) {
        self.stop.say();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.say();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // what it has to say is in the channel
        }
    }
}

impl Attendant {
    fn attend(self, stop: &Stop) {
        let started_ms = self.clock.now_ms();
        let (fault, log) = match self.serve(stop) {
            Ok((fault, log)) => (fault, log),
            Err(message) => (Some(message), None),
        };
        let ended_ms = self.clock.now_ms();
        let end = ServiceEnd { service: self.service, started_ms, ended_ms, fault, log };
        let _ = self.messages.send(Message::ServiceEnded(end)); // nobody listens after the run
    }

    /// Runs the service to its end; says why it ended by itself, and what it printed.
    fn serve(&self, stop: &Stop) -> Result<(Option<String>, Option<Blob>), String> {
        let told = |e: &PathError| explain(e);
        let mut sandbox = Sandbox::new(&self.work, &format!("service-{}", self.declared.name)).map_err(|e| told(&e))?;
        sandbox.fill(&self.prepared.contents, &self.store).map_err(|e| e.to_string())?;
        if self.declared.isolation == Isolation::Hermetic {
            sandbox.fix_times().map_err(|e| told(&e))?;
        }
        // Who asks has a place for temporary files of its own: it is emptied for each question.
        let mut beside = Sandbox::new(&self.work, &format!("probe-{}", self.declared.name)).map_err(|e| told(&e))?;
        let (annex, launchers) = (self.annex(&mut sandbox)?, &mut Launchers::default());
        let temporary = || tempfile::tempfile_in(&self.work).at("create a file in", &self.work).map_err(|e| told(&e));
        let (mut log, quiet) = (temporary()?, temporary()?);
        let null = std::path::Path::new("/dev/null");
        let input = std::fs::File::open(null).at("open", null).map_err(|e| told(&e))?;
        let program = sandbox.root().join(&self.prepared.program);
        let invocation = Invocation {
            program: &program,
            argv: &self.declared.argv,
            env: &self.declared.env,
            folder: sandbox.root(),
            streams: Streams::Files { input: &input, log: &log },
            timeout: LONGEST,
            ending: Ending {
                signal: self.declared.stop_signal,
                grace: Duration::from_millis(self.declared.stop_timeout_ms),
            },
            confined: self.confined(annex.as_ref(), launchers),
        };
        let (ended, late) = std::thread::scope(|scope| {
            let folder = sandbox.root();
            let (input, quiet) = (&input, &quiet);
            let probe = scope.spawn(|| self.wait_until_ready(folder, &mut beside, (input, quiet), stop));
            let ended = run(invocation, &stop.service);
            let asked_to = stop.is_said();
            stop.say();
            (ended.map(|exit| (exit, asked_to)), probe.join().unwrap_or(true))
        });
        let redactor = self.secrets.redactor(&self.declared.env, &[]);
        let log = take_log(&mut log, &redactor, &self.store).map_err(|e| told(&e))?;
        let fault = match ended {
            Err(e) => Some(e.to_string()),
            Ok(_) if late => Some(format!("it was not ready after {} ms", self.declared.ready_timeout_ms)),
            Ok((_, true)) => None,
            Ok((Exit::Code(code), false)) => Some(format!("it ended by itself with exit code {code}")),
            Ok((Exit::Signal(signal), false)) => Some(format!("it was ended by signal {signal}")),
            Ok((Exit::Timeout | Exit::Cancelled, false)) => Some("it was ended".to_owned()),
        };
        Ok((fault, log))
    }

    /// The folders that its level needs beside the working folder.
    fn annex(&self, sandbox: &mut Sandbox) -> Result<Option<Annex>, String> {
        let needed = self.prepared.confinement.is_some();
        needed.then(|| sandbox.annex().map_err(|e| explain(&e))).transpose()
    }

    fn confined<'c>(&'c self, annex: Option<&'c Annex>, launchers: &'c mut Launchers) -> Option<Confined<'c>> {
        let (confinement, annex) = self.prepared.confinement.as_ref().zip(annex)?;
        let Annex { temporary, mount_point } = annex;
        Some(Confined { confinement, temporary, mount_point, launchers })
    }

    /// Asks until the service is ready; says whether that took too long.
    fn wait_until_ready(
        &self,
        folder: &std::path::Path,
        beside: &mut Sandbox,
        (input, quiet): (&std::fs::File, &std::fs::File),
        stop: &Stop,
    ) -> bool {
        let mut launchers = Launchers::default();
        let deadline = Instant::now() + Duration::from_millis(self.declared.ready_timeout_ms);
        while !stop.is_said() {
            let ready = match &self.declared.ready {
                Readiness::Started => true,
                Readiness::Port(port) => {
                    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
                    TcpStream::connect_timeout(&address, ANSWER).is_ok()
                }
                Readiness::Program(argv) => self.annex(beside).is_ok_and(|annex| {
                    let program = folder.join(self.prepared.probe.as_deref().unwrap_or(std::path::Path::new("")));
                    let question = Invocation {
                        program: &program,
                        argv,
                        env: &self.declared.env,
                        folder,
                        streams: Streams::Files { input, log: quiet },
                        timeout: ANSWER,
                        ending: Ending { signal: StopSignal::Kill, grace: Duration::ZERO },
                        confined: self.confined(annex.as_ref(), &mut launchers),
                    };
                    matches!(run(question, &stop.probe), Ok(Exit::Code(0)))
                }),
            };
            if stop.is_said() {
                return false;
            }
            if ready {
                let _ = self.messages.send(Message::ServiceReady(self.service));
                return false;
            }
            if Instant::now() >= deadline {
                stop.service.wake();
                return true;
            }
            std::thread::sleep(ASK);
        }
        false
    }
}
