//! The fingerprint of a stage: a digest over everything that enters its key, cheaper than the key.

use orgo_kernel::key::{Blob, SourceFile};
use orgo_kernel::plan::{Action, ResolvedStage};
use orgo_spec::Digest;
use orgo_spec::pipeline::Network;

/// The fingerprint of a stage with these inputs; `upstream` is where outputs of earlier stages appear,
/// and their trees. `message` is used to put it together, so that it is not allocated for each stage.
pub(super) fn fingerprint<'i>(
    message: &mut Vec<u8>,
    stage: &ResolvedStage,
    files: &[SourceFile],
    upstream: impl Iterator<Item = (&'i str, Blob)> + Clone,
    tools: Digest,
    builtin: Option<(Blob, Blob)>,
    secrets: &[(String, Option<Digest>)],
) -> Digest {
    message.clear();
    let mut text = |text: &str| {
        message.extend_from_slice(&(text.len() as u64).to_le_bytes());
        message.extend_from_slice(text.as_bytes());
    };
    match &stage.action {
        Action::Run(argv) => argv.iter().for_each(|a| text(a)),
        Action::Tool { name, .. } => text(name),
        Action::Compile(compiler) => text(compiler.tool().name()),
    }
    text("");
    stage.outs.iter().for_each(|o| text(o));
    text("");
    for (name, value) in stage.env.iter() {
        text(name);
        text(value);
    }
    for (name, _) in secrets {
        text(name);
    }
    text(stage.isolation.as_str());
    text(match stage.network {
        Network::None => "none",
        Network::Host => "host",
    });
    upstream.clone().for_each(|(at, _)| text(at));
    files.iter().for_each(|f| text(&f.path));
    message.extend_from_slice(&stage.timeout_ms.to_le_bytes());
    message.extend_from_slice(tools.as_bytes());
    upstream.for_each(|(_, tree)| message.extend_from_slice(tree.digest.as_bytes()));
    for file in files {
        message.extend_from_slice(file.blob.digest.as_bytes());
        message.push(u8::from(file.executable));
    }
    for digest in secrets.iter().filter_map(|(_, digest)| *digest) {
        message.extend_from_slice(digest.as_bytes());
    }
    for blob in builtin.iter().flat_map(|(a, b)| [a, b]) {
        message.extend_from_slice(blob.digest.as_bytes());
    }
    Digest::of(message)
}
