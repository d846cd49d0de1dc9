//! Secrets: what a stage gets to see, what stays of what it prints, what is never signed (supply-chain T-49).

use orgo_spec::Digest;

use crate::support::Repo;

/// A text of the shape of a forge's token. Made here, so that no file holds one.
fn token() -> String {
    format!("gh{}_{}", 'p', "q7Rw2ZkT9xVb4LmNc8HsYd3GfJp6UaEi5oXn")
}

fn tip(repo: &Repo) -> String {
    repo.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/orgo"])
}

#[test]
fn nothing_of_the_runners_environment_reaches_a_stage() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "e" { run "sh" "-c" "env > env"; tool "env"; env "NAME" "value"; out "env" } }"#,
    );
    let own = [
        ("HOME", "/home/of/the/runner"),
        ("SSH_AUTH_SOCK", "/run/agent-of-the-runner"),
        ("CI_TOKEN", "token-of-the-runner"),
        ("LD_PRELOAD", ""),
        ("ORGO_KEY", "key-of-the-runner"),
        ("TMPDIR", "/tmp"),
    ];
    repo.orgo_with(&["run"], &own).ok();
    let env = repo.read("out/p/e/env");
    for (name, value) in own {
        // The stage has a folder for temporary files, which is not that of the runner.
        let line = if name == "TMPDIR" { format!("{name}={value}\n") } else { format!("{name}=") };
        assert!(!env.split_inclusive('\n').any(|l| l.starts_with(&line)), "{name}: {env}");
        assert!(value.is_empty() || value == "/tmp" || !env.contains(value), "{name}: {env}");
    }
    assert!(env.contains("NAME=value"), "{env}");
}

#[test]
fn a_log_is_kept_without_secrets() {
    let repo = Repo::with_pipeline(
        r#"pipeline "p" { stage "s" {
            files "printed"; env "DB_PASSWORD" "of-the-stage"; tool "cat" "base64"
            run "sh" "-c" "cat printed; echo $DB_PASSWORD; printf user:$DB_PASSWORD | base64; echo end"
        } }"#,
    );
    repo.write("printed", &format!("one of-the-runner\ntwo {}\nthree {}\n", token(), "plain words"));
    repo.orgo_with(&["run"], &[("CI_TOKEN", "of-the-runner"), ("OTHER", "plain words")]).ok();
    let log = repo.orgo(&["log", "s"]).ok().stdout;
    // In base64 the value shares a letter with each of its neighbours.
    let shown = "one [redacted]\ntwo [redacted]\nthree plain words\n[redacted]\ndXNlcjp[redacted]U=\nend\n";
    assert_eq!(log, shown);
    // What is kept is what is named: the digest is that of the redacted bytes.
    let digest = Digest::of(log.as_bytes());
    let record = repo.orgo(&["record", "show", "latest", "--json"]).ok().json();
    assert_eq!(record["statement"]["predicate"]["run"]["stages"][0]["log"], digest.to_string().as_str(), "{record}");
    let found = std::process::Command::new("grep")
        .args(["-rlE", "of-the-runner|of-the-stage"])
        .args([repo.root().join(".orgo/runs"), repo.root().join(".orgo/store/actions")])
        .output()
        .unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn a_record_with_something_like_a_secret_is_not_signed() {
    let repo = Repo::with_pipeline(r#"pipeline "p" { stage "s" { files "src/**"; run "true" } }"#);
    repo.write("src/a", "1");
    repo.orgo(&["run"]).ok();
    let before = tip(&repo);
    repo.write(&format!("src/{}", token()), "1");
    let refused = repo.orgo(&["run", "--json"]).exits(1);
    assert!(!refused.stdout.contains(&token()) && !refused.stderr.contains(&token()), "{refused:?}");
    let problem = &refused.json()["problems"][0];
    assert_eq!(problem["code"], "SECRET_IN_RECORD");
    let message = problem["message"].as_str().unwrap();
    assert!(message.contains("rule `github-token`") && message.contains("/input_snapshots/1/path`"), "{message}");
    assert!(problem["help"].as_str().unwrap().contains("docs/guide/secrets.md"), "{problem}");
    assert_eq!(tip(&repo), before, "the ledger is as it was");
    let told = repo.orgo(&["run"]).exits(1).stderr;
    assert!(told.contains("help:") && told.contains("revoke"), "{told}");
    std::fs::remove_file(repo.root().join("src").join(token())).unwrap();
    repo.orgo(&["run"]).ok();
}
