//! Records on the command line: what is shown, handed out and verified.

use std::path::Path;
use std::process::Command;

use orgo_host::key::{Role, UserDir};
use orgo_host::ledger::{AUDIT, Append, Entry, Ledger, Signers, Trust};
use orgo_spec::Name;
use orgo_spec::record::{Statement, TrustRecord};

use crate::support::Repo;

/// A repository whose ledger has a trust record and, after it, `more` versions of that trust.
fn ledger(more: u32) -> Repo {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "a" { run "true" } }"#);
    let user = UserDir::at(repo.home());
    let key = |role| user.key_or_development(role).unwrap();
    let (runner, git, roots) = (key(Role::Runner), key(Role::Git), [key(Role::Root)]);
    let log = key(Role::Log);
    let signers = Signers { runner: &runner, git: &git, log: &log, roots: &roots };
    let tenant = Name::new("acme").unwrap();
    let trust = Trust::development(&tenant, &signers, "2026-01-01T00:00:00Z");
    let ledger = Ledger::open(&repo.root(), AUDIT).unwrap();
    ledger.init(trust.clone(), 1_767_225_600, &signers).unwrap();
    for version in 2..2 + more {
        let mut record = Statement::<TrustRecord>::parse(&trust).unwrap().predicate;
        record.facts.version = version;
        let statement = Statement::new(record).to_bytes().unwrap();
        let entry = Entry::new::<TrustRecord>(statement, vec![]);
        let append = Append {
            entries: vec![entry],
            subject: format!("acme trust version {version}"),
            trailers: vec![],
            seconds: 1_767_225_600,
        };
        ledger.append(&append, &signers).unwrap();
    }
    repo
}

#[test]
fn the_leaves_of_a_log_are_audited_against_a_checkpoint() {
    let repo = ledger(1);
    let checkpoint = |file: &str, commit: &str| {
        std::fs::write(repo.root().join(file), repo.git(&["show", &format!("{commit}:log/checkpoint")])).unwrap();
    };
    checkpoint("now", AUDIT);
    checkpoint("earlier", &format!("{AUDIT}~"));
    let root = repo.orgo(&["verify", "--json"]).ok().json()["root"].as_str().unwrap().to_owned();
    for from in ["--leaves", "--leaves=bytes"] {
        let report = repo.orgo(&["verify", from, "--root", &root, "--checkpoint", "earlier", "--json"]).ok().json();
        assert_eq!((&report["audit"]["leaves"], &report["audit"]["from_bytes"]), (&2.into(), &2.into()));
        assert_eq!((&report["anchored"], &report["known"]), (&true.into(), &2.into()));
    }
    assert!(repo.orgo(&["verify", "--leaves"]).ok().stdout.contains("not looked at: signatures"));
    repo.orgo(&["verify", "--leaves", "--ci"]).exits(1);
    repo.orgo(&["verify", "--leaves", "--tenant", "other"]).exits(3);
    repo.orgo(&["verify", "--leaves", "--root", &format!("sha256:{}", "0".repeat(64))]).exits(3);
    repo.orgo(&["verify", "--checkpoint", "now"]).exits(2);

    std::fs::write(repo.root().join("none"), "no checkpoint").unwrap();
    repo.orgo(&["verify", "--leaves", "--checkpoint", "none"]).exits(2);
    // Another ledger of the same beginning: the checkpoint that is known is not one of its states.
    repo.git(&["update-ref", AUDIT, &format!("{AUDIT}~")]);
    std::fs::remove_dir_all(repo.root().join(".git/orgo")).unwrap();
    let refused = repo.orgo(&["verify", "--leaves", "--checkpoint", "now", "--json"]).exits(3).json();
    assert_eq!(refused["problems"][0]["code"], "AUDIT_REWOUND");
}

#[test]
fn a_ledger_is_verified_pinned_and_guarded() {
    let repo = ledger(1);
    let first = repo.orgo(&["verify"]).ok();
    assert!(first.stdout.starts_with("development trust: not for release; self-consistent, not anchored"), "{first:?}");
    let report = repo.orgo(&["verify", "--json"]).ok().json();
    let root = report["root"].as_str().unwrap().to_owned();
    assert!(first.stdout.contains(&format!("orgo verify --pin --root {root}")), "{}", first.stdout);
    let ci = repo.orgo(&["verify", "--ci", "--json"]).exits(1).json();
    assert_eq!((&ci["verdict"], &ci["findings"][0]["code"]), (&"refused".into(), &"ROOT_NOT_TRUSTED".into()));
    let wrong = format!("sha256:{}", "0".repeat(64));
    repo.orgo(&["verify", "--root", &wrong, "--pin"]).exits(3);
    assert!(!repo.home().join("pins.json").exists(), "what does not verify is not pinned");
    repo.orgo(&["verify", "--root", "sha256:12"]).exits(2);

    repo.orgo(&["verify", "--root", &root, "--pin"]).ok();
    assert_eq!(repo.orgo(&["verify", "--ci", "--json"]).ok().json()["verdict"], "verified");
    repo.git(&["update-ref", AUDIT, &format!("{AUDIT}~")]);
    let rewound = repo.orgo(&["verify", "--json"]).exits(3).json();
    assert_eq!(rewound["findings"][0]["code"], "AUDIT_REWOUND");
}

#[test]
fn a_fresh_clone_is_verified_from_what_was_fetched() {
    let repo = ledger(0);
    let clone = repo.beside("clone");
    let url = format!("file://{}", repo.root().display());
    repo.git(&["clone", "-q", &url, clone.to_str().unwrap()]);
    let report = repo.orgo(&["verify", clone.to_str().unwrap(), "--json"]).ok().json();
    assert_eq!(report["ledger"], "refs/remotes/origin/orgo/audit");
    let root = repo.beside("root.json");
    std::fs::write(&root, repo.git(&["show", &format!("{AUDIT}:records/0/0/0.trust.json")])).unwrap();
    repo.orgo(&["verify", clone.to_str().unwrap(), "--ci", "--root", root.to_str().unwrap()]).ok();
}

#[test]
fn records_are_listed_shown_and_compared() {
    let repo = ledger(2);
    let listed = repo.orgo(&["record", "list"]).ok().stdout;
    assert!(listed.starts_with("# development trust, not for release; not anchored"), "{listed}");
    assert!(listed.lines().nth(1).unwrap().contains("acme trust version 3"), "{listed}");
    let shown = repo.orgo(&["record", "show", "1"]).ok().stdout;
    assert!(shown.contains("\"version\": 2") && shown.contains("signed by"), "{shown}");
    let bytes = repo.git(&["show", &format!("{AUDIT}:records/0/0/1.trust.json")]);
    assert!(shown.trim_end().ends_with(bytes.trim_end()), "the very bytes that are signed");
    let diff = repo.orgo(&["record", "diff", "1", "2"]).ok().stdout;
    assert!(diff.contains("-       \"version\": 2") || diff.contains("\"version\": 2"), "{diff}");
    assert!(diff.lines().any(|l| l.starts_with('-') && l.contains("\"version\": 2")), "{diff}");
    assert!(diff.lines().any(|l| l.starts_with('+') && l.contains("\"version\": 3")), "{diff}");
    repo.orgo(&["record", "show", "9"]).exits(2);
}

#[test]
fn an_exported_record_is_accepted_by_strangers() {
    let repo = ledger(0);
    repo.orgo(&["record", "export", "latest", "--to", repo.beside("out").to_str().unwrap()]).ok();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop");
    let accepted = |name: &str, args: &[&str]| {
        let output = Command::new("sh").arg(script.join(name)).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    accepted("dsse_openssl.sh", &[repo.beside("out").to_str().unwrap()]);
    let signers = repo.beside("signers");
    std::fs::write(&signers, repo.orgo(&["key", "allowed-signers"]).ok().stdout).unwrap();
    accepted("git_verify.sh", &[repo.root().to_str().unwrap(), "orgo/audit", signers.to_str().unwrap()]);
    let envelope = repo.orgo(&["record", "export", "0"]).ok().json();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
}

/// The payload of an envelope or bundle that a command printed.
fn payload(printed: &str) -> serde_json::Value {
    let whole: serde_json::Value = serde_json::from_str(printed).unwrap();
    let envelope = whole.get("dsseEnvelope").unwrap_or(&whole);
    let payload = data_encoding::BASE64.decode(envelope["payload"].as_str().unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn provenance_is_handed_out_of_passed_runs_by_the_key_that_signed_their_record() {
    let repo = Repo::with_pipeline(
        r#"
        pipeline "p" { stage "a" { files "in"; run "cp" "in" "o"; out "o"; } }
        pipeline "q" { stage "b" { run "false"; } }
        "#,
    );
    let export = |args: &[&str]| repo.orgo(&[&["record", "export", "latest"], args].concat());
    repo.write("in", "1");
    repo.orgo(&["run", "p"]).ok();
    assert!(export(&["--as", "slsa"]).exits(1).stderr.contains("TREE_DIRTY"));
    repo.commit("second");
    repo.orgo(&["run", "p"]).ok();

    let printed = export(&["--as", "slsa"]).ok();
    assert!(printed.stderr.contains("signed now with your runner key"), "{}", printed.stderr);
    let statement = payload(&printed.stdout);
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    assert_eq!(statement["subject"][0]["name"], "a");
    assert_eq!(printed.stdout, export(&["--as", "slsa"]).ok().stdout, "one record, one sequence of bytes");
    let folder = repo.beside("slsa");
    let told = export(&["--as", "slsa", "--to", folder.to_str().unwrap(), "--json"]).ok().json();
    assert_eq!((&told["schema"], &told["form"]), (&"orgo.record-export/1".into(), &"slsa".into()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/dsse_openssl.sh");
    assert!(Command::new("sh").arg(script).arg(&folder).output().unwrap().status.success());

    let bundle = export(&["--as", "bundle"]).ok();
    assert_eq!(bundle.json()["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    assert_eq!(payload(&bundle.stdout), payload(&export(&[]).ok().stdout), "the record itself");
    assert!(export(&["--as", "vsa"]).exits(1).stderr.contains("GATE_UNKNOWN"), "no gate decided anything");
    export(&["--as", "slsa", "--stage", "a"]).exits(2);
    repo.orgo(&["record", "export", "0", "--as", "slsa"]).exits(2);

    std::fs::remove_file(repo.home().join("keys/runner.key")).unwrap();
    repo.orgo(&["key", "new", "runner"]).ok();
    assert!(export(&["--as", "slsa"]).exits(1).stderr.contains("KEY_SCOPE_MISMATCH"), "another key");
}

#[test]
fn a_run_that_failed_has_no_provenance() {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "a" { run "false"; } }"#);
    repo.orgo(&["run"]).exits(1);
    for form in ["slsa", "vsa"] {
        let refused = repo.orgo(&["record", "export", "latest", "--as", form]).exits(1);
        assert!(refused.stderr.contains("OUTPUT_WITHOUT_PASS"), "{}", refused.stderr);
    }
    repo.orgo(&["record", "export", "latest", "--as", "bundle"]).ok();
}

#[test]
fn keys_are_made_on_purpose_and_shown_without_their_secret() {
    let repo = Repo::empty();
    assert_eq!(repo.orgo(&["key", "list", "--json"]).ok().json()["keys"].as_array().unwrap().len(), 0);
    repo.orgo(&["key", "new", "runner"]).ok();
    repo.orgo(&["key", "new", "runner"]).exits(3);
    repo.orgo(&["key", "new", "runner", "--name", "ci"]).ok();
    let shown = repo.orgo(&["key", "show", "runner"]).ok().stdout;
    let file = std::fs::read_to_string(repo.home().join("keys/runner.key")).unwrap();
    let secret = file.lines().last().unwrap().strip_prefix("secret ").unwrap();
    assert!(shown.starts_with("ssh-ed25519 ") && !shown.contains(secret), "{shown}");
    assert!(repo.orgo(&["key", "show", "ci", "--pem"]).ok().stdout.starts_with("-----BEGIN PUBLIC KEY-----"));
    let listed = repo.orgo(&["key", "list"]).ok().stdout;
    assert!(listed.contains("standard") && !listed.contains("development"), "{listed}");
}
