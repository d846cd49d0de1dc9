//! `orgo record export`: a record as other programs read it.

use std::path::Path;

use orgo_host::file::{At, write_atomic};
use orgo_spec::signature::{Envelope, PAYLOAD_TYPE, Signature, pae};
use serde_json::{Value, json};

use super::super::Context;
use super::super::ledger::Opened;
use super::signature;
use crate::failure::{Class, Failure};

pub(super) fn run(context: &Context, opened: &Opened, which: &str, to: Option<&Path>) -> Result<(), Failure> {
    let head = opened.head()?;
    let record = opened.ledger.find(which)?;
    let signed = signature(&head, &record)?;
    let envelope = Envelope::parse(record.envelope.as_deref().unwrap_or_default())
        .map_err(|e| Failure::message(Class::Integrity, Some(e.code()), e.to_string(), e.code().remedy()))?;
    let joined = envelope.join(&record.statement);
    let standing = opened.standing(&head)?;
    let Some(folder) = to else {
        // The envelope is the result; what must be said about it goes beside it.
        context.output.note(standing.line());
        let text = String::from_utf8(joined).expect("an envelope is JSON");
        if context.output.json {
            let value: Value = serde_json::from_str(&text).expect("an envelope is JSON");
            context.output.document(&value);
        } else {
            context.output.line(text.trim_end());
        }
        return Ok(());
    };
    // With several signers the runner's signature is the one that every record has.
    let role = |s: &Signature| head.trust.role_of(&s.key_id) == Some("runner");
    let first = envelope.signatures().iter().find(|s| role(s)).or(envelope.signatures().first());
    let first = first.expect("an envelope without signatures does not parse");
    let key = opened.ledger.key(&first.key_id)?.ok_or_else(|| {
        Failure::message(
            Class::Integrity,
            Some(orgo_spec::ReasonCode::KeyUnknown),
            format!("no trust record lists the key {} that signed", first.key_id.short()),
            "verify the ledger: `orgo verify`",
        )
    })?;
    std::fs::create_dir_all(folder).at("create the folder", folder)?;
    let files: [(&str, Vec<u8>); 4] = [
        ("envelope.json", joined),
        ("pae", pae(PAYLOAD_TYPE, &record.statement)),
        ("signature", first.bytes.to_vec()),
        ("key.pem", key.to_pem().into_bytes()),
    ];
    context.output.line(standing.line());
    for (name, bytes) in &files {
        write_atomic(&folder.join(name), bytes)?;
        context.output.line(format!("wrote {}", folder.join(name).display()));
    }
    context.output.line("check it: openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in pae -sigfile signature");
    context.output.document(&json!({
        "schema": "orgo.record-export/1", "number": record.number, "id": record.id(), "signed": signed,
        "folder": folder, "files": files.map(|(name, _)| name), "key_id": first.key_id,
        "development": standing.development, "anchored": standing.anchored,
    }));
    Ok(())
}
