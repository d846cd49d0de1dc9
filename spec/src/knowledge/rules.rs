//! Rules: what must hold before anything becomes canon.

use super::map::ValueKind;
use crate::document::{Document, DocumentError, Fields, Node, Problem, Problems, closest, parse};
use crate::{Decimal, Name, ReasonCode};

/// A set of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Name of the set.
    pub name: Name,
    /// Version of the set; reports carry it.
    pub version: String,
    /// The rules, in the order in which they are written.
    pub rules: Vec<Rule>,
}

/// A rule about one property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The property's name.
    pub property: Name,
    /// What must hold.
    pub kind: RuleKind,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleKind {
    /// Every subject has it.
    Required,
    /// Its values are of this kind, and in this unit.
    Datatype {
        /// The kind.
        is: ValueKind,
        /// The unit's name, for quantities.
        unit: Option<Name>,
    },
    /// Its numbers lie between the bounds, bounds included.
    Range {
        /// Lower bound.
        min: Option<Decimal>,
        /// Upper bound.
        max: Option<Decimal>,
    },
    /// A subject has one value under the same qualifiers: best-ranked values differ by at most
    /// `tolerance · min(|a|, |b|)`.
    Functional {
        /// A ratio; 0 means equal.
        tolerance: Decimal,
    },
    /// The item that it names is a subject of the data.
    ForeignKey,
}

impl RuleKind {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Datatype { .. } => "datatype",
            Self::Range { .. } => "range",
            Self::Functional { .. } => "functional",
            Self::ForeignKey => "foreign-key",
        }
    }
}

impl Rule {
    /// Kind and property, as reports name the rule: `functional/density`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.property)
    }
}

const KINDS: [&str; 5] = ["required", "datatype", "range", "functional", "foreign-key"];

impl Rules {
    /// Decodes a set of rules.
    ///
    /// # Errors
    /// [`DocumentError`] with everything that is wrong.
    pub fn decode(document: &Document) -> Result<Self, DocumentError> {
        let nodes = parse(document)?;
        let mut problems = Problems::new(document);
        for node in nodes.iter().filter(|n| *n.name != "rules") {
            problems.push(unknown_node(node, &["rules"]));
        }
        let blocks: Vec<_> = nodes.iter().filter(|n| *n.name == "rules").collect();
        let rules = match blocks.as_slice() {
            [block] => set(block, &mut problems),
            [] => {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, "there is no `rules` block", Default::default())
                        .help("write `rules \"name\" version=\"1\" { … }`"),
                );
                None
            }
            [_, second, ..] => {
                problems.push(
                    Problem::new(ReasonCode::FieldDuplicate, "`rules` is said twice", second.name.span)
                        .help("join the two blocks"),
                );
                None
            }
        };
        problems.check(rules)
    }

    /// The rules about a property.
    pub fn about<'r>(&'r self, property: &'r str) -> impl Iterator<Item = &'r Rule> {
        self.rules.iter().filter(move |r| r.property.as_str() == property)
    }
}

/// A node that does not belong here.
pub(super) fn unknown_node(node: &Node, known: &[&str]) -> Problem {
    let name = &*node.name;
    let problem = Problem::new(ReasonCode::FieldUnknown, format!("`{name}` is not known here"), node.name.span);
    match closest(name, known.iter().copied()) {
        Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
        None => problem.help(format!("known are {}", known.join(", "))),
    }
}

fn set(block: &Node, problems: &mut Problems) -> Option<Rules> {
    let mut fields = Fields::new(block);
    let name = fields.arg::<Name>("a name", problems);
    let version = fields.required::<String>("version", problems);
    for kind in KINDS {
        fields.children(kind);
    }
    fields.finish(problems);
    let mut rules: Vec<(Rule, crate::document::Span)> = Vec::new();
    for node in block.children.iter().filter(|n| KINDS.contains(&n.name.as_str())) {
        let Some(rule) = rule(node, problems) else { continue };
        if let Some((_, first)) = rules.iter().find(|(r, _)| r.id() == rule.id()) {
            problems.push(
                Problem::new(ReasonCode::FieldDuplicate, format!("`{}` is said twice", rule.id()), node.span)
                    .also(*first, "first said here")
                    .help("keep one of the two"),
            );
        }
        rules.push((rule, node.span));
    }
    Some(Rules { name: name?.value, version: version?.value, rules: rules.into_iter().map(|(rule, _)| rule).collect() })
}

fn rule(node: &Node, problems: &mut Problems) -> Option<Rule> {
    let mut fields = Fields::new(node);
    let property = fields.required::<Name>("property", problems);
    let invalid = |text: &str| Problem::new(ReasonCode::DocumentInvalid, text.to_owned(), node.span);
    let kind = match node.name.as_str() {
        "required" => Some(RuleKind::Required),
        "foreign-key" => Some(RuleKind::ForeignKey),
        "datatype" => {
            let is = fields.required::<ValueKind>("is", problems);
            let unit = fields.one::<Name>("unit", problems);
            if unit.is_some() && is.as_ref().is_some_and(|k| k.value != ValueKind::Quantity) {
                problems.push(invalid("`unit` is for `quantity` only").help("remove it"));
            }
            is.map(|is| RuleKind::Datatype { is: is.value, unit: unit.map(|u| u.value) })
        }
        "range" => {
            let min = fields.one::<Decimal>("min", problems).map(|m| m.value);
            let max = fields.one::<Decimal>("max", problems).map(|m| m.value);
            match (&min, &max) {
                (None, None) if !fields.has("min") && !fields.has("max") => {
                    problems.push(invalid("`range` has no bound").help("add `min`, `max` or both"))
                }
                (Some(low), Some(high)) if low > high => {
                    problems.push(invalid("`min` is above `max`: nothing lies between").help("swap the two"));
                }
                _ => {}
            }
            Some(RuleKind::Range { min, max })
        }
        "functional" => {
            let tolerance = fields.one::<Decimal>("tolerance", problems);
            let one = Decimal::parse("1").expect("1 is a decimal");
            if let Some(t) = tolerance.as_ref().filter(|t| t.is_negative() || t.value >= one) {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, format!("a tolerance of {} is not a ratio", **t), t.span)
                        .label("expected 0 or more, below 1")
                        .help("write 2 % as `tolerance=\"0.02\"`"),
                );
            }
            Some(RuleKind::Functional { tolerance: tolerance.map_or(Decimal::ZERO, |t| t.value) })
        }
        _ => None,
    };
    fields.finish(problems);
    Some(Rule { property: property?.value, kind: kind? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Rules, Vec<String>> {
        Rules::decode(&Document::new("rules/r.kdl", text))
            .map_err(|e| e.problems().map(|p| p.message().to_owned()).collect())
    }

    #[test]
    fn rules_keep_their_order_and_their_exact_tolerance() {
        let rules = decode(
            r#"rules "elements" version="1" {
                functional property="mass" tolerance="0.0001"
                functional property="density" tolerance=0.02
                range property="number" min=1 max="118"
                datatype property="density" is="quantity" unit="g"
                required property="symbol"
                foreign-key property="border"
            }"#,
        )
        .expect("decodes");
        let ids: Vec<_> = rules.rules.iter().map(Rule::id).collect();
        assert_eq!(
            ids,
            [
                "functional/mass",
                "functional/density",
                "range/number",
                "datatype/density",
                "required/symbol",
                "foreign-key/border"
            ]
        );
        for (i, tolerance) in ["0.0001", "0.02"].into_iter().enumerate() {
            let tolerance = Decimal::parse(tolerance).expect("a decimal");
            assert_eq!(rules.rules[i].kind, RuleKind::Functional { tolerance });
        }
    }

    #[test]
    fn rules_that_say_nothing_or_too_much_are_refused() {
        for (text, message) in [
            ("", "there is no `rules` block"),
            (r#"rules "a" version="1" { range property="p" }"#, "`range` has no bound"),
            (
                r#"rules "a" version="1" { range property="p" min=2 max=1 }"#,
                "`min` is above `max`: nothing lies between",
            ),
            (
                r#"rules "a" version="1" { functional property="p" tolerance="2%" }"#,
                "`tolerance` is the text `2%` here",
            ),
            (r#"rules "a" version="1" { functional property="p" tolerance=2 }"#, "a tolerance of 2 is not a ratio"),
            (r#"rules "a" version="1" { required property="p"; required property="p" }"#, "`required/p` is said twice"),
            (r#"rules "a" version="1" { unique property="p" }"#, "`rules` has no field `unique`"),
            (r#"rules "a" { required property="p" }"#, "`rules` needs `version`"),
            (
                r#"rules "a" version="1" { datatype property="p" is="string" unit="g" }"#,
                "`unit` is for `quantity` only",
            ),
        ] {
            let problems = decode(text).expect_err(text);
            assert!(problems.iter().any(|p| p == message), "{text}: {problems:?}");
        }
    }
}
