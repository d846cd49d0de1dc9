//! Collects issues: exact counts, and of each code the first ones in the order of the report.

use std::collections::{BTreeMap, BTreeSet};

use orgo_spec::artifact::report::{Issue, MAX_LISTED, Severity, Stats};

use super::Counted;

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings {
    by_code: BTreeMap<(Severity, String), OfCode>,
}

#[derive(Default)]
struct OfCode {
    count: u64,
    listed: BTreeSet<Ordered>,
}

/// An issue in the order of reports; the whole issue breaks ties.
#[derive(PartialEq, Eq)]
struct Ordered(Issue);

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.order().cmp(&other.0.order()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Findings {
    pub(super) fn add(&mut self, issue: Issue) {
        let of_code = self.by_code.entry((issue.severity, issue.code.as_str().to_owned())).or_default();
        of_code.count += 1;
        of_code.listed.insert(Ordered(issue));
        if of_code.listed.len() > MAX_LISTED {
            of_code.listed.pop_last();
        }
    }

    /// Issues in order, counts by severity, counts by code.
    pub(super) fn finish(self) -> Counted {
        let mut stats = Stats::default();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut issues = Vec::new();
        for ((severity, code), of_code) in self.by_code {
            let slot = match severity {
                Severity::Error => &mut stats.error_count,
                Severity::Warning => &mut stats.warning_count,
                Severity::Info => &mut stats.info_count,
            };
            *slot += of_code.count;
            *counts.entry(code).or_default() += of_code.count;
            issues.extend(of_code.listed.into_iter().map(|o| o.0));
        }
        (issues, stats, counts)
    }
}

#[cfg(test)]
mod tests {
    use orgo_spec::ReasonCode;
    use orgo_spec::artifact::report::Location;

    use super::*;

    #[test]
    fn counts_are_exact_and_the_list_is_the_first_in_order() {
        let issue = |n: usize| Issue {
            severity: Severity::Info,
            code: ReasonCode::ValuesWithinTolerance.into(),
            message: format!("{n:06}"),
            location: Location::default(),
            rule: None,
            details: None,
        };
        let total = MAX_LISTED + 7;
        let collect = |order: &mut dyn Iterator<Item = usize>| {
            let mut findings = Findings::default();
            order.for_each(|n| findings.add(issue(n)));
            findings.finish()
        };
        let forward = collect(&mut (0..total));
        assert_eq!(forward, collect(&mut (0..total).rev()));
        assert_eq!(forward.0.len(), MAX_LISTED);
        assert_eq!(forward.0.last().map(|i| i.message.as_str()), Some("009999"));
        assert_eq!(forward.1.info_count, total as u64);
    }
}
