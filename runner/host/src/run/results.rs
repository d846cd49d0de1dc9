//! `.orgo/results.json`: how everything ended that ran before the stages that come last.
//!
//! Canonical JSON, `orgo.results/1` (`docs/formats/pipeline.md`). It says nothing about time or about what the
//! cache answered, so two runs of the same work have the same.

use orgo_kernel::key::SourceFile;
use orgo_kernel::scheduler::State;
use orgo_spec::canonical::{self, Object, Value};
use orgo_spec::{Digest, ReasonCode};

use super::engine::Engine;
use super::problem::Problem;

/// Where stages that come last find it.
const PATH: &str = ".orgo/results.json";

impl Engine<'_, '_> {
    /// Puts the results into the store, once; says whether the run did more than look things up.
    ///
    /// # Errors
    /// [`Problem`] if the store cannot be written.
    pub(super) fn sum_up(&mut self) -> Result<bool, Problem> {
        if let Some(worked) = self.worked {
            return Ok(worked);
        }
        let (mut worked, mut failed, mut waits) = (self.cancelled, None, None);
        let mut stages = Vec::new();
        let before = self.plan.graph.stages().filter(|s| self.wanted[s.index()]);
        for id in before.filter(|s| !self.plan.stage(*s).is_finally()) {
            let (stage, outcome, state) = (self.plan.stage(id), &self.outcomes[id.index()], self.scheduler.state(id));
            worked |= state != State::Done { hit: true };
            let (status, code) = match state {
                State::Done { .. } => ("pass", None),
                State::Failed(code) | State::Refused(code) => ("fail", Some(code)),
                State::Unapproved(code) => ("wait", Some(code)),
                State::Skipped(code) => ("skip", Some(code)),
                State::Waiting
                | State::Deciding
                | State::Asking
                | State::Looking
                | State::Ready
                | State::Running
                | State::Paused(_) => ("skip", None),
            };
            waits = waits.or(code.filter(|_| status == "wait"));
            if status == "fail" && !stage.is_optional() {
                failed = failed.or(code);
            }
            let done = matches!(state, State::Done { .. });
            stages.push(Value::Object(Object::from_iter([
                ("code", text(code)),
                ("key", digest(outcome.keyed.as_ref().map(|k| k.key.0))),
                ("optional", stage.is_optional().into()),
                ("outputs", digest(outcome.tree.filter(|_| done).map(|t| t.digest))),
                ("stage", stage.name.as_str().into()),
                ("status", status.into()),
            ])));
        }
        let (status, code) = match (self.cancelled, failed) {
            (true, _) => ("cancelled", Some(ReasonCode::RunCancelled)),
            (false, Some(code)) => ("failed", Some(code)),
            (false, None) if waits.is_some() => ("waiting", waits),
            (false, None) => ("passed", None),
        };
        let document = Object::from_iter([
            ("code", text(code)),
            ("pipeline", self.plan.name.as_str().into()),
            ("schema", "orgo.results/1".into()),
            ("stages", Value::Array(stages)),
            ("status", status.into()),
        ]);
        let blob = self.planner.store().put(&canonical::to_bytes(&document.into()))?;
        self.planner.results = Some(SourceFile { path: PATH.to_owned(), blob, executable: false });
        self.worked = Some(worked);
        Ok(worked)
    }
}

fn text(code: Option<ReasonCode>) -> Value {
    code.map_or(Value::Null, |c| c.as_str().into())
}

fn digest(digest: Option<Digest>) -> Value {
    digest.map_or(Value::Null, Value::from)
}
