//! `orgo key`: the keys of this user, and the list that stock git verifies with.

use clap::{Args, Subcommand};
use orgo_host::key::{KeyClass, PrivateKey, Role};
use orgo_spec::Name;
use serde_json::{Value, json};

use super::{Context, ledger};
use crate::failure::Failure;
use crate::output::plain;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orgo key list\n  orgo key new runner\n  orgo key show git --pem")]
pub(crate) struct Key {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// List the keys of this user
    List,
    /// Make a key for a duty: runner, git or root
    New {
        /// The duty
        role: Role,
        /// The key's name; the duty unless told
        #[arg(long)]
        name: Option<String>,
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
        KeyCommand::New { role, name } => new(context, *role, name.as_deref()),
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
    if keys.iter().any(|(_, k)| k.as_ref().is_ok_and(|k| k.class() == KeyClass::Development)) {
        context.output.line("# development keys made themselves; production trust refuses them");
    }
    for (name, key) in keys {
        match key {
            Ok(key) => {
                let (id, class) = (key.public().id(), key.class().as_str());
                context.output.line(format!("{name:<12} {:<8} {class:<12} {id}", key.role()));
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

fn new(context: &Context, role: Role, name: Option<&str>) -> Result<(), Failure> {
    let name = key_name(name.unwrap_or(role.as_str()))?;
    let path = context.home()?.key_path(&name);
    let key = PrivateKey::create(&path, role, KeyClass::Standard)?;
    context.output.line(format!("made {}", path.display()));
    context.output.line(format!("{} {name}", key.public()));
    context.output.document(&document(&name, &key));
    Ok(())
}

fn show(context: &Context, name: &str, pem: bool) -> Result<(), Failure> {
    let name = key_name(name)?;
    let key = PrivateKey::load(&context.home()?.key_path(&name))?;
    if pem {
        context.output.line(key.public().to_pem().trim_end());
    } else {
        if key.class() == KeyClass::Development {
            context.output.line("# development key: made by itself, refused by production trust");
        }
        context.output.line(format!("{} {name}", key.public()));
        context.output.line(format!("# duty {}, id {}", key.role(), key.public().id()));
        context.output.line(format!("# {}", key.public().ssh_fingerprint()));
    }
    context.output.document(&document(&name, &key));
    Ok(())
}

fn document(name: &Name, key: &PrivateKey) -> Value {
    let mut value = describe(name.as_str(), key);
    value["schema"] = json!("orgo.key/1");
    value
}

fn describe(name: &str, key: &PrivateKey) -> Value {
    json!({
        "name": name,
        "role": key.role(),
        "class": key.class(),
        "id": key.public().id(),
        "public": key.public(),
        "fingerprint": key.public().ssh_fingerprint(),
        "pem": key.public().to_pem(),
        "path": key.path(),
    })
}

fn key_name(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|e| Failure::usage(e.to_string(), Name::RULE))
}
