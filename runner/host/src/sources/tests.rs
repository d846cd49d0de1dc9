use orgo_spec::ReasonCode;

use super::*;

fn setup() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(&folder.path().join("store")).expect("a store");
    (folder, store)
}

fn digest_of(folder: &Path, store: &Store) -> Blob {
    let mut sources = Sources::open(folder, &folder.join("memory")).expect("opened");
    let files = sources.select(&["a.txt".to_owned()], store).expect("selected");
    sources.save().expect("saved");
    files[0].blob
}

#[test]
fn a_change_within_the_same_tick_is_seen() {
    let (folder, store) = setup();
    let file = folder.path().join("a.txt");
    for i in 0..30 {
        let text = format!("content {i:02}");
        std::fs::write(&file, &text).expect("writable");
        assert_eq!(digest_of(folder.path(), &store), Blob::of(text.as_bytes()), "after write {i}");
    }
}

#[test]
fn an_old_file_is_hashed_once() {
    let (folder, store) = setup();
    let file = folder.path().join("a.txt");
    std::fs::write(&file, "content").expect("writable");
    std::thread::sleep(std::time::Duration::from_millis(60));
    let blob = digest_of(folder.path(), &store);
    let sources = Sources::open(folder.path(), &folder.path().join("memory")).expect("opened");
    assert_eq!(sources.known.get("a.txt").map(|k| k.blob), Some(blob));
}

#[test]
fn pointers_and_folders_are_named_errors() {
    let (folder, store) = setup();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    std::fs::write(folder.path().join("a.txt"), pointer).expect("writable");
    let mut sources = Sources::open(folder.path(), &folder.path().join("memory")).expect("opened");
    let code = |r: Result<Vec<SourceFile>, SourceError>| r.expect_err("refused").reason();
    assert_eq!(code(sources.select(&["a.txt".into()], &store)), Some(ReasonCode::InputLfsPointer));
    assert_eq!(code(sources.select(&["store".into()], &store)), Some(ReasonCode::InputMissing));
    assert_eq!(code(sources.select(&["none".into()], &store)), Some(ReasonCode::InputMissing));
    assert_eq!(code(sources.select(&["a[".into()], &store)), Some(ReasonCode::DocumentInvalid));
}

#[test]
fn freezing_takes_in_all_that_can_be_had_and_leaves_what_is_wrong_for_later() {
    let (folder, store) = setup();
    let names: Vec<String> = (0..300).map(|i| format!("in/{i}.txt")).collect();
    std::fs::create_dir(folder.path().join("in")).expect("made");
    for (i, name) in names.iter().enumerate() {
        std::fs::write(folder.path().join(name), format!("content {i}")).expect("written");
    }
    std::fs::write(folder.path().join("pointer"), "version https://git-lfs.github.com/spec/v1\n").expect("written");
    let wrong = ["pointer", "none", "in", "a["].map(str::to_owned);
    let all = [names.as_slice(), &wrong, &["in/*".to_owned()]].concat();
    let mut sources = Sources::open(folder.path(), &folder.path().join("memory")).expect("opened");
    sources.freeze(all.iter(), &store);
    assert_eq!(sources.seen.len(), names.len());
    // What is written from now on reaches nobody.
    std::fs::write(folder.path().join("in/7.txt"), "another content").expect("written");
    for (i, name) in names.iter().enumerate() {
        let files = sources.select(std::slice::from_ref(name), &store).expect("selected");
        assert_eq!(files[0].blob, Blob::of(format!("content {i}").as_bytes()), "{name}");
        assert!(store.get(files[0].blob.digest).is_ok(), "{name} is in the store");
    }
    assert_eq!(sources.changed().expect("looked"), ["in/7.txt"]);
    for (path, code) in wrong.iter().zip([
        ReasonCode::InputLfsPointer,
        ReasonCode::InputMissing,
        ReasonCode::InputMissing,
        ReasonCode::DocumentInvalid,
    ]) {
        let refused = sources.select(std::slice::from_ref(path), &store).expect_err("refused");
        assert_eq!(refused.reason(), Some(code), "{path}");
    }
}

#[test]
fn a_file_that_changed_after_git_looked_is_refused() {
    let (folder, store) = setup();
    let git = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(args).current_dir(folder.path());
        assert!(git.env("HOME", folder.path()).status().expect("git runs").success(), "{args:?}");
    };
    git(&["init", "-q"]);
    for name in ["a.txt", "b.txt"] {
        std::fs::write(folder.path().join(name), "content").expect("written");
    }
    git(&["add", "a.txt", "b.txt"]);
    git(&["commit", "-qm", "one"]);
    let source = crate::git::Git::open(folder.path()).expect("a repository").source().expect("a source");
    std::fs::write(folder.path().join("a.txt"), "CONTENT").expect("written");
    let mut sources = Sources::open(folder.path(), &folder.path().join("memory")).expect("opened");
    sources.set_looked(source.looked);
    sources.freeze(["a.txt".to_owned(), "b.txt".to_owned()].iter(), &store);
    let refused = sources.select(&["a.txt".to_owned()], &store).expect_err("refused");
    assert_eq!(refused.reason(), Some(ReasonCode::InputChanged));
    assert!(sources.select(&["b.txt".to_owned()], &store).is_ok());
}
