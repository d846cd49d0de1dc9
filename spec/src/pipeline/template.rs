//! Templates: what several stages have in common, written once.
//!
//! A template is a stage without a name of its own. Where a stage names one, the fields of both count as if they were
//! written in the stage: lists append (the template's come first), other fields are the stage's where it says them.
//! That happens to the tree, before anything is decoded, so every field of a stage can stand in a template.

use std::collections::BTreeMap;

use crate::ReasonCode;
use crate::document::{Fields, Node, Problem, Problems, Scalar, Spanned, closest};

/// Fields that hold lists.
const LISTS: [&str; 13] = [
    "files",
    "from",
    "after",
    "out",
    "tool",
    "env",
    "env-pass",
    "secret",
    "source",
    "decisions",
    "when",
    "pool",
    "service",
];
/// Lists whose entries have a name, which is their first value: an entry of the stage replaces the template's.
const NAMED: [&str; 4] = ["env", "secret", "source", "service"];

/// Templates by name.
pub(super) struct Templates<'n>(BTreeMap<&'n str, &'n Node>);

impl<'n> Templates<'n> {
    /// Collects `template` nodes.
    pub(super) fn collect(nodes: impl Iterator<Item = &'n Node>, problems: &mut Problems) -> Self {
        let mut templates: BTreeMap<&str, &Node> = BTreeMap::new();
        for node in nodes {
            let Some(Scalar::Text(name)) = node.args.first().map(|a| &a.value) else {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, "`template` needs a name", node.name.span)
                        .help("write `template \"name\" { … }`"),
                );
                continue;
            };
            if let Some(earlier) = templates.insert(name, node) {
                problems.push(
                    Problem::new(ReasonCode::FieldDuplicate, format!("two templates are called `{name}`"), node.span)
                        .label("the second one")
                        .also(earlier.name.span, "the first one")
                        .help("give one of them another name"),
                );
            }
        }
        Self(templates)
    }

    /// Every template, with what its own templates say.
    pub(super) fn all(&self, problems: &mut Problems) -> Vec<Node> {
        self.0.values().map(|node| self.apply(node, problems).unwrap_or_else(|| (*node).clone())).collect()
    }

    /// The stage with what its template says; `None` if it names none, or none that is there.
    pub(super) fn apply(&self, stage: &Node, problems: &mut Problems) -> Option<Node> {
        let mut names: Vec<String> = Vec::new();
        let mut merged: Option<Node> = None;
        loop {
            let current = merged.as_ref().unwrap_or(stage);
            let Some(name) = named(current, problems) else { return merged };
            let Some(template) = self.0.get(name.as_str()) else {
                let message = format!("no template is called `{}`", *name);
                let problem = Problem::new(ReasonCode::TemplateUnknown, message, name.span);
                problems.push(match closest(&name, self.0.keys().copied()) {
                    Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
                    None => problem.help(format!("declare `template \"{}\"`, or include the file that does", *name)),
                });
                return Some(without(current, &["template"]));
            };
            if names.contains(&name.value) {
                names.push(name.value.clone());
                problems.push(
                    Problem::new(
                        ReasonCode::DocumentInvalid,
                        format!("templates need each other in a circle: {}", names.join(" → ")),
                        name.span,
                    )
                    .help("remove `template` from one of them"),
                );
                return Some(without(current, &["template"]));
            }
            names.push(name.value.clone());
            merged = Some(merge(current, template));
        }
    }
}

/// The name behind `template`, as a property or as a child.
fn named(node: &Node, problems: &mut Problems) -> Option<Spanned<String>> {
    let mut fields = Fields::new(node);
    if fields.has("template") { fields.one::<String>("template", problems) } else { None }
}

/// Whether the node says the field `name`; `run` and `uses` say the same thing: what the stage does.
fn says(node: &Node, name: &str) -> bool {
    let one_of = |names: &[&str]| {
        node.props.iter().any(|(p, _)| names.contains(&p.as_str()))
            || node.children.iter().any(|c| names.contains(&c.name.as_str()))
    };
    if matches!(name, "run" | "uses") { one_of(&["run", "uses"]) } else { one_of(&[name]) }
}

fn without(node: &Node, names: &[&str]) -> Node {
    let mut node = node.clone();
    node.props.retain(|(name, _)| !names.contains(&name.as_str()));
    node.children.retain(|child| !names.contains(&child.name.as_str()));
    node
}

fn merge(stage: &Node, template: &Node) -> Node {
    let mut own = without(stage, &["template"]);
    let first = |node: &Node| node.args.first().map(|a| a.value.clone());
    let kept = |child: &&Node| {
        if NAMED.contains(&child.name.as_str()) {
            !own.children.iter().any(|c| *c.name == *child.name && first(c) == first(child))
        } else {
            LISTS.contains(&child.name.as_str()) || !says(&own, &child.name)
        }
    };
    let mut children: Vec<Node> = template.children.iter().filter(kept).cloned().collect();
    let mut props: Vec<_> = template.props.iter().filter(|(name, _)| !says(&own, name)).cloned().collect();
    children.append(&mut own.children);
    props.append(&mut own.props);
    Node { children, props, ..own }
}
