//! `orgo trust`: who may sign what; proposed, signed by enough roots, and put in force.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use orgo_host::clock::{Clock, rfc3339};
use orgo_host::file::{At, replace};
use orgo_host::key::{KeyError, Role};
use orgo_host::ledger::{Append, Entry, Head, Signers, Trust};
use orgo_spec::record::{
    Class as TrustClass, Predicate, RevocationFacts, RevocationReason, RevocationRecord, Revoked, Statement, TrustKeys,
    TrustRecord, TrustRun, TrustedKey,
};
use orgo_spec::signature::{Envelope, PublicKey};
use orgo_spec::{Name, ReasonCode};
use serde_json::json;

use super::Context;
use super::ledger::{self, Opened};
use crate::failure::{Class, Failure};
use crate::output::plain;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo trust show\n  orgo trust change --add runner=\"ssh-ed25519 AAAA…\" --remove 3fa9c1\n  orgo trust change --threshold 2 --to trust/acme/next.json\n  orgo trust sign trust/acme/next.json\n  orgo trust apply trust/acme/next.json\n  orgo trust revoke 3fa9c1 --reason compromised --since 412"
)]
pub(crate) struct TrustArgs {
    #[command(subcommand)]
    command: TrustCommand,
    /// The branch of the ledger
    #[arg(long, value_name = "NAME", global = true)]
    branch: Option<String>,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    /// Show the trust in force
    Show,
    /// Change which keys are trusted with what
    Change(Change),
    /// Revoke a key: what it signs from some record on does not count
    Revoke {
        /// The beginning of the key's id, at least four digits
        key: String,
        /// Why
        #[arg(long)]
        reason: Reason,
        /// The first record that it does not vouch for; the next one unless told
        #[arg(long, value_name = "NUMBER")]
        since: Option<u64>,
        /// Write the proposal, for more roots to sign, instead of applying it
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Sign a proposal with the root key at hand
    Sign {
        /// The proposal
        file: PathBuf,
    },
    /// Put a proposal in force that enough roots have signed
    Apply {
        /// The proposal
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Change {
    /// Trust a key with a duty: approver, git, log, root or runner
    #[arg(long, value_name = "DUTY=KEY", value_parser = addition)]
    add: Vec<(String, PublicKey)>,
    /// Trust a key no longer: the beginning of its id, at least four digits
    #[arg(long, value_name = "KEY")]
    remove: Vec<String>,
    /// Let a key sign records of these kinds only
    #[arg(long, value_name = "KEY=KIND,…", value_parser = pair)]
    kinds: Vec<(String, String)>,
    /// Let a key sign records of runs for these environments only
    #[arg(long, value_name = "KEY=ENVIRONMENT,…", value_parser = pair)]
    environments: Vec<(String, String)>,
    /// Trust a key from this moment on: RFC 3339, UTC, whole seconds
    #[arg(long, value_name = "KEY=TIME", value_parser = pair)]
    not_before: Vec<(String, String)>,
    /// Trust a key up to this moment
    #[arg(long, value_name = "KEY=TIME", value_parser = pair)]
    not_after: Vec<(String, String)>,
    /// Say whose key it is: approvals go by names, and keys of one name are one person's
    #[arg(long, value_name = "KEY=NAME", value_parser = pair)]
    name: Vec<(String, String)>,
    /// How many roots must sign changes of trust from now on
    #[arg(long, value_name = "N")]
    threshold: Option<u32>,
    /// Trust for production: no development key may stay listed
    #[arg(long)]
    production: bool,
    /// Write the proposal, for more roots to sign, instead of applying it
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reason {
    Compromised,
    Lost,
    Retired,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn addition(text: &str) -> Result<(String, PublicKey), String> {
    let (duty, key) = text.split_once('=').ok_or("write DUTY=KEY")?;
    if !["approver", "git", "log", "root", "runner"].contains(&duty) {
        return Err(format!("`{duty}` is not a duty (approver, git, log, root, runner)"));
    }
    // The comment of a public key file is not part of the key.
    let words: Vec<&str> = key.split_whitespace().take(2).collect();
    Ok((duty.to_owned(), words.join(" ").parse().map_err(|e: orgo_spec::signature::KeyError| e.to_string())?))
}

/// Runs `orgo trust`.
pub(super) fn run(context: &Context, args: &TrustArgs) -> Result<(), Failure> {
    let opened = ledger::open(context, None, args.branch.as_deref())?;
    opened.ledger.git().bring_missing();
    let head = opened.head()?;
    match &args.command {
        TrustCommand::Show => show(context, &opened, &head),
        TrustCommand::Change(change) => {
            propose(context, &opened, &head, &changed(&head, change)?, change.to.as_deref())
        }
        TrustCommand::Revoke { key, reason, since, to } => {
            propose(context, &opened, &head, &revocation(&head, key, *reason, *since)?, to.as_deref())
        }
        TrustCommand::Sign { file } => {
            let signed = sign(context, file)?;
            context.output.line(format!("{}: {signed} signatures", beside(file).display()));
            context.output.document(&json!({ "schema": "orgo.trust-sign/1", "signatures": signed }));
            Ok(())
        }
        TrustCommand::Apply { file } => apply(context, &opened, &head, file),
    }
}

fn show(context: &Context, opened: &Opened, head: &Head) -> Result<(), Failure> {
    let facts = head.trust.facts();
    context.output.line(opened.standing(head)?.line());
    context.output.line(format!(
        "tenant {}, version {}, record {}",
        facts.tenant_id,
        facts.version,
        head.trust.number()
    ));
    context.output.line(format!("{} of {} roots sign changes of trust", facts.root_threshold, facts.keys.root.len()));
    for (duty, keys) in facts.keys.roles() {
        for trusted in keys {
            let limit = [("from", &trusted.not_before), ("to", &trusted.not_after)];
            let limit: String =
                limit.iter().filter_map(|(word, at)| Some(format!(" {word} {}", at.as_ref()?))).collect();
            let kinds: Vec<&str> = trusted.kinds.iter().map(Name::as_str).collect();
            let kinds = if kinds.is_empty() { String::new() } else { format!(" for {}", kinds.join(", ")) };
            let environments: Vec<&str> = trusted.environments.iter().map(Name::as_str).collect();
            let environments =
                if environments.is_empty() { String::new() } else { format!(" in {}", environments.join(", ")) };
            let name = trusted.name.as_ref().map_or(String::new(), |n| format!(" {n}"));
            let class = if trusted.class == TrustClass::Development { " (development)" } else { "" };
            context.output.line(format!(
                "{duty:<9} {}  {}{name}{class}{kinds}{environments}{limit}",
                trusted.key.id().short(),
                trusted.key
            ));
        }
    }
    for revoked in &facts.revoked {
        context.output.line(format!(
            "revoked   {}  from record {} on, {:?}",
            revoked.key.id().short(),
            revoked.since,
            revoked.reason
        ));
    }
    context.output.document(
        &json!({ "schema": "orgo.trust/1", "record": head.trust.number(), "id": head.trust.id(), "facts": facts }),
    );
    Ok(())
}

fn key_of(head: &Head, text: &str) -> Result<PublicKey, Failure> {
    let roles = head.trust.facts().keys.roles();
    let found: Vec<PublicKey> = roles
        .iter()
        .flat_map(|(_, keys)| *keys)
        .map(|k| k.key)
        .filter(|k| k.id().to_string().starts_with(text))
        .collect();
    match (text.len() >= 4, found.as_slice()) {
        (true, [key]) => Ok(*key),
        _ => Err(Failure::usage(
            format!(
                "`{}` is the beginning of {} trusted keys",
                plain(text),
                if text.len() < 4 { 0 } else { found.len() }
            ),
            "`orgo trust show` lists them; give at least four digits",
        )),
    }
}

/// The statement of the trust that follows.
fn changed(head: &Head, change: &Change) -> Result<(Name, Vec<u8>), Failure> {
    let mut facts = head.trust.facts().clone();
    facts.version += 1;
    facts.root_threshold = change.threshold.unwrap_or(facts.root_threshold);
    if change.production {
        facts.class = TrustClass::Production;
    }
    let gone = change.remove.iter().map(|k| key_of(head, k)).collect::<Result<Vec<_>, _>>()?;
    let TrustKeys { approver, git, log, root, runner } = &mut facts.keys;
    for (duty, list) in [("approver", approver), ("git", git), ("log", log), ("root", root), ("runner", runner)] {
        list.retain(|k| !gone.contains(&k.key));
        for (_, key) in change.add.iter().filter(|(d, _)| d == duty) {
            list.push(TrustedKey::new(*key, TrustClass::Production));
        }
        list.sort_unstable_by_key(|k| k.key);
        for trusted in list.iter_mut() {
            let id = trusted.key.id().to_string();
            let said = |pairs: &[(String, String)]| {
                pairs.iter().find(|(key, _)| key.len() >= 4 && id.starts_with(key.as_str())).map(|(_, v)| v.clone())
            };
            if let Some(kinds) = said(&change.kinds) {
                trusted.kinds = names(&kinds, "name kinds of records")?;
            }
            if let Some(environments) = said(&change.environments) {
                trusted.environments = names(&environments, "name environments, such as `production`")?;
            }
            if let Some(name) = said(&change.name) {
                let name = Name::new(&name).map_err(|e| Failure::usage(e.to_string(), Name::RULE))?;
                trusted.name = Some(name);
            }
            trusted.not_before = said(&change.not_before).or(trusted.not_before.take());
            trusted.not_after = said(&change.not_after).or(trusted.not_after.take());
        }
    }
    statement(TrustRecord { facts, run: now() })
}

/// A list of names with commas between them, sorted.
fn names(text: &str, help: &'static str) -> Result<Vec<Name>, Failure> {
    let names = text.split(',').filter(|k| !k.is_empty()).map(Name::new).collect::<Result<Vec<_>, _>>();
    let mut names = names.map_err(|e| Failure::usage(e.to_string(), help))?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn revocation(head: &Head, key: &str, reason: Reason, since: Option<u64>) -> Result<(Name, Vec<u8>), Failure> {
    let key = key_of(head, key)?;
    let reason = match reason {
        Reason::Compromised => RevocationReason::Compromised,
        Reason::Lost => RevocationReason::Lost,
        Reason::Retired => RevocationReason::Retired,
    };
    let mut revoked = head.trust.facts().revoked.clone();
    revoked.push(Revoked { key, reason, since: since.unwrap_or(head.count) });
    revoked.sort_unstable_by_key(|r| r.key);
    let facts = RevocationFacts {
        revoked,
        schema_version: RevocationRecord::SCHEMA_VERSION.to_owned(),
        tenant_id: head.trust.tenant().clone(),
        trust: head.trust.declared().1,
    };
    statement(RevocationRecord { facts, run: now() })
}

fn now() -> TrustRun {
    TrustRun { created_at: rfc3339(Clock::system().now_ms()) }
}

fn statement<P: Predicate>(record: P) -> Result<(Name, Vec<u8>), Failure> {
    let bytes = Statement::new(record).to_bytes().map_err(|e| {
        Failure::message(Class::Declared, Some(e.code()), format!("the change is not possible: {e}"), e.code().remedy())
    })?;
    Ok((Name::new(P::KIND).expect("a kind is a name"), bytes))
}

/// Writes the proposal, or signs and applies it at once.
fn propose(
    context: &Context,
    opened: &Opened,
    head: &Head,
    (kind, bytes): &(Name, Vec<u8>),
    to: Option<&Path>,
) -> Result<(), Failure> {
    if let Some(file) = to {
        if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).at("create", folder)?;
        }
        replace(file, bytes)?;
        context
            .output
            .line(format!("{}: a proposal; `orgo trust sign` it, then `orgo trust apply` it", file.display()));
        context.output.document(&json!({ "schema": "orgo.trust-proposal/1", "kind": kind, "to": file }));
        return Ok(());
    }
    let root = context.home()?.key(Role::Root)?;
    let (key, signature) = root.sign_payload(bytes)?;
    put(context, opened, head, kind, bytes.clone(), Envelope::new([(key, signature)]))
}

/// The file of a proposal's signatures.
fn beside(file: &Path) -> PathBuf {
    file.with_extension("dsse")
}

fn read(file: &Path) -> Result<(Name, Vec<u8>), Failure> {
    let bytes = std::fs::read(file).at("read", file)?;
    for kind in [Trust::KIND, Trust::REVOCATION] {
        if orgo_host::ledger::Record::parse(kind, &bytes).is_ok() {
            return Ok((Name::new(kind).expect("a kind is a name"), bytes));
        }
    }
    Err(Failure::message(
        Class::Declared,
        Some(ReasonCode::SchemaInvalid),
        format!("`{}` is not a proposal to change the trust", file.display()),
        "make one with `orgo trust change --to FILE` or `orgo trust revoke … --to FILE`, and do not edit it",
    ))
}

fn sign(context: &Context, file: &Path) -> Result<usize, Failure> {
    let (_, bytes) = read(file)?;
    let root = context.home()?.key(Role::Root)?;
    let (key, signature) = root.sign_payload(&bytes)?;
    let envelope = match signatures(file)? {
        Some(envelope) => envelope.and(&key, signature),
        None => Envelope::new([(key, signature)]),
    };
    replace(&beside(file), &envelope.to_bytes())?;
    Ok(envelope.signatures().len())
}

fn signatures(file: &Path) -> Result<Option<Envelope>, Failure> {
    let path = beside(file);
    let Some(bytes) = orgo_host::file::read_if_there(&path)? else { return Ok(None) };
    let refused = |e: orgo_spec::signature::EnvelopeError| {
        Failure::message(Class::Integrity, Some(e.code()), format!("`{}`: {e}", path.display()), e.code().remedy())
    };
    Envelope::parse(&bytes).map(Some).map_err(refused)
}

fn apply(context: &Context, opened: &Opened, head: &Head, file: &Path) -> Result<(), Failure> {
    let (kind, bytes) = read(file)?;
    let envelope = signatures(file)?.ok_or_else(|| {
        let code = ReasonCode::SigMissing;
        let message = format!("nobody has signed `{}`", file.display());
        Failure::message(Class::Refused, Some(code), message, "sign it: `orgo trust sign FILE`")
    })?;
    put(context, opened, head, &kind, bytes, envelope)
}

/// Adds the runner's signature and appends.
fn put(
    context: &Context,
    opened: &Opened,
    head: &Head,
    kind: &Name,
    bytes: Vec<u8>,
    envelope: Envelope,
) -> Result<(), Failure> {
    let home = context.home()?;
    let key = |role| -> Result<_, KeyError> { home.key(role) };
    let (runner, git, log) = (key(Role::Runner)?, key(Role::Git)?, key(Role::Log)?);
    let (public, signature) = runner.sign_payload(&bytes)?;
    let envelope = envelope.and(&public, signature).to_bytes();
    let subject = match kind.as_str() {
        Trust::REVOCATION => format!("{} revokes a key", head.trust.tenant()),
        _ => format!("{} trust version {}", head.trust.tenant(), head.trust.version() + 1),
    };
    let entry = Entry { kind: kind.clone(), statement: bytes, envelope: Some(envelope), evidence: Vec::new() };
    let seconds = Clock::system().now_ms() / 1000;
    let append = Append { entries: vec![entry], subject, trailers: Vec::new(), seconds };
    let signers = Signers { runner: &runner, git: &git, log: &log, roots: &[] };
    let appended = opened.ledger.append(&append, &signers)?;
    let (number, id) = appended.records[0];
    context.output.line(format!("record {number} {id} on {}: the trust changed", opened.branch));
    context.output.document(&json!({ "schema": "orgo.trust-change/1", "number": number, "id": id, "kind": kind }));
    Ok(())
}
