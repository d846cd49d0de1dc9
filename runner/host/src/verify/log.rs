//! The Merkle log, recomputed leaf by leaf along the commits.
//!
//! Signatures and shapes are judged commit by commit, in parallel; roots, edges and tiles are compared in order
//! with the tree that grows from the records themselves.

use orgo_spec::log::{CheckpointError, Edge, NoteKey, SignedCheckpoint, Tile, tile_bytes};
use orgo_spec::signature::PublicKey;
use orgo_spec::{Digest, ReasonCode};

use super::judgement::Judgement;
use super::report::Finding;
use crate::git::ObjectId;
use crate::ledger::{LedgerError, Moment, Trust, layout};

/// The largest file of the log.
const MAX_FILE: usize = 192 * 1024;

/// What one commit does to the log.
pub(super) struct LogFacts {
    pub(super) commit: ObjectId,
    /// Number and leaf hash of each record that could be read.
    pub(super) leaves: Vec<(u64, Digest)>,
    /// Size and root that the checkpoint signs.
    pub(super) signed: Option<(u64, Digest)>,
    pub(super) edge: Option<Edge>,
    pub(super) tiles: Vec<(Tile, Vec<u8>)>,
}

impl Default for LogFacts {
    fn default() -> Self {
        Self { commit: ObjectId::ZERO_SHA1, leaves: Vec::new(), signed: None, edge: None, tiles: Vec::new() }
    }
}

impl Judgement<'_> {
    /// Reads what the commit says of the log, and verifies who signed it.
    pub(super) fn log(
        &mut self,
        trust: &Trust,
        at: Moment<'_>,
        origin: &str,
        facts: &mut LogFacts,
        signers: &mut Vec<(u64, PublicKey)>,
    ) -> Result<(), LedgerError> {
        let damaged = |code, message: String, path: &str| Finding::invalid(code, message).at_path(path);
        for (path, id) in [(layout::CHECKPOINT, self.step.checkpoint), (layout::EDGE, self.step.edge)] {
            if id.is_none() {
                self.push(damaged(ReasonCode::LogInconsistent, "the commit leaves the log as it was".to_owned(), path));
            }
        }
        if let Some(id) = self.step.checkpoint
            && let Some(note) = self.blob(id, MAX_FILE, layout::CHECKPOINT)?
        {
            let keys = trust.log_keys(origin);
            let signed = SignedCheckpoint::parse(&note).map_err(CheckpointError::from);
            match signed.and_then(|signed| signed.verify_signers(&keys)) {
                Ok((checkpoint, signed_by)) => {
                    self.counts.signatures += 1;
                    facts.signed = Some((checkpoint.size(), *checkpoint.root()));
                    let last = self.step.records.keys().next_back().copied().unwrap_or_default();
                    for key in keys.iter().filter(|key| signed_by.contains(key)).map(NoteKey::key) {
                        signers.push((last, *key));
                        if let Err((code, message)) = trust.may_sign(key, None, at) {
                            self.push(Finding::invalid(code, format!("the checkpoint: {message}")));
                        }
                    }
                }
                Err(error) => self.push(damaged(error.code(), error.to_string(), layout::CHECKPOINT)),
            }
        }
        if let Some(id) = self.step.edge
            && let Some(text) = self.blob(id, MAX_FILE, layout::EDGE)?
        {
            match Edge::parse(&text) {
                Ok(edge) => facts.edge = Some(edge),
                Err(error) => self.push(damaged(error.code(), error.to_string(), layout::EDGE)),
            }
        }
        for (tile, id) in &self.step.tiles {
            if let Some(bytes) = self.blob(*id, MAX_FILE, &layout::tile_path(tile))? {
                facts.tiles.push((*tile, bytes));
            }
        }
        Ok(())
    }
}

/// The log as it grows along the commits.
pub(super) struct LogWalk {
    edge: Edge,
    /// The tile that is being filled, level by level. None where the walk began in the middle of a tile.
    filling: Vec<Option<Vec<Digest>>>,
    /// False once a leaf could not be read: from there on nothing can be compared.
    whole: bool,
}

impl LogWalk {
    /// A walk that begins after `edge`; `begun` gives the tiles that are being filled there.
    ///
    /// Where it cannot, the first tile of that level is not compared.
    pub(super) fn after(edge: Edge, mut begun: impl FnMut(Tile) -> Option<Vec<Digest>>) -> Self {
        let levels = (0..8u8).map(|level| {
            let below = edge.size() / 256u64.saturating_pow(level.into());
            if below.is_multiple_of(256) {
                return Some(Vec::new());
            }
            Tile::new(level, below / 256, u16::try_from(below % 256).ok()?).and_then(&mut begun)
        });
        Self { filling: levels.collect(), edge, whole: true }
    }

    /// How many leaves there are.
    pub(super) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root that the records make.
    pub(super) fn root(&self) -> Option<Digest> {
        self.whole.then(|| self.edge.root())
    }

    /// Takes in one commit; what its log says otherwise than its records is a finding.
    pub(super) fn step(&mut self, facts: &LogFacts, added: usize, findings: &mut Vec<Finding>) {
        let mut due: Vec<(Tile, Vec<u8>)> = Vec::new();
        let in_order = facts.leaves.iter().zip(self.edge.size()..).all(|((number, _), due)| *number == due);
        if facts.leaves.len() != added || !in_order {
            self.whole = false; // it was found out why, record by record
        }
        if !self.whole {
            return;
        }
        for (_, leaf) in &facts.leaves {
            self.push(*leaf, &mut due);
        }
        let invalid =
            |code, message: String, path: String| Finding::invalid(code, message).at_commit(facts.commit).at_path(path);
        let (size, root) = (self.edge.size(), self.edge.root());
        if let Some((said, signed)) = facts.signed
            && (said, signed) != (size, root)
        {
            let message =
                format!("the checkpoint signs {said} leaves and the root {signed}; the records make {size} and {root}");
            findings.push(invalid(ReasonCode::LogInconsistent, message, layout::CHECKPOINT.to_owned()));
        }
        if facts.edge.as_ref().is_some_and(|edge| *edge != self.edge) {
            let message = "the edge is not that of the records".to_owned();
            findings.push(invalid(ReasonCode::LogInconsistent, message, layout::EDGE.to_owned()));
        }
        for (tile, bytes) in &facts.tiles {
            match due.iter().position(|(t, _)| t == tile) {
                Some(at) if due[at].1 == *bytes || due[at].1.is_empty() => drop(due.swap_remove(at)),
                Some(at) => {
                    let message = "the tile is not that of the records".to_owned();
                    findings.push(invalid(ReasonCode::LogInconsistent, message, layout::tile_path(tile)));
                    due.swap_remove(at);
                }
                None => {
                    let message = "the tile did not become full with this commit".to_owned();
                    findings.push(invalid(ReasonCode::LogInconsistent, message, layout::tile_path(tile)));
                }
            }
        }
        for (tile, _) in due {
            let message = "the tile became full and is not there".to_owned();
            findings.push(invalid(ReasonCode::RecordMissing, message, layout::tile_path(&tile)));
        }
    }

    /// Adds a leaf; tiles that become full are due, without bytes where they cannot be compared.
    pub(super) fn push(&mut self, leaf: Digest, due: &mut Vec<(Tile, Vec<u8>)>) {
        let mut carried = Some(leaf);
        self.edge.push(leaf);
        let size = self.edge.size();
        for level in 0..self.filling.len() {
            let width = 256u64.saturating_pow(u32::try_from(level).unwrap_or(u32::MAX) + 1);
            let filling = &mut self.filling[level];
            if let (Some(hashes), Some(hash)) = (filling.as_mut(), carried) {
                hashes.push(hash);
            }
            if !size.is_multiple_of(width) {
                return;
            }
            let full = filling.replace(Vec::new()).filter(|hashes| hashes.len() == 256);
            let tile = u8::try_from(level).ok().and_then(|level| Tile::new(level, size / width - 1, 256));
            let Some(tile) = tile else { return };
            carried = full.as_deref().map(|hashes| {
                let mut tree = Edge::new();
                hashes.iter().for_each(|hash| tree.push(*hash));
                tree.root()
            });
            due.push((tile, full.map(|hashes| tile_bytes(&hashes)).unwrap_or_default()));
            // A level above can be compared only if every tile below it was.
            if carried.is_none()
                && let Some(above) = self.filling.get_mut(level + 1)
            {
                *above = None;
            }
        }
    }
}
