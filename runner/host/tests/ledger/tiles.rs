//! The tiles of a log that grew beyond two of them, and verification that begins in the middle of one.

use std::rc::Rc;

use orgo_host::git::ObjectId;
use orgo_host::ledger::{AUDIT, Entry};
use orgo_host::verify::{Finding, VerifyOptions, verify};
use orgo_spec::ReasonCode;
use orgo_spec::record::AdminAction;

use super::attack::{Forgery, admin, batch, found, key, one, revocation, set_tip};
use super::support::{World, build, must};

fn changes(from: u64, to: u64) -> Vec<Entry> {
    (from..to).map(|n| admin(AdminAction::Change, &format!("object-{n}"))).collect()
}

/// A ledger of 520 records; with the commits after which there were 255 and 257.
struct Large {
    world: World,
    marks: [ObjectId; 2],
    tip: String,
}

impl Large {
    fn new() -> Self {
        let world = World::new();
        let append = |from, to| world.append(&batch(changes(from, to), 1)).commit;
        let marks = [append(1, 255), append(255, 257)];
        append(257, 520);
        let tip = world.tip().to_string();
        Self { world, marks, tip }
    }

    /// The findings of a full verification; one that begins at either mark finds the same.
    fn findings(&self) -> Vec<Finding> {
        let from = |after| {
            let options = VerifyOptions { after, ..VerifyOptions::default() };
            verify(&self.world.repo(), AUDIT, &options).expect("a report")
        };
        let full = from(None);
        for mark in self.marks {
            let later = from(Some(mark));
            assert!(later.from > 250);
            assert_eq!(later.findings, full.findings, "from record {}", later.from);
            assert_eq!(later.checkpoint, full.checkpoint);
        }
        full.findings
    }

    fn reset(&self) {
        set_tip(&self.world, &self.tip);
    }
}

thread_local! {
    static LARGE: Rc<Large> = Rc::new(Large::new());
}

const FIRST: &str = "log/tile/0/000";
const SECOND: &str = "log/tile/0/001";

#[test]
fn tiles_are_stored_when_they_are_full_and_never_else() {
    let large = LARGE.with(Rc::clone);
    assert_eq!(large.findings(), []);
    let listed = |commit: &str| must(&large.world.repo(), "git", &["ls-tree", "-r", "--name-only", commit, "log/tile"]);
    assert_eq!(listed(&large.marks[0].to_string()), "");
    assert_eq!(listed(&large.marks[1].to_string()), format!("{FIRST}\n"));
    assert_eq!(listed(AUDIT), format!("{FIRST}\n{SECOND}\n"));
    assert_eq!((large.world.file(FIRST).len(), large.world.file(SECOND).len()), (8192, 8192));
    assert_eq!(large.world.ledger.count().expect("readable"), 520);
}

/// T-38, T-39
#[test]
fn a_tile_that_is_not_that_of_the_records_is_refused() {
    let large = LARGE.with(Rc::clone);
    let (first, mut flipped) = (large.world.file(FIRST), large.world.file(SECOND));
    flipped[8191] ^= 1;
    let cases: [(&str, Option<&[u8]>, ReasonCode); 6] = [
        (SECOND, Some(&flipped), ReasonCode::LogInconsistent),
        (SECOND, Some(&first), ReasonCode::LogInconsistent),
        (SECOND, Some(&first[..8160]), ReasonCode::LogInconsistent),
        (SECOND, None, ReasonCode::RecordMissing),
        ("log/tile/0/002", Some(&first), ReasonCode::LogInconsistent),
        ("log/tile/1/000", Some(&first), ReasonCode::LogInconsistent),
    ];
    for (path, bytes, code) in cases {
        Forgery::of(&large.world).file(path, bytes).replace_tip();
        let findings = large.findings();
        large.reset();
        assert_eq!(found(&findings), [(code, None)], "{path}");
        assert_eq!(findings[0].path.as_deref(), Some(path));
    }
}

/// T-38, T-39
#[test]
fn a_tile_that_is_there_stays_as_it_is() {
    let large = LARGE.with(Rc::clone);
    let second = large.world.file(SECOND);
    let cases: [(&str, Option<&[u8]>, ReasonCode); 3] = [
        (FIRST, Some(&second), ReasonCode::AuditNotLinear),
        (FIRST, None, ReasonCode::LogInconsistent),
        ("log/tile/0/000.p/9", Some(&second[..288]), ReasonCode::RepoUnsafe),
    ];
    for (path, bytes, code) in cases {
        let keys = [&large.world.keys.runner];
        Forgery::of(&large.world).file(path, bytes).record(&changes(0, 1)[0], &keys).commit();
        let findings = large.findings();
        large.reset();
        assert_eq!(found(&findings), [(code, None)], "{path}");
    }
}

#[test]
fn what_was_tampered_with_later_is_found_from_the_middle() {
    let large = LARGE.with(Rc::clone);
    let next = build(9, "ci").entries.remove(0);
    let (statement, envelope) = large.world.paths(519);
    let bytes = large.world.file(&statement);
    type Change<'c> = dyn Fn(Forgery<'c>) -> Forgery<'c> + 'c;
    let runner = &large.world.keys.runner;
    let (root, git) = (&large.world.keys.root[0], key(&large.world, "git", orgo_host::key::Role::Git));
    let cases: [(&Change<'_>, ReasonCode); 5] = [
        (&|f| f.record(&next, &[root]), ReasonCode::KeyScopeMismatch),
        (&|f| f.record(&next, &[runner]).by(&git), ReasonCode::KeyUnknown),
        (&|f| f.record(&next, &[runner]).file("README", Some(b"x")), ReasonCode::RepoUnsafe),
        (&|f| f.record(&next, &[runner]).file("latest/ci/main.json", Some(&bytes)), ReasonCode::RecordAltered),
        (&|f| f.record(&next, &[runner]).without_log_key(), ReasonCode::LogInconsistent),
    ];
    for (change, code) in cases {
        change(Forgery::of(&large.world)).commit();
        let findings = large.findings();
        large.reset();
        assert!(findings.iter().all(|f| f.code == code) && !findings.is_empty(), "{findings:?}");
    }
    Forgery::of(&large.world).file(&envelope, Some(b"{}")).replace_tip();
    let findings = large.findings();
    large.reset();
    assert!(!findings.is_empty());
}

/// T-37: what a revocation reaches back to may lie before the middle.
#[test]
fn a_revocation_makes_all_be_looked_at_again() {
    let world = World::new();
    let second = key(&world, "second", orgo_host::key::Role::Runner);
    let both = super::attack::trust_with(&world, |f| f.keys.runner.push(super::attack::listed(&second)));
    world.append(&one(both, 1));
    world.append(&build(2, "ci"));
    let after = Some(world.append(&build(3, "ci")).commit);
    world.append(&build(4, "ci"));
    let signers = orgo_host::ledger::Signers { runner: &second, ..world.keys.signers() };
    let gone = revocation(&world, &[(world.keys.runner.public(), 2)]);
    world.ledger.append(&one(gone, 5), &signers).expect("appended");
    let options = VerifyOptions { after, ..VerifyOptions::default() };
    let report = verify(&world.repo(), AUDIT, &options).expect("a report");
    assert_eq!(report.from, 0);
    let expected = [2, 3, 4].map(|n| (ReasonCode::KeyRevoked, Some(n)));
    assert_eq!(found(&report.findings), expected);
    assert_eq!(report.findings, world.verify().findings);
}
