//! Policies: what a mandate says in Cedar beyond its settings, evaluated so that every doubt refuses.
//!
//! Cedar is total and denies by default, but it forgives: a `forbid` that cannot be evaluated is skipped, and a
//! `permit` that cannot be evaluated does not stand in the way of another. Here both refuse. So do an empty set,
//! a request that is not of the schema, and policies of another mandate ([`Policies::ask`]).
//!
//! Policies are validated strictly against the schema of our actions ([`schema_text`]) when they are loaded; facts
//! are computed in Rust and handed over as context. Nothing here reads anything.

mod compare;
mod load;
mod request;
mod schema;
mod size;

pub use compare::{Change, Strength, compare};
pub use schema::schema_text;

use cedar_policy::{Authorizer, Decision, Effect, Entities, PolicySet};
use orgo_spec::record::GateFacts;
use orgo_spec::{Digest, Name, ReasonCode};

/// The engine that decides where policies are asked, as it stands in records.
pub const ENGINE: &str = "orgo-cedar";

/// The version of that engine: the built-in rules, and the version of Cedar.
#[must_use]
pub fn engine_version() -> String {
    format!("{}+cedar-{}", crate::gate::ENGINE_VERSION, cedar_policy::get_sdk_version())
}

/// The policies of one mandate, parsed and valid.
#[derive(Debug, Clone)]
pub struct Policies {
    mandate: Digest,
    set: PolicySet,
    list: Vec<Policy>,
}

/// One policy, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its id: the annotation `@id`.
    pub id: String,
    /// The file that it stands in.
    pub file: String,
    /// Whether it forbids; otherwise it permits.
    pub forbids: bool,
    /// Its text, as written.
    pub text: String,
}

/// What the policies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The policies that determined it, sorted: those that permitted, or those that forbade or could not be
    /// evaluated.
    pub by: Vec<String>,
    /// Why not, sorted; none is a permission.
    pub codes: Vec<ReasonCode>,
    /// What went wrong, for people.
    pub errors: Vec<String>,
}

impl Answer {
    /// Whether the policies permit it.
    #[must_use]
    pub fn permits(&self) -> bool {
        self.codes.is_empty()
    }

    /// Whether policies forbid it, all of which could be evaluated; that none permits it is another refusal.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.codes == [ReasonCode::PolicyRefused] && !self.by.is_empty()
    }

    fn error(message: impl Into<String>) -> Self {
        Self { by: Vec::new(), codes: vec![ReasonCode::PolicyError], errors: vec![message.into()] }
    }
}

impl Policies {
    /// The mandate whose policies they are.
    #[must_use]
    pub fn mandate(&self) -> Digest {
        self.mandate
    }

    /// Every policy, in the order of files and of places in them.
    #[must_use]
    pub fn list(&self) -> &[Policy] {
        &self.list
    }

    /// The same policies without those that forbid and are named; whatever permits stays.
    #[must_use]
    pub fn without(&self, named: &[Name]) -> Self {
        let is_named = |id: &str| named.iter().any(|n| n.as_str() == id);
        let kept = self.set.policies().filter(|p| !(forbids(p) && is_named(p.id().as_ref()))).cloned();
        let set = PolicySet::from_policies(kept).expect("a part of a set is a set");
        let list = self.list.iter().filter(|p| !(p.forbids && is_named(&p.id))).cloned().collect();
        Self { mandate: self.mandate, set, list }
    }

    /// Asks whether what a gate saw may be compiled.
    #[must_use]
    pub fn ask(&self, facts: &GateFacts) -> Answer {
        if self.list.is_empty() {
            return Answer::error("the mandate has no policy: nothing is permitted");
        }
        let request = match request::compile(facts) {
            Ok(request) => request,
            Err(why) => return Answer::error(why),
        };
        let response = size::with_stack(|| Authorizer::new().is_authorized(&request, &self.set, &Entities::empty()));
        let diagnostics = response.diagnostics();
        let mut failed: Vec<(String, String)> = diagnostics
            .errors()
            .map(|e| match e {
                cedar_policy::AuthorizationError::PolicyEvaluationError(e) => {
                    (e.policy_id().to_string(), format!("the policy `{}`: {}", e.policy_id(), e.inner()))
                }
            })
            .collect();
        failed.sort_unstable();
        let mut by: Vec<String> = diagnostics.reason().map(ToString::to_string).collect();
        by.sort_unstable();
        let permitted = response.decision() == Decision::Allow;
        if failed.is_empty() && permitted && !by.is_empty() {
            return Answer { by, codes: Vec::new(), errors: Vec::new() };
        }
        let mut codes = Vec::new();
        if !failed.is_empty() || permitted {
            codes.push(ReasonCode::PolicyError);
            // What a policy would have permitted counts for nothing beside one that nobody could ask.
            if permitted {
                by.clear();
            }
            by.extend(failed.iter().map(|(id, _)| id.clone()));
            by.sort_unstable();
        }
        if failed.is_empty() || diagnostics.reason().next().is_some() && !permitted {
            codes.push(ReasonCode::PolicyRefused);
        }
        Answer { by, codes, errors: failed.into_iter().map(|(_, message)| message).collect() }
    }
}

/// Whether a mandate may govern, given the active one of its name: id and version of each. `required` says that
/// there must be an active one.
///
/// # Errors
/// `MANDATE_MISSING` if there must be one and is none; `MANDATE_ROLLBACK` for other content that is not newer;
/// `MANDATE_UNAPPROVED` for a newer one that nobody activated.
pub fn may_govern(at_hand: (Digest, u32), active: Option<(Digest, u32)>, required: bool) -> Result<(), ReasonCode> {
    match active {
        Some((id, _)) if id == at_hand.0 => Ok(()),
        Some((_, version)) if at_hand.1 <= version => Err(ReasonCode::MandateRollback),
        Some(_) => Err(ReasonCode::MandateUnapproved),
        None if required => Err(ReasonCode::MandateMissing),
        None => Ok(()),
    }
}

fn forbids(policy: &cedar_policy::Policy) -> bool {
    policy.effect() == Effect::Forbid
}

#[cfg(test)]
mod tests;
