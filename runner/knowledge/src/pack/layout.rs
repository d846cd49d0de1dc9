//! How rows are ordered and grouped.

use orgo_spec::artifact::canonical;
use orgo_spec::artifact::pack::{GroupingPolicy, Row};
use serde::Serialize;

/// Orders rows as `qid_pid_statement_id_asc`: bytes of subject, predicate and statement id, then of the row.
pub fn order_rows(rows: &mut [Row]) {
    rows.sort_by(|a, b| {
        let key = |r: &'_ Row| (r.subject.clone(), r.predicate.clone(), r.statement_id.to_string());
        key(a).cmp(&key(b)).then_with(|| canonical(a).cmp(&canonical(b)))
    });
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
