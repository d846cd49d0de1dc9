//! Every override here: what it lifts, who signed it, and whether it counts.

use serde_json::json;

use crate::command::consent::Place;
use crate::failure::Failure;
use crate::output::plain;

/// Runs `orgo override list`.
pub(super) fn run(place: &Place<'_>) -> Result<(), Failure> {
    let (found, known) = place.everything()?;
    let mandates = place.mandates()?;
    let output = place.context.output;
    let mut told = Vec::new();
    for signed in &found.overrides {
        let standing = place.overridden(signed, &known, &mandates);
        let document = &signed.document;
        let scope = &document.scope;
        let word = match (standing.refused, standing.need) {
            (None, _) => "counts".to_owned(),
            (Some(code), Some(need)) => format!("does not count: {code}, {} of {need} sign", standing.have),
            (Some(code), None) => format!("does not count: {code}"),
        };
        let policies = scope.policies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let id = document.id().short();
        output.line(plain(&format!("{id} {} {}: lifts {policies}; {word}", scope.pipeline, scope.gate)));
        output.line(plain(&format!("  {} (until {})", document.reason, document.expires_at)));
        for signer in &standing.signers {
            let counts = signer.refused.map_or("counts".to_owned(), |code| format!("does not count: {code}"));
            output.line(plain(&format!("  {:<16} {counts}", signer.who)));
        }
        told.push(standing.json(signed));
    }
    for (path, code, why) in &found.refused {
        output.line(plain(&format!("{path}: does not count: {code}: {why}")));
    }
    if found.overrides.is_empty() && found.refused.is_empty() {
        output.line("there are no overrides");
    }
    let refused = found.refused.iter().map(|(path, code, why)| json!({ "path": path, "code": code, "why": why }));
    let refused = refused.collect::<Vec<_>>();
    output.document(&json!({ "schema": "orgo.overrides/1", "overrides": told, "refused": refused }));
    Ok(())
}
