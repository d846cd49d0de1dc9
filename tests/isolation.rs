//! What each level keeps away from a stage: one test per row of the table in `docs/formats/isolation.md`.
//!
//! Every refusal is tried at `open` too, where it must succeed: otherwise the test would hold for nothing.

mod ends;
mod honest;
mod levels;
mod turns;

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

use crate::support::{Done, ORGO, Repo};

/// The levels that keep anything away.
const ENFORCED: [&str; 2] = ["confined", "hermetic"];

/// A repository with one stage that runs a shell script.
fn shell(level: &str, script: &str, more: &str) -> Repo {
    Repo::with_pipeline(&format!(
        "pipeline \"p\" {{\n    stage \"s\" {{ isolation \"{level}\"; run \"sh\" \"-c\" {script:?}; {more} }}\n}}\n"
    ))
}

/// What the script leaves in its output `o`, for a stage that ends well.
#[track_caller]
fn leaves(level: &str, script: &str) -> String {
    let repo = shell(level, script, "out \"o\"");
    repo.orgo(&["run"]).ok();
    let kept = std::fs::read_dir(repo.root().join("out/p/s")).expect("a folder").count();
    assert_eq!(kept, 1, "only declared outputs are kept");
    repo.read("out/p/s/o")
}

/// Runs scripts that touch something of the host: each must print `reached` at `open`, and not at the other levels.
#[track_caller]
fn only_open_reaches(scripts: &[String]) {
    let each =
        |script: &String| format!("( {script} ) 2>/dev/null | grep -q '^reached$' && echo yes >> o || echo no >> o\n");
    let all: String = scripts.iter().map(each).collect();
    for (level, answer) in [("open", "yes\n"), ("confined", "no\n"), ("hermetic", "no\n")] {
        assert_eq!(leaves(level, &all), answer.repeat(scripts.len()), "at {level}: {all}");
    }
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// A folder of the host that belongs to nobody's stage.
fn elsewhere() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn undeclared_files_cannot_be_read() {
    let folder = elsewhere();
    let file = folder.path().join("private");
    std::fs::write(&file, "secret").expect("writable");
    only_open_reaches(&[format!("test \"$(cat {})\" = secret && echo reached", quoted(&file))]);
    for level in ENFORCED {
        let repo = shell(level, "cat ../../../undeclared > o || echo no > o", "out \"o\"");
        repo.write("undeclared", "secret");
        repo.orgo(&["run"]).ok();
        assert_eq!(repo.read("out/p/s/o"), "no\n", "a file of the repository that the stage does not declare");
    }
}

#[test]
fn open_files_are_not_inherited() {
    let folder = elsewhere();
    std::fs::write(folder.path().join("private"), "secret").expect("writable");
    for level in ["open", "confined", "hermetic"] {
        let repo = shell(level, "cat <&7 > o || echo no > o", "out \"o\"");
        let script = format!("exec 7< {}; exec \"$@\"", quoted(&folder.path().join("private")));
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", ORGO, "run", "--home"]).arg(repo.home()).current_dir(repo.root());
        assert!(command.env_clear().env("PATH", "/usr/bin:/bin").status().expect("a shell").success());
        assert_eq!(repo.read("out/p/s/o") == "no\n", level != "open", "{level}");
    }
}

#[test]
fn nothing_outside_can_be_written() {
    let acts = [
        "echo x > new",
        "echo x > old",
        "truncate -s 1 old",
        "mkdir folder",
        "mv old renamed",
        "rm old",
        "ln -s x link",
        "ln old hard",
    ];
    for level in ["open", "confined", "hermetic"] {
        let outside = elsewhere();
        let place = |act: usize| outside.path().join(act.to_string());
        let mut script = String::new();
        for (i, act) in acts.iter().enumerate() {
            std::fs::create_dir(place(i)).expect("made");
            std::fs::write(place(i).join("old"), "old").expect("writable");
            script.push_str(&format!("(cd {} && {act}) 2>/dev/null\n", quoted(&place(i))));
        }
        leaves(level, &(script + "echo done > o"));
        for (i, act) in acts.iter().enumerate() {
            let names: Vec<_> =
                std::fs::read_dir(place(i)).expect("listable").flatten().map(|e| e.file_name()).collect();
            let old = std::fs::read_to_string(place(i).join("old")).unwrap_or_default();
            assert_eq!(names == ["old"] && old == "old", level != "open", "{act} at {level}");
        }
    }
}

#[test]
fn writing_to_an_input_reaches_nobody() {
    for level in ENFORCED {
        let write = "echo changed > in.txt; cp in.txt o";
        let repo = Repo::with_pipeline(&format!(
            "pipeline \"p\" {{\n    stage \"s\" {{ isolation \"{level}\"; files \"in.txt\"; run \"sh\" \"-c\" {write:?}; out \"o\" }}\n    stage \"t\" {{ isolation \"{level}\"; after \"s\"; files \"in.txt\"; run \"cp\" \"in.txt\" \"o\"; out \"o\" }}\n}}\n"
        ));
        repo.write("in.txt", "input\n");
        repo.commit("input");
        repo.orgo(&["run"]).ok();
        assert_eq!(repo.read("out/p/s/o"), "changed\n");
        assert_eq!((repo.read("in.txt"), repo.read("out/p/t/o")), ("input\n".to_owned(), "input\n".to_owned()));
    }
}

#[test]
fn host_roots_cannot_be_written() {
    for level in ENFORCED {
        let script = "for f in /usr /etc /dev /proc/self /; do (echo x > $f/orgo-was-here) 2>/dev/null && echo reached >> o; done; echo end >> o";
        assert_eq!(leaves(level, script), "end\n", "{level}");
    }
}

#[test]
fn no_socket_reaches_the_network() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    only_open_reaches(&[format!(
        "perl -MIO::Socket::INET -e 'print \"reached\" if IO::Socket::INET->new(PeerAddr => \"127.0.0.1:{port}\")'"
    )]);
    let refused = "perl -MSocket -e 'for my $f (AF_INET, AF_INET6, AF_UNIX, 16, 17, 38, 40) { print \"family $f \" if socket(my $s, $f, SOCK_STREAM, 0) || socket(my $d, $f, SOCK_DGRAM, 0) || socket(my $r, $f, SOCK_RAW, 0); } print \"end\"' > o";
    assert_eq!(leaves("confined", refused), "end", "no socket of any family");
    let loopback = "perl -MIO::Socket::INET -e 'my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1\") or die; print IO::Socket::INET->new(PeerAddr => \"127.0.0.1\", PeerPort => $l->sockport) ? \"own\" : \"no\"' > o";
    assert_eq!(leaves("hermetic", loopback), "own", "a loopback of its own");
}

#[test]
fn no_socket_reaches_a_daemon_or_an_agent() {
    let folder = elsewhere();
    let stream = folder.path().join("agent");
    let datagram = folder.path().join("log");
    let _listener = UnixListener::bind(&stream).expect("a socket");
    let _receiver = UnixDatagram::bind(&datagram).expect("a socket");
    let name = format!("orgo-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _nameless = UnixListener::bind_addr(&address).expect("a socket");
    let connect = |to: &str| {
        format!(
            "perl -MSocket -e 'socket($s, AF_UNIX, SOCK_STREAM, 0) && connect($s, pack_sockaddr_un({to})) && print \"reached\"'"
        )
    };
    let around = format!(
        "perl -MSocket -e 'socketpair($p, $q, AF_UNIX, SOCK_DGRAM, 0) && send($p, \"x\", 0, pack_sockaddr_un(\"{}\")) && print \"reached\"'",
        datagram.display()
    );
    only_open_reaches(&[connect(&format!("\"{}\"", stream.display())), connect(&format!("\"\\0{name}\"")), around]);
    for level in ENFORCED {
        let pair = "perl -MSocket -e 'socketpair($p, $q, AF_UNIX, SOCK_STREAM, 0) or die; syswrite($p, \"own\"); sysread($q, my $x, 3); print $x' > o";
        assert_eq!(leaves(level, pair), "own", "a connected pair leads nowhere else");
    }
}

#[test]
fn the_network_of_the_host_does_not_bring_its_agents() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let folder = elsewhere();
    let stream = folder.path().join("agent");
    let _listener = UnixListener::bind(&stream).expect("a socket");
    let script = format!(
        "perl -MIO::Socket::INET -MSocket -e 'print IO::Socket::INET->new(PeerAddr => \"127.0.0.1:{port}\") ? \"tcp\" : \"no\"; socket($s, AF_UNIX, SOCK_STREAM, 0) && connect($s, pack_sockaddr_un(\"{}\")) && print \" agent\"' > o",
        stream.display()
    );
    for (level, reached) in [("open", "tcp agent"), ("confined", "tcp"), ("hermetic", "tcp")] {
        let repo = shell(level, &script, "network \"host\"; out \"o\"");
        repo.orgo(&["run"]).ok();
        assert_eq!(repo.read("out/p/s/o"), reached, "{level}");
    }
}

#[test]
fn agents_and_keys_are_out_of_reach() {
    for level in ["open", "confined", "hermetic"] {
        let repo = shell(level, "true", "");
        repo.orgo(&["key", "new", "runner", "--name", "ci"]).ok();
        let key = format!(
            "cat {}/*/* {}/* > k 2>/dev/null; wc -c < k > o; echo $SSH_AUTH_SOCK >> o",
            repo.home().display(),
            repo.home().display()
        );
        repo.write(
            "pipelines/p.kdl",
            &format!(
                "pipeline \"p\" {{ stage \"s\" {{ isolation \"{level}\"; run \"sh\" \"-c\" {key:?}; out \"o\" }} }}"
            ),
        );
        repo.commit("reads keys");
        repo.orgo_with(&["run"], &[("SSH_AUTH_SOCK", "/tmp/agent")]).ok();
        let read = repo.read("out/p/s/o");
        assert_eq!(read == "0\n\n", level != "open", "{level}: {read}");
    }
}

#[test]
fn folders_of_other_stages_and_the_store_are_out_of_reach() {
    for level in ["open", "confined", "hermetic"] {
        let repo = Repo::empty();
        let root = repo.root();
        repo.write("orgo.kdl", "project \"test\"\n");
        let spy = format!(
            "cat {0}/out/p/a/o {0}/.orgo/work/*/o {0}/.orgo/store/sha256/*/*/* {0}/.git/HEAD > o 2>/dev/null; ls {0} >> o 2>/dev/null; echo end >> o",
            root.display()
        );
        repo.write("pipelines/p.kdl", &format!(
            "pipeline \"p\" {{\n stage \"a\" {{ isolation \"{level}\"; run \"sh\" \"-c\" \"echo secret > o\"; out \"o\" }}\n stage \"s\" {{ isolation \"{level}\"; after \"a\"; run \"sh\" \"-c\" {spy:?}; out \"o\" }}\n}}\n"
        ));
        repo.commit("first");
        repo.orgo(&["run"]).ok();
        let read = repo.read("out/p/s/o");
        assert_eq!(read == "end\n", level != "open", "{level}: {read}");
    }
}

#[test]
fn processes_of_the_host_are_out_of_reach() {
    let own = std::process::id();
    only_open_reaches(&[
        format!("test -n \"$(tr -d '\\0' < /proc/{own}/cmdline)\" && echo reached"),
        format!("perl -e 'print \"reached\" if kill(0, {own})'"),
    ]);
    let count = leaves("hermetic", "ls -d /proc/[0-9]* | wc -l > o");
    assert!(count.trim().parse::<u32>().expect("a number") < 8, "its own processes only: {count}");
}

#[test]
fn the_environment_is_what_the_stage_declares() {
    for level in ENFORCED {
        let repo = Repo::with_pipeline(&format!(
            "pipeline \"p\" {{ stage \"s\" {{ isolation \"{level}\"; run \"env\"; env \"MINE\" \"1\" }} }}"
        ));
        repo.orgo_with(&["run"], &[("THEIRS", "1"), ("SSH_AUTH_SOCK", "/tmp/agent")]).ok();
        let log = printed(&repo);
        let mut names: Vec<&str> = log.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n).collect();
        names.sort_unstable();
        let expected: &[&str] = if level == "confined" { &["MINE", "PATH", "TMPDIR"] } else { &["MINE", "PATH"] };
        assert_eq!(names, expected, "{level}");
    }
}

/// What the stage `s` printed.
#[track_caller]
fn printed(repo: &Repo) -> String {
    let log: Done = repo.orgo(&["log", "s"]).ok();
    log.stdout
}
