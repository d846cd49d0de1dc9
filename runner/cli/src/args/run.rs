//! What `orgo run` is told, and what other commands are told as it is.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use orgo_spec::Name;
use orgo_spec::document::{ByteSize, DurationMs, FromScalar, Scalar};

/// What a run is told.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct Told {
    /// A parameter of the pipeline; may be given once each
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as `name=value`")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Whose results count besides those that were made here.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct Caches {
    /// Look for results in this folder too, which others fill; may be given more than once. A protected run asks no folder
    /// that is not named here
    #[arg(long = "cache", value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
    /// Let a protected run use what `orgo cache unpack` brought; other runs do so anyway
    #[arg(long)]
    pub(crate) unpacked: bool,
}

/// What a run is compared with.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct Against {
    /// The commit that a change is judged by: mandate, settings and grants come from it unless the run is protected, and
    /// `when changed=…` compares with it; without one these conditions hold
    #[arg(long, value_name = "REF")]
    pub(crate) base: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  orgo run\n  orgo run ci test -j4\n  orgo run ci -p level=3 --base main\n  orgo run elements --keep-going --events events.jsonl\n  orgo run ci --stream\n  orgo run ci test --watch\n  orgo run ci --cache /mnt/orgo-cache\n  orgo run ci --quiet --junit report.xml --trace trace.json\n  orgo run ci test --trace-inputs"
)]
pub(crate) struct Run {
    /// The pipeline; may be left out if there is one only
    pub(crate) pipeline: Option<String>,
    /// Only these stages and what they need
    pub(crate) stages: Vec<String>,
    #[command(flatten)]
    pub(crate) told: Told,
    #[command(flatten)]
    pub(crate) against: Against,
    #[command(flatten)]
    pub(crate) caches: Caches,
    /// How many stages run at a time; as many as there are processors unless told
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,
    /// How much memory stages may take together, such as `8GiB`; all there is, unless told
    #[arg(long, value_name = "SIZE", value_parser = value::<ByteSize>)]
    pub(crate) memory: Option<ByteSize>,
    /// Go on with stages that do not depend on a failure
    #[arg(short, long)]
    pub(crate) keep_going: bool,
    /// Run the named stages (all, if none is named) without using cached results
    #[arg(long)]
    pub(crate) force: bool,
    /// Run each stage so often, cached or not, and refuse one whose outputs are not the same every time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100))]
    pub(crate) repeat: Option<u32>,
    /// Give stages what they ask for and do not declare, and say what they should declare; nothing of such a run is cached,
    /// shown in `out/` or put on record
    #[arg(long, conflicts_with_all = ["force", "repeat", "lane", "spool", "wait", "watch", "folders", "unpacked", "log", "stream", "trace", "trace_otlp", "junit", "events", "clock"])]
    pub(crate) trace_inputs: bool,
    /// The lane; the protected one if this run may have it, unless told
    #[arg(long, value_name = "LANE")]
    pub(crate) lane: Option<LaneArg>,
    /// What the run is for, such as `production`; runner keys may be trusted for some environments only
    #[arg(long, value_name = "NAME", default_value = "development", value_parser = name)]
    pub(crate) environment: Name,
    /// Set `orgo.lock` aside (local lane only; the record says `unpinned`)
    #[arg(long)]
    pub(crate) unlocked: bool,
    /// Leave signed records in this folder, for `orgo record submit`, instead of appending them
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
    /// Wait so long for approvals, such as `10m`, before giving up with exit code 5
    #[arg(long, value_name = "TIME", value_parser = value::<DurationMs>)]
    pub(crate) wait: Option<DurationMs>,
    /// Run again whenever something that the run reads changes, until Ctrl-C; `--watch=poll` looks at files every second
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "auto", conflicts_with_all = ["spool", "wait"])]
    pub(crate) watch: Option<WatchArg>,
    /// How to report on standard error
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) log: LogForm,
    /// Show what stages print while they print it, line by line, each with the stage's name
    #[arg(long)]
    pub(crate) stream: bool,
    /// Write where the time went to this file, as a trace for the viewers of browsers
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Write the same to this file as a trace of OpenTelemetry (OTLP in JSON), below the span that `TRACEPARENT` names
    #[arg(long, value_name = "FILE")]
    pub(crate) trace_otlp: Option<PathBuf>,
    /// Write how every stage ended to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Append every event of the run to this file, as CloudEvents, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Use this time instead of the clock (accepted with development keys only; the record says so)
    #[arg(long, value_name = "TIME", hide = true)]
    pub(crate) clock: Option<String>,
}

/// What a run may leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LaneArg {
    /// A record on the local ledger, which is never pushed
    Local,
    /// A record on the local ledger, of a change that `--base` judges: no secrets, and what the base grants
    Request,
    /// A record on the audit ledger: needs a runner key, a clean tree and a protected branch
    Protected,
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WatchArg {
    /// The system tells of them; by looking every second, where it cannot
    Auto,
    /// By looking every second: for network file systems and shared folders
    Poll,
}

/// How a run reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
    /// Text for GitHub Actions: what stages printed is folded, and failures stand beside the lines that declare them
    Github,
    /// Text for GitLab CI: what stages printed is folded
    Gitlab,
}

fn name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|_| format!("expected {}", Name::RULE))
}

/// A value, written as documents write it.
pub(crate) fn value<T: FromScalar>(text: &str) -> Result<T, String> {
    let number = || T::from_scalar(&Scalar::Integer(text.parse().ok()?));
    T::from_scalar(&Scalar::Text(text.to_owned())).or_else(number).ok_or_else(|| format!("expected {}", T::EXPECTED))
}
