//! Hands out the fields of a node by name and reports the rest.

use super::closest::closest;
use super::problem::{Problem, Problems};
use super::scalar::FromScalar;
use super::syntax::Syntax;
use super::tree::{Node, Scalar, Span, Spanned};
use crate::ReasonCode;

/// A cursor over one node: every value is taken by name; [`Fields::finish`] reports what is left.
pub struct Fields<'n> {
    node: &'n Node,
    known: Vec<&'static str>,
    props_taken: Vec<bool>,
    children_taken: Vec<bool>,
    args_taken: usize,
}

impl<'n> Fields<'n> {
    /// Starts with nothing taken.
    #[must_use]
    pub fn new(node: &'n Node) -> Self {
        Self {
            node,
            known: Vec::new(),
            props_taken: vec![false; node.props.len()],
            children_taken: vec![false; node.children.len()],
            args_taken: 0,
        }
    }

    /// The node itself.
    #[must_use]
    pub fn node(&self) -> &'n Node {
        self.node
    }

    /// The next positional value, which must be there; `what` names it in the message.
    pub fn arg<T: FromScalar>(&mut self, what: &str, problems: &mut Problems) -> Option<Spanned<T>> {
        match self.node.args.get(self.args_taken) {
            Some(arg) => {
                self.args_taken += 1;
                decode(arg, what, problems)
            }
            None => {
                let name = &*self.node.name;
                let problem =
                    Problem::new(ReasonCode::DocumentInvalid, format!("`{name}` needs {what}"), self.node.name.span);
                let value = match self.args_taken {
                    0 => placeholder::<T>().to_owned(),
                    taken => format!("{}{}", "\"…\" ".repeat(taken), placeholder::<T>()),
                };
                problems.push(match self.node.children.first() {
                    // People who come from other tools write the name below.
                    Some(first) if problems.syntax() == Syntax::Yaml && self.node.args.is_empty() => {
                        let written = match first.args.as_slice() {
                            [Spanned { value: Scalar::Text(text), .. }] if *first.name == "name" => text,
                            _ => &*first.name,
                        };
                        problem.help(format!("write it into the key, as in `{name} {written}: …`"))
                    }
                    Some(_) => problem.help(format!("write `{name} {value} {{ … }}`, where it is {}", T::EXPECTED)),
                    None => problem.help(format!("write `{name} {value}`, where it is {}", T::EXPECTED)),
                });
                None
            }
        }
    }

    /// All positional values that are left.
    pub fn args<T: FromScalar>(&mut self, what: &str, problems: &mut Problems) -> Vec<Spanned<T>> {
        let rest = &self.node.args[self.args_taken..];
        self.args_taken = self.node.args.len();
        rest.iter().filter_map(|arg| decode(arg, what, problems)).collect()
    }

    /// A field with one value, written as a property or as a child; `None` if it is not there.
    pub fn one<T: FromScalar>(&mut self, name: &'static str, problems: &mut Problems) -> Option<Spanned<T>> {
        let mut found: Vec<(Span, &'n Spanned<Scalar>)> = Vec::new();
        for (i, (prop, value)) in self.node.props.iter().enumerate() {
            if **prop == name {
                self.props_taken[i] = true;
                found.push((prop.span, value));
            }
        }
        for child in self.children(name) {
            match child.args.as_slice() {
                [value] if child.props.is_empty() && child.children.is_empty() => found.push((child.name.span, value)),
                _ => problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, format!("`{name}` takes one value"), child.span)
                        .help(format!("write `{name} {}`, where it is {}", placeholder::<T>(), T::EXPECTED)),
                ),
            }
        }
        if let [(first, _), (second, _), ..] = found.as_slice() {
            problems.push(duplicate(name, *first, *second));
        }
        found.first().and_then(|(_, value)| decode(value, &format!("`{name}`"), problems))
    }

    /// As [`Fields::one`], and reports if it is not there.
    pub fn required<T: FromScalar>(&mut self, name: &'static str, problems: &mut Problems) -> Option<Spanned<T>> {
        let before = self.has(name);
        if !before {
            self.known.push(name);
            problems.push(
                Problem::new(
                    ReasonCode::DocumentInvalid,
                    format!("`{}` needs `{name}`", *self.node.name),
                    self.node.name.span,
                )
                .label(format!("`{name}` is missing"))
                .help(format!("add `{name}={}`, where it is {}", placeholder::<T>(), T::EXPECTED)),
            );
            return None;
        }
        self.one(name, problems)
    }

    /// Whether a field of that name is written, as a property or as a child.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.node.props.iter().any(|(p, _)| **p == name) || self.node.children.iter().any(|c| *c.name == name)
    }

    /// All children of that name, in order.
    pub fn children(&mut self, name: &'static str) -> Vec<&'n Node> {
        self.known.push(name);
        let node = self.node;
        let mut found = Vec::new();
        for (i, child) in node.children.iter().enumerate() {
            if *child.name == name {
                self.children_taken[i] = true;
                found.push(child);
            }
        }
        found
    }

    /// The only child of that name; a second one is reported.
    pub fn child(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'n Node> {
        let found = self.children(name);
        if let [first, second, ..] = found.as_slice() {
            problems.push(duplicate(name, first.name.span, second.name.span));
        }
        found.first().copied()
    }

    /// A list of values: the arguments of all children of that name (`files "a" "b"`, also repeated).
    pub fn list<T: FromScalar>(&mut self, name: &'static str, problems: &mut Problems) -> Vec<Spanned<T>> {
        let mut values = Vec::new();
        for child in self.children(name) {
            let mut fields = Fields::new(child);
            values.extend(fields.args(&format!("`{name}`"), problems));
            fields.finish(problems);
            if child.args.is_empty() {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, format!("`{name}` needs at least one value"), child.span)
                        .help(format!("write `{name} {}`, or remove the line", placeholder::<T>())),
                );
            }
        }
        values
    }

    /// Reports arguments, properties and children that nobody took.
    pub fn finish(self, problems: &mut Problems) {
        let owner = &self.node.name.value;
        for arg in &self.node.args[self.args_taken..] {
            problems.push(
                Problem::new(ReasonCode::FieldUnknown, format!("`{owner}` takes no further value"), arg.span)
                    .label("this one is too much")
                    .help("remove it"),
            );
        }
        let props = self.node.props.iter().map(|(name, _)| name).zip(&self.props_taken);
        let children = self.node.children.iter().map(|c| &c.name).zip(&self.children_taken);
        for (name, _) in props.chain(children).filter(|(_, taken)| !**taken) {
            problems.push(unknown(owner, name, &self.known));
        }
    }
}

/// Reports a field that its owner does not know.
fn unknown(owner: &str, name: &Spanned<String>, known: &[&'static str]) -> Problem {
    let problem = Problem::new(ReasonCode::FieldUnknown, format!("`{owner}` has no field `{}`", **name), name.span);
    match closest(name, known.iter().copied()) {
        Some(near) if near == **name => Problem::new(
            ReasonCode::FieldUnknown,
            format!("`{near}` is a node of its own below `{owner}`, not a property of it"),
            name.span,
        )
        .help(format!("write `{near} …` on a line of its own, within the braces")),
        Some(near) => problem.label(format!("did you mean `{near}`?")).help(format!("write `{near}`")),
        None => {
            let mut names: Vec<_> = known.to_vec();
            names.sort_unstable();
            names.dedup();
            match names.as_slice() {
                [] => problem.help(format!("`{owner}` has no fields")),
                names => problem.help(format!("`{owner}` knows {}", names.join(", "))),
            }
        }
    }
}

fn duplicate(name: &str, first: Span, second: Span) -> Problem {
    Problem::new(ReasonCode::FieldDuplicate, format!("`{name}` is said twice"), second)
        .label("said again here")
        .also(first, "first said here")
        .help("keep one of the two")
}

fn placeholder<T: FromScalar>() -> &'static str {
    if T::EXPECTED.starts_with("a whole") {
        "1"
    } else if T::EXPECTED.contains("#true") {
        "#true"
    } else {
        "\"…\""
    }
}

fn decode<T: FromScalar>(scalar: &Spanned<Scalar>, what: &str, problems: &mut Problems) -> Option<Spanned<T>> {
    match T::from_scalar(scalar) {
        Some(value) => Some(Spanned::new(value, scalar.span)),
        None => {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, format!("{what} is {} here", describe(scalar)), scalar.span)
                    .label(format!("expected {}", T::EXPECTED))
                    .help(instead::<T>(scalar)),
            );
            None
        }
    }
}

/// What to write instead of a value that is not of its type.
fn instead<T: FromScalar>(scalar: &Scalar) -> String {
    let quoted = match scalar {
        Scalar::Integer(i) => Some(i.to_string()),
        Scalar::Number(n) => Some(n.clone()),
        Scalar::Bool(b) => Some(b.to_string()),
        Scalar::Text(_) | Scalar::Null => None,
    };
    if let Some(text) = quoted.filter(|text| T::from_scalar(&Scalar::Text(text.clone())).is_some()) {
        return format!("put it in quotes: `\"{text}\"`");
    }
    if let Scalar::Text(text) = scalar {
        if text.parse().is_ok_and(|i| T::from_scalar(&Scalar::Integer(i)).is_some()) {
            return format!("write it without quotes: `{text}`");
        }
        if text.parse().is_ok_and(|b| T::from_scalar(&Scalar::Bool(b)).is_some()) {
            return format!("write it without quotes: `#{text}`");
        }
        let words = T::EXPECTED.split('`').skip(1).step_by(2);
        let accepted = words.filter(|word| T::from_scalar(&Scalar::Text((*word).to_owned())).is_some());
        if let Some(near) = closest(text, accepted) {
            return format!("did you mean `{near}`?");
        }
    }
    format!("replace it by {}", T::EXPECTED)
}

fn describe(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Text(text) => format!("the text `{}`", text.escape_debug().take(60).collect::<String>()),
        Scalar::Integer(i) => format!("the number {i}"),
        Scalar::Number(n) => format!("the number {n}"),
        Scalar::Bool(_) | Scalar::Null => scalar.kind().to_owned(),
    }
}
