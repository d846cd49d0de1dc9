//! What messages propose to write: said once, in KDL, and shown in the syntax of the document.

use super::kdl;
use super::yaml::write;

/// A text whose snippets between backticks are KDL, with those snippets in YAML.
pub(super) fn in_yaml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, part) in text.split('`').enumerate() {
        if i > 0 {
            out.push('`');
        }
        match (i % 2 == 1).then(|| snippet(part)).flatten() {
            Some(yaml) => out.push_str(&yaml),
            None => out.push_str(part),
        }
    }
    out
}

/// A snippet in YAML; `None` for a single word, and for what is not KDL.
fn snippet(text: &str) -> Option<String> {
    if !text.contains(['"', '=', '{', '#', ' ']) || text.len() > 400 {
        return None;
    }
    if let Some(nodes) = kdl::snippet(text)
        && let [node] = nodes.as_slice()
    {
        // Two bare words are a command, or prose.
        let alone = node.args.is_empty() && node.props.is_empty() && node.children.is_empty();
        return (!alone && text.contains(['"', '=', '{', '#'])).then(|| write::snippet(node));
    }
    let nodes = kdl::snippet(&format!("_ {text}"))?;
    let [node] = nodes.as_slice() else { return None };
    Some(write::fields(node))
}

#[cfg(test)]
mod tests {
    use super::in_yaml;

    #[test]
    fn proposals_are_shown_in_yaml() {
        for (kdl, yaml) in [
            ("write `pipeline \"name\" { … }`", "write `pipeline name: …`"),
            ("write `project \"name\"`", "write `project: name`"),
            ("add `gate=\"…\"` with the gate", "add `gate: …` with the gate"),
            ("expected `#true` or `#false`", "expected `true` or `false`"),
            ("add `run \"program\" \"argument\"`, or `uses=\"…\"`", "add `run: [program, argument]`, or `uses: …`"),
            (
                "write `blueprint \"name\" revision=1 kristal=\"4\" { … }`",
                "write `blueprint name: {revision: 1, kristal: \"4\", …}`",
            ),
            ("write `near`, or declare `stage \"x\"`", "write `near`, or declare `stage: x`"),
            ("put it in quotes: `\"1.0\"`", "put it in quotes: `\"1.0\"`"),
            ("run `orgo init`", "run `orgo init`"),
            ("a name (a-z, 0-9, `.`, `_`, `-`)", "a name (a-z, 0-9, `.`, `_`, `-`)"),
            ("an odd ` tick \"", "an odd ` tick \""),
        ] {
            assert_eq!(in_yaml(kdl), yaml);
        }
    }
}
