//! Ledgers that released versions wrote are verified by this one: a format that was released stays readable.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{ORGO, git};

#[test]
fn ledgers_of_every_released_version_verify() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let mut versions = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let bundle = entry.unwrap().path();
        if bundle.extension().is_none_or(|e| e != "bundle") {
            continue;
        }
        versions += 1;
        let expected: Value = serde_json::from_slice(&std::fs::read(bundle.with_extension("json")).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cloned = git(folder.path(), &["clone", "-q", "--bare", bundle.to_str().unwrap(), "ledger.git"]);
        assert_eq!(cloned.code, Some(0), "{}", cloned.stderr);
        let output = Command::new(ORGO)
            .args(["verify", "ledger.git", "--full", "--ci", "--json", "--home", "home", "--root"])
            .arg(expected["root"].as_str().unwrap())
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        assert!(output.status.success(), "{bundle:?}: {}", String::from_utf8_lossy(&output.stdout));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["verdict"], "verified", "{bundle:?}");
        assert_eq!(report["findings"], serde_json::json!([]), "{bundle:?}");
        for name in ["checkpoint", "root", "tenant"] {
            assert_eq!(report[name], expected[name], "{bundle:?}: {name}");
        }
        assert_eq!(report["counts"]["records"], expected["records"], "{bundle:?}");
        assert_eq!(report["counts"]["gates"], expected["gates"], "{bundle:?}");
    }
    assert!(versions > 0, "the corpus is there");
}
