//! `orgo run --watch`: runs, and runs again whenever what the run reads is not any more what it was.
//!
//! Every round is a run of its own, in the local lane. A change while one is under way ends it, as an interrupt does,
//! but nothing is put on record of it; what it finished is in the cache, so the next round goes on from there.

use std::path::Path;
use std::time::Duration;

use orgo_host::git::Git;
use orgo_host::run::{RunOutcome, Stop};
use orgo_host::watch::{Inputs, View, Watcher, Way};
use orgo_kernel::plan::Resolved;
use orgo_spec::Digest;
use orgo_spec::document::Syntax;
use serde_json::{Value, json};

use crate::args::{LaneArg, Run, WatchArg};
use crate::command::Context;
use crate::failure::{Class, Failure};
use crate::ledger::blueprint;
use crate::output::{DIM, RESET, errors_in_color, plain};
use crate::project::{Repository, find_root};

/// How many of the files that changed are named.
const NAMED: usize = 4;
/// How often it is asked whether another run is over.
const BUSY: Duration = Duration::from_millis(100);

/// One run of many.
pub(super) struct Round<'w> {
    watcher: &'w mut Watcher,
    number: u64,
    /// Why it was begun.
    changed: Vec<String>,
    /// What the run reads, as far as that is known.
    inputs: Inputs,
    /// What of that the run used.
    before: View,
    stop: Stop,
    /// What changed while the run was under way, if that ended it.
    cut: Vec<String>,
    /// Whether another round is due in any case.
    again: bool,
}

/// Runs until somebody interrupts.
///
/// # Errors
/// [`Failure`] if there is no repository, if the command line asks for what only one run can have, and of the round that
/// was interrupted.
pub(super) fn run(context: &Context, args: &Run, how: WatchArg) -> Result<(), Failure> {
    if matches!(args.lane, Some(LaneArg::Protected | LaneArg::Request)) {
        let help = "leave out `--lane`, or `--watch`";
        return Err(Failure::usage("what is watched runs in the local lane", help));
    }
    let root = find_root(&context.global.directory)?;
    let git = Git::discover(&root).ok().map(|git| git.path().to_owned());
    let way = match how {
        WatchArg::Auto => Way::Told,
        WatchArg::Poll => Way::Polling,
    };
    let mut watcher = Watcher::open(&root, &root.join(".orgo/state/files"), git.as_deref(), way)?;
    let (mut number, mut changed, mut said) = (0, Vec::new(), false);
    loop {
        number += 1;
        let mut round = Round::begin(&mut watcher, number, changed);
        let ended = super::once(context, args, Some(&mut round));
        let Round { inputs, before, cut, again, changed: why, .. } = round;
        if let Err(failure) = &ended
            && !failure.was_told()
        {
            if number == 1 && failure.exit_code() == Class::Declared.exit_code() && failure.errors().is_empty() {
                return ended; // the command line is wrong, and no change of a file mends that
            }
            if context.output.json {
                context.output.row(&failure.json());
            } else {
                crate::output::error(&failure.render(errors_in_color()));
            }
        }
        if watcher.is_interrupted() {
            return if ended.as_ref().is_err_and(|f| f.exit_code() == Class::Cancelled.exit_code()) {
                ended
            } else {
                Ok(())
            };
        }
        if again || !cut.is_empty() {
            changed = if cut.is_empty() { why } else { cut };
            continue;
        }
        if let Some(because) = watcher.polls_because().filter(|_| !std::mem::replace(&mut said, true)) {
            context.output.note(format!("files are looked at every second: {because}"));
        }
        let host = before.of_host();
        let programs = if host > 0 { format!(" and {host} of the host") } else { String::new() };
        let files = before.len() - host;
        context.output.note(format!("{DIM}watching {files} files{programs}; Ctrl-C ends it{RESET}"));
        match watcher.changed(&inputs, &before, None) {
            Some(differing) => changed = differing,
            None => return Ok(()),
        }
        context.output.note(format!("{DIM}── {} changed{RESET}", named(&changed)));
    }
}

fn named(paths: &[String]) -> String {
    let more = paths.len().saturating_sub(NAMED);
    let named: Vec<String> = paths.iter().take(NAMED).map(|path| plain(path)).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

impl<'w> Round<'w> {
    /// Begins with what every run reads: the documents.
    fn begin(watcher: &'w mut Watcher, number: u64, changed: Vec<String>) -> Self {
        let mut inputs = Inputs::default();
        inputs.documents.insert("orgo.lock".to_owned());
        for (ending, _) in Syntax::ENDINGS {
            inputs.documents.extend([format!("orgo.{ending}"), format!("pipelines/*.{ending}")]);
        }
        let before = watcher.look(&inputs);
        let (stop, cut) = (Stop::default(), Vec::new());
        Self { watcher, number, changed, inputs, before, stop, cut, again: false }
    }

    /// What ends the run when something changes.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until no other run is under way.
    ///
    /// # Errors
    /// [`Failure`] if somebody interrupts.
    pub(super) fn turn(&self, repository: &Repository) -> Result<(), Failure> {
        while repository.workspace.is_busy()? {
            if self.watcher.is_interrupted() {
                return Err(Failure::told(Class::Cancelled));
            }
            std::thread::sleep(BUSY);
        }
        Ok(())
    }

    /// Has the round begun again when another run, which came first, is over.
    pub(super) fn later(&mut self) -> Failure {
        self.again = true;
        Failure::told(Class::Environment)
    }

    /// Takes in which files documents led to, whether they are there or not.
    pub(super) fn tried(&mut self, repository: &Repository) {
        self.inputs.documents.extend(repository.tried());
    }

    /// Takes in what the stages of a plan read that `wanted` marks and `withheld` does not.
    pub(super) fn plan(&mut self, repository: &Repository, plan: &Resolved, reads: Reads<'_>) {
        self.tried(repository);
        self.reads(plan, reads);
        // A blueprint that cannot be read is told by the run; what it pins is watched when it can.
        if let Some(name) = &plan.blueprint
            && let Ok(Some((_, blueprint))) = blueprint(repository.workspace.root(), name)
        {
            let pins = &blueprint.pins;
            let versions = pins.ontologies.iter().chain(&pins.policies).map(|pin| &pin.path);
            let paths = versions.chain(pins.files.iter().map(|pin| &pin.path));
            self.inputs.documents.extend(paths.map(|path| path.as_str().to_owned()));
        }
        self.before = self.watcher.look(&self.inputs);
        for (path, digest) in repository.files() {
            self.before.read(&path, digest);
        }
    }

    fn reads(&mut self, plan: &Resolved, Reads { wanted, withheld, by_base }: Reads<'_>) {
        let Inputs { files, documents, .. } = &mut self.inputs;
        let parts = plan.graph.stages().filter(|id| wanted.get(id.index()).copied().unwrap_or(true));
        for id in parts {
            let stage = plan.stage(id);
            if by_base {
                files.extend(stage.extra.iter().flat_map(|e| e.changed.iter().flatten()).cloned());
            }
            if withheld.get(id.index()).copied().unwrap_or(false) {
                continue;
            }
            files.extend(stage.files.iter().cloned());
            let services = stage.runtime.iter().flat_map(|r| &r.services);
            files.extend(services.filter_map(|s| plan.services.get(*s as usize)).flat_map(|s| s.files.iter().cloned()));
            if stage.gate.is_some() {
                documents.insert("overrides/**".to_owned());
            }
            if stage.approval.is_some() {
                documents.insert("approvals/**".to_owned());
            }
        }
        if let Some(name) = &plan.mandate {
            documents.insert(format!("mandates/{name}/**"));
        }
        if let Some(name) = &plan.blueprint {
            documents.extend(Syntax::ENDINGS.map(|(ending, _)| format!("blueprints/{name}.{ending}")));
        }
    }

    /// Runs, and ends the run when what it reads changes.
    pub(super) fn guard<T>(&mut self, work: impl FnOnce() -> T) -> T {
        if self.watcher.is_interrupted() {
            self.stop.ask(); // the run does not hear what came before it
        }
        let (done, differing) = self.watcher.guard(&self.inputs, &self.before, &self.stop, work);
        self.cut = differing;
        done
    }

    /// Takes in what a run used: the plan may have grown, and files may have changed before they were read.
    pub(super) fn ran(&mut self, root: &Path, plan: &Resolved, outcome: &RunOutcome, reads: Reads<'_>) {
        let known = self.inputs.clone();
        self.reads(plan, Reads { wanted: &outcome.wanted, ..reads });
        // What runs write is never watched, also where it is a program.
        let written = ["out", ".orgo"].map(|folder| root.join(folder));
        let programs = outcome.programs.iter().filter(|(path, _)| !written.iter().any(|w| path.starts_with(w)));
        let programs: Vec<(&str, Digest)> = programs.filter_map(|(path, d)| Some((path.to_str()?, *d))).collect();
        self.inputs.programs.extend(programs.iter().map(|(path, _)| (*path).to_owned()));
        // What stages of a list may read and did not come to read is taken as it is now.
        if known != self.inputs {
            let (then, now) = (self.watcher.look(&known), self.watcher.look(&self.inputs));
            self.before.complete(&now, &then);
        }
        if !self.is_cut(outcome) {
            self.cut.clear();
        }
        self.again = !outcome.changed_sources.is_empty();
        for (path, digest) in programs {
            self.before.read(path, digest);
        }
        for file in outcome.stages.iter().flat_map(|stage| stage.repository_files()) {
            self.before.used(&file.path, file.blob.digest, file.executable);
        }
    }

    /// Whether a change ended the run, and nobody else did.
    pub(super) fn is_cut(&self, outcome: &RunOutcome) -> bool {
        outcome.cancelled && self.stop.is_asked() && !self.watcher.is_interrupted()
    }

    /// What ended the run, for people.
    pub(super) fn cut_by(&self) -> String {
        format!("{DIM}── {} changed: the run was ended, and is begun again{RESET}", named(&self.cut))
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({ "round": self.number, "changed": self.changed, "ended_by": self.cut })
    }
}

/// Which stages of a plan are read for.
#[derive(Clone, Copy)]
pub(super) struct Reads<'r> {
    pub(super) wanted: &'r [bool],
    pub(super) withheld: &'r [bool],
    /// Whether conditions on changed files are decided by a base.
    pub(super) by_base: bool,
}
