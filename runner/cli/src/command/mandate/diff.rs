//! `orgo mandate diff`: settings and policies that change, and which way each goes.

use orgo_host::git::Git;
use orgo_host::mandate::{from_ledger, from_tree};
use orgo_kernel::policy::{Policy, Strength, compare};
use orgo_spec::{Name, ReasonCode};
use serde_json::json;

use super::Place;
use crate::failure::{Class, Failure};
use crate::output::plain;

/// A mandate to compare with: what it is, its manifest, its policies.
type Before = (String, Vec<u8>, Vec<Policy>);

/// Compares the mandate of the working folder with the active one, or with that of a commit.
pub(super) fn run(place: &Place<'_>, name: &Name, from: Option<&str>) -> Result<(), Failure> {
    let output = place.context.output;
    let loaded = place.load(name)?;
    let (what, manifest, policies) = before(place, name, from)?;
    let changes = compare((&manifest, &policies), (&loaded.bundle.manifest(), loaded.policies.list()));
    output.line(format!("{name}: {what} -> version {} here", loaded.bundle.mandate().version));
    for change in &changes {
        let mark = match change.strength {
            Strength::Weaker => "-",
            Strength::Stronger => "+",
            Strength::Unclear => "?",
            Strength::Neutral => " ",
        };
        output.line(plain(&format!("{mark} {:<8} {}", change.strength.as_str(), change.what)));
        for (word, text) in [("was", &change.before), ("is", &change.after)] {
            let Some(text) = text else { continue };
            let mut lines = text.lines();
            output.line(plain(&format!("      {word:<3} {}", lines.next().unwrap_or_default())));
            lines.for_each(|line| output.line(plain(&format!("          {line}"))));
        }
    }
    let count = |strength| changes.iter().filter(|c| c.strength == strength).count();
    output.line(format!(
        "{} changes: {} weaker, {} stronger, {} to be read",
        changes.len(),
        count(Strength::Weaker),
        count(Strength::Stronger),
        count(Strength::Unclear)
    ));
    let told: Vec<_> = changes
        .iter()
        .map(|c| json!({ "what": c.what, "before": c.before, "after": c.after, "strength": c.strength.as_str() }))
        .collect();
    output.document(&json!({ "schema": "orgo.mandate-diff/1", "name": name, "from": what, "changes": told }));
    Ok(())
}

fn before(place: &Place<'_>, name: &Name, from: Option<&str>) -> Result<Before, Failure> {
    if let Some(from) = from {
        let git = Git::open(place.root())?;
        let tree = git
            .tree_of(from)
            .map_err(|e| Failure::usage(format!("`{}`: {e}", plain(from)), "name a branch, a tag or a commit"))?;
        return Ok(match from_tree(&git, tree, name)? {
            Some(old) => {
                let version = old.bundle.mandate().version;
                (format!("version {version} at {from}"), old.bundle.manifest(), old.policies.list().to_vec())
            }
            None => (format!("nothing at {from}"), Vec::new(), Vec::new()),
        });
    }
    let Some(opened) = place.ledger()? else { return Ok(none()) };
    let Some(active) = opened.ledger.mandate(&opened.head()?, name)? else { return Ok(none()) };
    let code = ReasonCode::EvidenceMissing;
    let held = from_ledger(&opened.ledger, active.facts.mandate_id)?.ok_or_else(|| {
        let message = format!("the active mandate {} is not in this clone, or not usable", active.facts.mandate_id);
        Failure::message(Class::Integrity, Some(code), message, code.remedy())
    })?;
    Ok((format!("version {}, active", active.facts.version), held.manifest, held.policies.list().to_vec()))
}

fn none() -> Before {
    ("nothing active".to_owned(), Vec::new(), Vec::new())
}
