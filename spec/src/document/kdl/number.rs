//! Numbers: decimal, with a point or an exponent, or with `0x`, `0o` or `0b`; `_` between digits says nothing.

use crate::document::tree::Scalar;

/// Why a word that begins like a number is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is text that begins with a digit.
    Text,
    /// An integer of more than 127 bits.
    TooLarge,
    NoDigitBeforePoint,
    NoDigitBehindPoint,
    NoDigitInExponent,
    /// `0X`, `0O` or `0B`.
    UpperCase,
    /// None, or another than its radix has, behind `0x`, `0o` or `0b`.
    BadDigit(u32),
}

/// Reads a word that begins with a digit, or with a sign and a digit.
pub(super) fn read(word: &str) -> Result<Scalar, Fault> {
    let (negative, unsigned) = match word.as_bytes() {
        [b'-', ..] => (true, &word[1..]),
        [b'+', ..] => (false, &word[1..]),
        _ => (false, word),
    };
    // So many digits fit.
    if unsigned.len() <= 18
        && let Some(value) = small(unsigned)
    {
        return Ok(Scalar::Integer(if negative { -value } else { value }));
    }
    let radix = match unsigned.as_bytes() {
        [b'0', b'x', ..] => 16,
        [b'0', b'o', ..] => 8,
        [b'0', b'b', ..] => 2,
        [b'0', b'X' | b'O' | b'B', ..] => return Err(Fault::UpperCase),
        _ => return decimal(word, unsigned, negative),
    };
    let digits = &unsigned[2..];
    let known = |c: char| c.is_digit(radix);
    if !digits.starts_with(known) || !digits.chars().all(|c| known(c) || c == '_') {
        return Err(Fault::BadDigit(radix));
    }
    integer(digits, radix, negative)
}

/// The value of digits that fit.
fn small(digits: &str) -> Option<i64> {
    digits.bytes().try_fold(0, |value: i64, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

fn decimal(word: &str, unsigned: &str, negative: bool) -> Result<Scalar, Fault> {
    let (whole, rest) = digits(unsigned);
    let mut left = rest;
    if let Some(behind) = left.strip_prefix('.') {
        let (fraction, rest) = digits(behind);
        if !fraction.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Fault::NoDigitBehindPoint);
        }
        left = rest;
    }
    if let Some(behind) = left.strip_prefix(['e', 'E']) {
        let (exponent, rest) = digits(behind.strip_prefix(['-', '+']).unwrap_or(behind));
        if !exponent.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(if rest.is_empty() { Fault::NoDigitInExponent } else { Fault::Text });
        }
        left = rest;
    }
    match left.is_empty() {
        false => Err(Fault::Text),
        true if rest.is_empty() => integer(whole, 10, negative),
        true => Ok(Scalar::Number(word.to_owned())),
    }
}

/// Digits and `_`, and what is behind them.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len()))
}

fn integer(digits: &str, radix: u32, negative: bool) -> Result<Scalar, Fault> {
    let value = i128::from_str_radix(&digits.replace('_', ""), radix).map_err(|_| Fault::TooLarge)?;
    let value = if negative { -value } else { value };
    Ok(i64::try_from(value).map_or_else(|_| Scalar::Number(value.to_string()), Scalar::Integer))
}
