//! What can be wrong with a source file.

use orgo_spec::ReasonCode;

use crate::file::PathError;

/// Why a source cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SourceError {
    /// A literal path does not exist.
    #[error("the input `{path}` does not exist")]
    #[diagnostic(code(INPUT_MISSING), help("create it, or correct the path in the pipeline"))]
    Missing {
        /// The path.
        path: String,
    },
    /// Something that is not a regular file, or lies outside.
    #[error("the input `{path}` is not a regular file of the repository")]
    #[diagnostic(code(INPUT_MISSING), help("inputs are regular files; name the files of a folder with `{path}/**`"))]
    NotAFile {
        /// The path.
        path: String,
    },
    /// A pattern that cannot be read.
    #[error("`{pattern}` is not a pattern: {why}")]
    #[diagnostic(code(DOCUMENT_INVALID), help("patterns are paths with `*`, `?`, `[ab]`, `{{a,b}}` and `**`"))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        why: String,
    },
    /// A Git LFS pointer instead of the content.
    #[error("the input `{path}` is a Git LFS pointer, not the content")]
    #[diagnostic(code(INPUT_LFS_POINTER), help("run `git lfs pull` first"))]
    LfsPointer {
        /// The path.
        path: String,
    },
    /// The file changed while it was read.
    #[error("the input `{path}` changed while it was read")]
    #[diagnostic(code(INPUT_CHANGED), help("run again when nothing writes to it; nothing was recorded"))]
    Changed {
        /// The path.
        path: String,
    },
    /// The system refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Path(#[from] PathError),
}

impl SourceError {
    /// The reason code, if it is not the environment's fault.
    #[must_use]
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Missing { .. } | Self::NotAFile { .. } => Some(ReasonCode::InputMissing),
            Self::Pattern { .. } => Some(ReasonCode::DocumentInvalid),
            Self::LfsPointer { .. } => Some(ReasonCode::InputLfsPointer),
            Self::Changed { .. } => Some(ReasonCode::InputChanged),
            Self::Path(e) => e.reason(),
        }
    }
}
