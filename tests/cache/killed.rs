//! Packs that are cut off while they are written or taken in, by a kill, by a full disk, beside a collection: nothing half
//! is used, and a second time completes. `ORGO_CRASH_SEED=7` kills at other moments.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{files, pack, place};
use crate::random::Random;
use crate::space::{LEAVE, left, script};
use crate::support::{Repo, states, wait_for};

/// How many stages there are, each with a file and a log of its own.
const STAGES: usize = 24;

/// How often an unpacking is killed.
const KILLS: usize = 40;

fn many() -> Repo {
    let stage = |i: usize| {
        format!(
            r#"    stage "s{i}" {{ files "big"; run "sh" "-c" "cat big big big > o; echo {i} | tee -a o"; tool "cat" "tee"; out "o" }}
"#
        )
    };
    let stages: String = (0..STAGES).map(stage).collect();
    let repo = Repo::in_memory();
    repo.write("orgo.kdl", "project \"test\"\n");
    repo.write("pipelines/p.kdl", &format!("pipeline \"p\" {{\n{stages}}}\n"));
    repo.write("big", &"0123456789abcde\n".repeat(300));
    repo.orgo(&["run"]).ok();
    repo
}

/// The same sources where nothing ran.
fn fresh(made: &Repo) -> Repo {
    let repo = Repo::in_memory();
    for file in ["orgo.kdl", "pipelines/p.kdl", "big"] {
        repo.write(file, &made.read(file));
    }
    repo
}

fn random() -> Random {
    Random::new(std::env::var("ORGO_CRASH_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1))
}

/// That every file of a store is what its name says: objects hash to it, results can be read, and have all they name. Half
/// a result may be there: it counts as absent, and is counted.
#[track_caller]
fn is_whole(store: &Path) -> usize {
    let objects: BTreeSet<String> = files(&store.join("sha256")).iter().map(|file| digest_of_name(file)).collect();
    for file in files(&store.join("sha256")) {
        let digest = orgo_spec::Digest::of(&std::fs::read(&file).unwrap());
        assert_eq!(digest.to_string(), digest_of_name(&file));
    }
    let mut half = 0;
    for file in files(&store.join("actions")) {
        let Ok(result) = serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()) else {
            half += 1;
            continue;
        };
        let outputs = result["outputs"].as_array().unwrap().iter().map(|o| &o["kind"]["File"]["blob"]["digest"]);
        for named in outputs.chain([&result["log"]["digest"]]) {
            assert!(objects.contains(named.as_str().unwrap()), "{result}");
        }
    }
    half
}

fn digest_of_name(file: &Path) -> String {
    let name: Vec<_> = file.components().rev().take(2).map(|c| c.as_os_str().to_str().unwrap()).collect();
    format!("sha256:{}{}", name[1], name[0])
}

#[track_caller]
fn is_shown(repo: &Repo, made: &Repo) {
    for i in 0..STAGES {
        let path = format!("out/p/s{i}/o");
        assert_eq!(repo.read(&path), made.read(&path), "{path}");
    }
}

fn forget(repo: &Repo) {
    for folder in [".orgo", "out"] {
        let _ = std::fs::remove_dir_all(repo.root().join(folder));
    }
}

/// Kills a command after a part of the time that it `takes`; says whether that was before it ended.
fn kill(repo: &Repo, args: &[&str], random: &mut Random, takes: Duration) -> bool {
    kill_after(repo, args, random, takes, || true)
}

/// The same, but the time begins when something happened.
fn kill_after(repo: &Repo, args: &[&str], random: &mut Random, takes: Duration, happened: impl Fn() -> bool) -> bool {
    let time = Duration::from_micros(random.below(usize::try_from(takes.as_micros()).unwrap()) as u64);
    let mut child = repo.start(args);
    while !happened() && child.try_wait().unwrap().is_none() {}
    let since = Instant::now();
    while since.elapsed() < time {
        std::hint::spin_loop(); // what is to be hit is shorter than a sleep is exact
    }
    child.kill().unwrap();
    child.wait_with_output().unwrap().status.code().is_none()
}

#[test]
fn an_unpacking_that_is_killed_anywhere_leaves_nothing_half_that_is_used_and_a_second_one_completes() {
    let made = many();
    let pack = pack(&made);
    let unpack = ["cache", "unpack", pack.to_str().unwrap(), "--json"];
    let fresh = fresh(&made);
    let store = fresh.root().join(".orgo/store");
    let mut takes = Duration::MAX;
    for _ in 0..3 {
        forget(&fresh);
        let since = Instant::now();
        fresh.orgo(&unpack).ok();
        takes = takes.min(since.elapsed());
    }
    let (mut random, mut cut, mut partly, mut n) = (random(), 0, 0, 0);
    // The store is filled in a moment: one kill at least has to hit it.
    while n < KILLS || partly == 0 {
        n += 1;
        assert!(n <= 10 * KILLS, "none of {n} was killed while the store was filled");
        forget(&fresh);
        fresh.orgo(&["cache", "stats"]).ok(); // makes the folders of the store
        // Half of the kills hit anywhere, the others the short time in which everything gets its name.
        let read = || std::fs::read_dir(store.join("new")).unwrap().count() == 2 * STAGES;
        let all_read = || read() || !files(&store.join("actions")).is_empty();
        cut += usize::from(match n % 2 {
            0 => kill(&fresh, &unpack, &mut random, takes),
            _ => kill_after(&fresh, &unpack, &mut random, Duration::from_millis(2), all_read),
        });
        is_whole(&store);
        let there = files(&store.join("actions")).len();
        partly += usize::from(!files(&store.join("sha256")).is_empty() && there < STAGES);
        if n % 4 < 2 {
            let run = fresh.orgo(&["run", "--json"]).ok();
            let hits = states(&run.json()).iter().filter(|state| state.ends_with(":hit")).count();
            assert!(hits <= there, "kill {n}: {hits} hits of {there} results");
            is_shown(&fresh, &made);
        }
        fresh.orgo(&unpack).ok();
        assert_eq!((is_whole(&store), files(&store.join("actions")).len()), (0, STAGES), "kill {n}");
        if n % 4 != 0 {
            let run = fresh.orgo(&["run", "--json"]).ok().json();
            assert!(states(&run).iter().all(|state| state.ends_with(":hit")), "kill {n}: {run}");
            is_shown(&fresh, &made);
        }
    }
    assert!(cut > n / 3, "only {cut} of {n} were killed before they ended");
}

#[test]
fn half_a_result_is_replaced_by_the_one_of_a_pack() {
    let made = many();
    let pack = pack(&made);
    let fresh = fresh(&made);
    fresh.orgo(&["cache", "unpack", pack.to_str().unwrap()]).ok();
    let store = fresh.root().join(".orgo/store");
    let results = files(&store.join("actions"));
    let whole = std::fs::read(&results[0]).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&results[0], &whole[..length]).unwrap();
        let told = fresh.orgo(&["cache", "unpack", pack.to_str().unwrap(), "--json"]).ok().json();
        assert_eq!((told["new"].as_u64(), std::fs::read(&results[0]).unwrap()), (Some(1), whole.clone()), "{length}");
    }
}

#[test]
fn a_packing_that_is_killed_anywhere_leaves_the_file_as_it_was_or_whole() {
    let made = many();
    let whole = std::fs::read(pack(&made)).unwrap();
    let file = made.beside("packs/a.pack");
    std::fs::create_dir(made.beside("packs")).unwrap();
    let pack = ["cache", "pack", file.to_str().unwrap()];
    let mut takes = Duration::MAX;
    for _ in 0..3 {
        let since = Instant::now();
        made.orgo(&pack).ok();
        takes = takes.min(since.elapsed());
    }
    let (mut random, mut cut) = (random(), 0);
    for n in 0..KILLS / 2 {
        let before = (n % 2 == 0).then_some("a pack of last week");
        let _ = std::fs::remove_file(&file);
        before.iter().for_each(|text| std::fs::write(&file, text).unwrap());
        cut += usize::from(kill(&made, &pack, &mut random, takes));
        match std::fs::read(&file) {
            Ok(bytes) => assert!(bytes == whole || Some(&bytes[..]) == before.map(str::as_bytes), "kill {n}"),
            Err(error) => assert!(before.is_none(), "kill {n}: {error}"),
        }
    }
    assert!(cut > KILLS / 6, "only {cut} of {} were killed before they ended", KILLS / 2);
    // What they left goes with a later packing, if it is old; what is somebody else's stays.
    std::fs::write(made.beside("packs/.a.pack.new-left"), "half").unwrap();
    std::fs::write(made.beside("packs/.b.pack.new-left"), "half").unwrap();
    let hours_ago = std::time::SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    for left in files(&made.beside("packs")) {
        std::fs::File::options().write(true).open(left).unwrap().set_modified(hours_ago).unwrap();
    }
    made.orgo(&pack).ok();
    let names = files(&made.beside("packs"));
    assert_eq!(names, [made.beside("packs/.b.pack.new-left"), made.beside("packs/a.pack")]);
}

/// Free pages of 4 KiB at which a pack is taken in: from nothing to more than enough.
const PAGES: [u32; 12] = [0, 1, 2, 4, 8, 16, 64, 100, 130, 140, 160, 1024];

#[test]
fn a_pack_on_a_disk_that_is_full_at_any_point_is_said_and_a_second_time_completes() {
    let made = many();
    let pack = pack(&made);
    let fresh = fresh(&made);
    let fill = r#"
mount -t tmpfs -o size=16m none "$BESIDE/disk"
cp -a . "$BESIDE/disk/repo"; cd "$BESIDE/disk/repo"
for pages in PAGES; do
    rm -rf .orgo out
    $ORGO cache stats > "$BESIDE/stats"
    free=$(df -k --output=avail . | tail -n 1)
    head -c $(((free - pages * 4) * 1024)) /dev/zero > ../filler
    leave full-$pages $ORGO cache unpack PACK --json
    find .orgo/store/new .orgo/store/actions -type f > "$BESIDE/files-$pages"
    rm ../filler
    leave run-$pages $ORGO run --json
    leave again-$pages $ORGO cache unpack PACK --json
    rm -rf out
    leave hits-$pages $ORGO run --json
done
"#;
    std::fs::create_dir(fresh.beside("disk")).unwrap();
    let pages = PAGES.map(|p| p.to_string()).join(" ");
    let fill = fill.replace("PAGES", &pages).replace("PACK", pack.to_str().unwrap());
    script(&fresh, &format!("{LEAVE}{fill}"));
    let mut codes = Vec::new();
    for pages in PAGES {
        let (code, out, err) = left(&fresh, &format!("full-{pages}"));
        codes.push(code);
        let said = serde_json::from_str::<Value>(&out).unwrap_or_else(|e| panic!("{pages}: {e}: {out}{err}"));
        let files = std::fs::read_to_string(fresh.beside(&format!("files-{pages}"))).unwrap();
        if code != 0 {
            assert_eq!((code, &said["problems"][0]["code"]), (4, &"NO_SPACE".into()), "{pages}: {out}{err}");
            assert!(!files.contains("/new/"), "{pages}: {files}");
        }
        let (run, out, err) = left(&fresh, &format!("run-{pages}"));
        assert_eq!(run, 0, "{pages}: {out}{err}");
        let hits = states(&serde_json::from_str(&out).unwrap()).iter().filter(|s| s.ends_with(":hit")).count();
        assert_eq!(hits, files.lines().count(), "{pages}: what has a name is whole: {files}");
        let (again, out, err) = left(&fresh, &format!("again-{pages}"));
        assert_eq!(again, 0, "{pages}: {out}{err}");
        let (code, out, err) = left(&fresh, &format!("hits-{pages}"));
        assert_eq!(code, 0, "{pages}: {out}{err}");
        assert!(states(&serde_json::from_str(&out).unwrap()).iter().all(|s| s.ends_with(":hit")), "{pages}: {out}");
    }
    assert!(codes.iter().filter(|c| **c == 4).count() >= 5 && codes.contains(&0), "{codes:?}");
}

#[test]
fn a_collection_beside_unpackings_and_runs_takes_nothing_that_they_use() {
    let made = many();
    let pack = pack(&made);
    let fresh = fresh(&made);
    fresh.orgo(&["cache", "stats"]).ok();
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut busy = 0;
    std::thread::scope(|scope| {
        let unpackings = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let out = fresh.orgo(&["cache", "unpack", pack.to_str().unwrap()]).ok();
                assert!(!out.stderr.contains("STORE_CORRUPT"), "{}", out.stderr);
                std::thread::sleep(Duration::from_millis(40)); // or a collection never finds it free
            }
        });
        let runs = scope.spawn(|| {
            for _ in 0..6 {
                let _ = std::fs::remove_dir_all(fresh.root().join("out"));
                let run = fresh.orgo(&["run", "--json"]).ok();
                assert!(!run.stdout.contains("\"damaged\":true"), "{}", run.stdout);
                is_shown(&fresh, &made);
                let before = done.load(Ordering::Relaxed);
                wait_for(|| done.load(Ordering::Relaxed) > before || over.load(Ordering::Relaxed));
            }
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) && !runs.is_finished() && !unpackings.is_finished() {
            let gc = fresh.orgo(&["gc", "--no-grace", "--max-size", "0", "--clock", "2099-01-01T00:00:00Z"]);
            match gc.code {
                Some(0) => _ = done.fetch_add(1, Ordering::Relaxed),
                Some(4) => busy += 1,
                _ => panic!("{gc:?}"),
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(busy > 0, "no collection found the store in use");
    // What the last run stands on was never taken.
    let _ = std::fs::remove_dir_all(fresh.root().join("out"));
    let run = fresh.orgo(&["run", "--json"]).ok().json();
    assert!(states(&run).iter().all(|state| state.ends_with(":hit")), "{run}");
    let log = orgo_spec::Digest::of(b"0\n").to_string();
    assert!(place(&fresh.root().join(".orgo/store"), "sha256", &log).exists());
}
