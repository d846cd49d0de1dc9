//! `orgo key`: the keys of this user, and the list that stock git verifies with.

use clap::{Args, Subcommand};
use orgo_host::key::{KeyClass, KeyEntry, KeyError, KeyRef, PrivateKey, Role};
use orgo_spec::{Name, ReasonCode};
use serde_json::{Value, json};

use super::{Context, ledger};
use crate::failure::{Class, Failure};
use crate::output::plain;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo key list\n  orgo key new runner\n  orgo key new root --passphrase\n  orgo key use runner agent:SHA256:bz4BVooxBrsyl2fHsyoDUhf/unXsRKKtt5ZVo62ySa4\n  orgo key show git --pem"
)]
pub(crate) struct Key {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// List the keys of this user
    List,
    /// Make a key for a duty: runner, git, root or log
    New {
        /// The duty
        role: Role,
        /// The key's name; the duty unless told
        #[arg(long)]
        name: Option<String>,
        /// Lock it with a passphrase, in the OpenSSH format
        #[arg(long)]
        passphrase: bool,
    },
    /// Say from now on where the key of a duty is
    Use {
        /// The duty
        role: Role,
        /// `file:PATH`, `agent:SHA256:FINGERPRINT`, `agent:ssh-ed25519 AAAA…` or `env:NAME`
        reference: KeyRef,
    },
    /// Show the public half of a key
    Show {
        /// The key's name
        name: String,
        /// As OpenSSL reads it
        #[arg(long)]
        pem: bool,
    },
    /// Print the list of signers that `git verify-commit` needs for the ledger
    AllowedSigners {
        /// The branch of the ledger
        #[arg(long, value_name = "NAME")]
        branch: Option<String>,
    },
}

/// Runs `orgo key`.
pub(super) fn run(context: &Context, args: &Key) -> Result<(), Failure> {
    match &args.command {
        KeyCommand::List => list(context),
        KeyCommand::New { role, name, passphrase } => new(context, *role, name.as_deref(), *passphrase),
        KeyCommand::Use { role, reference } => use_key(context, *role, reference),
        KeyCommand::Show { name, pem } => show(context, name, *pem),
        KeyCommand::AllowedSigners { branch } => {
            let head = ledger::open(context, None, branch.as_deref())?.head()?;
            let text = String::from_utf8(head.trust.allowed_signers()).expect("the list is text");
            context.output.line(text.trim_end());
            context.output.document(&json!({ "schema": "orgo.allowed-signers/1", "allowed_signers": text }));
            Ok(())
        }
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let user = context.home()?;
    let mut told = Vec::new();
    let keys = user.keys()?;
    if keys.iter().any(|(_, k)| k.as_ref().is_ok_and(|k| k.class == KeyClass::Development)) {
        context.output.line("# development keys made themselves; production trust refuses them");
    }
    for (name, key) in keys {
        match key {
            Ok(key) => {
                let role = key.role.map_or("any", Role::as_str);
                let (class, fingerprint) = (key.class.as_str(), key.public.ssh_fingerprint());
                let source = source(&key);
                context.output.line(plain(&format!("{name:<12} {role:<8} {class:<12} {fingerprint}  {source}")));
                told.push(describe(&name, &key));
            }
            Err(error) => {
                context.output.line(plain(&format!("{name:<12} {error}")));
                told.push(json!({ "name": name, "code": error.code(), "problem": error.to_string() }));
            }
        }
    }
    if told.is_empty() {
        context.output.line("no keys yet; `orgo run` makes development keys, `orgo key new ROLE` others");
    }
    context.output.document(&json!({ "schema": "orgo.keys/1", "home": user.path(), "keys": told }));
    Ok(())
}

fn new(context: &Context, role: Role, name: Option<&str>, passphrase: bool) -> Result<(), Failure> {
    let name = key_name(name.unwrap_or(role.as_str()))?;
    let home = context.home()?;
    let path = home.key_path(&name);
    let reference = home.reference_path(role);
    if name.as_str() == role.as_str() && reference.symlink_metadata().is_ok() {
        return Err(KeyError::Ambiguous { role, key: path, reference }.into());
    }
    // A passphrase that is given is never ignored.
    let key = if passphrase || context.global.passphrase_file.is_some() {
        if path.symlink_metadata().is_ok() {
            return Err(KeyError::Exists { path }.into());
        }
        let chosen = context.passphrases.choose(&path);
        let chosen = chosen.map_err(|why| {
            let help = "type a passphrase at a terminal, or give `--passphrase-file FILE`";
            Failure::message(Class::Integrity, Some(ReasonCode::KeyUnusable), format!("no key was made: {why}"), help)
        })?;
        PrivateKey::create_locked(&path, role, &chosen)?
    } else {
        PrivateKey::create(&path, role, KeyClass::Standard)?
    };
    context.output.line(format!("made {}", path.display()));
    context.output.line(format!("{} {name}", key.public()));
    let entry = KeyEntry::read(key.source(), Some(role), home.sources())?;
    context.output.document(&document(name.as_str(), &entry));
    Ok(())
}

fn use_key(context: &Context, role: Role, reference: &KeyRef) -> Result<(), Failure> {
    let home = context.home()?;
    let key = home.use_key(role, reference)?;
    context.output.line(format!("the {role} key is {} at {}", key.public().ssh_fingerprint(), key.source()));
    context.output.line(format!("as {} says", home.reference_path(role).display()));
    let entry = KeyEntry::read(key.source(), Some(role), home.sources())?;
    context.output.document(&document(role.as_str(), &entry));
    Ok(())
}

fn show(context: &Context, name: &str, pem: bool) -> Result<(), Failure> {
    let name = key_name(name)?;
    let key = context.home()?.entry(name.as_str())?;
    if pem {
        context.output.line(key.public.to_pem().trim_end());
    } else {
        if key.class == KeyClass::Development {
            context.output.line("# development key: made by itself, refused by production trust");
        }
        context.output.line(format!("{} {name}", key.public));
        let role = key.role.map_or("any", Role::as_str);
        context.output.line(format!("# duty {role}, id {}", key.public.id()));
        context.output.line(format!("# {}", key.public.ssh_fingerprint()));
        context.output.line(plain(&format!("# {}", source(&key))));
    }
    context.output.document(&document(name.as_str(), &key));
    Ok(())
}

fn source(key: &KeyEntry) -> String {
    format!("{}{}", key.source, if key.locked { " (passphrase)" } else { "" })
}

/// Reads `ROLE=REF`.
///
/// # Errors
/// What is wrong, for the command line.
pub(crate) fn assignment(text: &str) -> Result<(Role, KeyRef), String> {
    let (role, reference) = text.split_once('=').ok_or("it has the form ROLE=REF, such as `runner=env:RUNNER_KEY`")?;
    Ok((role.parse()?, reference.parse().map_err(|e: orgo_host::key::KeyRefError| e.to_string())?))
}

fn document(name: &str, key: &KeyEntry) -> Value {
    let mut value = describe(name, key);
    value["schema"] = json!("orgo.key/1");
    value
}

fn describe(name: &str, key: &KeyEntry) -> Value {
    let path = match &key.source {
        KeyRef::File(path) => Some(path),
        KeyRef::Agent(_) | KeyRef::Env(_) => None,
    };
    json!({
        "name": name,
        "role": key.role,
        "class": key.class,
        "id": key.public.id(),
        "public": key.public,
        "fingerprint": key.public.ssh_fingerprint(),
        "pem": key.public.to_pem(),
        "source": key.source.to_string(),
        "locked": key.locked,
        "path": path,
    })
}

fn key_name(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|e| Failure::usage(e.to_string(), Name::RULE))
}
