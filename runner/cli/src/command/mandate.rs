//! `orgo mandate`: from a first draft to the active mandate, and what changes on the way.

mod activate;
mod diff;
mod new;
mod test;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use orgo_host::file::{replace, write_atomic};
use orgo_host::key::Role;
use orgo_host::ledger::Active;
use orgo_host::mandate::{self, Loaded};
use orgo_spec::{Digest, Name, ReasonCode};
use serde_json::json;

use super::Context;
use super::ledger::{self, Opened};
use crate::failure::{Class, Failure};
use crate::output::plain;
use crate::project::Repository;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  orgo mandate new reference-data\n  orgo mandate test\n  orgo mandate diff reference-data --from main\n  orgo mandate sign reference-data\n  orgo mandate activate reference-data\n\nStock tools approve as well:\n  orgo mandate show reference-data --manifest reference-data.json\n  ssh-keygen -Y sign -n orgo-mandate -f ~/.ssh/id_ed25519 reference-data.json\n  mv reference-data.json.sig mandates/reference-data/approvals/"
)]
pub(crate) struct MandateArgs {
    #[command(subcommand)]
    command: MandateCommand,
    /// The branch of the ledger
    #[arg(long, value_name = "NAME", global = true)]
    branch: Option<String>,
}

#[derive(Debug, Subcommand)]
enum MandateCommand {
    /// Begin a mandate: settings, a commented policy, and a test of it
    New {
        /// What it is called
        name: String,
    },
    /// Show a mandate: settings, policies, approvals
    Show {
        /// What it is called
        name: String,
        /// Write the manifest, which its id is the digest of and which approvers sign, to this file
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
    },
    /// Show what changes against the active mandate, and whether it demands more or less
    Diff {
        /// What it is called
        name: String,
        /// Compare with a commit, not with the active one
        #[arg(long, value_name = "REV")]
        from: Option<String>,
    },
    /// Approve a mandate as it is now, with the approver key
    Sign {
        /// What it is called
        name: String,
    },
    /// Make an approved mandate the active one, on record
    Activate {
        /// What it is called
        name: String,
    },
    /// Run the policy tests of one mandate, or of all
    Test {
        /// What it is called
        name: Option<String>,
    },
    /// List the mandates here, and which are active
    List,
}

/// Runs `orgo mandate`.
pub(super) fn run(context: &Context, args: &MandateArgs) -> Result<(), Failure> {
    let repository = Repository::open(&context.global.directory)?;
    let place = Place { context, repository: &repository, branch: args.branch.as_deref() };
    match &args.command {
        MandateCommand::New { name } => new::run(&place, &named(name)?),
        MandateCommand::Show { name, manifest } => show(&place, &named(name)?, manifest.as_deref()),
        MandateCommand::Diff { name, from } => diff::run(&place, &named(name)?, from.as_deref()),
        MandateCommand::Sign { name } => sign(&place, &named(name)?),
        MandateCommand::Activate { name } => activate::run(&place, &named(name)?),
        MandateCommand::Test { name } => test::run(&place, name.as_deref().map(named).transpose()?.as_ref()),
        MandateCommand::List => list(&place),
    }
}

fn named(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|e| Failure::usage(e.to_string(), Name::RULE))
}

/// Where a command works.
struct Place<'p> {
    context: &'p Context,
    repository: &'p Repository,
    branch: Option<&'p str>,
}

impl Place<'_> {
    fn root(&self) -> &std::path::Path {
        self.repository.workspace.root()
    }

    /// The mandate of the working folder.
    fn load(&self, name: &Name) -> Result<Loaded, Failure> {
        mandate::from_folder(self.root(), name)?.ok_or_else(|| {
            let message = format!("there is no `mandates/{name}/mandate.kdl`");
            Failure::message(
                Class::Declared,
                Some(ReasonCode::MandateMissing),
                message,
                format!("`orgo mandate list` shows what there is; `orgo mandate new {name}` begins one"),
            )
        })
    }

    /// The project's ledger, if it has begun.
    fn ledger(&self) -> Result<Option<Opened>, Failure> {
        let branch = self.branch.unwrap_or(&self.repository.project.ledger);
        let git = match orgo_host::git::Git::open(self.root()) {
            Ok(git) => git,
            Err(orgo_host::git::GitError::NotARepository(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let short = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        for prefix in ["refs/heads/", "refs/remotes/origin/"] {
            if git.tip(&format!("{prefix}{short}"))?.is_some() {
                return ledger::open(self.context, Some(self.root()), Some(branch)).map(Some);
            }
        }
        Ok(None)
    }

    /// The active mandate of that name.
    fn active(&self, name: &Name) -> Result<Option<Active>, Failure> {
        let Some(opened) = self.ledger()? else { return Ok(None) };
        Ok(opened.ledger.mandate(&opened.head()?, name)?)
    }
}

/// The state of a mandate beside the active one of its name.
fn state(at_hand: (Digest, u32), active: Option<&Active>) -> &'static str {
    let active = active.map(|a| (a.facts.mandate_id, a.facts.version));
    match (active, orgo_kernel::policy::may_govern(at_hand, active, false)) {
        (Some(_), Ok(())) => "active",
        (None, _) => "not active",
        (Some(_), Err(ReasonCode::MandateRollback)) => "older than the active one",
        (Some(_), Err(_)) => "newer than the active one",
    }
}

fn list(place: &Place<'_>) -> Result<(), Failure> {
    let output = place.context.output;
    let mut told = Vec::new();
    for name in mandate::names(place.root())? {
        let loaded = place.load(&name)?;
        let (id, version) = (loaded.bundle.id(), loaded.bundle.mandate().version);
        let active = place.active(&name)?;
        let state = state((id, version), active.as_ref());
        output.line(format!("{name}  version {version}  {id}  {state}"));
        let active =
            active.map(|a| json!({ "version": a.facts.version, "mandate": a.facts.mandate_id, "record": a.record }));
        told.push(json!({ "name": name, "version": version, "mandate": id, "state": state, "active": active }));
    }
    if told.is_empty() {
        output.line("no mandates here; `orgo mandate new NAME` begins one");
    }
    output.document(&json!({ "schema": "orgo.mandates/1", "mandates": told }));
    Ok(())
}

fn show(place: &Place<'_>, name: &Name, to: Option<&std::path::Path>) -> Result<(), Failure> {
    let output = place.context.output;
    let loaded = place.load(name)?;
    let settings = loaded.bundle.mandate();
    let manifest = loaded.bundle.manifest();
    if let Some(to) = to {
        replace(to, &manifest)?;
        output.line(format!("{}: the manifest; sign it in the namespace `orgo-mandate`", to.display()));
    }
    let active = place.active(name)?;
    let state = state((loaded.bundle.id(), settings.version), active.as_ref());
    let (approvals, others) = mandate::approvals(place.root(), name, &manifest)?;
    if to.is_none() {
        output.line(format!("mandate {name}, version {}, of {}: {state}", settings.version, settings.tenant_id));
        output.line(format!("id {}", loaded.bundle.id()));
        output.line(plain(&settings.mission));
        for policy in loaded.policies.list() {
            let word = if policy.forbids { "forbids" } else { "permits" };
            output.line(plain(&format!("  {}  {word}  ({})", policy.id, policy.file)));
        }
        for approval in &approvals {
            output.line(format!("approved by {}", approval.key.ssh_fingerprint()));
        }
        let wanted = settings.trust.approvals;
        output.line(format!("{} approvals of this version, {wanted} asked for", approvals.len()));
        if others > 0 {
            output.line(format!("{others} files in `approvals/` are about something else"));
        }
    }
    output.document(&json!({
        "schema": "orgo.mandate/1",
        "mandate": loaded.bundle.id(),
        "state": state,
        "settings": settings,
        "policies": loaded.policies.list().iter().map(|p| json!({
            "id": p.id, "file": p.file, "effect": if p.forbids { "forbid" } else { "permit" },
        })).collect::<Vec<_>>(),
        "approvals": approvals.iter().map(|a| a.key.ssh_fingerprint()).collect::<Vec<_>>(),
    }));
    Ok(())
}

fn sign(place: &Place<'_>, name: &Name) -> Result<(), Failure> {
    let loaded = place.load(name)?;
    if loaded.policies.list().is_empty() {
        let message = format!("the mandate `{name}` has no policy: it would permit nothing");
        return Err(Failure::message(Class::Declared, Some(ReasonCode::PolicyError), message, "write one first"));
    }
    test::must_pass(&loaded)?;
    let key = place.context.home()?.key(Role::Approver)?;
    let signature = key.sign_mandate(&loaded.bundle.manifest())?;
    let folder = place.root().join("mandates").join(name.as_str()).join("approvals");
    let file = folder.join(format!("{}.sig", key.public().id().short()));
    write_atomic(&file, signature.armor().as_bytes())?;
    let (version, id) = (loaded.bundle.mandate().version, loaded.bundle.id());
    place.context.output.line(format!("{}: version {version} {id}, approved", file.display()));
    place.context.output.document(&json!({
        "schema": "orgo.mandate-sign/1", "mandate": id, "version": version, "key": key.public().ssh_fingerprint(),
    }));
    Ok(())
}
