//! From root to somebody who may bind low ports and nothing else.
//!
//! The C library's calls are used, not the kernel's: those change the thread that calls, and the memory allocator may
//! have threads before `main` begins.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_keep_capabilities,
    set_no_new_privs,
};

/// The one right that is kept.
const KEPT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;

/// Makes this process somebody else's for good: all its threads get this user and this group, alone. The thread that
/// calls, and those it starts, may still bind ports below 1024; no other right of root is left, and none comes back by
/// starting a program. Other threads are left with no right at all.
///
/// # Errors
///
/// The system refuses. The process may be half changed then and should end.
pub fn give_up_root(user: u32, group: u32) -> io::Result<()> {
    if user == 0 || group == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "root is nobody to change to"));
    }
    set_keep_capabilities(true)?;
    // SAFETY: the list has the length that is said and lives through the call.
    check(unsafe { libc::setgroups(1, &raw const group) })?;
    // SAFETY: numbers only.
    check(unsafe { libc::setresgid(group, group, group) })?;
    // SAFETY: numbers only.
    check(unsafe { libc::setresuid(user, user, user) })?;
    set_keep_capabilities(false)?;
    keep_only_binding()?;
    // SAFETY: a number only. It must fail; if root can be had again, nothing was given up.
    if unsafe { libc::setresuid(0, 0, 0) } == 0 {
        return Err(io::Error::other("root can be had again"));
    }
    Ok(())
}

/// Gives up all rights of root but that of binding low ports, for the thread that calls and those it starts.
///
/// # Errors
///
/// The system refuses.
pub fn keep_only_binding() -> io::Result<()> {
    let permitted = rustix::thread::capabilities(None)?.permitted;
    let kept = permitted & KEPT;
    clear_ambient_capability_set()?;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )?;
    Ok(set_no_new_privs(true)?)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
