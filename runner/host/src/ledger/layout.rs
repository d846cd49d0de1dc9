//! Where things lie in a ledger's tree (design 7). Every path of the format is made or read here.

use orgo_spec::approval::ApprovalAction;
use orgo_spec::log::Tile;
use orgo_spec::signature::KeyId;
use orgo_spec::{Digest, Name};

/// The generated list of keys that stock git verifies commits with.
pub(crate) const ALLOWED_SIGNERS: &str = "trust/allowed_signers";
/// The generated list of keys that stock tools refuse.
pub(crate) const REVOKED_KEYS: &str = "trust/revoked_keys";
/// The signed size and root of the log.
pub(crate) const CHECKPOINT: &str = "log/checkpoint";
/// The right edge of the log's tree.
pub(crate) const EDGE: &str = "log/edge";
/// What is read of every newest state, besides the names of its records.
pub(crate) const PRESENT: [&str; 5] =
    [ALLOWED_SIGNERS, CHECKPOINT, EDGE, "records/0/0/0.trust.json", "records/0/0/0.trust.dsse"];

/// The folder of what shows sealed epochs.
pub(crate) const EPOCHS: &str = "epochs";

/// What a file under `records/` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The signed bytes.
    Statement,
    /// Their envelope.
    Envelope,
}

impl Part {
    fn suffix(self) -> &'static str {
        match self {
            Self::Statement => "json",
            Self::Envelope => "dsse",
        }
    }
}

/// What a path of a ledger's tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Record {
        number: u64,
        kind: Name,
        part: Part,
    },
    Evidence(Digest),
    Latest,
    AllowedSigners,
    RevokedKeys,
    Checkpoint,
    Edge,
    Tile(Tile),
    /// A run that has not ended, by its id.
    Open(String),
    /// A hold in force, by what it covers.
    Hold(Name),
    /// An active mandate.
    Mandate(Name),
    /// An override that was used.
    Override,
    /// A sealed epoch, by the number of the first record after it.
    Epoch,
}

/// The folder of record `number`: 256 records a folder, 256 folders a folder.
pub(crate) fn record_folder(number: u64) -> String {
    format!("records/{}/{}", number / 65536, number / 256 % 256)
}

/// The file of a part of record `number`.
pub(crate) fn record_path(number: u64, kind: &Name, part: Part) -> String {
    format!("{}/{}.{kind}.{}", record_folder(number), number % 256, part.suffix())
}

/// The file of a piece of evidence. Two levels, so that a million pieces stand 16 to a folder.
pub(crate) fn evidence_path(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("evidence/{}/{}/{hex}", &hex[..2], &hex[2..4])
}

/// The file that always shows the newest record of a pipeline and a reference.
///
/// A branch goes by its short name, other references by their full name; what is not a letter, a digit,
/// `.`, `_` or `-` is percent-encoded, so that no reference can stand in the way of another as a folder.
pub(crate) fn latest_path(pipeline: &Name, reference: &str) -> String {
    let short = reference.strip_prefix("refs/heads/").filter(|r| !r.starts_with("refs/")).unwrap_or(reference);
    let file = encoded(short);
    format!("latest/{pipeline}/{file}.json")
}

/// A name as a file name: every byte but letters, digits, `.`, `_` and `-` is written `%XX`.
pub(crate) fn encoded(name: &str) -> String {
    let mut file = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') {
            file.push(char::from(byte));
        } else {
            file.push_str(&format!("%{byte:02X}"));
        }
    }
    file
}

/// The file of a full tile of the log.
pub(crate) fn tile_path(tile: &Tile) -> String {
    format!("log/{}", tile.path())
}

/// The file that shows a run that has not ended.
pub(crate) fn open_path(build_id: &str) -> String {
    format!("open/{build_id}.json")
}

/// The file that shows a hold in force.
pub(crate) fn hold_path(object: &Name) -> String {
    format!("holds/{object}.json")
}

/// The file that shows the sealing of the epoch that ends before record `end`.
pub(crate) fn epoch_path(end: u64) -> String {
    format!("{EPOCHS}/{end}.json")
}

/// The file that shows an active mandate.
pub(crate) fn mandate_path(name: &Name) -> String {
    format!("mandates/{name}.json")
}

/// The file that shows which run used the override of that id.
pub(crate) fn override_path(id: &Digest) -> String {
    format!("overrides/{}.json", id.hex())
}

/// The folder of what people signed about a subject.
pub(crate) fn approval_folder(subject: &Digest) -> String {
    format!("approvals/{}", subject.hex())
}

/// The file that shows what the key with that id said last about a subject, for each thing that one can say.
pub(crate) fn approval_path(subject: &Digest, key: &KeyId, action: ApprovalAction) -> String {
    let word = match action {
        ApprovalAction::Approve => "approve",
        ApprovalAction::Withdraw => "withdraw",
    };
    format!("{}/{key}.{word}.json", approval_folder(subject))
}

/// Reads a file name of the form `<n mod 256>.<kind>.<part>`.
pub(crate) fn record_file(name: &str) -> Option<(u64, Name, Part)> {
    let (number, rest) = name.split_once('.')?;
    let (kind, suffix) = rest.rsplit_once('.')?;
    let part = [Part::Statement, Part::Envelope].into_iter().find(|p| p.suffix() == suffix)?;
    Some((decimal(number, 256)?, kind_of(kind)?, part))
}

/// A number as this format spells it: decimal, no leading zero, below `limit`.
pub(crate) fn decimal(text: &str, limit: u64) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number < limit && number.to_string() == text).then_some(number)
}

/// A record's kind: a name without dots.
pub(crate) fn kind_of(text: &str) -> Option<Name> {
    Name::new(text).ok().filter(|_| !text.contains('.'))
}

/// The highest first number of a folder that the format allows: 2^32 folders hold 2^48 records.
pub(crate) const MAX_FOLDERS: u64 = 1 << 32;

/// Reads a path of the tree; `None` for a path that the format does not know.
pub(crate) fn place(path: &str) -> Option<Place> {
    match path {
        ALLOWED_SIGNERS => return Some(Place::AllowedSigners),
        REVOKED_KEYS => return Some(Place::RevokedKeys),
        CHECKPOINT => return Some(Place::Checkpoint),
        EDGE => return Some(Place::Edge),
        _ => {}
    }
    if let Some(tile) = path.strip_prefix("log/").filter(|p| p.starts_with("tile/")) {
        return tile.parse().ok().filter(Tile::is_full).map(Place::Tile);
    }
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["records", high, low, file] => {
            let (n, kind, part) = record_file(file)?;
            let number = (decimal(high, MAX_FOLDERS)? * 256 + decimal(low, 256)?) * 256 + n;
            Some(Place::Record { number, kind, part })
        }
        ["evidence", first, second, hex] => {
            let digest = Digest::from_hex(hex).ok()?;
            (evidence_path(&digest) == format!("evidence/{first}/{second}/{hex}")).then_some(Place::Evidence(digest))
        }
        ["open", file] => file.strip_suffix(".json").map(|id| Place::Open(id.to_owned())),
        ["holds", file] => Some(Place::Hold(Name::new(file.strip_suffix(".json")?).ok()?)),
        ["mandates", file] => Some(Place::Mandate(Name::new(file.strip_suffix(".json")?).ok()?)),
        ["overrides", file] => Digest::from_hex(file.strip_suffix(".json")?).ok().map(|_| Place::Override),
        [EPOCHS, file] => decimal(file.strip_suffix(".json")?, u64::MAX).map(|_| Place::Epoch),
        ["approvals", subject, file] => {
            Digest::from_hex(subject).ok()?;
            let (key, word) = file.strip_suffix(".json")?.split_once('.')?;
            Digest::from_hex(key).ok()?;
            matches!(word, "approve" | "withdraw").then_some(Place::Latest)
        }
        ["latest", pipeline, file] => {
            Name::new(pipeline).ok()?;
            file.ends_with(".json").then_some(Place::Latest)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("the test's own name")
    }

    #[test]
    fn a_record_has_one_path() {
        for (number, path) in [
            (0, "records/0/0/0.build.json"),
            (255, "records/0/0/255.build.json"),
            (256, "records/0/1/0.build.json"),
            (65535, "records/0/255/255.build.json"),
            (65536, "records/1/0/0.build.json"),
            (16_777_216, "records/256/0/0.build.json"),
        ] {
            assert_eq!(record_path(number, &name("build"), Part::Statement), path);
            assert_eq!(place(path), Some(Place::Record { number, kind: name("build"), part: Part::Statement }));
        }
        for path in [
            "records/0/0/256.build.json",
            "records/0/256/0.build.json",
            "records/00/0/0.build.json",
            "records/0/0/+1.build.json",
            "records/0/0/0.build.txt",
            "records/0/0/0.build.x.json",
            "records/0/0/0.json",
            "records/0/0.build.json",
            "evidence/aa/bb/xyz",
            "evidence/0000000000000000000000000000000000000000000000000000000000000000",
            "trust/other",
            "README",
        ] {
            assert_eq!(place(path), None, "{path}");
        }
    }

    #[test]
    fn no_reference_stands_in_the_way_of_another() {
        let path = |reference| latest_path(&name("ci"), reference);
        assert_eq!(path("refs/heads/main"), "latest/ci/main.json");
        assert_eq!(path("refs/heads/feature/x"), "latest/ci/feature%2Fx.json");
        assert_eq!(path("refs/heads/main.json/x"), "latest/ci/main.json%2Fx.json");
        assert_ne!(path("refs/heads/refs/tags/v1"), path("refs/tags/v1"));
        assert_ne!(path("refs/heads/a%2Fb"), path("refs/heads/a/b"));
    }
}
