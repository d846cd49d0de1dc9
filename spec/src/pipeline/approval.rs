//! Approvals: people who must agree before a stage runs.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::decode::{missing, unique};
use super::runtime::between;
use super::stage::{Stage, Work};
use crate::document::{DurationMs, Fields, Node, Problem, Problems, Spanned};
use crate::{Name, ReasonCode};

/// How long an approval lasts, unless told.
const DEFAULT_EXPIRES: DurationMs = DurationMs(72 * 3_600_000);
/// The most people whom one approval may name.
const MAX_APPROVERS: u32 = 32;

/// An approval: so many of these people must sign before a stage that names it runs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Approval {
    /// What it is called; unique in its pipeline.
    pub name: Spanned<Name>,
    /// How many people must approve.
    pub need: Spanned<u32>,
    /// Who may: names of approvers in the trust, or beginnings of key ids; empty for everyone whose duty is `approver`.
    pub by: Vec<Spanned<Name>>,
    /// The longest time that what somebody signed counts.
    pub expires: DurationMs,
}

impl Approval {
    /// Decodes an `approval` node.
    pub(super) fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node);
        let name = fields.arg::<Name>("a name", problems);
        let need = fields.required::<u32>("need", problems);
        let by = fields.list::<Name>("by", problems);
        let said = fields.has("by");
        let role = fields.one::<Name>("role", problems);
        let expires = fields.one::<DurationMs>("expires", problems);
        fields.finish(problems);
        unique(by.iter(), "approver", problems);
        match (&role, said) {
            (Some(role), true) => problems.push(
                Problem::new(ReasonCode::FieldDuplicate, "who approves is said in one way", role.span)
                    .help("keep `by` or `role`"),
            ),
            (Some(role), false) if role.as_str() != "approver" => problems.push(
                Problem::new(ReasonCode::DocumentInvalid, format!("nobody approves as `{}`", **role), role.span)
                    .label("the duty is called `approver`")
                    .help("write `role \"approver\"`"),
            ),
            (None, false) => problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "nobody is named who could approve", node.name.span)
                    .label("neither `by` nor `role`")
                    .help("add `by \"name\"` with approvers of the trust, or `role \"approver\"` for all of them"),
            ),
            (Some(_), false) | (None, true) => {}
        }
        if let Some(need) = &need {
            between(need, "`need`", 1, MAX_APPROVERS, problems);
            let of = u32::try_from(by.len()).unwrap_or(u32::MAX);
            if of > MAX_APPROVERS {
                let message = format!("{of} approvers are named, at most {MAX_APPROVERS} may be");
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, message, node.name.span)
                        .help("name fewer, or write `role \"approver\"` for everyone whose duty that is"),
                );
            } else if said && need.value > of && need.value <= MAX_APPROVERS {
                problems.push(
                    Problem::new(
                        ReasonCode::DocumentInvalid,
                        format!("{} must approve, but only {of} may", need.value),
                        need.span,
                    )
                    .label("this can never be reached")
                    .help("name more approvers, or lower `need`"),
                );
            }
        }
        if let Some(expires) = expires.as_ref().filter(|e| e.value.0 < 1000) {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "an approval lasts a second at least", expires.span)
                    .help("write a longer time, such as `72h`"),
            );
        }
        Some(Self { name: name?, need: need?, by, expires: expires.map_or(DEFAULT_EXPIRES, |e| e.value) })
    }
}

/// Reports approvals that are not declared, and stages that cannot wait for people.
pub(super) fn bind(approvals: &[Approval], stages: &[Stage], problems: &mut Problems) {
    unique(approvals.iter().map(|a| &a.name), "approval", problems);
    let known: BTreeSet<&str> = approvals.iter().map(|a| a.name.as_str()).collect();
    let names: Vec<&str> = known.iter().copied().collect();
    for stage in stages {
        let Some(approval) = &stage.approval else { continue };
        if !known.contains(approval.as_str()) {
            problems.push(missing(ReasonCode::ApprovalUnknown, "approval", approval, &names));
        }
        if matches!(stage.work, Work::Tool(_)) {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "this built-in tool needs nobody's approval", approval.span)
                    .help("approvals stand in front of `run` stages and of what is behind a gate"),
            );
        }
        for (word, flag) in [("optional", &stage.runtime.optional), ("finally", &stage.runtime.finally)] {
            if let Some(flag) = flag.as_ref().filter(|f| f.value) {
                problems.push(
                    Problem::new(
                        ReasonCode::DocumentInvalid,
                        format!("a stage that needs an approval cannot be `{word}`"),
                        approval.span,
                    )
                    .also(flag.span, "declared here")
                    .help("remove one of the two"),
                );
            }
        }
    }
}
