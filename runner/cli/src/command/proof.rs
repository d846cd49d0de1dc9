//! `orgo prove`, and `orgo verify` of one record: proofs that travel alone.

use std::path::{Path, PathBuf};

use clap::Args;
use orgo_host::file::{At, replace};
use orgo_host::ledger::{Ledger, LedgerError};
use orgo_host::verify::{Leaves, ProofRefused, RecordProof, Shown, audit, prove};
use orgo_spec::log::Checkpoint;
use orgo_spec::{Digest, Name, ReasonCode};
use serde_json::json;

use super::{Context, ledger};
use crate::failure::{Class, Failure};
use crate::output::plain;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo prove latest --to build.proof.json\n  orgo verify --proof build.proof.json --root sha256:…\n  orgo prove 17 --tlog 17.tlog-proof"
)]
pub(crate) struct Prove {
    /// `latest`, a number, or the beginning of an id
    record: String,
    /// Where to write the proof; without it, it is printed
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Also write the place in the log as a C2SP `tlog-proof`
    #[arg(long, value_name = "FILE")]
    tlog: Option<PathBuf>,
    /// The branch of the ledger
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
}

/// Writes the proof about a record, after it was verified.
pub(super) fn run(context: &Context, args: &Prove) -> Result<(), Failure> {
    let opened = ledger::open(context, None, args.branch.as_deref())?;
    let (proof, shown) = about(&opened.ledger, &args.record)?;
    let bytes = proof.to_bytes();
    let write = |path: &Path, bytes: &[u8]| -> Result<(), Failure> {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        std::fs::create_dir_all(folder.unwrap_or(Path::new("."))).at("create the folder of", path)?;
        Ok(replace(path, bytes)?)
    };
    if let Some(path) = &args.tlog {
        write(path, proof.to_tlog().map_err(refused)?.as_bytes())?;
        context.output.line(format!("{}: the place of record {} in the log", path.display(), shown.number));
    }
    match &args.to {
        Some(path) => {
            write(path, &bytes)?;
            context.output.line(format!(
                "{}: {} bytes about record {} {}",
                path.display(),
                bytes.len(),
                shown.number,
                shown.id
            ));
            context.output.line(format!(
                "verify it anywhere: orgo verify --proof {} --root {}",
                path.display(),
                shown.root
            ));
        }
        None if args.tlog.is_none() => context.output.line(String::from_utf8_lossy(&bytes).trim_end()),
        None => {}
    }
    context.output.document(&json!({
        "schema": "orgo.prove/1", "shown": shown, "to": args.to, "tlog": args.tlog,
        "proof": args.to.is_none().then_some(&proof),
    }));
    Ok(())
}

fn about(ledger: &Ledger, which: &str) -> Result<(RecordProof, Shown), Failure> {
    let head = ledger.head()?.ok_or_else(|| LedgerError::Empty(ledger.reference().to_owned()))?;
    let number = ledger.find(which)?.number;
    let proof = prove(ledger, &head, number)?;
    let shown = proof.verify().map_err(refused)?;
    Ok((proof, shown))
}

/// `orgo verify --record`: one record and its place in the log, out of the ledger.
pub(super) fn verify_record(
    context: &Context,
    ledger: &Ledger,
    which: &str,
    root: Option<Digest>,
    tenant: Option<&Name>,
    ci: bool,
) -> Result<(), Failure> {
    let (_, shown) = about(ledger, which)?;
    tell(context, &shown, root, tenant, ci)
}

/// What `orgo verify --record` would show of a record, if it is of the ledger that was asked for.
pub(super) fn shown(ledger: &Ledger, which: &str, root: Option<Digest>, ci: bool) -> Result<Shown, Failure> {
    let (_, shown) = about(ledger, which)?;
    belongs(&shown, root, None, ci)?;
    Ok(shown)
}

/// `orgo verify --leaves`: the whole log, computed again.
///
/// Its checkpoint is verified along the changes of trust from the root on; then its leaves have to make it.
pub(super) fn verify_leaves(
    context: &Context,
    ledger: &Ledger,
    from: Leaves,
    checkpoint: Option<&Path>,
    root: Option<Digest>,
    tenant: Option<&Name>,
    ci: bool,
) -> Result<(), Failure> {
    let head = ledger.head()?.ok_or_else(|| LedgerError::Empty(ledger.reference().to_owned()))?;
    let shown = prove(ledger, &head, 0)?.verify().map_err(refused)?;
    let mut known: Vec<_> = ledger.seen()?.map(|seen| (seen.size, seen.root)).into_iter().collect();
    let here = (shown.size, shown.log_root);
    if let Some(path) = checkpoint {
        known.push(checkpoint_of(path, &head.origin())?);
    }
    let audited = audit(ledger, &head, from, &[&known[..], &[here]].concat())?;
    belongs(&shown, root, tenant, ci)?;
    let out = context.output;
    let class = if shown.development { "development trust: not for release; " } else { "" };
    let verdict = if root.is_some() { "the log is whole" } else { "the log is whole, whose it is nobody said" };
    out.line(format!("{class}{verdict}: {} leaves of {}", audited.leaves, shown.tenant));
    out.line(format!("  log         root {}, as the checkpoint signs it", audited.root));
    out.line(format!(
        "  leaves      {} from tiles, {} from the bytes of records",
        audited.leaves - audited.from_bytes,
        audited.from_bytes
    ));
    out.line(format!("  known       {} earlier checkpoints continued", known.len()));
    out.line(format!("  root        {}", shown.root));
    out.line("  not looked at: signatures, trust and gates of records; `orgo verify --full` does");
    out.document(&json!({
        "schema": "orgo.verify-leaves/1", "anchored": root.is_some(), "from": from, "audit": audited,
        "known": known.len(), "root": shown.root, "tenant": shown.tenant,
    }));
    Ok(())
}

/// Size and root of a checkpoint that the caller trusts.
fn checkpoint_of(path: &Path, origin: &str) -> Result<(u64, Digest), Failure> {
    let bytes = std::fs::read(path).at("read", path)?;
    let wrong = |code: ReasonCode, why: String| {
        Failure::message(Class::Declared, Some(code), format!("`{}`: {why}", path.display()), code.remedy())
    };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.split_once("\n\n").map_or(text.to_string(), |(text, _)| format!("{text}\n"));
    let checkpoint = Checkpoint::parse(&text).map_err(|e| wrong(e.code(), e.to_string()))?;
    if checkpoint.origin() != origin {
        let why = format!("it is one of the log `{}`, not of `{origin}`", checkpoint.origin());
        return Err(wrong(ReasonCode::KeyScopeMismatch, why));
    }
    Ok((checkpoint.size(), *checkpoint.root()))
}

/// `orgo verify --proof`: a file, and nothing else.
pub(super) fn verify_file(
    context: &Context,
    path: &Path,
    root: Option<Digest>,
    tenant: Option<&Name>,
    ci: bool,
) -> Result<(), Failure> {
    let bytes = std::fs::read(path).at("read", path)?;
    let shown = RecordProof::parse(&bytes).and_then(|proof| proof.verify()).map_err(refused)?;
    tell(context, &shown, root, tenant, ci)
}

fn refused(error: ProofRefused) -> Failure {
    Failure::message(Class::Integrity, Some(error.code), format!("the proof is refused: {error}"), error.code.remedy())
}

fn tell(
    context: &Context,
    shown: &Shown,
    root: Option<Digest>,
    tenant: Option<&Name>,
    ci: bool,
) -> Result<(), Failure> {
    belongs(shown, root, tenant, ci)?;
    let out = context.output;
    let class = if shown.development { "development trust: not for release; " } else { "" };
    let verdict = if root.is_some() { "verified" } else { "self-consistent, not anchored" };
    out.line(format!("{class}{verdict}: record {} of {}", shown.number, shown.tenant));
    out.line(format!("  record      {} {}", shown.kind, shown.id));
    out.line(plain(&format!("  signed by   {}", shown.signers.join(", "))));
    out.line(format!("  log         leaf {} of {}, root {}", shown.number, shown.size, shown.log_root));
    out.line(format!("  root        {}", shown.root));
    out.document(&json!({ "schema": "orgo.verify-record/1", "anchored": root.is_some(), "shown": shown }));
    Ok(())
}

/// Whether it is of the ledger that was asked for.
fn belongs(shown: &Shown, root: Option<Digest>, tenant: Option<&Name>, ci: bool) -> Result<(), Failure> {
    let integrity =
        |code: ReasonCode, message: String| Failure::message(Class::Integrity, Some(code), message, code.remedy());
    if let Some(root) = root.filter(|root| *root != shown.root) {
        let message = format!("the proof rests on the root {}, not on {root}", shown.root);
        return Err(integrity(ReasonCode::RootNotTrusted, message));
    }
    if let Some(tenant) = tenant.filter(|tenant| **tenant != shown.tenant) {
        let message = format!("the record is of the tenant `{}`, not of `{tenant}`", shown.tenant);
        return Err(integrity(ReasonCode::TenantMismatch, message));
    }
    if ci && root.is_none() {
        let code = ReasonCode::RootNotTrusted;
        let message = format!("no root is named or pinned; the proof's root is {}", shown.root);
        return Err(Failure::message(Class::Refused, Some(code), message, code.remedy()));
    }
    Ok(())
}
