//! Records of runs: in which lane, what they say, and how they get into the ledger.

mod assemble;
mod governance;
mod kristal;
mod lane;
mod submit;

pub(crate) use assemble::About;
pub(crate) use governance::Governance;
pub(crate) use lane::{Desk, open_desk};
pub(crate) use submit::{Recorded, submit};

use orgo_host::clock::Clock;
use orgo_host::key::{Role, UserDir};
use orgo_host::ledger::{Ledger, Signers};
use orgo_spec::Name;
use orgo_spec::record::{Class as TrustClass, Statement, Subject, TrustFacts, TrustKeys, TrustRecord, TrustRun};

use crate::failure::{Class, Failure};

impl From<orgo_host::git::GitError> for Failure {
    fn from(error: orgo_host::git::GitError) -> Self {
        let code = error.code();
        let class = if code.is_some() { Class::Integrity } else { Class::Environment };
        let help = code.map_or("check the repository: `git status`", orgo_spec::ReasonCode::remedy);
        Self::message(class, code, error.to_string(), help)
    }
}

/// Begins a ledger with a development trust that lists the user's own keys, made on first use.
///
/// # Errors
/// [`Failure`] if a key cannot be used or the ledger cannot be written.
pub(crate) fn begin_development(ledger: &Ledger, tenant: &Name, home: &UserDir, clock: &Clock) -> Result<(), Failure> {
    let runner = home.key_or_development(Role::Runner)?;
    let git = home.key_or_development(Role::Git)?;
    let root = home.key_or_development(Role::Root)?;
    let now_ms = clock.now_ms();
    let trust = TrustRecord {
        facts: TrustFacts {
            class: TrustClass::Development,
            keys: TrustKeys { git: vec![*git.public()], root: vec![*root.public()], runner: vec![*runner.public()] },
            root_threshold: 1,
            schema_version: TrustRecord::SCHEMA_VERSION.to_owned(),
            tenant_id: tenant.clone(),
            version: 1,
        },
        run: TrustRun { created_at: orgo_host::clock::rfc3339(now_ms) },
    };
    let subject = vec![Subject::sha256(format!("trust of {tenant}"), digest_of_facts(&trust))];
    let statement = Statement { subject, predicate: trust }.to_bytes().expect("a trust record has small numbers");
    let roots = [root];
    ledger.init(statement, now_ms / 1000, &Signers { runner: &runner, git: &git, roots: &roots })?;
    Ok(())
}

fn digest_of_facts(trust: &TrustRecord) -> orgo_spec::Digest {
    orgo_spec::canonical::digest_of(&trust.facts).expect("a trust record has small numbers")
}
