//! What stands around evidence and items in the canonical bytes of an exchange.

use crate::canonical::{CANONICALIZATION_PROFILE, CANONICALIZATION_VERSION};

/// The canonical bytes before the first evidence entry.
pub(super) fn head() -> String {
    format!(
        r#"{{"artifact_type":"exchange","canonicalization_profile":"{CANONICALIZATION_PROFILE}","canonicalization_version":"{CANONICALIZATION_VERSION}","evidence_index":["#
    )
}

/// Between evidence and items.
pub(super) const MIDDLE: &str = r#"],"exchange":{"items":["#;
/// After the items, up to the id.
pub(super) const BEFORE_ID: &str = r#"]},"exchange_version":"3.0","#;
/// After the id.
pub(super) const AFTER_ID: &str = r#""schema_version":"3.0"}"#;
