use proptest::prelude::*;

use super::{Amount, Decimal, DecimalError};

fn d(text: &str) -> Decimal {
    Decimal::parse(text).expect("the test writes a decimal")
}

#[test]
fn equal_numbers_are_equal_values_with_one_text() {
    for (text, canonical) in [
        ("98", "98"),
        ("98.0", "98"),
        ("9.8e1", "98"),
        ("8.2e-05", "0.000082"),
        ("0.0013080000000000001", "0.0013080000000000001"),
        ("1e3", "1000"),
        ("0.00", "0"),
        ("-1.50", "-1.5"),
    ] {
        assert_eq!(d(text).to_string(), canonical);
        assert_eq!(d(text), d(canonical));
    }
    assert_eq!(Amount(d("98.0")).to_string(), "+98");
    assert_eq!(Amount(d("-0.5")).to_string(), "-0.5");
}

#[test]
fn a_spelling_that_a_number_would_not_give_back_is_lossy() {
    for text in ["+5", "007", "1,000", " 5", "5 ", "-0", "-0.0", ".5", "5.", "1_000", "\u{2212}1"] {
        assert!(matches!(Decimal::parse(text), Err(DecimalError::Lossy(_))), "{text:?}");
    }
    for text in ["", "abc", "1.2.3x", "NaN", "inf", "0x10", "-", "e5"] {
        assert!(matches!(Decimal::parse(text), Err(DecimalError::NotADecimal(_))), "{text:?}");
    }
    let long = "9".repeat(401);
    for text in [long.as_str(), "1e801", "1e99999999999", "1e-801", "1e-2147483648"] {
        assert!(matches!(Decimal::parse(text), Err(DecimalError::TooLong(_))), "{text:?}");
    }
}

#[test]
fn only_the_canonical_text_deserializes() {
    assert_eq!(serde_json::from_str::<Decimal>("\"0.02\"").ok(), Some(d("0.02")));
    assert!(serde_json::from_str::<Decimal>("\"0.020\"").is_err());
    assert!(serde_json::from_str::<Amount>("\"98\"").is_err());
    assert!(serde_json::from_str::<Amount>("\"+98.0\"").is_err());
    assert_eq!(serde_json::from_str::<Amount>("\"+98\"").ok(), Some(Amount(d("98"))));
}

#[test]
fn tolerance_is_strict_and_relative_to_the_smaller_value() {
    // exactly 2 % above the smaller value is not beyond 2 %
    assert!(!d("102").differs_beyond(&d("100"), &d("0.02")));
    assert!(d("102.0000000000000000001").differs_beyond(&d("100"), &d("0.02")));
    assert!(!d("-102").differs_beyond(&d("-100"), &d("0.02")));
    assert!(d("-1").differs_beyond(&d("1"), &d("0.02")));
    assert!(d("0").differs_beyond(&d("1e-400"), &d("0.02")));
    assert!(!d("0").differs_beyond(&d("0.0"), &d("0")));
}

proptest! {
    #[test]
    fn arithmetic_agrees_with_integers(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000,
                                       p in 0_i64..2000, e in 0_usize..6, f in 0_usize..6) {
        // a·10^-e and b·10^-f against scaled integers
        let write = |n: i64, places: usize| {
            if n == 0 { "0".to_owned() } else { format!("{n}e-{places}") }
        };
        let (x, y) = (d(&write(a, e)), d(&write(b, f)));
        let scale = |n: i64, places: usize| i128::from(n) * 10_i128.pow(6 - u32::try_from(places).expect("small"));
        let (i, j) = (scale(a, e), scale(b, f));
        prop_assert_eq!(x.cmp(&y), i.cmp(&j));
        prop_assert_eq!(x.distance(&y), d(&write_i128(i.abs_diff(j))));
        let beyond = i.abs_diff(j) * 1000 > i.unsigned_abs().min(j.unsigned_abs()) * u128::try_from(p).expect("positive");
        prop_assert_eq!(x.differs_beyond(&y, &d(&format!("{p}e-3"))), beyond);
    }

    #[test]
    fn canonical_text_reads_back(text in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,30})?(e-?[0-9]{1,2})?") {
        let value = d(&text);
        prop_assert_eq!(d(&value.to_string()), value.clone());
        let json = serde_json::to_string(&value).expect("a decimal is text");
        prop_assert_eq!(serde_json::from_str::<Decimal>(&json).expect("reads back"), value);
    }
}

fn write_i128(n: u128) -> String {
    if n == 0 { "0".to_owned() } else { format!("{n}e-6") }
}
