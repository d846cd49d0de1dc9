//! Planning one stage: its inputs, its key, and whether the cache has its result.

use std::path::PathBuf;
use std::sync::Arc;

use orgo_kernel::gate::Admission;
use orgo_kernel::graph::StageId;
use orgo_kernel::key::{self, Blob, Inputs, Keyed, Output, OutputKind, SourceFile, StageKey, Tree};
use orgo_kernel::plan::{Action, Resolved, ResolvedStage};
use orgo_kernel::why::{Ingredients, Why};
use orgo_spec::{Digest, ReasonCode};

use crate::file::PathError;
use crate::memory::{Memory, Remembered};
use crate::sandbox::{Contents, Upstream, restore, stamps};
use crate::sources::Sources;
use crate::store::{ObjectError, Store};
use crate::tools::Tools;
use crate::workspace::Workspace;

use super::fingerprint::fingerprint;
use super::heal::heal;
use super::part::{Part, part};
use super::problem::Problem;
use super::secrets::SecretValues;

/// What a stage produced, as later stages need it.
#[derive(Debug, Clone)]
pub struct Product {
    /// The outputs.
    pub outputs: Arc<Vec<Output>>,
    /// Digest of the output tree's message.
    pub tree: Blob,
    /// Digest over the programs that it ran with: the binary of a built-in tool, otherwise host programs.
    pub tools: Digest,
}

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

/// What the cache says.
#[derive(Debug)]
pub enum Lookup {
    /// There is a usable result, and `out/` shows it.
    Hit {
        /// The result.
        remembered: Box<Remembered>,
        /// Whether the key is another than in the run before.
        new_key: bool,
    },
    /// There is none.
    Miss {
        /// What the stage needs to run.
        prepared: Box<Prepared>,
        /// Why there is none.
        why: Vec<Why>,
    },
}

/// What a run would do with a stage.
#[derive(Debug)]
pub enum Foreseen {
    /// The cache has its result.
    Hit(StageKey),
    /// It would run.
    Runs(StageKey, Vec<Why>),
    /// Its gate decides first.
    Gated(StageKey),
    /// It reads what this stage has yet to produce.
    Waits(StageId),
}

/// Plans stages of one pipeline, in the order in which their inputs become known.
pub struct Planner<'p> {
    pub(super) plan: &'p Resolved,
    pub(super) workspace: &'p Workspace,
    pub(super) store: Arc<Store>,
    pub(super) sources: Sources,
    tools: Tools,
    pub(super) memory: Memory,
    products: Vec<Option<Product>>,
    binary: PathBuf,
    tool: Option<Blob>,
    /// The last answer of [`Planner::host_programs`]: most stages of a pipeline use the same programs.
    programs: Option<(StageId, Digest, PathBuf)>,
    pub(super) message: Vec<u8>,
    secrets: SecretValues,
    dirty: bool,
}

/// The parts of a stage that the key is computed from.
struct Parts {
    files: Vec<SourceFile>,
    upstream: Vec<(String, Blob)>,
    /// Files that edges carry alone.
    carried: Vec<SourceFile>,
    secrets: Vec<(String, Option<Digest>)>,
    tools: Digest,
    program: PathBuf,
    builtin: Option<(Blob, Blob)>,
    fingerprint: Digest,
}

impl<'p> Planner<'p> {
    /// Opens what is remembered; `binary` is the file that built-in tools are run from.
    ///
    /// # Errors
    /// [`PathError`] if the memory or the store cannot be opened.
    pub fn open(
        plan: &'p Resolved,
        workspace: &'p Workspace,
        store: Arc<Store>,
        binary: PathBuf,
    ) -> Result<Self, PathError> {
        let state = workspace.state();
        Ok(Self {
            plan,
            workspace,
            store,
            sources: Sources::open(workspace.root(), &state.join("files"))?,
            tools: Tools::default(),
            memory: Memory::open(&state, &plan.name, plan.stages.iter().map(|s| s.name.as_str()))?,
            products: vec![None; plan.stages.len()],
            binary,
            tool: None,
            programs: None,
            message: Vec::new(),
            secrets: SecretValues::default(),
            dirty: false,
        })
    }

    /// Says where secrets come from, for stages whose keys have keyed digests of them.
    pub fn set_secrets(&mut self, secrets: SecretValues) {
        self.secrets = secrets;
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What a stage produced, if that is known.
    #[must_use]
    pub fn product(&self, id: StageId) -> Option<&Product> {
        self.products[id.index()].as_ref()
    }

    /// The source files of this run.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Prepares a stage whose inputs are all known: computes its key, and asks no cache.
    ///
    /// # Errors
    /// [`Problem`] if an input or a program is missing or unusable.
    pub fn prepare(&mut self, id: StageId) -> Result<Prepared, Problem> {
        let parts = self.parts(id)?;
        self.complete(id, parts)
    }

    /// Prepares a stage and asks the cache; a usable result is shown below `out/`.
    ///
    /// Gated stages are looked up only with the admission that their gate's pass gave.
    ///
    /// # Errors
    /// [`Problem`] if an input or a program is missing or unusable.
    ///
    /// # Panics
    /// If a gated stage comes without its admission: that is a bug, never a state of the world.
    pub fn look(&mut self, id: StageId, admission: Option<&Admission>, force: bool) -> Result<Lookup, Problem> {
        let stage = self.plan.stage(id);
        assert_eq!(stage.gate.is_some(), admission.is_some(), "an admission belongs to each gated stage");
        let parts = self.parts(id)?;
        let known = self.memory.get(id.index()).filter(|r| r.fingerprint == parts.fingerprint).cloned();
        let new_key = known.is_none();
        let (found, prepared) = match known {
            Some(remembered) => (Some(remembered), Err(parts)),
            None => {
                let prepared = self.complete(id, parts)?;
                (self.cached(&prepared)?, Ok(prepared))
            }
        };
        let mut lost = Vec::new();
        if force {
            lost.push(Why::Forced);
        } else if let Some(remembered) = found {
            if remembered.isolation < stage.isolation {
                lost.push(Why::IsolationTooWeak { obtained: remembered.isolation, demanded: stage.isolation });
            } else {
                match self.usable(id, remembered)? {
                    Ok(remembered) => return Ok(self.hit(id, remembered, new_key)),
                    Err(why) => lost.push(why),
                }
            }
        }
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(parts) => self.complete(id, parts)?,
        };
        let why = self.why(id, &prepared, lost)?;
        self.memory.forget(id.index());
        self.dirty = true;
        Ok(Lookup::Miss { prepared: Box::new(prepared), why })
    }

    /// What later stages and gates need of a result.
    fn product_of(&self, id: StageId, remembered: &Remembered) -> Product {
        let builtin = self.tool.filter(|_| self.plan.is_builtin(id)).map(|binary| binary.digest);
        Product {
            outputs: Arc::clone(&remembered.outputs),
            tree: remembered.tree,
            tools: builtin.unwrap_or(remembered.keyed.tools),
        }
    }

    fn hit(&mut self, id: StageId, remembered: Remembered, new_key: bool) -> Lookup {
        self.products[id.index()] = Some(self.product_of(id, &remembered));
        Lookup::Hit { remembered: Box::new(remembered), new_key }
    }

    /// Takes in what an attempt made.
    pub fn made(&mut self, id: StageId, remembered: Remembered) {
        self.products[id.index()] = Some(self.product_of(id, &remembered));
        self.memory.set(id.index(), remembered);
        self.dirty = true;
    }

    /// What the key of a stage is made of, by path.
    #[must_use]
    pub fn inputs(&self, id: StageId, files: &[SourceFile]) -> Vec<(String, Digest)> {
        let mut inputs: Vec<(String, Digest)> = files.iter().map(|f| (f.path.clone(), f.blob.digest)).collect();
        let stage = self.plan.stage(id);
        for (position, (needed, at)) in stage.from.iter().enumerate() {
            let digest = |p: &Product| super::part::digest(self.plan, id, position, &p.outputs, p.tree);
            inputs.extend(self.product(*needed).map(|p| (at.clone(), digest(p))));
        }
        for name in stage.env_pass() {
            let value = stage.env.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value);
            inputs.push((format!("environment {name}"), Digest::of(value.as_bytes())));
        }
        inputs
    }

    /// The source files that a stage reads, as far as they can be had.
    pub fn files(&mut self, id: StageId) -> Vec<SourceFile> {
        self.sources.select(&self.plan.stage(id).files, &self.store).unwrap_or_default()
    }

    /// Writes what was learned.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub fn save(self) -> Result<(), PathError> {
        self.sources.save()?;
        if self.dirty {
            self.memory.save(self.plan.stages.iter().map(|s| s.name.as_str()))?;
        }
        Ok(())
    }

    fn parts(&mut self, id: StageId) -> Result<Parts, Problem> {
        let stage = self.plan.stage(id);
        let files = self.sources.select(&stage.files, &self.store)?;
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
            if same && like.tools == stage.tools && path_of(like) == path {
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
        let digest = self.tools.digest(&names, path, &mut self.sources)?;
        let file = if is_input { PathBuf::from(program) } else { self.tools.find(program, path)? };
        self.programs = Some((id, digest, file.clone()));
        Ok((digest, file))
    }

    /// Digest of the running program, which stands in cache entries and records.
    ///
    /// # Errors
    /// [`Problem`] if its file cannot be read.
    pub fn binary_digest(&mut self) -> Result<Digest, Problem> {
        Ok(self.sources.host_file(&self.binary)?.digest)
    }

    /// Foresees what [`Planner::look`] would find, and changes nothing: no result is restored, nothing
    /// is remembered. Gated stages are not looked up: only a pass may do that.
    ///
    /// # Errors
    /// [`Problem`] if an input or a program is missing or unusable.
    pub fn foresee(&mut self, id: StageId) -> Result<Foreseen, Problem> {
        let stage = self.plan.stage(id);
        if let Some((needed, _)) = stage.from.iter().find(|(s, _)| self.products[s.index()].is_none()) {
            return Ok(Foreseen::Waits(*needed));
        }
        let prepared = self.prepare(id)?;
        let key = prepared.keyed.key;
        if stage.gate.is_some() {
            return Ok(Foreseen::Gated(key));
        }
        let known = self.memory.get(id.index()).filter(|r| r.fingerprint == prepared.fingerprint).cloned();
        let found = match known {
            Some(remembered) => Some(remembered),
            None => self.cached(&prepared)?,
        };
        if let Some(found) = found.filter(|f| f.isolation >= stage.isolation) {
            let mut sound = true;
            for output in found.outputs.iter() {
                if let OutputKind::File { blob, .. } = &output.kind {
                    sound &= self.store.stamp(blob.digest)?.is_some();
                }
            }
            if sound {
                self.products[id.index()] = Some(self.product_of(id, &found));
                return Ok(Foreseen::Hit(key));
            }
        }
        let now = Ingredients { keyed: prepared.keyed.clone(), inputs: self.inputs(id, &prepared.contents.files) };
        let mut why = match self.memory.ingredients(&stage.name)? {
            None => vec![Why::NeverRun],
            Some(before) => Why::between(before, &now),
        };
        if why.is_empty() {
            why.push(Why::ResultLost);
        }
        Ok(Foreseen::Runs(key, why))
    }

    fn own_binary(&mut self) -> Result<Blob, Problem> {
        if let Some(blob) = self.tool {
            return Ok(blob);
        }
        let blob = self.sources.host_file(&self.binary)?;
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

    fn complete(&self, id: StageId, parts: Parts) -> Result<Prepared, Problem> {
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

    fn upstream(&self, stage: StageId, at: &str, product: &Product) -> Upstream {
        let shown = self.workspace.out(&self.plan.name, &self.plan.stage(stage).name);
        Upstream { at: at.to_owned(), outputs: Arc::clone(&product.outputs), shown }
    }

    /// The bytes of an output of `stage`, verified.
    ///
    /// # Errors
    /// [`ObjectError`] if neither the store nor `out/` has them.
    pub(super) fn object(&self, stage: StageId, blob: Blob) -> Result<Vec<u8>, ObjectError> {
        match self.store.get(blob.digest) {
            Err(ObjectError::Missing(_) | ObjectError::Corrupt(_)) => {
                let outputs = self.product(stage).map(|p| self.upstream(stage, "", p));
                heal(blob.digest, outputs.as_slice(), &self.store)?;
                self.store.get(blob.digest)
            }
            other => other,
        }
    }

    fn cached(&self, prepared: &Prepared) -> Result<Option<Remembered>, Problem> {
        let Some(cached) = self.store.result(prepared.keyed.key)? else { return Ok(None) };
        let Ok(tree) = Tree::of_outputs(&cached.outputs) else { return Ok(None) };
        Ok(Some(Remembered {
            fingerprint: prepared.fingerprint,
            keyed: prepared.keyed.clone(),
            tree: tree.blob(),
            outputs: cached.outputs,
            stamps: Vec::new(),
            log: cached.log,
            isolation: cached.isolation,
            duration_ms: cached.duration_ms,
        }))
    }

    /// Whether a result can be used: `out/` shows it, or it is restored from objects that are read and hashed.
    ///
    /// What `out/` shows is as good as the object, so its object is not asked for before something needs it.
    fn usable(&mut self, id: StageId, mut remembered: Remembered) -> Result<Result<Remembered, Why>, Problem> {
        let stage = self.plan.stage(id);
        let out = self.workspace.out(&self.plan.name, &stage.name);
        let shown = stamps(&remembered.outputs, &out)?;
        if shown.as_ref() == Some(&remembered.stamps) {
            return Ok(Ok(remembered));
        }
        match restore(&remembered.outputs, &out, &self.store) {
            Ok(()) => {}
            Err(ObjectError::Missing(_) | ObjectError::Corrupt(_)) => {
                return Ok(Err(Why::OutputLost { path: stage.outs.join(", ") }));
            }
            Err(ObjectError::Path(e)) => return Err(e.into()),
        }
        remembered.stamps = stamps(&remembered.outputs, &out)?.unwrap_or_default();
        self.memory.set(id.index(), remembered.clone());
        self.dirty = true;
        Ok(Ok(remembered))
    }

    fn why(&mut self, id: StageId, prepared: &Prepared, mut why: Vec<Why>) -> Result<Vec<Why>, Problem> {
        let name = &self.plan.stages[id.index()].name;
        let now = Ingredients { keyed: prepared.keyed.clone(), inputs: self.inputs(id, &prepared.contents.files) };
        let succeeded = self.memory.get(id.index()).is_some();
        match self.memory.ingredients(name)? {
            None if why.is_empty() => why.push(Why::NeverRun),
            None => {}
            Some(before) => {
                why.extend(Why::between(before, &now));
                if why.is_empty() {
                    why.push(if succeeded { Why::ResultLost } else { Why::FailedBefore });
                }
            }
        }
        self.memory.set_ingredients(name, now)?;
        Ok(why)
    }
}
