//! Stages, before and after.

use std::collections::BTreeSet;

use orgo_spec::pipeline::Network;
use orgo_spec::review::{Kind, Strength};

use super::fields::{fields, is_lower, network_word};
use super::pipeline::{About, Side};
use crate::graph::StageId;
use crate::plan::Resolved;

/// Tells every field that differs; says whether any does.
pub(super) fn changed(old: (&Resolved, StageId), new: (&Side<'_>, StageId), about: &mut About<'_>) -> bool {
    let (side, id) = new;
    let (was, is) = (old.0.stage(old.1), side.plan.stage(id));
    let (before, after) = (fields(old.0, old.1), fields(side.plan, id));
    if before == after {
        return false;
    }
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names.into_iter().filter(|name| before.get(*name) != after.get(*name)) {
        let (strength, kind, message) = match name.as_str() {
            "network" if is.network == Network::Host => {
                (Strength::Weaker, Kind::Network, "the stage may use the network of the host".to_owned())
            }
            "network" => (Strength::Stronger, Kind::Network, "the stage may not use the network any more".to_owned()),
            "isolation" if is_lower(was.isolation, is.isolation) => {
                (Strength::Weaker, Kind::Isolation, "less is kept away from the stage".to_owned())
            }
            "isolation" => (Strength::Stronger, Kind::Isolation, "more is kept away from the stage".to_owned()),
            "gate" => match (was.gate, is.gate) {
                (Some(_), None) => {
                    (Strength::Weaker, Kind::GateOfStage, "the stage stands behind no gate any more".to_owned())
                }
                (None, _) => (Strength::Stronger, Kind::GateOfStage, "the stage stands behind a gate now".to_owned()),
                (Some(_), Some(_)) => {
                    (Strength::Unclear, Kind::GateOfStage, "the stage stands behind another gate".to_owned())
                }
            },
            "approval" => match (was.approval, is.approval) {
                (Some(_), None) => {
                    (Strength::Weaker, Kind::Approval, "nobody has to approve the stage any more".to_owned())
                }
                (None, _) => (Strength::Stronger, Kind::Approval, "people have to approve the stage".to_owned()),
                (Some(_), Some(_)) => {
                    (Strength::Unclear, Kind::Approval, "the stage needs another approval".to_owned())
                }
            },
            "optional" if is.is_optional() => {
                let message = "the run may end well although the stage does not".to_owned();
                (Strength::Weaker, Kind::StageChanged, message)
            }
            "optional" => {
                (Strength::Stronger, Kind::StageChanged, "the run ends well only if the stage does".to_owned())
            }
            "when" if after.contains_key(name) => {
                (Strength::Unclear, Kind::StageChanged, "the stage is left out under other conditions".to_owned())
            }
            "when" => (Strength::Stronger, Kind::StageChanged, "the stage is never left out any more".to_owned()),
            field if sees(field) => match (before.contains_key(name), after.contains_key(name)) {
                (false, _) => (Strength::Weaker, Kind::Secret, format!("the stage sees `{field}`")),
                (true, false) => {
                    (Strength::Stronger, Kind::Secret, format!("the stage does not see `{field}` any more"))
                }
                (true, true) => (Strength::Unclear, Kind::Secret, format!("`{field}` comes from elsewhere")),
            },
            field => (Strength::Neutral, Kind::StageChanged, format!("`{field}` changes")),
        };
        let finding = about.add(strength, kind, message);
        finding.stages = vec![is.name.clone()];
        finding.field = Some(name.clone());
        (finding.before, finding.after) = (before.get(name).cloned(), after.get(name).cloned());
        finding.place = Some(side.stage(&is.name, Some(name)));
    }
    true
}

/// Whether a field hands the stage something of the runner's own.
fn sees(field: &str) -> bool {
    field.starts_with("secret ") || field.starts_with("env-pass ")
}

/// Tells what a stage that is new is permitted beyond what stages get that do not ask.
pub(super) fn grants(side: &Side<'_>, id: StageId, about: &mut About<'_>) {
    let stage = side.plan.stage(id);
    let mut say = |field: &str, kind, message: &str, after: &str| {
        let finding = about.add(Strength::Weaker, kind, message);
        finding.stages = vec![stage.name.clone()];
        finding.field = Some(field.to_owned());
        finding.after = Some(after.to_owned());
        finding.place = Some(side.stage(&stage.name, Some(field)));
    };
    if stage.network == Network::Host {
        say("network", Kind::Network, "a new stage may use the network of the host", network_word(stage.network));
    }
    if is_lower(crate::expand::DEFAULT_ISOLATION, stage.isolation) {
        say(
            "isolation",
            Kind::Isolation,
            "less is kept away from a new stage than by default",
            stage.isolation.as_str(),
        );
    }
    for (field, value) in fields(side.plan, id).iter().filter(|(field, _)| sees(field)) {
        say(field, Kind::Secret, &format!("a new stage sees `{field}`"), value);
    }
}
