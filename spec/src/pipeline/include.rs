//! Included documents: read once each, checked for circles, their places behind those of the document that includes.

use crate::ReasonCode;
use crate::document::{
    Document, DocumentError, Fields, Node, Problem, Problems, ReadText, RelativePath, Spanned, parse,
};

/// The most documents that one may include, directly or not.
const MAX_FILES: usize = 256;
/// The most text that they may have together, in bytes.
const MAX_BYTES: u32 = 256 << 20;

/// A document and what it includes.
pub(super) struct Whole {
    /// The document, which knows the places of all.
    pub(super) document: Document,
    /// Its own nodes, `include` left out.
    pub(super) nodes: Vec<Node>,
    /// Whether it includes anything.
    pub(super) includes: bool,
    /// Nodes of included documents: templates.
    pub(super) included: Vec<Node>,
    /// What was found on the way.
    pub(super) problems: Vec<Problem>,
}

struct Reader<'r> {
    read: &'r ReadText<'r>,
    /// Paths of the documents that are being read, outermost first.
    open: Vec<String>,
    /// Documents that were read, and where their places begin.
    done: Vec<(u32, Document)>,
    next: u32,
    included: Vec<Node>,
    problems: Vec<Problem>,
}

/// Reads a document and what it includes.
///
/// # Errors
/// [`DocumentError`] if one of them is not well formed.
pub(super) fn read(document: &Document, read: &ReadText<'_>) -> Result<Whole, DocumentError> {
    let mut nodes = parse(document)?;
    if !nodes.iter().any(|n| *n.name == "include") {
        return Ok(Whole {
            document: document.clone(),
            nodes,
            includes: false,
            included: Vec::new(),
            problems: Vec::new(),
        });
    }
    let mut reader = Reader {
        read,
        open: vec![document.name().to_owned()],
        done: Vec::new(),
        next: length(document),
        included: Vec::new(),
        problems: Vec::new(),
    };
    reader.follow(&mut nodes)?;
    let Reader { done, included, problems, .. } = reader;
    Ok(Whole { document: document.clone().including(done), nodes, includes: true, included, problems })
}

/// One more than the text has bytes, so that the place behind its end is still its own.
fn length(document: &Document) -> u32 {
    u32::try_from(document.text().len()).unwrap_or(u32::MAX).saturating_add(1)
}

impl Reader<'_> {
    /// Takes the `include` nodes out and reads what they name.
    fn follow(&mut self, nodes: &mut Vec<Node>) -> Result<(), DocumentError> {
        let (includes, others): (Vec<Node>, Vec<Node>) = nodes.drain(..).partition(|n| *n.name == "include");
        *nodes = others;
        for node in includes {
            let mut scratch = Problems::new(&Document::new("", ""));
            let mut fields = Fields::new(&node);
            let path = fields.arg::<RelativePath>("a path", &mut scratch);
            fields.finish(&mut scratch);
            self.problems.extend(scratch.into_list());
            if let Some(path) = path {
                self.include(&path)?;
            }
        }
        Ok(())
    }

    fn include(&mut self, path: &Spanned<RelativePath>) -> Result<(), DocumentError> {
        if self.open.iter().any(|open| open == path.as_str()) {
            let circle: Vec<_> = self.open.iter().map(String::as_str).chain([path.as_str()]).collect();
            self.problems.push(
                Problem::new(
                    ReasonCode::DocumentInvalid,
                    format!("documents include each other in a circle: {}", circle.join(" → ")),
                    path.span,
                )
                .help("remove one of these `include`"),
            );
            return Ok(());
        }
        if self.done.iter().any(|(_, document)| document.name() == path.as_str()) {
            return Ok(());
        }
        let text = match (self.read)(&path.value) {
            Ok(text) => text,
            Err(refused) => {
                self.problems.push(Problem::new(refused.code, refused.message, path.span).help(refused.help));
                return Ok(());
            }
        };
        let document = Document::new(path.as_str(), text);
        let base = self.next;
        self.next = base.saturating_add(length(&document));
        if self.done.len() >= MAX_FILES || self.next > MAX_BYTES {
            self.problems.push(
                Problem::new(ReasonCode::InputTooLarge, "the document includes too much", path.span)
                    .help(format!("include at most {MAX_FILES} documents of {} MiB together", MAX_BYTES >> 20)),
            );
            return Ok(());
        }
        let mut nodes = parse(&document)?;
        nodes.iter_mut().for_each(|node| node.shift(base));
        self.done.push((base, document));
        self.open.push(path.as_str().to_owned());
        self.follow(&mut nodes)?;
        self.open.pop();
        for node in nodes {
            if *node.name == "template" {
                self.included.push(node);
            } else {
                self.problems.push(
                    Problem::new(
                        ReasonCode::FieldUnknown,
                        format!("`{}` may not stand in an included document", *node.name),
                        node.name.span,
                    )
                    .help("an included document holds templates and further includes"),
                );
            }
        }
        Ok(())
    }
}
