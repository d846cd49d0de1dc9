//! A Code Quality report of GitLab: an array of issues, each with a fingerprint of its own.

use std::collections::BTreeMap;

use orgo_spec::Digest;
use serde_json::{Value, json};

use super::{Annotation, Level};

/// The report.
pub(super) fn report(annotations: &[Annotation]) -> Value {
    let mut seen: BTreeMap<Digest, usize> = BTreeMap::new();
    let issue = |a: &Annotation| {
        let severity = match a.level {
            Level::Error => "blocker",
            Level::Warning => "major",
            Level::Note => "info",
        };
        json!({
            "description": a.message,
            "check_name": format!("orgo/{}", a.rule),
            "fingerprint": fingerprint(a, &mut seen),
            "severity": severity,
            "location": { "path": a.place.file, "lines": { "begin": a.place.line } },
        })
    };
    Value::Array(annotations.iter().map(issue).collect())
}

/// The same remark has the same fingerprint wherever its line has moved to; of equal remarks each has its own.
pub(super) fn fingerprint(annotation: &Annotation, seen: &mut BTreeMap<Digest, usize>) -> String {
    let text = [annotation.rule, &annotation.place.file, &annotation.message].join("\0");
    let digest = Digest::of(text.as_bytes());
    let count = seen.entry(digest).or_default();
    *count += 1;
    let digest = if *count == 1 { digest } else { Digest::of(format!("{text}\0{count}").as_bytes()) };
    digest.to_string().trim_start_matches("sha256:").to_owned()
}
