//! The demo tells the story that it promises.

use crate::support::{Done, ORGO};

#[test]
fn the_demo_tells_the_whole_story() {
    let folder = tempfile::tempdir().unwrap();
    let demo = folder.path().join("demo");
    let command = || {
        let mut command = std::process::Command::new(ORGO);
        command
            .args(["demo", demo.to_str().unwrap(), "--json"])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        Done::from(command.output().unwrap())
    };
    let story = command().ok().json();
    assert_eq!(story["conflicts"], 27);
    assert_eq!(story["failed"]["code"], "VALIDATION_FAILED");
    assert_eq!(story["passed"]["hits"], 3);
    assert_eq!(story["passed"]["ran"], 4);
    assert_eq!(story["verified"]["verdict"], "verified");
    assert_eq!(story["technetium"]["answer"]["claims"].as_array().unwrap().len(), 2);
    command().exits(2);
}
