//! Differences between objects of a pack.

/// The object that a difference makes of `base`; none if it is malformed or larger than `limit`.
pub(super) fn apply(base: &[u8], difference: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut rest = difference;
    let (from, to) = (size(&mut rest)?, size(&mut rest)?);
    (from == base.len() && to <= limit).then_some(())?;
    let mut out = Vec::with_capacity(to);
    while let Some((&op, after)) = rest.split_first() {
        rest = after;
        let part = if op & 0x80 == 0 {
            // Bytes that follow; none at all is reserved.
            let (part, after) = rest.split_at_checked(usize::from(op)).filter(|_| op != 0)?;
            rest = after;
            part
        } else {
            let mut number = |bits: std::ops::Range<u8>| -> Option<usize> {
                let mut value = 0;
                for (shift, bit) in bits.enumerate() {
                    if op >> bit & 1 == 1 {
                        let (&byte, after) = rest.split_first()?;
                        rest = after;
                        value |= usize::from(byte) << (shift * 8);
                    }
                }
                Some(value)
            };
            let (at, length) = (number(0..4)?, number(4..7)?);
            let length = if length == 0 { 0x1_0000 } else { length };
            base.get(at..at.checked_add(length)?)?
        };
        (out.len() + part.len() <= to).then_some(())?;
        out.extend_from_slice(part);
    }
    (out.len() == to).then_some(out)
}

/// A size: seven bits a byte, least significant first.
fn size(rest: &mut &[u8]) -> Option<usize> {
    let (mut size, mut shift) = (0u64, 0);
    loop {
        let (&byte, after) = rest.split_first().filter(|_| shift < 32)?;
        *rest = after;
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return usize::try_from(size).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_copies_and_inserts_within_its_bounds() {
        let base = b"0123456789";
        // 10 bytes become 7: four from offset 3, then `ab`, then one from offset 0.
        let good = [10, 7, 0x80 | 0x11, 3, 4, 2, b'a', b'b', 0x90, 1];
        assert_eq!(apply(base, &good, 100).as_deref(), Some(&b"3456ab0"[..]));
        assert_eq!(apply(base, &good, 6), None, "larger than allowed");
        assert_eq!(apply(&base[1..], &good, 100), None, "another base");
        for (at, with) in [(1, 6), (1, 8), (3, 9), (4, 11), (5, 0), (9, 200)] {
            let mut bad = good;
            bad[at] = with;
            assert_eq!(apply(base, &bad, 100), None, "byte {at} as {with}");
        }
        for length in 0..good.len() {
            assert_eq!(apply(base, &good[..length], 100), None, "the first {length} bytes");
        }
        assert_eq!(apply(base, &[0xff; 40], 100), None);
    }
}
