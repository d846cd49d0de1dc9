//! `orgo lock`: pins what floats, moves pins, looks whether they hold, merges.

mod check;
mod merge;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use orgo_host::file::write_atomic;
use orgo_host::machine::platform;
use orgo_kernel::pins::Uses;
use orgo_spec::ReasonCode;
use orgo_spec::document::closest;
use orgo_spec::lock::{Drift, LOCK_FILE, Lock as Locked, Subject};
use serde_json::json;

use super::Context;
use crate::args::Told;
use crate::failure::{Class, Failure};
use crate::pins::{self, Found};
use crate::project::{Checked, Repository};

#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  orgo lock\n  orgo lock --check\n  orgo lock --refresh gcc ld\n  git config merge.orgo-lock.driver 'orgo lock merge %O %A %B'"
)]
pub(crate) struct Lock {
    /// Change nothing; refuse if a pin does not hold, is missing or is too much
    #[arg(long, conflicts_with = "refresh")]
    check: bool,
    /// Move the pins of these programs, sources or contracts (of all, if none is named) to what is here
    #[arg(long, num_args = 0.., value_name = "NAME")]
    refresh: Option<Vec<String>>,
    /// Pin only what is the same on every machine: inputs, contracts and `orgo`, no host programs
    #[arg(long)]
    portable: bool,
    #[command(subcommand)]
    command: Option<Also>,
}

#[derive(Debug, Subcommand)]
enum Also {
    /// Merge two locks for git: `merge.orgo-lock.driver` is `orgo lock merge %O %A %B`
    #[command(
        after_help = "Examples:\n  git config merge.orgo-lock.driver 'orgo lock merge %O %A %B'\n  echo 'orgo.lock merge=orgo-lock' >> .gitattributes"
    )]
    Merge {
        /// What both grew from
        base: PathBuf,
        /// Ours, and where the result goes
        ours: PathBuf,
        /// Theirs
        theirs: PathBuf,
    },
}

/// What all pipelines use, each with the first stage that does, and what of it is there.
struct Used {
    stages: BTreeMap<Subject, String>,
    found: Found,
    platform: String,
}

/// Runs the command.
pub(super) fn run(context: &Context, args: &Lock) -> Result<(), Failure> {
    if let Some(Also::Merge { base, ours, theirs }) = &args.command {
        return merge::run(context, base, ours, theirs);
    }
    let repository = Repository::open(&context.global.directory)?;
    let used = used(&repository, args.portable)?;
    let held = pins::read(&repository)?.map(|held| held.lock);
    if args.check {
        return check::run(context, held.as_ref(), &used);
    }
    write(context, &repository, held.unwrap_or_default(), &used, args.refresh.as_deref())
}

fn used(repository: &Repository, portable: bool) -> Result<Used, Failure> {
    let platform = platform();
    let mut stages = BTreeMap::new();
    for Checked { plan, .. } in repository.pipelines(&Told::default())? {
        for (subject, id) in Uses::of(&plan, |_| true).subjects(&platform) {
            stages.entry(subject).or_insert_with(|| format!("{}/{}", plan.name, plan.stage(id).name));
        }
    }
    stages.retain(|subject, _| !portable || !matches!(subject, Subject::Tool { .. }));
    let found = pins::look(repository, stages.keys())?;
    Ok(Used { stages, found, platform })
}

/// Adds what is missing, removes what is not used, and moves what `refresh` names.
fn write(
    context: &Context,
    repository: &Repository,
    mut lock: Locked,
    used: &Used,
    refresh: Option<&[String]>,
) -> Result<(), Failure> {
    let names: Vec<&str> = used.stages.keys().map(Subject::name).collect();
    if let Some(wrong) = refresh.into_iter().flatten().find(|n| !names.contains(&n.as_str())) {
        let help = match closest(wrong, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "see what is used: `orgo lock --check`".to_owned(),
        };
        return Err(Failure::usage(format!("no pipeline uses anything called `{wrong}`"), help));
    }
    if let Some((subject, (code, message))) = used.found.absent.iter().find(|(s, _)| lock.get(s).is_none()) {
        let stage = &used.stages[subject];
        let message = format!("the stage `{stage}` uses {}, which cannot be pinned: {message}", subject.describe());
        return Err(Failure::message(Class::Environment, Some(*code), message, code.remedy()));
    }
    let moves = |name: &str| refresh.is_some_and(|names| names.is_empty() || names.iter().any(|n| n == name));
    let (mut added, mut removed, mut moved, mut kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for drift in lock.drift(&used.found.lock, &used.platform) {
        let now = used.found.lock.get(&drift.subject).cloned();
        match now {
            None if used.stages.contains_key(&drift.subject) => {} // used, and not to be had here: the pin stays
            None => {
                lock.remove(&drift.subject);
                removed.push(drift);
            }
            Some(parts) if drift.code == ReasonCode::LockMissing => {
                lock.set(drift.subject.clone(), parts);
                added.push(drift);
            }
            Some(parts) if moves(drift.subject.name()) => {
                lock.set(drift.subject.clone(), parts);
                moved.push(drift);
            }
            Some(_) => kept.push(drift),
        }
    }
    let path = repository.workspace.root().join(LOCK_FILE);
    let text = lock.print();
    let is_new = !path.exists();
    if is_new || !added.is_empty() || !removed.is_empty() || !moved.is_empty() {
        write_atomic(&path, text.as_bytes())?;
    }
    tell(context, &added, &removed, &moved);
    for drift in &kept {
        let what = drift.subject.describe();
        context.output.warn(format!("{what} is not what is pinned; the pin stays. {}", sentence(&pins::help(drift))));
    }
    context.output.document(&json!({
        "schema": "orgo.lock/1",
        "platform": used.platform,
        "added": added,
        "removed": removed,
        "moved": moved,
        "kept": kept,
    }));
    Ok(())
}

fn tell(context: &Context, added: &[Drift], removed: &[Drift], moved: &[Drift]) {
    for (word, drifts) in [("added", added), ("removed", removed)] {
        for drift in drifts {
            let files = drift.parts.len();
            let count = if files == 1 { String::new() } else { format!(", {files} files") };
            context.output.line(format!("{word:<8} {}{count}", drift.subject.describe()));
        }
    }
    for drift in moved {
        for part in &drift.parts {
            context.output.line(format!("{:<8} {}: {}", "moved", drift.subject.describe(), part.describe()));
        }
    }
    if added.is_empty() && removed.is_empty() && moved.is_empty() {
        context.output.line("orgo.lock pins everything that is used; nothing was changed");
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
