//! The proof that a report passed about exactly one input. Compilers take it; nothing else makes it.

use super::report::{Severity, ValidationReport, ValidationStatus};
use super::{ArtifactError, read};
use crate::{Digest, ReasonCode};

/// A report that passed, with zero errors, about the batch whose `batch.json` has this digest.
///
/// Private fields, no `Clone`, no serde: the only way to one is [`Accepted::from_report`].
#[derive(Debug)]
pub struct Accepted {
    subject: Digest,
    report: Digest,
}

/// Why a report does not accept an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// It is not a report.
    #[error("{0}")]
    Unreadable(#[from] ArtifactError),
    /// It does not say `passed`, or it contradicts itself.
    #[error("the report does not pass: status {status}, {errors} errors")]
    NotPassed {
        /// The status it declares.
        status: String,
        /// Errors that it counts or lists, whichever is more.
        errors: u64,
    },
    /// It is about something else.
    #[error("the report is about {report}, the input is {input}")]
    OtherSubject {
        /// What the report is about.
        report: Digest,
        /// What was to be compiled.
        input: Digest,
    },
}

impl NotAccepted {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Unreadable(_) => ReasonCode::ReportUnreadable,
            Self::NotPassed { .. } => ReasonCode::ValidationFailed,
            Self::OtherSubject { .. } => ReasonCode::SubjectMismatch,
        }
    }
}

impl Accepted {
    /// Reads a report and accepts `subject`, the SHA-256 of the `batch.json` to be compiled.
    ///
    /// # Errors
    /// [`NotAccepted`] unless the report parses, says `passed`, counts and lists no error, and is about
    /// exactly `subject`.
    pub fn from_report(report_bytes: &[u8], subject: Digest) -> Result<Self, NotAccepted> {
        let report: ValidationReport = read("the validation report", report_bytes)?;
        let listed = report.issues.iter().filter(|i| i.severity == Severity::Error).count();
        let errors = report.stats.error_count.max(u64::try_from(listed).unwrap_or(u64::MAX));
        let (passed, status) = match report.validation_status {
            ValidationStatus::Passed => (true, "passed"),
            ValidationStatus::Partial => (false, "partial"),
            ValidationStatus::Failed => (false, "failed"),
        };
        if !passed || errors > 0 {
            return Err(NotAccepted::NotPassed { status: status.to_owned(), errors });
        }
        let about = report.extensions.koa.subject_digest;
        if about != subject {
            return Err(NotAccepted::OtherSubject { report: about, input: subject });
        }
        Ok(Self { subject, report: Digest::of(report_bytes) })
    }

    /// The digest of the accepted `batch.json`.
    #[must_use]
    pub fn subject(&self) -> Digest {
        self.subject
    }

    /// The digest of the report's bytes.
    #[must_use]
    pub fn report(&self) -> Digest {
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::report::*;
    use crate::artifact::{SchemaVersion, Utc, pretty};

    fn report(status: ValidationStatus, errors: u64, subject: Digest) -> ValidationReport {
        ValidationReport {
            schema_version: SchemaVersion::current(),
            report_id: Digest::EMPTY,
            created_at: Utc::new("2026-01-01T00:00:00Z").expect("a moment"),
            validation_status: status,
            tooling: Tooling {
                validator_name: "v".to_owned(),
                validator_version: "1".to_owned(),
                canonicalization_profile: crate::canonical::CANONICALIZATION_PROFILE.to_owned(),
                canonicalization_version: crate::canonical::CANONICALIZATION_VERSION.to_owned(),
            },
            inputs: ReportInputs { source_snapshot_id: Digest::EMPTY },
            stats: Stats { error_count: errors, ..Stats::default() },
            issues: Vec::new(),
            extensions: Extensions {
                koa: KoaExtension {
                    subject_digest: subject,
                    resolved_batch_id: Digest::EMPTY,
                    ruleset_digest: Digest::EMPTY,
                    decisions_digest: Digest::EMPTY,
                    config_hash: Digest::EMPTY,
                    claims: 0,
                    evidence_reread: 0,
                    counts: std::collections::BTreeMap::new(),
                },
            },
        }
    }

    #[test]
    fn only_a_passed_report_about_exactly_this_input_is_accepted() {
        let (ours, other) = (Digest::of(b"batch"), Digest::of(b"another batch"));
        let check = |r: &ValidationReport, s| Accepted::from_report(&pretty(r), s).map(|a| a.subject());
        assert_eq!(check(&report(ValidationStatus::Passed, 0, ours), ours), Ok(ours));
        let refusals = [
            (report(ValidationStatus::Failed, 0, ours), ReasonCode::ValidationFailed),
            (report(ValidationStatus::Partial, 0, ours), ReasonCode::ValidationFailed),
            (report(ValidationStatus::Passed, 1, ours), ReasonCode::ValidationFailed),
            (report(ValidationStatus::Passed, 0, other), ReasonCode::SubjectMismatch),
        ];
        for (r, code) in refusals {
            assert_eq!(check(&r, ours).map_err(|e| e.code()), Err(code));
        }
        let mut lying = report(ValidationStatus::Passed, 0, ours);
        lying.issues.push(Issue {
            severity: Severity::Error,
            code: ReasonCode::FunctionalConflict.into(),
            message: "m".to_owned(),
            location: Location::default(),
            rule: None,
            details: None,
        });
        assert_eq!(check(&lying, ours).map_err(|e| e.code()), Err(ReasonCode::ValidationFailed));
        let bytes = pretty(&report(ValidationStatus::Passed, 0, ours));
        for broken in [&bytes[..bytes.len() - 3], b"{}", b"", b"[]"] {
            let refused = Accepted::from_report(broken, ours).map_err(|e| e.code());
            assert!(matches!(refused, Err(ReasonCode::ReportUnreadable)), "{refused:?}");
        }
        let unknown = String::from_utf8(bytes).expect("JSON").replacen('{', "{\"waived\":true,", 1);
        assert!(Accepted::from_report(unknown.as_bytes(), ours).is_err());
    }
}
