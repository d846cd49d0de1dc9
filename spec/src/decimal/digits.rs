//! Schoolbook arithmetic on ASCII digits, most significant first. Values have a few dozen digits.

/// `a + b`.
pub(super) fn sum(a: &str, b: &str) -> String {
    let mut carry = 0;
    let digits = columns(a, b).map(|(x, y)| {
        let column = x + y + carry;
        carry = column / 10;
        column % 10
    });
    let mut digits: Vec<u8> = digits.collect();
    digits.push(carry);
    text(digits)
}

/// `|a − b|`.
pub(super) fn difference(a: &str, b: &str) -> String {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    let larger_first = a.len().cmp(&b.len()).then_with(|| a.cmp(b)).is_ge();
    let (large, small) = if larger_first { (a, b) } else { (b, a) };
    let mut borrow = 0;
    let digits = columns(large, small).map(|(x, y)| {
        let column = 10 + x - y - borrow;
        borrow = u8::from(column < 10);
        column % 10
    });
    text(digits.collect())
}

/// `a · b`.
pub(super) fn multiply(a: &str, b: &str) -> String {
    let mut columns = vec![0_u32; a.len() + b.len() + 1];
    for (i, x) in a.bytes().rev().enumerate() {
        for (j, y) in b.bytes().rev().enumerate() {
            columns[i + j] += u32::from(x - b'0') * u32::from(y - b'0');
        }
    }
    let mut carry = 0;
    let digits = columns.into_iter().map(|column| {
        let column = column + carry;
        carry = column / 10;
        u8::try_from(column % 10).expect("a digit is below ten")
    });
    text(digits.collect())
}

/// Pairs of digits from the least significant on, as long as the longer text.
fn columns<'t>(a: &'t str, b: &'t str) -> impl Iterator<Item = (u8, u8)> + 't {
    let digit = |text: &str, i: usize| {
        let at = text.len().checked_sub(i + 1);
        at.map_or(0, |at| text.as_bytes()[at] - b'0')
    };
    (0..a.len().max(b.len())).map(move |i| (digit(a, i), digit(b, i)))
}

fn text(least_first: Vec<u8>) -> String {
    least_first.into_iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}
