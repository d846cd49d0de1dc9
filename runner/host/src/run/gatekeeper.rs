//! Collects what a gate decides on, from verified objects, and lets the kernel decide.

use std::collections::BTreeSet;

use orgo_kernel::gate::{self, FACTS_VERSION};
use orgo_kernel::graph::StageId;
use orgo_kernel::key::{Blob, Output, OutputKind};
use orgo_kernel::plan::{Action, Compiler, Resolved};
use orgo_kernel::policy::Policies;
use orgo_kernel::scheduler::Verdict;
use orgo_spec::canonical::{self, Profile, Value};
use orgo_spec::mandate::Overridable;
use orgo_spec::overriding::SignedOverride;
use orgo_spec::record::{Accepts, GateFacts, Lane, OverrideFacts, Produces, RequestFacts, TrustedKey, ValidatorFacts};
use orgo_spec::signature::PublicKey;
use orgo_spec::{Digest, Name, ReasonCode};

use super::outcome::GateOutcome;
use super::planner::Planner;

/// The policy that gates read: the mandate in force, if there is one.
#[derive(Debug, Clone, Default)]
pub struct GatePolicy {
    /// The mandate in force.
    pub mandate: Option<InForce>,
    /// Whether the pipeline may not pass a gate without one.
    pub required: bool,
}

/// The mandate in force, as gates need it.
#[derive(Debug, Clone)]
pub struct InForce {
    /// What it accepts.
    pub accepts: Accepts,
    /// What the run may leave behind.
    pub lane: Lane,
    /// Its policies, which know its id.
    pub policies: Policies,
    /// What people signed to lift some of them; none where the run may use no override.
    pub overriding: Option<Overriding>,
}

/// What a run knows of overrides.
#[derive(Debug, Clone)]
pub struct Overriding {
    /// What the mandate lets be lifted.
    pub allowed: Vec<Overridable>,
    /// The keys that the trust in force lists as approvers, sorted.
    pub approvers: Vec<TrustedKey>,
    /// What people signed.
    pub signed: Vec<SignedOverride>,
    /// Those that the ledger shows to be used, by id.
    pub spent: BTreeSet<Digest>,
    /// The key that signs the run's record: it signs no override.
    pub runner: Option<PublicKey>,
    /// Whose pipeline it is.
    pub tenant: Name,
}

impl Overriding {
    /// What the gate would be decided on with the override that fits best: one that is not used, the newest of those.
    fn fitting(&self, facts: &GateFacts, now: &str) -> Option<OverrideFacts> {
        let pipeline = &facts.request.as_ref()?.pipeline;
        let fits = |signed: &&SignedOverride| {
            let scope = &signed.document.scope;
            scope.pipeline.as_str() == pipeline
                && scope.gate.as_str() == facts.gate
                && Some(scope.mandate) == facts.mandate
                && Some(scope.subject) == facts.subject
        };
        let is_spent = |signed: &SignedOverride| self.spent.contains(&signed.document.id());
        let rank =
            |signed: &&SignedOverride| (!is_spent(signed), signed.document.requested_at.clone(), signed.document.id());
        let best = self.signed.iter().filter(fits).max_by_key(rank)?;
        Some(OverrideFacts {
            allowed: self.allowed.clone(),
            approvers: self.approvers.clone(),
            at: now.to_owned(),
            signed: best.clone(),
            runner: self.runner,
            spent: is_spent(best),
            tenant_id: self.tenant.clone(),
        })
    }

    /// Whether all of these policies may be lifted.
    fn lifts(&self, policies: &[String]) -> bool {
        policies.iter().all(|id| self.allowed.iter().any(|o| o.policy.as_str() == id))
    }
}

/// Decides the gate in front of `stage` from what the stages before it produced in this run.
///
/// The report is read from the store by its digest, so a cached or an edited report is judged by its
/// bytes, on every run anew.
pub(super) fn decide(
    plan: &Resolved,
    stage: StageId,
    planner: &Planner<'_>,
    policy: &GatePolicy,
    run: &str,
    now: &str,
) -> (Verdict, GateOutcome) {
    let gated = plan.stage(stage);
    let gate = &plan.gates[gated.gate.expect("only gated stages are decided") as usize];
    let report = report(planner, gate.on);
    let subject = subject(plan, stage, planner, gate.on, report.as_deref());
    let mut facts = GateFacts {
        accepts: policy.mandate.as_ref().map(|m| m.accepts.clone()),
        gate: gate.name.clone(),
        mandate: policy.mandate.as_ref().map(|m| m.policies.mandate()),
        mandate_required: policy.required,
        overriding: None,
        report: None,
        report_digest: None,
        request: policy.mandate.as_ref().map(|m| RequestFacts {
            lane: m.lane,
            pipeline: plan.name.clone(),
            produces: match gated.action {
                Action::Compile(Compiler::Exchange) => Produces::Exchange,
                Action::Compile(Compiler::Pack) => Produces::Pack,
                Action::Run(_) | Action::Tool { .. } => Produces::Program,
            },
        }),
        schema_version: FACTS_VERSION.to_owned(),
        stage: gated.name.clone(),
        subject,
        validator: ValidatorFacts {
            builtin: matches!(&plan.stage(gate.on).action, Action::Tool { name, .. } if name == "validate"),
            digest: planner.product(gate.on).map_or(Digest::EMPTY, |p| p.tools),
        },
    };
    let policies = policy.mandate.as_ref().map(|m| &m.policies);
    let (mut verdict, mut pass) = gate::decide(facts.clone(), report.as_deref(), policies, run);
    // Overrides are about what policies forbid, and are looked for only then.
    let forbidden = verdict.record.reason_codes == [ReasonCode::PolicyRefused] && !verdict.record.policies.is_empty();
    let overriding = policy.mandate.as_ref().and_then(|m| m.overriding.as_ref()).filter(|_| forbidden);
    let liftable = overriding.is_some_and(|o| o.lifts(&verdict.record.policies));
    if let Some(over) = overriding.and_then(|o| o.fitting(&facts, now)) {
        facts.overriding = Some(over);
        (verdict, pass) = gate::decide(facts.clone(), report.as_deref(), policies, run);
    }
    let codes = verdict.record.reason_codes.clone();
    let outcome = GateOutcome {
        overriding: facts.overriding.map(|o| o.signed).filter(|_| verdict.record.override_ref.is_some()),
        liftable,
        record: verdict.record,
        facts: verdict.facts,
        report,
        excerpt: verdict.excerpt,
    };
    let verdict = match (pass, subject) {
        (Some(pass), Some(input)) => Verdict::Pass { pass, input },
        _ => Verdict::Fail(leading(&codes)),
    };
    (verdict, outcome)
}

/// The reason that stands for a refusal: what the floor says comes before what policies add.
fn leading(codes: &[ReasonCode]) -> ReasonCode {
    let of_the_floor = codes.iter().find(|code| **code != ReasonCode::PolicyRefused);
    of_the_floor.or(codes.first()).copied().unwrap_or(ReasonCode::GateOrderViolation)
}

/// The report among the outputs of a stage: the file called `report.json`, or the only file.
fn report(planner: &Planner<'_>, on: StageId) -> Option<Vec<u8>> {
    let outputs = &planner.product(on)?.outputs;
    let blob = named(outputs, "report.json").or_else(|| match outputs.as_slice() {
        [Output { kind: OutputKind::File { blob, .. }, .. }] => Some(*blob),
        _ => None,
    })?;
    planner.object(on, blob).ok()
}

/// The digest of what the stage would work on.
///
/// For the Exchange, of the `batch.json` that it reads; for the pack, of the batch that the Exchange's
/// manifest names; for a program, of the file among its inputs that the report is about.
fn subject(
    plan: &Resolved,
    stage: StageId,
    planner: &Planner<'_>,
    on: StageId,
    report: Option<&[u8]>,
) -> Option<Digest> {
    let inputs = || {
        let others = plan.stage(stage).from.iter().filter(|(s, _)| *s != on);
        others.filter_map(|(s, _)| Some((*s, planner.product(*s)?)))
    };
    let only = |name: &str| {
        let found: Vec<_> = inputs().filter_map(|(s, p)| Some((s, named(&p.outputs, name)?))).collect();
        if let [found] = found.as_slice() { Some(*found) } else { None }
    };
    match &plan.stage(stage).action {
        Action::Compile(Compiler::Exchange) => only("batch.json").map(|(_, blob)| blob.digest),
        Action::Compile(Compiler::Pack) => {
            let (made_by, blob) = only("exchange-manifest.json")?;
            let bytes = planner.object(made_by, blob).ok()?;
            let manifest = canonical::parse(&bytes, Profile::DOCUMENT).ok()?;
            manifest.at(&["extensions", "subject_digest"]).and_then(Value::as_str)?.parse().ok()
        }
        Action::Run(_) | Action::Tool { .. } => {
            let about = gate::read_report(report?)?.subject;
            let is_it = |o: &Output| matches!(o.kind, OutputKind::File { blob, .. } if blob.digest == about);
            inputs().any(|(_, p)| p.outputs.iter().any(is_it)).then_some(about)
        }
    }
}

/// The only file with that name, in whatever folder.
fn named(outputs: &[Output], name: &str) -> Option<Blob> {
    let mut found = outputs.iter().filter_map(|o| match &o.kind {
        OutputKind::File { blob, .. } if o.path.rsplit('/').next() == Some(name) => Some(*blob),
        OutputKind::File { .. } | OutputKind::Link(_) | OutputKind::EmptyFolder => None,
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}
