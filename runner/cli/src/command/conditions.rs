//! Which stages are part of a run.

use orgo_host::git::Git;
use orgo_host::sources::matches_any;
use orgo_kernel::plan::Resolved;
use orgo_spec::ReasonCode;
use orgo_spec::record::Lane;

use crate::failure::{Class, Failure};
use crate::project::Repository;

/// What a run leaves out, and what it was compared with.
pub(super) struct Conditions {
    /// The stages that are not part of the run.
    pub(super) withheld: Vec<bool>,
    /// The commit of the base.
    pub(super) base: Option<String>,
}

/// Decides the conditions of a plan; without a base, conditions on changed files hold.
///
/// # Errors
/// [`Failure`] if the base is no commit, or a pattern cannot be read.
pub(super) fn decide(repository: &Repository, plan: &Resolved, base: Option<&str>) -> Result<Conditions, Failure> {
    let Some(name) = base else {
        return Ok(Conditions { withheld: plan.withheld(|_| true), base: None });
    };
    let git = Git::open(repository.workspace.root())?;
    let Some((commit, paths)) = git.differing(name)? else {
        return Err(Failure::usage(
            format!("the base `{name}` is no commit of this repository"),
            "name a branch, a tag or a commit; a shallow clone may have to be fetched deeper",
        ));
    };
    let mut wrong = None;
    let withheld = plan.withheld(|patterns| match matches_any(patterns, &paths) {
        Ok(changed) => changed,
        Err(error) => {
            wrong.get_or_insert(error);
            true
        }
    });
    match wrong {
        Some(error) => Err(Failure::report(Class::Declared, error)),
        None => Ok(Conditions { withheld, base: Some(commit.to_string()) }),
    }
}

/// Refuses to give secrets to a run that may not have them (design 3.2).
///
/// # Errors
/// [`Failure`] in the lane of requests, if a stage that is part of the run names a secret.
pub(super) fn secrets_allowed(plan: &Resolved, wanted: &[bool], lane: Lane) -> Result<(), Failure> {
    let with_secrets = plan.stages.iter().zip(wanted).find(|(stage, wanted)| **wanted && !stage.secrets().is_empty());
    match (lane, with_secrets) {
        (Lane::Request, Some((stage, _))) => {
            let code = ReasonCode::SecretNotAllowed;
            let message = format!("the stage `{}` names a secret, and a request has none", stage.name);
            Err(Failure::message(Class::Refused, Some(code), message, "run it after the merge, with `when param=…`"))
        }
        (Lane::Request | Lane::Local | Lane::Protected, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use orgo_kernel::expand::expand;
    use orgo_spec::document::Document;
    use orgo_spec::pipeline::parse_pipelines;

    use super::*;

    #[test]
    fn a_request_gets_no_secret() {
        let document = Document::new("p.kdl", r#"pipeline "p" { stage "a" { run "x"; secret "T" from="env:T" } }"#);
        let plan = expand(&document, &parse_pipelines(&document).expect("decodes")[0]).expect("expands");
        assert!(secrets_allowed(&plan, &[true], Lane::Request).is_err());
        assert!(secrets_allowed(&plan, &[false], Lane::Request).is_ok());
        assert!(secrets_allowed(&plan, &[true], Lane::Local).is_ok());
        assert!(secrets_allowed(&plan, &[true], Lane::Protected).is_ok());
    }
}
