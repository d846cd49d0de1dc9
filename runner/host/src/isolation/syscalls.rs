//! System calls that are refused: sockets, and what leads around the rules for files.
//!
//! Landlock knows paths; it does not know sockets of other families, and `connect` to a socket in a folder is
//! no access to a file. So the calls that make sockets are refused. What stays is a connected pair
//! (`socketpair` of a stream): it leads nowhere but to its other end. A pair of datagram sockets is refused,
//! because it can send to any path. Calls of other instruction sets end the process; those of x32 are
//! refused by number.
//!
//! In somebody's terminal, typing in his name is refused too.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use super::order::Setup;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Added to the numbers of system calls by programs for x32.
const X32: i64 = 0x4000_0000;
/// The bits of a socket's type that are no flags.
const TYPE: u64 = 0xf;

/// Calls that answer as on a kernel without them. Rings make sockets without a call; keyrings belong to the user
/// and not to the stage; the others look into the kernel.
const UNKNOWN: [i64; 10] = [
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
];

/// Restricts the calling thread, and what it starts, for good.
///
/// # Errors
/// What this kernel cannot enforce.
pub(super) fn refuse(setup: &Setup) -> Result<(), String> {
    if setup.is_open() {
        return unknown().map_err(|e| unusable(&e)); // what a ring opens is not told
    }
    apply(setup.hermetic, setup.network, setup.handed).map_err(|e| unusable(&e))
}

/// Refuses what is refused at `confined`, to see whether that can be done.
///
/// # Errors
/// What this kernel cannot enforce.
pub(super) fn try_out() -> Result<(), String> {
    apply(false, false, false).map_err(|e| unusable(&e))
}

fn unusable(error: &seccompiler::Error) -> String {
    format!("seccomp filters cannot be used ({error})")
}

fn apply(hermetic: bool, network: bool, at_terminal: bool) -> Result<(), seccompiler::Error> {
    let mut refused = sockets(hermetic, network)?;
    if at_terminal {
        refused.extend(typing()?);
    }
    apply_filter(&filter(refused, libc::EACCES)?)?;
    unknown()
}

fn unknown() -> Result<(), seccompiler::Error> {
    apply_filter(&filter(UNKNOWN.iter().map(|n| (*n, Vec::new())).collect(), libc::ENOSYS)?)
}

/// Families that a stage may make sockets of. Names of UNIX sockets without a path belong to the network, so they are
/// refused where that is the host's.
const fn families(hermetic: bool, network: bool) -> &'static [i32] {
    match (hermetic, network) {
        (_, true) => &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK],
        (true, false) => &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_UNIX],
        (false, false) => &[],
    }
}

fn sockets(hermetic: bool, network: bool) -> Result<Rules, seccompiler::Error> {
    let is_other = |family: &i32| on(0, SeccompCmpOp::Ne, u64::from(family.unsigned_abs()));
    let others: Vec<SeccompCondition> =
        families(hermetic, network).iter().map(is_other).collect::<Result<_, seccompiler::Error>>()?;
    let socket = if others.is_empty() { Vec::new() } else { vec![SeccompRule::new(others)?] };
    let of_type = |wanted: i32| on(1, SeccompCmpOp::MaskedEq(TYPE), u64::from(wanted.unsigned_abs()));
    let pair = vec![
        SeccompRule::new(vec![is_other(&libc::AF_UNIX)?])?,
        SeccompRule::new(vec![of_type(libc::SOCK_DGRAM)?])?,
        SeccompRule::new(vec![of_type(libc::SOCK_RAW)?])?,
    ];
    let mut rules = Rules::from([(libc::SYS_socket, socket)]);
    if !hermetic || network {
        rules.insert(libc::SYS_socketpair, pair);
    }
    Ok(rules)
}

/// What a program in somebody's terminal could type there in his name.
fn typing() -> Result<Rules, seccompiler::Error> {
    let is = |request: libc::Ioctl| {
        let rule = SeccompRule::new(vec![on(1, SeccompCmpOp::Eq, request)?])?;
        Ok::<_, seccompiler::Error>(rule)
    };
    Ok(Rules::from([(libc::SYS_ioctl, vec![is(libc::TIOCSTI)?, is(libc::TIOCLINUX)?])]))
}

fn on(argument: u8, operation: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::Error> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value)?)
}

/// A filter that refuses what `rules` match with the error `errno`.
fn filter(rules: Rules, errno: i32) -> Result<BpfProgram, seccompiler::Error> {
    let mut all = rules.clone();
    if cfg!(target_arch = "x86_64") {
        all.extend(rules.into_iter().map(|(number, rules)| (number | X32, rules)));
    }
    let arch = if cfg!(target_arch = "aarch64") { TargetArch::aarch64 } else { TargetArch::x86_64 };
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    Ok(SeccompFilter::new(all, SeccompAction::Allow, refuse, arch)?.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_compiles_and_sockets_are_refused_where_they_are_the_hosts() {
        for (hermetic, network) in [(false, false), (false, true), (true, false), (true, true)] {
            let rules = sockets(hermetic, network).expect("sound rules");
            assert!(rules.contains_key(&libc::SYS_socket));
            assert!(!filter(rules, libc::EACCES).expect("compiles").is_empty());
            let unix = families(hermetic, network).contains(&libc::AF_UNIX);
            assert_eq!(unix, hermetic && !network, "a UNIX socket reaches agents and daemons");
        }
    }
}
