//! Services: programs that run beside stages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::between;
use crate::document::{DurationMs, Fields, Node, Problem, Problems, Spanned};
use crate::pipeline::decode::environment::env;
use crate::pipeline::stage::{Env, Isolation};
use crate::pipeline::words;
use crate::{Name, ReasonCode};

/// How long a service may take to become ready, unless told.
const READY_TIMEOUT: DurationMs = DurationMs(30_000);
/// How long a service may take to end after it was told to, unless told.
const STOP_TIMEOUT: DurationMs = DurationMs(5_000);

/// A program that is started before the first stage that needs it, and ended after the last one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Service {
    /// What it is called; unique in its pipeline.
    pub name: Spanned<Name>,
    /// Program and arguments.
    pub run: Vec<Spanned<String>>,
    /// Repository files in its working folder.
    pub files: Vec<Spanned<String>>,
    /// Its environment.
    pub env: Vec<Env>,
    /// Host programs that it starts besides its own.
    pub tools: Vec<Spanned<String>>,
    /// What is kept away from it.
    pub isolation: Option<Spanned<Isolation>>,
    /// How to tell that it is ready.
    pub ready: Ready,
    /// How long that may take.
    pub ready_timeout: DurationMs,
    /// What tells it to end.
    pub stop_signal: StopSignal,
    /// How long that may take, before it is killed.
    pub stop_timeout: DurationMs,
}

/// How to tell that a service is ready.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// It is as soon as it is started.
    Started,
    /// A program that ends well when it is.
    Program(Vec<Spanned<String>>),
    /// A TCP port of this machine that takes connections when it is.
    Port(u32),
}

/// What tells a service to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    /// Please end.
    #[default]
    Term,
    /// As from a terminal.
    Int,
    /// End, and tell about it.
    Quit,
    /// The terminal went away.
    Hup,
    /// At once.
    Kill,
}

impl StopSignal {
    /// The word that is written for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Hup => "HUP",
            Self::Kill => "KILL",
        }
    }
}

words!(StopSignal, "`TERM`, `INT`, `QUIT`, `HUP` or `KILL`", "TERM" => Self::Term, "INT" => Self::Int, "QUIT" => Self::Quit, "HUP" => Self::Hup, "KILL" => Self::Kill);

impl Service {
    /// Decodes a `service` node.
    pub(super) fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node);
        let name = fields.arg("a name", problems);
        let run = fields.list::<String>("run", problems);
        let files = fields.list::<String>("files", problems);
        let env = env(fields.children("env"), problems);
        let tools = fields.list::<String>("tool", problems);
        let isolation = fields.one("isolation", problems);
        let program = fields.list::<String>("ready", problems);
        let port = fields.one::<u32>("ready-port", problems);
        let ready_timeout = fields.one("ready-timeout", problems).map_or(READY_TIMEOUT, |t| t.value);
        let stop_signal = fields.one("stop-signal", problems).map(|s| s.value).unwrap_or_default();
        let stop_timeout = fields.one("stop-timeout", problems).map_or(STOP_TIMEOUT, |t| t.value);
        fields.finish(problems);
        if run.is_empty() {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "the service runs nothing", node.name.span)
                    .label("`run` is missing")
                    .help("add `run \"program\" \"argument\"`"),
            );
        }
        let values = env.iter().map(|e| &e.value);
        for text in run.iter().chain(&program).chain(&files).chain(&tools).chain(values).filter(|t| t.contains("${")) {
            problems.push(
                Problem::new(ReasonCode::DocumentInvalid, "nothing is replaced in a service", text.span)
                    .help("a service is shared by all stages that need it; write the text itself"),
            );
        }
        let ready = match (port, program.first()) {
            (Some(port), Some(first)) => {
                problems.push(
                    Problem::new(ReasonCode::FieldDuplicate, "a service is ready in one way", port.span)
                        .also(first.span, "the other one")
                        .help("keep `ready` or `ready-port`"),
                );
                return None;
            }
            (Some(port), None) => {
                between(&port, "`ready-port`", 1, 65_535, problems);
                Ready::Port(port.value)
            }
            (None, Some(_)) => Ready::Program(program),
            (None, None) => Ready::Started,
        };
        if run.is_empty() {
            return None;
        }
        Some(Self { name: name?, run, files, env, tools, isolation, ready, ready_timeout, stop_signal, stop_timeout })
    }
}
