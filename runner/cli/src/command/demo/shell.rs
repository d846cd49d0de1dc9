//! Runs the story's commands: the real `orgo` and the real `git`, each as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use orgo_host::file::At;
use orgo_host::ledger::Ledger;
use orgo_spec::project::DEFAULT_LEDGER;
use serde_json::Value;

use crate::failure::{Class, Failure};
use crate::output::Output;
use crate::project::own_path;

/// Where the story takes place: `<folder>/repo`, `<folder>/home`, `<folder>/clone.git`.
pub(super) struct Shell {
    output: Output,
    folder: PathBuf,
    repo: PathBuf,
    home: PathBuf,
    orgo: PathBuf,
}

impl Shell {
    pub(super) fn new(output: Output, folder: &Path) -> Result<Self, Failure> {
        let repo = folder.join("repo");
        std::fs::create_dir_all(&repo).at("create the folder", &repo)?;
        let folder = std::fs::canonicalize(folder).at("resolve", folder)?;
        Ok(Self { output, repo: folder.join("repo"), home: folder.join("home"), folder, orgo: own_path()? })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn repo(&self) -> &Path {
        &self.repo
    }

    pub(super) fn program(&self) -> &Path {
        &self.orgo
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// Runs `git` in the repository, as nobody in particular.
    pub(super) fn git(&self, args: &[&str]) -> Result<(), Failure> {
        self.output.line(format!("   $ git {}", shown(args)));
        let identity =
            ["-c", "user.name=Steward", "-c", "user.email=steward@elements.example", "-c", "commit.gpgsign=false"];
        let output = Command::new("git")
            .args(identity)
            .args(args)
            .current_dir(&self.repo)
            .output()
            .at("start git in", &self.repo)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::message(
            Class::Environment,
            None,
            format!("git {} failed: {said}", shown(args)),
            "the demo needs git 2.28 or newer",
        ))
    }

    /// Runs `orgo` in the repository, shows what it shows people, and returns what it tells programs.
    pub(super) fn orgo(&self, args: &[&str], expected: &[i32]) -> Result<Value, Failure> {
        self.output.line(format!("   $ orgo {}", shown(args)));
        let mut command = Command::new(&self.orgo);
        command.arg("--home").arg(&self.home).args(args).arg("--json").current_dir(&self.repo);
        let output = command.output().at("start", &self.orgo)?;
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        if !output.status.code().is_some_and(|code| expected.contains(&code)) {
            let said =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let message = format!("orgo {} ended with {}: {}", shown(args), output.status, said.trim());
            return Err(Failure::message(
                Class::Integrity,
                None,
                message,
                "this is not how the story goes; please report it",
            ));
        }
        for stage in value["stages"].as_array().into_iter().flatten() {
            let text = |name: &str| stage[name].as_str().unwrap_or_default().to_owned();
            let code = if stage["code"].is_null() { String::new() } else { text("code") };
            self.output.line(format!("     {:<8} {:<10} {code}", text("state"), text("stage")));
        }
        if let Some(record) = value["record"].as_object() {
            let (number, branch) = (&record["number"], record["branch"].as_str().unwrap_or_default());
            self.output.line(format!("     record {number} on {branch}"));
        }
        Ok(value)
    }

    /// Verifies the bare clone from the root that the demo's own repository has.
    pub(super) fn verify(&self) -> Result<Value, Failure> {
        let ledger = self.ledger()?;
        let root = ledger.head()?.map(|head| head.root.to_string()).unwrap_or_default();
        self.orgo(&["verify", "../clone.git", "--root", &root], &[0])
    }

    fn ledger(&self) -> Result<Ledger, Failure> {
        Ok(Ledger::open(&self.repo, &format!("refs/heads/{DEFAULT_LEDGER}"))?)
    }

    /// The record that a run left.
    pub(super) fn record(&self, run: &Value) -> Result<Value, Failure> {
        let number = run["record"]["number"].as_u64().unwrap_or(u64::MAX);
        let stored = self.ledger()?.record(number)?;
        Ok(serde_json::from_slice(&stored.statement).unwrap_or(Value::Null))
    }

    /// A piece of evidence from the ledger.
    pub(super) fn evidence(&self, digest: &str) -> Result<Value, Failure> {
        let missing = || {
            Failure::message(
                Class::Integrity,
                None,
                format!("the evidence {digest} is not in the ledger"),
                "please report it",
            )
        };
        let digest = digest.parse().map_err(|_| missing())?;
        let bytes = self.ledger()?.evidence(&digest)?.ok_or_else(missing)?;
        Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

/// Arguments as one would type them.
fn shown(args: &[&str]) -> String {
    let quote = |arg: &&str| if arg.contains(' ') { format!("'{arg}'") } else { (*arg).to_owned() };
    args.iter().map(quote).collect::<Vec<_>>().join(" ")
}
