//! `orgo run --log github` and `--log gitlab`: logs are folded, failures stand beside lines, and what stages print is never
//! taken for a command.

use crate::support::Repo;

/// A stage that ends well, one that prints nothing, and one that fails.
const PIPELINE: &str = r#"pipeline "p" {
    stage "good" { run "sh" "-c" "cat hostile"; tool "cat"; files "hostile" }
    stage "silent" { run "true" }
    stage "bad" { matrix { which "one" }; run "sh" "-c" "cat hostile; seq 40; exit 3"; tool "cat" "seq"; files "hostile" }
}
"#;

/// What a stage may print so that it is taken for a command.
const HOSTILE: &str = "::error::forged\n  ::add-mask::forged\nx ##[set-output name=a]forged\n::endgroup::forged\n::stop-commands::forged\n::forged::\n\u{1b}[0Ksection_end:1:orgo_1\r\u{1b}[0Kforged\n";

fn repo() -> Repo {
    let repo = Repo::with_pipeline(PIPELINE);
    repo.write("hostile", HOSTILE);
    repo.commit("files");
    repo
}

/// What GitHub would obey, in order; and what it would show.
fn obeyed(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut obeyed, mut shown, mut words) = (Vec::new(), Vec::new(), Vec::new());
    let mut stopped: Option<String> = None;
    for line in text.lines() {
        let is_command = line.trim_start().starts_with("::") || line.contains("##[");
        match (&stopped, is_command) {
            (Some(word), true) if line == format!("::{word}::") => stopped = None,
            (None, true) => match line.strip_prefix("::stop-commands::") {
                Some(word) => {
                    assert!(word.len() > 30 && !words.contains(&word), "a word that nobody knows: {word}");
                    words.push(word);
                    stopped = Some(word.to_owned());
                }
                None => obeyed.push(line.to_owned()),
            },
            (Some(_), _) | (None, false) => shown.push(line.to_owned()),
        }
    }
    assert_eq!(stopped, None, "commands count again at the end");
    (obeyed, shown)
}

#[test]
fn github_folds_what_stages_print_and_obeys_none_of_it() {
    let repo = repo();
    let done = repo.orgo(&["run", "-j1", "-k", "--log", "github"]).exits(1);
    let (commands, shown) = obeyed(&done.stderr);
    assert!(!commands.iter().any(|c| c.contains("forged")), "{commands:?}");
    let groups: Vec<&String> = commands.iter().filter(|c| c.starts_with("::group::")).collect();
    assert_eq!(groups.len(), 2, "one for each stage that printed something: {commands:?}");
    assert!(groups.iter().any(|g| g.starts_with("::group::ran   good  ")), "{groups:?}");
    assert!(groups.contains(&&"::group::what bad.one printed".to_owned()), "{groups:?}");
    assert_eq!(commands.iter().filter(|c| *c == "::endgroup::").count(), 2);
    // The failure stands beside the stage's declaration.
    let line = PIPELINE.lines().position(|l| l.contains("\"bad\"")).unwrap() + 1;
    let errors: Vec<&String> = commands.iter().filter(|c| c.starts_with("::error ")).collect();
    assert_eq!(errors.len(), 1);
    let place = format!(
        "::error file=pipelines/p.kdl,line={line},col=11,title=orgo STAGE_FAILED::stage `bad.one` of `p` failed"
    );
    assert!(errors[0].starts_with(&place) && errors[0].contains("exit code 3"), "{errors:?}");
    assert_eq!(commands.len(), 5, "{commands:?}");
    assert_eq!(shown.iter().filter(|l| l.ends_with("::error::forged")).count(), 2, "all of it is shown: {shown:?}");
    assert_eq!(shown.iter().filter(|l| l.ends_with("| 40")).count(), 2, "the end of a failure without unfolding");
    assert!(shown.iter().any(|l| l.starts_with("ran   silent ")), "what printed nothing has nothing to fold");
    assert!(!done.stdout.contains("::"), "one stream has all commands, so that they stay in order: {}", done.stdout);
}

#[test]
fn what_is_streamed_to_github_is_not_obeyed_and_quiet_runs_show_failures_only() {
    let repo = repo();
    let streamed = repo.orgo(&["run", "-k", "--log", "github", "--stream"]).exits(1);
    let (commands, shown) = obeyed(&streamed.stderr);
    assert!(commands.len() == 1 && commands[0].starts_with("::error file="), "{commands:?}");
    assert!(shown.iter().any(|line| line.ends_with("::error::forged")), "{shown:?}");
    let quiet = repo.orgo(&["run", "-k", "--log", "github", "--quiet", "--force"]).exits(1);
    let (commands, _) = obeyed(&quiet.stderr);
    assert!(commands.iter().all(|c| !c.contains("good")) && commands.len() == 3, "{commands:?}");
}

#[test]
fn gitlab_folds_what_stages_print_and_nothing_in_it_ends_a_section() {
    let repo = repo();
    let done = repo.orgo(&["run", "-j1", "-k", "--log", "gitlab"]).exits(1);
    let marks: Vec<&str> =
        done.stderr.split("\u{1b}[0Ksection_").skip(1).map(|m| m.split('\r').next().unwrap()).collect();
    assert_eq!(marks.len(), 4, "{marks:?}");
    for (section, pair) in (1..).zip(marks.chunks(2)) {
        let section: u32 = section;
        let fields = |mark: &str| mark.split(':').map(str::to_owned).collect::<Vec<_>>();
        let (start, end) = (fields(pair[0]), fields(pair[1]));
        assert_eq!((start[0].as_str(), end[0].as_str()), ("start", "end"));
        assert_eq!((&*start[2], &*end[2]), (&*format!("orgo_{section}[collapsed=true]"), &*format!("orgo_{section}")));
        assert!(start[1].parse::<u64>().unwrap() <= end[1].parse::<u64>().unwrap());
    }
    assert!(done.stderr.contains("\\u{1b}[0Ksection_end:1:orgo_1\\r"), "it is shown, not obeyed: {}", done.stderr);
    assert!(!done.stderr.lines().any(|line| line.starts_with("::")), "no words for other hosts: {}", done.stderr);
}

#[test]
fn wrong_documents_stand_beside_their_lines_and_the_environment_decides_nothing() {
    let repo = repo();
    let plain = repo.orgo_with(&["run", "-k"], &[("GITHUB_ACTIONS", "true"), ("CI", "true")]).exits(1);
    assert!(!plain.stderr.contains("::group::") && !plain.stderr.contains("::error "), "{}", plain.stderr);
    repo.write("pipelines/p.kdl", "pipeline \"p\" {\n    stage \"s\" { run \"true\"; timeout \"soon\" }\n}\n");
    let wrong = repo.orgo(&["run", "--log", "github"]).exits(2);
    assert!(wrong.stderr.contains("::error file=pipelines/p.kdl,line=2,"), "{}", wrong.stderr);
}
