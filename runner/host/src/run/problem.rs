//! Why a stage cannot be planned.

use orgo_spec::ReasonCode;

use crate::file::PathError;
use crate::sources::SourceError;
use crate::tools::ToolError;

/// Why a stage cannot be planned.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The reason code.
    pub code: ReasonCode,
    /// What is wrong.
    pub message: String,
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        let code = error.reason().unwrap_or(ReasonCode::InternalError);
        let message = match &error {
            SourceError::Path(e) => format!("{e}: {}", e.io()),
            SourceError::Missing { .. }
            | SourceError::NotAFile { .. }
            | SourceError::Pattern { .. }
            | SourceError::LfsPointer { .. }
            | SourceError::Changed { .. } => error.to_string(),
        };
        Self { code, message }
    }
}

impl From<ToolError> for Problem {
    fn from(error: ToolError) -> Self {
        match error {
            ToolError::Missing { .. } => Self { code: ReasonCode::ToolMissing, message: error.to_string() },
            ToolError::Source(e) => e.into(),
            ToolError::Path(e) => e.into(),
        }
    }
}

impl From<PathError> for Problem {
    fn from(error: PathError) -> Self {
        let code = error.reason().unwrap_or(ReasonCode::InternalError);
        Self { code, message: format!("{error}: {}", error.io()) }
    }
}
