//! Repositories whose runs are protected: with a ledger, people and a remote.

use std::path::PathBuf;

use super::{Repo, git};

/// A pipeline that makes a record in every run, also where nothing had to be done.
const RECORDED: &str = r#"pipeline "p" { record "always"; stage "s" { files "input"; run "sh" "-c" "cat input > o"; tool "cat"; out "o" } }"#;

impl Repo {
    /// A repository with [`RECORDED`], its ledger begun, committed.
    pub fn recorded() -> Self {
        let repo = Self::with_pipeline(RECORDED);
        repo.write("input", "1\n");
        repo.begin_ledger();
        repo
    }

    /// Begins the ledger and commits what is here: from now on runs are protected.
    #[track_caller]
    pub fn begin_ledger(&self) {
        self.write(".gitignore", "/out/\n/.orgo/\n");
        self.orgo(&["init"]).ok();
        self.commit("ready");
    }

    /// Makes the key `approver`, and lets the trust list it.
    #[track_caller]
    pub fn trust_approver(&self) {
        self.orgo(&["key", "new", "approver"]).ok();
        let shown = self.orgo(&["key", "show", "approver", "--json"]).ok().json();
        let public = shown["public"].as_str().expect("a key");
        self.orgo(&["trust", "change", "--add", &format!("approver={public}")]).ok();
    }

    /// Pushes the code and the ledger to a new bare repository, which is the remote `origin` from now on.
    #[track_caller]
    pub fn push_to_remote(&self) -> PathBuf {
        let bare = self.beside("remote.git");
        let url = bare.to_str().expect("a plain path");
        assert_eq!(git(&self.root(), &["init", "-q", "--bare", "-b", "main", url]).code, Some(0));
        self.git(&["remote", "add", "origin", url]);
        self.git(&["push", "-q", "origin", "main"]);
        let told = self.orgo(&["record", "submit", "--json"]).ok().json();
        assert_eq!(told["records"], serde_json::json!([]));
        bare
    }
}
