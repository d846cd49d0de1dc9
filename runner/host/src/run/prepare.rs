//! From a stage to its key: files, upstream outputs, programs, configuration.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use orgo_kernel::graph::StageId;
use orgo_kernel::key::{self, Blob, Inputs, Keyed, Output, OutputKind, SourceFile};
use orgo_kernel::plan::{Action, ResolvedStage};
use orgo_spec::pipeline::{Isolation, Network};
use orgo_spec::{Digest, ReasonCode};

use crate::isolation::{Confinement, Watch, is_host_root};
use crate::kept::Scene;
use crate::sandbox::{Contents, Upstream};
use crate::trace::Known;

use super::fingerprint::fingerprint;
use super::part::{Part, part};
use super::planner::Planner;
use super::problem::Problem;

/// A stage whose inputs are all known.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The key and its parts.
    pub keyed: Keyed,
    /// Digest over everything that enters the key.
    pub fingerprint: Digest,
    /// What goes into the working folder.
    pub contents: Arc<Contents>,
    /// The program's file.
    pub program: PathBuf,
}

/// The parts of a stage that the key is computed from.
pub(super) struct Parts {
    pub(super) files: Vec<SourceFile>,
    pub(super) upstream: Vec<(String, Blob)>,
    /// Files that edges carry alone.
    pub(super) carried: Vec<SourceFile>,
    pub(super) secrets: Vec<(String, Option<Digest>)>,
    pub(super) tools: Digest,
    pub(super) program: PathBuf,
    pub(super) builtin: Option<(Blob, Blob)>,
    pub(super) fingerprint: Digest,
}

impl<'p> Planner<'p> {
    /// Prepares a stage whose inputs are all known: computes its key, and asks no cache.
    ///
    /// # Errors
    /// [`Problem`] if an input or a program is missing or unusable.
    pub fn prepare(&mut self, id: StageId) -> Result<Prepared, Problem> {
        let parts = self.parts(id)?;
        self.complete(id, parts)
    }

    pub(super) fn parts(&mut self, id: StageId) -> Result<Parts, Problem> {
        let stage = self.plan.stage(id);
        let mut files = self.sources.select(&stage.files, &self.store)?;
        if stage.is_finally() {
            files.extend(self.results.clone());
        }
        let mut upstream = Vec::with_capacity(stage.from.len());
        let mut carried = Vec::new();
        for (position, (needed, at)) in stage.from.iter().enumerate() {
            let product = self.products[needed.index()].as_ref().ok_or_else(|| Problem {
                code: ReasonCode::InternalError,
                message: format!("`{}` was planned before `{}`", stage.name, self.plan.stage(*needed).name),
            })?;
            match part(self.plan, id, position, product)? {
                Part::Tree(_, tree) => upstream.push((at.clone(), tree)),
                Part::File(file) => carried.push(file),
            }
        }
        let (tools, program, builtin) = match &stage.action {
            Action::Run(argv) => {
                let (tools, program) = self.host_programs(id, &argv[0])?;
                (tools, program, None)
            }
            Action::Tool { .. } | Action::Compile(_) => {
                let binary = self.own_binary()?;
                let places: Vec<(String, String)> =
                    stage.from.iter().map(|(s, at)| (self.plan.stage(*s).name.clone(), at.clone())).collect();
                let config = key::builtin_config(stage, &places, &files).expect("built-in tools have one");
                let config = self.store.put(&config)?;
                (Digest::EMPTY, PathBuf::from(key::TOOL_PATH), Some((binary, config)))
            }
        };
        let secrets = self.secrets.ingredients(stage)?;
        let trees = upstream.iter().map(|(at, tree)| (at.as_str(), *tree));
        let all = if carried.is_empty() { None } else { Some([files.as_slice(), &carried].concat()) };
        let all = all.as_ref().unwrap_or(&files);
        let fingerprint = fingerprint(&mut self.message, stage, all, trees, tools, builtin, &secrets);
        Ok(Parts { files, upstream, carried, secrets, tools, program, builtin, fingerprint })
    }

    /// Digest of the host programs that a `run` stage starts, and its own program's file.
    pub(super) fn host_programs(&mut self, id: StageId, program: &str) -> Result<(Digest, PathBuf), Problem> {
        let stage = self.plan.stage(id);
        let path_of = |s: &'p ResolvedStage| s.env.iter().find(|(n, _)| n == "PATH").map_or("", |(_, v)| v.as_str());
        let path = path_of(stage);
        if let Some((like, digest, file)) = &self.programs {
            let like = self.plan.stage(*like);
            let same = matches!(&like.action, Action::Run(argv) if argv[0] == program);
            if same && like.tools == stage.tools && path_of(like) == path && like.services() == stage.services() {
                return Ok((*digest, file.clone()));
            }
        }
        let is_input = program.contains('/') && !program.starts_with('/');
        let mut names = stage.tools.to_vec();
        if !is_input {
            names.push(program.to_owned());
        }
        names.sort_unstable();
        names.dedup();
        let mut digest = self.tools.digest(&names, path)?;
        if !stage.services().is_empty() {
            digest = self.with_services(digest, stage.services())?;
        }
        let file = if is_input { PathBuf::from(program) } else { self.tools.find(program, path)? };
        self.programs = Some((id, digest, file.clone()));
        Ok((digest, file))
    }

    /// How a stage is started.
    pub(super) fn scene(&mut self, id: StageId, prepared: &Prepared) -> Scene {
        let stage = self.plan.stage(id);
        Scene {
            key: prepared.keyed.key,
            program: prepared.program.clone(),
            argv: key::arguments(stage),
            env: stage.env.to_vec(),
            isolation: stage.isolation,
            confinement: self.confinement(id),
        }
    }

    /// Has a stage watched instead of kept away from what it reads; comes back with what is known of it.
    pub(super) fn watched(&mut self, id: StageId, scene: &mut Scene) -> Known {
        let stage = self.plan.stage(id);
        let path = stage.env.iter().find(|(n, _)| n == "PATH").map_or("", |(_, v)| v.as_str());
        let own = scene.argv.first().filter(|name| !name.contains('/') || name.starts_with('/'));
        let names: Vec<String> = stage.tools.iter().chain(own).cloned().collect();
        let found = names.iter().filter_map(|name| Some((name.clone(), self.tools.find(name, path).ok()?)));
        let programs = found.map(|(name, file)| {
            let real = file.canonicalize().unwrap_or_else(|_| file.clone());
            (name, vec![file, real])
        });
        let programs = programs.collect();
        let loaded = self.tools.files(&names, path).unwrap_or_default();
        let watch = if stage.isolation == Isolation::Open { Watch::Everything } else { Watch::Reads };
        scene.confinement = Some(Confinement {
            level: Isolation::Confined,
            network: stage.network,
            programs: Vec::new(),
            hidden: self.workspace.root().to_owned(),
            memory_bytes: stage.runtime.as_ref().and_then(|r| r.memory_bytes),
            watch: Some(watch),
        });
        Known {
            stage: stage.name.clone(),
            programs,
            loaded: loaded.into_iter().collect(),
            path: path.to_owned(),
            network: stage.network,
            pipeline: self.plan.name.clone(),
            project: self.workspace.root().to_owned(),
            own: self.workspace.base().to_owned(),
        }
    }

    /// What is kept away from a stage while it runs; nothing at `open`.
    pub(super) fn confinement(&mut self, id: StageId) -> Option<Confinement> {
        let stage = self.plan.stage(id);
        if stage.isolation == Isolation::Open {
            return None;
        }
        let (mut names, mut path) = (Vec::new(), "");
        if let Action::Run(argv) = &stage.action {
            let is_input = argv[0].contains('/') && !argv[0].starts_with('/');
            let own = argv.first().filter(|_| !is_input);
            names = stage.tools.iter().chain(own).cloned().collect();
            path = stage.env.iter().find(|(n, _)| n == "PATH").map_or("", |(_, v)| v.as_str());
        }
        let memory_bytes = stage.runtime.as_ref().and_then(|r| r.memory_bytes);
        Some(self.confinement_of(stage.isolation, stage.network, &names, path, memory_bytes))
    }

    /// What is kept away at a level from what starts these programs.
    pub(super) fn confinement_of(
        &mut self,
        level: Isolation,
        network: Network,
        names: &[String],
        path: &str,
        memory_bytes: Option<u64>,
    ) -> Confinement {
        // They were found when the key was made; what is gone since then stays out of reach.
        let mut programs =
            if names.is_empty() { BTreeSet::new() } else { self.tools.files(names, path).unwrap_or_default() };
        programs.retain(|file| !is_host_root(file));
        let hidden = self.workspace.root().to_owned();
        Confinement { level, network, programs: programs.into_iter().collect(), hidden, memory_bytes, watch: None }
    }

    fn own_binary(&mut self) -> Result<Blob, Problem> {
        if let Some(blob) = self.tool {
            return Ok(blob);
        }
        let blob = self.tools.content(&self.binary)?;
        if self.store.stamp(blob.digest)?.is_none() {
            let file = std::fs::File::open(&self.binary).map_err(|e| Problem {
                code: ReasonCode::ToolMissing,
                message: format!("cannot open `{}`: {e}", self.binary.display()),
            })?;
            self.store.put_file(file, &self.binary, blob.size_bytes)?;
        }
        self.tool = Some(blob);
        Ok(blob)
    }

    pub(super) fn complete(&self, id: StageId, parts: Parts) -> Result<Prepared, Problem> {
        let stage = self.plan.stage(id);
        let upstream: Vec<(&str, Blob)> = parts.upstream.iter().map(|(at, blob)| (at.as_str(), *blob)).collect();
        let all = if parts.carried.is_empty() { None } else { Some([parts.files.as_slice(), &parts.carried].concat()) };
        let inputs = Inputs {
            files: all.as_ref().unwrap_or(&parts.files),
            upstream: &upstream,
            builtin: parts.builtin,
            tools: parts.tools,
            secrets: &parts.secrets,
        };
        let keyed = key::stage_key(stage, &inputs)
            .map_err(|e| Problem { code: ReasonCode::OutputConflict, message: e.to_string() })?;
        let mut outputs = Vec::with_capacity(stage.from.len());
        for (position, (needed, at)) in stage.from.iter().enumerate() {
            let Some(product) = &self.products[needed.index()] else { continue };
            outputs.push(match part(self.plan, id, position, product)? {
                Part::Tree(outputs, _) => Upstream { outputs, ..self.upstream(*needed, at, product) },
                Part::File(file) => {
                    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
                    let kind = OutputKind::File { blob: file.blob, executable: file.executable };
                    let outputs = Arc::new(vec![Output { path: name.to_owned(), kind }]);
                    Upstream { outputs, ..self.upstream(*needed, folder, product) }
                }
            });
        }
        let contents =
            Contents { upstream: outputs, files: parts.files, builtin: parts.builtin, outs: stage.outs.to_vec() };
        Ok(Prepared { keyed, fingerprint: parts.fingerprint, contents: Arc::new(contents), program: parts.program })
    }
}
