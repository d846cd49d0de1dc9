//! What of the host a confined stage may read: the toolchain and the system's libraries, and nothing that
//! belongs to a user.
//!
//! These are in no stage key: only programs that a stage declares are. A record lists them as unpinned.

use std::fs;
use std::path::{Path, PathBuf};

use orgo_spec::pipeline::{Isolation, Network};

/// Folders and files that stages may read at `confined` and `hermetic`.
pub const ROOTS: [&str; 9] =
    ["/bin", "/etc/alternatives", "/etc/ld.so.cache", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"];

/// What a stage with `network "host"` may read besides: how names are found, and which authorities are trusted.
pub const NETWORK_ROOTS: [&str; 11] = [
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
];

/// Devices that stages may open.
pub const DEVICES: [&str; 5] = ["/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"];

/// What of the host a stage at this level can read besides what is in its key; nothing is said for
/// [`Isolation::Open`], where that is everything.
#[must_use]
pub fn unpinned(level: Isolation, network: Network) -> Vec<String> {
    let (roots, more): (&[&str], &[&str]) = match (level, network) {
        (Isolation::Open, _) => (&[], &[]),
        (Isolation::Confined | Isolation::Hermetic, Network::None) => (&ROOTS, &[]),
        (Isolation::Confined | Isolation::Hermetic, Network::Host) => (&ROOTS, &NETWORK_ROOTS),
    };
    roots.iter().chain(more).map(|root| (*root).to_owned()).collect()
}

/// Whether a file can be read by every stage.
#[must_use]
pub fn is_host_root(path: &Path) -> bool {
    ROOTS.iter().any(|root| path.starts_with(root))
}

/// The host roots that are there, for a stage that may use the network or not.
pub(super) fn present(network: bool) -> impl Iterator<Item = PathBuf> {
    let more = if network { NETWORK_ROOTS.as_slice() } else { &[] };
    ROOTS.iter().chain(more).map(PathBuf::from).filter(|p| p.exists())
}

/// Parts of `root` that together are all of it but `hidden`; `root` itself if that is elsewhere.
pub(super) fn without(root: &Path, hidden: &Path) -> Vec<PathBuf> {
    let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    if !hidden.starts_with(&real) {
        return vec![root.to_owned()];
    }
    if hidden == real {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(&real) else { return Vec::new() };
    entries.flatten().flat_map(|entry| without(&entry.path(), hidden)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_within_a_host_root_is_left_out_of_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = fs::canonicalize(folder.path()).expect("there");
        for name in ["lib", "src/app/.orgo", "src/other"] {
            fs::create_dir_all(root.join(name)).expect("made");
        }
        let mut left = without(&root, &root.join("src/app"));
        left.sort_unstable();
        assert_eq!(left, [root.join("lib"), root.join("src/other")]);
        assert_eq!(without(&root, Path::new("/elsewhere")), vec![root.clone()]);
        assert!(without(&root, &root).is_empty());
    }
}
