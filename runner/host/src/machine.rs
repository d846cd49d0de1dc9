//! What the machine says of itself.

/// The machine's name.
#[must_use]
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What programs of this machine are made for: `x86_64-linux`.
#[must_use]
pub fn platform() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// A digest that names a folder on this machine: the same folder, the same digest, as long as the system is installed.
#[must_use]
pub fn place(folder: &std::path::Path) -> orgo_spec::Digest {
    // Without an id of the machine its name has to do.
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_else(|_| name());
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    orgo_spec::Digest::of(format!("{}\n{}", machine.trim(), folder.display()).as_bytes())
}

/// How much memory there is for this process and what it starts, in bytes: the machine's, or less if its control
/// group has a limit. `None` if the system does not say.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let total = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|l| l.trim().parse().ok());
    Some(limit.map_or(total, |limit: u64| limit.min(total)))
}
