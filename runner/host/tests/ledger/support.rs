//! A ledger to play with: keys, a repository, and ways to harm it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use orgo_host::git::{Git, Identity, ObjectId};
use orgo_host::key::{PrivateKey, Role, UserDir};
use orgo_host::ledger::{AUDIT, Append, Appended, Entry, Latest, Ledger, Signers};
use orgo_host::verify::{VerifyOptions, VerifyReport, verify};
use orgo_spec::signature::{Envelope, PublicKey, SshSignature};
use orgo_spec::{Digest, Name, ReasonCode};

pub(crate) const NOW: i64 = 1_767_225_600;

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("the test's own name")
}

pub(crate) fn program(folder: &Path, program: &str, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"))
}

pub(crate) fn must(folder: &Path, command: &str, args: &[&str]) -> String {
    let output = program(folder, command, args);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command} {args:?}: {text}");
    text
}

pub(crate) struct Keys {
    pub(crate) root: [PrivateKey; 1],
    pub(crate) runner: PrivateKey,
    pub(crate) git: PrivateKey,
}

impl Keys {
    pub(crate) fn new(home: &Path) -> Self {
        let user = UserDir::at(home);
        let key = |role| user.key_or_development(role).expect("a development key");
        Self { root: [key(Role::Root)], runner: key(Role::Runner), git: key(Role::Git) }
    }

    pub(crate) fn signers(&self) -> Signers<'_> {
        Signers { runner: &self.runner, git: &self.git, roots: &self.root }
    }
}

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) keys: Keys,
    pub(crate) ledger: Ledger,
}

impl World {
    /// A bare repository with a ledger of one trust record.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        must(folder.path(), "git", &["init", "-q", "--bare", "repo"]);
        let keys = Keys::new(&folder.path().join("home"));
        let ledger = Ledger::open(&folder.path().join("repo"), AUDIT).expect("a repository");
        ledger.init(trust(&keys, "acme"), NOW, &keys.signers()).expect("a new ledger");
        Self { folder, keys, ledger }
    }

    /// The same with three builds of two pipelines.
    pub(crate) fn with_builds() -> Self {
        let world = Self::new();
        for (n, pipeline) in [(1, "elements"), (2, "ci"), (3, "elements")] {
            world.append(&build(n, pipeline));
        }
        world
    }

    pub(crate) fn repo(&self) -> std::path::PathBuf {
        self.folder.path().join("repo")
    }

    pub(crate) fn git(&self) -> Git {
        Git::open(&self.repo()).expect("a repository")
    }

    pub(crate) fn append(&self, append: &Append) -> Appended {
        self.ledger.append(append, &self.keys.signers()).expect("appended")
    }

    pub(crate) fn verify(&self) -> VerifyReport {
        verify(&self.repo(), AUDIT, &VerifyOptions::default()).expect("a report")
    }

    /// The codes of all findings.
    pub(crate) fn codes(&self) -> Vec<ReasonCode> {
        self.verify().findings.iter().map(|f| f.code).collect()
    }

    pub(crate) fn tip(&self) -> ObjectId {
        self.git().tip(AUDIT).expect("readable").expect("a tip")
    }

    /// The path of the statement and envelope of record `number`.
    pub(crate) fn paths(&self, number: u64) -> (String, String) {
        let path = self.ledger.record(number).expect("a record").path;
        (path.clone(), path.replace(".json", ".dsse"))
    }

    pub(crate) fn file(&self, path: &str) -> Vec<u8> {
        let git = self.git();
        let tree = git.commit(self.tip()).expect("a commit").tree;
        git.blob(git.entry(tree, path).expect("readable").expect("a file").id).expect("a blob")
    }

    /// Makes the newest commit again with other files (`None` removes), signed by `sign`.
    pub(crate) fn rewrite_tip(&self, files: &[(&str, Option<&[u8]>)], sign: &PrivateKey) {
        let git = self.git();
        let old = git.commit(self.tip()).expect("a commit");
        self.commit(old.parents.first().copied(), old.tree, files, &old.message, Some(sign));
    }

    /// Adds a commit on top with other files, properly signed.
    pub(crate) fn add_commit(&self, files: &[(&str, Option<&[u8]>)], message: &str) {
        let tip = self.tip();
        let tree = self.git().commit(tip).expect("a commit").tree;
        self.commit(Some(tip), tree, files, message, Some(&self.keys.git));
    }

    /// A commit of `tree` with changes, made without any of the ledger's rules.
    pub(crate) fn commit(
        &self,
        parent: Option<ObjectId>,
        tree: ObjectId,
        files: &[(&str, Option<&[u8]>)],
        message: &str,
        sign: Option<&PrivateKey>,
    ) {
        let git = self.git();
        let mut tree = tree;
        for (path, content) in files {
            tree = match content {
                Some(bytes) => {
                    let blob = git.write_blob(bytes).expect("stored");
                    let files = BTreeMap::from([((*path).to_owned(), blob)]);
                    git.write_tree(Some(tree), &files, &mut Vec::new()).expect("stored")
                }
                None => self.without(tree, path),
            };
        }
        let who = Identity { name: "orgo".to_owned(), email: "orgo@acme".to_owned(), seconds: NOW };
        let commit = match sign {
            Some(key) => {
                let sign = |bytes: &[u8]| -> Result<SshSignature, orgo_host::git::GitError> {
                    Ok(key.sign_commit(bytes).expect("a git key"))
                };
                git.write_commit(tree, parent, &who, message, sign).expect("a commit")
            }
            None => {
                let mut args = vec!["-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", "-m", message];
                let (tree, parent) = (tree.to_string(), parent.map(|p| p.to_string()).unwrap_or_default());
                if !parent.is_empty() {
                    args.extend(["-p", &parent]);
                }
                args.push(&tree);
                must(&self.repo(), "git", &args).trim().parse().expect("an id")
            }
        };
        must(&self.repo(), "git", &["update-ref", AUDIT, &commit.to_string()]);
    }

    fn without(&self, tree: ObjectId, path: &str) -> ObjectId {
        let repo = self.repo();
        let index = self.folder.path().join("index").to_string_lossy().into_owned();
        let _ = std::fs::remove_file(&index);
        let run = |args: &[&str]| {
            let output = Command::new("git")
                .args(args)
                .current_dir(&repo)
                .env("GIT_INDEX_FILE", &index)
                .env("GIT_WORK_TREE", &repo)
                .output();
            let output = output.expect("git runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("text")
        };
        run(&["read-tree", &tree.to_string()]);
        run(&["update-index", "--force-remove", path]);
        run(&["write-tree"]).trim().parse().expect("an id")
    }

    /// An envelope of other bytes by the right keys.
    pub(crate) fn envelope(&self, statement: &[u8]) -> Vec<u8> {
        Envelope::new([self.keys.runner.sign_payload(statement).expect("a runner key")]).to_bytes()
    }
}

pub(crate) fn evidence(n: u32) -> Vec<u8> {
    format!("{{\"issues\":{n}}}").into_bytes()
}

pub(crate) fn trust(keys: &Keys, tenant: &str) -> Vec<u8> {
    let public = |k: &PrivateKey| k.public().to_string();
    let root: Vec<String> = keys.root.iter().map(public).collect();
    let value = serde_json::json!({
        "tenant": tenant, "development": true, "root_threshold": 1,
        "root": root, "runner": [public(&keys.runner)], "git": [public(&keys.git)],
    });
    orgo_spec::canonical::to_pretty(&orgo_spec::canonical::Value::of(&value).expect("plain"))
}

pub(crate) fn build(n: u32, pipeline: &str) -> Append {
    let statement = format!("{{\n  \"n\": {n}\n}}\n").into_bytes();
    let latest = None;
    let entry = Entry { kind: name("build"), statement, evidence: vec![evidence(n)], latest };
    let subject = format!("{pipeline} PASS");
    let trailers = vec![("Source-Commit".to_owned(), "0".repeat(40))];
    Append { entries: vec![entry], subject, trailers, seconds: NOW + i64::from(n) }
}
