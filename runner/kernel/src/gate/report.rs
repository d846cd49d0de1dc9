//! What a gate asks of a Validation Report (koa-contract 2.7).
//!
//! The reader trusts nothing that the report says of itself: counts must agree with each other and with
//! the issues that are listed. A report that contradicts itself is no report.

use std::collections::BTreeMap;

use orgo_spec::Digest;
use orgo_spec::canonical::{self, Profile, Value};
use orgo_spec::record::ReportFacts;

/// The members that Kristal's closed shape knows.
const MEMBERS: [&str; 16] = [
    "build_id",
    "created_at",
    "export_validation",
    "extensions",
    "inputs",
    "issues",
    "kristal_id",
    "limits",
    "profiles",
    "report_id",
    "schema_version",
    "shacl",
    "shex",
    "stats",
    "tooling",
    "validation_status",
];
/// Issues of one code that a report must list; beyond this it only counts them.
const MUST_LIST: u64 = 10_000;
/// Most different codes in one report, so that the facts of a gate stay small.
const MAX_CODES: usize = 256;

/// Reads the facts of a report; nothing if it is not one, or contradicts itself.
#[must_use]
pub fn read_report(bytes: &[u8]) -> Option<ReportFacts> {
    let report = canonical::parse(bytes, Profile::DOCUMENT).ok()?;
    if !report.as_object()?.iter().all(|(name, _)| MEMBERS.contains(&name)) {
        return None;
    }
    let text = |path: &[&str]| report.at(path).and_then(Value::as_str);
    let digest = |path: &[&str]| text(path)?.parse::<Digest>().ok();
    let count = |path: &[&str]| report.at(path).and_then(natural);
    if text(&["schema_version"])? != "3.0" {
        return None;
    }
    let status = text(&["validation_status"]).filter(|s| ["passed", "partial", "failed"].contains(s))?;
    let stats =
        [count(&["stats", "error_count"])?, count(&["stats", "warning_count"])?, count(&["stats", "info_count"])?];
    let counts = counts(report.at(&["extensions", "koa", "counts"])?)?;
    if counts.values().try_fold(0u64, |sum, n| sum.checked_add(*n))? != stats.iter().sum::<u64>() {
        return None;
    }
    let listed = Listed::of(report.get("issues")?.as_array()?)?;
    let severities_fit = listed.severities.iter().zip(&stats).all(|(listed, counted)| listed <= counted);
    let all_are_counted = listed.codes.keys().all(|code| counts.contains_key(*code));
    let all_are_listed =
        counts.iter().all(|(code, n)| listed.codes.get(code.as_str()).copied().unwrap_or(0) == (*n).min(MUST_LIST));
    if !(severities_fit && all_are_counted && all_are_listed) {
        return None;
    }
    Some(ReportFacts {
        counts,
        decisions: digest(&["extensions", "koa", "decisions_digest"])?,
        errors: stats[0],
        ruleset: digest(&["extensions", "koa", "ruleset_digest"])?,
        status: status.to_owned(),
        subject: digest(&["extensions", "koa", "subject_digest"])?,
    })
}

/// The issues of a report, by severity (errors, warnings, remarks) and by code.
#[derive(Default)]
struct Listed<'r> {
    severities: [u64; 3],
    codes: BTreeMap<&'r str, u64>,
}

impl<'r> Listed<'r> {
    fn of(issues: &'r [Value]) -> Option<Self> {
        let mut listed = Self::default();
        for issue in issues {
            let text = |name: &str| issue.get(name).and_then(Value::as_str);
            let severity = ["ERROR", "WARNING", "INFO"].iter().position(|s| Some(*s) == text("severity"))?;
            text("message")?;
            listed.severities[severity] += 1;
            *listed.codes.entry(text("code")?).or_default() += 1;
        }
        Some(listed)
    }
}

fn counts(value: &Value) -> Option<BTreeMap<String, u64>> {
    let members = value.as_object()?;
    let is_code = |text: &str| {
        (1..=100).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let counts = members.iter().map(|(code, n)| Some((is_code(code).then(|| code.to_owned())?, natural(n)?)));
    let counts: BTreeMap<_, _> = counts.collect::<Option<_>>()?;
    (counts.len() <= MAX_CODES).then_some(counts)
}

fn natural(value: &Value) -> Option<u64> {
    value.as_int().and_then(|n| u64::try_from(n).ok())
}
