//! A Unix socket for one user alone: made, guarded against a second process, and taken away again.
//!
//! The file of a socket outlives its process. So one that is already there is asked first: if somebody listens, it
//! is theirs, and the error names them; if nobody does, it is a leftover and goes.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use rustix::net::sockopt::socket_peercred;
use socket2::{Domain, SockAddr, Socket, Type};
use tracing::info;

use crate::system::Holder;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// Read and write for the owner, who is the process; the kernel asks for write permission to connect.
const MODE: u32 = 0o600;

/// A listening socket and its file.
#[derive(Debug)]
pub struct PrivateSocket {
    pub(super) listener: UnixListener,
    pub(super) place: Place,
}

/// The file of a socket. Removed when dropped, if it still is that file.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody listens there.
    #[error("{} is in use{}", path.display(), by(holder.as_ref()))]
    InUse {
        /// The path asked for.
        path: PathBuf,
        /// Who listens, if the system says.
        holder: Option<Holder>,
    },
    /// Something else is there, which is not ours to remove.
    #[error("{} is there and is no socket", path.display())]
    NoSocket {
        /// The path asked for.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot make the socket {}", path.display())]
    Refused {
        /// The path asked for.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn by(holder: Option<&Holder>) -> String {
    holder.map(|holder| format!(" by {} (process {})", holder.command, holder.pid)).unwrap_or_default()
}

impl PrivateSocket {
    /// Listens at a path, which only this user and root can reach from the first moment.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let refused = |source| SocketError::Refused { path: path.to_owned(), source };
        clear(path)?;
        let open = || {
            let address = SockAddr::unix(path)?;
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address)?;
            let place = Place { path: path.to_owned(), identity: identity(path)? };
            // Nobody can connect before this: it does not listen yet.
            fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
            socket.listen(BACKLOG)?;
            Ok(Self { listener: UnixListener::from(socket), place })
        };
        open().map_err(|source: io::Error| match source.kind() {
            // Another process was quicker.
            io::ErrorKind::AddrInUse => SocketError::InUse { path: path.to_owned(), holder: None },
            _ => refused(source),
        })
    }
}

/// Removes a socket at which nobody listens.
fn clear(path: &Path) -> Result<(), SocketError> {
    let refused = |source| SocketError::Refused { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NoSocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            info!(path = %path.display(), "removing the socket of a process that is gone");
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(error)),
                _ => Ok(()),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Its queue is full: it lives.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(SocketError::InUse { path: path.to_owned(), holder: None })
        }
        Err(error) => Err(refused(error)),
        Ok(holder) => Err(SocketError::InUse { path: path.to_owned(), holder }),
    }
}

/// Connects without waiting; tells who listens.
fn connect(path: &Path) -> io::Result<Option<Holder>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    let pid = socket_peercred(&socket).map(|them| them.pid.as_raw_nonzero().get());
    Ok(pid.ok().and_then(|pid| u32::try_from(pid).ok()).map(Holder::of))
}

/// Device and inode of what stands at a path.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for Place {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // Whoever comes next removes what stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin");
        let first = PrivateSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        let us = std::process::id();
        match PrivateSocket::bind(&path) {
            Err(SocketError::InUse { holder: Some(holder), .. }) => assert_eq!(holder.pid, us),
            other => panic!("{other:?}"),
        }
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn a_leftover_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a process that was killed leaves this behind");
        let socket = PrivateSocket::bind(&path).unwrap();
        // What stands there now is somebody else's: it stays.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(socket);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert!(matches!(PrivateSocket::bind(&path), Err(SocketError::NoSocket { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        let missing = folder.path().join("no/such/folder");
        assert!(matches!(PrivateSocket::bind(&missing), Err(SocketError::Refused { .. })));
        let long = folder.path().join("x".repeat(200));
        assert!(matches!(PrivateSocket::bind(&long), Err(SocketError::Refused { .. })));
    }
}
