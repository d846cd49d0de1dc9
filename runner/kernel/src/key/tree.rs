//! Input and output trees: nested names to Merkle `Directory` messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::reapi::{Blob, Message};

/// What stands at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    File {
        blob: Blob,
        executable: bool,
    },
    Link(String),
    Folder(Tree),
    /// A folder that is known by the digest of its message alone.
    Sealed(Blob),
}

/// A folder: names in byte order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<String, Node>);

/// Two things claim one path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two inputs claim `{path}`")]
pub struct TreeConflict {
    /// The path.
    pub path: String,
}

/// One output of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Path relative to the stage's working folder.
    pub path: String,
    /// What it is.
    pub kind: OutputKind,
}

/// What an output is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputKind {
    /// A regular file.
    File {
        /// Its content.
        blob: Blob,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A relative symbolic link.
    Link(String),
    /// A folder without entries.
    EmptyFolder,
}

impl OutputKind {
    /// The content of a file.
    #[must_use]
    pub fn blob(&self) -> Option<Blob> {
        match self {
            Self::File { blob, .. } => Some(*blob),
            Self::Link(_) | Self::EmptyFolder => None,
        }
    }
}

impl Tree {
    /// The tree of a stage's outputs.
    ///
    /// # Errors
    /// [`TreeConflict`] if the list names a path twice, or a file as a folder.
    pub fn of_outputs(outputs: &[Output]) -> Result<Self, TreeConflict> {
        let mut tree = Self::default();
        for output in outputs {
            tree.insert(
                &output.path,
                match &output.kind {
                    OutputKind::File { blob, executable } => Node::File { blob: *blob, executable: *executable },
                    OutputKind::Link(target) => Node::Link(target.clone()),
                    OutputKind::EmptyFolder => Node::Folder(Self::default()),
                },
            )?;
        }
        Ok(tree)
    }

    /// Places a file.
    ///
    /// # Errors
    /// [`TreeConflict`] if the place is taken.
    pub fn file(&mut self, path: &str, blob: Blob, executable: bool) -> Result<(), TreeConflict> {
        self.insert(path, Node::File { blob, executable })
    }

    /// Places a symbolic link.
    ///
    /// # Errors
    /// [`TreeConflict`] if the place is taken.
    pub fn link(&mut self, path: &str, target: &str) -> Result<(), TreeConflict> {
        self.insert(path, Node::Link(target.to_owned()))
    }

    /// Places an empty folder.
    ///
    /// # Errors
    /// [`TreeConflict`] if the place is taken.
    pub fn folder(&mut self, path: &str) -> Result<(), TreeConflict> {
        self.insert(path, Node::Folder(Self::default()))
    }

    /// Places a folder that is known by the digest of its `Directory` message.
    ///
    /// # Errors
    /// [`TreeConflict`] if the place is taken.
    pub fn sealed(&mut self, path: &str, directory: Blob) -> Result<(), TreeConflict> {
        self.insert(path, Node::Sealed(directory))
    }

    fn insert(&mut self, path: &str, node: Node) -> Result<(), TreeConflict> {
        let conflict = || TreeConflict { path: path.to_owned() };
        let (mut tree, mut rest) = (self, path);
        while let Some((folder, below)) = rest.split_once('/') {
            let entry = tree.0.entry(folder.to_owned()).or_insert_with(|| Node::Folder(Self::default()));
            let Node::Folder(inner) = entry else { return Err(conflict()) };
            tree = inner;
            rest = below;
        }
        match tree.0.entry(rest.to_owned()) {
            std::collections::btree_map::Entry::Occupied(_) => Err(conflict()),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(node);
                Ok(())
            }
        }
    }

    /// The `Directory` message of this folder; messages of inner folders are handed to `each` first.
    pub fn encode(&self, each: &mut impl FnMut(&[u8])) -> Vec<u8> {
        let mut files = Vec::new();
        let mut folders = Vec::new();
        let mut links = Vec::new();
        for (name, node) in &self.0 {
            match node {
                Node::File { blob, executable } => files.push((name, *blob, *executable)),
                Node::Link(target) => links.push((name, target)),
                Node::Folder(inner) => {
                    let bytes = inner.encode(each);
                    each(&bytes);
                    folders.push((name, Blob::of(&bytes)));
                }
                Node::Sealed(blob) => folders.push((name, *blob)),
            }
        }
        let mut message = Message::default();
        for (name, blob, executable) in files {
            let mut node = Message::default();
            node.text(1, name.as_bytes());
            node.blob(2, blob);
            node.number(4, u64::from(executable));
            message.bytes(1, &node.finish());
        }
        for (name, blob) in folders {
            let mut node = Message::default();
            node.text(1, name.as_bytes());
            node.blob(2, blob);
            message.bytes(2, &node.finish());
        }
        for (name, target) in links {
            let mut node = Message::default();
            node.text(1, name.as_bytes());
            node.text(2, target.as_bytes());
            message.bytes(3, &node.finish());
        }
        message.finish()
    }

    /// Digest and length of the `Directory` message.
    #[must_use]
    pub fn blob(&self) -> Blob {
        Blob::of(&self.encode(&mut |_| ()))
    }
}
