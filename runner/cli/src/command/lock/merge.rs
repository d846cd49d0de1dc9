//! `orgo lock merge`: the merge driver. Git hands over three files and takes the second one back.

use std::path::Path;

use orgo_host::file::{At, write_atomic};
use orgo_spec::document::{Document, DocumentError};
use orgo_spec::lock::{Lock, Subject, merge};
use serde_json::json;

use crate::command::Context;
use crate::failure::{Class, Failure};

/// Merges into `ours`; refuses, with the conflicts marked in the file, where the sides disagree.
pub(super) fn run(context: &Context, base: &Path, ours: &Path, theirs: &Path) -> Result<(), Failure> {
    let read = |path: &Path| {
        let bytes = std::fs::read(path).at("read", path)?;
        Ok::<String, Failure>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (base, a, b) = (read(base)?, read(ours)?, read(theirs)?);
    let locks = lock(&base).and_then(|base| Ok((base, lock(&a)?, lock(&b)?)));
    let (text, conflicts) = match locks {
        Ok((base, a, b)) => {
            let merged = merge(&base, &a, &b);
            (merged.text, merged.conflicts.iter().map(Subject::describe).collect())
        }
        // What cannot be read cannot be merged: both whole files stand there, and nothing is chosen.
        Err(_) => {
            let ended = |text: &str| if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            let text = format!("<<<<<<< ours\n{a}{}=======\n{b}{}>>>>>>> theirs\n", ended(&a), ended(&b));
            (text, vec!["a side that is no `orgo.lock`".to_owned()])
        }
    };
    // Git names a file beside nothing: a path without a folder has none that could be flushed.
    let ours = std::path::absolute(ours).at("resolve", ours)?;
    write_atomic(&ours, text.as_bytes())?;
    for conflict in &conflicts {
        context.output.warn(format!("CONFLICT in orgo.lock: both sides pinned {conflict}, and not alike"));
    }
    context.output.document(&json!({ "schema": "orgo.lock-merge/1", "conflicts": conflicts }));
    if conflicts.is_empty() { Ok(()) } else { Err(Failure::told(Class::Refused)) }
}

/// A side; an empty one where that side has no lock.
fn lock(text: &str) -> Result<Lock, DocumentError> {
    if text.is_empty() { Ok(Lock::default()) } else { Lock::parse(&Document::new("orgo.lock", text)) }
}
