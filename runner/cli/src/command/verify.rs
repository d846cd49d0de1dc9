//! `orgo verify`: everything about a ledger, checked again from a clone.

use std::path::{Path, PathBuf};

use clap::Args;
use orgo_host::evidence::{Register, Scope, StoreReport, check};
use orgo_host::verify::{Finding, Leaves, Severity, Verdict, VerifyOptions, VerifyReport, begins_with, verify};
use orgo_spec::{Digest, Name};
use serde_json::json;

use super::{Context, ledger, proof};
use crate::evidence::{Stores, identities, is_local, now_ms};
use crate::failure::{Class, Failure};
use crate::output::plain;
use crate::project::Repository;

/// Lines of findings that are printed unless more detail is asked for.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo verify\n  orgo verify ../mirror.git --root sha256:…\n  orgo verify --pin\n  orgo verify --ci --json"
)]
pub(crate) struct Verify {
    /// The repository, bare or not; this one unless told
    repository: Option<PathBuf>,
    /// The branch of the ledger
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// The root of trust that must be the ledger's: its fingerprint, or a file with record 0
    #[arg(long, value_name = "sha256:…|FILE")]
    root: Option<String>,
    /// Pin the ledger's root for this repository, if all verifies
    #[arg(long)]
    pin: bool,
    /// Refuse a ledger whose root is neither named nor pinned
    #[arg(long)]
    ci: bool,
    /// Look at every record again, also at those that were verified before
    #[arg(long)]
    full: bool,
    /// Look only at what was appended from this record on
    #[arg(long, value_name = "NUMBER", conflicts_with = "full")]
    since: Option<u64>,
    /// Refuse a ledger that is not this tenant's
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Look for what records name in the object store and in the declared evidence stores, and hash it
    #[arg(long, conflicts_with_all = ["record", "proof", "since"])]
    store: bool,
    /// A file of mode 0600 with an age identity that opens what is sealed there; may be given more than once
    #[arg(long = "identity", value_name = "FILE", requires = "store")]
    identities: Vec<PathBuf>,
    /// Use this time instead of the clock for what retention let go (accepted with development keys only)
    #[arg(long, value_name = "TIME", hide = true, requires = "store")]
    clock: Option<String>,
    /// Verify one record, with its place in the log, instead of all
    #[arg(long, value_name = "RECORD", conflicts_with_all = ["full", "since", "proof", "pin"])]
    record: Option<String>,
    /// Compute the whole log again and compare it with its checkpoint, instead of verifying records: its leaves from
    /// the tiles, which is fast, or from the bytes of every record
    #[arg(long, value_name = "FROM", num_args = 0..=1, require_equals = true, default_missing_value = "tiles",
        conflicts_with_all = ["full", "since", "record", "proof", "pin"])]
    leaves: Option<From>,
    /// With `--leaves`: a checkpoint that the log must continue, from somewhere you trust
    #[arg(long, value_name = "FILE", requires = "leaves")]
    checkpoint: Option<PathBuf>,
    /// Verify a proof that `orgo prove` wrote: no repository is needed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["full", "since", "pin", "branch", "repository"])]
    proof: Option<PathBuf>,
}

/// Where `--leaves` takes them from.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum From {
    /// The tiles of the log
    Tiles,
    /// The bytes of every record
    Bytes,
}

/// Verifies the ledger and prints what was found.
pub(super) fn run(context: &Context, args: &Verify) -> Result<(), Failure> {
    let root = args.root.as_deref().map(root_of).transpose()?;
    let tenant = args.tenant.as_deref().map(|t| {
        Name::new(t).map_err(|e| Failure::usage(e.to_string(), "a name has letters, digits, `.`, `_` and `-`"))
    });
    let tenant = tenant.transpose()?;
    if let Some(file) = &args.proof {
        return proof::verify_file(context, file, root, tenant.as_ref(), args.ci);
    }
    let mut opened = ledger::open(context, args.repository.as_deref(), args.branch.as_deref())?;
    let git = opened.ledger.git();
    let pin = opened.pins.get(git, &opened.branch)?.cloned();
    if let Some(record) = &args.record {
        let root = root.or(pin.as_ref().map(|p| p.root));
        return proof::verify_record(context, &opened.ledger, record, root, tenant.as_ref(), args.ci);
    }
    if let Some(from) = args.leaves {
        let root = root.or(pin.as_ref().map(|p| p.root));
        let from = match from {
            From::Tiles => Leaves::Tiles,
            From::Bytes => Leaves::Bytes,
        };
        let file = args.checkpoint.as_deref();
        return proof::verify_leaves(context, &opened.ledger, from, file, root, tenant.as_ref(), args.ci);
    }
    let seen = opened.ledger.seen()?;
    let begins_with = begins_with(&opened.ledger)?;
    let after = match (args.full, args.since) {
        (true, _) => None,
        (false, Some(number)) => opened.ledger.commit_before(number)?,
        (false, None) => opened.ledger.verified(begins_with)?.and_then(|v| v.commit.parse().ok()),
    };
    let options = VerifyOptions { root, pin: pin.clone(), ci: args.ci, seen, after, tenant };
    let mut report = verify(git.path(), opened.ledger.reference(), &options)?;

    let sound = matches!(report.verdict, Verdict::Verified | Verdict::NotAnchored);
    let pinned = sound && (args.pin || pin.is_some());
    if sound && args.since.is_none() {
        let tip = report.tip.parse().expect("the id of a commit");
        opened.ledger.remember_verified(tip, begins_with)?;
    }
    if let Some(root) = report.root.filter(|_| pinned) {
        // Remembered as well: how far the ledger had come, so that it cannot be rewound unnoticed.
        opened.pins.set(opened.ledger.git(), &opened.branch, root, Some(report.tip.clone()))?;
    }
    let stores = if args.store { Some(stores(context, args, &opened, &mut report)?) } else { None };
    print(context, &report, pinned, args.since.is_some(), stores.as_ref());
    let mut document = json!(report);
    if let Some(stores) = &stores {
        document["store"] = json!(stores);
    }
    document["schema"] = json!("orgo.verify/1");
    document["pinned"] = json!(pinned);
    context.output.document(&document);
    match report.verdict {
        Verdict::Verified | Verdict::NotAnchored => Ok(()),
        Verdict::Incomplete | Verdict::Refused => Err(Failure::told(Class::Refused)),
        Verdict::Invalid => Err(Failure::told(Class::Integrity)),
    }
}

/// Looks for what all records of the ledger name.
fn stores(
    context: &Context,
    args: &Verify,
    opened: &ledger::Opened,
    report: &mut VerifyReport,
) -> Result<StoreReport, Failure> {
    let path = args.repository.as_deref().unwrap_or(&context.global.directory);
    let repository = Repository::open(path)?;
    let store = repository.workspace.open_store()?;
    let mut register = Register::default();
    let evidence = &repository.project.evidence;
    register.add(&opened.ledger, is_local(&opened.branch), evidence, &store, Scope::All)?;
    let identities = identities(&args.identities)?;
    let opened = Stores::open(&repository, false, |_| true)?;
    let now_ms = now_ms(args.clock.as_deref(), report.development)?;
    let mut found = check(&register, &store, &opened.mirrors, &identities, now_ms)?;
    found.unusable = opened.unusable;
    report.add_stores(&found);
    Ok(found)
}

/// A fingerprint, or the digest of the file with record 0.
fn root_of(text: &str) -> Result<Digest, Failure> {
    if text.starts_with("sha256:") {
        return text.parse().map_err(|e: orgo_spec::DigestError| {
            Failure::message(Class::Declared, Some(e.code()), e.to_string(), "copy the fingerprint again")
        });
    }
    let bytes = std::fs::read(Path::new(text)).map_err(|e| {
        Failure::usage(format!("`{}`: {e}", plain(text)), "give `sha256:…`, or a file with the bytes of record 0")
    })?;
    Ok(Digest::of(&bytes))
}

fn print(context: &Context, report: &VerifyReport, pinned: bool, since: bool, stores: Option<&StoreReport>) {
    let out = context.output;
    out.line(report.first_line());
    if let Some(root) = &report.root {
        out.line(format!("  root        {root}"));
    }
    if let Some(tenant) = &report.tenant {
        out.line(format!("  tenant      {tenant}"));
    }
    if let Some((size, root)) = &report.checkpoint {
        out.line(format!("  log         {size} leaves, root {root}"));
    }
    if let Some(sealed) = &report.sealed {
        let line = "records are in the archive, not in this clone: not verified here, the signed log has them";
        out.line(format!("  sealed      {} {line}", sealed.records));
        out.line(format!("  archive     {}", sealed.archive));
        let line = "records came before this clone's history begins: not verified here, the signed log has them";
        out.line(format!("  logged      {} {line}", report.covered.logged));
    }
    match (report.covered.left_out, since) {
        (0, _) => {}
        (n, false) => out.line(format!("  before      {n} records, verified earlier (`--full` looks at them again)")),
        (n, true) => out.line(format!("  before      {n} records, left out by `--since`")),
    }
    let counts = &report.counts;
    let kinds: Vec<_> = counts.records.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    out.line(format!("  records     {} ({}) in {} commits", counts.all_records(), kinds.join(", "), counts.commits));
    out.line(format!("  signatures  {} verified strictly", counts.signatures));
    let other = match counts.gates_under_another_version {
        0 => String::new(),
        n => format!(", {n} of them recorded under another version: replayed-with, not confirmed"),
    };
    out.line(format!(
        "  gates       {} decided again from evidence{other}; {} pieces of evidence",
        counts.gates, counts.evidence
    ));
    if let Some(found) = stores {
        out.line(format!(
            "  objects     {} named, {} found and hashed; {} missing, {} altered, {} sealed, {} let go, {} held",
            found.named,
            found.verified,
            found.missing.len(),
            found.wrong.len(),
            found.sealed,
            found.expired,
            found.held
        ));
        for (place, c) in &found.places {
            let line = format!(
                "  {place}: {} hashed, {} altered, {} sealed, {} not there",
                c.verified, c.altered, c.sealed, c.absent
            );
            out.line(plain(&line));
        }
    }
    let limit = if out.verbose { usize::MAX } else { SHOWN };
    for finding in report.findings.iter().take(limit) {
        out.line(plain(&sentence(finding)));
    }
    if report.findings.len() > limit {
        out.line(format!("… and {} more findings (`--verbose` shows them)", report.findings.len() - limit));
    }
    if pinned {
        out.line("the root is pinned for this repository");
    } else if report.verdict == Verdict::NotAnchored
        && let Some(root) = &report.root
    {
        out.line(format!("compare the root with its owner, then pin it: orgo verify --pin --root {root}"));
    }
}

fn sentence(finding: &Finding) -> String {
    let grave = match finding.severity {
        Severity::Invalid => "INVALID",
        Severity::Refused => "refused",
        Severity::Missing => "missing",
        Severity::Notice => "notice",
    };
    let mut text = format!("{grave} {}", finding.code);
    if let Some(record) = finding.record {
        text.push_str(&format!(" record {record}"));
    }
    if let Some(path) = &finding.path {
        text.push_str(&format!(" {path}"));
    }
    if let Some(commit) = &finding.commit {
        text.push_str(&format!(" (commit {})", &commit[..12]));
    }
    format!("{text}: {}", finding.message)
}
