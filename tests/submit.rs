//! The ledger at a remote: spools, races, kills; starts that never ended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use orgo_host::key::{Role, UserDir};
use orgo_host::ledger::{AUDIT, Append, Entry, Ledger, Spool, Trust};
use orgo_spec::record::{
    AbandonedFacts, AbandonedRecord, AbandonedRun, Actor, AdminAction, AdminFacts, AdminRecord, AdminRun, BuildRecord,
    Statement,
};
use orgo_spec::{Digest, Name, ReasonCode};

use crate::support::{ORGO, Repo, git};

/// A bare remote that has the code and the ledger, and the repository that began them.
fn with_remote() -> (Repo, PathBuf) {
    let repo = Repo::recorded();
    let bare = repo.push_to_remote();
    (repo, bare)
}

/// A clone of the remote, with the ledger's branch.
fn clone(repo: &Repo, bare: &Path, name: &str) -> PathBuf {
    let folder = repo.beside(name);
    git(&repo.root(), &["clone", "-q", bare.to_str().unwrap(), folder.to_str().unwrap()]);
    let done = git(&folder, &["fetch", "-q", "origin", "orgo/audit:orgo/audit"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    folder
}

fn orgo(repo: &Repo, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(ORGO);
    command.args(args).arg("--home").arg(repo.home()).current_dir(folder).env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", folder).stdin(Stdio::null());
    command
}

fn must(repo: &Repo, folder: &Path, args: &[&str]) -> serde_json::Value {
    let output = orgo(repo, folder, args).arg("--json").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// Ids of all records at the remote, with how often each stands there.
fn at(bare: &Path) -> BTreeMap<String, usize> {
    let log = git(bare, &["log", "--format=%B", "orgo/audit"]).stdout;
    let ids = log.lines().filter_map(|l| l.strip_prefix("Orgo-Record: ")?.split_once(' '));
    let mut counts = BTreeMap::new();
    ids.for_each(|(_, id)| *counts.entry(id.to_owned()).or_default() += 1);
    counts
}

#[test]
fn what_waits_in_a_spool_is_appended_at_the_remote_once() {
    let (repo, bare) = with_remote();
    let job = clone(&repo, &bare, "job");
    let run = must(&repo, &job, &["run", "--spool", "../spool"]);
    assert_eq!(run["record"]["lane"], "protected");
    assert_eq!(run["record"]["number"], serde_json::Value::Null);
    let before = at(&bare).len();
    let told = must(&repo, &job, &["record", "submit", "--spool", "../spool"]);
    let records = told["records"].as_array().unwrap();
    assert_eq!(records.len(), 2, "a start and a build: {told}");
    assert_eq!(at(&bare).len(), before + 2);
    assert!(std::fs::read_dir(repo.beside("spool")).unwrap().next().is_none(), "the spool is empty");
    let report = must(&repo, &bare, &["verify"]);
    assert_eq!(report["verdict"], "not-anchored", "{report}");
    assert_eq!(report["counts"]["open_runs"], 0);
    // The other clone learns of it, and has nothing to say itself.
    let told = must(&repo, &repo.root(), &["record", "submit"]);
    assert_eq!(told["records"], serde_json::json!([]));
    assert_eq!(repo.git(&["rev-parse", "orgo/audit"]), git(&bare, &["rev-parse", "orgo/audit"]).stdout);
}

/// A clone that leaves files, or folders too, at the remote, of the code and of the ledger.
fn filtered_clone(repo: &Repo, bare: &Path, name: &str, filter: &str, depth: Option<&str>) -> PathBuf {
    let (folder, address) = (repo.beside(name), format!("file://{}", bare.display()));
    let mut args = vec!["clone", "-q", filter];
    args.extend(depth);
    args.extend([address.as_str(), folder.to_str().unwrap()]);
    let cloned = git(&repo.root(), &args);
    assert_eq!(cloned.code, Some(0), "{}", cloned.stderr);
    let mut args = vec!["fetch", "-q", filter];
    args.extend(depth);
    args.extend(["origin", "orgo/audit:orgo/audit"]);
    let fetched = git(&folder, &args);
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    folder
}

const CLONES: [(&str, Option<&str>); 4] = [
    ("--filter=blob:none", None),
    ("--filter=blob:none", Some("--depth=1")),
    ("--filter=tree:0", None),
    ("--filter=tree:0", Some("--depth=1")),
];

#[test]
fn runs_in_filtered_clones_are_recorded_and_submitted() {
    let (repo, bare) = with_remote();
    git(&bare, &["config", "uploadpack.allowFilter", "true"]);
    for (n, (filter, depth)) in CLONES.into_iter().enumerate() {
        let job = filtered_clone(&repo, &bare, &format!("job{n}"), filter, depth);
        let run = must(&repo, &job, &["run", "--spool", "../spool"]);
        assert_eq!(run["record"]["lane"], "protected");
        let told = must(&repo, &job, &["record", "submit", "--spool", "../spool"]);
        assert_eq!(told["records"].as_array().unwrap().len(), 2, "a start and a build: {told}");
        // And without a spool, upon the ledger here; nothing runs again, so that there is no start.
        must(&repo, &job, &["run", "--lane", "protected"]);
        let told = must(&repo, &job, &["record", "submit"]);
        assert_eq!(told["records"].as_array().unwrap().len(), 1, "{filter} {depth:?}: {told}");
        let verified = orgo(&repo, &job, &["verify", "--full", "--json"]).output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
        // The first clone has all there was: it fetched the trust record and wrote the rest.
        let (code, verdict) = if n == 0 { (0, "not-anchored") } else { (1, "incomplete") };
        assert_eq!((verified.status.code(), &report["verdict"]), (Some(code), &verdict.into()), "{report}");
    }
    let report = must(&repo, &bare, &["verify", "--full"]);
    assert_eq!((&report["findings"], &report["counts"]["open_runs"]), (&serde_json::json!([]), &0.into()));
    assert_eq!(report["counts"]["records"]["build"], 2 * CLONES.len());
}

#[test]
fn a_run_in_a_filtered_clone_whose_remote_is_away_says_so() {
    let (repo, bare) = with_remote();
    git(&bare, &["config", "uploadpack.allowFilter", "true"]);
    let job = filtered_clone(&repo, &bare, "job", "--filter=tree:0", Some("--depth=1"));
    std::fs::rename(&bare, repo.beside("away.git")).unwrap();
    let output = orgo(&repo, &job, &["run", "--lane", "protected"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("REMOTE_UNREACHABLE") && said.contains("help"), "{said}");
}

#[test]
fn records_of_two_clones_end_up_in_one_line() {
    let (repo, bare) = with_remote();
    let other = clone(&repo, &bare, "other");
    must(&repo, &repo.root(), &["run"]);
    must(&repo, &other, &["run"]);
    must(&repo, &repo.root(), &["record", "submit"]);
    let told = must(&repo, &other, &["record", "submit"]);
    assert_eq!(told["records"].as_array().unwrap().len(), 2, "{told}");
    let report = must(&repo, &bare, &["verify"]);
    assert_eq!(report["verdict"], "not-anchored", "{report}");
    assert_eq!(report["counts"]["records"]["build"], 2);
    assert_eq!(git(&bare, &["log", "--merges", "--oneline", "orgo/audit"]).stdout, "");
    must(&repo, &other, &["verify", "--full"]);
}

#[test]
fn a_remote_that_was_rewound_or_forked_is_refused_and_nothing_is_lost() {
    let (repo, bare) = with_remote();
    let job = clone(&repo, &bare, "job");
    let first = git(&bare, &["rev-parse", "orgo/audit"]).stdout;
    must(&repo, &job, &["run", "--spool", "../spool"]);
    must(&repo, &job, &["record", "submit", "--spool", "../spool"]);
    git(&bare, &["update-ref", "refs/heads/orgo/audit", first.trim()]);
    must(&repo, &job, &["run", "--spool", "../spool"]);
    let waiting = || std::fs::read_dir(repo.beside("spool")).unwrap().count();
    let before = waiting();
    let output = orgo(&repo, &job, &["record", "submit", "--spool", "../spool"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("AUDIT_REWOUND"), "{output:?}");
    assert_eq!(waiting(), before);
    // Another history of the same length, by the same keys.
    let forger = clone(&repo, &bare, "forger");
    must(&repo, &forger, &["run"]);
    must(&repo, &forger, &["record", "submit"]);
    let output = orgo(&repo, &job, &["record", "submit", "--spool", "../spool"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("CHECKPOINT_FORK"), "{output:?}");
    assert_eq!(waiting(), before);
}

#[test]
fn a_remote_that_cannot_be_reached_leaves_everything_in_the_spool() {
    let (repo, bare) = with_remote();
    let job = clone(&repo, &bare, "job");
    must(&repo, &job, &["run", "--spool", "../spool"]);
    let output = orgo(&repo, &job, &["record", "submit", "--spool", "../spool", "--remote", "../nowhere.git"]);
    let output = { output }.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("REMOTE_UNREACHABLE"), "{output:?}");
    assert_eq!(std::fs::read_dir(repo.beside("spool")).unwrap().count(), 2);
}

#[test]
fn hooks_of_the_repository_never_run() {
    let (repo, bare) = with_remote();
    let job = clone(&repo, &bare, "job");
    let trap = repo.beside("trap");
    for hook in ["pre-push", "reference-transaction", "post-checkout", "pre-commit"] {
        let path = job.join(".git/hooks").join(hook);
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", trap.display())).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    git(&job, &["config", "core.fsmonitor", &format!("touch {}", trap.display())]);
    must(&repo, &job, &["run", "--spool", "../spool"]);
    must(&repo, &job, &["record", "submit", "--spool", "../spool"]);
    assert!(!trap.exists());
}

const SLOW: &str = r#"pipeline "p" { stage "s" { files "input"; run "sh" "-c" "test -e slow && sleep 300; cat input > o"; files "slow*"; tool "cat" "sleep" "test"; out "o" } }"#;

/// A run that is killed while its stage runs, for as long as there is a file `slow`.
fn killed(repo: &Repo) {
    repo.write("slow", "");
    repo.commit("slow");
    let mut child = repo.start(&["run"]);
    let started = || repo.git(&["log", "-1", "--format=%s", "orgo/audit"]).contains("started");
    for _ in 0..200 {
        if started() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(started(), "the start is on record before the first stage ends");
    child.kill().unwrap();
    child.wait().unwrap();
    let open = repo.orgo(&["verify", "--json"]).ok().json();
    assert_eq!(open["counts"]["open_runs"], 1);
    std::fs::remove_file(repo.root().join("slow")).unwrap();
    repo.commit("fast");
}

#[test]
fn a_run_that_had_nothing_to_do_ends_what_a_killed_one_left_open() {
    let (repo, _) = with_remote();
    repo.write("pipelines/p.kdl", SLOW);
    repo.commit("the pipeline");
    repo.orgo(&["run"]).ok();
    killed(&repo);
    let run = repo.orgo(&["run", "--json"]).ok().json();
    assert_eq!((&run["ran"], &run["record"]["confirmed"]), (&0.into(), &false.into()), "{run}");
    let report = repo.orgo(&["verify", "--json", "--full"]).ok().json();
    assert_eq!((&report["counts"]["records"]["abandoned"], &report["counts"]["open_runs"]), (&1.into(), &0.into()));
    assert_eq!(report["findings"], serde_json::json!([]));
}

#[test]
fn a_run_that_was_killed_is_on_record_as_abandoned() {
    let (repo, _) = with_remote();
    repo.write("pipelines/p.kdl", SLOW);
    killed(&repo);
    repo.orgo(&["run"]).ok();
    let report = repo.orgo(&["verify", "--json", "--full"]).ok().json();
    assert_eq!(report["counts"]["records"]["abandoned"], 1, "{report}");
    assert_eq!(report["counts"]["records"]["started"], 2);
    assert_eq!(report["counts"]["open_runs"], 0);
    assert_eq!(report["findings"], serde_json::json!([]));
}

#[test]
fn four_writers_fifty_appends_each_some_killed_and_nothing_is_lost_or_doubled() {
    const WRITERS: usize = 4;
    const EACH: usize = 50;
    let (repo, bare) = with_remote();
    let folders: Vec<PathBuf> = (0..WRITERS).map(|n| clone(&repo, &bare, &format!("writer{n}"))).collect();
    let told: Vec<Vec<String>> = std::thread::scope(|scope| {
        let threads = folders.iter().enumerate().map(|(n, folder)| {
            let repo = &repo;
            scope.spawn(move || {
                let spool = format!("../spool{n}");
                let mut ids = Vec::new();
                let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n as u64 + 1);
                for _ in 0..EACH {
                    let run = must(repo, folder, &["run", "--spool", &spool]);
                    ids.push(run["record"]["id"].as_str().unwrap().to_owned());
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    if random >> 61 == 0 {
                        // Killed somewhere in the middle: the next attempt has to find out how far it came.
                        let mut child = orgo(repo, folder, &["record", "submit", "--spool", &spool]);
                        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                        std::thread::sleep(Duration::from_millis((random >> 40) % 120));
                        let _ = child.kill();
                        child.wait().unwrap();
                    }
                    for attempt in 0.. {
                        let output = orgo(repo, folder, &["record", "submit", "--spool", &spool]).output().unwrap();
                        if output.status.success() {
                            break;
                        }
                        // Lost eight races in a row, or a lock of somebody who was killed: both may be tried again.
                        let said = String::from_utf8_lossy(&output.stderr).into_owned();
                        assert!(output.status.code() == Some(4) && attempt < 20, "{said}");
                        let _ = std::fs::remove_file(folder.join(".git/refs/heads/orgo/audit.lock"));
                    }
                }
                ids
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let found = at(&bare);
    let told: Vec<String> = told.into_iter().flatten().collect();
    assert_eq!(told.len(), WRITERS * EACH);
    for id in &told {
        assert_eq!(found.get(id), Some(&1), "{id}");
    }
    assert!(found.values().all(|n| *n == 1), "nothing stands there twice");
    assert_eq!(git(&bare, &["log", "--merges", "--oneline", "orgo/audit"]).stdout, "");
    let report = must(&repo, &bare, &["verify"]);
    assert_eq!(report["findings"], serde_json::json!([]), "{report}");
    assert_eq!(report["counts"]["records"]["build"].as_u64(), Some((WRITERS * EACH) as u64));
}

#[test]
fn a_job_needs_the_runners_key_alone_and_who_submits_does_not_need_it() {
    let (repo, bare) = with_remote();
    let job = clone(&repo, &bare, "job");
    let keys = |name: &str, kept: &[&str]| {
        let home = repo.beside(name);
        std::fs::create_dir_all(home.join("keys")).unwrap();
        for key in kept {
            let file = format!("keys/{key}.key");
            std::fs::copy(repo.home().join(&file), home.join(&file)).unwrap();
        }
        home
    };
    let (runner, writer) = (keys("runner", &["runner"]), keys("writer", &["git", "log"]));
    let with = |home: &Path, args: &[&str]| {
        let mut command = Command::new(ORGO);
        command.args(args).arg("--home").arg(home).current_dir(&job).env_clear().env("PATH", "/usr/bin:/bin");
        command.output().unwrap()
    };
    assert!(with(&runner, &["run", "--spool", "../spool"]).status.success());
    let submitted = with(&writer, &["record", "submit", "--spool", "../spool"]);
    assert!(submitted.status.success(), "{submitted:?}");
    assert_eq!(must(&repo, &bare, &["verify"])["counts"]["records"]["build"], 1);
}

#[test]
fn a_local_run_leaves_nothing_to_submit() {
    let (repo, bare) = with_remote();
    let job = clone(&repo, &bare, "job");
    std::fs::write(job.join("input"), "2\n").unwrap();
    let refused = orgo(&repo, &job, &["run", "--spool", "../spool"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("TREE_DIRTY"), "{refused:?}");
    assert!(std::fs::read_dir(repo.beside("spool")).unwrap().next().is_none());
}

#[test]
fn two_jobs_that_notice_the_same_dead_run_say_so_once() {
    let (repo, bare) = with_remote();
    // A start that nobody ends, with a lease that is over.
    let (one, two) = (clone(&repo, &bare, "one"), clone(&repo, &bare, "two"));
    must(&repo, &one, &["run", "--spool", "../dead", "--clock", "2026-01-01T00:00:00Z"]);
    let dead: Vec<_> = std::fs::read_dir(repo.beside("dead")).unwrap().map(|e| e.unwrap().path()).collect();
    for path in dead.iter().filter(|p| p.to_string_lossy().contains(".build.")) {
        std::fs::remove_file(path).unwrap();
    }
    must(&repo, &one, &["record", "submit", "--spool", "../dead"]);
    must(&repo, &two, &["record", "submit"]);
    for (folder, spool) in [(&one, "../spool1"), (&two, "../spool2")] {
        let _ = std::fs::remove_dir_all(folder.join(".orgo"));
        must(&repo, folder, &["run", "--spool", spool]);
    }
    must(&repo, &one, &["record", "submit", "--spool", "../spool1"]);
    must(&repo, &two, &["record", "submit", "--spool", "../spool2"]);
    let report = must(&repo, &bare, &["verify"]);
    assert_eq!(report["counts"]["records"]["abandoned"], 1, "{report}");
    assert_eq!((&report["counts"]["open_runs"], &report["findings"]), (&0.into(), &serde_json::json!([])));
}

#[test]
fn the_remote_must_have_the_root_that_is_named() {
    let (repo, bare) = with_remote();
    let job = clone(&repo, &bare, "job");
    let root = must(&repo, &job, &["verify"])["root"].as_str().unwrap().to_owned();
    must(&repo, &job, &["run", "--spool", "../spool"]);
    let other = format!("sha256:{}", "0".repeat(64));
    let refused = orgo(&repo, &job, &["record", "submit", "--spool", "../spool", "--root", &other]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ROOT_NOT_TRUSTED"), "{refused:?}");
    must(&repo, &job, &["record", "submit", "--spool", "../spool", "--root", &root]);
}

#[test]
fn what_was_verified_here_is_forgotten_when_the_branch_is_replaced() {
    let (repo, bare) = with_remote();
    let other = clone(&repo, &bare, "other");
    must(&repo, &other, &["run"]);
    must(&repo, &other, &["verify"]);
    must(&repo, &repo.root(), &["run"]);
    must(&repo, &repo.root(), &["record", "submit"]);
    must(&repo, &other, &["record", "submit"]);
    assert_eq!(must(&repo, &other, &["verify"])["findings"], serde_json::json!([]));
}

#[test]
fn the_record_of_a_local_run_is_never_submitted() {
    let (repo, bare) = with_remote();
    must(&repo, &repo.root(), &["run", "--lane", "local"]);
    let statement = repo.git(&["show", "orgo/local:records/0/0/1.build.json"]).into_bytes();
    let runner = UserDir::at(repo.home()).key(Role::Runner).unwrap();
    let entries = vec![Entry::new::<BuildRecord>(statement, vec![])];
    let append = Append { entries, subject: "smuggled".to_owned(), trailers: vec![], seconds: 1_767_225_600 };
    Spool::open(&repo.beside("spool")).unwrap().put(&append, &runner, &trust(&repo)).unwrap();
    let before = at(&bare);
    let refused = orgo(&repo, &repo.root(), &["record", "submit", "--spool", "../spool"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("KEY_SCOPE_MISMATCH"), "{refused:?}");
    assert_eq!(at(&bare), before);
    assert_eq!(std::fs::read_dir(repo.beside("spool")).unwrap().count(), 1);
}

/// The trust in force.
fn trust(repo: &Repo) -> Trust {
    Ledger::open(&repo.root(), AUDIT).unwrap().head().unwrap().unwrap().trust
}

/// Puts records into a spool, one file each, signed by the repository's runner.
fn spooled(repo: &Repo, spool: &str, entries: Vec<Entry>) {
    let runner = UserDir::at(repo.home()).key(Role::Runner).unwrap();
    let (spool, trust) = (Spool::open(&repo.beside(spool)).unwrap(), trust(repo));
    for (n, entry) in entries.into_iter().enumerate() {
        let seconds = 1_900_000_000 + i64::try_from(n).unwrap();
        let append = Append { entries: vec![entry], subject: "test".to_owned(), trailers: vec![], seconds };
        spool.put(&append, &runner, &trust).unwrap();
    }
}

const AT: &str = "2026-01-01T00:00:00Z";

/// A batch has 256 records: nothing is left over, and nobody waits for ever, where more than that need not be said.
#[test]
fn more_settled_abandonments_than_a_batch_holds_are_dropped_at_once() {
    let (repo, bare) = with_remote();
    let tenant = Name::new(must(&repo, &repo.root(), &["verify"])["tenant"].as_str().unwrap()).unwrap();
    let abandoned = |n: u32| {
        let facts = AbandonedFacts {
            build_id: format!("run-{n}"),
            reason_code: ReasonCode::RunAbandoned,
            schema_version: AbandonedRecord::SCHEMA_VERSION.to_owned(),
            started: Digest::of(&n.to_le_bytes()),
            tenant_id: tenant.clone(),
        };
        let run = AbandonedRun { created_at: AT.to_owned(), noticed_by: "test".to_owned() };
        Entry::new::<AbandonedRecord>(Statement::new(AbandonedRecord { facts, run }).to_bytes().unwrap(), vec![])
    };
    spooled(&repo, "spool", (0..257).map(abandoned).collect());
    let before = at(&bare);
    let told = must(&repo, &repo.root(), &["record", "submit", "--spool", "../spool"]);
    assert_eq!(told["records"], serde_json::json!([]), "{told}");
    assert_eq!(at(&bare), before);
    assert!(std::fs::read_dir(repo.beside("spool")).unwrap().next().is_none(), "the spool is empty");
    // With one among them that has something to say, behind all of them.
    spooled(&repo, "spool", (0..257).map(abandoned).collect());
    must(&repo, &repo.root(), &["run", "--spool", "../spool"]);
    let told = must(&repo, &repo.root(), &["record", "submit", "--spool", "../spool"]);
    assert_eq!(told["records"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!(must(&repo, &bare, &["verify"])["findings"], serde_json::json!([]));
}

/// What waits behind a hold is kept back by it; what waits before it is not.
#[test]
fn a_hold_in_a_spool_keeps_back_what_waits_behind_it() {
    let (repo, bare) = with_remote();
    let tenant = Name::new(must(&repo, &repo.root(), &["verify"])["tenant"].as_str().unwrap()).unwrap();
    let facts = AdminFacts {
        action: AdminAction::Hold,
        after: Some("held".to_owned()),
        before: None,
        object: Name::new("records").unwrap(),
        reason: "an incident".to_owned(),
        schema_version: AdminRecord::SCHEMA_VERSION.to_owned(),
        tenant_id: tenant,
    };
    let run = AdminRun { actor: Actor { id: "t".to_owned(), kind: "person".to_owned() }, created_at: AT.to_owned() };
    let hold = Statement::new(AdminRecord { facts, run }).to_bytes().unwrap();
    let before = at(&bare).len();
    let first = must(&repo, &repo.root(), &["run", "--spool", "../spool"]);
    spooled(&repo, "spool", vec![Entry::new::<AdminRecord>(hold, vec![])]);
    let behind = must(&repo, &repo.root(), &["run", "--spool", "../spool"]);
    let refused = orgo(&repo, &repo.root(), &["record", "submit", "--spool", "../spool"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("HOLD_IN_FORCE"), "{refused:?}");
    let found = at(&bare);
    assert_eq!(found.len(), before + 3, "a run and the hold");
    assert!(found.contains_key(first["record"]["id"].as_str().unwrap()));
    assert!(!found.contains_key(behind["record"]["id"].as_str().unwrap()));
    let waits = std::fs::read_dir(repo.beside("spool")).unwrap().count();
    assert!(waits >= 2, "what is held back waits: {waits}");
    must(&repo, &repo.root(), &["admin", "list"]);
    assert_eq!(must(&repo, &bare, &["verify"])["findings"], serde_json::json!([]));
}
