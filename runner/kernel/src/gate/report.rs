//! What a gate asks of a Validation Report (koa-contract 2.7).

use std::collections::BTreeMap;

use orgo_spec::Digest;
use orgo_spec::canonical::{self, Profile, Value};
use orgo_spec::record::ReportFacts;

/// Reads the facts of a report; nothing if it is not one, or contradicts itself.
#[must_use]
pub fn read_report(bytes: &[u8]) -> Option<ReportFacts> {
    let report = canonical::parse(bytes, Profile::DOCUMENT).ok()?;
    let text = |path: &[&str]| report.at(path).and_then(Value::as_str);
    let digest = |path: &[&str]| text(path)?.parse::<Digest>().ok();
    let count = |v: &Value| v.as_int().and_then(|n| u64::try_from(n).ok());
    if text(&["schema_version"])? != "3.0" {
        return None;
    }
    let status = text(&["validation_status"]).filter(|s| ["passed", "partial", "failed"].contains(s))?;
    let counted = report.at(&["stats", "error_count"]).and_then(count)?;
    let mut listed = 0;
    for issue in report.get("issues")?.as_array()? {
        match issue.get("severity").and_then(Value::as_str)? {
            "ERROR" => listed += 1,
            "WARNING" | "INFO" => {}
            _ => return None,
        }
    }
    let mut counts = BTreeMap::new();
    for (code, value) in report.at(&["extensions", "koa", "counts"])?.as_object()?.iter() {
        counts.insert(code.to_owned(), count(value)?);
    }
    Some(ReportFacts {
        counts,
        decisions: digest(&["extensions", "koa", "decisions_digest"])?,
        errors: counted.max(listed),
        ruleset: digest(&["extensions", "koa", "ruleset_digest"])?,
        status: status.to_owned(),
        subject: digest(&["extensions", "koa", "subject_digest"])?,
    })
}
