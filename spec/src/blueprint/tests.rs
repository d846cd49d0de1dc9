use super::*;
use crate::ReasonCode;
use crate::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION};
use crate::document::{Document, DocumentError, Problem};
use crate::schema;

fn digest(digit: char) -> Digest {
    Digest::from_hex(&digit.to_string().repeat(64)).expect("64 digits")
}

/// The parts of a blueprint, one node each, in some order.
fn nodes() -> Vec<String> {
    let (set, schemas) = (schema::schema_set_id(), schema::artifact_schemas());
    vec![
        format!("mandate \"m\" id=\"{}\"", digest('1')),
        format!(
            "kristal version=\"4\" schema-set=\"{set}\" canonicalization=\"{CANONICALIZATION_PROFILE}\" canonicalization-version=\"{CANONICALIZATION_VERSION}\""
        ),
        format!("toolchain lock=\"{}\"", digest('2')),
        format!("schema \"a\" id=\"{}\" sha256=\"{}\"", schemas[0].0, schemas[0].1),
        format!("ontology \"o\" version=\"1\" path=\"o\" sha256=\"{}\"", digest('3')),
        format!("policy \"p\" version=\"1.2\" path=\"p\" sha256=\"{}\"", digest('4')),
        format!("pin \"map\" path=\"a\" sha256=\"{}\"", digest('5')),
        format!("pin \"map\" path=\"b\" sha256=\"{}\"", digest('6')),
        "step \"one\" owner=\"chokmah\" { input \"x\" \"y\"; output \"z\"; guard \"g\"; determinism tool=\"orgo\"; }"
            .to_owned(),
        "step \"two\" owner=\"kristal\" { input \"z\"; output \"k\"; guard \"g\"; gate \"a\"; determinism seed=1; target tenant=\"t\" environment=\"e\" channel=\"c\"; rollback \"pinned\"; }"
            .to_owned(),
    ]
}

fn document(nodes: &[String]) -> Document {
    let nodes: String = nodes.iter().map(|n| format!("    {n}\n")).collect();
    Document::new("blueprints/b.kdl", format!("blueprint \"b\" revision=1 {{\n{nodes}}}\n"))
}

fn parse(nodes: &[String]) -> Result<Blueprint, DocumentError> {
    Blueprint::parse(&document(nodes))
}

fn codes<T>(result: Result<T, DocumentError>) -> Vec<ReasonCode> {
    result.map_or_else(|e| e.problems().map(Problem::code).collect(), |_| vec![])
}

/// The codes after one text in the document was replaced by another.
fn changed(from: &str, to: &str) -> Vec<ReasonCode> {
    let text = document(&nodes()).text().to_owned();
    assert!(text.contains(from), "{from}");
    codes(Blueprint::parse(&Document::new("blueprints/b.kdl", text.replacen(from, to, 1))))
}

fn as_pinned(path: &str) -> Option<Digest> {
    let digit = match path {
        "orgo.lock" => '2',
        "o" => '3',
        "p" => '4',
        "a" => '5',
        "b" => '6',
        _ => return None,
    };
    Some(digest(digit))
}

#[test]
fn pins_hold_or_are_named_with_what_is_there() {
    let document = document(&nodes());
    let blueprint = Blueprint::parse(&document).expect("well formed");
    assert!(blueprint.check(&document, Some(digest('1')), as_pinned).is_ok());
    let otherwise = |path: &str| match path {
        "a" => Some(digest('f')),
        "orgo.lock" => None,
        other => as_pinned(other),
    };
    let error = blueprint.check(&document, Some(digest('1')), otherwise).expect_err("two pins do not hold");
    let problems: Vec<_> = error.problems().collect();
    assert!(problems.iter().all(|p| p.code() == ReasonCode::BlueprintUnpinned));
    assert_eq!(
        problems.iter().map(|p| p.message()).collect::<Vec<_>>(),
        ["`orgo.lock` is pinned and does not exist", "`a` is not what is pinned"]
    );
    assert!(problems[1].help_text().is_some_and(|h| h.contains(&digest('f').to_string())));
    assert_eq!(document.position(problems[1].span()).0, 8, "the place of the pin");
}

#[test]
fn schemas_and_contract_are_those_of_this_program() {
    let set = schema::schema_set_id().to_string();
    let id = schema::artifact_schemas()[0].0.clone();
    for (from, to) in [
        (set.as_str(), digest('9').to_string()),
        (id.as_str(), "https://example.org/other".to_owned()),
        (CANONICALIZATION_PROFILE, "other".to_owned()),
    ] {
        let document = Document::new("b", document(&nodes()).text().replacen(from, &to, 1));
        let blueprint = Blueprint::parse(&document).expect("well formed");
        assert_eq!(
            codes(blueprint.check(&document, Some(digest('1')), as_pinned)),
            [ReasonCode::BlueprintUnpinned],
            "{from}"
        );
    }
}

#[test]
fn nothing_in_a_blueprint_floats() {
    let unpinned = [ReasonCode::BlueprintUnpinned];
    for floating in ["latest", "main", "4.x", "", "4.", "*", ">=4", "^4"] {
        assert_eq!(
            changed("kristal version=\"4\"", &format!("kristal version=\"{floating}\"")),
            unpinned,
            "{floating}"
        );
        assert_eq!(changed("version=\"1.2\"", &format!("version=\"{floating}\"")), unpinned, "{floating}");
    }
    assert_eq!(changed("kristal version=\"4\"", "kristal version=\"4\" commit=\"main\""), unpinned);
    let commit = format!("kristal version=\"4\" commit=\"{}\"", "a".repeat(40));
    assert_eq!(changed("kristal version=\"4\"", &commit), []);
    assert_eq!(changed(&format!(" id=\"{}\"", digest('1')), ""), unpinned);
    for digit in ['3', '4', '5'] {
        assert_eq!(changed(&format!(" sha256=\"{}\"", digest(digit)), ""), unpinned, "{digit}");
    }
    assert_eq!(changed(&format!(" lock=\"{}\"", digest('2')), ""), unpinned);
    assert_eq!(changed(&format!(" schema-set=\"{}\"", schema::schema_set_id()), ""), unpinned);
    for needed in 0..3 {
        let mut nodes = nodes();
        nodes.remove(needed);
        assert_eq!(codes(parse(&nodes)), [ReasonCode::DocumentInvalid]);
    }
}

#[test]
fn a_step_says_who_what_under_which_conditions_and_how_it_is_repeated() {
    let invalid = [ReasonCode::DocumentInvalid];
    for part in [
        "input \"x\" \"y\"; ",
        "output \"z\"; ",
        "guard \"g\"; ",
        "determinism tool=\"orgo\"; ",
        " rollback \"pinned\"; ",
    ] {
        assert_eq!(changed(part, ""), invalid, "{part}");
    }
    assert_eq!(changed(" owner=\"chokmah\"", ""), invalid);
    assert_eq!(changed("chokmah", "somebody"), invalid);
    assert_eq!(changed("determinism tool=\"orgo\"", "determinism"), invalid);
    assert_eq!(changed("step \"two\"", "step \"one\""), [ReasonCode::FieldDuplicate]);
    assert_eq!(changed("path=\"b\"", "path=\"a\""), [ReasonCode::FieldDuplicate]);
    assert_eq!(changed("path=\"o\"", "path=\"a\""), [ReasonCode::FieldDuplicate], "also across kinds");
    assert_eq!(changed("path=\"a\"", "path=\"../a\""), invalid);
}

#[test]
fn the_same_content_is_the_same_blueprint_in_whatever_order_and_with_whatever_remarks() {
    let id = |nodes: &[String]| parse(nodes).expect("well formed").id();
    let (same, mut turned) = (id(&nodes()), nodes());
    turned[..8].reverse(); // steps have an order, pins have none
    turned.insert(0, "// a remark".to_owned());
    assert_eq!(id(&turned), same);
    let text = document(&nodes()).text().replace("input \"x\" \"y\"", "input \"y\"\n input \"x\"");
    assert_eq!(Blueprint::parse(&Document::new("b", text)).expect("well formed").id(), same);
    for (from, to) in [("path=\"a\"", "path=\"c\""), ("revision=1", "revision=2"), ("guard \"g\"", "guard \"h\"")] {
        let text = document(&nodes()).text().replacen(from, to, 1);
        assert_ne!(Blueprint::parse(&Document::new("b", text)).expect("well formed").id(), same, "{from}");
    }
    let mut steps = nodes();
    steps.swap(8, 9);
    assert_ne!(id(&steps), same, "the order of steps is the plan");
}

#[test]
fn entries_differ_exactly_where_ids_do() {
    let before = parse(&nodes()).expect("well formed");
    let text = document(&nodes()).text().replacen("guard \"g\"", "guard \"h\"", 1);
    let after = Blueprint::parse(&Document::new("b", text)).expect("well formed");
    let (a, b) = (before.entries(), after.entries());
    let changed: Vec<&String> = a.keys().filter(|k| a.get(*k) != b.get(*k)).collect();
    assert_eq!(changed, ["step one"]);
}
