//! Lists, item by item: lines of text, rows of CSV, rows of JSON.

use std::collections::BTreeMap;

use orgo_spec::canonical::{self, Profile, Value};
use orgo_spec::document::{Problem, Problems, ReadText, RelativePath, Span, Spanned};
use orgo_spec::{Digest, ReasonCode};

/// The longest part of an item that its name repeats, in bytes.
const MAX_SLUG: usize = 40;

/// A list that was read.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// What stands for the values of an item in texts: `case`, or `case.column`.
    pub(super) names: Vec<String>,
    /// The items, in order.
    pub(super) items: Vec<Item>,
}

/// One item.
#[derive(Debug)]
pub(super) struct Item {
    /// What it adds to the name of its stage.
    pub(super) label: String,
    /// A value for each of the names.
    pub(super) values: Vec<String>,
}

/// Reads a committed list; what is wrong with it is reported.
pub(super) fn read(item: &str, path: &Spanned<RelativePath>, read: &ReadText<'_>, problems: &mut Problems) -> Items {
    match read(path) {
        Ok(text) => of_text(item, path.as_str(), path.as_str(), &text, path.span, problems),
        Err(refused) => {
            problems.push(Problem::new(refused.code, refused.message, path.span).help(refused.help));
            Items::default()
        }
    }
}

/// The items of a list whose text is known; what is wrong with it is reported. The ending of its name says what it is;
/// `path` is what problems call it.
pub(super) fn of_text(item: &str, name: &str, path: &str, text: &str, span: Span, problems: &mut Problems) -> Items {
    let read = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv") => csv(item, text),
        Some("jsonl") => jsonl(item, text),
        Some(_) | None => Ok(lines(item, text)),
    };
    let invalid = |message: String| Problem::new(ReasonCode::ListInvalid, message, span);
    let (items, at) = match read {
        Ok(read) => read,
        Err((line, why)) => {
            problems.push(invalid(format!("`{path}` line {line}: {why}")).help("correct the line"));
            return Items::default();
        }
    };
    if items.items.is_empty() {
        problems.push(invalid(format!("`{path}` has no items")).help("write an item a line, or remove the stage"));
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (entry, line) in items.items.iter().zip(&at) {
        if let Some(earlier) = seen.insert(&entry.label, *line) {
            let what = entry.values.first().map_or("", String::as_str).escape_debug().take(60).collect::<String>();
            problems.push(
                invalid(format!("`{path}` has `{what}` in line {earlier} and again in line {line}"))
                    .label(format!("both are called `{}`", entry.label))
                    .help("remove one of them, or give rows distinct values of `name`"),
            );
            break;
        }
    }
    items
}

type Read = Result<(Items, Vec<usize>), (usize, String)>;

fn lines(item: &str, text: &str) -> (Items, Vec<usize>) {
    let filled = text.lines().zip(1..).map(|(line, n)| (line.trim_end_matches('\r'), n)).filter(|(l, _)| !l.is_empty());
    let (items, at) = filled
        .map(|(line, n)| (Item { label: label(line, line.as_bytes()), values: vec![line.to_owned()] }, n))
        .unzip();
    (Items { names: vec![item.to_owned()], items }, at)
}

/// The part of a name that stands for an item: its text if that is a name already, otherwise what is left of it and
/// the beginning of a digest of the item.
fn label(text: &str, content: &[u8]) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let exact =
        text.len() <= MAX_SLUG && text.chars().all(plain) && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if exact {
        return text.to_owned();
    }
    let mut slug = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        let c = if plain(c) { c } else { '-' };
        if slug.len() < MAX_SLUG && !(matches!(c, '-' | '.' | '_') && (slug.is_empty() || slug.ends_with('-'))) {
            slug.push(c);
        }
    }
    let digest = Digest::of(content).hex();
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { digest[..8].to_owned() } else { format!("{slug}-{}", &digest[..8]) }
}

/// Rows under a head of column names.
fn csv(item: &str, text: &str) -> Read {
    let mut rows = records(text)?.into_iter();
    let Some((columns, _)) = rows.next() else { return Ok((Items::default(), Vec::new())) };
    check_columns(&columns).map_err(|why| (1, why))?;
    let mut items = Vec::new();
    let mut at = Vec::new();
    for (values, line) in rows {
        if values.len() != columns.len() {
            return Err((line, format!("{} values for {} columns", values.len(), columns.len())));
        }
        let key = columns.iter().position(|c| c == "name").or(columns.iter().position(|c| c == "id")).unwrap_or(0);
        items.push(Item { label: label(&values[key], values.join("\0").as_bytes()), values });
        at.push(line);
    }
    Ok((Items { names: columns.iter().map(|c| format!("{item}.{c}")).collect(), items }, at))
}

fn check_columns(columns: &[String]) -> Result<(), String> {
    for (i, column) in columns.iter().enumerate() {
        if column.is_empty() || column.contains(['{', '}', '$']) {
            return Err(format!("`{}` cannot be the name of a column", column.escape_debug()));
        }
        if columns[..i].contains(column) {
            return Err(format!("two columns are called `{}`", column.escape_debug()));
        }
    }
    Ok(())
}

/// The values of a record and the line on which it begins.
type Record = (Vec<String>, usize);

/// Records of RFC 4180 with the lines on which they begin.
fn records(text: &str) -> Result<Vec<Record>, (usize, String)> {
    let mut records = Vec::new();
    let (mut record, mut value) = (Vec::new(), String::new());
    let (mut quoted, mut began) = (false, false);
    let (mut line, mut first) = (1, 1);
    let mut chars = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if value.is_empty() && !began => (quoted, began) = (true, true),
            '"' => return Err((line, "a quote within a value".to_owned())),
            ',' if !quoted => {
                record.push(std::mem::take(&mut value));
                began = false;
            }
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                if !(record.is_empty() && value.is_empty() && !began) {
                    record.push(std::mem::take(&mut value));
                    records.push((std::mem::take(&mut record), first));
                }
                (began, first) = (false, line);
            }
            c => value.push(c),
        }
    }
    if quoted {
        return Err((first, "a quote that is not closed".to_owned()));
    }
    if !(record.is_empty() && value.is_empty() && !began) {
        record.push(value);
        records.push((record, first));
    }
    Ok(records)
}

/// A JSON object a line; all have the members of the first.
fn jsonl(item: &str, text: &str) -> Read {
    let mut columns: Vec<String> = Vec::new();
    let mut items = Vec::new();
    let mut at = Vec::new();
    for (line, n) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        let value = canonical::parse(line.as_bytes(), Profile::DOCUMENT).map_err(|e| (n, e.to_string()))?;
        let object = value.as_object().ok_or((n, "not an object".to_owned()))?;
        let mut row: Vec<(String, String)> = Vec::new();
        for (name, value) in object.iter() {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(b) => b.to_string(),
                Value::Int(i) => i.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) | Value::Float(_) => {
                    return Err((n, format!("`{}` is not text, a whole number or a truth value", name.escape_debug())));
                }
            };
            row.push((name.to_owned(), text));
        }
        row.sort_unstable();
        let (names, values): (Vec<String>, Vec<String>) = row.into_iter().unzip();
        if items.is_empty() {
            check_columns(&names).map_err(|why| (n, why))?;
            columns = names;
        } else if columns != names {
            return Err((n, "other members than in the first line".to_owned()));
        }
        let key = columns.iter().position(|c| c == "name").or(columns.iter().position(|c| c == "id"));
        let content = canonical::to_bytes(&value);
        let text = key.or((!columns.is_empty()).then_some(0)).map_or("", |at| values[at].as_str());
        items.push(Item { label: label(text, &content), values });
        at.push(n);
    }
    Ok((Items { names: columns.iter().map(|c| format!("{item}.{c}")).collect(), items }, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_named_by_what_they_are() {
        assert_eq!(label("case-1", b"case-1"), "case-1");
        let odd = label("Über / two", b"x");
        assert!(odd.starts_with("ber-two-") && odd.len() == 8 + 8, "{odd}");
        assert_ne!(label("A", b"A"), label("a", b"a"), "case is not lost");
        assert_eq!(label("///", b"x").len(), 8);
    }

    #[test]
    fn rows_of_csv_may_be_quoted() {
        let (items, at) = csv("case", "name,text\none,\"a, \"\"b\"\"\nc\"\n\ntwo,\n").expect("well formed");
        assert_eq!(items.names, ["case.name", "case.text"]);
        assert_eq!(items.items[0].values, ["one", "a, \"b\"\nc"]);
        assert_eq!(items.items[1].values, ["two", ""]);
        assert_eq!((items.items[1].label.as_str(), at), ("two", vec![2, 5]));
        for (wrong, line) in [("a,b\n1\n", 2), ("a,a\n", 1), ("a\n\"x\n", 2), ("a\nx\"\n", 2)] {
            assert_eq!(csv("c", wrong).map(|_| ()).map_err(|(n, _)| n), Err(line), "{wrong:?}");
        }
    }

    #[test]
    fn rows_of_json_have_the_same_members() {
        let (items, _) = jsonl("c", "{\"n\":1,\"name\":\"x\"}\n{\"name\":\"y\",\"n\":2}\n").expect("well formed");
        assert_eq!(items.names, ["c.n", "c.name"]);
        assert_eq!(items.items[1].values, ["2", "y"]);
        assert_eq!(items.items[1].label, "y");
        assert!(jsonl("c", "{\"a\":1}\n{\"b\":1}\n").is_err());
        assert!(jsonl("c", "{\"a\":[]}\n").is_err());
    }
}
