//! Sockets that were open before we were: `LISTEN_FDS` of sd_listen_fds(3).

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

/// A descriptor handed down, and what the service manager calls it (`FileDescriptorName=`).
#[derive(Debug)]
pub struct Handed {
    /// Its name; `unknown` if the manager gives none.
    pub name: String,
    /// The descriptor, ours from now on and of no program that we start.
    pub descriptor: OwnedFd,
}

/// Whether they were taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The sockets meant for this process. A second call gives none: they have one owner.
///
/// # Errors
///
/// The environment promises descriptors that are not there, or does not make sense.
pub fn handed_down() -> io::Result<Vec<Handed>> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let named = sd_notify::listen_fds_with_names()?;
    let own = |(descriptor, name)| {
        // SAFETY: the descriptor is open, as `listen_fds_with_names` has just set a flag on it. It was opened before
        // this process ran and is meant for it (`LISTEN_PID`), so nobody here owns it; and this runs only once.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Handed { name, descriptor }
    };
    Ok(named.map(own).collect())
}
