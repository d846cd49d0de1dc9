//! The comparison with other runners claims what tests show.

use std::path::Path;

#[test]
fn every_claim_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/guide/comparison.md")).unwrap();
    let (table, shown) = page.split_once("## What shows it").unwrap();
    let rows = |text: &str| -> Vec<Vec<String>> {
        let cells = |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
        text.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| feature")).map(cells).collect()
    };
    let (table, shown) = (rows(table), rows(shown));
    assert!(table.len() > 30 && shown.len() > table.len());
    for (claimed, shown) in table.iter().zip(&shown) {
        assert_eq!((claimed[0].trim_matches('*'), &claimed[1]), (shown[0].as_str(), &shown[1]));
    }
    for row in &shown {
        let (value, tests) = (&row[1], &row[3]);
        assert_eq!(value.contains(['Y', 'p']), !tests.is_empty(), "{row:?}");
        for link in tests.split(", ").filter(|l| !l.is_empty()) {
            let (name, file) = link.trim_start_matches("[`").trim_end_matches(')').split_once("`](../../").unwrap();
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
            assert!(
                text.contains(&format!("#[test]\nfn {name}()")) || text.contains(&format!("#[test]\n    fn {name}()")),
                "{file}: {name}"
            );
        }
    }
}
