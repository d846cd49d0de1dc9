//! What a replay made beside what the record names.

use std::collections::{BTreeMap, BTreeSet};

use orgo_host::store::{Contents, Seen, Store};
use orgo_kernel::key::StageKey;
use orgo_kernel::scheduler::State as StageState;
use orgo_spec::canonical::{self, Profile};
use orgo_spec::record::{BuildFacts, StageFacts, StageStatus};
use orgo_spec::{Digest, ReasonCode};
use serde_json::{Value, json};

use super::{Again, impossible};
use crate::command::record::changed_lines;
use crate::failure::Failure;
use crate::ledger::artifact;
use crate::output::{Output, plain, without_secrets};

/// Texts up to this size are compared line by line.
const MAX_TEXT: usize = 64 * 1024;
/// As many lines of a comparison are shown.
const MAX_LINES: usize = 40;

/// How a stage compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The same key, the same outputs.
    Same,
    /// The same key, other outputs.
    Different,
    /// Its inputs are others because a stage before it is different.
    Follows,
    /// Its key is another one, and no stage before it says why.
    OtherInputs,
    /// It did not end well.
    Failed,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::Follows => "follows",
            Self::OtherInputs => "other-inputs",
            Self::Failed => "failed",
        }
    }
}

/// A stage, compared.
pub(super) struct Compared {
    stage: String,
    pub(super) state: State,
    keys: (Option<Digest>, Option<Digest>),
    code: Option<ReasonCode>,
    message: Option<String>,
    outputs: Vec<Unlike>,
}

/// An output that is not the same.
struct Unlike {
    path: String,
    /// Its digest in the record; none if it is not there.
    recorded: Option<Digest>,
    now: Option<Digest>,
    /// What differs, if both are small texts.
    lines: Vec<String>,
}

/// Every stage of a record; where they are too many to be listed in it, from the pages in the store.
pub(super) fn made(facts: &BuildFacts, store: &Store) -> Result<Vec<StageFacts>, Failure> {
    if facts.pages.is_empty() {
        return Ok(facts.stages.clone());
    }
    let mut all = Vec::new();
    for page in &facts.pages {
        let bytes = store.get(page.digest).map_err(|e| impossible(format!("a page of the record's stages: {e}")))?;
        let listed: Vec<StageFacts> = canonical::from_slice(&bytes, Profile::DOCUMENT)
            .map_err(|e| impossible(format!("a page of the record's stages cannot be read: {e}")))?;
        all.extend(listed);
    }
    Ok(all)
}

/// Compares every stage that was run again; the code is that of the worst.
pub(super) fn compare(
    again: &Again<'_>,
    made: &[StageFacts],
    recorded: &Store,
    fresh: &Store,
) -> Result<(Vec<Compared>, Option<ReasonCode>), Failure> {
    let recorded_stages: BTreeMap<&str, &StageFacts> =
        made.iter().filter(|s| s.status == StageStatus::Pass).map(|s| (s.stage.as_str(), s)).collect();
    let plan = again.plan;
    let mut compared: Vec<Compared> = Vec::new();
    let mut unlike = vec![false; plan.stages.len()];
    for id in plan.graph.topological().unwrap_or_default() {
        let (stage, outcome) = (plan.stage(id), &again.outcome.stages[id.index()]);
        let Some(facts) = recorded_stages.get(stage.name.as_str()).filter(|_| again.outcome.wanted[id.index()]) else {
            continue;
        };
        let behind = plan.graph.dependencies(id).iter().any(|d| unlike[d.index()]);
        let key = outcome.keyed.as_ref().map(|k| k.key.0);
        let mut result = Compared {
            stage: stage.name.clone(),
            state: State::Same,
            keys: (facts.key, key),
            code: None,
            message: outcome.attempts.last().and_then(|a| a.message.clone()),
            outputs: Vec::new(),
        };
        match outcome.state {
            StageState::Done { .. } => {
                let now: Contents = outcome.outputs.iter().map(artifact).map(|a| (a.name, a.digest)).collect();
                let then: Contents = facts.artifacts_out.iter().map(|a| (a.name.clone(), a.digest)).collect();
                result.outputs = differing(&then, &now, recorded, fresh);
                result.state = match (key == facts.key, result.outputs.is_empty()) {
                    (true, true) => State::Same,
                    (true, false) => State::Different,
                    (false, _) if behind => State::Follows,
                    (false, _) => State::OtherInputs,
                };
                if let (State::Different, Some(key)) = (result.state, key) {
                    recorded.set_varied(StageKey(key), Seen::Replay, &then, &now, again.outcome.ended_ms)?;
                }
            }
            StageState::Failed(code) | StageState::Refused(code) | StageState::Unapproved(code) => {
                (result.state, result.code) = (State::Failed, Some(code));
            }
            StageState::Skipped(code) => {
                (result.state, result.code) = (if behind { State::Follows } else { State::Failed }, Some(code));
            }
            StageState::Waiting
            | StageState::Deciding
            | StageState::Asking
            | StageState::Looking
            | StageState::Ready
            | StageState::Running
            | StageState::Paused(_) => result.state = State::Failed,
        }
        unlike[id.index()] = result.state != State::Same;
        compared.push(result);
    }
    let found: BTreeSet<&str> = compared.iter().map(|c| c.state.as_str()).collect();
    let has = |state: State| found.contains(state.as_str());
    let code = if has(State::Different) {
        Some(ReasonCode::OutputNondeterministic)
    } else if has(State::Failed) {
        compared.iter().find_map(|c| c.code).or(Some(ReasonCode::InternalError))
    } else {
        (has(State::OtherInputs) || has(State::Follows)).then_some(ReasonCode::ReplayImpossible)
    };
    Ok((compared, code))
}

fn differing(then: &Contents, now: &Contents, recorded: &Store, fresh: &Store) -> Vec<Unlike> {
    let paths: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let differs = paths.into_iter().filter(|path| then.get(*path) != now.get(*path));
    differs
        .map(|path| {
            let (then, now) = (then.get(path).copied(), now.get(path).copied());
            Unlike { path: path.clone(), recorded: then, now, lines: lines(then, now, recorded, fresh) }
        })
        .collect()
}

/// What differs between two texts, if both can be had and are small.
fn lines(then: Option<Digest>, now: Option<Digest>, recorded: &Store, fresh: &Store) -> Vec<String> {
    let text = |store: &Store, digest: Option<Digest>| {
        let bytes = store.peek(digest?).ok().filter(|b| b.len() <= MAX_TEXT)?;
        String::from_utf8(bytes).ok()
    };
    let (Some(then), Some(now)) = (text(recorded, then), text(fresh, now)) else { return Vec::new() };
    let mut lines = changed_lines(&without_secrets(&then), &without_secrets(&now));
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    lines.extend((more > 0).then(|| format!("@@ {more} lines more")));
    lines
}

impl Compared {
    /// The stage as lines for people; a stage that is the same is told only to who wants detail.
    pub(super) fn tell(&self, out: Output) {
        let digest = |d: &Option<Digest>| d.map_or_else(|| "not there".to_owned(), |d| d.to_string());
        let how = match (self.state, self.code) {
            (State::Same, _) if !out.verbose => return,
            (State::Same, _) => "the same".to_owned(),
            (State::Different, _) => "made something else from the same inputs".to_owned(),
            (State::Follows, _) => "not comparable: a stage before it is not the same".to_owned(),
            (State::OtherInputs, _) => "not comparable: it takes in something that differs here".to_owned(),
            (State::Failed, code) => format!("not made: {}", code.map_or("it was not reached", ReasonCode::as_str)),
        };
        out.line(plain(&format!("  {}: {how}", self.stage)));
        if let (State::Failed, Some(message)) = (self.state, &self.message) {
            out.line(plain(&format!("    {message}")));
        }
        for Unlike { path, recorded, now, lines } in &self.outputs {
            out.line(plain(&format!("    `{path}` was {}, and is {}", digest(recorded), digest(now))));
            lines.iter().for_each(|line| out.line(plain(&format!("      {line}"))));
        }
    }

    /// The stage as JSON.
    pub(super) fn json(&self) -> Value {
        let outputs = self
            .outputs
            .iter()
            .map(|o| json!({ "path": o.path, "recorded": o.recorded, "now": o.now, "lines": o.lines }));
        json!({
            "stage": self.stage,
            "state": self.state.as_str(),
            "key": { "recorded": self.keys.0, "now": self.keys.1 },
            "code": self.code,
            "message": self.message,
            "outputs": outputs.collect::<Vec<_>>(),
        })
    }
}
