//! What a process gives up for good, and with it every process that it starts.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};
use rustix::fs::FileType;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
};

use super::order::{Order, Setup};
use super::supervise::Launcher;
use super::{DEVICES, FOLDER, SHARED_MEMORY, TEMPORARY, roots, syscalls};

/// The rules that have to be enforceable: everything about contents and names of files (Linux 6.2).
const NEEDED: ABI = ABI::V3;
/// Rules that are used where the kernel has them: devices, signals, sockets without a path (Linux 6.12).
const WANTED: ABI = ABI::V6;

/// What the superuser keeps at `confined`: what ordinary programs do to files that are theirs anyway.
pub(super) const KEPT: CapabilitySet =
    CapabilitySet::CHOWN.union(CapabilitySet::DAC_OVERRIDE).union(CapabilitySet::FOWNER).union(CapabilitySet::FSETID);

/// Gives up all capabilities but `kept`, and that programs can bring new ones.
///
/// # Errors
/// What this kernel refuses.
pub(super) fn give_up(kept: CapabilitySet) -> Result<(), String> {
    drop_capabilities(kept).map_err(|e| format!("privileges could not be given up ({e})"))?;
    bring_no_new_ones()
}

/// Gives up that programs can bring new capabilities.
///
/// # Errors
/// What this kernel refuses.
pub(super) fn bring_no_new_ones() -> Result<(), String> {
    set_no_new_privs(true).map_err(|e| format!("the kernel refuses no_new_privs ({e})"))
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

/// What all stages of a launcher may read, opened once.
#[derive(Debug)]
pub(super) struct Readable {
    roots: Vec<Place>,
    devices: Vec<Place>,
}

/// A file or a folder, opened for rules about it.
#[derive(Debug)]
struct Place {
    fd: PathFd,
    is_folder: bool,
}

impl Place {
    /// `None` if nothing is there: that needs no rule.
    fn open(path: &Path) -> Option<Self> {
        let fd = PathFd::new(path).ok()?;
        Some(Self { fd, is_folder: path.is_dir() })
    }
}

impl Readable {
    /// Opens what is there.
    pub(super) fn new(setup: &Setup) -> Self {
        let roots: Vec<PathBuf> = if setup.hermetic || setup.watched.is_some() {
            vec!["/".into()]
        } else {
            roots::present(setup.network).flat_map(|root| roots::without(&root, &setup.hidden)).collect()
        };
        let open = |path: &PathBuf| Place::open(path);
        Self {
            roots: roots.iter().filter_map(open).collect(),
            devices: DEVICES.iter().filter_map(|path| Place::open(Path::new(path))).collect(),
        }
    }
}

/// Keeps files away from this process for good.
///
/// # Errors
/// What this kernel cannot enforce.
pub(super) fn files(order: &Order, launcher: &Launcher) -> Result<(), String> {
    rules(order, launcher).map_err(|e| unusable(&e))
}

fn unusable(error: &RulesetError) -> String {
    format!("Landlock cannot be used; ABI 3 is needed, which Linux has from 6.2 on ({error})")
}

/// Gives up, in a thread that ends, whatever a confined stage does without.
///
/// # Errors
/// What this kernel cannot enforce.
pub(super) fn try_out() -> Result<(), String> {
    let all = || {
        give_up(KEPT)?;
        nothing().and_then(RulesetCreated::restrict_self).map_err(|e| unusable(&e))?;
        syscalls::try_out()
    };
    let panicked = |_| Err("the thread that tries it out ended".to_owned());
    std::thread::scope(|scope| scope.spawn(all).join().unwrap_or_else(panicked))
}

/// Rules that allow nothing yet.
fn nothing() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(NEEDED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()
}

fn rules(order: &Order, launcher: &Launcher) -> Result<(), RulesetError> {
    let mut rules = nothing()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let write = AccessFs::from_all(WANTED) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let open = |paths: &[PathBuf]| paths.iter().filter_map(|path| Place::open(path)).collect::<Vec<_>>();
    let (programs, writable) = if launcher.hermetic {
        (Vec::new(), open(&[FOLDER.into(), TEMPORARY.into(), SHARED_MEMORY.into()]))
    } else {
        (open(&order.programs), open(&[order.folder.clone(), order.temporary.clone()]))
    };
    let readable = &launcher.readable;
    for (places, access) in
        [(&readable.roots, read), (&programs, read), (&writable, write), (&readable.devices, device)]
    {
        for Place { fd, is_folder } in places {
            let access = if *is_folder { access } else { access & AccessFs::from_file(WANTED) };
            rules = allow(rules, fd.as_fd(), access)?;
        }
    }
    // A stage may open `/dev/stdout`: what that is lies in a folder that it cannot name.
    if has_place(std::io::stdout()) {
        rules = allow(rules, std::io::stdout().as_fd(), device)?;
    }
    rules.restrict_self().map(|_| ())
}

/// Whether what is open lies somewhere: what a person hands over may be a pipe.
fn has_place(file: impl AsFd) -> bool {
    let kind = rustix::fs::fstat(file).map(|status| FileType::from_raw_mode(status.st_mode));
    matches!(kind, Ok(FileType::RegularFile | FileType::CharacterDevice))
}

/// Allows `access` to what is open, and below it.
fn allow(
    rules: RulesetCreated,
    place: BorrowedFd<'_>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    rules.add_rule(PathBeneath::new(place, access))
}
