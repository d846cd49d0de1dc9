//! What a change takes beyond what its base grants (design 3.2, threat T-48).
//!
//! Whoever proposes a change writes the stages that are run to judge it. What a stage could do harm with, its network,
//! secrets and the runner's variables, is therefore granted by the base: a stage that is what it was has what it had; one
//! that differs has no secret, and no network or variable that the base does not give it.

use orgo_spec::pipeline::Network;

use crate::graph::StageId;
use crate::plan::Resolved;
use crate::review::is_same_stage;

/// Something that a stage takes and its base does not grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    /// The stage.
    pub stage: String,
    /// What it takes.
    pub grant: Grant,
    /// Whether the base has a stage of that name.
    pub is_known: bool,
}

/// What a base grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The network of the host.
    Network,
    /// A secret, by the name of its variable.
    Secret(String),
    /// A variable of the runner's environment.
    Variable(String),
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Network => f.write_str("the network of the host"),
            Self::Secret(name) => write!(f, "the secret `{name}`"),
            Self::Variable(name) => write!(f, "the variable `{name}` of the runner"),
        }
    }
}

/// Everything that the stages of `plan` that `wanted` marks take beyond what the same pipeline of the base grants; all of
/// it, if the base has no such pipeline.
pub fn beyond(base: Option<&Resolved>, plan: &Resolved, wanted: impl Fn(StageId) -> bool) -> Vec<Beyond> {
    let mut found = Vec::new();
    for id in plan.graph.stages().filter(|id| wanted(*id)) {
        let stage = plan.stage(id);
        if stage.network == Network::None && stage.secrets().is_empty() && stage.env_pass().is_empty() {
            continue;
        }
        let before = base.and_then(|base| Some((base, base.find(&stage.name)?)));
        if before.is_some_and(|(base, then)| is_same_stage((base, then), (plan, id))) {
            continue;
        }
        let then = before.map(|(base, then)| base.stage(then));
        let mut take = |grant| found.push(Beyond { stage: stage.name.clone(), grant, is_known: then.is_some() });
        if stage.network == Network::Host && then.is_none_or(|then| then.network != Network::Host) {
            take(Grant::Network);
        }
        for secret in stage.secrets() {
            take(Grant::Secret(secret.name.clone()));
        }
        for variable in stage.env_pass() {
            if then.is_none_or(|then| !then.env_pass().contains(variable)) {
                take(Grant::Variable(variable.clone()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use orgo_spec::document::Document;
    use orgo_spec::pipeline::parse_pipelines;

    use super::*;
    use crate::expand::expand;

    fn plan(stages: &str) -> Resolved {
        let document = Document::new("p.kdl", format!("pipeline \"p\" {{ {stages} }}"));
        expand(&document, &parse_pipelines(&document).expect("decodes")[0]).expect("expands")
    }

    fn taken(base: Option<&str>, plan_: &str) -> Vec<String> {
        let base = base.map(plan);
        beyond(base.as_ref(), &plan(plan_), |_| true).iter().map(|b| format!("{}: {}", b.stage, b.grant)).collect()
    }

    const ALL: &str = r#"stage "a" { run "x"; network "host"; secret "T" from="env:T"; env-pass "LANG"; }"#;

    #[test]
    fn a_stage_that_is_what_it_was_has_what_it_had() {
        assert_eq!(taken(Some(ALL), ALL), Vec::<String>::new());
        assert_eq!(taken(Some(ALL), r#"stage "a" { run "y"; }"#), Vec::<String>::new(), "it takes nothing");
    }

    #[test]
    fn a_stage_that_differs_has_no_secret_and_no_more_network_than_it_had() {
        let other = ALL.replace("run \"x\"", "run \"x\" \"--print\"");
        assert_eq!(taken(Some(ALL), &other), ["a: the secret `T`"], "network and variable were granted before");
        let before = r#"stage "a" { run "x"; }"#;
        let all = ["a: the network of the host", "a: the secret `T`", "a: the variable `LANG` of the runner"];
        assert_eq!(taken(Some(before), ALL), all);
    }

    #[test]
    fn a_new_stage_and_a_new_pipeline_are_granted_nothing() {
        let renamed = ALL.replace("stage \"a\"", "stage \"b\"");
        assert_eq!(taken(Some(ALL), &renamed).len(), 3);
        assert_eq!(taken(None, ALL).len(), 3);
        assert!(beyond(None, &plan(ALL), |_| false).is_empty(), "it is not part of the run");
    }
}
