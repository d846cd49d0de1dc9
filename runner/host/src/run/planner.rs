//! What a run knows while it plans: sources, programs, memory, and what stages produced.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use orgo_kernel::graph::StageId;
use orgo_kernel::key::{Blob, Output, SourceFile, StageKey};
use orgo_kernel::plan::Resolved;
use orgo_kernel::why::Evicted;
use orgo_spec::Digest;
use orgo_spec::record::Origin;

use crate::cache::Shared;
use crate::file::PathError;
use crate::git::Looked;
use crate::memory::{Memory, Remembered};
use crate::sandbox::Upstream;
use crate::sources::Sources;
use crate::store::{ObjectError, Store};
use crate::tools::Tools;
use crate::workspace::Workspace;

use super::heal::heal;
use super::options::{Confirm, Others};
use super::problem::Problem;
use super::secrets::SecretValues;
use super::service::PreparedService;

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

/// What was wrong with a shared cache directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The directory.
    pub name: String,
    /// What is wrong.
    pub fault: String,
    /// Whether it is left alone for the rest of the run.
    pub given_up: bool,
}

/// Where host programs are remembered.
pub(super) fn programs(workspace: &Workspace) -> PathBuf {
    workspace.state().join("programs")
}

/// Plans stages of one pipeline, in the order in which their inputs become known.
pub struct Planner<'p> {
    pub(super) plan: &'p Resolved,
    pub(super) workspace: &'p Workspace,
    pub(super) store: Arc<Store>,
    pub(super) sources: Sources,
    pub(super) tools: Tools,
    pub(super) memory: Memory,
    pub(super) products: Vec<Option<Product>>,
    pub(super) binary: PathBuf,
    pub(super) tool: Option<Blob>,
    /// The last answer of [`Planner::host_programs`]: most stages of a pipeline use the same programs.
    pub(super) programs: Option<(StageId, Digest, PathBuf)>,
    /// The services that were prepared, by position.
    pub(super) services: Vec<Option<PreparedService>>,
    /// How the stages before the last ones ended.
    pub(super) results: Option<SourceFile>,
    pub(super) message: Vec<u8>,
    /// Where secrets come from.
    pub(super) secrets: SecretValues,
    pub(super) dirty: bool,
    /// By id, whether a stage is as the last run left it, as far as that is known and nothing before it changed.
    pub(super) unchanged: Vec<bool>,
    /// Results that were collected as garbage, once somebody asked.
    pub(super) evicted: Option<HashMap<StageKey, Evicted>>,
    /// Which results of others count.
    pub(super) others: Others,
    /// The shared directories that are asked.
    pub(super) shared: Vec<Shared>,
    /// What was wrong with them, until somebody asks.
    pub(super) faults: Vec<Fault>,
    /// Records that confirm results from elsewhere which are used.
    pub(super) confirmed: BTreeMap<StageId, Digest>,
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
            tools: Tools::open(&programs(workspace))?,
            memory: Memory::open(&state, &plan.name, plan.stages.iter().map(|s| s.name.as_str()))?,
            products: vec![None; plan.stages.len()],
            binary,
            tool: None,
            programs: None,
            services: vec![None; plan.services.len()],
            results: None,
            message: Vec::new(),
            secrets: SecretValues::default(),
            dirty: false,
            unchanged: Vec::new(),
            evicted: None,
            others: Others::default(),
            shared: Vec::new(),
            faults: Vec::new(),
            confirmed: BTreeMap::new(),
        })
    }

    /// Says what was found when git looked at the files that it tracks.
    pub fn set_looked(&mut self, looked: Option<Arc<Looked>>) {
        self.sources.set_looked(looked);
    }

    /// Takes in all files that the stages read which `wanted` marks: from here on it is settled what they contain.
    pub fn freeze(&mut self, wanted: &[bool]) {
        let stages = self.plan.stages.iter().zip(wanted).filter(|(_, wanted)| **wanted);
        self.sources.freeze(stages.flat_map(|(stage, _)| stage.files.iter()), &self.store);
    }

    /// Says where secrets come from, for stages whose keys have keyed digests of them.
    pub fn set_secrets(&mut self, secrets: SecretValues) {
        self.secrets = secrets;
    }

    /// Says which results of others count, and opens the directories that are asked.
    pub fn set_others(&mut self, others: Others) {
        for name in &others.folders {
            let (shared, fault) = Shared::open(name, self.workspace.tenant());
            self.faults.extend(fault.map(|fault| Fault { name: name.clone(), fault, given_up: true }));
            self.shared.push(shared);
        }
        self.others = others;
    }

    /// What was wrong with shared directories since somebody asked last.
    pub fn faults(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.faults)
    }

    /// Whether a result from elsewhere counts for a stage without a confirmation.
    pub(super) fn takes(&self, id: StageId, origin: Option<&Origin>) -> bool {
        origin.is_none_or(|origin| self.others.take(origin, !self.others.all && self.is_at_a_gate(id)))
    }

    /// Whether a gate reads a stage or stands before it.
    fn is_at_a_gate(&self, id: StageId) -> bool {
        self.plan.stage(id).gate.is_some() || self.plan.gates.iter().any(|gate| gate.on == id)
    }

    /// What could confirm a result from elsewhere for a stage.
    pub(super) fn confirm(&self, id: StageId) -> Option<Rc<dyn Confirm>> {
        self.others.confirm.clone().filter(|_| !self.is_at_a_gate(id))
    }

    /// The record that confirms the result from elsewhere which is used for a stage, if that was asked.
    #[must_use]
    pub fn confirmed(&self, id: StageId) -> Option<Digest> {
        self.confirmed.get(&id).copied()
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

    /// What is remembered of a stage.
    pub(super) fn remembered(&self, id: StageId) -> Option<&Remembered> {
        self.memory.get(id.index())
    }

    /// The source files of this run.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Where the results of a stage are shown.
    pub(super) fn shown(&self, id: StageId) -> PathBuf {
        self.workspace.out(&self.plan.name, &self.plan.stage(id).name)
    }

    /// What later stages and gates need of a result.
    pub(super) fn product_of(&self, id: StageId, remembered: &Remembered) -> Product {
        let builtin = self.tool.filter(|_| self.plan.is_builtin(id)).map(|binary| binary.digest);
        Product {
            outputs: Arc::clone(&remembered.outputs),
            tree: remembered.tree,
            tools: builtin.unwrap_or(remembered.keyed.tools),
        }
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

    /// The files that a stage and its services read, as far as they can be had.
    pub fn files(&mut self, id: StageId) -> Vec<SourceFile> {
        let stage = self.plan.stage(id);
        // Nothing here reads them, so the store is asked only for what this run does not know yet.
        let known = self.sources.recall(&stage.files).ok().flatten();
        let mut files = known.or_else(|| self.sources.select(&stage.files, &self.store).ok()).unwrap_or_default();
        if stage.is_finally() {
            files.extend(self.results.clone());
        }
        self.with_service_files(id, files)
    }

    /// Adds the files of a stage's services to its own, each once.
    pub(super) fn with_service_files(&mut self, id: StageId, mut files: Vec<SourceFile>) -> Vec<SourceFile> {
        for service in self.plan.stage(id).services() {
            let Ok(service) = self.service(*service) else { continue };
            let known: HashSet<&str> = files.iter().map(|f| f.path.as_str()).collect();
            let others = service.contents.files.iter().filter(|f| !known.contains(f.path.as_str()));
            let others: Vec<SourceFile> = others.cloned().collect();
            files.extend(others);
        }
        files
    }

    /// Digest of the running program, which stands in cache entries and records.
    ///
    /// # Errors
    /// [`Problem`] if its file cannot be read.
    pub fn binary_digest(&mut self) -> Result<Digest, Problem> {
        Ok(self.tools.content(&self.binary)?.digest)
    }

    pub(super) fn upstream(&self, stage: StageId, at: &str, product: &Product) -> Upstream {
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
                heal(blob.digest, outputs.iter(), &self.store)?;
                self.store.get(blob.digest)
            }
            other => other,
        }
    }

    /// Writes what was learned.
    ///
    /// # Errors
    /// [`PathError`] if it cannot be written.
    pub fn save(self) -> Result<(), PathError> {
        self.sources.save()?;
        self.tools.save()?;
        if self.dirty {
            self.memory.save(self.plan.stages.iter().map(|s| s.name.as_str()))?;
        }
        Ok(())
    }
}
