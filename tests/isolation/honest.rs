//! Stages that want nothing but what they declare run at every level.

use std::path::{Path, PathBuf};

use super::{ENFORCED, leaves, shell};
use crate::support::Repo;

#[test]
fn ordinary_shell_scripts_work() {
    let script = "set -e; mkdir -p a/b; echo one > a/one; mv a/one a/b/two; ln -s two a/b/link; ln a/b/two a/b/hard; \
        chmod 600 a/b/two; cat a/b/link | tr a-z A-Z > o; t=$(mktemp); echo temporary > $t; cat $t >> o; \
        bash -c 'cat <(echo substituted)' >> o; echo out | tee -a /dev/stderr > /dev/null; \
        head -c 4 /dev/urandom > /dev/null; cat < /dev/null; cat >> o; touch a/b/two extra; rm -r a";
    for level in ENFORCED {
        assert_eq!(leaves(level, script), "ONE\ntemporary\nsubstituted\n", "{level}");
    }
}

#[test]
fn a_c_program_is_compiled_and_run() {
    for level in ENFORCED {
        let repo = shell(
            level,
            "set -e; gcc -O1 -o program main.c; ./program > o",
            "files \"main.c\"; tool \"gcc\" \"as\" \"ld\"; out \"o\" \"program\"",
        );
        repo.write("main.c", "#include <stdio.h>\nint main(void) { puts(\"compiled\"); return 0; }\n");
        repo.commit("a program");
        repo.orgo(&["run"]).ok();
        assert_eq!(repo.read("out/p/s/o"), "compiled\n");
    }
}

#[test]
fn a_declared_program_outside_of_the_host_roots_can_be_started() {
    for (level, place) in ENFORCED.into_iter().flat_map(|level| ["/tmp", "/dev/shm", "/var/tmp"].map(|at| (level, at)))
    {
        let tools = tempfile::tempdir_in(place).expect("a temporary folder");
        let own = tools.path().join("own-tool");
        std::fs::copy("/bin/cat", tools.path().join("real-cat")).expect("copied");
        std::os::unix::fs::symlink("real-cat", &own).expect("made");
        std::fs::write(tools.path().join("beside"), "secret").expect("writable");
        let path = format!("{}:/usr/bin:/bin", tools.path().display());
        let script = format!("own-tool in.txt > o; own-tool {}/beside >> o 2>/dev/null; true", tools.path().display());
        let stage = |name: &str| {
            format!(
                "stage \"{name}\" {{ isolation \"{level}\"; files \"in.txt\"; run \"sh\" \"-c\" {script:?}; tool \"own-tool\"; env \"PATH\" \"{path}\"; out \"o\" }}\n"
            )
        };
        let repo = Repo::with_pipeline(&format!("pipeline \"p\" {{\n{}{}}}\n", stage("s"), stage("t")));
        repo.write("in.txt", "input\n");
        repo.commit("input");
        repo.orgo(&["run", "-j1"]).ok();
        for stage in ["s", "t"] {
            let read = repo.read(&format!("out/p/{stage}/o"));
            assert_eq!(read, "input\n", "{level}, {place}: the program, and not what lies beside it");
        }
    }
}

/// Makes every stage of a document declare a level.
fn isolate(repo: &Repo, path: &str, level: &str) {
    let document = repo.read(path);
    let with = document.lines().map(|line| match line.trim_start().starts_with("stage ") {
        true => format!("{line}\n        isolation \"{level}\"\n"),
        false => format!("{line}\n"),
    });
    repo.write(path, &with.collect::<String>());
    repo.commit("isolated");
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("listable").flatten() {
        let path = entry.path();
        if path.is_dir() { below(&path, found) } else { found.push(path) }
    }
}

#[test]
fn the_whole_example_of_the_elements_runs() {
    let outputs = |level: &str| {
        let repo = Repo::example("elements");
        isolate(&repo, "pipelines/elements.kdl", level);
        let run = repo.orgo(&["run", "elements", "--json"]).ok().json();
        assert_eq!(run["stages"].as_array().expect("stages").len(), 7);
        let mut files = Vec::new();
        below(&repo.root().join("out/elements"), &mut files);
        files.sort_unstable();
        files
            .into_iter()
            .map(|f| (f.file_name().expect("a name").to_owned(), std::fs::read(f).expect("readable")))
            .collect::<Vec<_>>()
    };
    let open = outputs("open");
    for level in ENFORCED {
        assert!(outputs(level) == open, "{level} gives the same bytes");
    }
}

#[test]
fn the_example_hello_runs() {
    for level in ENFORCED {
        let repo = Repo::example("hello");
        isolate(&repo, "pipelines/hello.kdl", level);
        repo.orgo(&["run", "hello"]).ok();
    }
}
