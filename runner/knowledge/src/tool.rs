//! Who made an artifact: name, version and the digest of everything that was configured.

use std::collections::BTreeMap;

use orgo_spec::Digest;
use orgo_spec::artifact::{Tool, stable_content_id};
use orgo_spec::canonical::{self, Value};
use serde::Serialize;

/// A tool with its configuration: names of settings and their values, contents by digest.
pub(crate) fn tool(name: &str, settings: &[(&str, String)]) -> Tool {
    let settings: BTreeMap<&str, &str> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let effective =
        BTreeMap::from([("settings", settings), ("tool", BTreeMap::from([("name", name), ("format", "1")]))]);
    let config_hash = canonical::digest_of(&effective).expect("texts only");
    Tool { name: format!("orgo-{name}"), version: crate::VERSION.to_owned(), config_hash }
}

/// The id of a run of a tool over inputs: the same wherever and whenever it happens.
pub(crate) fn build_id(tool: &Tool, inputs: &[Digest]) -> String {
    let digest = canonical::digest_of(&(tool, inputs)).expect("texts only");
    format!("b:{}", &digest.hex()[..32])
}

/// The stable content id of a document whose own id stands in `member`.
pub(crate) fn content_id<T: Serialize>(document: &T, member: &str) -> Digest {
    stable_content_id(&Value::of(document).expect("artifact types hold no float"), member)
}
