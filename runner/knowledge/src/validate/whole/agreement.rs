//! Whether sources agree on the value of a functional property.

use orgo_spec::artifact::report::{Details, Issue, Location, Severity, SourcedValue};
use orgo_spec::artifact::resolved::Rank;
use orgo_spec::artifact::{ClaimId, Pid, Qid, read};
use orgo_spec::knowledge::{Rule, RuleKind};
use orgo_spec::{Amount, Decimal, ReasonCode};
use serde::{Deserialize, Serialize};

use super::{BoundRules, Entities, Findings, SEPARATOR, SpineError, label};

/// One value of a functional property.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Value {
    /// Comparable form: kind, and what of the value decides equality, the amount apart.
    pub(super) shape: String,
    pub(super) amount: Option<Amount>,
    pub(super) rank: Rank,
    pub(super) source: String,
    pub(super) quote: String,
    pub(super) claim_id: ClaimId,
    pub(super) pointer: String,
}

/// One issue for each group without a single best-ranked value.
pub(super) fn functional(
    rules: &BoundRules<'_>,
    entities: &Entities,
    key: &[u8],
    group: &[Vec<u8>],
    findings: &mut Findings,
) -> Result<(), SpineError> {
    let mut parts = key.split(|b| *b == SEPARATOR).map(|p| String::from_utf8_lossy(p).into_owned());
    let subject = parts.next().and_then(|id| Qid::new(&id));
    let property = parts.next().and_then(|id| Pid::new(&id));
    let rule = property.as_ref().map_or(&[][..], |p| rules.about(p));
    let Some((rule, tolerance)) = rule.iter().find_map(|rule| match &rule.kind {
        RuleKind::Functional { tolerance } => Some((*rule, tolerance)),
        RuleKind::Required | RuleKind::Datatype { .. } | RuleKind::Range { .. } | RuleKind::ForeignKey => None,
    }) else {
        return Ok(());
    };
    let mut values = group.iter().map(|v| read("a sorted value", v)).collect::<Result<Vec<Value>, _>>()?;
    let best = values.iter().map(|v| v.rank).max().unwrap_or_default();
    values.retain(|v| v.rank == best);
    let (severity, code) = match compare(&values, tolerance) {
        Agreement::Same => return Ok(()),
        Agreement::Within => (Severity::Info, ReasonCode::ValuesWithinTolerance),
        Agreement::Apart => (Severity::Error, ReasonCode::FunctionalConflict),
    };
    values.sort_by(|a, b| (&a.source, &a.quote, &a.claim_id).cmp(&(&b.source, &b.quote, &b.claim_id)));
    findings.add(disagreement(severity, code, rule, tolerance, subject, &values, rules, entities));
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "all of it goes into one issue, built in one place")]
fn disagreement(
    severity: Severity,
    code: ReasonCode,
    rule: &Rule,
    tolerance: &Decimal,
    subject: Option<Qid>,
    values: &[Value],
    rules: &BoundRules<'_>,
    entities: &Entities,
) -> Issue {
    let said: Vec<_> = values.iter().map(|v| format!("{} ({})", v.quote, v.source)).collect();
    let name = label(entities, subject.as_ref());
    let how = match severity {
        Severity::Info => "within",
        Severity::Warning | Severity::Error => "beyond",
    };
    let first = values.first();
    Issue {
        severity,
        code: code.into(),
        message: format!("{name}: {} is {}, {how} the tolerance of {tolerance}", rule.property, said.join(" and ")),
        location: Location {
            json_pointer: first.map(|v| v.pointer.clone()),
            entity_id: subject,
            claim_id: first.map(|v| v.claim_id.clone()),
        },
        rule: Some(rules.reference(rule)),
        details: Some(Details {
            subject: Some(name),
            property: Some(rule.property.to_string()),
            tolerance: Some(tolerance.clone()),
            values: values
                .iter()
                .map(|v| SourcedValue {
                    source: v.source.clone(),
                    value: v.quote.clone(),
                    claim_id: v.claim_id.clone(),
                })
                .collect(),
        }),
    }
}

enum Agreement {
    Same,
    Within,
    Apart,
}

/// Numbers in one unit agree when the extremes do: with a tolerance below 1, no pair is further apart.
fn compare(values: &[Value], tolerance: &Decimal) -> Agreement {
    let Some(first) = values.first() else { return Agreement::Same };
    if values.iter().all(|v| v.shape == first.shape && v.amount == first.amount) {
        return Agreement::Same;
    }
    let amounts: Option<Vec<_>> = values.iter().map(|v| v.amount.as_ref().map(|a| &a.0)).collect();
    let one_shape = values.iter().all(|v| v.shape == first.shape);
    match amounts.filter(|_| one_shape).map(|a| (a.iter().min().copied(), a.iter().max().copied())) {
        Some((Some(low), Some(high))) if !low.differs_beyond(high, tolerance) => Agreement::Within,
        _ => Agreement::Apart,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(amount: &Decimal) -> Value {
        Value {
            shape: "quantity".to_owned(),
            amount: Some(Amount(amount.clone())),
            rank: Rank::Normal,
            source: "s".to_owned(),
            quote: amount.to_string(),
            claim_id: ClaimId::of(orgo_spec::Digest::EMPTY),
            pointer: String::new(),
        }
    }

    proptest! {
        #[test]
        fn extremes_decide_as_all_pairs_would(
            numbers in proptest::collection::vec(-40_i32..200, 1..6), per_mille in 0_u32..1000,
        ) {
            let decimals: Vec<_> = numbers.iter().map(|n| Decimal::parse(&n.to_string()).expect("an integer")).collect();
            let tolerance = Decimal::parse(&format!("{per_mille}e-3")).expect("a ratio");
            let pairs = decimals.iter().any(|a| decimals.iter().any(|b| a.differs_beyond(b, &tolerance)));
            let values: Vec<_> = decimals.iter().map(value).collect();
            prop_assert_eq!(matches!(compare(&values, &tolerance), Agreement::Apart), pairs);
        }
    }
}
