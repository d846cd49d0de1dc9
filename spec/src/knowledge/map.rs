//! Extraction maps: columns to properties.

use crate::document::{Document, DocumentError, Fields, FromScalar, Node, Problem, Problems, Scalar, parse};
use crate::{Name, ReasonCode};

/// A map: one entry for each source that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Sources in the order in which they are written.
    pub sources: Vec<SourceMap>,
}

/// How to read one CSV source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMap {
    /// Name of the snapshot.
    pub name: Name,
    /// Column that names the subject of a record.
    pub subject: String,
    /// Key space of the registry that the names belong to; labels if absent.
    pub key: Option<Name>,
    /// Columns that are read.
    pub columns: Vec<ColumnMap>,
    /// Columns that are deliberately not read.
    pub skip: Vec<String>,
    /// Cell texts that mean "no value", beside the empty cell.
    pub missing: Vec<String>,
}

/// What one column says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMap {
    /// Header of the column.
    pub column: String,
    /// Name of the property.
    pub property: Name,
    /// Kind of its values.
    pub kind: ValueKind,
    /// Name of the unit, for quantities.
    pub unit: Option<Name>,
    /// Key space that item names belong to.
    pub key: Option<Name>,
    /// Language, for text in a language.
    pub lang: Option<String>,
    /// Conditions that hold for the whole column: property and text.
    pub qualifiers: Vec<(Name, String)>,
}

/// Kinds of values, as maps and rules write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueKind {
    /// `string`
    String,
    /// `quantity`
    Quantity,
    /// `item`
    Item,
    /// `time`
    Time,
    /// `monolingual-text`
    MonolingualText,
    /// `url`
    Url,
}

impl ValueKind {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Quantity => "quantity",
            Self::Item => "item",
            Self::Time => "time",
            Self::MonolingualText => "monolingual-text",
            Self::Url => "url",
        }
    }
}

impl FromScalar for ValueKind {
    const EXPECTED: &'static str = "one of `string`, `quantity`, `item`, `time`, `monolingual-text`, `url`";

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        let Scalar::Text(text) = scalar else { return None };
        [Self::String, Self::Quantity, Self::Item, Self::Time, Self::MonolingualText, Self::Url]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

impl Map {
    /// Decodes a map.
    ///
    /// # Errors
    /// [`DocumentError`] with everything that is wrong.
    pub fn decode(document: &Document) -> Result<Self, DocumentError> {
        let nodes = parse(document)?;
        let mut problems = Problems::new(document);
        let mut sources: Vec<SourceMap> = Vec::new();
        for node in &nodes {
            if *node.name != "source" {
                problems.push(super::rules::unknown_node(node, &["source"]));
                continue;
            }
            let Some(source) = source(node, &mut problems) else { continue };
            if sources.iter().any(|s| s.name == source.name) {
                problems.push(
                    Problem::new(ReasonCode::FieldDuplicate, format!("`{}` is mapped twice", source.name), node.span)
                        .help("join the two blocks"),
                );
            }
            sources.push(source);
        }
        if sources.is_empty() && problems.is_empty() {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "the map names no source", Default::default())
                    .help("write `source \"name\" { … }`, where the name is that of a snapshot"),
            );
        }
        problems.check(Some(Self { sources }))
    }
}

fn source(node: &Node, problems: &mut Problems) -> Option<SourceMap> {
    let mut fields = Fields::new(node);
    let name = fields.arg::<Name>("the name of a snapshot", problems);
    let mut subject = None;
    let mut key = None;
    match fields.child("subject", problems) {
        Some(child) => {
            let mut inner = Fields::new(child);
            subject = inner.required::<String>("column", problems);
            key = inner.one::<Name>("key", problems);
            inner.finish(problems);
        }
        None => problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "`source` needs `subject`", node.name.span)
                .help("add `subject column=\"…\"`: the column that names what a record is about"),
        ),
    }
    let children = fields.children("column");
    let columns: Vec<_> = children.iter().filter_map(|child| Some((column(child, problems)?, child.span))).collect();
    let skip: Vec<_> = fields.list::<String>("skip", problems);
    let missing = fields.list::<String>("missing", problems).into_iter().map(|m| m.value).collect();
    fields.finish(problems);
    if children.is_empty() {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "`source` maps no column", node.name.span)
                .help("add `column \"…\" property=\"…\" datatype=\"…\"`"),
        );
    }
    for (i, (column, span)) in columns.iter().enumerate() {
        if let Some((_, first)) = columns[..i].iter().find(|(c, _)| c.column == column.column) {
            problems.push(twice(&column.column, "mapped twice", *span).also(*first, "first mapped here"));
        }
        if let Some(skipped) = skip.iter().find(|s| s.value == column.column) {
            problems.push(twice(&column.column, "mapped and skipped", skipped.span).also(*span, "mapped here"));
        }
    }
    Some(SourceMap {
        name: name?.value,
        subject: subject?.value,
        key: key.map(|k| k.value),
        columns: columns.into_iter().map(|(c, _)| c).collect(),
        skip: skip.into_iter().map(|s| s.value).collect(),
        missing,
    })
}

fn twice(column: &str, how: &str, span: crate::document::Span) -> Problem {
    Problem::new(ReasonCode::FieldDuplicate, format!("column `{column}` is {how}"), span).help("keep one of the two")
}

fn column(node: &Node, problems: &mut Problems) -> Option<ColumnMap> {
    let mut fields = Fields::new(node);
    let column = fields.arg::<String>("the header of a column", problems);
    let property = fields.required::<Name>("property", problems);
    let kind = fields.required::<ValueKind>("datatype", problems);
    let unit = fields.one::<Name>("unit", problems);
    let key = fields.one::<Name>("key", problems);
    let lang = fields.one::<String>("lang", problems);
    let mut qualifiers = Vec::new();
    for child in fields.children("qualifier") {
        let mut inner = Fields::new(child);
        let name = inner.arg::<Name>("the name of a property", problems);
        let value = inner.arg::<String>("a value", problems);
        inner.finish(problems);
        qualifiers.extend(name.zip(value).map(|(n, v)| (n.value, v.value)));
    }
    fields.finish(problems);
    let kind = kind?.value;
    let mut only_for = |there: bool, field: &str, wanted: ValueKind| {
        if there && kind != wanted {
            problems.push(
                Problem::new(
                    ReasonCode::DocumentInvalid,
                    format!("`{field}` is for `{}` only", wanted.as_str()),
                    node.span,
                )
                .help(format!("remove `{field}`, or write `datatype=\"{}\"`", wanted.as_str())),
            );
        }
    };
    only_for(unit.is_some(), "unit", ValueKind::Quantity);
    only_for(key.is_some(), "key", ValueKind::Item);
    only_for(lang.is_some(), "lang", ValueKind::MonolingualText);
    if kind == ValueKind::MonolingualText && lang.is_none() {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "text in a language needs `lang`", node.span)
                .help("add `lang=\"en\"`, or write `datatype=\"string\"`"),
        );
    }
    Some(ColumnMap {
        column: column?.value,
        property: property?.value,
        kind,
        unit: unit.map(|u| u.value),
        key: key.map(|k| k.value),
        lang: lang.map(|l| l.value),
        qualifiers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Map, Vec<String>> {
        Map::decode(&Document::new("maps/m.kdl", text))
            .map_err(|e| e.problems().map(|p| p.message().to_owned()).collect())
    }

    #[test]
    fn a_map_says_what_each_column_means() {
        let map = decode(
            r#"source "a" {
                subject column="symbol" key="symbol"
                column "density" property="density" datatype="quantity" unit="g" { qualifier "phase" "gas" }
                skip "x" "y"
                missing "NA"
            }"#,
        )
        .expect("decodes");
        let source = &map.sources[0];
        assert_eq!((source.subject.as_str(), source.skip.len(), source.missing.len()), ("symbol", 2, 1));
        let column = &source.columns[0];
        assert_eq!(column.kind, ValueKind::Quantity);
        assert_eq!(column.qualifiers, [(Name::new("phase").expect("a name"), "gas".to_owned())]);
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let problems = decode(
            r#"source "a" {
                column "x" property="p" datatype="string" unit="g"
                column "x" property="p" datatype="number"
                column "y" property="p" datatype="monolingual-text"
                column "z" property="p" datatype="string"
                column "z" property="q" datatype="string"
                skip "z"
            }
            sauce "b""#,
        )
        .expect_err("many mistakes");
        for expected in [
            "`source` needs `subject`",
            "`unit` is for `quantity` only",
            "`datatype` is the text `number` here",
            "text in a language needs `lang`",
            "column `z` is mapped twice",
            "column `z` is mapped and skipped",
            "`sauce` is not known here",
        ] {
            assert!(problems.iter().any(|p| p == expected), "{expected}: {problems:?}");
        }
        assert!(decode("").is_err());
    }
}
