//! `orgo dev generate`: writes the files that follow from types, or tells which are stale.

use std::path::Path;

use orgo_spec::schema;
use serde_json::json;

use crate::failure::{Class, Failure};
use crate::output::Output;

/// Writes every generated file below `root`; with `check`, writes nothing and refuses if one differs.
///
/// # Errors
/// [`Failure`] if a file cannot be written, or with `check` if one is stale.
pub(crate) fn run(output: Output, root: &Path, check: bool) -> Result<(), Failure> {
    let mut stale = Vec::new();
    let mut files = schema::generated();
    files.push(("schemas/mandate.cedarschema".to_owned(), orgo_kernel::policy::schema_text().into_bytes()));
    for (path, bytes) in files {
        let at = root.join(&path);
        if std::fs::read(&at).is_ok_and(|found| found == bytes) {
            continue;
        }
        if !check {
            write(&at, &bytes).map_err(|e| {
                let message = format!("`{path}` cannot be written: {e}");
                Failure::message(Class::Environment, None, message, "run this in a checkout of orgo itself")
            })?;
        }
        output.line(format!("{} {path}", if check { "stale" } else { "wrote" }));
        stale.push(path);
    }
    output.document(&json!({ "checked": check, "stale": stale }));
    if check && !stale.is_empty() {
        let message = format!("{} generated files are not what the types say", stale.len());
        return Err(Failure::message(Class::Refused, None, message, "run `orgo dev generate` and commit the result"));
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bytes)
}
