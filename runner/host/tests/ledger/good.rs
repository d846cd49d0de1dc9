//! Ledgers as they should be: everything verifies, and strangers agree.

use orgo_host::ledger::{AUDIT, Ledger, LedgerError};
use orgo_host::verify::{Anchor, Pins, Verdict, VerifyOptions, verify};
use orgo_host::{git::Git, key::UserDir};
use orgo_spec::ReasonCode;
use orgo_spec::signature::{Envelope, PAYLOAD_TYPE, pae};

use super::support::{Keys, NOW, World, build, evidence, must, name, trust};

#[test]
fn a_ledger_reads_back_what_was_appended() {
    let world = World::new();
    let appended = world.append(&build(7, "elements"));
    assert_eq!(appended.records.len(), 1);
    let (number, id) = appended.records[0];
    assert_eq!(number, 1);
    let record = world.ledger.record(1).expect("there");
    assert_eq!((record.id(), record.kind), (id, name("build")));
    for text in ["1", "latest", &id.to_string(), &id.hex()[..8]] {
        assert_eq!(world.ledger.find(text).expect("found").number, 1, "{text}");
    }
    for text in ["2", "zzzz", "00", ""] {
        assert!(matches!(world.ledger.find(text), Err(LedgerError::NoRecord(_))), "{text}");
    }
    let digest = orgo_spec::Digest::of(&evidence(7));
    assert_eq!(world.ledger.evidence(&digest).expect("readable"), Some(evidence(7)));
    let history = world.ledger.history(10).expect("readable");
    assert_eq!(history.len(), 2);
    assert!(history[0].1.message.contains(&format!("Orgo-Record: 1 {id}\n")), "{}", history[0].1.message);
}

#[test]
fn a_good_ledger_verifies_from_a_bare_clone() {
    let world = World::with_builds();
    let clone = world.folder.path().join("clone");
    let url = format!("file://{}", world.repo().display());
    must(world.folder.path(), "git", &["clone", "-q", "--bare", &url, "clone"]);
    let report = verify(&clone, AUDIT, &VerifyOptions::default()).expect("a report");
    assert_eq!(report.findings, []);
    assert_eq!(report.verdict, Verdict::NotAnchored);
    assert_eq!((report.counts.commits, report.counts.all_records()), (4, 4));
    assert_eq!(
        report.counts.signatures,
        4 + 4 + 5,
        "four commits and checkpoints, three records of one signer, one of two"
    );
    assert!(report.development, "development keys are said");
    assert!(report.first_line().starts_with("development trust"), "{}", report.first_line());
}

#[test]
fn stock_git_agrees_with_every_commit() {
    let world = World::with_builds();
    let repo = world.repo();
    must(&repo, "git", &["fsck", "--strict", "--no-dangling"]);
    std::fs::write(world.folder.path().join("signers"), world.file("trust/allowed_signers")).expect("written");
    let signers = format!("gpg.ssh.allowedSignersFile={}/signers", world.folder.path().display());
    for (id, _) in world.ledger.history(100).expect("readable") {
        let said = must(&repo, "git", &["-c", &signers, "verify-commit", &id.to_string()]);
        assert!(said.contains("Good \"git\" signature for orgo@acme"), "{said}");
    }
    let raw = must(&repo, "git", &["cat-file", "commit", AUDIT]);
    assert_eq!(raw.matches("gpgsig").count(), 1);
}

#[test]
fn ssh_keygen_agrees_with_keys_and_signatures() {
    let world = World::new();
    let folder = world.folder.path();
    let signature = world.keys.git.sign_commit(b"a message").expect("a git key");
    std::fs::write(folder.join("sig"), signature.armor()).expect("written");
    std::fs::write(folder.join("signers"), world.file("trust/allowed_signers")).expect("written");
    std::fs::write(folder.join("message"), "a message").expect("written");
    let verify = "ssh-keygen -Y verify -f signers -I orgo@acme -n git -s sig < message";
    must(folder, "sh", &["-c", verify]);
    std::fs::write(folder.join("key.pub"), format!("{}\n", world.keys.git.public())).expect("written");
    let said = must(folder, "ssh-keygen", &["-l", "-f", "key.pub"]);
    assert!(said.contains(&world.keys.git.public().ssh_fingerprint()), "{said}");
}

#[test]
fn an_approval_made_by_ssh_keygen_is_read() {
    use orgo_spec::signature::{Namespace, PublicKey, SshSignature};
    let folder = tempfile::tempdir().expect("a temporary folder");
    must(folder.path(), "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "id"]);
    std::fs::write(folder.path().join("subject"), "sha256:1234\n").expect("written");
    must(folder.path(), "ssh-keygen", &["-q", "-Y", "sign", "-n", "orgo-approval", "-f", "id", "subject"]);
    let armor = std::fs::read_to_string(folder.path().join("subject.sig")).expect("a signature");
    let signature = SshSignature::parse(&armor, Namespace::Approval).expect("stock armor");
    let line = std::fs::read_to_string(folder.path().join("id.pub")).expect("a key");
    let key: PublicKey = line.trim().parse().expect("a stock public key");
    assert_eq!(signature.key(), &key);
    assert!(signature.verifies(b"sha256:1234\n"));
    assert!(!signature.verifies(b"sha256:1235\n"));
}

#[test]
fn openssl_agrees_with_every_record() {
    let world = World::with_builds();
    let folder = world.folder.path();
    for number in 0..4 {
        let record = world.ledger.record(number).expect("there");
        let envelope = Envelope::parse(&record.envelope.expect("an envelope")).expect("well formed");
        std::fs::write(folder.join("pae"), pae(PAYLOAD_TYPE, &record.statement)).expect("written");
        for signature in envelope.signatures() {
            let keys = [&world.keys.runner, &world.keys.root[0]];
            let key = keys.iter().find(|k| k.public().id() == signature.key_id).expect("one of ours");
            std::fs::write(folder.join("pem"), key.public().to_pem()).expect("written");
            std::fs::write(folder.join("sig"), signature.bytes).expect("written");
            let args = ["pkeyutl", "-verify", "-pubin", "-inkey", "pem", "-rawin", "-in", "pae", "-sigfile", "sig"];
            assert!(must(folder, "openssl", &args).contains("Verified Successfully"));
        }
    }
}

#[test]
fn a_root_from_outside_anchors_the_ledger() {
    let world = World::with_builds();
    let root = world.ledger.record(0).expect("there").id();
    let with = |options| verify(&world.repo(), AUDIT, &options).expect("a report");
    let named = with(VerifyOptions { root: Some(root), ..VerifyOptions::default() });
    assert_eq!((named.verdict, named.anchor), (Verdict::Verified, Anchor::Named));
    let ci = with(VerifyOptions { ci: true, ..VerifyOptions::default() });
    assert_eq!((ci.verdict, ci.findings[0].code), (Verdict::Refused, ReasonCode::RootNotTrusted));

    let user = UserDir::at(world.folder.path().join("home"));
    let git = world.git();
    let mut pins = Pins::load(&user).expect("none yet");
    pins.set(&git, AUDIT, root, None).expect("stored");
    let pin = Pins::load(&user).expect("readable").get(&git, AUDIT).expect("readable").cloned();
    let pinned = with(VerifyOptions { pin, ci: true, ..VerifyOptions::default() });
    assert_eq!((pinned.verdict, pinned.anchor), (Verdict::Verified, Anchor::Pinned));
}

#[test]
fn writers_who_race_lose_nothing() {
    const WRITERS: u32 = 4;
    const EACH: u32 = 8;
    let world = World::new();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (repo, keys) = (world.repo(), &world.keys);
            scope.spawn(move || {
                let ledger = Ledger::open(&repo, AUDIT).expect("a repository");
                for n in 0..EACH {
                    ledger.append(&build(writer * EACH + n, "ci"), &keys.signers()).expect("appended");
                }
            });
        }
    });
    let report = world.verify();
    assert_eq!(report.findings, []);
    assert_eq!(report.counts.all_records(), u64::from(WRITERS * EACH) + 1);
}

#[test]
fn one_of_two_who_begin_a_ledger_wins() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    must(folder.path(), "git", &["init", "-q", "--bare", "repo"]);
    let keys = Keys::new(&folder.path().join("home"));
    let repo = folder.path().join("repo");
    let begun: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let ledger = Ledger::open(&repo, AUDIT).expect("a repository");
                    ledger.init(trust(&keys, "acme"), NOW, &keys.signers()).is_ok()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    assert_eq!(begun.iter().filter(|b| **b).count(), 1, "{begun:?}");
    let report = verify(&repo, AUDIT, &VerifyOptions::default()).expect("a report");
    assert_eq!(report.verdict, Verdict::NotAnchored);
}

#[test]
fn keys_that_the_trust_does_not_list_append_nothing() {
    let world = World::with_builds();
    let before = world.tip();
    let stranger = Keys::new(&world.folder.path().join("stranger"));
    let refused = world.ledger.append(&build(9, "ci"), &stranger.signers()).map(|_| ()).map_err(|e| e.code());
    assert_eq!(refused, Err(Some(ReasonCode::KeyUnknown)));
    assert_eq!(world.tip(), before);
}

#[test]
fn an_append_does_not_grow_with_the_ledger() {
    // What an append writes is bounded by the folders on its path, not by the number of records.
    let world = World::new();
    for n in 1..=300 {
        world.append(&build(n, "ci"));
    }
    assert_eq!(world.ledger.count().expect("readable"), 301);
    assert_eq!(world.ledger.record(300).expect("there").path, "records/0/1/44.build.json");
    let objects = || -> u64 {
        let said = must(&world.repo(), "git", &["count-objects"]);
        said.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")
    };
    let before = objects();
    world.append(&build(301, "ci"));
    // Statement, envelope, two pieces of evidence, the folders on their paths (4 + 3 + 2), evidence, edge and
    // checkpoint of the log and their folder, root, commit.
    let written = objects() - before;
    assert!(written <= 19, "{written} objects");
    assert_eq!(world.verify().findings, []);
}

#[test]
fn a_subject_cannot_forge_a_trailer() {
    let world = World::new();
    let mut append = build(1, "ci");
    append.subject = "ok\n\nOrgo-Record: 9 sha256:00\u{1b}[31m".to_owned();
    append.trailers.push(("X".to_owned(), "y\nOrgo-Record: 8 z".to_owned()));
    world.append(&append);
    assert_eq!(world.verify().findings, []);
}

#[test]
fn a_shallow_clone_is_incomplete_and_not_invalid() {
    let world = World::with_builds();
    let url = format!("file://{}", world.repo().display());
    must(world.folder.path(), "git", &["clone", "-q", "--bare", "--depth", "2", "--no-single-branch", &url, "shallow"]);
    let report = verify(&world.folder.path().join("shallow"), AUDIT, &VerifyOptions::default()).expect("a report");
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert!(Git::open(&world.folder.path().join("shallow")).is_ok());
}

#[test]
fn a_writer_that_was_killed_leaves_nothing_half_written() {
    // Killed before the branch moved: its objects are there, nothing leads to them.
    let world = World::with_builds();
    let before = world.tip();
    let memory = world.repo().join("orgo/refs%2Fheads%2Forgo%2Faudit.seen");
    let seen = std::fs::read(&memory).expect("remembered");
    world.append(&build(4, "ci"));
    must(&world.repo(), "git", &["update-ref", AUDIT, &before.to_string()]);
    std::fs::write(&memory, seen).expect("written");
    assert_eq!(world.verify().findings, []);
    assert_eq!(world.append(&build(4, "ci")).records[0].0, 4);
    assert_eq!(world.verify().findings, []);
    // Killed while it held the lock: nobody appends, and the refusal names the file.
    let lock = world.repo().join(format!("{AUDIT}.lock"));
    std::fs::write(&lock, "").expect("written");
    match world.ledger.append(&build(5, "ci"), &world.keys.signers()) {
        Err(LedgerError::Locked(named)) => assert_eq!(named.canonicalize().ok(), lock.canonicalize().ok()),
        other => panic!("{other:?}"),
    }
    std::fs::remove_file(&lock).expect("removed");
    world.append(&build(5, "ci"));
    assert_eq!(world.verify().findings, []);
}
