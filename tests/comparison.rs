//! The comparison with other runners, and what answers people's wants, claim what tests show.

use std::path::{Path, PathBuf};

use crate::support::Repo;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The cells of the rows of Markdown tables; `|` within a cell is not known.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    text.lines().filter(|l| l.starts_with("| ") && !l.starts_with(head)).map(cells).collect()
}

/// Each test that a cell links to must be there.
fn shown_by(cell: &str) {
    for link in cell.split(", ").filter(|l| !l.is_empty()) {
        let (name, file) = link.trim_start_matches("[`").trim_end_matches(')').split_once("`](../../").unwrap();
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(
            text.contains(&format!("#[test]\nfn {name}()")) || text.contains(&format!("#[test]\n    fn {name}()")),
            "{file}: {name}"
        );
    }
}

#[test]
fn every_claim_names_a_test_that_exists() {
    let page = std::fs::read_to_string(root().join("docs/guide/comparison.md")).unwrap();
    let (table, shown) = page.split_once("## What shows it").unwrap();
    let (table, shown) = (rows(table, "| feature"), rows(shown, "| feature"));
    assert!(table.len() > 30 && shown.len() > table.len());
    for (claimed, shown) in table.iter().zip(&shown) {
        assert_eq!((claimed[0].trim_matches('*'), &claimed[1]), (shown[0].as_str(), &shown[1]));
    }
    for row in &shown {
        let (value, tests) = (&row[1], &row[3]);
        assert_eq!(value.contains(['Y', 'p']), !tests.is_empty(), "{row:?}");
        shown_by(tests);
    }
}

#[test]
fn every_want_names_commands_that_are_there_and_tests_that_exist() {
    let repo = Repo::empty();
    let page = std::fs::read_to_string(root().join("docs/guide/wants.md")).unwrap();
    let wants = rows(&page, "| # |");
    assert!(wants.iter().filter(|w| w[0].parse::<u8>().is_ok()).count() == 25);
    for want in wants.iter().filter(|w| !w[0].is_empty()) {
        assert_eq!(want[2].starts_with("not yet"), want[3].is_empty(), "{want:?}");
        shown_by(&want[3]);
        // What is not there yet ends a cell.
        let there = want[2].split("not yet").next().unwrap();
        for command in there.split('`').skip(1).step_by(2).filter(|c| c.starts_with("orgo ")) {
            let words: Vec<&str> = command.split_whitespace().skip(1).collect();
            let (options, names): (Vec<&str>, Vec<&str>) =
                words.into_iter().filter(|w| !w.chars().all(char::is_uppercase)).partition(|w| w.starts_with('-'));
            let help = repo.orgo(&[names.as_slice(), &["--help"]].concat()).ok().stdout;
            for option in options {
                let known = help.split_whitespace().any(|w| w.trim_end_matches(',') == option);
                assert!(known, "{command}: {option} is not in {help}");
            }
        }
    }
}
