//! `orgo dev policy-cases`: policies and facts with what we decide, for another Cedar to decide again.
//!
//! The same seed gives the same cases. Some sets are not valid, some cannot be evaluated on some facts: these are
//! the ones where Cedar is more forgiving than we are.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use orgo_host::file::replace;
use orgo_kernel::policy::{Policies, schema_text};
use orgo_spec::document::Document;
use orgo_spec::record::{GateFacts, Lane, Produces, ReportFacts, RequestFacts, ValidatorFacts};
use orgo_spec::{Digest, ReasonCode};
use serde_json::{Value, json};

use super::Context;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct PolicyCases {
    /// The file to write: a line with the schema, then a line for each case
    file: PathBuf,
    /// How many cases
    #[arg(long, default_value_t = 1000)]
    count: u32,
    /// Where the numbers begin
    #[arg(long, default_value_t = 20)]
    seed: u64,
}

/// Writes the cases.
pub(super) fn run(context: &Context, args: &PolicyCases) -> Result<(), Failure> {
    let mut numbers = Numbers(args.seed);
    let mut text = format!("{}\n", json!({ "schema": schema_text() }));
    for _ in 0..args.count {
        let policies = policies(&mut numbers);
        let facts = facts(&mut numbers);
        writeln!(text, "{}", case(&policies, &facts)).expect("memory");
    }
    replace(&args.file, text.as_bytes())?;
    context.output.line(format!("{}: {} cases", args.file.display(), args.count));
    Ok(())
}

/// SplitMix64: small, and the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).expect("small")
    }

    fn one_of<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }
}

/// Conditions that hold for some facts and not for others.
const PLAIN: [&str; 14] = [
    "context.report.status == \"passed\"",
    "context.report.errors == 0",
    "context.report.errors > 2",
    "context.report.issues < 4",
    "context.report.issues - context.report.errors <= 1",
    "context.report.codes.contains(\"FUNCTIONAL_CONFLICT\")",
    "context.report.codes.containsAny([\"DECISION_STALE\", \"RANGE_VIOLATION\"])",
    "context.report.codes.isEmpty()",
    "context.lane == \"protected\"",
    "context.produces != \"pack\"",
    "context.validator.builtin",
    "context.stage like \"can*\"",
    "[\"elements\", \"other\"].contains(context.gate)",
    "decimal(\"1.50\").lessThan(decimal(\"2.25\")) && context.report.errors < 3",
];
/// Valid conditions that cannot be evaluated on some facts.
const FAILING: [&str; 4] = [
    "context.report.errors + 9223372036854775807 > 0",
    "context.report.issues * 4611686018427387904 > 3",
    "-9223372036854775807 - context.report.errors - context.report.errors < 0",
    "context.report.errors * context.report.issues * 9223372036854775807 >= 0",
];
/// Conditions that are not of the schema.
const INVALID: [&str; 4] = [
    "context.reprot.errors == 0",
    "context.lane > 3",
    "context.report.missing == 1",
    "context.report.codes.contains(7)",
];

fn condition(numbers: &mut Numbers, depth: usize) -> String {
    match numbers.below(if depth == 0 { 20 } else { 30 }) {
        0 => numbers.one_of(&INVALID).to_owned(),
        1..=4 => numbers.one_of(&FAILING).to_owned(),
        5..=19 => numbers.one_of(&PLAIN).to_owned(),
        20..=22 => format!("({}) && ({})", condition(numbers, depth - 1), condition(numbers, depth - 1)),
        23..=25 => format!("({}) || ({})", condition(numbers, depth - 1), condition(numbers, depth - 1)),
        26 | 27 => format!("!({})", condition(numbers, depth - 1)),
        _ => format!(
            "if {} then {} else {}",
            condition(numbers, depth - 1),
            condition(numbers, depth - 1),
            condition(numbers, depth - 1)
        ),
    }
}

fn policies(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    for at in 0..numbers.below(6) {
        let effect = numbers.one_of(&["permit", "permit", "permit", "forbid", "forbid"]);
        let principal = numbers.one_of(&["principal", "principal", "principal == Pipeline::\"elements\""]);
        let word = numbers.one_of(&["when", "when", "unless"]);
        let condition = condition(numbers, 2);
        writeln!(
            text,
            "@id(\"p{at}\") {effect}({principal}, action == Action::\"compile\", resource) {word} {{ {condition} }};"
        )
        .expect("memory");
    }
    text
}

fn facts(numbers: &mut Numbers) -> GateFacts {
    let codes = ["FUNCTIONAL_CONFLICT", "DECISION_STALE", "RANGE_VIOLATION", "VALUES_WITHIN_TOLERANCE"];
    let mut counts = std::collections::BTreeMap::new();
    for code in codes {
        if numbers.below(3) == 0 {
            counts.insert(code.to_owned(), numbers.below(4) as u64);
        }
    }
    let errors = [0, 0, 0, 1, 3][numbers.below(5)];
    let report = ReportFacts {
        counts,
        decisions: Digest::of(b"decisions"),
        errors,
        ruleset: Digest::of(b"rules"),
        status: numbers.one_of(&["passed", "passed", "partial", "failed"]).to_owned(),
        subject: Digest::of(b"batch"),
    };
    GateFacts {
        accepts: None,
        gate: numbers.one_of(&["accept", "elements"]).to_owned(),
        mandate: None,
        mandate_required: true,
        overriding: None,
        report: Some(report),
        report_digest: Some(Digest::EMPTY),
        request: Some(RequestFacts {
            lane: [Lane::Local, Lane::Request, Lane::Protected][numbers.below(3)],
            pipeline: numbers.one_of(&["elements", "other"]).to_owned(),
            produces: [Produces::Exchange, Produces::Pack, Produces::Program][numbers.below(3)],
        }),
        schema_version: orgo_kernel::gate::FACTS_VERSION.to_owned(),
        stage: numbers.one_of(&["canon", "pack"]).to_owned(),
        subject: Some(Digest::of(b"batch")),
        validator: ValidatorFacts { builtin: numbers.below(2) == 0, digest: Digest::of(b"tools") },
    }
}

/// One case: what is asked in Cedar's own terms, and what we say.
fn case(policies: &str, facts: &GateFacts) -> Value {
    let (report, request) = (facts.report.as_ref().expect("made above"), facts.request.as_ref().expect("made above"));
    let loaded = Policies::load(Digest::EMPTY, &[Document::new("gate.cedar", policies)]);
    let (decision, by) = match &loaded {
        Err(_) => ("invalid", Vec::new()),
        Ok(loaded) => {
            let answer = loaded.ask(facts);
            let decision = match (answer.permits(), answer.codes.contains(&ReasonCode::PolicyError)) {
                (true, _) => "allow",
                (false, true) => "error",
                (false, false) => "deny",
            };
            (decision, answer.by)
        }
    };
    json!({
        "policies": policies,
        "request": {
            "principal": format!("Pipeline::\"{}\"", request.pipeline),
            "action": "Action::\"compile\"",
            "resource": format!("Artifact::\"{}\"", facts.subject.expect("made above")),
            "context": {
                "gate": facts.gate,
                "lane": request.lane,
                "produces": request.produces,
                "report": {
                    "codes": report.counts.keys().collect::<Vec<_>>(),
                    "decisions": report.decisions,
                    "errors": report.errors,
                    "issues": report.counts.values().sum::<u64>(),
                    "ruleset": report.ruleset,
                    "status": report.status,
                },
                "stage": facts.stage,
                "validator": { "builtin": facts.validator.builtin, "digest": facts.validator.digest },
            },
        },
        "ours": decision,
        "by": by,
    })
}
