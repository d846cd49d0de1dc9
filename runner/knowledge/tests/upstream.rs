//! Upstream's own vectors, where they are at hand: `ORGO_VECTORS` names the folder. They are not ours to
//! ship; vectors of ours with the same coverage stand beside the code that they test.

use std::path::PathBuf;

use data_encoding::BASE64;
use orgo_knowledge::pack::{Bloom, order_rows_by, row_groups};
use orgo_spec::Digest;
use orgo_spec::artifact::kristal_id;
use orgo_spec::artifact::pack::GroupingPolicy;
use orgo_spec::canonical::{Profile, Value, parse, to_bytes};
use roaring::RoaringBitmap;

/// The vectors of a file, or nothing with a message if they are not at hand.
#[expect(clippy::print_stderr, reason = "a test that looks at nothing must say so")]
fn vectors(path: &str) -> Vec<Value> {
    let Some(root) = std::env::var_os("ORGO_VECTORS").map(PathBuf::from) else {
        eprintln!("skipped: ORGO_VECTORS does not name the upstream vectors");
        return Vec::new();
    };
    let bytes = std::fs::read(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let document = parse(&bytes, Profile::DATA).expect("JSON");
    document.get("vectors").and_then(Value::as_array).expect("a list of vectors").to_vec()
}

fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    value.at(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path:?} is a text"))
}

fn int<T: TryFrom<i64>>(value: &Value, path: &[&str]) -> T {
    let number = value.at(path).and_then(Value::as_int).unwrap_or_else(|| panic!("{path:?} is a number"));
    T::try_from(number).unwrap_or_else(|_| panic!("{path:?} is in range"))
}

#[test]
fn canonical_bytes_are_upstreams() {
    for vector in vectors("jcs/vectors.json") {
        let id = text(&vector, &["id"]);
        let input = parse(text(&vector, &["input_json"]).as_bytes(), Profile::DATA).expect(id);
        let bytes = to_bytes(&input);
        assert_eq!(String::from_utf8_lossy(&bytes), text(&vector, &["expected_canonical_json"]), "{id}");
        assert_eq!(Digest::of(&bytes).hex(), text(&vector, &["expected_sha256_hex"]), "{id}");
    }
}

#[test]
fn exchange_ids_are_upstreams() {
    for vector in vectors("exchange-v5/vectors.json") {
        let input = vector.get("input").expect("an input");
        let id = kristal_id(input).to_string();
        assert_eq!(id, text(&vector, &["expected_kristal_id"]), "{}", text(&vector, &["id"]));
        let intact = text(&vector, &["expect_declared_hash_integrity"]) == "pass";
        assert_eq!(text(input, &["kristal_id"]) == id, intact, "{}", text(&vector, &["id"]));
    }
}

#[test]
fn pack_bytes_are_upstreams() {
    for vector in vectors("runtime-pack-v5/portable-vectors.json") {
        let id = text(&vector, &["id"]);
        let input = vector.get("input").expect("an input");
        let expected = BASE64.decode(text(&vector, &["expected_payload_base64"]).as_bytes()).expect("base64");
        let bytes = match text(&vector, &["case"]) {
            "ordering" => ordering(input),
            "row_grouping" => row_groups(GroupingPolicy::FixedRows100k, int(input, &["row_count"])),
            "membership_filter" => {
                let keys = input.get("keys").and_then(Value::as_array).expect("keys").iter().filter_map(Value::as_str);
                let (seed, bits) = (int(input, &["seed"]), int(input, &["bits_per_key"]));
                let filter = Bloom::new(keys, seed, bits, int(input, &["hash_functions"])).expect("small");
                for query in vector.at(&["expected_semantic", "queries"]).and_then(Value::as_array).expect("queries") {
                    let maybe = query.get("filter_maybe") == Some(&Value::Bool(true));
                    assert_eq!(filter.maybe(text(query, &["key"])), maybe, "{id}");
                }
                filter.to_bytes()
            }
            "bitmap" => {
                let values = input.get("values").and_then(Value::as_array).expect("values");
                let values = values.iter().filter_map(Value::as_int).filter_map(|v| u32::try_from(v).ok());
                let mut bitmap: RoaringBitmap = values.collect();
                if input.get("run_optimize") == Some(&Value::Bool(true)) {
                    bitmap.optimize();
                }
                let mut bytes = Vec::new();
                bitmap.serialize_into(&mut bytes).expect("memory");
                bytes
            }
            other => panic!("{id}: unknown case {other}"),
        };
        assert_eq!(bytes, expected, "{id}");
        assert_eq!(Digest::of(&bytes).hex(), text(&vector, &["expected_sha256_hex"]), "{id}");
    }
}

/// Upstream's rows are looser than ours; the order and the encoding are the same.
fn ordering(input: &Value) -> Vec<u8> {
    let mut rows = input.get("rows").and_then(Value::as_array).expect("rows").to_vec();
    order_rows_by(
        &mut rows,
        |row| ["subject", "predicate", "statement_id"].map(|name| text(row, &[name]).to_owned()),
        to_bytes,
    );
    rows.iter().flat_map(|row| [to_bytes(row), b"\n".to_vec()].concat()).collect()
}
