//! The KBF1 Bloom filter (koa-contract 3.10). A hit is never proof; a miss is.

use orgo_spec::Digest;

const MAGIC: &[u8; 4] = b"KBF1";
const HEADER: usize = 24;

/// A filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bloom {
    seed: u32,
    hash_functions: u16,
    key_count: u32,
    bits: Vec<u8>,
}

impl Bloom {
    /// A filter over keys; repeated keys count once. `None` if there are more than 2^32 bits or keys.
    #[must_use]
    pub fn new<'k>(
        keys: impl IntoIterator<Item = &'k str>,
        seed: u32,
        bits_per_key: u32,
        hash_functions: u16,
    ) -> Option<Self> {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        let key_count = u32::try_from(keys.len()).ok()?;
        let bit_count = (u64::from(key_count) * u64::from(bits_per_key)).div_ceil(8).max(1) * 8;
        u32::try_from(bit_count).ok()?;
        let mut filter = Self { seed, hash_functions, key_count, bits: vec![0; usize::try_from(bit_count / 8).ok()?] };
        for key in keys {
            for at in filter.positions(key) {
                filter.bits[at / 8] |= 1 << (at % 8);
            }
        }
        Some(filter)
    }

    /// Whether the key may be there.
    #[must_use]
    pub fn maybe(&self, key: &str) -> bool {
        self.positions(key).all(|at| self.bits[at / 8] & (1 << (at % 8)) != 0)
    }

    fn positions(&self, key: &str) -> impl Iterator<Item = usize> + use<> {
        let mut bytes = b"kristal-bloom-v1\0".to_vec();
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(key.as_bytes());
        let digest = Digest::of(&bytes);
        let word = |from: usize| {
            let bytes = digest.as_bytes()[from..from + 8].try_into().expect("a digest has 32 bytes");
            u128::from(u64::from_le_bytes(bytes))
        };
        let (h1, h2) = (word(0), word(8).max(1));
        let bit_count = self.bits.len() as u128 * 8;
        (0..u128::from(self.hash_functions))
            .map(move |i| usize::try_from((h1 + i * h2) % bit_count).expect("below the number of bits in memory"))
    }

    /// The bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.bits.len());
        out.extend(MAGIC);
        out.extend([1, 1, 0, 0]);
        out.extend(self.seed.to_le_bytes());
        out.extend(u32::try_from(self.bits.len() * 8).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(self.hash_functions.to_le_bytes());
        out.extend([0, 0]);
        out.extend(self.key_count.to_le_bytes());
        out.extend(&self.bits);
        out
    }

    /// Reads a file; `None` for anything that is not exactly one filter.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (header, bits) = bytes.split_at_checked(HEADER)?;
        let u32_at = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let constant = header.starts_with(MAGIC) && header[4..8] == [1, 1, 0, 0] && header[18..20] == [0, 0];
        let bit_count = u32_at(12)?;
        let hash_functions = u16::from_le_bytes(header[16..18].try_into().ok()?);
        let fits = bit_count >= 8 && bit_count % 8 == 0 && bits.len() as u64 == u64::from(bit_count / 8);
        (constant && fits && hash_functions > 0).then_some(Self {
            seed: u32_at(8)?,
            hash_functions,
            key_count: u32_at(20)?,
            bits: bits.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Our own vector, computed by hand-written Python from the text of koa-contract 3.10.
    const OWN: &str = include_str!("../../tests/vectors/bloom.hex");

    #[test]
    fn bytes_are_those_of_the_text() {
        let keys = ["Q4000000001", "Q4000000002", "P9000001", "é"];
        let filter = Bloom::new(keys, 7, 10, 7).expect("small");
        assert_eq!(data_encoding::HEXLOWER.encode(&filter.to_bytes()), OWN.trim());
        let repeated = Bloom::new(keys.iter().chain(&keys).rev().copied(), 7, 10, 7);
        assert_eq!(repeated, Some(filter));
    }

    #[test]
    fn only_a_whole_filter_is_read() {
        let bytes = Bloom::new(["a", "b"], 1, 10, 3).expect("small").to_bytes();
        assert!(Bloom::from_bytes(&bytes).is_some());
        for at in 0..bytes.len() {
            assert!(Bloom::from_bytes(&bytes[..at]).is_none(), "cut at {at}");
        }
        assert!(Bloom::from_bytes(&[bytes.as_slice(), b"\0"].concat()).is_none());
        for (at, value) in [(0, b'X'), (4, 2), (5, 2), (6, 1), (12, 1), (16, 0), (18, 1)] {
            let mut altered = bytes.clone();
            altered[at] = value;
            assert!(Bloom::from_bytes(&altered).is_none(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_key_is_ever_missed(keys in proptest::collection::vec("[a-zé]{0,8}", 0..50), seed: u32, k in 1_u16..9) {
            let filter = Bloom::new(keys.iter().map(String::as_str), seed, 8, k).expect("small");
            prop_assert!(keys.iter().all(|key| filter.maybe(key)));
            prop_assert_eq!(Bloom::from_bytes(&filter.to_bytes()), Some(filter));
        }
    }
}
