//! A full disk and a read-only one: a code, a way out, no damage, and the next run is as if nothing had been.
//!
//! The disks are small file systems in memory, in a namespace of their own: no privilege is needed.

use std::process::Command;

use serde_json::Value;

use crate::support::{ORGO, Repo};

const PIPELINE: &str = r#"pipeline "p" {
    stage "a" { files "big" "n"; run "sh" "-c" "cat n big > o"; tool "cat"; out "o" }
    stage "b" { from "a"; files "n"; run "sh" "-c" "cat in/a/o n > o"; tool "cat"; out "o" }
    stage "c" { from "b"; run "sh" "-c" "cp in/b/o o"; tool "cp"; out "o" }
}"#;

/// Free pages of 4 KiB at which a run is tried: from nothing to nearly enough.
const PAGES: [u32; 14] = [0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 26, 34, 45, 60];

/// Runs a script where it may mount; its `$ORGO` is the program with its folder of keys, `$BESIDE` the folder beside.
pub fn script(repo: &Repo, script: &str) {
    let orgo = format!("{ORGO} --home {}", repo.home().display());
    let out = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-euc", script])
        .current_dir(repo.root())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", repo.root())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("ORGO", orgo)
        .env("BESIDE", repo.beside(""))
        .output()
        .expect("unshare starts");
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

/// What a command of the script left: exit code, standard output, standard error.
pub fn left(repo: &Repo, name: &str) -> (i32, String, String) {
    let read = |kind: &str| std::fs::read_to_string(repo.beside(&format!("{name}.{kind}"))).unwrap();
    (read("code").trim().parse().unwrap(), read("out"), read("err"))
}

/// Makes what follows leave its exit code and what it prints.
pub const LEAVE: &str = r#"
leave() { name=$1; shift; code=0; "$@" > "$BESIDE/$name.out" 2> "$BESIDE/$name.err" || code=$?; echo $code > "$BESIDE/$name.code"; }
"#;

#[test]
fn a_disk_that_is_full_at_any_point_is_said_and_damages_nothing() {
    let repo = Repo::with_pipeline(PIPELINE);
    repo.write("big", &"0123456789abcde\n".repeat(1500));
    repo.write("n", "0\n");
    repo.commit("sources");
    let fill = r#"
mount -t tmpfs -o size=8m none "$BESIDE/disk"
cp -a . "$BESIDE/disk/repo"; cd "$BESIDE/disk/repo"
$ORGO run --json > /dev/null 2>&1
for pages in PAGES; do
    echo $pages.1 > n
    free=$(df -k --output=avail . | tail -n 1)
    head -c $(((free - pages * 4) * 1024)) /dev/zero > ../filler
    leave full-$pages $ORGO run --json
    rm ../filler
    leave next-$pages $ORGO run --json
    cat out/p/c/o > "$BESIDE/result-$pages"
done
leave verify $ORGO verify --full --branch orgo/local --json
find .orgo/store/new out .orgo/state -type f > "$BESIDE/files"
"#;
    std::fs::create_dir(repo.beside("disk")).unwrap();
    let pages = PAGES.map(|p| p.to_string()).join(" ");
    script(&repo, &format!("{LEAVE}{}", fill.replace("PAGES", &pages)));
    let mut codes = Vec::new();
    for pages in PAGES {
        let (code, out, err) = left(&repo, &format!("full-{pages}"));
        let what = format!("{pages} pages: {code}\n{out}\n{err}");
        if code != 0 {
            let said: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {what}"));
            let stage = said["code"].as_str();
            let said = stage.or(said["problems"][0]["code"].as_str());
            let by_the_stage = matches!(said, Some("STAGE_FAILED" | "OUTPUT_MISSING")) && code == 1;
            assert!(said == Some("NO_SPACE") && code == 4 || by_the_stage, "{what}");
        }
        codes.push(code);
        let (code, out, err) = left(&repo, &format!("next-{pages}"));
        assert_eq!(code, 0, "after {pages} pages: {out}\n{err}");
        let result = std::fs::read_to_string(repo.beside(&format!("result-{pages}"))).unwrap();
        let big = repo.read("big");
        assert_eq!(result, format!("{pages}.1\n{big}{pages}.1\n"), "after {pages} pages");
    }
    assert!(codes.iter().filter(|c| **c == 4).count() >= 5, "{codes:?}");
    let (code, out, _) = left(&repo, "verify");
    assert_eq!(code, 0, "{out}");
    let files = std::fs::read_to_string(repo.beside("files")).unwrap();
    assert!(!files.contains("store/new/") && !files.contains(".new-"), "{files}");
}

#[test]
fn a_store_that_is_read_only_is_said_and_the_next_run_is_right() {
    let repo = Repo::with_pipeline(PIPELINE);
    repo.write("big", "big\n");
    repo.write("n", "1\n");
    repo.orgo(&["run"]).ok();
    repo.write("n", "2\n");
    let mounted = r#"
mount --bind .orgo/store .orgo/store
mount -o remount,bind,ro .orgo/store
leave store $ORGO run --json
leave people $ORGO run
umount .orgo/store
mount --bind . . && cd "$PWD"
mount -o remount,bind,ro .
leave repository $ORGO run --json
"#;
    script(&repo, &format!("{LEAVE}{mounted}"));
    for name in ["store", "repository"] {
        let (code, out, err) = left(&repo, name);
        assert_eq!(code, 4, "{name}: {out}\n{err}");
        let said: Value = serde_json::from_str(&out).unwrap();
        let said = said["code"].as_str().or(said["problems"][0]["code"].as_str());
        assert_eq!(said, Some("READ_ONLY"), "{name}: {out}\n{err}");
    }
    let (_, _, err) = left(&repo, "people");
    assert!(err.contains("READ_ONLY") && err.contains("mount it writable"), "{err}");
    repo.orgo(&["run"]).ok();
    assert_eq!(repo.read("out/p/c/o"), "2\nbig\n2\n");
}
