//! Stage keys: what makes two stages the same work.
//!
//! The key is the digest of the stage's Remote Execution API v2 `Action`, so one key serves the local
//! cache and any server that speaks the API.
//!
//! | ingredient                                     | in the key | because                                   |
//! |------------------------------------------------|------------|-------------------------------------------|
//! | program, arguments, environment, output paths  | yes        | they are the work (`Command`)             |
//! | content, path and mode of every input          | yes        | they are the work (input root)            |
//! | configuration of a built-in tool, its binary   | yes        | both are input files                      |
//! | content of host programs and their libraries   | yes        | they decide what comes out (salt `tools`) |
//! | timeout                                        | yes        | the API has it in the `Action`            |
//! | view (`host` or `root`)                        | yes        | paths that a stage sees differ            |
//! | whether it may use the host's network          | yes        | what it makes with it may differ (salt)   |
//! | operating system, instruction set              | yes        | `Platform`, in both messages              |
//! | stage name, retries, cpus, memory              | no         | renaming or waiting changes nothing       |
//! | names of secrets, keyed digests on demand      | yes        | they decide what comes out (salt)         |
//! | values of secrets                              | no         | a key is public                           |
//! | mandate, gate                                  | no         | gates are decided on every run            |
//! | time, host name, user, order of declaration    | no         | circumstances                             |
//!
//! Outputs of earlier stages enter by content, so a stage whose inputs come out the same is not run
//! again (early cut-off).

mod reapi;
mod tree;

pub use reapi::{ActionMessage, Blob, Command};
pub use tree::{Output, OutputKind, Tree, TreeConflict};

use orgo_spec::Digest;
use orgo_spec::canonical::{self, Object, Value};
use orgo_spec::pipeline::{Isolation, Network};
use serde::{Deserialize, Serialize};

use crate::plan::{Action, ResolvedStage};

/// The version of everything that is not in the messages; a change of it changes every key.
const FORMAT: u32 = 1;

/// Where built-in tools find their own binary.
pub const TOOL_PATH: &str = ".orgo/tool/orgo";
/// Where built-in tools find their configuration.
pub const CONFIG_PATH: &str = ".orgo/config.json";

/// Platform properties of everything this build runs, sorted by name.
pub const PLATFORM: [(&str, &str); 2] =
    [("ISA", if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86-64" }), ("OSFamily", "linux")];

/// A stage key: the digest of an `Action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StageKey(pub Digest);

impl std::fmt::Display for StageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A repository file as an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path in the repository and in the input root.
    pub path: String,
    /// Content.
    pub blob: Blob,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Everything about a stage that is not in its declaration.
#[derive(Debug, Clone)]
pub struct Inputs<'i> {
    /// Repository files, in any order.
    pub files: &'i [SourceFile],
    /// Output trees of earlier stages and where they appear.
    pub upstream: &'i [(&'i str, Blob)],
    /// The binary and the configuration of a built-in tool.
    pub builtin: Option<(Blob, Blob)>,
    /// Digest over the host programs (see `docs/formats/stage-key.md`).
    pub tools: Digest,
    /// Names of secrets that the stage sees, sorted, with keyed digests where these are asked for.
    pub secrets: &'i [(String, Option<Digest>)],
}

/// A key and what it was made of, to tell later why another key is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed {
    /// The key.
    pub key: StageKey,
    /// The `Command`.
    pub command: Blob,
    /// The input root.
    pub input_root: Blob,
    /// Host programs.
    pub tools: Digest,
    /// Timeout in milliseconds.
    pub timeout_ms: u64,
}

/// Arguments of a stage as they are in its `Command`.
#[must_use]
pub fn arguments(stage: &ResolvedStage) -> Vec<String> {
    match &stage.action {
        Action::Run(argv) => argv.clone(),
        Action::Tool { name, .. } => builtin_arguments(name),
        Action::Compile(compiler) => builtin_arguments(compiler.tool().name()),
    }
}

fn builtin_arguments(name: &str) -> Vec<String> {
    vec![TOOL_PATH.to_owned(), "stage".to_owned(), name.to_owned()]
}

/// The configuration file of a built-in tool: canonical JSON with the tool's name, the places of its
/// inputs, and its settings; `decisions` lists the files that the patterns matched.
#[must_use]
pub fn builtin_config(stage: &ResolvedStage, inputs: &[(String, String)], files: &[SourceFile]) -> Option<Vec<u8>> {
    let (name, mut config) = match &stage.action {
        Action::Run(_) => return None,
        Action::Tool { name, config } => {
            let config = canonical::parse(config, canonical::Profile::DOCUMENT).expect("written by `expand`");
            (name.as_str(), config)
        }
        Action::Compile(compiler) => (compiler.tool().name(), Value::Object(Object::new())),
    };
    if let Some(settings) = config.as_object_mut().filter(|s| s.get("decisions").is_some()) {
        let mut paths: Vec<&str> = files.iter().map(|f| f.path.as_str()).collect();
        paths.sort_unstable();
        settings.insert("decisions", Value::Array(paths.into_iter().map(Value::from).collect()));
    }
    let places: Object = inputs.iter().map(|(stage, at)| (stage.clone(), at.as_str())).collect();
    let document = Object::from_iter([("tool", name.into()), ("inputs", Value::Object(places)), ("config", config)]);
    Some(canonical::to_bytes(&document.into()))
}

/// The salt of an action: what decides the result and has no field of its own in the message.
#[must_use]
pub fn salt(tools: Digest, view: &str, network: Network, secrets: &[(String, Option<Digest>)]) -> Vec<u8> {
    let mut salt = Object::from_iter([("format", Value::from(FORMAT)), ("tools", tools.into()), ("view", view.into())]);
    // What a stage made with a network never stands for what it makes without one.
    if network == Network::Host {
        salt.insert("network", "host");
    }
    if !secrets.is_empty() {
        let digest = |digest: &Option<Digest>| digest.map_or(Value::Null, Value::from);
        let secrets: Object = secrets.iter().map(|(name, keyed)| (name.clone(), digest(keyed))).collect();
        salt.insert("secrets", Value::Object(secrets));
    }
    canonical::to_bytes(&salt.into())
}

/// The input root of a stage.
///
/// # Errors
/// [`TreeConflict`] if two inputs claim one path.
pub fn input_root(inputs: &Inputs<'_>) -> Result<Tree, TreeConflict> {
    let mut tree = Tree::default();
    for file in inputs.files {
        tree.file(&file.path, file.blob, file.executable)?;
    }
    for (at, outputs) in inputs.upstream {
        tree.sealed(at, *outputs)?;
    }
    if let Some((binary, config)) = inputs.builtin {
        tree.file(TOOL_PATH, binary, true)?;
        tree.file(CONFIG_PATH, config, false)?;
    }
    Ok(tree)
}

/// The key of a stage whose inputs are all known.
///
/// Linear in the number of inputs; reads no file. Inputs may come in any order.
///
/// # Errors
/// [`TreeConflict`] if two inputs claim one path.
pub fn stage_key(stage: &ResolvedStage, inputs: &Inputs<'_>) -> Result<Keyed, TreeConflict> {
    let root = input_root(inputs)?.blob();
    let arguments = arguments(stage);
    let command =
        Command { arguments: &arguments, environment: &stage.env, output_paths: &stage.outs, platform: &PLATFORM };
    let command = Blob::of(&command.encode());
    let view = match stage.isolation {
        Isolation::Open | Isolation::Confined => "host",
        Isolation::Hermetic => "root",
    };
    let action = ActionMessage {
        command,
        input_root: root,
        timeout_ms: Some(stage.timeout_ms),
        do_not_cache: false,
        salt: &salt(inputs.tools, view, stage.network, inputs.secrets),
        platform: &PLATFORM,
    };
    let key = StageKey(Digest::of(&action.encode()));
    Ok(Keyed { key, command, input_root: root, tools: inputs.tools, timeout_ms: stage.timeout_ms })
}

#[cfg(test)]
mod tests;
