//! `orgo record export`: a record as other programs read it.

use std::path::Path;

use orgo_host::clock::{Clock, rfc3339};
use orgo_host::file::{At, write_atomic};
use orgo_host::key::Role;
use orgo_host::ledger::{Head, Moment, StoredRecord};
use orgo_spec::ReasonCode;
use orgo_spec::record::{BuildRecord, Predicate};
use orgo_spec::signature::{Envelope, PAYLOAD_TYPE, PublicKey, Signature, pae, sigstore_bundle};
use serde_json::{Value, json};

use super::super::Context;
use super::super::ledger::Opened;
use super::{Form, attest, signature};
use crate::failure::{Class, Failure};

/// What the command line asks for.
pub(super) struct Asked<'a> {
    /// `latest`, a number, or the beginning of an id.
    pub(super) which: &'a str,
    pub(super) form: Form,
    /// The stage behind the gate.
    pub(super) stage: Option<&'a str>,
    /// A folder; without it, the result is printed.
    pub(super) to: Option<&'a Path>,
}

/// What is handed out.
struct Handout {
    /// The bytes that are signed.
    payload: Vec<u8>,
    /// The one signature that is shown by itself.
    signature: Signature,
    /// Its key.
    key: PublicKey,
    /// Name and bytes of the file that holds all of it.
    whole: (&'static str, Vec<u8>),
}

/// Runs `orgo record export`.
///
/// # Errors
/// [`Failure`] for a record that does not verify or that the form cannot be made of.
pub(super) fn run(context: &Context, opened: &Opened, asked: &Asked<'_>) -> Result<(), Failure> {
    if asked.stage.is_some() && asked.form != Form::Vsa {
        return Err(Failure::usage(
            "`--stage` belongs to `--as vsa`",
            "leave it out, or ask for a verification summary",
        ));
    }
    let head = opened.head()?;
    let record = opened.ledger.find(asked.which)?;
    let signed = signature(&head, &record)?;
    let standing = opened.standing(&head)?;
    let handout = match asked.form {
        Form::Dsse | Form::Bundle => itself(opened, &head, &record, asked.form)?,
        Form::Slsa | Form::Vsa => attested(context, &head, &record, asked)?,
    };
    // What is signed now is said on its own: it is not the record, and it is not in the ledger.
    let by = match asked.form {
        Form::Dsse | Form::Bundle => format!("record {}: {signed}", record.number),
        Form::Slsa | Form::Vsa => {
            let id = handout.key.id().short();
            format!(
                "made from record {} and signed now with your runner key {id}; it is not in the ledger",
                record.number
            )
        }
    };
    let (name, whole) = &handout.whole;
    let Some(folder) = asked.to else {
        // The envelope is the result; what must be said about it goes beside it.
        context.output.note(standing.line());
        context.output.note(format!("# {by}"));
        let text = String::from_utf8_lossy(whole);
        if context.output.json {
            context.output.document(&serde_json::from_str::<Value>(&text).unwrap_or(Value::Null));
        } else {
            context.output.line(text.trim_end());
        }
        return Ok(());
    };
    std::fs::create_dir_all(folder).at("create the folder", folder)?;
    let files = [
        (*name, whole.clone()),
        ("pae", pae(PAYLOAD_TYPE, &handout.payload)),
        ("signature", handout.signature.bytes.to_vec()),
        ("key.pem", handout.key.to_pem().into_bytes()),
    ];
    context.output.line(standing.line());
    context.output.line(format!("# {by}"));
    for (name, bytes) in &files {
        write_atomic(&folder.join(name), bytes)?;
        context.output.line(format!("wrote {}", folder.join(name).display()));
    }
    context.output.line("check it: openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in pae -sigfile signature");
    context.output.document(&json!({
        "schema": "orgo.record-export/1", "number": record.number, "id": record.id(), "signed": by,
        "form": asked.form.as_str(), "folder": folder, "files": files.map(|(name, _)| name),
        "key_id": handout.signature.key_id, "development": standing.development, "anchored": standing.anchored,
    }));
    Ok(())
}

/// The record as it was signed.
fn itself(opened: &Opened, head: &Head, record: &StoredRecord, form: Form) -> Result<Handout, Failure> {
    let envelope = Envelope::parse(record.envelope.as_deref().unwrap_or_default())
        .map_err(|e| Failure::message(Class::Integrity, Some(e.code()), e.to_string(), e.code().remedy()))?;
    // With several signers the runner's signature is the one that every record has.
    let role = |s: &&Signature| head.trust.role_of(&s.key_id) == Some("runner");
    let first = envelope.signatures().iter().find(role).or(envelope.signatures().first());
    let signature = first.expect("an envelope without signatures does not parse").clone();
    let key = opened.ledger.key(&signature.key_id)?.ok_or_else(|| {
        Failure::message(
            Class::Integrity,
            Some(ReasonCode::KeyUnknown),
            format!("no trust record lists the key {} that signed", signature.key_id.short()),
            "verify the ledger: `orgo verify`",
        )
    })?;
    let payload = record.statement.clone();
    let whole = match form {
        Form::Bundle => ("bundle.json", sigstore_bundle(&payload, &signature)),
        Form::Dsse | Form::Slsa | Form::Vsa => ("envelope.json", envelope.join(&payload)),
    };
    Ok(Handout { payload, signature, key, whole })
}

/// What follows from the record in SLSA's words, signed now.
fn attested(context: &Context, head: &Head, record: &StoredRecord, asked: &Asked<'_>) -> Result<Handout, Failure> {
    let runner = context.home()?.key(Role::Runner)?;
    let payload = match asked.form {
        Form::Vsa => attest::summary(head, record, asked.stage, runner.public())?,
        Form::Slsa | Form::Dsse | Form::Bundle => attest::provenance(head, record, runner.public())?,
    };
    // The key signed the record then; whether it may sign today is another question.
    let now = rfc3339(Clock::system().now_ms());
    let time = format!("{}Z", now.get(..19).unwrap_or_default());
    head.trust.admits(&runner, Some(BuildRecord::KIND), Moment { time: &time }).map_err(|(code, message)| {
        let help = "sign with a runner key in force: run the build again, and export that record";
        Failure::message(Class::Refused, Some(code), message, help)
    })?;
    let (key, bytes) = runner.sign_payload(&payload)?;
    let envelope = Envelope::new([(key, bytes)]);
    let signature = Signature { key_id: key.id(), bytes };
    let whole = ("envelope.json", envelope.join(&payload));
    Ok(Handout { payload, signature, key, whole })
}
