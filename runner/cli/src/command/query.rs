//! `orgo query`: what the compiled pack says about something, with the evidence behind every value.

use orgo_kernel::plan::{Action, Compiler};
use orgo_knowledge::pack::Pack;
use orgo_knowledge::query::{self, AnswerClaim};
use orgo_spec::ReasonCode;
use serde_json::json;

use super::Context;
use crate::args::{Query, Told};
use crate::failure::{Class, Failure};
use crate::output::plain;
use crate::project::{Checked, Repository};
use crate::stage::folder::Folder;

/// Opens the pack that the last run shows below `out/`, verifies all of it, and answers.
pub(super) fn run(context: &Context, args: &Query) -> Result<(), Failure> {
    let folder = match &args.pack {
        Some(folder) => folder.clone(),
        None => compiled(context, args.pipeline.as_deref())?,
    };
    let pack = Pack::open(&Folder::new(&folder)).map_err(|e| {
        let code = e.code();
        let message = format!("the pack in `{}` cannot be used: {e}", folder.display());
        Failure::message(Class::Integrity, Some(code), message, code.remedy())
    })?;
    let answer = query::about(&pack, &args.word, args.property.as_deref()).map_err(|e| {
        let code = e.code();
        let class = if code == ReasonCode::InvalidQuery { Class::Declared } else { Class::Integrity };
        Failure::message(class, Some(code), e.to_string(), "ask for an id, a label or an exact value such as a symbol")
    })?;
    if let (Some(property), true) = (&args.property, answer.claims.is_empty()) {
        return Err(Failure::message(
            Class::Declared,
            Some(ReasonCode::InvalidQuery),
            format!("the pack says nothing about `{}` of {}", plain(property), plain(&answer.label)),
            "leave `--property` out to see what there is; it takes an id or a label such as `atomic mass`",
        ));
    }
    context.output.line(format!("{} ({})", plain(&answer.label), answer.entity));
    for claim in &answer.claims {
        show(context, claim);
    }
    context.output.line(format!("from pack {} of {}", answer.runtime_pack_id, answer.kristal_id));
    context.output.document(&json!({ "schema": "orgo.query/1", "pack": folder, "answer": answer }));
    Ok(())
}

fn show(context: &Context, claim: &AnswerClaim) {
    let mut text = format!("  {:<14} {}", plain(&claim.property_label), plain(&claim.value));
    if let Some(unit) = &claim.unit {
        text.push_str(&format!(" {}", plain(unit)));
    }
    for (name, value) in &claim.qualifiers {
        text.push_str(&format!(" [{}: {}]", plain(name), plain(value)));
    }
    if !claim.truthy {
        text.push_str("  (another value is preferred)");
    }
    context.output.line(text);
    for evidence in &claim.evidence {
        let value = serde_json::to_value(evidence).expect("evidence serializes");
        let part = |name: &str| value[name].as_str().map(plain).unwrap_or_default();
        context.output.line(format!(
            "                 {} {}",
            part("source_uri"),
            plain(&value["locator"]["value"].to_string())
        ));
    }
}

/// The folder of the pack that a pipeline compiles.
fn compiled(context: &Context, pipeline: Option<&str>) -> Result<std::path::PathBuf, Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let mut found = Vec::new();
    for Checked { plan, .. } in repository.pipelines(&Told::default())? {
        if pipeline.is_some_and(|p| p != plan.name) {
            continue;
        }
        let packs = plan.stages.iter().filter(|s| s.action == Action::Compile(Compiler::Pack));
        found.extend(packs.map(|s| repository.workspace.out(&plan.name, &s.name).join(&s.outs[0])));
    }
    let folder = match found.as_slice() {
        [one] => one.clone(),
        [] => return Err(Failure::usage("no pipeline here compiles a pack", "name one with `--pack DIR`")),
        _ => return Err(Failure::usage("several packs are compiled here", "name a pipeline with `--pipeline`")),
    };
    if !folder.is_dir() {
        return Err(Failure::usage(
            "the pack is not compiled yet, or its gate refuses it",
            "run the pipeline: `orgo run`",
        ));
    }
    Ok(folder)
}
