//! `orgo mandate new`: a mandate that permits little, says why, and tests itself.

use std::fmt::Write as _;

use orgo_host::file::{At, write_atomic};
use orgo_spec::{Digest, Name};
use serde_json::json;

use super::Place;
use crate::failure::Failure;

const POLICY: &str = include_str!("new/gate.cedar");
const TESTS: &str = include_str!("new/gate.kdl");

/// Writes the files of a new mandate.
pub(super) fn run(place: &Place<'_>, name: &Name) -> Result<(), Failure> {
    let folder = place.root().join("mandates").join(name.as_str());
    if folder.exists() {
        let message = format!("`mandates/{name}` is there already");
        return Err(Failure::usage(message, "take another name, or edit what is there"));
    }
    let mut rules = String::new();
    for (path, digest) in rulesets(place)? {
        writeln!(rules, "        ruleset \"{path}\" sha256=\"{digest}\"").expect("memory");
    }
    if rules.is_empty() {
        rules.push_str("        // ruleset \"rules/….kdl\" sha256=\"sha256:…\"\n");
    }
    let settings = format!(
        "// What gates accept here, and who must agree to a change of it. See `orgo mandate --help`.\n\
         mandate \"{name}\" version=1 tenant=\"{}\" {{\n    \
             mission \"say what this project is for\"\n    \
             validation {{\n{rules}        validator \"builtin\"\n    }}\n    \
             isolation-minimum \"open\"\n    \
             record \"changed\"\n    \
             // How many approvers must sign a version before it is active.\n    \
             trust {{ approvals 1; }}\n}}\n",
        place.repository.project.tenant
    );
    let files = [("mandate.kdl", settings.as_str()), ("gate.cedar", POLICY), ("tests/gate.kdl", TESTS)];
    for (file, text) in files {
        write_atomic(&folder.join(file), text.as_bytes())?;
        place.context.output.line(format!("mandates/{name}/{file}"));
    }
    place.context.output.note(format!(
        "write `mandate=\"{name}\"` into a pipeline to put it under this mandate; `orgo mandate test` runs its tests"
    ));
    let files: Vec<_> = files.iter().map(|(file, _)| format!("mandates/{name}/{file}")).collect();
    place.context.output.document(&json!({ "schema": "orgo.mandate-new/1", "name": name, "files": files }));
    Ok(())
}

/// The rule sets of the repository, as they are now.
fn rulesets(place: &Place<'_>) -> Result<Vec<(String, Digest)>, Failure> {
    let folder = place.root().join("rules");
    let mut found = Vec::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(&folder).at("list", &folder)? {
            let entry = entry.at("list", &folder)?;
            let Ok(file) = entry.file_name().into_string() else { continue };
            if file.ends_with(".kdl") {
                let bytes = std::fs::read(entry.path()).at("read", &entry.path())?;
                found.push((format!("rules/{file}"), Digest::of(&bytes)));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
