//! Events of the parser to values with places.

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span as Range, StructureStyle};

use super::MAX_DEPTH;
use super::value::{Shape, Value};
use crate::ReasonCode;
use crate::document::comment::Comment;
use crate::document::problem::{Problem, Problems};
use crate::document::tree::Span;

/// Reads the only document of a text; `None` if there is none, or if it is not YAML (then a problem was reported).
pub(super) fn read(text: &str, problems: &mut Problems) -> Option<Value> {
    let options = granit_parser::options! {
        strict_indentation: true,
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder { text, open: Vec::new(), root: None };
    let mut documents = 0;
    for step in parser(text, options) {
        let (event, range) = match step {
            Ok(step) => step,
            Err(error) => {
                problems.push(syntax(&error, text));
                return None;
            }
        };
        if let Event::DocumentStart(..) = event {
            documents += 1;
            if documents > 1 {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, "a file holds one document", place(range, text))
                        .label("a second one begins here")
                        .help("write it into a file of its own"),
                );
                return builder.root;
            }
        }
        builder.take(event, range, problems);
        if builder.open.len() > MAX_DEPTH {
            let message = format!("mappings and lists nest deeper than {MAX_DEPTH}");
            problems
                .push(Problem::new(ReasonCode::InputTooDeep, message, place(range, text)).help("flatten the document"));
            return None;
        }
    }
    builder.root
}

/// The comments of a text that is YAML, in order.
pub(in crate::document) fn comments(text: &str) -> Vec<Comment> {
    let options = granit_parser::options! { max_buffered_comment_events: text.len() };
    let mut found = Vec::new();
    for (event, range) in parser(text, options).map_while(Result::ok) {
        if let Event::Comment(words, _) = event {
            found.push(Comment::new(place(range, text), words.trim_end(), text));
        }
    }
    found.sort_by_key(|comment| comment.span);
    found
}

fn parser(text: &str, options: Options) -> Parser<'_, granit_parser::StrInput<'_>> {
    Parser::new_from_str_with_options(text, options)
}

struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    root: Option<Value>,
}

/// A mapping or a list that is not closed yet.
struct Open {
    shape: Shape,
    /// The key that waits for its value.
    key: Option<Value>,
    from: usize,
    flow: bool,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, range: Range, problems: &mut Problems) {
        let here = place(range, self.text);
        if event.tag().is_some() {
            let at = range.tag_span().map_or(here, |tag| place(tag, self.text));
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "tags are not read", at)
                    .label("this tag")
                    .help("remove it; text that looks like a number is written in quotes"),
            );
        }
        match event {
            Event::Scalar(text, style, ..) => self.put(scalar(text.into_owned(), style, here, self.text)),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                problems.push(
                    Problem::new(ReasonCode::DocumentInvalid, "aliases are not read", here)
                        .label("this alias")
                        .help("write out what it stands for; text that begins with `*` is written in quotes"),
                );
                self.put(Value { shape: Shape::Text { text: String::new(), plain: true, exact: false }, span: here });
            }
            Event::Anchor(..) => problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "anchors are not read", here)
                    .label("this anchor")
                    .help("remove it; text that begins with `&` is written in quotes"),
            ),
            Event::SequenceStart(style, ..) => self.begin(Shape::List(Vec::new()), style, here),
            Event::MappingStart(style, ..) => self.begin(Shape::Map(Vec::new()), style, here),
            Event::SequenceEnd | Event::MappingEnd => self.end(here),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Comment(..)
            | _ => {}
        }
    }

    fn begin(&mut self, shape: Shape, style: StructureStyle, here: Span) {
        let from = here.offset as usize;
        self.open.push(Open { shape, key: None, from, flow: style == StructureStyle::Flow });
    }

    fn end(&mut self, here: Span) {
        let Some(open) = self.open.pop() else { return };
        let to = if open.flow { end_of(here) } else { open.shape.end().unwrap_or(open.from) };
        self.put(Value { shape: open.shape, span: Span::new(open.from, to.saturating_sub(open.from)) });
    }

    fn put(&mut self, value: Value) {
        let Some(open) = self.open.last_mut() else {
            self.root = self.root.take().or(Some(value));
            return;
        };
        match &mut open.shape {
            Shape::List(items) => items.push(value),
            Shape::Map(entries) => match open.key.take() {
                Some(key) => entries.push((key, value)),
                None => open.key = Some(value),
            },
            Shape::Text { .. } => {}
        }
    }
}

fn end_of(span: Span) -> usize {
    span.offset as usize + span.len as usize
}

fn scalar(value: String, style: ScalarStyle, here: Span, text: &str) -> Value {
    let written = &text[here.offset as usize..end_of(here)];
    let (plain, inside) = match style {
        ScalarStyle::Plain => (true, written),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            (false, written.get(1..written.len().saturating_sub(1)).unwrap_or(""))
        }
        ScalarStyle::Literal | ScalarStyle::Folded => (false, ""),
    };
    // What is not written comes as `~`.
    let value = if plain && written.is_empty() { String::new() } else { value };
    let exact = inside == value;
    Value { shape: Shape::Text { text: value, plain, exact }, span: here }
}

/// The place of a range, without blanks at its end, within the text.
fn place(range: Range, text: &str) -> Span {
    let at = |offset: Option<usize>| {
        let mut at = offset.unwrap_or(0).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (from, to) = (at(range.start.byte_offset()), at(range.end.byte_offset()));
    Span::new(from, text[from..to.max(from)].trim_end().len())
}

/// A mistake of syntax in our words, where we have any.
fn syntax(error: &ScanError, text: &str) -> Problem {
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let rest = text.get(at..).unwrap_or("");
    let len = rest.chars().next().filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
    let said = error.info();
    let span = Span::new(at, len);
    if said.contains("nesting") || said.contains("recursion") {
        let message = format!("mappings and lists nest deeper than {MAX_DEPTH}");
        return Problem::new(ReasonCode::InputTooDeep, message, span).help("flatten the document");
    }
    let tab = text[..at.min(text.len())].rfind('\n').map_or(0, |i| i + 1);
    let line = text[tab..].lines().next().unwrap_or("");
    let indented_by_tab = line.chars().take_while(|c| matches!(c, ' ' | '\t')).any(|c| c == '\t');
    let help = if indented_by_tab || said.contains("tab") {
        "indent with spaces; YAML has no tabs there"
    } else if said.contains("directive") {
        "remove the line; text that begins with `%` is written in quotes"
    } else if said.contains("mapping values are not allowed") {
        "put text that holds a colon and a blank in quotes, or begin a line of its own for the second key"
    } else {
        "see whether brackets and quotes are closed, and lines begin in the right column"
    };
    Problem::new(ReasonCode::DocumentInvalid, format!("not YAML: {said}"), span).help(help)
}
