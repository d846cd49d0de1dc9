//! A ledger to play with: keys, a repository, and ways to harm it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use orgo_host::git::{Git, Identity, ObjectId};
use orgo_host::key::{PrivateKey, Role, UserDir};
use orgo_host::ledger::{AUDIT, Append, Appended, Entry, Ledger, Signers};
use orgo_host::verify::{VerifyOptions, VerifyReport, verify};
use orgo_spec::log::{Checkpoint, CheckpointError, Edge, Leaf, NoteKey, SignedCheckpoint};
use orgo_spec::record::{
    Actor, BuildFacts, BuildRecord, BuildRun, Class, Compiler, Decision, GateFacts, GateRecord, Lane, Outcome, Outputs,
    PipelineRef, Program, Source, Statement, TrustFacts, TrustKeys, TrustRecord, TrustRun, TrustedKey, ValidatorFacts,
};
use orgo_spec::signature::{Envelope, SshSignature};
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
    pub(crate) log: PrivateKey,
}

impl Keys {
    pub(crate) fn new(home: &Path) -> Self {
        let user = UserDir::at(home);
        let key = |role| user.key_or_development(role).expect("a development key");
        Self { root: [key(Role::Root)], runner: key(Role::Runner), git: key(Role::Git), log: key(Role::Log) }
    }

    pub(crate) fn signers(&self) -> Signers<'_> {
        Signers { runner: &self.runner, git: &self.git, log: &self.log, roots: &self.root }
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
                    let files = BTreeMap::from([((*path).to_owned(), Some(blob))]);
                    git.write_tree(Some(tree), &files, &mut Vec::new()).expect("stored")
                }
                None => self.without(tree, path),
            };
        }
        let seconds = parent.map_or(NOW, |p| git.commit(p).map_or(NOW, |c| c.seconds));
        let tree = self.relogged(tree);
        let who = Identity { name: "orgo".to_owned(), email: "orgo@acme".to_owned(), seconds };
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

    /// The tree with the log that its records make, signed by the log key; as it is where a record has no envelope.
    pub(crate) fn relogged(&self, tree: ObjectId) -> ObjectId {
        let git = self.git();
        let listed = must(&self.repo(), "git", &["ls-tree", "-r", "--name-only", &tree.to_string(), "records"]);
        let mut paths: Vec<(u64, &str)> = Vec::new();
        for path in listed.lines().filter(|p| p.ends_with(".json")) {
            let parts: Vec<&str> = path.split('/').collect();
            let number = |text: &str| text.split('.').next().and_then(|n| n.parse::<u64>().ok()).expect("a number");
            paths.push(((number(parts[1]) * 256 + number(parts[2])) * 256 + number(parts[3]), path));
        }
        paths.sort_unstable();
        let mut edge = Edge::new();
        let mut root = None;
        for (_, path) in paths {
            let digest = |path: &str| {
                let entry = git.entry(tree, path).expect("readable")?;
                Some(Digest::of(&git.blob(entry.id).expect("a blob")))
            };
            let statement = digest(path).expect("listed");
            let Some(envelope) = digest(&path.replace(".json", ".dsse")) else { return tree };
            root.get_or_insert(statement);
            edge.push(Leaf::new(path, statement, envelope).expect("a leaf").hash());
        }
        let Some(root) = root else { return tree };
        let origin = Checkpoint::origin_for(&name("acme"), &root);
        let key = NoteKey::new(&origin, *self.keys.log.public()).expect("a name");
        let checkpoint = Checkpoint::new(&origin, edge.size(), edge.root()).expect("small");
        let signed: Result<_, CheckpointError> =
            SignedCheckpoint::sign(&checkpoint, &key, |text| Ok(self.keys.log.sign_note(text).expect("a log key").1));
        let note = signed.expect("signed").to_text();
        let files = [("log/edge", edge.to_text()), ("log/checkpoint", note)];
        let files = files.map(|(path, text)| (path.to_owned(), Some(git.write_blob(text.as_bytes()).expect("stored"))));
        git.write_tree(Some(tree), &BTreeMap::from(files), &mut Vec::new()).expect("stored")
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

/// A report that passes about the batch called `n`.
pub(crate) fn evidence(n: u32) -> Vec<u8> {
    report("passed", 0, subject(n))
}

pub(crate) fn subject(n: u32) -> Digest {
    Digest::of(&n.to_be_bytes())
}

pub(crate) fn report(status: &str, errors: usize, subject: Digest) -> Vec<u8> {
    let rules = Digest::EMPTY;
    let issues = vec![r#"{"severity":"ERROR","code":"FUNCTIONAL_CONFLICT","message":"27 or 28"}"#; errors].join(",");
    let counts = if errors > 0 { format!(r#""FUNCTIONAL_CONFLICT":{errors}"#) } else { String::new() };
    let koa = format!(
        r#"{{"counts":{{{counts}}},"decisions_digest":"{rules}","ruleset_digest":"{rules}","subject_digest":"{subject}"}}"#
    );
    let stats = format!(r#"{{"error_count":{errors},"info_count":0,"warning_count":0}}"#);
    format!(
        r#"{{"schema_version":"3.0","validation_status":"{status}","stats":{stats},"issues":[{issues}],"extensions":{{"koa":{koa}}}}}"#
    )
    .into_bytes()
}

pub(crate) fn trust(keys: &Keys, tenant: &str) -> Vec<u8> {
    orgo_host::ledger::Trust::development(&name(tenant), &keys.signers(), "2026-01-01T00:00:00Z")
}

pub(crate) fn trust_version(keys: &Keys, tenant: &str, version: u32) -> Vec<u8> {
    let trusted = |key: &PrivateKey| TrustedKey::new(*key.public(), Class::Development);
    let mut root: Vec<_> = keys.root.iter().map(trusted).collect();
    root.sort_unstable_by_key(|k| k.key);
    let keys = TrustKeys {
        approver: Vec::new(),
        git: vec![trusted(&keys.git)],
        log: vec![trusted(&keys.log)],
        root,
        runner: vec![trusted(&keys.runner)],
    };
    let facts = TrustFacts {
        class: Class::Development,
        keys,
        revoked: Vec::new(),
        root_threshold: 1,
        schema_version: TrustRecord::SCHEMA_VERSION.to_owned(),
        tenant_id: name(tenant),
        version,
    };
    let run = TrustRun { created_at: "2026-01-01T00:00:00Z".to_owned() };
    Statement::new(TrustRecord { facts, run }).to_bytes().expect("a trust record")
}

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Gate and evidence of a build about batch `n`.
pub(crate) fn decided(n: u32, report: &[u8]) -> (GateRecord, Vec<u8>) {
    let facts = GateFacts {
        accepts: None,
        gate: "accept".to_owned(),
        mandate: None,
        mandate_required: false,
        overriding: None,
        report: None,
        report_digest: None,
        request: None,
        schema_version: orgo_kernel::gate::FACTS_VERSION.to_owned(),
        stage: "canon".to_owned(),
        subject: Some(subject(n)),
        validator: ValidatorFacts { builtin: true, digest: Digest::EMPTY },
    };
    let (verdict, _pass) = orgo_kernel::gate::decide(facts, Some(report), None, "run");
    (verdict.record, verdict.facts)
}

/// What run `n` of a pipeline says when its gate decided so.
pub(crate) fn record(n: u32, pipeline: &str, gate: GateRecord, report: &[u8]) -> Statement<BuildRecord> {
    let passed = gate.decision == Decision::Pass;
    let program = |name: &str| (Digest::EMPTY, name.to_owned(), "0.1.0".to_owned());
    let (digest, compiler, version) = program("orgo");
    let mut facts = BuildFacts::new(
        name("acme"),
        Class::Development,
        Lane::Protected,
        PipelineRef {
            definition: Digest::EMPTY,
            name: name(pipeline),
            parameters: BTreeMap::new(),
            profile: None,
            targets: Vec::new(),
        },
        Source {
            base: None,
            commit: COMMIT.to_owned(),
            dirty: false,
            reference: Some("refs/heads/main".to_owned()),
            tree: COMMIT.to_owned(),
        },
        Compiler { digest, name: compiler.clone(), version: version.clone() },
        subject(n),
    );
    facts.validation_status = Some(gate.decision);
    facts.validation_report_ref = Some(Digest::of(report));
    facts.end(match gate.reason_codes.first() {
        _ if passed => Outcome::Passed { outputs: Outputs::default() },
        reason => Outcome::Failed { reason: *reason.expect("a refusal has reasons") },
    });
    facts.gates = vec![gate];
    let now = "2026-01-01T00:00:00.000Z";
    let run = BuildRun {
        actor: Actor { id: "t".to_owned(), kind: "person".to_owned() },
        approvals_decided_at: std::collections::BTreeMap::new(),
        build_id: format!("00000000-0000-4000-8000-{n:012}"),
        clock: "injected".to_owned(),
        created_at: now.to_owned(),
        ended_at: now.to_owned(),
        environment: "development".to_owned(),
        executor: Program { digest, name: compiler, version },
        host: "test".to_owned(),
        stages: Vec::new(),
        started: None,
        started_at: now.to_owned(),
        workflow_id: "w".to_owned(),
    };
    Statement::new(BuildRecord { facts, run })
}

/// One commit's worth of a run that passed.
pub(crate) fn build(n: u32, pipeline: &str) -> Append {
    build_of(n, pipeline, &evidence(n), |_| {})
}

/// The same with a report, and with a change to what the record says.
pub(crate) fn build_of(
    n: u32,
    pipeline: &str,
    report: &[u8],
    change: impl FnOnce(&mut Statement<BuildRecord>),
) -> Append {
    let (gate, facts) = decided(n, report);
    let passes = report == evidence(n);
    assert_eq!(gate.decision == Decision::Pass, passes, "the test's own report: {:?}", gate.reason_codes);
    let mut statement = record(n, pipeline, gate, report);
    change(&mut statement);
    let statement = statement.to_bytes().expect("no large numbers");
    let entry = Entry::new::<BuildRecord>(statement, vec![facts, report.to_vec()]);
    let subject = format!("{pipeline} run {n}");
    let trailers = vec![("Source-Commit".to_owned(), COMMIT.to_owned())];
    Append { entries: vec![entry], subject, trailers, seconds: NOW + i64::from(n) }
}

/// The same document with one member put in, at a path of names: what no type of ours would write.
pub(crate) fn with_member(statement: &[u8], path: &[&str], name: &str, json: &str) -> Vec<u8> {
    use orgo_spec::canonical::{Profile, parse, to_pretty};
    let mut document = parse(statement, Profile::RECORD).expect("a record");
    let mut at = &mut document;
    for step in path {
        let (_, next) = at.as_object_mut().expect("an object").iter_mut().find(|(n, _)| n == step).expect("a member");
        at = next;
    }
    at.as_object_mut().expect("an object").insert(name, parse(json.as_bytes(), Profile::RECORD).expect("JSON"));
    to_pretty(&document)
}
