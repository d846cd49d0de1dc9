//! Good bytes of every kind, to be harmed.

use std::collections::BTreeMap;
use std::path::Path;

use ed25519_dalek::{Signer, SigningKey};
use orgo_spec::document::{Document, Syntax, convert};
use orgo_spec::log::{
    Checkpoint, Edge, Leaf, NoteError, NoteKey, Proof, SignedCheckpoint, Tile, bundle_bytes, leaf_hash,
};
use orgo_spec::record::{
    Actor, BuildFacts, BuildRecord, BuildRun, Class, Compiler, Lane, PipelineRef, Program, Source, Statement,
    TrustFacts, TrustKeys, TrustRecord, TrustRun, TrustedKey,
};
use orgo_spec::signature::{Envelope, Namespace, PAYLOAD_TYPE, PublicKey, SshSignature, pae};
use orgo_spec::{Digest, Name};

fn key(seed: u8) -> (SigningKey, PublicKey) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let public = PublicKey::from_bytes(key.verifying_key().as_bytes()).expect("a fresh key is not weak");
    (key, public)
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a plain name")
}

fn build() -> Vec<u8> {
    let at = || "2026-11-20T00:00:00Z".to_owned();
    let facts = BuildFacts::new(
        name("acme"),
        Class::Development,
        Lane::Local,
        PipelineRef {
            definition: Digest::of(b"pipeline"),
            name: name("elements"),
            parameters: BTreeMap::new(),
            profile: None,
            targets: vec!["canon".into()],
        },
        Source {
            base: None,
            commit: "a".repeat(40),
            dirty: false,
            reference: Some("refs/heads/main".into()),
            tree: "b".repeat(40),
        },
        Compiler { digest: Digest::of(b"orgo"), name: "orgo".into(), version: "0.1.0".into() },
        Digest::EMPTY,
    );
    let run = BuildRun {
        actor: Actor { id: "somebody".into(), kind: "person".into() },
        approvals_decided_at: std::collections::BTreeMap::new(),
        build_id: "6e6c1c0e-0000-4000-8000-000000000000".into(),
        clock: "injected".into(),
        created_at: at(),
        ended_at: at(),
        environment: "development".into(),
        executor: Program { digest: Digest::EMPTY, name: "orgo".into(), version: "0.1.0".into() },
        host: "machine".into(),
        stages: vec![],
        started: None,
        started_at: at(),
        workflow_id: "case".into(),
    };
    let mut facts = facts;
    facts.end(orgo_spec::record::Outcome::Cancelled { reason: orgo_spec::ReasonCode::RunCancelled });
    Statement::new(BuildRecord { facts, run }).to_bytes().expect("a build record")
}

fn trust() -> Vec<u8> {
    let trusted = |seed| vec![TrustedKey::new(key(seed).1, Class::Development)];
    let keys = TrustKeys { approver: vec![], git: trusted(1), log: trusted(4), root: trusted(2), runner: trusted(3) };
    let facts = TrustFacts {
        class: Class::Development,
        keys,
        revoked: vec![],
        root_threshold: 1,
        schema_version: TrustRecord::SCHEMA_VERSION.to_owned(),
        tenant_id: name("acme"),
        version: 1,
    };
    let run = TrustRun { created_at: "2026-01-01T00:00:00Z".to_owned() };
    Statement::new(TrustRecord { facts, run }).to_bytes().expect("a trust record")
}

fn signed_checkpoint(size: u64, root: Digest) -> SignedCheckpoint {
    #[derive(Debug)]
    struct Never;
    impl From<NoteError> for Never {
        fn from(_: NoteError) -> Self {
            Self
        }
    }
    impl From<orgo_spec::log::CheckpointError> for Never {
        fn from(_: orgo_spec::log::CheckpointError) -> Self {
            Self
        }
    }
    let origin = "orgo.dev/log/acme";
    let checkpoint = Checkpoint::new(origin, size, root).expect("a checkpoint");
    let note_key = NoteKey::new(origin, key(4).1).expect("a key");
    SignedCheckpoint::sign(&checkpoint, &note_key, |text| Ok::<_, Never>(key(4).0.sign(text).to_bytes()))
        .expect("signed")
}

/// Good bytes: what this program writes, and files of the repository.
pub fn all() -> Vec<Vec<u8>> {
    let (build, trust) = (build(), trust());
    let signed = |payload: &[u8], seed: u8| {
        let (key, public) = key(seed);
        (public, key.sign(&pae(PAYLOAD_TYPE, payload)).to_bytes())
    };
    let envelope = Envelope::new([signed(&build, 3), signed(&build, 5)]);
    let (git, public) = key(1);
    let ssh = SshSignature::new(
        public,
        Namespace::Git,
        git.sign(&SshSignature::signed_data(Namespace::Git, b"commit")).to_bytes(),
    );
    let leaf = Leaf::new("records/0/0/1.build.json", Digest::of(&build), Digest::of(b"envelope")).expect("a leaf");
    let entries: Vec<Vec<u8>> = (0..3).map(|_| leaf.to_bytes()).collect();
    let mut edge = Edge::new();
    entries.iter().for_each(|e| edge.push(leaf_hash(e)));
    let checkpoint = signed_checkpoint(edge.size(), edge.root());
    let proof = Proof::new(2, vec![edge.peaks()[0]], checkpoint.clone()).expect("a proof");
    let tile = Tile::new(1, 1_234_067, 7).expect("a tile");
    let mut seeds = vec![
        envelope.to_bytes(),
        envelope.join(&build),
        ssh.armor().into_bytes(),
        public.to_string().into_bytes(),
        Digest::EMPTY.to_string().into_bytes(),
        leaf.to_bytes(),
        edge.to_text().into_bytes(),
        [&[2], bundle_bytes(&entries).expect("a bundle").as_slice()].concat(),
        tile.path().into_bytes(),
        checkpoint.to_text().into_bytes(),
        checkpoint.to_text().split("\n\n").next().map(|t| format!("{t}\n")).unwrap_or_default().into_bytes(),
        proof.to_text().into_bytes(),
        build,
        trust,
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["examples", "snapshots", "spec/vectors", "mandates", "blueprints", "pipelines", "tests/bad"] {
        files(&root.join(folder), &mut seeds);
    }
    for path in [
        "pipelines/ci.kdl",
        "pipelines/knowledge.kdl",
        "blueprints/elements.kdl",
        "mandates/reference-data/mandate.kdl",
    ] {
        let document = Document::new(path, std::fs::read_to_string(root.join(path)).expect("ours"));
        seeds.push(convert(&document, Syntax::Yaml).expect("ours converts").text.into_bytes());
    }
    seeds
}

/// Files of at most 64 KiB below a folder.
fn files(folder: &Path, out: &mut Vec<Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort_unstable();
    for path in paths {
        if path.is_dir() {
            files(&path, out);
        } else if path.metadata().is_ok_and(|m| m.len() <= 64 << 10) {
            out.extend(std::fs::read(&path));
        }
    }
}
