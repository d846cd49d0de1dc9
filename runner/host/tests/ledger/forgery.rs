//! Commits that no signer would make.

use std::collections::BTreeMap;

use orgo_host::git::{GitError, Identity, ObjectId};
use orgo_host::key::PrivateKey;
use orgo_host::ledger::Entry;
use orgo_spec::Digest;
use orgo_spec::record::{BuildRecord, Statement};
use orgo_spec::signature::Envelope;

use super::attack::set_tip;
use super::support::World;

/// Puts a commit with records on top that no signer would sign: by the git key and the log key of the ledger.
pub(crate) struct Forgery<'w> {
    world: &'w World,
    git: &'w PrivateKey,
    seconds: i64,
    relog: bool,
    files: Vec<(String, Option<Vec<u8>>)>,
    trailers: String,
    next: u64,
}

impl<'w> Forgery<'w> {
    pub(crate) fn of(world: &'w World) -> Self {
        let head = world.ledger.head().expect("readable").expect("a ledger");
        let (git, seconds) = (&world.keys.git, head.seconds);
        Self { world, git, seconds, relog: true, files: vec![], trailers: String::new(), next: head.count }
    }

    pub(crate) fn record(mut self, entry: &Entry, keys: &[&PrivateKey]) -> Self {
        let signatures = keys.iter().map(|k| k.sign_payload(&entry.statement).expect("signed"));
        let envelope = Envelope::new(signatures).to_bytes();
        let number = self.next;
        let path = format!("records/0/{}/{}.{}", number / 256, number % 256, entry.kind);
        self.trailers.push_str(&format!("Orgo-Record: {number} {}\n", Digest::of(&entry.statement)));
        self.next += 1;
        for bytes in &entry.evidence {
            let hex = Digest::of(bytes).hex();
            self = self.file(&format!("evidence/{}/{}/{hex}", &hex[..2], &hex[2..4]), Some(bytes));
        }
        if let Ok(build) = Statement::<BuildRecord>::parse(&entry.statement) {
            let latest = format!("latest/{}/main.json", build.predicate.facts.pipeline.name);
            self = self.file(&latest, Some(&entry.statement));
        }
        self.file(&format!("{path}.json"), Some(&entry.statement)).file(&format!("{path}.dsse"), Some(&envelope))
    }

    pub(crate) fn file(mut self, path: &str, content: Option<&[u8]>) -> Self {
        self.files.push((path.to_owned(), content.map(<[u8]>::to_vec)));
        self
    }

    /// Committed by another git key.
    pub(crate) fn by(mut self, git: &'w PrivateKey) -> Self {
        self.git = git;
        self
    }

    pub(crate) fn at(mut self, seconds: i64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Without the log key: the log stays as it was.
    pub(crate) fn without_log_key(mut self) -> Self {
        self.relog = false;
        self
    }

    /// As a new commit on the tip.
    pub(crate) fn commit(self) {
        let tip = self.world.tip();
        let tree = self.world.git().commit(tip).expect("a commit").tree;
        let message = format!("test\n\n{}", self.trailers);
        self.store(Some(tip), tree, &message);
    }

    /// In the place of the tip, with its message.
    pub(crate) fn replace_tip(self) {
        let tip = self.world.git().commit(self.world.tip()).expect("a commit");
        self.store(tip.parents.first().copied(), tip.tree, &tip.message);
    }

    fn store(self, parent: Option<ObjectId>, mut tree: ObjectId, message: &str) {
        let (world, git) = (self.world, self.world.git());
        let files: BTreeMap<_, _> = self.files.into_iter().collect();
        let ids = files.into_iter().map(|(path, bytes)| (path, bytes.map(|b| git.write_blob(&b).expect("stored"))));
        let ids: BTreeMap<_, _> = ids.collect();
        tree = git.write_tree(Some(tree), &ids, &mut Vec::new()).expect("stored");
        if self.relog {
            tree = world.relogged(tree);
        }
        let who = Identity { name: "orgo".to_owned(), email: "orgo@acme".to_owned(), seconds: self.seconds };
        let sign = |bytes: &[u8]| -> Result<_, GitError> { Ok(self.git.sign_commit(bytes).expect("a git key")) };
        let commit = git.write_commit(tree, parent, &who, message, sign).expect("a commit");
        set_tip(world, &commit.to_string());
    }
}
