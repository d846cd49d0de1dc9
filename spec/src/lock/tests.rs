use proptest::prelude::*;

use super::*;
use crate::ReasonCode;
use crate::document::{Document, Problem};

fn digest(digit: char) -> Digest {
    Digest::from_hex(&digit.to_string().repeat(64)).expect("64 digits")
}

fn tool(name: &str, parts: &[(&str, char)]) -> (Subject, Parts) {
    let subject = Subject::Tool { platform: "x86_64-linux".into(), search: "/usr/bin:/bin".into(), name: name.into() };
    let pin = |at: &str, d: char| Pin { at: format!("/usr/{name}/{at}"), digest: Some(digest(d)) };
    (subject, parts.iter().map(|(part, d)| ((*part).to_owned(), pin(part, *d))).collect())
}

fn lock(subjects: &[(Subject, Parts)]) -> Lock {
    let mut lock = Lock::default();
    subjects.iter().for_each(|(subject, parts)| lock.set(subject.clone(), parts.clone()));
    lock
}

fn codes(text: &str) -> Vec<ReasonCode> {
    let read = Lock::parse(&Document::new(LOCK_FILE, text));
    read.map_or_else(|e| e.problems().map(Problem::code).collect(), |_| vec![])
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "\\PC{0,6}", Just("-".to_owned()), Just("%2D".to_owned()), "[\\n\\t\\r ]{1,3}"]
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        field().prop_map(|name| Subject::Contract { name }),
        Just(Subject::Orgo),
        (field(), field(), field()).prop_map(|(name, version, file)| Subject::Source { name, version, file }),
        (field(), field(), field()).prop_map(|(platform, search, name)| Subject::Tool { platform, search, name }),
    ]
}

fn any_lock() -> impl Strategy<Value = Lock> {
    let pin = || (field(), any::<[u8; 4]>());
    let parts = proptest::collection::btree_map(field(), pin(), 0..4);
    proptest::collection::vec((subject(), pin(), parts), 0..6).prop_map(|subjects| {
        let mut lock = Lock::default();
        for (subject, own, parts) in subjects {
            let pin = |(at, seed): (String, [u8; 4])| Pin { at, digest: Some(Digest::of(&seed)) };
            match subject {
                Subject::Orgo => lock.set_one(subject, own.0, None),
                Subject::Source { .. } => lock.set_one(subject, "", Some(Digest::of(&own.1))),
                Subject::Contract { .. } => lock.set_one(subject, own.0, Some(Digest::of(&own.1))),
                Subject::Tool { .. } => {
                    let mut all: Parts = parts.into_iter().map(|(part, p)| (part, pin(p))).collect();
                    all.insert(String::new(), pin(own));
                    lock.set(subject, all);
                }
            }
        }
        lock
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back_and_printed_alike(lock in any_lock()) {
        let text = lock.print();
        let read = Lock::parse(&Document::new(LOCK_FILE, text.as_str())).expect("printed by us");
        prop_assert_eq!(&read, &lock);
        prop_assert_eq!(read.print(), text.clone());
        let lines: Vec<&str> = text.lines().skip(1).collect();
        prop_assert!(lines.is_sorted(), "one sorted line an entry");
        prop_assert!(text.is_ascii());
    }

    #[test]
    fn a_merge_with_one_side_takes_it_and_with_itself_changes_nothing(a in any_lock(), b in any_lock()) {
        prop_assert_eq!(merge(&a, &a, &b).text, b.print());
        prop_assert_eq!(merge(&a, &b, &a).text, b.print());
        let same = merge(&a, &b, &b);
        prop_assert!(same.conflicts.is_empty());
        prop_assert_eq!(same.text, b.print());
    }

    #[test]
    fn a_merge_is_a_lock_exactly_where_nothing_conflicts(o in any_lock(), a in any_lock(), b in any_lock()) {
        let merged = merge(&o, &a, &b);
        let read = Lock::parse(&Document::new(LOCK_FILE, merged.text));
        prop_assert_eq!(read.is_ok(), merged.conflicts.is_empty());
    }

    #[test]
    fn any_text_is_a_lock_in_its_only_spelling_or_refused_with_a_place(text in "(orgo-lock 1\n)?[ -~\n]{0,200}") {
        let document = Document::new(LOCK_FILE, text.as_str());
        match Lock::parse(&document) {
            Ok(lock) => prop_assert_eq!(lock.print(), text),
            Err(error) => for problem in error.problems() {
                let end = problem.span().offset as usize + problem.span().len as usize;
                prop_assert!(end <= text.len().max("orgo-lock 1".len()));
            },
        }
    }
}

#[test]
fn there_is_one_spelling() {
    let a = "a".repeat(64);
    let line = |name: &str| format!("contract {name} 4 sha256:{a}\n");
    let good = format!("orgo-lock 1\n{}{}orgo 0.1.0\n", line("a"), line("b"));
    assert_eq!(codes(&good), []);
    assert_eq!(codes(&good.replace("0.1.0\n", "0.1.0")), [ReasonCode::DocumentInvalid], "no line feed at the end");
    assert_eq!(codes(&format!("orgo-lock 1\n{}{}", line("b"), line("a"))), [ReasonCode::DocumentInvalid], "order");
    assert_eq!(codes(&format!("orgo-lock 1\n{}{}", line("a"), line("a"))), [ReasonCode::FieldDuplicate]);
    assert_eq!(codes("orgo-lock 2\n"), [ReasonCode::DocumentInvalid]);
    assert_eq!(codes(""), [ReasonCode::DocumentInvalid; 2]);
    for wrong in [
        "contract kristal 4",
        "contract kristal 4 latest",
        "orgo",
        "orgo  0.1.0",
        "# remark",
        "",
        "orgo %2d",
        "orgo %41",
        "orgo é",
        "tool x86_64-linux /bin cat libc /lib/libc",
    ] {
        assert_eq!(codes(&format!("orgo-lock 1\n{wrong}\n")), [ReasonCode::DocumentInvalid], "{wrong}");
    }
    let library = format!("orgo-lock 1\ntool p /bin cat libc /lib/libc sha256:{a}\n");
    assert_eq!(codes(&library), [ReasonCode::DocumentInvalid], "a library without its program");
    let marked = format!("orgo-lock 1\n<<<<<<< ours\n{}=======\n{}>>>>>>> theirs\n", line("a"), line("b"));
    assert_eq!(codes(&marked), [ReasonCode::LockConflict; 3]);
}

#[test]
fn a_subject_that_both_sides_changed_is_a_conflict_as_a_whole() {
    let base = lock(&[tool("cc", &[("", 'a'), ("libc", 'b')]), tool("ld", &[("", 'c')])]);
    let ours = lock(&[tool("cc", &[("", 'd'), ("libc", 'b')]), tool("ld", &[("", 'c')]), tool("tr", &[("", 'e')])]);
    let theirs = lock(&[tool("cc", &[("", 'a'), ("libc", 'f')])]);
    let merged = merge(&base, &ours, &theirs);
    assert_eq!(merged.conflicts.iter().map(Subject::name).collect::<Vec<_>>(), ["cc"], "not half of each");
    assert!(!merged.text.contains(" ld "), "what one side removed is gone");
    assert!(merged.text.contains(" tr "), "what one side added is there");
    let ours_first = merged.text.find("<<<<<<< ours").zip(merged.text.find(">>>>>>> theirs"));
    assert!(ours_first.is_some_and(|(a, b)| a < b));
    for digit in ['a', 'b', 'd', 'f'] {
        assert!(merged.text.contains(&digest(digit).to_string()), "both sides are there: {digit}");
    }
    let removed = merge(&base, &lock(&[tool("ld", &[("", 'c')])]), &theirs);
    assert_eq!(removed.conflicts.len(), 1, "removed here and changed there");
}

#[test]
fn drift_names_each_part_and_leaves_other_platforms_alone() {
    let mut pinned = lock(&[tool("cc", &[("", 'a'), ("libc", 'b'), ("old", 'c')]), tool("gone", &[("", 'e')])]);
    let elsewhere = |name: &str| Subject::Tool {
        platform: "aarch64-linux".into(),
        search: "/usr/bin:/bin".into(),
        name: name.into(),
    };
    pinned.set(elsewhere("cc"), tool("cc", &[("", '9')]).1);
    pinned.set(elsewhere("never"), tool("cc", &[("", '9')]).1);
    let now = lock(&[tool("cc", &[("", 'a'), ("libc", 'f'), ("new", 'd')]), tool("ld", &[("", '1')])]);
    let drift = pinned.drift(&now, "x86_64-linux");
    let told: Vec<(ReasonCode, &str, Vec<&str>)> =
        drift.iter().map(|d| (d.code, d.subject.name(), d.parts.iter().map(|m| m.part.as_str()).collect())).collect();
    assert_eq!(
        told,
        [
            (ReasonCode::LockExtra, "never", vec![""]),
            (ReasonCode::LockDrifted, "cc", vec!["libc", "new", "old"]),
            (ReasonCode::LockExtra, "gone", vec![""]),
            (ReasonCode::LockMissing, "ld", vec![""]),
        ]
    );
    let libc = drift[1].parts[0].describe();
    assert!(libc.contains(&digest('b').to_string()) && libc.contains(&digest('f').to_string()), "{libc}");
    assert_eq!(now.drift(&now, "x86_64-linux"), []);
}
