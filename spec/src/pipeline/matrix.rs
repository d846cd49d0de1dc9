//! Matrices: axes, and the combinations of their values that are meant.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{Fields, Node, Problem, Problems, Scalar, Span, Spanned, closest};
use crate::{Name, ReasonCode};

/// Axes and the combinations of their values: the product, without what is excluded, with what is included.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Matrix {
    /// The axes, in the order in which their values stand behind a stage's name.
    pub axes: Vec<Axis>,
    /// What is left out: every combination that has all of these values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Combination>,
    /// Combinations that are added; each has a value for every axis.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Combination>,
}

/// One axis of a matrix: a name and its values, written `${name}` where they are used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Axis {
    /// The name.
    pub name: Spanned<String>,
    /// The values; they become parts of stage names.
    pub values: Vec<Spanned<Name>>,
}

/// Values of some axes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Combination {
    /// Where it is written.
    #[serde(skip)]
    pub span: Span,
    /// Positions of axes and their values.
    pub values: Vec<(usize, Spanned<Name>)>,
}

impl Matrix {
    /// Whether there are no axes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.axes.is_empty()
    }

    /// How many combinations the product of the axes has; nothing is left out yet.
    #[must_use]
    pub fn product(&self) -> usize {
        self.axes.iter().fold(1, |n, axis| n.saturating_mul(axis.values.len()))
    }

    /// Every combination, a value for each axis: the product, the last axis moving fastest, without what is
    /// excluded; then what is included. One empty combination without axes.
    #[must_use]
    pub fn combinations(&self) -> Vec<Vec<&Name>> {
        let mut all: Vec<Vec<&Name>> = vec![Vec::new()];
        for axis in &self.axes {
            let longer = all.iter().flat_map(|before| {
                axis.values.iter().map(move |value| before.iter().copied().chain([&value.value]).collect())
            });
            all = longer.collect();
        }
        all.retain(|combination| !self.exclude.iter().any(|e| e.values.iter().all(|(at, v)| *combination[*at] == **v)));
        all.extend(self.include.iter().map(|added| {
            let mut values: Vec<_> = added.values.iter().map(|(at, value)| (*at, &value.value)).collect();
            values.sort_by_key(|(at, _)| *at);
            values.into_iter().map(|(_, value)| value).collect()
        }));
        all
    }

    /// Decodes a `matrix` node.
    pub(super) fn decode(node: &Node, problems: &mut Problems) -> Self {
        let mut matrix = Self::default();
        let mut others = Vec::new();
        for child in &node.children {
            match child.name.as_str() {
                "exclude" | "include" => others.push(child),
                _ => matrix.axes.extend(axis(child, problems)),
            }
        }
        for (i, axis) in matrix.axes.iter().enumerate() {
            if let Some(earlier) = matrix.axes[..i].iter().find(|a| *a.name == *axis.name) {
                problems.push(
                    Problem::new(
                        ReasonCode::FieldDuplicate,
                        format!("two axes are called `{}`", *axis.name),
                        axis.name.span,
                    )
                    .also(earlier.name.span, "the other one")
                    .help("write all values behind one of them"),
                );
            }
        }
        if !node.args.is_empty() || !node.props.is_empty() {
            problems.push(
                Problem::new(ReasonCode::FieldUnknown, "`matrix` takes axes as children only", node.name.span)
                    .help("write `matrix { os \"linux\" \"mac\" }`"),
            );
        }
        for child in others {
            let Some(combination) = matrix.combination(child, problems) else { continue };
            if *child.name == "exclude" { matrix.exclude.push(combination) } else { matrix.include.push(combination) }
        }
        if problems.is_empty() {
            matrix.check(node, problems);
        }
        matrix
    }

    /// Decodes an `exclude` or `include` node.
    fn combination(&self, node: &Node, problems: &mut Problems) -> Option<Combination> {
        let mut values: Vec<(usize, Spanned<Name>)> = Vec::new();
        // Where the syntax knows no properties, a child with one value is the same.
        let is_pair = |n: &&Node| n.args.len() == 1 && n.props.is_empty() && n.children.is_empty();
        let children = node.children.iter().filter(is_pair).map(|n| (&n.name, &n.args[0]));
        let has_others = !node.children.iter().all(|n| is_pair(&n));
        for (name, value) in node.props.iter().map(|(name, value)| (name, value)).chain(children) {
            let Some(at) = self.axes.iter().position(|axis| *axis.name == **name) else {
                let message = format!("no axis is called `{}`", **name);
                let problem = Problem::new(ReasonCode::DocumentInvalid, message, name.span);
                problems.push(match closest(name, self.axes.iter().map(|a| a.name.as_str())) {
                    Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
                    None => problem.help("name one of the axes above"),
                });
                return None;
            };
            let text = if let Scalar::Text(text) = &value.value { Name::new(text).ok() } else { None };
            let Some(text) = text else {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, "not a value of an axis", value.span).help(Name::RULE),
                );
                return None;
            };
            values.push((at, Spanned::new(text, value.span)));
        }
        if values.is_empty() || !node.args.is_empty() || has_others {
            let example = self.axes.first().map_or("axis", |a| a.name.as_str());
            let message = format!("`{}` names axes and their values", *node.name);
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, message, node.span)
                    .help(format!("write `{} {example}=\"value\"`", *node.name)),
            );
            return None;
        }
        Some(Combination { span: node.span, values })
    }

    /// Holds what is excluded and included to the axes.
    fn check(&self, node: &Node, problems: &mut Problems) {
        for excluded in &self.exclude {
            let known = |(at, value): &(usize, Spanned<Name>)| self.axes[*at].values.iter().any(|v| **v == **value);
            if let Some((at, value)) = excluded.values.iter().find(|pair| !known(pair)) {
                let axis = &self.axes[*at];
                let message = format!("`{}` is no value of the axis `{}`", **value, *axis.name);
                let problem = Problem::new(ReasonCode::DocumentInvalid, message, value.span);
                problems.push(match closest(value.as_str(), axis.values.iter().map(|v| v.as_str())) {
                    Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
                    None => problem.label("this excludes nothing").help("remove it, or correct the value"),
                });
            }
        }
        for added in &self.include {
            let named: BTreeSet<usize> = added.values.iter().map(|(at, _)| *at).collect();
            if named.len() != added.values.len() || named.len() != self.axes.len() {
                let axes: Vec<_> = self.axes.iter().map(|a| format!("{}=\"…\"", *a.name)).collect();
                problems.push(
                    Problem::new(
                        ReasonCode::DocumentInvalid,
                        "an added combination has one value for every axis",
                        added.span,
                    )
                    .help(format!("write `include {}`", axes.join(" "))),
                );
                return;
            }
        }
        if self.product() > 4_000_000 {
            return; // refused where it is expanded
        }
        let all = self.combinations();
        if all.is_empty() {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "no combination is left", node.name.span)
                    .label("everything is excluded")
                    .help("exclude less"),
            );
        }
        let product = all.len() - self.include.len();
        let mut seen: BTreeSet<&[&Name]> = all[..product].iter().map(Vec::as_slice).collect();
        for (values, added) in all[product..].iter().zip(&self.include) {
            if !seen.insert(values) {
                problems.push(
                    Problem::new(ReasonCode::FieldDuplicate, "this combination is there already", added.span)
                        .label("added again here")
                        .help("remove it"),
                );
            }
        }
    }
}

fn axis(node: &Node, problems: &mut Problems) -> Option<Axis> {
    let mut fields = Fields::new(node);
    let values: Vec<Spanned<Name>> = fields.args("a value of the axis", problems);
    fields.finish(problems);
    if values.is_empty() {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, format!("the axis `{}` has no values", *node.name), node.span)
                .help("write them behind its name"),
        );
        return None;
    }
    super::decode::unique(values.iter(), "value", problems);
    Some(Axis { name: node.name.clone(), values })
}
