//! Wrong documents of every kind, in both syntaxes: `tests/bad/<kind>/<what>.kdl|yaml`, one snapshot each.

use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};
use orgo_spec::blueprint::Blueprint;
use orgo_spec::document::{Document, DocumentError, Syntax, convert};
use orgo_spec::knowledge::{Map, Rules, decode_decisions};
use orgo_spec::mandate::Mandate;
use orgo_spec::pipeline::parse_pipelines;
use orgo_spec::project::Project;

fn cases() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/bad");
    let list = |folder: &Path| {
        let mut found: Vec<_> =
            std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        found.sort();
        found
    };
    let name = |path: &Path| path.file_name().expect("named").to_string_lossy().into_owned();
    list(&root).iter().flat_map(|kind| list(kind).into_iter().map(|file| (name(kind), file))).collect()
}

fn document(kind: &str, file: &Path) -> Document {
    let name = file.file_name().expect("named").to_string_lossy();
    Document::new(format!("{kind}/{name}"), std::fs::read_to_string(file).expect("text"))
}

/// What is wrong with a document of a kind.
fn refusal(kind: &str, document: &Document) -> DocumentError {
    let error = match kind {
        "project" => Project::parse(document).err(),
        "pipeline" => parse_pipelines(document).err(),
        "mandate" => Mandate::parse(document).err(),
        "blueprint" => Blueprint::parse(document).err(),
        "decisions" => decode_decisions(document).err(),
        "map" => Map::decode(document).err(),
        "rules" => Rules::decode(document).err(),
        _ => panic!("no documents are called `{kind}`"),
    };
    error.unwrap_or_else(|| panic!("{} is fine:\n{}", document.name(), document.text()))
}

#[test]
fn every_mistake_has_a_place_a_code_and_a_way_out() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100).with_links(false);
    let mut helpless = Vec::new();
    for (kind, file) in cases {
        let document = document(&kind, &file);
        let error = refusal(&kind, &document);
        let mut text = String::new();
        for (problem, diagnostic) in error.problems().zip(error.diagnostics()) {
            // Pipelines say the rest themselves; two of their messages name the only way out already.
            let known = ["not a name of an environment variable", "a stage is retried at most 10 times"];
            if problem.help_text().is_none() && !known.contains(&problem.message()) {
                helpless.push(format!("{}: {}", document.name(), problem.message()));
            }
            let end = problem.span().offset as usize + problem.span().len as usize;
            assert!(document.text().get(problem.span().offset as usize..end).is_some(), "{}", document.name());
            handler.render_report(&mut text, diagnostic).expect("memory");
            text.push('\n');
        }
        let snapshot = document.name().replace(['/', '.'], "-");
        insta::with_settings!({ snapshot_path => "../../snapshots/bad", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(snapshot, text);
        });
    }
    assert!(helpless.is_empty(), "problems without help: {helpless:#?}");
}

#[test]
fn both_syntaxes_are_refused_for_the_same_reasons() {
    let mut compared = 0;
    for (kind, file) in cases() {
        let document = document(&kind, &file);
        if document.syntax() != Syntax::Kdl {
            continue;
        }
        // YAML does not tell a property from a node.
        if document.name().ends_with("blueprint/former.kdl") {
            continue;
        }
        // What is not KDL, or rests on lines, has no counterpart.
        let Ok(other) = convert(&document, Syntax::Yaml) else { continue };
        let other = Document::new(document.name().replace(".kdl", ".yaml"), other.text);
        if kind == "decisions" && document.name().contains("lines") {
            continue;
        }
        let codes = |document: &Document| {
            let mut codes: Vec<_> =
                refusal(&kind, document).problems().map(|p| (p.code(), p.message().to_owned())).collect();
            codes.sort();
            codes
        };
        assert_eq!(codes(&document), codes(&other), "{}\n{}", document.text(), other.text());
        compared += 1;
    }
    assert!(compared > 25, "{compared}");
}
