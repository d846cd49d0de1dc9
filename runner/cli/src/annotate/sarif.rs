//! SARIF 2.1.0 (OASIS): one run of one tool, its rules, and a result for each remark.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::gitlab::fingerprint;
use super::{Annotation, Level, kinds};

/// The log.
pub(super) fn log(annotations: &[Annotation]) -> Value {
    let mut rules: BTreeMap<&str, &str> = kinds().collect();
    rules.extend(annotations.iter().map(|a| (a.rule, a.meaning)));
    let index: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(at, rule)| (*rule, at)).collect();
    let mut seen = BTreeMap::new();
    let result = |a: &Annotation| {
        let level = match a.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        json!({
            "ruleId": a.rule,
            "ruleIndex": index[a.rule],
            "level": level,
            "message": { "text": a.message },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": uri(&a.place.file), "uriBaseId": "%SRCROOT%" },
                "region": { "startLine": a.place.line, "startColumn": a.place.column },
            } }],
            "partialFingerprints": { "orgo/v1": fingerprint(a, &mut seen) },
        })
    };
    let results: Vec<Value> = annotations.iter().map(result).collect();
    let rules: Vec<Value> =
        rules.iter().map(|(id, text)| json!({ "id": id, "shortDescription": { "text": text } })).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "orgo", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_a_relative_reference() {
        assert_eq!(uri("pipelines/a b#é.kdl"), "pipelines/a%20b%23%C3%A9.kdl");
    }
}
