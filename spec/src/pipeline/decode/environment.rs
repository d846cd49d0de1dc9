//! What a stage sees of its surroundings: variables, those that are passed on, secrets.

use crate::ReasonCode;
use crate::document::{Fields, Node, Problem, Problems, Span, Spanned};
use crate::pipeline::stage::{Env, GatedAction, Secret, SecretSource, Work};
use crate::secret::names_a_secret;

/// Variables that lead to keys; no stage gets them.
const NEVER: [&str; 3] = ["SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO"];

pub(in crate::pipeline) fn env(nodes: Vec<&Node>, problems: &mut Problems) -> Vec<Env> {
    let mut variables: Vec<Env> = Vec::new();
    for node in nodes {
        let mut fields = Fields::new(node);
        let name = fields.arg::<String>("the name of a variable", problems);
        let value = fields.arg::<String>("a value", problems);
        fields.finish(problems);
        let (Some(name), Some(value)) = (name, value) else { continue };
        if !is_variable(&name) || value.contains('\0') {
            problems.push(not_a_variable(name.span));
        } else if let Some(earlier) = variables.iter().find(|v| *v.name == *name) {
            problems.push(
                Problem::new(ReasonCode::FieldDuplicate, format!("`{}` is set twice", *name), name.span)
                    .label("set again here")
                    .also(earlier.name.span, "first set here")
                    .help("keep one of the two"),
            );
        } else {
            variables.push(Env { name, value });
        }
    }
    variables
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn not_a_variable(span: Span) -> Problem {
    Problem::new(ReasonCode::DocumentInvalid, "not a name of an environment variable", span)
}

fn set_twice(name: &Spanned<String>, earlier: Span) -> Problem {
    Problem::new(ReasonCode::FieldDuplicate, format!("`{}` is set twice", **name), name.span)
        .label("set again here")
        .also(earlier, "first set here")
        .help("keep one of the two")
}

/// Variables of the runner's environment that are passed on.
pub(super) fn env_pass(names: Vec<Spanned<String>>, env: &[Env], problems: &mut Problems) -> Vec<Spanned<String>> {
    let mut passed: Vec<Spanned<String>> = Vec::new();
    for name in names {
        if !is_variable(&name) {
            problems.push(not_a_variable(name.span));
        } else if names_a_secret(&name) || NEVER.contains(&name.as_str()) {
            problems.push(
                Problem::new(
                    ReasonCode::SecretNotAllowed,
                    format!("`{}` is the name of a secret, and passed values stand in keys", *name),
                    name.span,
                )
                .help(format!("write `secret \"{0}\" from=\"env:{0}\"`", *name)),
            );
        } else if let Some(other) = env.iter().find(|v| *v.name == *name) {
            problems.push(set_twice(&name, other.name.span));
        } else if !passed.iter().any(|p| **p == *name) {
            passed.push(name);
        }
    }
    passed
}

/// Secrets by reference.
pub(super) fn secrets(
    nodes: Vec<&Node>,
    env: &[Env],
    passed: &[Spanned<String>],
    problems: &mut Problems,
) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = Vec::new();
    for node in nodes {
        let mut fields = Fields::new(node);
        let name = fields.arg::<String>("the name of a variable", problems);
        let from = fields.required::<SecretSource>("from", problems);
        let keyed_digest = fields.one::<bool>("keyed-digest", problems).is_some_and(|k| k.value);
        fields.finish(problems);
        let (Some(name), Some(from)) = (name, from) else { continue };
        let set = env.iter().map(|v| &v.name).chain(passed).chain(secrets.iter().map(|s| &s.name));
        let earlier = set.into_iter().find(|n| ***n == *name).map(|n| n.span);
        if !is_variable(&name) || *name == "PATH" {
            problems.push(not_a_variable(name.span));
        } else if let Some(earlier) = earlier {
            problems.push(set_twice(&name, earlier));
        } else {
            secrets.push(Secret { name, from, keyed_digest });
        }
    }
    secrets
}

/// Built-in tools have no environment.
pub(super) fn only_programs(work: &Work, passed: &[Spanned<String>], secrets: &[Secret], problems: &mut Problems) {
    match work {
        Work::Run(_) | Work::Gated { action: GatedAction::Run(_), .. } => {}
        Work::Tool(_) | Work::Gated { action: GatedAction::Compile(_), .. } => {
            for name in passed.iter().chain(secrets.iter().map(|s| &s.name)) {
                problems.push(
                    Problem::new(ReasonCode::FieldUnknown, "a built-in tool has no environment", name.span)
                        .help("remove it"),
                );
            }
        }
    }
}
