//! What must hold for any bytes at all. Shared by the property tests and by the fuzz targets in `fuzz/`.
//!
//! Each check reads bytes as one kind of thing. No bytes make a reader panic, and where a format has one spelling,
//! what is read is written again to the very bytes.

use orgo_spec::artifact::report::ValidationReport;
use orgo_spec::blueprint::Blueprint;
use orgo_spec::canonical::{self, Profile};
use orgo_spec::document::{Document, Node, Syntax, convert, format_kdl, parse};
use orgo_spec::knowledge::{Map, Rules, decode_decisions};
use orgo_spec::log::{Checkpoint, Edge, Leaf, NoteKey, Proof, SignedCheckpoint, SignedNote, Tile, parse_bundle};
use orgo_spec::mandate::Mandate;
use orgo_spec::pipeline::parse_pipelines;
use orgo_spec::project::Project;
use orgo_spec::record::{
    AbandonedRecord, AdminRecord, BuildRecord, GateFacts, MandateRecord, Predicate, RevocationRecord, StartedRecord,
    Statement, TrustRecord,
};
use orgo_spec::secret::{Redactor, scan};
use orgo_spec::signature::{Envelope, Namespace, PublicKey, Quorum, SshSignature};
use orgo_spec::{Decimal, Digest, Name};

/// A check of one kind of bytes.
pub type Check = fn(&[u8]);

/// Every check, by the name of its fuzz target.
pub const ALL: [(&str, Check); 10] = [
    ("envelope", envelope),
    ("statement", statement),
    ("trust", trust),
    ("json", json),
    ("checkpoint", checkpoint),
    ("proof", proof),
    ("tile", tile),
    ("kdl", kdl),
    ("yaml", yaml),
    ("secret", secret),
];

/// DSSE envelopes and SSH signatures.
pub fn envelope(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::parse(bytes) {
        assert_eq!(envelope.to_bytes(), bytes, "an envelope has one spelling");
        let keys = envelope.signatures().len();
        if let Ok(key) =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea".parse::<PublicKey>()
        {
            let quorum = Quorum::new(1, [key]).expect("one of one");
            let _ = envelope.verify(b"payload", std::slice::from_ref(&quorum));
        }
        assert!(keys > 0, "an envelope without signatures is none");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(signature) = SshSignature::parse(text, Namespace::Git) {
        assert_eq!(signature.armor().trim_end(), text.trim_end(), "an SSH signature has one spelling");
        let _ = signature.verifies(b"payload");
    }
    let _ = text.parse::<PublicKey>().map(|key| assert_eq!(key.to_string(), text.trim_end()));
    let _ = text.parse::<Digest>().map(|digest| assert_eq!(digest.to_string(), text));
    let _ = Name::new(text).map(|name| assert_eq!(name.as_str(), text));
    let _ = text.parse::<Decimal>();
}

fn record<P: Predicate>(bytes: &[u8]) {
    if let Ok(statement) = Statement::<P>::parse(bytes) {
        assert_eq!(statement.to_bytes().as_deref(), Ok(bytes), "a record has one spelling");
    }
}

/// Build records, gate facts and validation reports.
pub fn statement(bytes: &[u8]) {
    record::<BuildRecord>(bytes);
    if let Ok(facts) = canonical::from_slice::<GateFacts>(bytes, Profile::DOCUMENT) {
        assert!(canonical::bytes_of(&facts).is_ok(), "what was read can be written");
    }
    let _ = canonical::from_slice::<ValidationReport>(bytes, Profile::DOCUMENT);
}

/// Trust records, and the others about a ledger itself.
pub fn trust(bytes: &[u8]) {
    record::<TrustRecord>(bytes);
    record::<RevocationRecord>(bytes);
    record::<StartedRecord>(bytes);
    record::<AbandonedRecord>(bytes);
    record::<AdminRecord>(bytes);
    record::<MandateRecord>(bytes);
}

/// JSON in every profile.
pub fn json(bytes: &[u8]) {
    for profile in [Profile::RECORD, Profile::DOCUMENT, Profile::DATA] {
        let Ok(value) = canonical::parse(bytes, profile) else { continue };
        let written = canonical::to_bytes(&value);
        let again = canonical::parse(&written, profile).expect("what is written can be read");
        assert_eq!(canonical::to_bytes(&again), written, "canonical bytes are a fixed point");
        let pretty = canonical::parse(&canonical::to_pretty(&value), profile).expect("so can the reviewer's form");
        assert_eq!(canonical::to_bytes(&pretty), written, "both forms say the same");
    }
}

/// Checkpoints, notes and the keys that sign them.
pub fn checkpoint(bytes: &[u8]) {
    if let Ok(note) = SignedNote::parse(bytes) {
        assert_eq!(note.to_text().as_bytes(), bytes, "a note has one spelling");
        let _ = note.verify(&[]);
    }
    if let Ok(signed) = SignedCheckpoint::parse(bytes) {
        assert_eq!(signed.to_text().as_bytes(), bytes);
        let _ = signed.verify_any(&[]);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Checkpoint::parse(text).map(|c| assert_eq!(c.to_text(), text, "a checkpoint has one spelling"));
    let _ = text.parse::<NoteKey>().map(|key| assert_eq!(key.to_string(), text));
}

/// Inclusion proofs, leaves and edges of the log.
pub fn proof(bytes: &[u8]) {
    let _ = Proof::parse(bytes).map(|p| assert_eq!(p.to_text().as_bytes(), bytes, "a proof has one spelling"));
    let _ = Leaf::parse(bytes).map(|leaf| assert_eq!(leaf.to_bytes(), bytes, "a leaf has one spelling"));
    let _ = Edge::parse(bytes).map(|edge| assert_eq!(edge.to_text().as_bytes(), bytes, "an edge has one spelling"));
}

/// Paths and contents of tiles. The first byte says how wide an entry bundle is taken to be.
pub fn tile(bytes: &[u8]) {
    if let Some((width, bundle)) = bytes.split_first() {
        let width = u16::from(*width) + 1;
        if let Ok(entries) = parse_bundle(bundle, width) {
            let written = orgo_spec::log::bundle_bytes(&entries).expect("entries that were read fit");
            assert_eq!(written, bundle, "a bundle has one spelling");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(tile) = text.parse::<Tile>() else { return };
    assert_eq!(tile.path(), text, "a tile has one path");
    let _ = tile.parse_hashes(bytes);
}

/// Every kind of document that people write, in KDL.
pub fn kdl(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document = Document::new("document.kdl", text);
    documents(&document);
    if let Ok(laid_out) = format_kdl(&document) {
        let again = format_kdl(&Document::new("document.kdl", laid_out.as_str()));
        assert_eq!(again.as_ref().ok(), Some(&laid_out), "laid out is laid out");
    }
    converted(&document, Syntax::Yaml, "document.yaml");
}

/// The same documents in YAML.
pub fn yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document = Document::new("document.yaml", text);
    documents(&document);
    converted(&document, Syntax::Kdl, "document.kdl");
}

/// What is read in one syntax, and can be written in the other, says the same there.
fn converted(document: &Document, to: Syntax, name: &str) {
    let Ok(other) = convert(document, to) else { return };
    let meaning = |document: &Document| {
        let nodes = parse(document).expect("what is written can be read");
        nodes.iter().map(Node::meaning).collect::<Vec<_>>()
    };
    assert_eq!(meaning(document), meaning(&Document::new(name, other.text)), "both say the same");
}

fn documents(document: &Document) {
    let spans = |error: orgo_spec::document::DocumentError| {
        for problem in error.problems() {
            let (line, column) = document.position(problem.span());
            assert!(line > 0 && column > 0);
            let from = problem.span().offset as usize;
            assert!(document.text().get(from..from + problem.span().len as usize).is_some(), "a place is in the text");
        }
    };
    let _ = parse(document).map_err(spans);
    let _ = Project::parse(document).map_err(spans);
    let _ = parse_pipelines(document).map_err(spans);
    let _ = orgo_spec::mandate::Table::parse(document).map_err(spans);
    let _ = Mandate::parse(document).map(|mandate| mandate.id()).map_err(spans);
    let _ = Blueprint::parse(document).map(|blueprint| blueprint.id()).map_err(spans);
    let _ = Map::decode(document).map_err(spans);
    let _ = Rules::decode(document).map_err(spans);
    let _ = decode_decisions(document).map_err(spans);
}

/// The scanner for secrets, and redaction in pieces.
pub fn secret(bytes: &[u8]) {
    let mut at = 0;
    for finding in scan(bytes) {
        assert!(finding.offset >= at && finding.len > 0 && finding.end() <= bytes.len());
        at = finding.end();
    }
    let redactor = Redactor::new(&[b"k3y-val-ue"]);
    let (mut pieces, mut redaction) = (Vec::new(), redactor.stream());
    bytes.chunks(7).for_each(|piece| redaction.push(piece, &mut pieces));
    redaction.finish(&mut pieces);
    assert_eq!(pieces, redactor.redact(bytes), "pieces are redacted as a whole");
}
