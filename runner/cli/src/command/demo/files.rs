//! The bundled example: the files of `examples/elements`, in the binary.

use std::path::Path;

use orgo_host::file::write_atomic;

use crate::failure::Failure;

macro_rules! bundled {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../../../examples/elements/", $path)))),+]
    };
}

const FILES: &[(&str, &[u8])] = bundled![
    "README.md",
    "orgo.kdl",
    "orgo.lock",
    "pipelines/elements.kdl",
    "mandates/reference-data/mandate.kdl",
    "mandates/reference-data/gate.cedar",
    "mandates/reference-data/tests/gate.kdl",
    "blueprints/elements.kdl",
    "maps/elements.kdl",
    "rules/elements.kdl",
    "data/mendeleev.csv",
    "data/periodictable.csv",
    "data/registry.jsonl",
    "data/SOURCES.md",
    "decisions/atomic-mass.kdl",
    "decisions/density.kdl",
];

/// Writes the files that `wanted` names below `repo`.
pub(super) fn write(repo: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), Failure> {
    for (path, bytes) in FILES.iter().filter(|(path, _)| wanted(path)) {
        write_atomic(&repo.join(path), bytes)?;
    }
    Ok(())
}
