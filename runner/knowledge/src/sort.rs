//! External sorting: records of a key and a value, ordered by key bytes, then value bytes.
//!
//! The order is total, so the result does not depend on the order of insertion, on the budget or on how
//! many runs were made. Memory is bounded by the budget plus one record for each run.

use std::collections::BinaryHeap;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use crate::folder::{Spill, SpillFile};

/// Collects records, then yields them sorted.
pub(crate) struct Sorter<'s> {
    spill: &'s dyn Spill,
    bytes: Vec<u8>,
    records: Vec<Slot>,
    runs: Vec<Box<dyn SpillFile>>,
}

#[derive(Clone, Copy)]
struct Slot {
    start: usize,
    key: usize,
    value: usize,
}

/// A record: key and value.
pub(crate) type Record = (Vec<u8>, Vec<u8>);

impl<'s> Sorter<'s> {
    pub(crate) fn new(spill: &'s dyn Spill) -> Self {
        Self { spill, bytes: Vec::new(), records: Vec::new(), runs: Vec::new() }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// Passes on what the spill reports.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.records.push(Slot { start: self.bytes.len(), key: key.len(), value: value.len() });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        let held = self.bytes.len() + self.records.len() * size_of::<Slot>();
        if held > self.spill.budget() { self.run() } else { Ok(()) }
    }

    fn order(&mut self) {
        let bytes = &self.bytes;
        let parts = |slot: &Slot| {
            let (key, value) = (slot.start, slot.start + slot.key);
            (&bytes[key..value], &bytes[value..value + slot.value])
        };
        self.records.sort_unstable_by(|a, b| parts(a).cmp(&parts(b)));
    }

    /// Writes what is held as one sorted run.
    fn run(&mut self) -> io::Result<()> {
        self.order();
        let mut file = self.spill.file()?;
        let mut out = BufWriter::new(&mut file);
        for slot in &self.records {
            let length = |n: usize| u32::try_from(n).map_err(|_| io::Error::other("a record is larger than 4 GiB"));
            out.write_all(&length(slot.key)?.to_le_bytes())?;
            out.write_all(&length(slot.value)?.to_le_bytes())?;
            out.write_all(&self.bytes[slot.start..slot.start + slot.key + slot.value])?;
        }
        out.flush()?;
        drop(out);
        file.rewind()?;
        self.runs.push(file);
        self.bytes.clear();
        self.records.clear();
        Ok(())
    }

    /// Hands out all records in order.
    ///
    /// # Errors
    /// Passes on what the spill or the caller reports.
    pub(crate) fn each<E: From<io::Error>>(mut self, mut take: impl FnMut(Record) -> Result<(), E>) -> Result<(), E> {
        if self.runs.is_empty() {
            self.order();
            for slot in &self.records {
                let value = slot.start + slot.key;
                take((self.bytes[slot.start..value].to_vec(), self.bytes[value..value + slot.value].to_vec()))?;
            }
            return Ok(());
        }
        if !self.records.is_empty() {
            self.run()?;
        }
        let mut runs: Vec<_> = std::mem::take(&mut self.runs).into_iter().map(BufReader::new).collect();
        let mut heap = BinaryHeap::new();
        for (i, run) in runs.iter_mut().enumerate() {
            if let Some(record) = read(run)? {
                heap.push(std::cmp::Reverse((record, i)));
            }
        }
        while let Some(std::cmp::Reverse((record, i))) = heap.pop() {
            if let Some(next) = read(&mut runs[i])? {
                heap.push(std::cmp::Reverse((next, i)));
            }
            take(record)?;
        }
        Ok(())
    }

    /// Hands out records of equal key together.
    ///
    /// # Errors
    /// As [`Sorter::each`].
    pub(crate) fn groups<E: From<io::Error>>(
        self,
        mut take: impl FnMut(&[u8], Vec<Vec<u8>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut key: Option<Vec<u8>> = None;
        let mut values = Vec::new();
        self.each(|(k, value)| {
            if key.as_ref().is_some_and(|key| *key != k) {
                let done = key.take().unwrap_or_default();
                take(&done, std::mem::take(&mut values))?;
            }
            key = Some(k);
            values.push(value);
            Ok::<_, E>(())
        })?;
        match key {
            Some(key) => take(&key, values),
            None => Ok(()),
        }
    }
}

fn read(run: &mut impl Read) -> io::Result<Option<Record>> {
    let mut length = [0; 4];
    match run.read_exact(&mut length) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let mut key = vec![0; u32::from_le_bytes(length) as usize];
    run.read_exact(&mut length)?;
    let mut value = vec![0; u32::from_le_bytes(length) as usize];
    run.read_exact(&mut key)?;
    run.read_exact(&mut value)?;
    Ok(Some((key, value)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::folder::MemorySpill;

    fn sorted(records: &[Record], budget: usize) -> Vec<Record> {
        let spill = MemorySpill { budget };
        let mut sorter = Sorter::new(&spill);
        for (key, value) in records {
            sorter.push(key, value).expect("memory");
        }
        let mut out = Vec::new();
        sorter
            .each(|record| {
                out.push(record);
                Ok::<_, io::Error>(())
            })
            .expect("memory");
        out
    }

    proptest! {
        #[test]
        fn order_does_not_depend_on_insertion_or_budget(
            records in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..5), proptest::collection::vec(any::<u8>(), 0..5)), 0..60),
            budget in 1_usize..500,
        ) {
            let mut expected = records.clone();
            expected.sort();
            let mut shuffled = records.clone();
            shuffled.reverse();
            prop_assert_eq!(&sorted(&records, budget), &expected);
            prop_assert_eq!(&sorted(&shuffled, usize::MAX), &expected);
        }
    }

    #[test]
    fn groups_hold_all_values_of_a_key() {
        let spill = MemorySpill { budget: 1 };
        let mut sorter = Sorter::new(&spill);
        for (key, value) in [("b", "2"), ("a", "1"), ("b", "1"), ("", "0")] {
            sorter.push(key.as_bytes(), value.as_bytes()).expect("memory");
        }
        let mut out = Vec::new();
        sorter
            .groups(|key, values| {
                out.push((key.to_vec(), values.len()));
                Ok::<_, io::Error>(())
            })
            .expect("memory");
        assert_eq!(out, [(b"".to_vec(), 1), (b"a".to_vec(), 1), (b"b".to_vec(), 2)]);
    }
}
