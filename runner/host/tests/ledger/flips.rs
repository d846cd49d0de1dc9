//! One byte of one file, changed by whoever has the git key and not the log key: never accepted.

use std::rc::Rc;

use orgo_host::key::Role;
use orgo_host::ledger::AUDIT;
use orgo_host::verify::{Verdict, VerifyOptions, verify};
use orgo_spec::record::AdminAction;
use proptest::prelude::*;

use super::attack::{
    EXPIRED, FOR_LONG, Forgery, abandoned, admin, batch, ended, key, revocation, set_tip, started, trust_with,
};
use super::support::{World, build, must};

struct All {
    world: World,
    tip: String,
    paths: Vec<String>,
}

/// Records of every kind but a new trust, in one commit: then every file is one that the newest commit brings.
fn at_once() -> All {
    all(true)
}

/// The same in a commit each: then most files are older than the newest commit.
fn one_by_one() -> All {
    all(false)
}

fn all(at_once: bool) -> All {
    let world = World::new();
    let (first, second) = (started(1, FOR_LONG), started(2, EXPIRED));
    let stranger = key(&world, "stranger", Role::Runner);
    let mut entries = vec![first.clone(), second.clone(), started(3, FOR_LONG)];
    entries.extend(ended(1, &first).entries);
    entries.extend(build(4, "elements").entries);
    entries.extend([abandoned(2, &second), admin(AdminAction::Hold, "publishing"), admin(AdminAction::Change, "x")]);
    let gone = revocation(&world, &[(stranger.public(), 1)]);
    let revoked = orgo_spec::record::Statement::<orgo_spec::record::RevocationRecord>::parse(&gone.statement);
    let revoked = revoked.expect("a revocation").predicate.facts.revoked;
    entries.extend(build(5, "ci").entries);
    // A change of trust is the last record of its commit.
    entries.push(gone);
    if !at_once {
        entries.push(trust_with(&world, |facts| facts.revoked = revoked));
    }
    if at_once {
        world.append(&batch(entries, 1));
    } else {
        entries.into_iter().for_each(|entry| drop(world.append(&batch(vec![entry], 1))));
    }
    assert_eq!(world.verify().findings, []);
    let paths = must(&world.repo(), "git", &["ls-tree", "-r", "--name-only", AUDIT]);
    let paths: Vec<String> = paths.lines().map(str::to_owned).collect();
    let folders = ["evidence/", "holds/", "latest/", "log/", "open/", "records/", "trust/"];
    assert!(folders.iter().all(|folder| paths.iter().any(|p| p.starts_with(folder))), "{paths:?}");
    All { tip: world.tip().to_string(), paths, world }
}

thread_local! {
    static AT_ONCE: Rc<All> = Rc::new(at_once());
    static ONE_BY_ONE: Rc<All> = Rc::new(one_by_one());
}

fn flip(all: &All, path: usize, at: usize, bit: u8) -> (String, Verdict) {
    let path = &all.paths[path % all.paths.len()];
    let mut bytes = all.world.file(path);
    let at = at % bytes.len();
    bytes[at] ^= 1 << bit;
    Forgery::of(&all.world).file(path, Some(&bytes)).without_log_key().replace_tip();
    let verdict = all.world.verify().verdict;
    set_tip(&all.world, &all.tip);
    (format!("byte {at} of {path}"), verdict)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_flipped_bit_of_a_new_file_is_accepted(path in 0usize..1000, at in 0usize..100_000, bit in 0u8..8) {
        let (what, verdict) = flip(&AT_ONCE.with(Rc::clone), path, at, bit);
        prop_assert_eq!(verdict, Verdict::Invalid, "{}", what);
    }

    #[test]
    fn no_flipped_bit_of_an_old_file_is_accepted(path in 0usize..1000, at in 0usize..100_000, bit in 0u8..8) {
        let (what, verdict) = flip(&ONE_BY_ONE.with(Rc::clone), path, at, bit);
        prop_assert_eq!(verdict, Verdict::Invalid, "{}", what);
    }

    /// A commit is signed as it is: headers, message, and the signature itself.
    #[test]
    fn no_flipped_bit_of_a_commit_is_accepted(at in 0usize..100_000, bit in 0u8..8) {
        let all = ONE_BY_ONE.with(Rc::clone);
        let repo = all.world.repo();
        let mut bytes = must(&repo, "git", &["cat-file", "commit", &all.tip]).into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        std::fs::write(repo.join("commit"), &bytes).expect("written");
        let id = must(&repo, "git", &["hash-object", "-t", "commit", "-w", "--literally", "commit"]);
        std::fs::write(repo.join(AUDIT), &id).expect("written");
        let report = verify(&repo, AUDIT, &VerifyOptions::default());
        std::fs::write(repo.join(AUDIT), format!("{}\n", all.tip)).expect("written");
        // A commit whose parent is changed leads nowhere: what is not there is missing.
        let sound = |verdict| matches!(verdict, Verdict::Verified | Verdict::NotAnchored | Verdict::Refused);
        prop_assert!(!report.is_ok_and(|report| sound(report.verdict)), "byte {}", at);
    }
}
