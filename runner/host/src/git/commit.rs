//! Commits, read strictly: the bytes decide, not what a library makes of them.
//!
//! A ledger commit has exactly these headers in this order: `tree`, at most one `parent`, `author`,
//! `committer`, `gpgsig`. What is signed is the commit without its `gpgsig` header.

use std::collections::BTreeSet;

use orgo_spec::ReasonCode;
use orgo_spec::signature::{Namespace, PublicKey, SshSignature, SshSignatureError};

use super::{Git, GitError, ObjectId};

/// A commit as it is stored.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Its tree.
    pub tree: ObjectId,
    /// Its parents.
    pub parents: Vec<ObjectId>,
    /// When it was made, in seconds since 1970, as its committer line says.
    pub seconds: i64,
    /// The message.
    pub message: String,
    signature: Option<String>,
    signed: Vec<u8>,
}

/// Why a commit is not one that a ledger may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CommitShape {
    #[error("the commit has an unexpected header or none where one is due: {0}")]
    Header(&'static str),
    #[error("the commit is not signed")]
    Unsigned,
    #[error(transparent)]
    Signature(#[from] SshSignatureError),
    #[error("the signature of the commit does not verify")]
    Invalid,
}

impl CommitShape {
    /// The reason code of the refusal.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Header(_) => ReasonCode::AuditNotLinear,
            Self::Unsigned => ReasonCode::SigMissing,
            Self::Signature(error) => error.code(),
            Self::Invalid => ReasonCode::SigInvalid,
        }
    }
}

impl Commit {
    /// Reads the bytes of a commit object.
    ///
    /// # Errors
    /// [`CommitShape::Header`] for any other headers than a ledger's.
    pub fn parse(raw: &[u8]) -> Result<Self, CommitShape> {
        let bad = CommitShape::Header;
        let text = std::str::from_utf8(raw).map_err(|_| bad("not UTF-8"))?;
        let (headers, message) = text.split_once("\n\n").ok_or(bad("no message"))?;
        let mut lines = headers.split('\n').peekable();
        let id = |line: &str, what| ObjectId::from_str(line).ok().filter(|_| line.len() == 40).ok_or(bad(what));

        let tree = lines.next().and_then(|l| l.strip_prefix("tree ")).ok_or(bad("tree"))?;
        let tree = id(tree, "tree")?;
        let mut parents = Vec::new();
        while let Some(line) = lines.next_if(|l| l.starts_with("parent ")) {
            parents.push(id(&line["parent ".len()..], "parent")?);
        }
        lines.next().filter(|l| l.starts_with("author ")).ok_or(bad("author"))?;
        let committer = lines.next().and_then(|l| l.strip_prefix("committer ")).ok_or(bad("committer"))?;
        let seconds = committer.rsplit(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(bad("committer"))?;

        let mut signature = None;
        if let Some(first) = lines.next_if(|l| l.starts_with("gpgsig ")) {
            let mut armor = format!("{}\n", &first["gpgsig ".len()..]);
            while let Some(line) = lines.next_if(|l| l.starts_with(' ')) {
                armor.push_str(&line[1..]);
                armor.push('\n');
            }
            signature = Some(armor);
        }
        if lines.next().is_some() {
            return Err(bad("another header"));
        }
        // The signature stands last, so what is signed is everything before it and the message.
        let signed = match headers.find("\ngpgsig ") {
            Some(at) => format!("{}\n\n{message}", &headers[..at]),
            None => text.to_owned(),
        };
        Ok(Self { tree, parents, seconds, message: message.to_owned(), signature, signed: signed.into_bytes() })
    }

    /// Verifies the signature and returns its maker; whether the maker may sign is the caller's question.
    ///
    /// # Errors
    /// [`CommitShape`] if there is none, or it does not verify.
    pub fn verify(&self) -> Result<SshSignature, CommitShape> {
        self.verify_by(&BTreeSet::new())
    }

    /// The same; a key that is `known` is not loaded again. Others may have signed, too.
    ///
    /// # Errors
    /// As [`Commit::verify`].
    pub fn verify_by(&self, known: &BTreeSet<PublicKey>) -> Result<SshSignature, CommitShape> {
        let armor = self.signature.as_deref().ok_or(CommitShape::Unsigned)?;
        let signature = SshSignature::parse_by(armor, Namespace::Git, known)?;
        if signature.verifies(&self.signed) { Ok(signature) } else { Err(CommitShape::Invalid) }
    }

    /// Number and id of each record that the trailers say it adds, as they are written.
    pub fn records(&self) -> impl Iterator<Item = (&str, &str)> {
        self.message.lines().filter_map(|line| line.strip_prefix("Orgo-Record: ")?.split_once(' '))
    }

    /// The first line of the message.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

impl Git {
    /// The bytes of a commit object.
    ///
    /// # Errors
    /// [`GitError::Missing`], [`GitError::Damaged`].
    pub fn commit_bytes(&self, id: ObjectId) -> Result<Vec<u8>, GitError> {
        self.whole(id, git2::ObjectType::Commit)
    }

    /// A commit.
    ///
    /// # Errors
    /// As [`Git::commit_bytes`]; [`GitError::Damaged`] for headers that a ledger does not know.
    pub fn commit(&self, id: ObjectId) -> Result<Commit, GitError> {
        Commit::parse(&self.commit_bytes(id)?).map_err(|e| GitError::Damaged { id, why: e.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
    const WHO: &str = "author a <a@b> 5 +0000\ncommitter a <a@b> 7 +0000\n";

    #[test]
    fn only_the_headers_of_a_ledger_are_read() {
        let good = format!("{TREE}{WHO}\nsubject\n\nbody\n");
        let commit = Commit::parse(good.as_bytes()).expect("a plain commit");
        assert_eq!((commit.seconds, commit.subject(), commit.parents.len()), (7, "subject", 0));
        assert_eq!(commit.verify().map(|_| ()), Err(CommitShape::Unsigned));
        for bad in [
            format!("{WHO}{TREE}\nm\n"),
            format!("{TREE}{WHO}encoding latin1\n\nm\n"),
            format!("{TREE}{WHO}mergetag x\n\nm\n"),
            format!("{TREE}{WHO}gpgsig x\n y\ngpgsig z\n\nm\n"),
            format!("{TREE}gpgsig x\n{WHO}\nm\n"),
            format!("{}{WHO}\nm\n", TREE.to_uppercase()),
            TREE.to_owned(),
        ] {
            assert!(matches!(Commit::parse(bad.as_bytes()), Err(CommitShape::Header(_))), "{bad}");
        }
    }
}
