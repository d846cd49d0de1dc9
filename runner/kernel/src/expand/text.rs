//! Texts with `${name}` in them: taken apart once, put together for every stage that they expand to.

use std::sync::Arc;

use orgo_spec::ReasonCode;
use orgo_spec::document::{Problem, Problems, RelativePath, Span, Spanned, closest};

/// What names stand for in the texts of one stage.
pub(super) struct Names<'p> {
    /// Parameters: they are the same for every stage.
    pub(super) fixed: &'p [(String, String)],
    /// Axes and columns of items, in the order of their values.
    pub(super) slots: Vec<String>,
    /// The item whose list is not known yet. The texts of such a stage stay as they would be written: `${item}` stays,
    /// and `${` stands for itself only as `$${`.
    pub(super) pending: Option<&'p str>,
    /// Whether the item may stand here before its list is known.
    pub(super) open: bool,
}

impl Names<'_> {
    fn is_pending(&self, name: &str) -> bool {
        self.pending
            .is_some_and(|item| name.strip_prefix(item).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Slot(usize),
}

/// A text that was taken apart.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pieces: Vec<Piece>,
    pub(super) span: Span,
}

impl Text {
    /// A text without names.
    pub(super) fn literal(text: String, span: Span) -> Self {
        Self { pieces: vec![Piece::Literal(text)], span }
    }

    /// Takes a text apart; `$${` stands for `${` itself. Unknown names are reported.
    pub(super) fn new(text: &str, span: Span, names: &Names<'_>, problems: &mut Problems) -> Self {
        if !text.contains("${") {
            return Self::literal(text.to_owned(), span);
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                literal.push_str(before);
                literal.push_str(if names.pending.is_some() { "$${" } else { "${" });
                rest = after;
                continue;
            }
            literal.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, "`${` is not closed", span)
                        .help("write `${name}`; `$${` stands for the characters themselves"),
                );
                rest = "";
                break;
            };
            if let Some((_, value)) = names.fixed.iter().find(|(known, _)| known == name) {
                match names.pending {
                    Some(_) => literal.push_str(&value.replace("${", "$${")),
                    None => literal.push_str(value),
                }
            } else if names.is_pending(name) && names.open {
                literal.extend(["${", name, "}"]);
            } else if let Some(slot) = names.slots.iter().position(|known| known == name) {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Slot(slot));
            } else {
                problems.push(unknown(name, span, names));
            }
            rest = behind;
        }
        literal.push_str(rest);
        if !literal.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Self { pieces, span }
    }

    /// As [`Text::new`], from a value with its place.
    pub(super) fn of(text: &Spanned<String>, names: &Names<'_>, problems: &mut Problems) -> Self {
        Self::new(text, text.span, names, problems)
    }

    /// The text, if it is the same for every stage.
    pub(super) fn fixed(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The text with the values of one stage.
    pub(super) fn apply(&self, values: &[&str]) -> String {
        if let Some(text) = self.fixed() {
            return text.to_owned();
        }
        let text = |piece: &Piece| match piece {
            Piece::Literal(text) => text.len(),
            Piece::Slot(slot) => values[*slot].len(),
        };
        let mut out = String::with_capacity(self.pieces.iter().map(text).sum());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Slot(slot) => out.push_str(values[*slot]),
            }
        }
        out
    }

    /// The path with the values of one stage; a value that makes it leave its folder is reported.
    pub(super) fn path(&self, values: &[&str], problems: &mut Problems) -> String {
        let path = self.apply(values);
        if RelativePath::new(&path).is_none() {
            problems.push(
                Problem::new(
                    ReasonCode::DocumentInvalid,
                    format!("`{}` is not a path within its folder", path.escape_debug()),
                    self.span,
                )
                .help("values that stand in paths have no empty part, no `..`, no backslash and no control character"),
            );
        }
        path
    }
}

fn unknown(name: &str, span: Span, names: &Names<'_>) -> Problem {
    let known = || names.fixed.iter().map(|(n, _)| n.as_str()).chain(names.slots.iter().map(String::as_str));
    let message = format!("`${{{}}}` stands for nothing here", name.escape_debug());
    let problem = Problem::new(ReasonCode::DocumentInvalid, message, span);
    if names.is_pending(name) {
        return problem
            .label("its list is not known before the run")
            .help("programs, tools and conditions are known before the run: hand the item on as an argument");
    }
    match closest(name, known()) {
        Some(near) => problem.label(format!("did you mean `${{{near}}}`?")).help(format!("write `${{{near}}}`")),
        None => {
            let list: Vec<_> = known().collect();
            let known = if list.is_empty() {
                "there are no parameters, axes and items".to_owned()
            } else {
                format!("known are {}", list.join(", "))
            };
            problem.help(format!("{known}; `$${{` stands for the characters themselves"))
        }
    }
}

/// A list of texts; one that is the same for every stage is shared by them.
pub(super) struct List {
    pub(super) texts: Vec<Text>,
    shared: Option<Arc<[String]>>,
    sorted: bool,
}

impl List {
    /// A list that keeps its order, or is sorted.
    pub(super) fn new(texts: Vec<Text>, sorted: bool) -> Self {
        let mut list = Self { texts, shared: None, sorted };
        if list.is_fixed() {
            list.shared = Some(list.make(&[]));
        }
        list
    }

    /// Whether the list is the same for every stage.
    pub(super) fn is_fixed(&self) -> bool {
        self.texts.iter().all(|t| t.fixed().is_some())
    }

    /// The list with the values of one stage.
    pub(super) fn get(&self, values: &[&str]) -> Arc<[String]> {
        self.shared.clone().unwrap_or_else(|| self.make(values))
    }

    fn make(&self, values: &[&str]) -> Arc<[String]> {
        let mut list: Vec<String> = self.texts.iter().map(|t| t.apply(values)).collect();
        if self.sorted {
            list.sort_unstable();
            list.dedup();
        }
        list.into()
    }
}
