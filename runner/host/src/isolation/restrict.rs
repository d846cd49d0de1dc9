//! What one thread gives up for good, and with it every process that it starts.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
};

use super::order::Order;
use super::{DEVICES, FOLDER, roots, syscalls};

/// The rules that have to be enforceable: everything about contents and names of files (Linux 6.2).
const NEEDED: ABI = ABI::V3;
/// Rules that are used where the kernel has them: devices, signals, sockets without a path (Linux 6.12).
const WANTED: ABI = ABI::V6;

/// What the superuser keeps at `confined`: what ordinary programs do to files that are theirs anyway.
const KEPT: CapabilitySet =
    CapabilitySet::CHOWN.union(CapabilitySet::DAC_OVERRIDE).union(CapabilitySet::FOWNER).union(CapabilitySet::FSETID);

/// Restricts the calling thread for good.
///
/// # Errors
/// What this kernel cannot enforce.
pub(super) fn restrict(order: &Order) -> Result<(), String> {
    drop_capabilities(if order.hermetic { CapabilitySet::empty() } else { KEPT })
        .map_err(|e| format!("privileges could not be given up ({e})"))?;
    set_no_new_privs(true).map_err(|e| format!("the kernel refuses no_new_privs ({e})"))?;
    files(order).map_err(|e| format!("Landlock cannot be used; ABI 3 is needed, which Linux has from 6.2 on ({e})"))?;
    syscalls::refuse(order.hermetic, order.network).map_err(|e| format!("seccomp filters cannot be used ({e})"))
}

/// Gives up all capabilities but `kept`.
pub(super) fn drop_capabilities(kept: CapabilitySet) -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let now = capabilities(None)?;
    let sets = CapabilitySets {
        effective: now.effective.intersection(kept),
        permitted: now.permitted.intersection(kept),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)
}

fn files(order: &Order) -> Result<(), RulesetError> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(NEEDED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let write = AccessFs::from_all(WANTED) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let (readable, writable): (Vec<PathBuf>, Vec<PathBuf>) = if order.hermetic {
        (vec!["/".into()], vec![FOLDER.into(), "/tmp".into(), "/dev/shm".into()])
    } else {
        let hidden = |root: PathBuf| roots::without(&root, &order.hidden);
        let roots = roots::present(order.network).flat_map(hidden);
        (roots.chain(order.programs.iter().cloned()).collect(), vec![order.folder.clone(), order.temporary.clone()])
    };
    let lists = [(readable, read), (writable, write), (DEVICES.map(PathBuf::from).to_vec(), device)];
    let mut rules = rules;
    for (paths, access) in lists {
        for path in &paths {
            rules = allow(rules, path, access)?;
        }
    }
    // A stage may open `/dev/stdout`: what that is lies in a folder that it cannot name.
    rules = allow_open(rules, std::io::stdout().as_fd(), device)?;
    rules.restrict_self().map(|_| ())
}

/// Allows `access` to what is at `path` and below; a path that is not there needs no rule.
fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(rules) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(WANTED) };
    rules.add_rule(PathBeneath::new(opened, access))
}

fn allow_open(
    rules: RulesetCreated,
    file: BorrowedFd<'_>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    rules.add_rule(PathBeneath::new(file, access))
}
