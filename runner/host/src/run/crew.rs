//! The workers of a run: made when they are needed, given jobs, and heard.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use orgo_kernel::gate::Admission;
use orgo_kernel::graph::StageId;
use orgo_kernel::key::{StageKey, Tree};
use orgo_kernel::scheduler::{Bad, Event};
use orgo_spec::ReasonCode;

use crate::file::{At, PathError};
use crate::journal::Entry;
use crate::kept::may_be_kept;
use crate::memory::Remembered;
use crate::process::{Exit, Waker};
use crate::store::End;

use super::engine::{Engine, Message};
use super::mailbox::{Sender, mailbox};
use super::options::{Notice, RunError};
use super::outcome::Attempt;
use super::tail::Tail;
use super::worker::{Bench, Done, Job, Worker};

/// Bad ends that are the stage's own doing.
const BY_STAGES: [ReasonCode; 5] = [
    ReasonCode::StageFailed,
    ReasonCode::StageSignalled,
    ReasonCode::StageTimeout,
    ReasonCode::OutputMissing,
    ReasonCode::OutputRefused,
];

/// A worker as the engine sees it.
pub(super) struct Slot {
    pub(super) jobs: Sender<Job>,
    pub(super) waker: Waker,
    /// Where its stages print.
    pub(super) log: Arc<File>,
    pub(super) thread: std::thread::JoinHandle<()>,
}

impl Engine<'_, '_> {
    pub(super) fn start(
        &mut self,
        stage: StageId,
        attempt: u32,
        secrets: Vec<(String, String)>,
        admission: Option<Admission>,
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
        let mut scene = self.planner.scene(stage, &prepared);
        let known = self.options.traces.as_ref().map(|_| self.planner.watched(stage, &mut scene));
        let counts = known.is_none();
        let job = Job {
            stage,
            scene,
            known,
            contents: Arc::clone(&prepared.contents),
            secrets,
            timeout: Duration::from_millis(resolved.timeout_ms),
            repeat: self.options.repeat,
            keep_as: (counts && may_be_kept(resolved)).then(|| resolved.name.clone()),
            out: self.workspace.out(&self.plan.name, &resolved.name),
            _admission: admission,
        };
        self.prepared.insert(stage, prepared);
        let redactor = self.secrets.redactor(&job.scene.env, &job.secrets);
        self.tails.insert(stage, Tail::new(Arc::clone(&self.slots[slot].log), redactor));
        self.busy.insert(stage, slot);
        self.slots[slot].waker.reset();
        let taken = self.slots[slot].jobs.send(job);
        assert!(taken, "a worker takes jobs until nobody can send any");
        Ok(())
    }

    pub(super) fn add_slot(&mut self) -> Result<usize, PathError> {
        let slot = self.slots.len();
        let (jobs, receiver) = mailbox();
        let waker = Waker::new().at("make a descriptor for", &self.workspace.work())?;
        let bench = Bench::new(&self.workspace.work(), slot)?;
        let log = Arc::new(bench.log()?);
        let worker = Worker {
            slot,
            bench,
            store: Arc::clone(self.planner.store()),
            root: self.workspace.root().to_owned(),
            clock: self.options.clock.clone(),
            executor: self.executor.clone(),
            secrets: Arc::clone(&self.secrets),
            keeper: Arc::clone(&self.keeper),
            traces: self.options.traces.clone(),
            waker: waker.clone(),
            jobs: receiver,
            done: self.sender.clone(),
        };
        let thread = std::thread::spawn(move || worker.work());
        self.slots.push(Slot { jobs, waker, log, thread });
        Ok(slot)
    }

    pub(super) fn take(&mut self, message: Message, notices: &mut dyn FnMut(Notice<'_>)) -> Event {
        let done = match message {
            Message::Cancel => {
                self.cancelled = true;
                return Event::Cancel;
            }
            Message::ServiceReady(service) => return self.service_ready(service, notices),
            Message::ServiceEnded(end) => return self.service_ended(end, notices),
            Message::Done(done) => done,
        };
        let stage = done.stage;
        self.busy.remove(&stage);
        self.idle.push(done.slot);
        let prepared = self.prepared.remove(&stage);
        if let Some(prepared) = &prepared {
            self.keep_end(stage, prepared.keyed.key, &done);
        }
        let number = u32::try_from(self.outcomes[stage.index()].attempts.len()).unwrap_or(0) + 1;
        let end = match (done.attempt.code, done.made, prepared) {
            (None, Some(made), Some(prepared)) => {
                let tree = Tree::of_outputs(&made.outputs).expect("collected paths are distinct").blob();
                let outcome = &mut self.outcomes[stage.index()];
                outcome.outputs = Arc::clone(&made.outputs);
                outcome.tree = Some(tree);
                outcome.isolation = Some(self.plan.stage(stage).isolation);
                outcome.log = done.attempt.log;
                outcome.duration_ms = made.duration_ms;
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
                        origin: None,
                    },
                );
                Ok(())
            }
            (code, _, _) => Err(Bad {
                code: code.unwrap_or(ReasonCode::InternalError),
                exit: done.attempt.exit.and_then(Exit::exit_code),
            }),
        };
        self.end_log(stage, done.attempt.log, notices);
        self.outcomes[stage.index()].log = done.attempt.log;
        self.journal_end(stage, number, &done.attempt);
        notices(Notice::Ended(stage, number, &done.attempt));
        self.outcomes[stage.index()].attempts.push(done.attempt);
        Event::Ended { stage, end }
    }

    /// Keeps how a stage ended under its key, if it was the stage itself that decided; where that cannot be written, only
    /// this run tells of it.
    fn keep_end(&mut self, stage: StageId, key: StageKey, done: &Done) {
        let code = done.attempt.code;
        let its_own = code.is_none_or(|code| BY_STAGES.contains(&code)) && done.attempt.exit.is_some();
        if !its_own {
            return;
        }
        let store = Arc::clone(self.planner.store());
        let ends = self.ends.get_or_insert_with(|| store.ends().unwrap_or_default());
        let had_result = code.is_some() && matches!(store.result(key), Ok(Some(_)));
        let stage = format!("{}/{}", self.plan.name, self.plan.stage(stage).name);
        let _ = store.set_end(ends, End { key, at_ms: done.attempt.ended_ms, stage, code, had_result });
    }

    pub(super) fn journal_end(&mut self, stage: StageId, attempt: u32, end: &Attempt) {
        self.journal.add(&Entry::End {
            stage: self.plan.stage(stage).name.clone(),
            attempt,
            at_ms: end.ended_ms,
            code: end.code,
            exit_code: end.exit.and_then(Exit::exit_code),
            log: end.log,
            message: end.message.clone(),
        });
    }
}
