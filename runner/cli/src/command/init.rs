//! `orgo init`: a folder becomes a project.

use orgo_host::clock::Clock;
use orgo_host::file::{At, write_atomic};
use orgo_host::ledger::Ledger;
use orgo_spec::Name;
use orgo_spec::project::{DEFAULT_LEDGER, Project};
use serde_json::json;

use super::Context;
use crate::args::Init;
use crate::failure::{Class, Failure};
use crate::ledger::begin_development;
use crate::project::{Repository, document_name};

/// Writes `orgo.kdl` and a first pipeline, and begins the ledger; never touches a file that is there. In a
/// project without a ledger it begins the ledger alone.
pub(super) fn run(context: &Context, args: &Init) -> Result<(), Failure> {
    let folder = std::fs::canonicalize(&context.global.directory).at("resolve", &context.global.directory)?;
    if !folder.join(".git").exists() {
        return Err(Failure::message(
            Class::Declared,
            None,
            format!("`{}` is not the top of a git repository", folder.display()),
            "run `git init` first: pipelines and records live in git",
        ));
    }
    let existing = document_name(&folder, "orgo")?.is_some();
    if existing {
        let project = Repository::open(&folder)?.project;
        let ledger = Ledger::open(&folder, &format!("refs/heads/{}", project.ledger))?;
        if args.name.is_some() || ledger.head()?.is_some() {
            let message = format!("`{}` is a project already, with a ledger", folder.display());
            return Err(Failure::usage(message, "see what it holds: `orgo check` and `orgo record list`"));
        }
        begin(context, &ledger, &project)?;
        context.output.document(&json!({ "schema": "orgo.init/1", "project": project.name, "wrote": [] }));
        return Ok(());
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => folder.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default(),
    };
    let name = Name::new(&name)
        .map_err(|e| Failure::usage(e.to_string(), format!("give one: `orgo init NAME`; {}", Name::RULE)))?;
    let project = format!(
        "project \"{name}\" {{\n    tenant \"{name}\"\n    ledger \"orgo/audit\"\n    protected \"main\"\n}}\n"
    );
    let pipeline = "pipeline \"first\" {\n    stage \"hello\" {\n        run \"sh\" \"-c\" \"echo hello > greeting.txt\"\n        out \"greeting.txt\"\n    }\n    stage \"count\" {\n        from \"hello\"\n        run \"sh\" \"-c\" \"wc -c < in/hello/greeting.txt > size.txt\"\n        tool \"wc\"\n        out \"size.txt\"\n    }\n}\n";
    let mut written = Vec::new();
    let mut files = vec![("orgo.kdl", project.as_str())];
    if !folder.join("pipelines").exists() {
        files.push(("pipelines/first.kdl", pipeline));
    }
    for (path, text) in files {
        write_atomic(&folder.join(path), text.as_bytes())?;
        context.output.line(format!("wrote {path}"));
        written.push(path);
    }
    let ledger = Ledger::open(&folder, &format!("refs/heads/{DEFAULT_LEDGER}"))?;
    if ledger.head()?.is_none() {
        begin(context, &ledger, &Repository::open(&folder)?.project)?;
    }
    context.output.line("next: commit these files, then `orgo check` and `orgo run`");
    context.output.document(&json!({ "schema": "orgo.init/1", "project": name, "wrote": written }));
    Ok(())
}

/// Begins the ledger with a development trust that lists the user's keys.
fn begin(context: &Context, ledger: &Ledger, project: &Project) -> Result<(), Failure> {
    begin_development(ledger, project, &context.home()?, &Clock::system())?;
    let branch = &project.ledger;
    context
        .output
        .line(format!("began the ledger `{branch}` with development keys: good for trying, never releasable"));
    Ok(())
}
