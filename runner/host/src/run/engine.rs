//! The loop that feeds the scheduler.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use orgo_kernel::graph::StageId;
use orgo_kernel::key::Tree;
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::{Command, Event, Options, Scheduler, State, Verdict};
use orgo_kernel::why::Why;
use orgo_spec::ReasonCode;

use crate::clock::Clock;
use crate::file::{At, PathError};
use crate::journal::{Entry, Journal};
use crate::memory::Remembered;
use crate::process::{Exit, Waker};
use crate::store::Executor;
use crate::workspace::{Workspace, WorkspaceError};

use super::gatekeeper::GatePolicy;
use super::look::{Lookup, Planner, Prepared};
use super::outcome::{Attempt, GateOutcome, RunOutcome, StageOutcome};
use super::problem::Problem;
use super::redact::Secrets;
use super::secrets::SecretValues;
use super::worker::{Bench, Done, Job, Worker};

/// How a run is to behave.
pub struct RunOptions<'r> {
    /// The run's id (a UUID).
    pub run: String,
    /// How many stages run at a time.
    pub jobs: u32,
    /// Whether stages that do not depend on a failure still run.
    pub keep_going: bool,
    /// Stages whose cached results are not used.
    pub force: &'r [bool],
    /// Stages that are part of the run.
    pub wanted: &'r [bool],
    /// Stages that are not part of the run because their condition does not hold.
    pub withheld: &'r [bool],
    /// The file of the key of keyed digests of secrets.
    pub secret_key: PathBuf,
    /// The file that built-in tools are run from.
    pub binary: PathBuf,
    /// The version of the program that runs stages, as it stands in cache entries.
    pub version: String,
    /// What gates read.
    pub gates: GatePolicy,
    /// The clock.
    pub clock: Clock,
    /// Called once, before the first stage starts or the first gate refuses; if it says no, the run ends there.
    pub before_work: &'r dyn Fn() -> bool,
}

/// Why a run could not be carried through.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RunError {
    /// The running program's own file cannot be read.
    #[error("cannot identify the running program: {message}")]
    Binary {
        /// What went wrong.
        message: String,
    },
    /// What had to be done before the first work could not be done.
    #[error("the run was not begun: its start could not be recorded")]
    NotBegun,
    /// The workspace cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Path(#[from] PathError),
}

/// Something that reporters may want to show.
#[derive(Debug)]
pub enum Notice<'n> {
    /// A stage was answered from the cache.
    Hit(StageId),
    /// A stage has to run.
    Miss(StageId, &'n [Why]),
    /// An attempt started.
    Started(StageId, u32),
    /// An attempt ended.
    Ended(StageId, u32, &'n Attempt),
    /// A gate was decided.
    Gate(&'n GateOutcome),
    /// A stage could not be planned.
    Unplanned(StageId, &'n str),
    /// A stage will not run.
    Skipped(StageId),
}

/// What workers and signal handlers send.
pub(super) enum Message {
    Done(Done),
    Cancel,
}

/// Runs a plan.
///
/// # Errors
/// [`RunError`] if the workspace is busy or the system refuses; failed stages are part of the outcome.
pub fn run(
    plan: &Resolved,
    workspace: &Workspace,
    options: &RunOptions<'_>,
    notices: &mut dyn FnMut(Notice<'_>),
) -> Result<RunOutcome, RunError> {
    let _lock = workspace.lock()?;
    let store = Arc::new(workspace.open_store()?);
    let mut planner = Planner::open(plan, workspace, Arc::clone(&store), options.binary.clone())?;
    let digest = planner.binary_digest().map_err(|problem| RunError::Binary { message: problem.message })?;
    let executor = Executor { name: "orgo".to_owned(), version: options.version.clone(), digest };
    let journal = Journal::create(&workspace.runs(), &plan.name, &options.run)?;
    planner.set_secrets(SecretValues::new(&options.secret_key));
    let wanted: Vec<bool> = options.wanted.iter().zip(options.withheld).map(|(w, left)| *w && !left).collect();
    if !options.force.contains(&true) && planner.unchanged(&wanted)? {
        return recall(plan, options, executor, planner, journal, notices);
    }
    let (sender, messages) = unbounded();
    let _signals = super::signals::watch(sender.clone())?;
    let mut scheduler = Scheduler::new(
        plan,
        &wanted,
        Options { jobs: options.jobs, keep_going: options.keep_going, run: options.run.clone() },
    );
    scheduler.withhold(plan.graph.stages().filter(|id| options.withheld[id.index()]));
    let engine = Engine {
        plan,
        workspace,
        options,
        executor,
        secrets: Arc::new(Secrets::of_this_process()),
        planner,
        journal,
        scheduler,
        outcomes: vec![blank(); plan.stages.len()],
        gates: Vec::new(),
        prepared: HashMap::new(),
        slots: Vec::new(),
        idle: Vec::new(),
        busy: HashMap::new(),
        sender,
        cancelled: false,
        begun: false,
    };
    engine.run(&messages, notices)
}

/// Ends a run in which nothing changed.
fn recall(
    plan: &Resolved,
    options: &RunOptions<'_>,
    executor: Executor,
    mut planner: Planner<'_>,
    mut journal: Journal,
    notices: &mut dyn FnMut(Notice<'_>),
) -> Result<RunOutcome, RunError> {
    let started_ms = options.clock.now_ms();
    journal.add(&Entry::Begin { pipeline: plan.name.clone(), at_ms: started_ms });
    let mut stages = Vec::with_capacity(plan.stages.len());
    for id in plan.graph.stages() {
        let mut outcome = blank();
        if options.withheld[id.index()] {
            outcome.state = State::Skipped(ReasonCode::ConditionNotMet);
        } else if options.wanted[id.index()] {
            outcome.state = State::Done { hit: true };
            outcome.files = planner.files(id);
            outcome.recall(planner.recall(id));
            notices(Notice::Hit(id));
        } else {
            outcome.state = State::Skipped(ReasonCode::RunCancelled);
        }
        stages.push(outcome);
    }
    let outcome = RunOutcome {
        run: options.run.clone(),
        started_ms,
        ended_ms: options.clock.now_ms(),
        executor,
        stages,
        gates: Vec::new(),
        cancelled: false,
        changed_sources: planner.sources().changed()?,
    };
    journal.flush()?;
    planner.save()?;
    Ok(outcome)
}

fn blank() -> StageOutcome {
    StageOutcome {
        state: State::Waiting,
        keyed: None,
        why: Vec::new(),
        files: Vec::new(),
        outputs: Arc::default(),
        tree: None,
        log: None,
        isolation: None,
        attempts: Vec::new(),
    }
}

struct Slot {
    jobs: Sender<Job>,
    waker: Waker,
    thread: std::thread::JoinHandle<()>,
}

struct Engine<'p, 'r> {
    plan: &'p Resolved,
    workspace: &'p Workspace,
    options: &'r RunOptions<'r>,
    executor: Executor,
    secrets: Arc<Secrets>,
    planner: Planner<'p>,
    journal: Journal,
    scheduler: Scheduler<'p>,
    outcomes: Vec<StageOutcome>,
    gates: Vec<GateOutcome>,
    prepared: HashMap<StageId, Prepared>,
    slots: Vec<Slot>,
    idle: Vec<usize>,
    busy: HashMap<StageId, usize>,
    sender: Sender<Message>,
    cancelled: bool,
    /// Whether `before_work` was called.
    begun: bool,
}

impl Engine<'_, '_> {
    fn run(
        mut self,
        messages: &Receiver<Message>,
        notices: &mut dyn FnMut(Notice<'_>),
    ) -> Result<RunOutcome, RunError> {
        let started_ms = self.options.clock.now_ms();
        self.journal.add(&Entry::Begin { pipeline: self.plan.name.clone(), at_ms: started_ms });
        let mut queue: VecDeque<Command> = self.scheduler.begin().into();
        loop {
            while let Some(command) = queue.pop_front() {
                if let Some(event) = self.carry_out(command, notices)? {
                    queue.extend(self.scheduler.step(event));
                }
                while let Ok(message) = messages.try_recv() {
                    let event = self.take(message, notices);
                    queue.extend(self.scheduler.step(event));
                }
            }
            if self.scheduler.is_finished() && self.busy.is_empty() {
                break;
            }
            let Some(message) = self.next(messages)? else { break };
            let event = self.take(message, notices);
            queue.extend(self.scheduler.step(event));
        }
        self.finish(started_ms, notices)
    }

    /// Waits for a message; what the journal has to say is written before a long wait.
    fn next(&mut self, messages: &Receiver<Message>) -> Result<Option<Message>, PathError> {
        match messages.recv_timeout(self.journal.patience()) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                self.journal.flush()?;
                Ok(messages.recv().ok())
            }
        }
    }

    fn finish(mut self, started_ms: i64, notices: &mut dyn FnMut(Notice<'_>)) -> Result<RunOutcome, RunError> {
        let wrote = !self.slots.is_empty();
        for slot in self.slots.drain(..) {
            drop(slot.jobs);
            let _ = slot.thread.join(); // a worker that panicked has already said so
        }
        for (i, outcome) in self.outcomes.iter_mut().enumerate() {
            let id = StageId(u32::try_from(i).expect("ids are u32"));
            outcome.state = self.scheduler.state(id);
            if outcome.files.is_empty() && matches!(outcome.state, State::Done { .. }) {
                outcome.files = self.planner.files(id);
            }
            if matches!(outcome.state, State::Skipped(_)) && self.options.wanted[i] {
                notices(Notice::Skipped(id));
            }
            if self.options.wanted[i] && !matches!(outcome.state, State::Done { .. }) {
                // `out/` shows what this run stands behind, never what an earlier one did.
                crate::file::remove_tree(&self.workspace.out(&self.plan.name, &self.plan.stage(id).name))?;
            }
        }
        if wrote {
            self.planner.store().flush()?;
        }
        let outcome = RunOutcome {
            run: self.options.run.clone(),
            started_ms,
            ended_ms: self.options.clock.now_ms(),
            executor: self.executor,
            stages: self.outcomes,
            gates: self.gates,
            cancelled: self.cancelled,
            changed_sources: self.planner.sources().changed()?,
        };
        self.journal.flush()?;
        self.planner.save()?;
        Ok(outcome)
    }

    /// Carries out one command; what can be answered at once comes back as an event.
    fn carry_out(&mut self, command: Command, notices: &mut dyn FnMut(Notice<'_>)) -> Result<Option<Event>, RunError> {
        Ok(match command {
            Command::Decide(stage) => Some(self.decide(stage, notices)?),
            Command::Look { stage, admission } => {
                let force = self.options.force[stage.index()] || !self.outcomes[stage.index()].attempts.is_empty();
                match self.planner.look(stage, admission.as_ref(), force) {
                    Ok(lookup) => {
                        let hit = self.looked(stage, lookup, notices);
                        Some(Event::Looked { stage, hit, admission })
                    }
                    Err(problem) => Some(self.unplanned(stage, problem, notices)),
                }
            }
            Command::Start { stage, attempt, admission } => {
                self.begin_work()?;
                match SecretValues::variables(self.plan.stage(stage)) {
                    Ok(secrets) => {
                        notices(Notice::Started(stage, attempt));
                        self.start(stage, attempt, secrets, admission)?;
                        None
                    }
                    Err(problem) => Some(self.unplanned(stage, problem, notices)),
                }
            }
            Command::Kill(stage) => {
                if let Some(slot) = self.busy.get(&stage) {
                    self.slots[*slot].waker.wake();
                }
                None
            }
        })
    }

    /// Lets the caller do what has to be done before anything happens.
    fn begin_work(&mut self) -> Result<(), RunError> {
        if !std::mem::replace(&mut self.begun, true) && !(self.options.before_work)() {
            return Err(RunError::NotBegun);
        }
        Ok(())
    }

    fn decide(&mut self, stage: StageId, notices: &mut dyn FnMut(Notice<'_>)) -> Result<Event, RunError> {
        let (verdict, outcome) =
            super::gatekeeper::decide(self.plan, stage, &self.planner, &self.options.gates, &self.options.run);
        if matches!(verdict, Verdict::Fail(_)) {
            self.begin_work()?;
            let key = self.planner.prepare(stage).ok().map(|prepared| {
                self.outcomes[stage.index()].keyed = Some(prepared.keyed.clone());
                self.outcomes[stage.index()].files.clone_from(&prepared.contents.files);
                prepared.keyed.key
            });
            self.journal.add(&Entry::Refused {
                stage: self.plan.stage(stage).name.clone(),
                gate: outcome.record.gate.clone(),
                key,
                codes: outcome.record.reason_codes.clone(),
            });
        }
        notices(Notice::Gate(&outcome));
        self.gates.push(outcome);
        Ok(Event::Decided { stage, verdict })
    }

    fn looked(&mut self, stage: StageId, lookup: Lookup, notices: &mut dyn FnMut(Notice<'_>)) -> bool {
        let outcome = &mut self.outcomes[stage.index()];
        let name = || self.plan.stage(stage).name.clone();
        match lookup {
            Lookup::Hit { remembered, new_key } => {
                if new_key {
                    self.journal.add(&Entry::Hit { stage: name(), key: remembered.keyed.key });
                }
                outcome.recall(*remembered);
                notices(Notice::Hit(stage));
                true
            }
            Lookup::Miss { prepared, why } => {
                self.journal.add(&Entry::Miss { stage: name(), key: prepared.keyed.key, reasons: why.clone() });
                notices(Notice::Miss(stage, &why));
                outcome.keyed = Some(prepared.keyed.clone());
                if outcome.why.is_empty() {
                    outcome.why = why;
                }
                outcome.files.clone_from(&prepared.contents.files);
                self.prepared.insert(stage, *prepared);
                false
            }
        }
    }

    fn unplanned(&mut self, stage: StageId, problem: Problem, notices: &mut dyn FnMut(Notice<'_>)) -> Event {
        let now = self.options.clock.now_ms();
        notices(Notice::Unplanned(stage, &problem.message));
        let attempt = Attempt {
            started_ms: now,
            ended_ms: now,
            exit: None,
            code: Some(problem.code),
            message: Some(problem.message),
            log: None,
        };
        self.journal_end(stage, 0, &attempt);
        self.outcomes[stage.index()].attempts.push(attempt);
        Event::Refused { stage, code: problem.code }
    }

    fn start(
        &mut self,
        stage: StageId,
        attempt: u32,
        secrets: Vec<(String, String)>,
        admission: Option<orgo_kernel::gate::Admission>,
    ) -> Result<(), RunError> {
        let slot = match self.idle.pop() {
            Some(slot) => slot,
            None => self.add_slot()?,
        };
        let resolved = self.plan.stage(stage);
        let prepared = self.prepared.remove(&stage).expect("a stage is looked up before it starts");
        self.journal.add(&Entry::Start {
            stage: resolved.name.clone(),
            key: prepared.keyed.key,
            attempt,
            at_ms: self.options.clock.now_ms(),
        });
        let job = Job {
            stage,
            key: prepared.keyed.key,
            contents: Arc::clone(&prepared.contents),
            program: prepared.program.clone(),
            argv: orgo_kernel::key::arguments(resolved),
            env: resolved.env.to_vec(),
            secrets,
            timeout: Duration::from_millis(resolved.timeout_ms),
            isolation: resolved.isolation,
            out: self.workspace.out(&self.plan.name, &resolved.name),
            _admission: admission,
        };
        self.prepared.insert(stage, prepared);
        self.busy.insert(stage, slot);
        self.slots[slot].waker.reset();
        let sent = self.slots[slot].jobs.send(job);
        sent.expect("a worker takes jobs until its channel is closed");
        Ok(())
    }

    fn add_slot(&mut self) -> Result<usize, PathError> {
        let slot = self.slots.len();
        let (jobs, receiver) = unbounded();
        let waker = Waker::new().at("make a descriptor for", &self.workspace.work())?;
        let worker = Worker {
            slot,
            bench: Bench::new(&self.workspace.work(), slot)?,
            store: Arc::clone(self.planner.store()),
            clock: self.options.clock.clone(),
            executor: self.executor.clone(),
            secrets: Arc::clone(&self.secrets),
            waker: waker.clone(),
            jobs: receiver,
            done: self.sender.clone(),
        };
        let thread = std::thread::spawn(move || worker.work());
        self.slots.push(Slot { jobs, waker, thread });
        Ok(slot)
    }

    fn take(&mut self, message: Message, notices: &mut dyn FnMut(Notice<'_>)) -> Event {
        let done = match message {
            Message::Cancel => {
                self.cancelled = true;
                return Event::Cancel;
            }
            Message::Done(done) => done,
        };
        let stage = done.stage;
        self.busy.remove(&stage);
        self.idle.push(done.slot);
        let prepared = self.prepared.remove(&stage);
        let number = u32::try_from(self.outcomes[stage.index()].attempts.len()).unwrap_or(0) + 1;
        let end = match (done.attempt.code, done.made, prepared) {
            (None, Some(made), Some(prepared)) => {
                let tree = Tree::of_outputs(&made.outputs).expect("collected paths are distinct").blob();
                let outcome = &mut self.outcomes[stage.index()];
                outcome.outputs = Arc::clone(&made.outputs);
                outcome.tree = Some(tree);
                outcome.isolation = Some(self.plan.stage(stage).isolation);
                outcome.log = done.attempt.log;
                self.planner.made(
                    stage,
                    Remembered {
                        fingerprint: prepared.fingerprint,
                        keyed: prepared.keyed,
                        outputs: made.outputs,
                        tree,
                        stamps: made.stamps,
                        log: done.attempt.log,
                        isolation: self.plan.stage(stage).isolation,
                        duration_ms: made.duration_ms,
                    },
                );
                Ok(())
            }
            (code, _, _) => Err(code.unwrap_or(ReasonCode::InternalError)),
        };
        self.outcomes[stage.index()].log = done.attempt.log;
        self.journal_end(stage, number, &done.attempt);
        notices(Notice::Ended(stage, number, &done.attempt));
        self.outcomes[stage.index()].attempts.push(done.attempt);
        Event::Ended { stage, end }
    }

    fn journal_end(&mut self, stage: StageId, attempt: u32, end: &Attempt) {
        self.journal.add(&Entry::End {
            stage: self.plan.stage(stage).name.clone(),
            attempt,
            at_ms: end.ended_ms,
            code: end.code,
            exit_code: end.exit.and_then(|e| if let Exit::Code(code) = e { Some(code) } else { None }),
            log: end.log,
            message: end.message.clone(),
        });
    }
}
