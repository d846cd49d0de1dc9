//! Reporters: a run as lines for people, as JSON lines, and as CloudEvents.

mod events;
mod human;
mod structured;

use orgo_host::clock::Clock;
use orgo_host::run::{Notice, RunOutcome};
use orgo_kernel::plan::Resolved;
use orgo_spec::project::Project;

use self::events::Events;
use self::human::Human;
pub(crate) use self::human::unchanged;
use self::structured::Structured;
use crate::args::{LogForm, Run};
use crate::failure::Failure;
use crate::output::Output;

/// Shows a run while it happens.
pub(crate) struct Reporter<'p> {
    human: Option<Human<'p>>,
    structured: Option<Structured<'p>>,
    events: Option<Events<'p>>,
}

impl<'p> Reporter<'p> {
    /// Reporters as the command line asks for them.
    ///
    /// # Errors
    /// [`Failure`] if the events file cannot be opened.
    pub(crate) fn new(
        output: Output,
        plan: &'p Resolved,
        wanted: &[bool],
        args: &Run,
        project: &Project,
        run: &str,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let total = wanted.iter().filter(|w| **w).count();
        let tenant = project.tenant.as_str();
        Ok(Self {
            human: (args.log == LogForm::Text).then(|| Human::new(output, plan, total)),
            structured: (args.log == LogForm::Json).then(|| Structured::new(plan, run, tenant, clock.clone())),
            events: match &args.events {
                Some(path) => Some(Events::open(path, plan, run, tenant, clock)?),
                None => None,
            },
        })
    }

    /// Shows one notice.
    pub(crate) fn notice(&mut self, notice: &Notice<'_>) {
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

    /// Shows the end.
    ///
    /// # Errors
    /// [`Failure`] if the events file could not be written.
    pub(crate) fn finish(&mut self, outcome: &RunOutcome) -> Result<(), Failure> {
        if let Some(human) = &mut self.human {
            human.finish(outcome);
        }
        if let Some(structured) = &mut self.structured {
            structured.finish(outcome);
        }
        match &mut self.events {
            Some(events) => events.finish(outcome),
            None => Ok(()),
        }
    }
}
