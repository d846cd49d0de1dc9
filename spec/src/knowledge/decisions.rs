//! Stewards' decisions: one line each, sorted, with both values as published and a reason.

use crate::artifact::evidence::{Locator, LocatorKind};
use crate::document::{Document, DocumentError, Fields, Node, Problem, Problems, Syntax, parse};
use crate::{Name, ReasonCode};

/// A decision between two published values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub verdict: Verdict,
    /// Name of the subject: an identifier, a label or an id of the registry.
    pub subject: String,
    /// Name of the property.
    pub property: Name,
    /// The source whose value is preferred or qualified.
    pub source: String,
    /// Its value, exactly as published.
    pub value: String,
    /// The value of another source, exactly as published.
    pub against: String,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The line, without its line feed.
    pub line: Locator,
    /// The text of the line.
    pub text: String,
}

/// What a decision does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The source is preferred; the other stays normal.
    Prefer,
    /// The value gets the qualifier that it lacks.
    Qualify {
        /// Name of the property.
        qualifier: Name,
        /// Its value.
        value: String,
    },
}

/// Decodes a file of decisions; a file without any is fine.
///
/// # Errors
/// [`DocumentError`] with everything that is wrong, lines out of order included: sorted files merge well.
pub fn decode_decisions(document: &Document) -> Result<Vec<Decision>, DocumentError> {
    let nodes = parse(document)?;
    let mut problems = Problems::new(document);
    let mut decisions: Vec<Decision> = Vec::new();
    for node in &nodes {
        let Some(decision) = decision(document, node, &mut problems) else { continue };
        if let Some(last) = decisions.last() {
            let key = |d: &Decision| (d.subject.clone(), d.property.clone(), d.source.clone(), d.value.clone());
            match key(last).cmp(&key(&decision)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => problems.push(
                    Problem::new(ReasonCode::FieldDuplicate, "this is decided twice", node.span)
                        .help("keep one of the two lines"),
                ),
                std::cmp::Ordering::Greater => problems.push(
                    Problem::new(
                        ReasonCode::DocumentInvalid,
                        format!(
                            "the line about `{}` belongs before the one about `{}`",
                            decision.subject, last.subject
                        ),
                        node.span,
                    )
                    .help("sort by subject, then property, then source, then value, by bytes"),
                ),
            }
        }
        decisions.push(decision);
    }
    problems.check(Some(decisions))
}

fn decision(document: &Document, node: &Node, problems: &mut Problems) -> Option<Decision> {
    let mut fields = Fields::new(node);
    let verb = node.name.as_str();
    if !matches!(verb, "prefer" | "qualify") {
        problems.push(super::rules::unknown_node(node, &["prefer", "qualify"]));
        return None;
    }
    let subject = fields.required::<String>("subject", problems);
    let property = fields.required::<Name>("property", problems);
    let source = fields.required::<String>("source", problems);
    let value = fields.required::<String>("value", problems);
    let against = fields.required::<String>("against", problems);
    let verdict = if verb == "prefer" {
        Some(Verdict::Prefer)
    } else {
        let qualifier = fields.required::<Name>("qualifier", problems);
        let value = fields.required::<String>("as", problems);
        qualifier.zip(value).map(|(q, v)| Verdict::Qualify { qualifier: q.value, value: v.value })
    };
    let by = fields.required::<String>("by", problems);
    let reason = fields.required::<String>("reason", problems);
    fields.finish(problems);
    for (name, field) in [("by", &by), ("reason", &reason)] {
        if let Some(field) = field.as_ref().filter(|f| f.trim().is_empty()) {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, format!("`{name}` is empty"), field.span)
                    .help("a decision without author and reason cannot be followed"),
            );
        }
    }
    let (line, text) = line(document, node);
    if node_text(document, node).contains(['\n', '\r']) || !begins(document, &text).starts_with(verb) {
        problems.push(
            Problem::new(ReasonCode::DocumentInvalid, "a decision is one line", node.span)
                .help("its line is the evidence; write it without a line break"),
        );
    }
    Some(Decision {
        verdict: verdict?,
        subject: subject?.value,
        property: property?.value,
        source: source?.value,
        value: value?.value,
        against: against?.value,
        by: by?.value,
        reason: reason?.value,
        line,
        text,
    })
}

/// The line from its first word on: in YAML a decision is an item of a list.
fn begins<'t>(document: &Document, line: &'t str) -> &'t str {
    let line = line.trim_start();
    match document.syntax() {
        Syntax::Kdl => line,
        Syntax::Yaml => line.strip_prefix('-').map_or(line, str::trim_start),
    }
}

fn node_text<'d>(document: &'d Document, node: &Node) -> &'d str {
    let start = node.name.span.offset as usize;
    let end = (node.span.offset + node.span.len) as usize;
    document.text().get(start..end).unwrap_or("").trim_end()
}

/// The whole line that the node begins on.
fn line(document: &Document, node: &Node) -> (Locator, String) {
    let text = document.text();
    let at = (node.name.span.offset as usize).min(text.len());
    let start = text.as_bytes()[..at].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let end = text.as_bytes()[at..].iter().position(|b| *b == b'\n').map_or(text.len(), |i| at + i);
    let number = text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count() + 1;
    let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let locator =
        Locator { kind: LocatorKind::Line, start: wide(start), end: wide(end), line: wide(number), column: 1 };
    (locator, text[start..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TC: &str =
        r#"prefer subject="Tc" property="mass" source="m" value="97.9" against="98.0" by="a@b" reason="measured""#;
    const H: &str = r#"qualify subject="H" property="density" source="p" value="0.0708" qualifier="phase" as="liquid" against="8.2e-05" by="a@b" reason="liquid""#;

    fn decode(text: &str) -> Result<Vec<Decision>, Vec<String>> {
        decode_decisions(&Document::new("decisions/d.kdl", text))
            .map_err(|e| e.problems().map(|p| p.message().to_owned()).collect())
    }

    #[test]
    fn a_decision_knows_its_own_line() {
        let text = format!("// by the stewards\n{H}\n\n{TC}\n");
        let decisions = decode(&text).expect("decodes");
        for (decision, (line, written)) in decisions.iter().zip([(2, H), (4, TC)]) {
            let range = usize::try_from(decision.line.start).expect("small")
                ..usize::try_from(decision.line.end).expect("small");
            assert_eq!(&text[range], written);
            assert_eq!((decision.line.line, decision.text.as_str()), (line, written));
        }
        assert_eq!(decisions[0].against, "8.2e-05", "values stay texts");
        assert_eq!(decode("").map(|d| d.len()), Ok(0));
    }

    #[test]
    fn in_yaml_a_decision_is_a_line_too() {
        let yaml = |text: &str| decode_decisions(&Document::new("decisions/d.yaml", text));
        let line = "- prefer: {subject: Tc, property: mass, source: m, value: \"97.9\", against: \"98.0\", by: a@b, reason: measured}";
        let decisions = yaml(&format!("# by the stewards\n{line}\n")).expect("decodes");
        assert_eq!((decisions[0].line.line, decisions[0].text.as_str()), (2, line));
        assert_eq!(decisions[0].value, "97.9");
        assert!(yaml(&line.replace(", by", ",\n  by")).is_err());
        assert!(yaml(&line.replace("\"97.9\"", "97.9")).is_err(), "a number is not a text as published");
    }

    #[test]
    fn disorder_repetition_and_missing_reasons_are_refused() {
        let message = |text: &str| decode(text).expect_err("refused").join("; ");
        assert!(message(&format!("{TC}\n{H}\n")).contains("belongs before"));
        assert!(message(&format!("{TC}\n{TC}\n")).contains("decided twice"));
        assert!(message(&TC.replace(" reason=\"measured\"", "")).contains("needs `reason`"));
        assert!(message(&TC.replace("measured", "  ")).contains("`reason` is empty"));
        assert!(message(&TC.replace("value=\"97.9\"", "value=97.9")).contains("`value` is the number 97.9 here"));
        assert!(message(&TC.replace(" source", " \\\n source")).contains("a decision is one line"));
        assert!(message(&format!("{H}; {TC}")).contains("a decision is one line"));
        assert!(message(&TC.replace("prefer", "average")).contains("`average` is not known here"));
        assert!(message(&H.replace(" as=\"liquid\"", "")).contains("needs `as`"));
    }
}
