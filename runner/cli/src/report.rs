//! Reporters: a run as lines for people, as JSON lines, and as CloudEvents.

mod estimate;
mod events;
mod flaky;
mod folds;
mod human;
mod junit;
mod moments;
mod otlp;
mod progress;
mod structured;
mod summary;
mod trace;

pub(crate) use flaky::{FlakyStage, flaky_stages, json as flaky_json, words as flaky_words};
pub(crate) use summary::{Times, misses};

use orgo_host::run::{ApprovalOutcome, Notice, RunOptions, RunOutcome};
use orgo_host::store::Store;
use orgo_kernel::plan::Resolved;
use serde_json::{Value, json};

use self::events::Events;
use self::folds::Folds;
use self::human::Human;
pub(crate) use self::human::{how, last_lines, unchanged};
use self::otlp::Parent;
pub(crate) use self::progress::duration;
use self::structured::Structured;
use crate::args::{LogForm, Run};
use crate::failure::Failure;
use crate::output::Output;
use crate::plans::Plans;
use crate::project::Repository;

/// What was decided about an approval, for programs.
pub(crate) fn approval(outcome: &ApprovalOutcome) -> Value {
    let entry = &outcome.entry;
    let votes = outcome.votes.iter().map(|v| json!({ "by": v.who, "expires_at": v.expires_at, "code": v.refused }));
    json!({
        "approval": entry.approval, "stage": entry.stage, "subject": outcome.subject.digest(), "key": outcome.subject.key,
        "decision": entry.decision, "need": entry.need, "have": entry.approvers.len(),
        "approvals": votes.collect::<Vec<_>>(), "reason_codes": entry.reason_codes, "unknown": outcome.unknown,
    })
}

/// Shows a run while it happens.
pub(crate) struct Reporter<'p> {
    human: Option<Human<'p>>,
    structured: Option<Structured<'p>>,
    events: Option<Events<'p>>,
    plans: &'p Plans,
    store: &'p Store,
    args: &'p Run,
}

impl<'p> Reporter<'p> {
    /// Reporters as the command line asks for them.
    ///
    /// # Errors
    /// [`Failure`] if the events file cannot be opened.
    pub(crate) fn new(
        output: Output,
        plans: &'p Plans,
        wanted: &'p [bool],
        store: &'p Store,
        args: &'p Run,
        repository: &Repository,
        options: &RunOptions<'_>,
    ) -> Result<Self, Failure> {
        let (run, clock, jobs) = (options.run.as_str(), options.clock.clone(), options.jobs);
        let tenant = repository.project.tenant.as_str();
        let plan = plans.first();
        Ok(Self {
            human: (args.log != LogForm::Json).then(|| {
                let folds = Folds::new(args.log, || repository.places(&plan.name));
                Human::new(output, plan, wanted, store, args.stream, jobs, folds)
            }),
            structured: (args.log == LogForm::Json).then(|| Structured::new(plan, run, tenant, clock.clone())),
            events: match &args.events {
                Some(path) => Some(Events::open(path, plan, run, tenant, clock)?),
                None => None,
            },
            plans,
            store,
            args,
        })
    }

    /// Shows one notice.
    pub(crate) fn notice(&mut self, notice: &Notice<'_>) {
        if matches!(notice, Notice::Grown) {
            return self.grow(self.plans.latest());
        }
        if let Some(human) = &mut self.human {
            human.notice(notice);
        }
        if let Some(structured) = &mut self.structured {
            structured.notice(notice);
        }
        if let Some(events) = &mut self.events {
            events.notice(notice);
        }
    }

    /// Goes on with a plan that has more stages.
    fn grow(&mut self, plan: &'p Resolved) {
        if let Some(human) = &mut self.human {
            human.grow(plan);
        }
        if let Some(structured) = &mut self.structured {
            structured.plan = plan;
        }
        if let Some(events) = &mut self.events {
            events.plan = plan;
        }
    }

    /// Shows the end.
    ///
    /// # Errors
    /// [`Failure`] if a file could not be written.
    pub(crate) fn finish(&mut self, outcome: &RunOutcome, flaky: &[FlakyStage]) -> Result<(), Failure> {
        if let Some(human) = &mut self.human {
            human.finish(outcome, flaky);
        }
        if let Some(structured) = &mut self.structured {
            structured.finish(outcome, flaky);
        }
        if let Some(path) = &self.args.trace {
            trace::write(path, self.plans.latest(), outcome)?;
        }
        if let Some(path) = &self.args.trace_otlp {
            let parent = std::env::var("TRACEPARENT").ok().and_then(|text| Parent::parse(&text));
            otlp::write(path, self.plans.latest(), outcome, flaky, parent.as_ref())?;
        }
        if let Some(path) = &self.args.junit {
            junit::write(path, self.plans.latest(), outcome, flaky, self.store)?;
        }
        match &mut self.events {
            Some(events) => events.finish(outcome, flaky),
            None => Ok(()),
        }
    }
}
