//! The hashes of the tree (RFC 6962, 2.1) and its right edge.

use super::{Malformed, decode, encode, number};
use crate::{Digest, Hasher};

/// The hash of an entry: SHA-256 of a zero byte and its bytes (RFC 6962, 2.1).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[0]);
    hasher.update(data);
    hasher.finish()
}

/// The hash of an inner node: SHA-256 of a byte 1 and both children (RFC 6962, 2.1).
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[1]);
    hasher.update(left.as_bytes());
    hasher.update(right.as_bytes());
    hasher.finish()
}

/// The root of the tree with these leaf hashes; of none, the digest of nothing.
#[must_use]
pub fn root_of(leaves: impl IntoIterator<Item = Digest>) -> Digest {
    let mut edge = Edge::new();
    leaves.into_iter().for_each(|leaf| edge.push(leaf));
    edge.root()
}

/// Joins the peaks of a tree, largest first, to its root.
pub(super) fn join(peaks: &[Digest]) -> Digest {
    peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or(Digest::EMPTY)
}

/// The right edge of a tree: the roots of the perfect subtrees that it consists of, largest first.
///
/// It is all that appending needs: one hash for each bit that is set in the size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    peaks: Vec<Digest>,
}

impl Edge {
    /// The edge of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a tree of `size` leaves out of its peaks, largest first.
    ///
    /// # Errors
    /// [`Malformed`] if `size` is above [`super::MAX_SIZE`] or has another number of peaks.
    pub fn from_peaks(size: u64, peaks: Vec<Digest>) -> Result<Self, Malformed> {
        if size > super::MAX_SIZE {
            return Err(Malformed::new("edge", "the size is beyond 2^53-1"));
        }
        if peaks.len() != size.count_ones() as usize {
            return Err(Malformed::new("edge", "the number of hashes is not the one of the size"));
        }
        Ok(Self { size, peaks })
    }

    /// Appends a leaf, given as [`leaf_hash`] of its entry.
    pub fn push(&mut self, leaf: Digest) {
        // Each bit that the size carries over joins two subtrees of one height.
        let kept = self.peaks.len().saturating_sub(self.size.trailing_ones() as usize);
        let node = self.peaks.drain(kept..).rev().fold(leaf, |right, left| node_hash(&left, &right));
        self.peaks.push(node);
        self.size += 1;
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        join(&self.peaks)
    }

    /// The roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// The text of the edge file: the size in decimal, then the peaks in base64, each a line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.size);
        for peak in &self.peaks {
            text.push_str(&encode(peak));
            text.push('\n');
        }
        text
    }

    /// Reads an edge file.
    ///
    /// # Errors
    /// [`Malformed`] for every text that [`Edge::to_text`] would not write.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let wrong = |why| Malformed::new("edge", why);
        // 53 peaks at most: 45 bytes each, and the size.
        if text.len() > 4096 {
            return Err(wrong("it is too long"));
        }
        let text = std::str::from_utf8(text).map_err(|_| wrong("it is not text"))?;
        let mut lines = text.strip_suffix('\n').ok_or(wrong("it has no final line feed"))?.split('\n');
        let size = lines.next().and_then(number).ok_or(wrong("the first line is not the size"))?;
        let peaks: Option<Vec<_>> = lines.map(decode).collect();
        Self::from_peaks(size, peaks.ok_or(wrong("a line is not a hash in base64"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(size: u8) -> Edge {
        let mut edge = Edge::new();
        (0..size).for_each(|i| edge.push(leaf_hash(&[i])));
        edge
    }

    #[test]
    fn an_edge_reads_back_and_goes_on_where_it_stopped() {
        for size in 0..70 {
            let text = edge(size).to_text();
            let mut read = Edge::parse(text.as_bytes()).expect("our own text");
            assert_eq!(read, edge(size));
            assert_eq!(text.lines().count(), 1 + u32::from(size).count_ones() as usize);
            read.push(leaf_hash(&[size]));
            assert_eq!(read, edge(size + 1));
        }
        assert_eq!(Edge::new().to_text(), "0\n");
        assert_eq!(Edge::new().root(), Digest::EMPTY);
    }

    #[test]
    fn one_edge_has_one_text() {
        let text = edge(7).to_text();
        let last = text.len() - 45;
        for refused in [
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!("\n{text}"),
            text.replacen('7', "07", 1),
            text.replacen('7', "+7", 1),
            text.replacen('7', "6", 1),
            text.replacen('7', "15", 1),
            text.replace('\n', "\r\n"),
            text.replace('=', ""),
            text[..last].to_owned(),
            format!("{text}{}", &text[last..]),
            text.replacen("7\n", "7 \n", 1),
            "9007199254740992\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".to_owned(),
            "1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n".to_owned(),
            String::new(),
            "\n".to_owned(),
        ] {
            assert_eq!(
                Edge::parse(refused.as_bytes()).map_err(|e| e.code()),
                Err(crate::ReasonCode::LogMalformed),
                "{refused}"
            );
        }
        assert!(Edge::parse(b"\xff\n").is_err());
    }
}
