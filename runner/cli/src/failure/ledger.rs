//! Refusals of the ledger, of keys and of repositories, as the command line tells them.

use orgo_host::evidence::EvidenceError;
use orgo_host::git::GitError;
use orgo_host::key::KeyError;
use orgo_host::ledger::LedgerError;
use orgo_host::mandate::MandateError;
use orgo_host::verify::PinError;
use orgo_spec::ReasonCode;

use super::{Class, Failure};

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        LedgerError::from(error).into()
    }
}

impl From<MandateError> for Failure {
    fn from(error: MandateError) -> Self {
        let message = error.to_string();
        match error {
            MandateError::Documents(errors) => Self::documents(errors),
            MandateError::Git(error) => error.into(),
            MandateError::File(error) => error.into(),
            MandateError::TooLarge(_) => {
                let code = ReasonCode::InputTooLarge;
                Self::message(Class::Declared, Some(code), message, code.remedy())
            }
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        if let LedgerError::Key(error) = error {
            return error.into();
        }
        let message = error.to_string();
        if let LedgerError::Ambiguous { .. } = error {
            return Self::usage(message, "give more digits of the id");
        }
        if let LedgerError::NoRecord(_) | LedgerError::Empty(_) = error {
            return Self::usage(message, "see what there is: `orgo record list`");
        }
        if let LedgerError::Git(GitError::NotARepository(_)) = error {
            return Self::usage(message, "name a repository, bare or not, or run the command inside one");
        }
        let Some(code) = error.code() else {
            return Self::message(Class::Environment, None, message, "see what the system says, then try again");
        };
        let environment = [
            ReasonCode::AuditCasExhausted,
            ReasonCode::RecordNotDurable,
            ReasonCode::RemoteUnreachable,
            ReasonCode::SpoolUnusable,
            ReasonCode::NoSpace,
            ReasonCode::ReadOnly,
        ];
        let again = environment.contains(&code);
        let refused = [ReasonCode::SecretInRecord, ReasonCode::HoldInForce, ReasonCode::MandateRollback];
        let class = match refused.contains(&code) {
            _ if again => Class::Environment,
            true => Class::Refused,
            false if code == ReasonCode::ApprovalInsufficient => Class::Waiting,
            false => Class::Integrity,
        };
        Self::message(class, Some(code), message, code.remedy())
    }
}

impl From<EvidenceError> for Failure {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::Key(error) => error.into(),
            EvidenceError::Ledger(error) => error.into(),
            EvidenceError::Path(error) => error.into(),
            EvidenceError::Recipient(_) => Self::message(
                Class::Declared,
                error.code(),
                error.to_string(),
                "correct `recipient` in `orgo.kdl`; `age-keygen -y FILE` prints the recipient of an identity",
            ),
            EvidenceError::Unusable { .. } | EvidenceError::NotDurable { .. } | EvidenceError::TooLarge { .. } => {
                let help = error.code().map_or("", ReasonCode::remedy);
                Self::message(Class::Environment, error.code(), error.to_string(), help)
            }
            EvidenceError::Identity(_) | EvidenceError::Seal(_) => Self::message(
                Class::Integrity,
                error.code(),
                error.to_string(),
                "make an identity with `orgo evidence identity FILE` or `age-keygen -o FILE`",
            ),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::message(Class::Integrity, Some(error.code()), error.to_string(), error.help())
    }
}

impl From<PinError> for Failure {
    fn from(error: PinError) -> Self {
        Self::message(
            Class::Environment,
            None,
            error.to_string(),
            "correct or remove the file of pins; it is never ignored",
        )
    }
}
