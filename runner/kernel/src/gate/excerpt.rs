//! What a ledger keeps of a report that is too large for it (decision 0030).
//!
//! A gate decides on the whole report, whose digest is in the facts. Where the report is larger than a ledger takes, an
//! excerpt of it lies there in its place: exact counts, the first issues, size and digest of the whole. It is a function
//! of the report's bytes, so whoever has these can make it again.

use std::collections::BTreeMap;

use orgo_spec::Digest;
use orgo_spec::canonical::{self, Object, Profile, Value};

/// The largest report that a ledger keeps whole, in bytes: as much as a piece of evidence may have.
pub const MAX_REPORT_BYTES: usize = 2 << 20;
/// Most issues in an excerpt.
const MAX_ISSUES: usize = 1000;
/// Most bytes that these issues take.
const MAX_ISSUE_BYTES: usize = 1 << 20;
/// Version of the document.
const SCHEMA_VERSION: &str = "1.0.0";

/// The excerpt of a report that a ledger does not keep whole, as canonical JSON; none for a report that it keeps. Of
/// something that is no report, it has size and digest only.
#[must_use]
pub fn excerpt(report: &[u8]) -> Option<Vec<u8>> {
    if report.len() <= MAX_REPORT_BYTES {
        return None;
    }
    let mut excerpt = Object::from_iter([
        ("report", Value::from(Digest::of(report))),
        ("report_bytes", Value::from(report.len().to_string().as_str())),
        ("schema_version", SCHEMA_VERSION.into()),
    ]);
    if let Some(facts) = super::read_report(report)
        && let Ok(parsed) = canonical::parse(report, Profile::DOCUMENT)
    {
        let counts: Object =
            facts.counts.iter().map(|(code, n)| (code.clone(), Value::from(n.to_string().as_str()))).collect();
        excerpt.insert("counts", Value::Object(counts));
        excerpt.insert("validation_status", facts.status.as_str());
        let mut bytes = 0;
        let issues = parsed.get("issues").and_then(Value::as_array).unwrap_or_default().iter();
        let first = issues.take(MAX_ISSUES).take_while(|issue| {
            bytes += canonical::to_bytes(issue).len() + 1;
            bytes <= MAX_ISSUE_BYTES
        });
        excerpt.insert("issues", Value::Array(first.cloned().collect()));
    }
    Some(canonical::to_bytes(&excerpt.into()))
}

/// Whether an excerpt is about the report of that digest, and counts what was read of it.
pub(super) fn is_about(excerpt: &[u8], report: Digest, counts: Option<&BTreeMap<String, u64>>) -> bool {
    let Ok(read) = canonical::parse(excerpt, Profile::DOCUMENT) else { return false };
    let same_report = read.get("report").and_then(Value::as_str) == Some(report.to_string().as_str());
    let said: Option<BTreeMap<String, u64>> = read.get("counts").and_then(Value::as_object).map(|counts| {
        counts.iter().filter_map(|(code, n)| Some((code.to_owned(), n.as_str()?.parse().ok()?))).collect()
    });
    same_report && said.as_ref() == counts && canonical::to_bytes(&read) == excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large(errors: usize) -> Vec<u8> {
        let report = super::super::tests::report("failed", errors, Digest::EMPTY);
        let text = String::from_utf8(report).expect("text");
        text.replace("27 or 28", &"27 or 28, ".repeat(20)).into_bytes()
    }

    #[test]
    fn a_report_that_fits_has_no_excerpt() {
        assert_eq!(excerpt(&large(27)), None);
        assert_eq!(excerpt(&vec![b' '; MAX_REPORT_BYTES]), None);
    }

    #[test]
    fn an_excerpt_counts_everything_and_lists_the_first_issues() {
        let report = large(10_000);
        let Some(bytes) = excerpt(&report) else { panic!("the report has {} bytes", report.len()) };
        assert!(bytes.len() < MAX_REPORT_BYTES);
        let read: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(read["issues"].as_array().map(Vec::len), Some(MAX_ISSUES));
        assert_eq!(read["counts"]["FUNCTIONAL_CONFLICT"], "10000");
        assert_eq!(read["report"], Digest::of(&report).to_string());
        assert_eq!(excerpt(&report), Some(bytes), "a function of the report");
    }

    #[test]
    fn an_excerpt_of_something_else_is_not_about_it() {
        let report = large(10_000);
        let bytes = excerpt(&report).expect("large");
        let counts = BTreeMap::from([("FUNCTIONAL_CONFLICT".to_owned(), 10_000)]);
        assert!(is_about(&bytes, Digest::of(&report), Some(&counts)));
        assert!(!is_about(&bytes, Digest::EMPTY, Some(&counts)));
        assert!(!is_about(&bytes, Digest::of(&report), None));
        assert!(!is_about(&bytes[1..], Digest::of(&report), Some(&counts)));
        let noise = vec![b'x'; MAX_REPORT_BYTES + 1];
        let bytes = excerpt(&noise).expect("large");
        assert!(is_about(&bytes, Digest::of(&noise), None), "no report: nothing is counted");
    }
}
