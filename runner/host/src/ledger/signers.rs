//! The lists that stock tools read, generated from the trust in force.
//!
//! `trust/allowed_signers` is for `git verify-commit` and `ssh-keygen -Y verify`; its first line names the record
//! that changed the trust last, so that the trust in force is found without a walk. `trust/revoked_keys` is
//! for `ssh-keygen -Y verify -r` and git's `gpg.ssh.revocationFile`.

use orgo_spec::Digest;

use super::trust::Trust;

/// How `trust/allowed_signers` begins.
const HEAD: &str = "# generated from record ";
/// How each line begins that names a record which changed the trust.
const STEP: &str = "# record ";

impl Trust {
    /// The bytes of `trust/allowed_signers`.
    #[must_use]
    pub fn allowed_signers(&self) -> Vec<u8> {
        let (under, declared) = self.declared();
        let mut text = format!("{HEAD}{} {} under record {under} {declared}\n", self.number(), self.id());
        for (number, id) in self.history() {
            text.push_str(&format!("{STEP}{number} {id}\n"));
        }
        for trusted in &self.facts().keys.git {
            text.push_str(&format!("{} namespaces=\"git\"", self.principal()));
            for (option, moment) in [("valid-after", &trusted.not_before), ("valid-before", &trusted.not_after)] {
                if let Some(moment) = moment {
                    text.push_str(&format!(",{option}=\"{}\"", compact(moment)));
                }
            }
            text.push_str(&format!(" {}\n", trusted.key));
        }
        text.into_bytes()
    }

    /// The bytes of `trust/revoked_keys`; none if no key was revoked.
    #[must_use]
    pub fn revoked_keys(&self) -> Option<Vec<u8>> {
        let revoked = &self.facts().revoked;
        let text: String = revoked.iter().map(|r| format!("{}\n", r.key)).collect();
        (!revoked.is_empty()).then(|| text.into_bytes())
    }

    /// The records that an `allowed_signers` file says the trust in force comes from.
    pub(crate) fn named_in(allowed_signers: &[u8]) -> Option<Named> {
        let text = std::str::from_utf8(allowed_signers).ok()?;
        let history = text.lines().filter_map(|line| {
            let (number, id) = line.strip_prefix(STEP)?.split_once(' ')?;
            Some((number.parse().ok()?, id.parse().ok()?))
        });
        let history = history.collect();
        let words: Vec<&str> = text.lines().next()?.strip_prefix(HEAD)?.split(' ').collect();
        let [number, id, "under", "record", under, declared] = words.as_slice() else { return None };
        let record = |number: &str, id: &str| Some((number.parse().ok()?, id.parse().ok()?));
        Some(Named { changed: record(number, id)?, declared: record(under, declared)?, history })
    }
}

/// The records that the trust in force comes from: number and id.
pub(crate) struct Named {
    /// The one that changed it last.
    pub(crate) changed: (u64, Digest),
    /// The trust record that it rests on.
    pub(crate) declared: (u64, Digest),
    /// All that ever changed it, oldest first.
    pub(crate) history: Vec<(u64, Digest)>,
}

/// A moment as OpenSSH writes it: `20260131235959Z`.
fn compact(moment: &str) -> String {
    moment.chars().filter(|c| c.is_ascii_digit() || *c == 'Z').collect()
}
