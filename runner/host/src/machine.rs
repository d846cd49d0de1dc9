//! What the machine says of itself.

/// The machine's name.
#[must_use]
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A digest that names a folder on this machine: the same folder, the same digest, as long as the system is installed.
#[must_use]
pub fn place(folder: &std::path::Path) -> orgo_spec::Digest {
    // Without an id of the machine its name has to do.
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_else(|_| name());
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    orgo_spec::Digest::of(format!("{}\n{}", machine.trim(), folder.display()).as_bytes())
}
