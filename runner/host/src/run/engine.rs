//! The loop that feeds the scheduler.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use orgo_kernel::expand::KnownList;
use orgo_kernel::graph::StageId;
use orgo_kernel::plan::Resolved;
use orgo_kernel::scheduler::{Command, Event, Options, Scheduler, State};
use orgo_spec::{Digest, ReasonCode};

use crate::journal::{Entry, Journal};
use crate::kept::{self, Keeper};
use crate::store::{Ends, Executor};
use crate::workspace::{LEFTOVER_AGE, Workspace};

use super::approver::ApprovalOutcome;
use super::crew::Slot;
use super::lists::Grow;
use super::mailbox::{Receiver, Sender, mailbox};
use super::options::{Notice, RunError, RunOptions};
use super::outcome::{GateOutcome, RunOutcome, StageOutcome};
use super::planner::Planner;
use super::prepare::Prepared;
use super::redact::Secrets;
use super::secrets::SecretValues;
use super::service::{Running, ServiceEnd};
use super::tail::Tail;
use super::waiting::Next;
use super::worker::Done;

/// What workers and signal handlers send.
pub(super) enum Message {
    Done(Done),
    ServiceReady(u32),
    ServiceEnded(ServiceEnd),
    Cancel,
}

/// Runs a plan; where stages write lists that others are repeated for, `grow` makes the plans with their items, and the
/// outcome is of the last of them.
///
/// # Errors
/// [`RunError`] if the workspace is busy or the system refuses; failed stages are part of the outcome.
pub fn run<'p>(
    plan: &'p Resolved,
    grow: &Grow<'p>,
    workspace: &'p Workspace,
    options: &RunOptions<'_>,
    notices: &mut dyn FnMut(Notice<'_>),
) -> Result<RunOutcome, RunError> {
    let was_cut_off = workspace.was_cut_off()?;
    let _lock = workspace.lock()?;
    let store = Arc::new(workspace.open_store()?);
    let shared = store.share()?;
    store.tidy(crate::clock::Clock::system().now_ms(), LEFTOVER_AGE.as_millis() as i64, &shared)?;
    let mut planner = Planner::open(plan, workspace, Arc::clone(&store), options.binary.clone())?;
    let digest = planner.binary_digest().map_err(|problem| RunError::Binary { message: problem.message })?;
    let executor = Executor { name: "orgo".to_owned(), version: options.version.clone(), digest };
    let journal = Journal::create(&workspace.runs(), &plan.name, &options.run)?;
    planner.set_looked(options.looked.clone());
    planner.set_secrets(SecretValues::new(&options.secret_key));
    planner.set_others(options.others.clone());
    let wanted: Vec<bool> = options.wanted.iter().zip(options.withheld).map(|(w, left)| *w && !left).collect();
    planner.freeze(&wanted);
    if !options.force.contains(&true) && planner.unchanged(&wanted)? {
        planner.sweep(was_cut_off)?;
        let has_result = |name: &str| plan.find(name).is_none_or(|id| wanted[id.index()]);
        kept::settle(&workspace.kept(), &plan.name, has_result)?;
        return recall(plan, options, executor, planner, journal, notices);
    }
    let (sender, messages) = mailbox();
    let _signals = super::signals::watch(sender.clone())?;
    let _stop = options.stop.as_ref().map(|stop| stop.attach(sender.clone()));
    let mut scheduler = Scheduler::new(
        plan,
        &wanted,
        Options {
            jobs: options.jobs,
            keep_going: options.keep_going,
            run: options.run.clone(),
            memory_bytes: options.memory_bytes,
        },
    );
    scheduler.withhold(plan.graph.stages().filter(|id| options.withheld[id.index()]));
    let engine = Engine {
        plan,
        grow,
        lists: Vec::new(),
        wanted: options.wanted.to_vec(),
        force: options.force.to_vec(),
        withheld: options.withheld.to_vec(),
        workspace,
        options,
        executor,
        secrets: Arc::new(Secrets::of_this_process()),
        keeper: Arc::new(Keeper::new(workspace.kept().join(&plan.name))),
        planner,
        journal,
        scheduler,
        outcomes: plan.stages.iter().map(StageOutcome::blank).collect(),
        gates: Vec::new(),
        approvals: Vec::new(),
        granted: BTreeMap::new(),
        patience: None,
        prepared: HashMap::new(),
        slots: Vec::new(),
        idle: Vec::new(),
        busy: HashMap::new(),
        sender,
        pauses: BinaryHeap::new(),
        tails: HashMap::new(),
        looked: Instant::now(),
        services: BTreeMap::new(),
        worked: None,
        cancelled: false,
        begun: false,
        was_cut_off,
        ends: None,
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
    if let Some(digest) = options.settle.filter(|_| options.wanted.iter().all(|w| *w)) {
        planner.settle(digest)?;
    }
    let mut stages = Vec::with_capacity(plan.stages.len());
    for id in plan.graph.stages() {
        let mut outcome = StageOutcome::blank(plan.stage(id));
        if options.withheld[id.index()] {
            outcome.state = State::Skipped(ReasonCode::ConditionNotMet);
            crate::file::remove_tree(&planner.shown(id))?;
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
        approvals: Vec::new(),
        cancelled: false,
        changed_sources: Vec::new(),
        programs: planner.tools.used(),
        wanted: options.wanted.to_vec(),
    };
    journal.flush()?;
    planner.save()?;
    Ok(outcome)
}

/// A run under way.
pub(super) struct Engine<'p, 'r> {
    pub(super) plan: &'p Resolved,
    pub(super) grow: &'r Grow<'p>,
    /// What stages wrote that others are repeated for, in the order in which it became known.
    pub(super) lists: Vec<KnownList>,
    /// Stages that are part of the run, whose cached results are not used, and whose condition does not hold.
    pub(super) wanted: Vec<bool>,
    pub(super) force: Vec<bool>,
    pub(super) withheld: Vec<bool>,
    pub(super) workspace: &'p Workspace,
    pub(super) options: &'r RunOptions<'r>,
    pub(super) executor: Executor,
    pub(super) secrets: Arc<Secrets>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) planner: Planner<'p>,
    pub(super) journal: Journal,
    pub(super) scheduler: Scheduler<'p>,
    pub(super) outcomes: Vec<StageOutcome>,
    pub(super) gates: Vec<GateOutcome>,
    pub(super) approvals: Vec<ApprovalOutcome>,
    /// The keys that were approved, until their stages are looked up.
    pub(super) granted: BTreeMap<StageId, Digest>,
    /// Until when the run waits for approvals, once it does.
    pub(super) patience: Option<Instant>,
    pub(super) prepared: HashMap<StageId, Prepared>,
    pub(super) slots: Vec<Slot>,
    pub(super) idle: Vec<usize>,
    pub(super) busy: HashMap<StageId, usize>,
    pub(super) sender: Sender<Message>,
    /// Pauses before further attempts, the one that ends first on top.
    pub(super) pauses: BinaryHeap<Reverse<(Instant, StageId)>>,
    /// What running stages print.
    pub(super) tails: HashMap<StageId, Tail>,
    /// When that was last looked at.
    pub(super) looked: Instant,
    pub(super) services: BTreeMap<u32, Running>,
    /// Whether the run did more than look things up, once that is known.
    pub(super) worked: Option<bool>,
    pub(super) cancelled: bool,
    /// Whether `before_work` was called.
    pub(super) begun: bool,
    /// Whether the run before this one was.
    was_cut_off: bool,
    /// What is kept of how stages ended, once one did.
    pub(super) ends: Option<Ends>,
}

impl Engine<'_, '_> {
    fn run(
        mut self,
        messages: &Receiver<Message>,
        notices: &mut dyn FnMut(Notice<'_>),
    ) -> Result<RunOutcome, RunError> {
        let started_ms = self.options.clock.now_ms();
        self.journal.add(&Entry::Begin { pipeline: self.plan.name.clone(), at_ms: started_ms });
        notices(Notice::Begin(&|id| self.planner.remembered(id).map(|r| r.duration_ms)));
        let mut queue: VecDeque<Command> = self.scheduler.begin().into();
        loop {
            while let Some(command) = queue.pop_front() {
                if let Command::List(stage) = command {
                    queue.extend(self.list(stage, notices)?);
                } else if let Some(event) = self.carry_out(command, notices)? {
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
            let event = match self.next(messages, notices)? {
                Next::Message(message) => self.take(message, notices),
                Next::Elapsed(stage) if self.scheduler.state(stage) == State::Asking => {
                    queue.push_back(Command::Ask(stage));
                    continue;
                }
                Next::Elapsed(stage) => Event::Elapsed(stage),
                Next::Nothing => break,
            };
            queue.extend(self.scheduler.step(event));
        }
        self.end_services(messages, notices);
        self.finish(started_ms, notices)
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
            if let State::Skipped(code) = outcome.state
                && self.wanted[i]
            {
                self.journal.add(&Entry::Skip { stage: self.plan.stage(id).name.clone(), code });
                notices(Notice::Skipped(id));
            }
            if let State::Failed(code) = outcome.state
                && outcome.attempts.is_empty()
            {
                self.journal.add(&Entry::Skip { stage: self.plan.stage(id).name.clone(), code });
                notices(Notice::Unplanned(id, "a service that it needs is not there"));
            }
            if self.wanted[i] && !matches!(outcome.state, State::Done { .. }) {
                // `out/` shows what this run stands behind, never what an earlier one did.
                crate::file::remove_tree(&self.planner.shown(id))?;
            }
        }
        self.planner.sweep(self.was_cut_off)?;
        let has_result = |name: &str| {
            let id = self.plan.find(name);
            id.is_none_or(|id| matches!(self.scheduler.state(id), State::Done { .. }))
        };
        kept::settle(&self.workspace.kept(), &self.plan.name, has_result)?;
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
            approvals: self.approvals,
            cancelled: self.cancelled,
            changed_sources: self.planner.sources().changed()?,
            programs: self.planner.tools.used(),
            wanted: self.wanted,
        };
        self.journal.flush()?;
        let done = |s: &StageOutcome| matches!(s.state, State::Done { .. });
        if let Some(plan) = self.options.settle.filter(|_| outcome.stages.iter().all(done)) {
            self.planner.settle(plan)?;
        }
        self.planner.save()?;
        Ok(outcome)
    }
}
