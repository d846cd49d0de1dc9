//! CSV with exact byte positions (RFC 4180, strict): every cell knows which bytes it is.

use std::io::{self, BufRead};

/// Largest record: 16 MiB.
const MAX_RECORD: usize = 16 << 20;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Line that it begins on, from 1.
    pub(crate) line: u64,
    /// Its cells.
    pub(crate) cells: Vec<Cell>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// First byte in the file, quotes included.
    pub(crate) start: u64,
    /// First byte after it.
    pub(crate) end: u64,
    /// Bytes as they stand in the file.
    pub(crate) raw: Vec<u8>,
    /// What it says.
    pub(crate) text: String,
}

/// Why a text is not CSV.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CsvError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("line {line}: {what}")]
    Malformed { line: u64, what: &'static str },
}

/// Reads records one after the other.
pub(crate) struct Records<R> {
    input: R,
    offset: u64,
    line: u64,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, offset: 0, line: 1 }
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// [`CsvError`] with the line that the record begins on.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, CsvError> {
        let line = self.line;
        let malformed = |what| CsvError::Malformed { line, what };
        let mut bytes = Vec::new();
        loop {
            let read = self.input.read_until(b'\n', &mut bytes)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            if bytes.len() > MAX_RECORD {
                return Err(malformed("the record is larger than 16 MiB"));
            }
            if line == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
                return Err(malformed("the file begins with a byte order mark; save it without"));
            }
            match split(&bytes) {
                Ok(ranges) => {
                    let record = self.record(line, &bytes, &ranges);
                    self.line += bytes.iter().filter(|b| **b == b'\n').count() as u64;
                    self.offset += bytes.len() as u64;
                    return record.map(Some).ok_or_else(|| malformed("a cell is not UTF-8"));
                }
                Err(Unsplit::Open) if read > 0 => {}
                Err(Unsplit::Open) => return Err(malformed("a quote is not closed")),
                Err(Unsplit::Stray) => return Err(malformed("a quote stands inside an unquoted cell")),
                Err(Unsplit::Trailing) => return Err(malformed("text follows a closing quote")),
            }
        }
    }

    fn record(&self, line: u64, bytes: &[u8], ranges: &[(usize, usize)]) -> Option<Record> {
        let cell = |(start, end): &(usize, usize)| {
            let raw = &bytes[*start..*end];
            let at = |n: &usize| self.offset + *n as u64;
            Some(Cell { start: at(start), end: at(end), raw: raw.to_vec(), text: decode(raw)? })
        };
        Some(Record { line, cells: ranges.iter().map(cell).collect::<Option<_>>()? })
    }
}

/// What the bytes of one cell say, quotes undone; `None` if they are not one well-formed cell.
pub(crate) fn decode(raw: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(raw).ok()?;
    let Some(inner) = text.strip_prefix('"') else {
        return (!text.contains(['"', ',', '\n'])).then(|| text.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let plain = inner.replace("\"\"", "");
    (!plain.contains('"')).then(|| inner.replace("\"\"", "\""))
}

enum Unsplit {
    Open,
    Stray,
    Trailing,
}

/// The ranges of the cells of one record with its line end.
fn split(bytes: &[u8]) -> Result<Vec<(usize, usize)>, Unsplit> {
    let body = bytes.strip_suffix(b"\n").map_or(bytes, |b| b.strip_suffix(b"\r").unwrap_or(b));
    let mut ranges = Vec::new();
    let mut at = 0;
    loop {
        let start = at;
        if body.get(at) == Some(&b'"') {
            at += 1;
            loop {
                match (bytes.get(at), bytes.get(at + 1)) {
                    (Some(b'"'), Some(b'"')) => at += 2,
                    (Some(b'"'), _) => break,
                    (Some(_), _) => at += 1,
                    (None, _) => return Err(Unsplit::Open),
                }
            }
            at += 1;
            if at < body.len() && body[at] != b',' {
                return Err(Unsplit::Trailing);
            }
        } else {
            while at < body.len() && body[at] != b',' {
                if body[at] == b'"' {
                    return Err(Unsplit::Stray);
                }
                at += 1;
            }
        }
        ranges.push((start, at));
        if at >= body.len() {
            return Ok(ranges);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<Record>, String> {
        let mut records = Records::new(bytes);
        let mut out = Vec::new();
        while let Some(record) = records.next().map_err(|e| e.to_string())? {
            out.push(record);
        }
        Ok(out)
    }

    #[test]
    fn cells_know_their_bytes() {
        let text = "a,b\r\n1,\"x, \"\"y\"\"\nz\"\n,\n";
        let records = all(text.as_bytes()).expect("well formed");
        let texts: Vec<Vec<_>> = records.iter().map(|r| r.cells.iter().map(|c| c.text.as_str()).collect()).collect();
        assert_eq!(texts, [vec!["a", "b"], vec!["1", "x, \"y\"\nz"], vec!["", ""]]);
        assert_eq!(records.iter().map(|r| r.line).collect::<Vec<_>>(), [1, 2, 4]);
        for cell in records.iter().flat_map(|r| &r.cells) {
            let range = usize::try_from(cell.start).expect("small")..usize::try_from(cell.end).expect("small");
            assert_eq!(&text.as_bytes()[range], cell.raw, "{cell:?}");
            assert_eq!(decode(&cell.raw).as_deref(), Some(cell.text.as_str()));
        }
    }

    #[test]
    fn what_readers_would_guess_at_is_refused() {
        for (text, what) in [
            ("a\"b,c\n", "inside an unquoted cell"),
            ("\"a\"b,c\n", "follows a closing quote"),
            ("a,\"b\n", "not closed"),
            ("\u{feff}a\n", "byte order mark"),
        ] {
            assert!(all(text.as_bytes()).expect_err(text).contains(what), "{text}");
        }
        assert!(all(b"a,\xff\n").is_err());
    }

    proptest! {
        #[test]
        fn reads_what_the_csv_crate_writes(rows in proptest::collection::vec(
            proptest::collection::vec("[ a\",\n;é]{0,6}", 2..5), 1..8)) {
            let width = rows[0].len();
            let rows: Vec<Vec<String>> = rows.into_iter().map(|mut r| { r.resize(width, String::new()); r }).collect();
            let mut writer = csv::Writer::from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).expect("memory");
            }
            let bytes = writer.into_inner().expect("memory");
            let read = all(&bytes).expect("well formed");
            let texts: Vec<Vec<String>> =
                read.iter().map(|r| r.cells.iter().map(|c| c.text.clone()).collect()).collect();
            prop_assert_eq!(texts, rows);
            for cell in read.iter().flat_map(|r| &r.cells) {
                let range = usize::try_from(cell.start).expect("small")..usize::try_from(cell.end).expect("small");
                prop_assert_eq!(&bytes[range], cell.raw.as_slice());
            }
        }
    }
}
