//! The commit of a record in a folder of its own: held to what the record names, then run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orgo_host::clock::{Clock, random_uuid};
use orgo_host::file::At;
use orgo_host::git::{Git, ObjectId};
use orgo_host::run::{Notice, Others, Planner, RunOptions, SecretValues};
use orgo_host::store::Store;
use orgo_kernel::expand::KnownList;
use orgo_kernel::plan::Resolved;
use orgo_spec::canonical;
use orgo_spec::record::{BuildFacts, Lane, StageFacts, StageStatus};
use orgo_spec::{Digest, ReasonCode};

use super::compare::{Compared, compare};
use super::{Again, Replay, impossible, passed};
use crate::args::Told;
use crate::command::Context;
use crate::command::check::obtainable;
use crate::command::conditions::secrets_allowed;
use crate::command::plan::{SECRET_KEY, wanted};
use crate::failure::Failure;
use crate::here::Here;
use crate::ledger::Governance;
use crate::pins;
use crate::plans::Plans;
use crate::project::{Repository, own_path};

/// The commit, as files.
pub(super) struct Scratch {
    _folder: tempfile::TempDir,
    repository: Repository,
    plans: Plans,
    told: Told,
}

impl Scratch {
    /// Writes the commit out and holds declarations, sources and pins to what the record names.
    ///
    /// # Errors
    /// [`Failure`] with `REPLAY_IMPOSSIBLE` if something differs, and for everything that a run refuses.
    pub(super) fn make(context: &Context, git: &Git, facts: &BuildFacts, made: &[StageFacts]) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().at("make a folder in", &std::env::temp_dir())?;
        let commit: ObjectId = facts.source.commit.parse().map_err(|_| impossible("the record names no commit"))?;
        let here = Here::find(context)?;
        git.export(git.tree_of_commit(commit)?, folder.path())?;
        let mut repository = Repository::open(&folder.path().join(&here.prefix))?;
        repository.set_store_aside();
        let parameters = facts.pipeline.parameters.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        let told = Told { parameters };
        let plans = Plans::new(repository.resolve(Some(facts.pipeline.name.as_str()), &told)?);
        if repository.definition() != facts.pipeline.definition {
            let dirty =
                if facts.source.dirty { "; the run read a tree with changes that were not committed" } else { "" };
            return Err(impossible(format!("the commit declares other pipelines than the record says{dirty}")));
        }
        let scratch = Self { _folder: folder, repository, plans, told };
        scratch.sources_are_those_of(made)?;
        Ok(scratch)
    }

    /// Holds every source file to the digest that the record has.
    fn sources_are_those_of(&self, made: &[StageFacts]) -> Result<(), Failure> {
        let root = self.repository.workspace.root();
        for stage in self.plans.first().stages.iter() {
            let Some(facts) = passed(made, &stage.name) else { continue };
            let places: Vec<&str> = stage.from.iter().map(|(_, at)| at.as_str()).collect();
            let generated = |name: &str| name.starts_with(".orgo/") || name.starts_with("environment ");
            // The items of a list stand below the place of the stage that stands for them.
            let is_below =
                |name: &str, at: &str| name.strip_prefix(at).is_some_and(|r| r.is_empty() || r.starts_with('/'));
            for input in facts.artifacts_in.iter().filter(|a| !places.iter().any(|at| is_below(&a.name, at))) {
                if generated(&input.name) || !canonical::is_plain(&input.name) {
                    continue; // its place in the key is compared when the stage is
                }
                if digest_of(&root.join(&input.name))? != Some(input.digest) {
                    return Err(impossible(format!(
                        "`{}`, which `{}` read, is not in the commit as the record names it ({})",
                        input.name, stage.name, input.digest
                    )));
                }
            }
        }
        Ok(())
    }

    /// Runs the stages that the record says ended well, and compares.
    pub(super) fn replay(
        &self,
        context: &Context,
        args: &Replay,
        facts: &BuildFacts,
        made: &[StageFacts],
        recorded: &Store,
    ) -> Result<(Vec<Compared>, Option<ReasonCode>), Failure> {
        if !facts.overrides.is_empty() {
            return Err(impossible("a gate of the run rests on an override, which counted for that run alone"));
        }
        let plan = self.plans.first();
        let (wanted, withheld) = selection(plan, &args.stages, made)?;
        obtainable(plan, &wanted)?;
        secrets_allowed(plan, &wanted, Lane::Local)?;
        if let Some(lock) = pins::of_run(&self.repository, facts.pins.and_then(|p| p.lock()).is_none(), false)? {
            lock.hold(&self.repository, plan, &wanted)?;
        }
        let root = self.repository.workspace.root();
        let governance = Governance::read(root, &self.repository.project, plan, None)?;
        // Gates decide as for the run of the record; an override that lifted a policy then is used up.
        let secret_key = context.home()?.path().join(SECRET_KEY);
        let binary = own_path()?;
        self.first_keys_are_those_of(made, &wanted, &secret_key, &binary)?;
        let force = vec![true; plan.stages.len()];
        let options = RunOptions {
            run: random_uuid(),
            jobs: args.jobs.unwrap_or_else(super::super::run::processors),
            memory_bytes: orgo_host::machine::memory_bytes(),
            stream: false,
            keep_going: true,
            force: &force,
            repeat: 1,
            wanted: &wanted,
            withheld: &withheld,
            secret_key,
            binary,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            gates: governance.policy_in(facts.lane, None),
            approvals: None,
            traces: None,
            others: Others::default(),
            looked: None,
            clock: Clock::system(),
            stop: None,
            before_work: &|| true,
            settle: None,
        };
        let grow = |lists: &[KnownList]| self.plans.grow(&self.repository, &self.told, lists);
        let mut tell = |_: Notice<'_>| {};
        let outcome = orgo_host::run::run(plan, &grow, &self.repository.workspace, &options, &mut tell)?;
        let again = Again { plan: self.plans.latest(), outcome: &outcome };
        let fresh = self.repository.workspace.open_store()?;
        compare(&again, made, recorded, &fresh)
    }

    /// Looks, before anything runs, whether stages that read no other stage have the keys that the record names.
    fn first_keys_are_those_of(
        &self,
        made: &[StageFacts],
        wanted: &[bool],
        secret_key: &Path,
        binary: &Path,
    ) -> Result<(), Failure> {
        let (plan, workspace) = (self.plans.first(), &self.repository.workspace);
        let mut planner = Planner::open(plan, workspace, Arc::new(workspace.open_store()?), PathBuf::from(binary))?;
        planner.set_secrets(SecretValues::new(secret_key));
        for id in plan.graph.stages().filter(|id| wanted[id.index()]) {
            let stage = plan.stage(id);
            let Some(facts) = passed(made, &stage.name).filter(|_| stage.from.is_empty() && !stage.is_finally()) else {
                continue;
            };
            let prepared = planner.prepare(id).map_err(|p| impossible(format!("`{}`: {}", stage.name, p.message)))?;
            if facts.key == Some(prepared.keyed.key.0) {
                continue;
            }
            let programs = prepared.keyed.tools.to_string();
            let why =
                match (facts.identity.config_hash == Some(prepared.keyed.command.digest), facts.identity.name.as_str())
                {
                    (false, _) => "its command or environment is another one here",
                    (true, _) if !plan.is_builtin(id) && facts.identity.version != programs => {
                        "its host programs, or what they load, are others here"
                    }
                    (true, _) if plan.is_builtin(id) => "it was made by another build of orgo",
                    (true, _) => "something else that it takes in is another one here",
                };
            return Err(impossible(format!("`{}` has another key than in the record: {why}", stage.name)));
        }
        Ok(planner.save()?)
    }
}

/// Which stages are replayed: those that the record says ended well (or of these the named ones), with all they need;
/// and which were left out then.
fn selection(plan: &Resolved, named: &[String], made: &[StageFacts]) -> Result<(Vec<bool>, Vec<bool>), Failure> {
    let of_items = |name: &str| made.iter().any(|s| s.stage.strip_prefix(name).is_some_and(|r| r.starts_with('.')));
    let replayable = |name: &str| passed(made, name).is_some();
    let all = plan.stages.iter().filter(|s| replayable(&s.name) || s.pending().is_some() && of_items(&s.name));
    let names: Vec<String> = match named {
        [] => all.map(|s| s.name.clone()).collect(),
        named => named.to_vec(),
    };
    if let Some(name) = named.iter().find(|name| !replayable(name) && !of_items(name)) {
        return Err(impossible(format!("the record does not say that a stage `{name}` ended well")));
    }
    if names.is_empty() {
        return Err(impossible("no stage of the record ended well"));
    }
    let left_out = |s: &StageFacts| {
        s.status == StageStatus::Skip && s.errors.iter().any(|e| e.code == ReasonCode::ConditionNotMet)
    };
    let withheld = plan.stages.iter().map(|s| made.iter().any(|f| f.stage == s.name && left_out(f))).collect();
    Ok((wanted(plan, &names)?, withheld))
}

fn digest_of(path: &Path) -> Result<Option<Digest>, Failure> {
    Ok(orgo_host::file::read_if_there(path)?.map(|bytes| Digest::of(&bytes)))
}
