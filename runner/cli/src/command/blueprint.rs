//! `orgo blueprint`: shows, checks and compares blueprints.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Args as ClapArgs, Subcommand};
use orgo_host::file::{At, replace, status_followed};
use orgo_spec::blueprint::{Blueprint, Loose};
use orgo_spec::document::{Document, Syntax, closest};
use serde_json::{Value, json};

use super::Context;
use crate::args::Told;
use crate::failure::Failure;
use crate::ledger::{blueprint, hold, pinned_file, pinned_mandate};
use crate::project::Repository;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  orgo blueprint show elements\n  orgo blueprint check\n  orgo blueprint diff elements elements-next"
)]
pub(crate) struct BlueprintArgs {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what a blueprint pins and plans, and its id
    #[command(after_help = "Examples:\n  orgo blueprint show elements\n  orgo blueprint show elements --json")]
    Show {
        /// The blueprint
        name: String,
    },
    /// Compare pins with what is there, and steps with the pipelines that name the blueprint
    #[command(after_help = "Examples:\n  orgo blueprint check\n  orgo blueprint check elements --json")]
    Check {
        /// The blueprint; all of them unless told
        name: Option<String>,
    },
    /// Write what is there now into the pins that do not hold
    ///
    /// Only digests are replaced; a pin of something that is not there is left, and named.
    #[command(after_help = "Examples:\n  orgo blueprint pin elements\n  git diff blueprints/")]
    Pin {
        /// The blueprint
        name: String,
    },
    /// Show what is not the same in two blueprints
    #[command(after_help = "Examples:\n  orgo blueprint diff elements elements-next --json")]
    Diff {
        /// The older one
        from: String,
        /// The newer one
        to: String,
    },
}

/// Runs the command.
pub(super) fn run(context: &Context, args: &BlueprintArgs) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let root = repository.workspace.root();
    match &args.command {
        What::Show { name } => show(context, &named(root, name)?.1),
        What::Pin { name } => pin(context, root, name),
        What::Check { name } => check(context, &repository, name.as_deref()),
        What::Diff { from, to } => diff(context, &named(root, from)?.1, &named(root, to)?.1),
    }
}

fn show(context: &Context, blueprint: &Blueprint) -> Result<(), Failure> {
    context.output.line(format!("{} {}", blueprint.name, blueprint.id()));
    for (what, says) in blueprint.entries() {
        context.output.line(format!("  {what}: {}", *says));
    }
    context.output.document(&json!({
        "schema": "orgo.blueprint/1",
        "blueprint_id": blueprint.id(),
        "blueprint": blueprint,
    }));
    Ok(())
}

/// Every blueprint, every pin, every pipeline that names it; the first one that is wrong is told whole.
fn check(context: &Context, repository: &Repository, name: Option<&str>) -> Result<(), Failure> {
    let root = repository.workspace.root();
    let pipelines = repository.pipelines(&Told::default())?;
    let names = name.map_or_else(|| all(root), |name| Ok(vec![name.to_owned()]))?;
    let mut checked: Vec<Value> = Vec::new();
    for name in &names {
        let (document, blueprint) = named(root, name)?;
        hold(root, &document, &blueprint)?;
        let mut users = Vec::new();
        for plan in pipelines.iter().map(|c| &c.plan).filter(|p| p.blueprint.as_ref() == Some(name)) {
            orgo_kernel::blueprint::check(&blueprint, &document, plan).map_err(|e| Failure::documents(vec![e]))?;
            users.push(plan.name.as_str());
        }
        let by = if users.is_empty() { "named by no pipeline".to_owned() } else { users.join(", ") };
        context.output.line(format!("{name}: every pin holds, {} steps ({by})", blueprint.steps.len()));
        checked.push(json!({ "name": name, "blueprint_id": blueprint.id(), "pipelines": users }));
    }
    if names.is_empty() {
        context.output.line("the repository has no blueprint; write one in `blueprints/`");
    }
    context.output.document(&json!({ "schema": "orgo.blueprint-check/1", "blueprints": checked }));
    Ok(())
}

/// Replaces each digest that does not hold by that of what is there.
fn pin(context: &Context, root: &Path, name: &str) -> Result<(), Failure> {
    let (document, blueprint) = named(root, name)?;
    let loose = blueprint.loose(pinned_mandate(root, &blueprint)?, |path| pinned_file(root, path));
    let mut text = document.text().to_owned();
    let (mut moved, mut gone): (Vec<Value>, Vec<&str>) = (Vec::new(), Vec::new());
    for Loose { what, pinned, found, span } in loose.iter().rev() {
        let place = span.offset as usize..(span.offset + span.len) as usize;
        let Some(found) = found else {
            gone.push(what);
            continue;
        };
        let written = text[place.clone()].replace(&pinned.to_string(), &found.to_string());
        text.replace_range(place, &written);
        context.output.line(format!("{what}: {pinned} → {found}"));
        moved.push(json!({ "what": what, "from": pinned, "to": found }));
    }
    if !moved.is_empty() {
        replace(&root.join(document.name()), text.as_bytes())?;
    }
    for what in &gone {
        context.output.note(format!("`{what}` is not there; its pin stays"));
    }
    if loose.is_empty() {
        context.output.line("every pin holds");
    }
    context.output.document(&json!({ "schema": "orgo.blueprint-pin/1", "moved": moved, "gone": gone }));
    Ok(())
}

fn diff(context: &Context, from: &Blueprint, to: &Blueprint) -> Result<(), Failure> {
    let (before, after) = (from.entries(), to.entries());
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changes: Vec<Value> = Vec::new();
    for key in keys {
        let (old, new) = (before.get(key).map(|e| &e.value), after.get(key).map(|e| &e.value));
        if old == new {
            continue;
        }
        context.output.line(match (old, new) {
            (Some(old), Some(new)) => format!("~ {key}: {old} → {new}"),
            (Some(old), None) => format!("- {key}: {old}"),
            (None, new) => format!("+ {key}: {}", new.map_or("", String::as_str)),
        });
        changes.push(json!({ "what": key, "from": old, "to": new }));
    }
    if changes.is_empty() {
        context.output.line("the two say the same");
    }
    context.output.document(&json!({
        "schema": "orgo.blueprint-diff/1",
        "from": from.id(),
        "to": to.id(),
        "changes": changes,
    }));
    Ok(())
}

fn named(root: &Path, name: &str) -> Result<(Document, Blueprint), Failure> {
    let found = if orgo_spec::Name::new(name).is_ok() { blueprint(root, name)? } else { None };
    if let Some(found) = found {
        return Ok(found);
    }
    let names = all(root)?;
    let help = match closest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "write one in `blueprints/`".to_owned(),
        None => format!("the blueprints are {}", names.join(", ")),
    };
    Err(Failure::usage(format!("no blueprint is called `{name}`"), help))
}

fn all(root: &Path) -> Result<Vec<String>, Failure> {
    let folder = root.join("blueprints");
    let mut names = Vec::new();
    if status_followed(&folder)?.is_some_and(|s| s.is_folder) {
        for entry in std::fs::read_dir(&folder).at("list", &folder)? {
            let name = entry.at("list", &folder)?.file_name();
            names.extend(
                name.to_str().filter(|n| Syntax::of(n).is_some()).and_then(|n| Some(n.rsplit_once('.')?.0.to_owned())),
            );
        }
    }
    names.sort_unstable();
    Ok(names)
}
