//! The kinds of records that a ledger may hold.

use orgo_spec::record::{
    AbandonedRecord, AdminAction, AdminRecord, ApprovalRecord, BuildRecord, Epoch, MandateRecord, OverrideRecord,
    Predicate, RecordError, RevocationRecord, StartedRecord, Statement, TrustRecord,
};
use orgo_spec::{Digest, Name, ReasonCode};

use super::layout;
use super::mandate::Succession;

/// Makes [`Record`]: one line adds a kind.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident($type:ty),)*) => {
        /// A record of any kind, parsed strictly.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Record { $($(#[$doc])* $variant(Box<Statement<$type>>),)* }

        impl Record {
            /// Every kind, as file names spell it.
            pub const KINDS: &'static [&'static str] = &[$(<$type>::KIND,)*];

            /// Parses the statement of a record of `kind`.
            ///
            /// # Errors
            /// [`KindError`] for an unknown kind and for bytes that are not of it.
            pub fn parse(kind: &str, statement: &[u8]) -> Result<Self, KindError> {
                match kind {
                    $(<$type>::KIND => Ok(Self::$variant(Box::new(Statement::parse(statement)?))),)*
                    other => Err(KindError::Unknown(other.to_owned())),
                }
            }

            /// Whose record it is.
            #[must_use]
            pub fn tenant(&self) -> &Name {
                match self { $(Self::$variant(statement) => statement.predicate.tenant(),)* }
            }
        }
    };
}

kinds! {
    /// A run that ended.
    Build(BuildRecord),
    /// A run that is about to do its first work.
    Started(StartedRecord),
    /// A run that began and did not end.
    Abandoned(AbandonedRecord),
    /// A declaration of trust.
    Trust(TrustRecord),
    /// A revocation of keys.
    Revocation(RevocationRecord),
    /// An administrative change.
    Admin(AdminRecord),
    /// The activation of a mandate.
    Mandate(MandateRecord),
    /// What somebody signed about a stage.
    Approval(ApprovalRecord),
    /// An override that a run used.
    Override(OverrideRecord),
}

/// Why bytes are not a record of a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// Nobody knows the kind.
    #[error("`{0}` is not a kind of record that this version knows")]
    Unknown(String),
    /// The bytes are not of the kind.
    #[error("it is not a record of its kind: {0}")]
    Record(#[from] RecordError),
}

impl KindError {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Unknown(_) => ReasonCode::SchemaInvalid,
            Self::Record(error) => error.code(),
        }
    }
}

/// What a record does to a file that shows the present state: `open/…`, `holds/…` and `mandates/…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The file shows this record from now on; it may not be there before.
    Set(String),
    /// The file goes away; it must be there before.
    Clear(String),
    /// The file goes away, if it is there.
    ClearIfThere(String),
    /// The file shows this record from now on, in the place of the one that it may follow.
    Follow(String, Succession),
    /// The file shows this record from now on, in the place of the override that the run of that id put on record.
    Use(String, String),
}

impl Mark {
    /// The file.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Set(path)
            | Self::Clear(path)
            | Self::ClearIfThere(path)
            | Self::Follow(path, _)
            | Self::Use(path, _) => path,
        }
    }
}

/// Whether a statement is the record of an override that the run of that id used.
pub(crate) fn is_used_by(statement: &[u8], build_id: &str) -> bool {
    Statement::<OverrideRecord>::parse(statement).is_ok_and(|s| s.predicate.run.build_id == build_id)
}

impl Record {
    /// The path of the file that shows the newest of its like: builds of a named reference have one, and approvals.
    pub(crate) fn latest_path(&self) -> Option<String> {
        if let Self::Approval(statement) = self {
            let facts = &statement.predicate.facts;
            let document = &facts.approval.document;
            return Some(layout::approval_path(&document.subject.digest(), &facts.approver.id(), document.action));
        }
        let Self::Build(statement) = self else { return None };
        let facts = &statement.predicate.facts;
        Some(layout::latest_path(&facts.pipeline.name, facts.source.reference.as_deref()?))
    }

    /// The epoch that it seals.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        let Self::Admin(statement) = self else { return None };
        Epoch::of(&statement.predicate.facts)?.ok()
    }

    /// The environment that the run was for.
    pub(crate) fn environment(&self) -> Option<&str> {
        match self {
            Self::Build(s) => Some(&s.predicate.run.environment),
            Self::Started(_)
            | Self::Abandoned(_)
            | Self::Trust(_)
            | Self::Revocation(_)
            | Self::Admin(_)
            | Self::Mandate(_)
            | Self::Approval(_)
            | Self::Override(_) => None,
        }
    }

    /// The id of the start that it ends.
    pub(crate) fn start(&self) -> Option<Digest> {
        match self {
            Self::Build(s) => s.predicate.run.started,
            Self::Abandoned(s) => Some(s.predicate.facts.started),
            Self::Started(_)
            | Self::Trust(_)
            | Self::Revocation(_)
            | Self::Admin(_)
            | Self::Mandate(_)
            | Self::Approval(_)
            | Self::Override(_) => None,
        }
    }

    /// What it does to the files that show the present state.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        match self {
            Self::Started(s) => vec![Mark::Set(layout::open_path(&s.predicate.run.build_id))],
            Self::Build(s) => {
                let BuildRecord { facts, run } = &s.predicate;
                // A run may still end after somebody gave it up.
                let open = run.started.map(|_| Mark::ClearIfThere(layout::open_path(&run.build_id)));
                let uses = |id| Mark::Use(layout::override_path(id), run.build_id.clone());
                open.into_iter().chain(facts.overrides.iter().map(uses)).collect()
            }
            Self::Abandoned(s) => vec![Mark::Clear(layout::open_path(&s.predicate.facts.build_id))],
            Self::Admin(s) => match s.predicate.facts.action {
                AdminAction::Change => {
                    self.epoch().map(|epoch| Mark::Set(layout::epoch_path(epoch.end))).into_iter().collect()
                }
                AdminAction::Hold => vec![Mark::Set(layout::hold_path(&s.predicate.facts.object))],
                AdminAction::Release => vec![Mark::Clear(layout::hold_path(&s.predicate.facts.object))],
            },
            Self::Mandate(s) => {
                let facts = &s.predicate.facts;
                vec![Mark::Follow(layout::mandate_path(&facts.name), Succession::of(facts))]
            }
            Self::Override(s) => vec![Mark::Set(layout::override_path(&s.predicate.facts.signed.document.id()))],
            Self::Trust(_) | Self::Revocation(_) | Self::Approval(_) => Vec::new(),
        }
    }
}
