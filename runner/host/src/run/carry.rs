//! From commands to events: what the scheduler decides is carried out here, one command at a time.

use orgo_kernel::graph::StageId;
use orgo_kernel::scheduler::{Command, Event, Verdict};
use orgo_kernel::why::Why;

use crate::clock::moment;
use crate::journal::Entry;

use super::engine::Engine;
use super::look::Lookup;
use super::options::{Notice, RunError};
use super::outcome::Attempt;
use super::planner::Fault;
use super::problem::Problem;
use super::secrets::SecretValues;

impl Engine<'_, '_> {
    /// Carries out one command; what can be answered at once comes back as an event.
    pub(super) fn carry_out(
        &mut self,
        command: Command,
        notices: &mut dyn FnMut(Notice<'_>),
    ) -> Result<Option<Event>, RunError> {
        Ok(match command {
            Command::Decide(stage) => Some(self.decide(stage, notices)?),
            Command::Ask(stage) => self.ask(stage, notices)?,
            Command::Look { stage, admission } => {
                let mut force = (self.force[stage.index()] || !self.outcomes[stage.index()].attempts.is_empty())
                    .then_some(Why::Forced);
                if self.plan.stage(stage).is_finally() {
                    match self.sum_up() {
                        Ok(worked) => force = force.or(worked.then_some(Why::RunWorked)),
                        Err(problem) => return Ok(Some(self.unplanned(stage, problem, notices))),
                    }
                }
                let lookup = self.planner.look(stage, admission.as_ref(), force);
                for Fault { name, fault, given_up } in self.planner.faults() {
                    notices(Notice::Cache { name: &name, fault: &fault, given_up });
                }
                match lookup.and_then(|l| self.as_approved(stage, &l).map(|()| l)) {
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
            Command::Pause { stage, ms } => {
                notices(Notice::Paused(stage, ms));
                self.pause(stage, ms);
                None
            }
            // Carried out where commands come from: the answer is more than an event.
            Command::List(_) => None,
            Command::Serve(service) => self.serve(service, notices)?,
            Command::Dismiss(service) => {
                self.dismiss(service);
                None
            }
        })
    }

    /// Lets the caller do what has to be done before anything happens.
    pub(super) fn begin_work(&mut self) -> Result<(), RunError> {
        if !std::mem::replace(&mut self.begun, true) && !(self.options.before_work)() {
            return Err(RunError::NotBegun);
        }
        Ok(())
    }

    pub(super) fn decide(&mut self, stage: StageId, notices: &mut dyn FnMut(Notice<'_>)) -> Result<Event, RunError> {
        let now = moment(self.options.clock.now_ms() / 1000);
        let (gates, run) = (&self.options.gates, &self.options.run);
        let (verdict, outcome) = super::gatekeeper::decide(self.plan, stage, &self.planner, gates, run, &now);
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

    pub(super) fn looked(&mut self, stage: StageId, lookup: Lookup, notices: &mut dyn FnMut(Notice<'_>)) -> bool {
        let outcome = &mut self.outcomes[stage.index()];
        let name = || self.plan.stage(stage).name.clone();
        match lookup {
            Lookup::Hit { remembered, new_key } => {
                outcome.confirmed = self.planner.confirmed(stage);
                if new_key {
                    self.journal.add(&Entry::Hit {
                        stage: name(),
                        key: remembered.keyed.key,
                        origin: remembered.origin.clone(),
                        confirmed: outcome.confirmed,
                    });
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
                outcome.files = self.planner.with_service_files(stage, prepared.contents.files.clone());
                self.prepared.insert(stage, *prepared);
                false
            }
        }
    }

    pub(super) fn unplanned(&mut self, stage: StageId, problem: Problem, notices: &mut dyn FnMut(Notice<'_>)) -> Event {
        let now = self.options.clock.now_ms();
        notices(Notice::Unplanned(stage, &problem.message));
        let attempt = Attempt {
            started_ms: now,
            ended_ms: now,
            exit: None,
            code: Some(problem.code),
            message: Some(problem.message),
            hint: None,
            log: None,
            kept: false,
        };
        self.journal_end(stage, 0, &attempt);
        self.outcomes[stage.index()].attempts.push(attempt);
        Event::Refused { stage, code: problem.code }
    }
}
