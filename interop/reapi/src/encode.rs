//! From a case to protocol messages, with nothing of our own but the choice of fields and their order.

use bazel_remote_apis::{
    build::bazel::remote::execution::v2::{
        Action, Command, Digest, Directory, DirectoryNode, FileNode, Platform, SymlinkNode,
        command::EnvironmentVariable, platform::Property,
    },
    google::protobuf::Duration,
};
use data_encoding::HEXLOWER;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::vectors::{Case, DirectoryOut, Expected, Message, Pair, Tree};

/// Every message of one case.
///
/// # Errors
/// A case that breaks a rule of the protocol: a name twice, or a size that does not fit.
pub fn case(case: &Case) -> Result<Expected, String> {
    let mut directories = Vec::new();
    let input_root_digest = directory("", &case.input_root, &mut directories)?;
    directories.sort_by(|a, b| a.path.cmp(&b.path));

    let platform = platform(&case.command.platform);
    let (command, command_digest) = seal(&command(case, platform.clone())?.encode_to_vec())?;
    let action = Action {
        command_digest: Some(command_digest),
        input_root_digest: Some(input_root_digest),
        timeout: case.timeout_ms.map(duration).transpose()?,
        do_not_cache: case.do_not_cache,
        salt: case.salt.clone().into_bytes(),
        platform,
    };
    let (action, _) = seal(&action.encode_to_vec())?;
    Ok(Expected { directories, command, action })
}

// The deprecated `platform` is set all the same: servers before 2.2 read only this one.
#[expect(deprecated, reason = "`Command.platform` is what older servers read")]
fn command(case: &Case, platform: Option<Platform>) -> Result<Command, String> {
    let mut environment_variables: Vec<EnvironmentVariable> = case
        .command
        .environment
        .iter()
        .map(|pair| EnvironmentVariable { name: pair.name.clone(), value: pair.value.clone() })
        .collect();
    environment_variables.sort_by(|a, b| a.name.cmp(&b.name));
    distinct(environment_variables.iter().map(|variable| variable.name.as_str()))?;
    let mut output_paths = case.command.output_paths.clone();
    output_paths.sort();
    distinct(output_paths.iter().map(String::as_str))?;
    Ok(Command {
        arguments: case.command.arguments.clone(),
        environment_variables,
        output_paths,
        platform,
        ..Command::default()
    })
}

/// No property means no message, not an empty one.
fn platform(pairs: &[Pair]) -> Option<Platform> {
    let mut properties: Vec<Property> =
        pairs.iter().map(|pair| Property { name: pair.name.clone(), value: pair.value.clone() }).collect();
    properties.sort_by(|a, b| (&a.name, &a.value).cmp(&(&b.name, &b.value)));
    (!properties.is_empty()).then_some(Platform { properties })
}

fn duration(milliseconds: u64) -> Result<Duration, String> {
    let seconds = i64::try_from(milliseconds / 1000).map_err(|_| "the timeout is too long")?;
    let nanos = i32::try_from(milliseconds % 1000 * 1_000_000).map_err(|_| "the timeout is too long")?;
    Ok(Duration { seconds, nanos })
}

/// Serializes the folders below `path` first, then this one; returns its digest.
fn directory(path: &str, tree: &Tree, all: &mut Vec<DirectoryOut>) -> Result<Digest, String> {
    let mut message = Directory::default();
    for file in &tree.files {
        let size_bytes = i64::try_from(file.size).map_err(|_| format!("`{}` is too large", file.name))?;
        message.files.push(FileNode {
            name: file.name.clone(),
            digest: Some(Digest { hash: file.digest.clone(), size_bytes }),
            is_executable: file.executable,
            node_properties: None,
        });
    }
    for folder in &tree.directories {
        let below = if path.is_empty() { folder.name.clone() } else { format!("{path}/{}", folder.name) };
        let digest = directory(&below, &folder.tree, all)?;
        message.directories.push(DirectoryNode { name: folder.name.clone(), digest: Some(digest) });
    }
    for link in &tree.symlinks {
        message.symlinks.push(SymlinkNode {
            name: link.name.clone(),
            target: link.target.clone(),
            node_properties: None,
        });
    }
    message.files.sort_by(|a, b| a.name.cmp(&b.name));
    message.directories.sort_by(|a, b| a.name.cmp(&b.name));
    message.symlinks.sort_by(|a, b| a.name.cmp(&b.name));
    let mut names: Vec<&str> = message.files.iter().map(|node| node.name.as_str()).collect();
    names.extend(message.directories.iter().map(|node| node.name.as_str()));
    names.extend(message.symlinks.iter().map(|node| node.name.as_str()));
    names.sort_unstable();
    distinct(names.into_iter())?;

    let (sealed, digest) = seal(&message.encode_to_vec())?;
    all.push(DirectoryOut { path: path.to_owned(), message: sealed });
    Ok(digest)
}

/// Refuses a name that stands twice in a sorted list.
fn distinct<'a>(sorted: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut before = None;
    for name in sorted {
        if before == Some(name) {
            return Err(format!("`{name}` stands twice"));
        }
        before = Some(name);
    }
    Ok(())
}

/// The bytes as they are written to the vector file, and as a digest for the message that points to them.
fn seal(bytes: &[u8]) -> Result<(Message, Digest), String> {
    let hash = HEXLOWER.encode(&Sha256::digest(bytes));
    let size_bytes = i64::try_from(bytes.len()).map_err(|_| "the message is too large")?;
    let message = Message { digest: hash.clone(), size: bytes.len() as u64, hex: HEXLOWER.encode(bytes) };
    Ok((message, Digest { hash, size_bytes }))
}
