//! How rows are ordered and grouped.

use orgo_spec::artifact::canonical;
use orgo_spec::artifact::pack::{GroupingPolicy, Row};
use serde::Serialize;

/// Orders rows as `qid_pid_statement_id_asc`.
pub(super) fn order_rows(rows: &mut [Row]) {
    order_rows_by(
        rows,
        |row| [row.subject.to_string(), row.predicate.to_string(), row.statement_id.to_string()],
        canonical,
    );
}

/// The order itself, over any form of row: UTF-8 bytes of subject, predicate and statement id, then the
/// canonical bytes of the row. Numbers are not compared as numbers: `Q10` comes before `Q2`.
pub fn order_rows_by<T>(rows: &mut [T], key: impl Fn(&T) -> [String; 3], bytes: impl Fn(&T) -> Vec<u8>) {
    rows.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| bytes(a).cmp(&bytes(b))));
}

/// A group of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Group {
    index: u64,
    row_count: u64,
    start_row: u64,
}

#[derive(Serialize)]
struct Groups {
    groups: Vec<Group>,
    policy: GroupingPolicy,
    row_count: u64,
}

/// The bytes of `data/row-groups.json`.
#[must_use]
pub fn row_groups(policy: GroupingPolicy, row_count: u64) -> Vec<u8> {
    let size = policy.rows();
    let group = |index: u64| {
        let start_row = index * size;
        Group { index, row_count: size.min(row_count - start_row), start_row }
    };
    let groups = (0..row_count.div_ceil(size)).map(group).collect();
    let mut bytes = canonical(&Groups { groups, policy, row_count });
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ordered_by_bytes_and_then_by_content() {
        let mut rows =
            [["Q2", "P31", "b"], ["Q10", "P1", "z"], ["Q1", "P31", "a"], ["Q1", "P279", "z"], ["Q1", "P31", "a"]]
                .iter()
                .zip(0_u8..)
                .collect::<Vec<_>>();
        rows.reverse();
        order_rows_by(&mut rows, |(key, _)| key.map(str::to_owned), |(_, content)| vec![*content]);
        assert_eq!(rows.iter().map(|(_, content)| *content).collect::<Vec<_>>(), [3, 2, 4, 1, 0]);
    }

    #[test]
    fn groups_cover_all_rows_and_the_last_one_is_short() {
        let text = |n| String::from_utf8(row_groups(GroupingPolicy::FixedRows100k, n)).expect("JSON");
        assert_eq!(text(0), "{\"groups\":[],\"policy\":\"fixed_rows_100k\",\"row_count\":0}\n");
        assert_eq!(
            text(100_001),
            "{\"groups\":[{\"index\":0,\"row_count\":100000,\"start_row\":0},{\"index\":1,\"row_count\":1,\"start_row\":100000}],\"policy\":\"fixed_rows_100k\",\"row_count\":100001}\n"
        );
        assert!(text(100_000).contains("\"row_count\":100000,\"start_row\":0}]"));
    }
}
