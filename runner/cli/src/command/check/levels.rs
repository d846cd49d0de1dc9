//! Which isolation this machine gives, and which stages do without.

use orgo_kernel::plan::{Resolved, ResolvedStage};
use orgo_spec::ReasonCode;
use orgo_spec::pipeline::{Isolation, Network};

use crate::failure::{Class, Failure};

/// Levels that enforce something, the weaker one first.
const ENFORCED: [Isolation; 2] = [Isolation::Confined, Isolation::Hermetic];

/// Refuses stages at an isolation that this machine cannot give. Each level is tried out, and only if a
/// stage wants it.
pub(crate) fn obtainable(plan: &Resolved, wanted: &[bool]) -> Result<(), Failure> {
    let stages = || plan.stages.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(stage, _)| stage);
    for level in ENFORCED {
        let services = || stages().flat_map(|s| s.services()).map(|at| &plan.services[*at as usize]);
        let stage = stages().find(|s| s.isolation == level).map(|s| ("stage", &s.name));
        let service = || services().find(|s| s.isolation == level).map(|s| ("service", &s.name));
        let Some((kind, name)) = stage.or_else(service) else { continue };
        orgo_host::isolation::obtainable(level).map_err(|missing| {
            let help =
                format!("run it where that is there, or declare `isolation \"open\"` if that is enough for the {kind}");
            refused(kind, name, level, &format!("which this machine cannot give: {missing}"), help)
        })?;
    }
    let alone =
        |s: &&ResolvedStage| s.isolation > Isolation::Open && s.network == Network::None && !s.services().is_empty();
    stages().find(alone).map_or(Ok(()), |stage| {
        Err(refused(
            "stage",
            &stage.name,
            stage.isolation,
            "and needs services, which it could not reach without the network of the host",
            "declare `network \"host\"` for it, or `isolation \"open\"`",
        ))
    })
}

fn refused(kind: &str, name: &str, level: Isolation, why: &str, help: impl Into<String>) -> Failure {
    let message = format!("the {kind} `{name}` runs at isolation `{}`, {why}", level.as_str());
    Failure::message(Class::Environment, Some(ReasonCode::IsolationUnavailable), message, help)
}

/// The levels that this machine gives, as they are written.
pub(super) fn given() -> Vec<&'static str> {
    let enforced = ENFORCED.into_iter().filter(|level| orgo_host::isolation::obtainable(*level).is_ok());
    std::iter::once(Isolation::Open).chain(enforced).map(Isolation::as_str).collect()
}

/// What this machine can enforce, and what stages declare and nobody enforces, in one sentence.
pub(super) fn enforced<'p>(plans: impl Iterator<Item = &'p Resolved>) -> String {
    let stages: Vec<&ResolvedStage> = plans.flat_map(|plan| &plan.stages).collect();
    let mut text = format!("this machine can give isolation `{}`", given().join("`, `"));
    let open: Vec<&&ResolvedStage> = stages.iter().filter(|s| s.isolation == Isolation::Open).collect();
    match open.len() {
        0 => {}
        n if n == stages.len() => {
            text.push_str("; all stages run at `open`: nothing is kept away from them, the network neither");
        }
        n => text.push_str(&format!(
            "; {n} of {} stages run at `open`: nothing is kept away from them, the network neither",
            stages.len()
        )),
    }
    if open.iter().any(|s| s.runtime.as_ref().is_some_and(|r| r.memory_bytes.is_some())) {
        text.push_str("; there, `memory` decides when a stage starts, and is no limit while it runs");
    }
    text
}
