//! The command line.

mod run;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use orgo_host::key::{KeyRef, Role};

pub(crate) use self::run::{Against, LaneArg, LogForm, Run, Told, WatchArg, value};
use crate::annotate::Form;
use crate::command::{
    admin, approve, blueprint, cache, cases, convert, epochs, evidence, flaky, fmt, gc, key, lock, mandate, overriding,
    proof, record, replay, shell, trust, verify,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Auditable pipelines as code.
///
/// Pipelines, policies and pins are files in git. `orgo` resolves them into a content-addressed graph,
/// runs stages in parallel behind deterministic gates, and commits what happened as signed records
/// that anybody can verify from a clone.
#[derive(Debug, Parser)]
#[command(name = "orgo", version, styles = STYLES, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options of every command.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Global {
    /// The repository to work in; found upwards from here
    #[arg(short = 'C', long, global = true, value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Where keys and pins are kept; `.config/orgo` in the user's home folder unless told
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Where the key of a duty is: `file:PATH`, `agent:SHA256:…` or `env:NAME`; may be given once a duty
    #[arg(long = "key", global = true, value_name = "ROLE=REF", value_parser = key::assignment)]
    pub(crate) keys: Vec<(Role, KeyRef)>,
    /// Where the ssh-agent listens; `SSH_AUTH_SOCK` unless told
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) agent_socket: Option<PathBuf>,
    /// A file whose first line is the passphrase of keys; asked for at the terminal unless told
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more detail, such as what stages print
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a repository ready: a project file, a first pipeline, what git is to ignore
    Init(Init),
    /// Check every document, and show all problems at once
    Check(Check),
    /// Lay out documents: same meaning, same comments, one form
    Fmt(fmt::Fmt),
    /// Write a document in the other syntax
    Convert(convert::Convert),
    /// Show what a run would do, and why
    Plan(Plan),
    /// Show what a change does: stages, gates, permissions, what runs again
    Diff(Diff),
    /// List what a change makes run again
    Affected(Affected),
    /// Run a pipeline
    Run(Run),
    /// Pin what floats to digests in `orgo.lock`, and look whether the pins hold
    Lock(lock::Lock),
    /// Show, check and compare blueprints
    Blueprint(blueprint::BlueprintArgs),
    /// Make again what a record says was made, and compare
    Replay(replay::Replay),
    /// Tell why a stage ran, or why it did not
    Explain(Explain),
    /// Show what a stage printed
    Log(Log),
    /// Enter the sandbox of a stage: the one that a failed stage left, or a new one
    Shell(shell::Shell),
    /// List stages that failed and ended well from the same inputs
    Flaky(flaky::FlakyArgs),
    /// List, show, compare and hand out records
    Record(record::Record),
    /// Write a proof about one record that travels alone
    Prove(proof::Prove),
    /// Verify the ledger: signatures, history, evidence, gates
    Verify(verify::Verify),
    /// Begin, test, compare, approve and activate mandates
    Mandate(mandate::MandateArgs),
    /// Show and change which keys are trusted with what
    Trust(trust::TrustArgs),
    /// Mirror what records name in declared stores, fetch it back, let it go when its time is over
    Evidence(evidence::Evidence),
    /// Take out of the object store what nothing needs any more
    Gc(gc::Gc),
    /// Pack what the last runs stand on for machines that start empty, take packs in, and see what the store holds
    Cache(cache::CacheArgs),
    /// Sign that a stage may run on exactly these inputs, or take that back
    Approve(approve::Approve),
    /// Show what waits for approvals, who approved it, and until when
    Approvals(approve::Approvals),
    /// Lift a policy once, where the mandate lets people do that: write, sign and list overrides
    Override(overriding::OverrideArgs),
    /// Hold things back, and put administrative changes on record
    Admin(admin::Admin),
    /// Seal old records, so that clones stay small
    Ledger(epochs::LedgerArgs),
    /// List, make and show keys, and say where they are
    Key(key::Key),
    /// Ask the compiled pack about something, with the evidence for every value
    Query(Query),
    /// See the whole story on real data: two sources disagree, the gate refuses, stewards decide
    Demo(Demo),
    /// Run one built-in tool in the current folder (used by stages)
    #[command(hide = true)]
    Stage(Stage),
    /// Work on orgo itself
    #[command(hide = true, subcommand)]
    Dev(Dev),
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  orgo completions bash > ~/.local/share/bash-completion/completions/orgo\n  orgo completions zsh > ~/.zfunc/_orgo"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What one does in a checkout of orgo itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Dev {
    /// Write schemas, the table of reason codes and its page, as the types say
    Generate {
        /// Write nothing; refuse if a file is stale
        #[arg(long)]
        check: bool,
    },
    /// Write cases of policies and facts with what we decide, for another engine to decide again
    PolicyCases(cases::PolicyCases),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  orgo init\n  orgo init reference-data")]
pub(crate) struct Init {
    /// The project's name; the folder's name unless told
    pub(crate) name: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  orgo diff main\n  orgo diff main..HEAD\n  orgo diff origin/main...HEAD --format markdown > report.md\n  orgo diff origin/main...HEAD --format github --fail-on weakened"
)]
pub(crate) struct Diff {
    /// `BASE..HEAD`, `BASE...HEAD` (from where the two parted), or `BASE` with the working folder
    #[arg(value_name = "RANGE")]
    pub(crate) range: String,
    /// What to print
    #[arg(long, value_name = "FORM", default_value = "text", conflicts_with = "json")]
    pub(crate) format: DiffForm,
    /// End with exit code 1 if anything is weaker, or may be
    #[arg(long, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,
}

/// What `orgo diff` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffForm {
    /// Lines for people
    Text,
    /// A page for the thread of a pull request, with graphs
    Markdown,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for GitHub's code scanning and other viewers
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
    /// A Code Quality report of GitLab
    Gitlab,
}

/// Which findings are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Those that are weaker
    Weakened,
    /// Those that are weaker, or may be
    Unclear,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  orgo affected main\n  orgo affected origin/main...HEAD --pipelines\n  orgo affected main..HEAD --json"
)]
pub(crate) struct Affected {
    /// `BASE..HEAD`, `BASE...HEAD` (from where the two parted), or `BASE` with the working folder
    #[arg(value_name = "RANGE")]
    pub(crate) range: String,
    /// Print a pipeline and a stage on each line (the default)
    #[arg(long, conflicts_with = "pipelines")]
    pub(crate) stages: bool,
    /// Print the names of pipelines
    #[arg(long)]
    pub(crate) pipelines: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  orgo check\n  orgo check --format github\n  orgo check --resolved\n  orgo check --resolved ci -p level=3 --json"
)]
pub(crate) struct Check {
    /// Print problems as annotations on standard output too
    #[arg(long, value_name = "FORM", conflicts_with_all = ["json", "resolved"])]
    pub(crate) format: Option<Form>,
    /// Show what the pipelines expand to, as a document that means the same
    #[arg(long)]
    pub(crate) resolved: bool,
    /// Show this pipeline only
    #[arg(requires = "resolved")]
    pub(crate) pipeline: Option<String>,
    #[command(flatten)]
    pub(crate) told: Told,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  orgo plan\n  orgo plan elements canon\n  orgo plan ci -p level=3 --base main")]
pub(crate) struct Plan {
    /// The pipeline; may be left out if there is one only
    pub(crate) pipeline: Option<String>,
    /// Only these stages and what they need
    pub(crate) stages: Vec<String>,
    #[command(flatten)]
    pub(crate) told: Told,
    #[command(flatten)]
    pub(crate) against: Against,
    /// Look for results in this folder too, which others fill; may be given more than once
    #[arg(long = "cache", value_name = "DIR")]
    pub(crate) caches: Vec<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  orgo explain report\n  orgo explain canon --run 6e6c1c0e-…")]
pub(crate) struct Explain {
    /// The stage
    pub(crate) stage: String,
    /// The pipeline; may be left out if only one has such a stage
    #[arg(long)]
    pub(crate) pipeline: Option<String>,
    /// The run; the newest one unless told
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) told: Told,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  orgo log test\n  orgo log test --attempt 1\n  orgo log test --follow\n  orgo log db --service"
)]
pub(crate) struct Log {
    /// The stage
    pub(crate) stage: String,
    /// The pipeline; may be left out if only one has such a stage
    #[arg(long)]
    pub(crate) pipeline: Option<String>,
    /// The run; the newest one unless told
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// The attempt, counted from 1; the last one unless told
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u32>,
    /// Show what it prints until it ends
    #[arg(short, long, conflicts_with = "attempt")]
    pub(crate) follow: bool,
    /// The name is that of a service
    #[arg(long, conflicts_with_all = ["attempt", "follow"])]
    pub(crate) service: bool,
    #[command(flatten)]
    pub(crate) told: Told,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  orgo query Technetium\n  orgo query Tc --property 'atomic mass' --json")]
pub(crate) struct Query {
    /// An id, a label, or the exact text of a value such as a symbol
    pub(crate) word: String,
    /// Only this property, by id or label
    #[arg(long, value_name = "NAME")]
    pub(crate) property: Option<String>,
    /// The pipeline that compiles the pack; may be left out if there is one only
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// A pack somewhere else
    #[arg(long, value_name = "DIR", conflicts_with = "pipeline")]
    pub(crate) pack: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  orgo demo\n  orgo demo /tmp/elements")]
pub(crate) struct Demo {
    /// A folder that does not exist yet; `orgo-demo` unless told
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Stage {
    /// The tool
    pub(crate) tool: String,
}

#[cfg(test)]
mod snippets;
