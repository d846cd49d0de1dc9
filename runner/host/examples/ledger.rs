//! Measures a ledger of build records: growth, append, verification, proofs. Prints one JSON object a line.
//!
//! ```text
//! ledger grow REPO SIZE [BATCH]   lets the ledger grow to SIZE records, BATCH a commit
//! ledger append REPO COUNT        appends COUNT records, one a commit
//! ledger verify REPO              full verification, and this machine's rate of strict verification
//! ledger since REPO COUNT         verifies the newest COUNT commits
//! ledger leaves REPO              recomputes the root from the tiles, and from the bytes of every record
//! ledger prove REPO RECORD        makes and verifies one proof
//! ledger seal REPO DIR            seals what can be sealed, with the archive in DIR
//! ```
//!
//! Processor time is user and system time of this process and of the programs it started.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that measures")]

use std::path::Path;
use std::time::Instant;

use ed25519_dalek::{Signature, VerifyingKey};
use orgo_host::key::{PrivateKey, Role, UserDir};
use orgo_host::ledger::{AUDIT, Append, Entry, Ledger, Signers, Trust};
use orgo_host::verify::{Leaves, VerifyOptions, audit, prove, verify};
use orgo_spec::record::{
    Actor, AdminAction, AdminFacts, AdminRecord, AdminRun, BuildFacts, BuildRecord, BuildRun, Class, Compiler, Lane,
    Outcome, Outputs, PipelineRef, Program, Source, Statement,
};
use orgo_spec::{Digest, Name};
use rayon::prelude::*;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["grow", repo, size] => grow(Path::new(repo), size.parse().unwrap(), 1024),
        ["grow", repo, size, batch] => grow(Path::new(repo), size.parse().unwrap(), batch.parse().unwrap()),
        ["append", repo, count] => append(Path::new(repo), count.parse().unwrap()),
        ["verify", repo] => full(Path::new(repo)),
        ["since", repo, count] => since(Path::new(repo), count.parse().unwrap()),
        ["leaves", repo] => leaves(Path::new(repo)),
        ["seal", repo, to] => seal(Path::new(repo), Path::new(to)),
        ["prove", repo, record] => one(Path::new(repo), record.parse().unwrap()),
        _ => panic!("see the first lines of this file"),
    }
}

struct Keys {
    runner: PrivateKey,
    git: PrivateKey,
    log: PrivateKey,
    roots: [PrivateKey; 1],
}

impl Keys {
    fn of(repo: &Path) -> Self {
        let user = UserDir::at(repo.with_extension("home"));
        let key = |role| user.key_or_development(role).unwrap();
        Self { runner: key(Role::Runner), git: key(Role::Git), log: key(Role::Log), roots: [key(Role::Root)] }
    }

    fn signers(&self) -> Signers<'_> {
        Signers { runner: &self.runner, git: &self.git, log: &self.log, roots: &self.roots }
    }
}

/// A build of six stages' worth of text, different for each `n`.
fn build(n: u64) -> Entry {
    let digest = |what: &str| Digest::of(format!("{what} {n}").as_bytes());
    let compiler = Compiler { digest: digest("orgo"), name: "orgo".to_owned(), version: "0.1.0".to_owned() };
    let hex = |what: &str| digest(what).hex()[..40].to_owned();
    let mut facts = BuildFacts::new(
        Name::new("bench").unwrap(),
        Class::Development,
        Lane::Protected,
        PipelineRef {
            definition: Digest::of(b"definition"),
            name: Name::new("bench").unwrap(),
            parameters: std::collections::BTreeMap::new(),
            profile: None,
            targets: Vec::new(),
        },
        Source { base: None, commit: hex("commit"), dirty: false, reference: None, tree: hex("tree") },
        compiler,
        digest("config"),
    );
    facts.input_snapshots = (0..12)
        .map(|i| orgo_spec::record::Snapshot { digest: digest(&i.to_string()), path: format!("src/{i:02}.txt") })
        .collect();
    facts.end(Outcome::Passed { outputs: Outputs { artifacts: Vec::new(), kristal: None } });
    let at = "2026-01-01T00:00:00.000Z".to_owned();
    let run = BuildRun {
        actor: Actor { id: "bench".to_owned(), kind: "runner".to_owned() },
        approvals_decided_at: std::collections::BTreeMap::new(),
        build_id: format!("bench-{n}"),
        clock: "system".to_owned(),
        created_at: at.clone(),
        ended_at: at.clone(),
        environment: "development".to_owned(),
        executor: Program { digest: digest("orgo"), name: "orgo".to_owned(), version: "0.1.0".to_owned() },
        host: "bench".to_owned(),
        stages: Vec::new(),
        started: None,
        started_at: at,
        workflow_id: format!("bench-{n}"),
    };
    Entry::new::<BuildRecord>(Statement::new(BuildRecord { facts, run }).to_bytes().unwrap(), Vec::new())
}

fn commit(from: u64, count: u64) -> Append {
    let entries = (from..from + count).map(build).collect();
    Append { entries, subject: format!("bench PASS {from}"), trailers: Vec::new(), seconds: 1_767_225_600 }
}

fn open(repo: &Path, keys: &Keys) -> Ledger {
    if !repo.exists() {
        let made = std::process::Command::new("git").args(["init", "-q", "--bare"]).arg(repo).status().unwrap();
        assert!(made.success());
    }
    let ledger = Ledger::open(repo, AUDIT).unwrap();
    if ledger.count().unwrap() == 0 {
        let trust = Trust::development(&Name::new("bench").unwrap(), &keys.signers(), "2026-01-01T00:00:00Z");
        ledger.init(trust, 1_767_225_600, &keys.signers()).unwrap();
    }
    ledger
}

fn grow(repo: &Path, size: u64, batch: u64) {
    let keys = Keys::of(repo);
    let ledger = open(repo, &keys);
    let (start, cpu, from) = (Instant::now(), cpu_s(), ledger.count().unwrap());
    let mut count = from;
    while count < size {
        let n = batch.min(size - count);
        ledger.append(&commit(count, n), &keys.signers()).unwrap();
        count += n;
    }
    println!(
        r#"{{"what":"grow","from":{from},"to":{count},"batch":{batch},"cpu_s":{:.2},"wall_s":{:.2}}}"#,
        cpu_s() - cpu,
        start.elapsed().as_secs_f64()
    );
}

fn append(repo: &Path, count: u64) {
    let keys = Keys::of(repo);
    let ledger = open(repo, &keys);
    let from = ledger.count().unwrap();
    let (start, cpu, bytes) = (Instant::now(), cpu_s(), written());
    for n in from..from + count {
        ledger.append(&commit(n, 1), &keys.signers()).unwrap();
    }
    println!(
        r#"{{"what":"append","size":{from},"count":{count},"cpu_ms":{:.3},"wall_ms":{:.3},"bytes":{}}}"#,
        (cpu_s() - cpu) * 1000.0 / count as f64,
        start.elapsed().as_secs_f64() * 1000.0 / count as f64,
        (written() - bytes) / count
    );
}

fn full(repo: &Path) {
    let (start, cpu) = (Instant::now(), cpu_s());
    let report = verify(repo, AUDIT, &VerifyOptions::default()).unwrap();
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_s() - cpu);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let signatures = report.counts.signatures;
    let (raw, raw_wall) = strict_rate();
    println!(
        r#"{{"what":"verify","threads":{},"records":{},"signatures":{signatures},"cpu_s":{cpu:.2},"wall_s":{wall:.2},"signatures_per_cpu_s":{:.0},"verify_strict_per_cpu_s":{raw:.0},"share":{:.2},"signatures_per_s":{:.0},"verify_strict_per_s":{raw_wall:.0},"share_of_wall":{:.2}}}"#,
        rayon::current_num_threads(),
        report.counts.all_records(),
        signatures as f64 / cpu,
        signatures as f64 / cpu / raw,
        signatures as f64 / wall,
        signatures as f64 / wall / raw_wall,
    );
}

fn since(repo: &Path, commits: u64) {
    let ledger = Ledger::open(repo, AUDIT).unwrap();
    let mut after = ledger.git().tip(AUDIT).unwrap();
    for _ in 0..commits {
        after = after.and_then(|id| ledger.git().commit(id).unwrap().parents.first().copied());
    }
    let cpu = cpu_s();
    let report = verify(repo, AUDIT, &VerifyOptions { after, ..VerifyOptions::default() }).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    println!(
        r#"{{"what":"since","before":{},"records":{},"cpu_ms":{:.2}}}"#,
        report.from,
        report.counts.all_records(),
        (cpu_s() - cpu) * 1000.0
    );
}

/// How often `verify_strict` itself, and nothing of ours, verifies messages of a record's size: in a second of one
/// processor, and in a second of wall time, on as many threads as verification has.
fn strict_rate() -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let key = UserDir::at(folder.path()).key_or_development(Role::Runner).unwrap();
    // Different ones: a processor learns to foresee the one that it verifies again and again.
    let signed = |n| {
        let payload = build(n).statement;
        let (public, signature) = key.sign_payload(&payload).unwrap();
        (public, orgo_spec::signature::pae(orgo_spec::signature::PAYLOAD_TYPE, &payload), signature)
    };
    let signed: Vec<_> = (0..5000).map(signed).collect();
    let key = VerifyingKey::from_bytes(signed[0].0.as_bytes()).unwrap();
    let (start, cpu) = (Instant::now(), cpu_s());
    signed.par_iter().for_each(|(_, message, signature)| {
        key.verify_strict(message, &Signature::from_bytes(signature)).unwrap();
    });
    let count = signed.len() as f64;
    (count / (cpu_s() - cpu), count / start.elapsed().as_secs_f64())
}

fn leaves(repo: &Path) {
    let ledger = Ledger::open(repo, AUDIT).unwrap();
    let head = ledger.head().unwrap().unwrap();
    for from in [Leaves::Tiles, Leaves::Bytes] {
        let cpu = cpu_s();
        let checked = audit(&ledger, &head, from, &[]).unwrap().leaves;
        let cpu = cpu_s() - cpu;
        println!(
            r#"{{"what":"leaves","from":"{from:?}","leaves":{checked},"cpu_s":{cpu:.2},"leaves_per_cpu_s":{:.0}}}"#,
            checked as f64 / cpu
        );
    }
}

fn seal(repo: &Path, to: &Path) {
    let keys = Keys::of(repo);
    let ledger = open(repo, &keys);
    let (start, cpu) = (Instant::now(), cpu_s());
    let head = ledger.head().unwrap().unwrap();
    let archive = ledger.archive(&head, None, to).unwrap();
    let facts = AdminFacts {
        action: AdminAction::Change,
        after: Some(archive.epoch.to_string()),
        before: None,
        object: archive.epoch.object(),
        reason: "a measurement".to_owned(),
        schema_version: AdminRecord::SCHEMA_VERSION.to_owned(),
        tenant_id: Name::new("bench").unwrap(),
    };
    let actor = Actor { id: "bench".to_owned(), kind: "runner".to_owned() };
    let run = AdminRun { actor, created_at: "2026-01-01T00:00:00.000Z".to_owned() };
    let statement = Statement::new(AdminRecord { facts, run }).to_bytes().unwrap();
    let entries = vec![Entry::new::<AdminRecord>(statement, Vec::new())];
    let append = Append { entries, subject: "sealed".to_owned(), trailers: Vec::new(), seconds: head.seconds };
    ledger.append(&append, &keys.signers()).unwrap();
    println!(
        r#"{{"what":"seal","records":{},"of":{},"archive_bytes":{},"reference":"{}","cpu_s":{:.2},"wall_s":{:.2}}}"#,
        archive.epoch.end - archive.epoch.first,
        head.count,
        archive.bytes,
        archive.reference,
        cpu_s() - cpu,
        start.elapsed().as_secs_f64()
    );
}

fn one(repo: &Path, record: u64) {
    let ledger = Ledger::open(repo, AUDIT).unwrap();
    let cpu = cpu_s();
    let head = ledger.head().unwrap().unwrap();
    let proof = prove(&ledger, &head, record).unwrap();
    let made = cpu_s() - cpu;
    let cpu = cpu_s();
    proof.verify().unwrap();
    println!(
        r#"{{"what":"prove","size":{},"bytes":{},"make_cpu_ms":{:.2},"verify_cpu_ms":{:.2}}}"#,
        head.count,
        proof.to_bytes().len(),
        made * 1000.0,
        (cpu_s() - cpu) * 1000.0
    );
}

/// Processor seconds of this process and of its children that ended.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let children: f64 = fields[13..15].iter().map(|f| f.parse::<f64>().unwrap()).sum();
    let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    own.tv_sec as f64 + own.tv_nsec as f64 / 1e9 + children / 100.0
}

/// Bytes that this process and its children wrote so far.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|l| l.strip_prefix("wchar: ")?.parse().ok()).unwrap()
}
