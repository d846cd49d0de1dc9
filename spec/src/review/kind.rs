//! What kinds of changes a review tells: also the rules that annotations name.

use schemars::JsonSchema;
use serde::Serialize;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident => $word:literal,)+) => {
        /// What a finding is about; the word is also the rule of an annotation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word that is written for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

kinds! {
    /// A pipeline is added.
    PipelineAdded => "pipeline-added",
    /// A pipeline is removed.
    PipelineRemoved => "pipeline-removed",
    /// What governs or describes a pipeline changes.
    PipelineChanged => "pipeline-changed",
    /// A stage is added.
    StageAdded => "stage-added",
    /// A stage is removed.
    StageRemoved => "stage-removed",
    /// A stage has another name and is otherwise the same.
    StageRenamed => "stage-renamed",
    /// A field of a stage changes.
    StageChanged => "stage-changed",
    /// A gate is added.
    GateAdded => "gate-added",
    /// A gate is removed.
    GateRemoved => "gate-removed",
    /// A gate decides about another stage's report.
    GateMoved => "gate-moved",
    /// A stage comes to stand behind another gate, or behind none.
    GateOfStage => "gate-of-stage",
    /// Who must approve a stage changes.
    Approval => "approval",
    /// What network a stage may use changes.
    Network => "network",
    /// How much is kept away from a stage changes.
    Isolation => "isolation",
    /// Which secrets and variables of the runner a stage sees changes.
    Secret => "secret",
    /// A service changes.
    Service => "service",
    /// A pool or a mutex changes.
    Resource => "resource",
    /// The project document changes.
    Project => "project",
    /// A mandate changes: what gates accept, and what stages must keep to.
    Mandate => "mandate",
    /// A rule of a rule set changes.
    Rules => "rules",
    /// A steward's decision changes.
    Decision => "decision",
    /// What a blueprint pins changes.
    Pin => "pin",
    /// The lock file changes.
    Lock => "lock",
    /// A proposal about who may sign what changes.
    Trust => "trust",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_word_and_a_sentence() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a word"), kind.as_str());
            assert!(kind.meaning().ends_with('.'), "{}", kind.as_str());
        }
    }
}
