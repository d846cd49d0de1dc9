//! `orgo demo`: the story, on real data, in a folder that can be looked at afterwards.
//!
//! A new repository is made from the bundled example; two published sources disagree, the gate refuses,
//! and the failure is recorded; the stewards decide, the gate passes, canon and pack are compiled; and a
//! bare clone is verified. Every step is one command of `orgo` or `git`, run and shown as a user would
//! run it.

mod files;
mod shell;

use std::path::PathBuf;

use serde_json::{Value, json};

use self::shell::Shell;
use super::Context;
use crate::args::Demo;
use crate::failure::{Class, Failure};

/// Runs the story.
pub(super) fn run(context: &Context, args: &Demo) -> Result<(), Failure> {
    let folder = args.folder.clone().unwrap_or_else(|| PathBuf::from("orgo-demo"));
    if folder.exists() {
        return Err(Failure::usage(
            format!("`{}` exists already", folder.display()),
            "name another folder: `orgo demo FOLDER`, or remove this one",
        ));
    }
    let shell = Shell::new(context.output, &folder)?;
    let story = tell(context, &shell)?;
    context.output.document(&story);
    Ok(())
}

fn tell(context: &Context, shell: &Shell) -> Result<Value, Failure> {
    let say = |text: &str| context.output.line(text);
    say("1. A repository from the bundled example: the chemical elements, from two published sources.");
    files::write(shell.repo(), |path| !path.starts_with("decisions/"))?;
    shell.git(&["init", "-q", "-b", "main"])?;
    shell.git(&["add", "-A"])?;
    shell.git(&["commit", "-q", "-m", "elements: sources, map, registry, rules, mandate"])?;
    shell.orgo(&["init"], &[0])?;

    say("");
    say("2. Ingest, extract, resolve, decide (nothing decided yet), validate: the sources disagree.");
    let failed = shell.orgo(&["run", "elements"], &[1])?;
    let conflicts = conflicts(shell, &failed)?;
    say(&format!(
        "   {conflicts} FUNCTIONAL_CONFLICT issues: the gate refused, nothing was compiled, and that is on record."
    ));

    say("");
    say("3. The stewards decide, in files with reasons, and commit.");
    files::write(shell.repo(), |path| path.starts_with("decisions/"))?;
    shell.git(&["add", "-A"])?;
    shell.git(&["commit", "-q", "-m", "decisions: ten masses and seventeen densities, with reasons"])?;

    say("");
    say("4. Again: what does not depend on the decisions is a hit, the rest runs, the gate passes.");
    let passed = shell.orgo(&["run", "elements"], &[0])?;
    let outputs = shell.record(&passed)?["predicate"]["facts"]["outputs"]["kristal"].clone();
    say(&format!("   kristal_id      {}", text(&outputs["kristal_id"])));
    say(&format!("   runtime_pack_id {}", text(&outputs["runtime_pack_id"])));

    say("");
    say("5. Anybody can verify all of it from a clone, without these keys and without this store.");
    shell.git(&["clone", "-q", "--bare", ".", "../clone.git"])?;
    let verified = shell.verify()?;
    say(&format!(
        "   {} records, {} signatures, {} gates decided again: {}",
        count(&verified["counts"]["records"]),
        verified["counts"]["signatures"],
        verified["counts"]["gates"],
        text(&verified["verdict"])
    ));

    say("");
    say("6. Every value leads to the bytes that say it.");
    let technetium = shell.orgo(&["query", "Technetium", "--property", "atomic mass"], &[0])?;
    for claim in technetium["answer"]["claims"].as_array().into_iter().flatten() {
        for evidence in claim["evidence"].as_array().into_iter().flatten() {
            let (value, rank) = (text(&claim["value"]), text(&claim["rank"]));
            let place = text(&evidence["locator"]["value"]);
            say(&format!("   {value} ({rank}): {} {place}", text(&evidence["source_uri"])));
        }
    }
    next(context, shell);
    Ok(json!({
        "schema": "orgo.demo/1",
        "folder": shell.folder(),
        "conflicts": conflicts,
        "failed": failed,
        "passed": passed,
        "outputs": outputs,
        "verified": verified,
        "technetium": technetium,
    }))
}

/// How many conflicts the committed report lists.
fn conflicts(shell: &Shell, run: &Value) -> Result<u64, Failure> {
    let record = shell.record(run)?;
    let facts = &record["predicate"]["facts"];
    if facts.get("outputs").is_some() || facts["validation_status"] != "FAIL" {
        return Err(unexpected("the record of the refused run claims outputs"));
    }
    let report = shell.evidence(text(&facts["validation_report_ref"]))?;
    report["extensions"]["koa"]["counts"]["FUNCTIONAL_CONFLICT"]
        .as_u64()
        .ok_or_else(|| unexpected("the committed report counts no conflicts"))
}

fn next(context: &Context, shell: &Shell) {
    let repo = shell.repo().display().to_string();
    let home = shell.home().display().to_string();
    let orgo = shell.program().display().to_string();
    let lines = [
        String::new(),
        "Look at it yourself:".to_owned(),
        format!("  cd {repo}"),
        "  git log -p orgo/audit -- latest/                 what happened, and the difference between the runs"
            .to_owned(),
        format!("  {orgo} --home {home} record diff 2 4           what changed between the two builds"),
        format!("  {orgo} --home {home} explain report            why it ran"),
        format!("  {orgo} --home {home} query Technetium          its claims, with their evidence"),
        format!("  {orgo} --home {home} verify ../clone.git       everything, from a bare clone"),
    ];
    for line in lines {
        context.output.line(line);
    }
}

fn count(records: &Value) -> u64 {
    records.as_object().map_or(0, |kinds| kinds.values().filter_map(Value::as_u64).sum())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn unexpected(message: &str) -> Failure {
    Failure::message(Class::Integrity, None, message, "this is not how the story goes; please report it")
}
