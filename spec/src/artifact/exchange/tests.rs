use std::io::Cursor;

use super::*;
use crate::artifact::evidence::LocatorKind;
use crate::artifact::kristal_id;
use crate::canonical::{Profile, parse};

fn evidence(n: u64) -> EvidenceEntry {
    let locator = Locator { kind: LocatorKind::CsvCell, start: n, end: n + 3, line: n, column: 1 };
    EvidenceEntry::new(HexDigest(Digest::of(b"1.0")), locator, Digest::of(b"snapshot"), "s", "file:s.csv")
}

fn item(id: &str, texts: &[&str], evidence: &[EvidenceEntry]) -> Item {
    let entity_id = EntityId::new(id).expect("an id");
    let mut statements: Vec<_> = texts
        .iter()
        .map(|text| {
            let mut statement = Statement {
                claim_id: ClaimId::of(Digest::of(text.as_bytes())),
                datatype: Datatype::String,
                datavalue: DataValue::String((*text).to_owned()),
                notes: Vec::new(),
                property_id: Pid::new("P9000001").expect("an id"),
                qualifiers: Vec::new(),
                rank: Rank::Normal,
                references: vec![Reference::new(evidence.iter().map(|e| e.evidence_id).collect())],
                snaktype: SnakType::Value,
                statement_id: Digest::EMPTY,
            };
            statement.statement_id = statement.derive_id(&entity_id);
            statement
        })
        .collect();
    statements.sort_by_key(|s| s.statement_id);
    Item {
        aliases: BTreeMap::new(),
        descriptions: BTreeMap::new(),
        entity_id,
        labels: BTreeMap::from([("en".to_owned(), "a \"quoted\" } label \u{10000} \u{e000}".to_owned())]),
        statements,
        r#type: ItemType::Item,
    }
}

fn sample() -> (Vec<u8>, Written) {
    let mut index = vec![evidence(1), evidence(2)];
    index.sort_by_key(|e| e.evidence_id);
    let mut bytes = Vec::new();
    let mut writer = ExchangeWriter::new(&mut bytes).expect("memory");
    for entry in &index {
        writer.evidence(entry).expect("ascending");
    }
    writer.item(&item("Q10", &["a", "b"], &index)).expect("ascending");
    writer.item(&item("Q2", &["c"], &index[..1])).expect("ascending by bytes");
    let written = writer.finish().expect("memory");
    (bytes, written)
}

fn read(bytes: &[u8]) -> Result<Written, ArtifactError> {
    read_exchange(Cursor::new(bytes), |_| Ok(())).expect("memory")
}

#[test]
fn the_streamed_id_is_the_id_of_the_whole() {
    let (bytes, written) = sample();
    let value = parse(&bytes, Profile::DATA).expect("JSON");
    assert_eq!(canonical::to_bytes(&value), bytes, "the file is canonical");
    assert_eq!(kristal_id(&value), written.kristal_id);
    assert_eq!(read(&bytes), Ok(written));
    let whole: Exchange = crate::artifact::read("the Exchange", &bytes).expect("of its schema's shape");
    assert_eq!(whole.exchange.items.len(), 2);
    assert_eq!((written.items, written.statements, written.evidence), (2, 3, 2));
}

#[test]
fn an_empty_exchange_reads_back() {
    let mut bytes = Vec::new();
    let written = ExchangeWriter::new(&mut bytes).and_then(ExchangeWriter::finish).expect("memory");
    assert_eq!(read(&bytes), Ok(written));
}

#[test]
fn every_changed_byte_is_refused() {
    let (bytes, _) = sample();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(read(&altered).is_err(), "byte {at}");
        assert!(read(&bytes[..at]).is_err(), "cut at {at}");
    }
    let longer = [bytes.as_slice(), b"\n"].concat();
    assert!(read(&longer).is_err());
}

#[test]
fn disorder_and_dangling_evidence_are_refused() {
    let mut bytes = Vec::new();
    let mut writer = ExchangeWriter::new(&mut bytes).expect("memory");
    writer.item(&item("Q2", &["c"], &[evidence(1)])).expect("first");
    assert!(writer.item(&item("Q10", &[], &[])).is_err(), "Q10 sorts before Q2");
    assert!(writer.evidence(&evidence(1)).is_err(), "evidence comes first");
    writer.finish().expect("memory");
    assert!(matches!(read(&bytes), Err(ArtifactError::Dangling(_))));
}

#[test]
fn statement_ids_are_those_of_the_published_formula() {
    let vectors =
        parse(include_bytes!("../../../vectors/derived-v4/derived-vectors.json"), Profile::DATA).expect("JSON");
    let target = vectors.at(&["statement", "hash_target"]).expect("the case is there");
    let expected = vectors.at(&["statement", "expected_statement_id"]).and_then(|v| v.as_str());
    assert_eq!(Some(Digest::of(&canonical::to_bytes(target)).to_string().as_str()), expected);
    // and our statements are hashed over the same members
    let statement = item("Q2", &["c"], &[evidence(1)]).statements.remove(0);
    let ours = canonical::Value::of(&StatementTarget {
        subject: &EntityId::new("Q2").expect("an id"),
        property: &statement.property_id,
        value: &statement.datavalue,
        qualifiers: &statement.qualifiers,
        references: &statement.references,
    })
    .expect("texts");
    let names = |v: &canonical::Value| {
        let mut names: Vec<_> = v.as_object().expect("an object").iter().map(|(n, _)| n.to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&ours), names(target));
}
