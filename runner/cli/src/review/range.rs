//! Which two states are compared.

use orgo_host::git::{Git, ObjectId};

use crate::failure::Failure;
use crate::output::plain;

/// Two states of the repository.
pub(super) struct Range {
    pub(super) base: ObjectId,
    /// None stands for the working folder.
    pub(super) head: Option<ObjectId>,
    /// What they are called.
    pub(super) names: (String, String),
}

/// Reads `BASE..HEAD`, `BASE...HEAD` or `BASE`; a side that is left out is `HEAD`, as git has it.
pub(super) fn resolve(git: &Git, text: &str) -> Result<Range, Failure> {
    let named = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
    if let Some((base, head)) = text.split_once("...") {
        let (base, head) = (named(base), named(head));
        let (one, other) = (commit(git, &base)?, commit(git, &head)?);
        let parted = git.parted(one, other)?.ok_or_else(|| {
            let message = format!("`{}` and `{}` have no commit in common", plain(&base), plain(&head));
            Failure::usage(message, "fetch their whole history, or compare them with `..`")
        })?;
        return Ok(Range { base: parted, head: Some(other), names: (format!("{base} where {head} parted"), head) });
    }
    if let Some((base, head)) = text.split_once("..") {
        let (base, head) = (named(base), named(head));
        return Ok(Range { base: commit(git, &base)?, head: Some(commit(git, &head)?), names: (base, head) });
    }
    let base = named(text);
    Ok(Range { base: commit(git, &base)?, head: None, names: (base, "the working folder".to_owned()) })
}

fn commit(git: &Git, name: &str) -> Result<ObjectId, Failure> {
    git.commit_named(name)?.ok_or_else(|| {
        Failure::usage(
            format!("nothing here is called `{}`", plain(name)),
            "name a branch, a tag or a commit; `git fetch` brings those of a remote, such as `origin/main`",
        )
    })
}
