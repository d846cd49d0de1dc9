//! Why a stage runs, as a type: told by comparing what its key was made of.

use std::collections::BTreeMap;

use orgo_spec::Digest;
use orgo_spec::approval::moment_plus;
use orgo_spec::pipeline::Isolation;
use orgo_spec::record::Origin;
use serde::{Deserialize, Serialize};

use crate::collect::Because;
use crate::key::Keyed;

/// What a key was made of, kept from one run to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingredients {
    /// Digests of the parts.
    pub keyed: Keyed,
    /// Inputs by path; an earlier stage's outputs are one entry, named by the place where they appear.
    pub inputs: Vec<(String, Digest)>,
}

/// That a result was collected as garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evicted {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// Why.
    pub because: Because,
}

/// Why a stage was not answered from the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Why {
    /// This repository has no memory of the stage.
    NeverRun,
    /// An input has another content.
    InputChanged {
        /// Path, or the place where an earlier stage's outputs appear.
        path: String,
        /// Content at the last run.
        from: Digest,
        /// Content now.
        to: Digest,
    },
    /// An input is new.
    InputAdded {
        /// Path.
        path: String,
        /// Content now.
        to: Digest,
    },
    /// An input is gone.
    InputRemoved {
        /// Path.
        path: String,
        /// Content at the last run.
        from: Digest,
    },
    /// Program, arguments, environment, outputs or configuration are others.
    CommandChanged,
    /// A host program or a library that it loads is another.
    ToolchainChanged {
        /// Digest at the last run.
        from: Digest,
        /// Digest now.
        to: Digest,
    },
    /// The timeout is another.
    TimeoutChanged {
        /// Milliseconds at the last run.
        from_ms: u64,
        /// Milliseconds now.
        to_ms: u64,
    },
    /// The key is known, but an output is not in the store or does not hash to its name.
    OutputLost {
        /// The output.
        path: String,
        /// Why it is not there, if it was collected as garbage.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evicted: Option<Evicted>,
        /// Whether an object was there and did not hash to its name; it was removed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        damaged: bool,
    },
    /// The key is known, but its result was obtained at a weaker isolation.
    IsolationTooWeak {
        /// What was obtained.
        obtained: Isolation,
        /// What is demanded now.
        demanded: Isolation,
    },
    /// The key is known, but its result was not made here, and this run does not take what came from there.
    ResultForeign {
        /// Where it came from.
        origin: Origin,
    },
    /// A shared cache has a result for the key, but it cannot be used.
    SharedFaulty {
        /// The directory.
        cache: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The last attempt failed; failures are never cached.
    FailedBefore,
    /// The key is the same, but the cache has no result for it.
    ResultLost,
    /// The run was asked not to use the cache.
    Forced,
    /// It comes last, and this run did something.
    RunWorked,
}

impl Why {
    /// The kind of reason: as it is written in `why`, or why a result was collected.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NeverRun => "never-run",
            Self::InputChanged { .. } => "input-changed",
            Self::InputAdded { .. } => "input-added",
            Self::InputRemoved { .. } => "input-removed",
            Self::CommandChanged => "command-changed",
            Self::ToolchainChanged { .. } => "toolchain-changed",
            Self::TimeoutChanged { .. } => "timeout-changed",
            Self::OutputLost { damaged: true, .. } => "output-damaged",
            Self::OutputLost { evicted: Some(_), .. } => "evicted",
            Self::OutputLost { .. } => "output-lost",
            Self::IsolationTooWeak { .. } => "isolation-too-weak",
            Self::ResultForeign { .. } => "result-foreign",
            Self::SharedFaulty { .. } => "shared-faulty",
            Self::FailedBefore => "failed-before",
            Self::ResultLost => "result-lost",
            Self::Forced => "forced",
            Self::RunWorked => "run-worked",
        }
    }

    /// Tells two sets of ingredients apart: every difference, inputs first.
    #[must_use]
    pub fn between(before: &Ingredients, now: &Ingredients) -> Vec<Self> {
        let old: BTreeMap<&str, Digest> = before.inputs.iter().map(|(p, d)| (p.as_str(), *d)).collect();
        let new: BTreeMap<&str, Digest> = now.inputs.iter().map(|(p, d)| (p.as_str(), *d)).collect();
        let mut reasons = Vec::new();
        for (path, to) in &new {
            match old.get(path) {
                Some(from) if from == to => {}
                Some(from) => reasons.push(Self::InputChanged { path: (*path).to_owned(), from: *from, to: *to }),
                None => reasons.push(Self::InputAdded { path: (*path).to_owned(), to: *to }),
            }
        }
        for (path, from) in old.iter().filter(|(path, _)| !new.contains_key(*path)) {
            reasons.push(Self::InputRemoved { path: (*path).to_owned(), from: *from });
        }
        let (a, b) = (&before.keyed, &now.keyed);
        if a.command != b.command {
            reasons.push(Self::CommandChanged);
        }
        if a.tools != b.tools {
            reasons.push(Self::ToolchainChanged { from: a.tools, to: b.tools });
        }
        if a.timeout_ms != b.timeout_ms {
            reasons.push(Self::TimeoutChanged { from_ms: a.timeout_ms, to_ms: b.timeout_ms });
        }
        if reasons.is_empty() && a.key != b.key {
            reasons.push(Self::CommandChanged); // format or view: everything else is listed above
        }
        reasons
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeverRun => write!(f, "it has not run in this repository before"),
            Self::InputChanged { path, from, to } => {
                write!(f, "the input `{path}` changed from {} to {}", from.short(), to.short())
            }
            Self::InputAdded { path, to } => write!(f, "the input `{path}` is new ({})", to.short()),
            Self::InputRemoved { path, from } => write!(f, "the input `{path}` is gone (it was {})", from.short()),
            Self::CommandChanged => write!(f, "its command, environment, outputs or configuration changed"),
            Self::ToolchainChanged { from, to } => {
                write!(f, "a host program or library changed ({} to {})", from.short(), to.short())
            }
            Self::TimeoutChanged { from_ms, to_ms } => write!(f, "its timeout changed from {from_ms} ms to {to_ms} ms"),
            Self::OutputLost { path, damaged: true, .. } => {
                write!(f, "its output `{path}` was damaged in the store and has been removed")
            }
            Self::OutputLost { path, evicted: None, .. } => write!(f, "its output `{path}` is missing from the store"),
            Self::OutputLost { path, evicted: Some(Evicted { because, at_ms }), .. } => {
                let when = date(*at_ms);
                write!(f, "its output `{path}` was removed from the store by `orgo gc`: {because} ({when})")
            }
            Self::IsolationTooWeak { obtained, demanded } => {
                write!(
                    f,
                    "its cached result was obtained at `{}`, and `{}` is demanded",
                    obtained.as_str(),
                    demanded.as_str()
                )
            }
            Self::ResultForeign { origin } => {
                write!(f, "its cached result came from {origin}, and nothing vouches for it in this run")
            }
            Self::SharedFaulty { cache, fault } => write!(f, "the shared cache `{cache}` was of no use: {fault}"),
            Self::FailedBefore => write!(f, "its last attempt failed"),
            Self::ResultLost => write!(f, "the cache has no result for its key any more"),
            Self::Forced => write!(f, "the run was asked not to use the cache"),
            Self::RunWorked => write!(f, "it comes last, and this run did more than look things up"),
        }
    }
}

/// The day of a moment, as `2026-01-31`.
fn date(at_ms: i64) -> String {
    let seconds = u64::try_from(at_ms / 1000).unwrap_or(0);
    let moment = moment_plus("1970-01-01T00:00:00Z", seconds).unwrap_or_default();
    moment.split('T').next().unwrap_or_default().to_owned()
}

/// Reasons of one kind, as they are counted: most misses first, each miss once, under its first reason.
#[must_use]
pub fn tally<'w>(misses: impl Iterator<Item = &'w [Why]>) -> Vec<(&'static str, usize)> {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for first in misses.filter_map(<[Why]>::first) {
        *counts.entry(first.name()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Blob, StageKey};

    fn ingredients(inputs: &[(&str, &str)], command: &str, timeout_ms: u64) -> Ingredients {
        let blob = Blob::of(command.as_bytes());
        let key = format!("{inputs:?}{command}{timeout_ms}");
        Ingredients {
            keyed: Keyed {
                key: StageKey(Digest::of(key.as_bytes())),
                command: blob,
                input_root: blob,
                tools: Digest::EMPTY,
                timeout_ms,
            },
            inputs: inputs.iter().map(|(p, c)| ((*p).to_owned(), Digest::of(c.as_bytes()))).collect(),
        }
    }

    #[test]
    fn every_difference_is_named() {
        let before = ingredients(&[("a", "1"), ("b", "1"), ("c", "1")], "x", 1);
        let now = ingredients(&[("a", "1"), ("b", "2"), ("d", "1")], "y", 2);
        let d = |s: &str| Digest::of(s.as_bytes());
        assert_eq!(
            Why::between(&before, &now),
            [
                Why::InputChanged { path: "b".into(), from: d("1"), to: d("2") },
                Why::InputAdded { path: "d".into(), to: d("1") },
                Why::InputRemoved { path: "c".into(), from: d("1") },
                Why::CommandChanged,
                Why::TimeoutChanged { from_ms: 1, to_ms: 2 },
            ]
        );
        assert_eq!(Why::between(&before, &before), []);
    }

    #[test]
    fn each_miss_is_counted_once_under_its_first_reason() {
        let evicted = Some(Evicted { at_ms: 1_767_225_600_000, because: Because::Age });
        let lost = Why::OutputLost { path: "o".into(), evicted, damaged: false };
        assert!(lost.to_string().ends_with("(2026-01-01)"), "{lost}");
        let misses = [vec![Why::CommandChanged, Why::Forced], vec![lost], vec![Why::CommandChanged], vec![]];
        assert_eq!(tally(misses.iter().map(Vec::as_slice)), [("command-changed", 2), ("evicted", 1)]);
    }
}
