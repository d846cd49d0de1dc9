//! The shape of the vector file: what goes in, and the bytes and digests that must come out.

use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    /// Version of this shape.
    pub format: u32,
    /// The rules that the cases hold, in words.
    pub rules: Vec<String>,
    /// The cases, each with a name of its own.
    pub cases: Vec<Case>,
}

/// One action.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique, kebab-case.
    pub name: String,
    /// What this case would catch.
    pub why: String,
    /// `Command`.
    pub command: CommandIn,
    /// The input root; its digest goes into the Action.
    pub input_root: Tree,
    /// Milliseconds; `null` leaves the field out.
    pub timeout_ms: Option<u64>,
    /// The salt, as JCS text; its UTF-8 bytes are the field.
    pub salt: String,
    /// `Action.do_not_cache`.
    pub do_not_cache: bool,
    /// `null` only before the first `--write`.
    pub expected: Option<Expected>,
}

/// What the command is made of; lists in any order except `arguments`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandIn {
    /// argv, in order.
    pub arguments: Vec<String>,
    /// Environment, by name.
    pub environment: Vec<Pair>,
    /// Declared outputs.
    pub output_paths: Vec<String>,
    /// Platform properties; set in the Command and in the Action.
    pub platform: Vec<Pair>,
}

/// A name and its value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Sorted by this first.
    pub name: String,
    /// Then by this.
    pub value: String,
}

/// A folder of the input root.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Regular files.
    pub files: Vec<File>,
    /// Folders.
    pub directories: Vec<Folder>,
    /// Symbolic links.
    pub symlinks: Vec<Symlink>,
}

/// A regular file, by content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// One path segment.
    pub name: String,
    /// SHA-256, 64 lower-case hex digits.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// The executable bit.
    pub executable: bool,
}

/// A folder with its name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// One path segment.
    pub name: String,
    /// What is in it.
    pub tree: Tree,
}

/// A symbolic link.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symlink {
    /// One path segment.
    pub name: String,
    /// As written.
    pub target: String,
}

/// Everything that is serialized for one case.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// One per folder, sorted by path; the root has the empty path.
    pub directories: Vec<DirectoryOut>,
    /// `Command`.
    pub command: Message,
    /// `Action`; its digest is the stage key.
    pub action: Message,
}

/// A serialized `Directory` and where it belongs.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryOut {
    /// Path below the input root, `/` between segments.
    pub path: String,
    /// The message.
    pub message: Message,
}

/// A serialized message.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// SHA-256 of the bytes, 64 lower-case hex digits.
    pub digest: String,
    /// Count of bytes.
    pub size: u64,
    /// The bytes, lower-case hex.
    pub hex: String,
}
