//! Knot and NSD with one zone each, on loopback ports given by the system.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    question::Question,
    rival::{PATIENCE, free_port, is_up},
};

/// What all three are called when asked who they are.
pub(crate) const NSID: &str = "proof";

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// CZ.NIC's.
    Knot,
    /// NLnet Labs'.
    Nsd,
}

/// A running server; ends when dropped.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Server {
    /// Starts one with the zone `mesos`; `None`, and a line that says so, where it is not installed.
    pub(crate) fn start(kind: Kind, zone: &[u8]) -> Option<Self> {
        // Between our finding a port and its taking it somebody else may: then try another.
        for _ in 0..5 {
            match Self::launch(kind, zone, free_port()) {
                Ok(Some(server)) => return Some(server),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    eprintln!("skipped: {kind:?} is not installed (apt-get install knot nsd)");
                    return None;
                }
                Err(error) => panic!("cannot start {kind:?}: {error}"),
            }
        }
        panic!("{kind:?} does not come up");
    }

    fn launch(kind: Kind, zone: &[u8], address: SocketAddr) -> io::Result<Option<Self>> {
        let directory = tempfile::tempdir()?;
        let config = directory.path().join("config");
        fs::write(&config, kind.config(directory.path(), address))?;
        fs::write(directory.path().join("zone"), zone)?;
        let mut command = Command::new(kind.program());
        if kind == Kind::Nsd {
            command.arg("-d");
        }
        let errors = fs::File::create(directory.path().join("errors"))?;
        let child = command
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()?;
        let mut server = Self { kind, address, child, _directory: directory };
        Ok(is_up(&mut server.child, address, b"\x05mesos\0")?.then_some(server))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked to, as NSD has children of its own that it ends.
        _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if started.elapsed() > PATIENCE {
                _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Kind {
    /// Servers are often not on the path of who is not root.
    fn program(self) -> String {
        let name = match self {
            Self::Knot => "knotd",
            Self::Nsd => "nsd",
        };
        let places = ["/usr/sbin", "/usr/local/sbin"].map(|place| format!("{place}/{name}"));
        places.into_iter().find(|path| Path::new(path).exists()).unwrap_or_else(|| name.to_owned())
    }

    /// Whether it is asked this. NSD answers only so many malformed queries and unknown operations in a second, and
    /// those that it drops take others with them.
    pub(crate) fn is_asked(self, question: &Question) -> bool {
        self == Self::Knot || question.flags & 0x780f == 0
    }

    /// One thread, so that replies come in the order of the queries; sizes and names as ours are.
    fn config(self, directory: &Path, address: SocketAddr) -> String {
        let (path, ip, port) = (directory.display(), address.ip(), address.port());
        match self {
            Self::Knot => format!(
                "server:\n  listen: {ip}@{port}\n  rundir: {path}\n  udp-workers: 1\n  tcp-workers: 1\n  \
                 background-workers: 1\n  udp-max-payload: 1232\n  nsid: {NSID}\n  identity: \"\"\n  version: \"\"\n\
                 database:\n  storage: {path}/db\n\
                 zone:\n- domain: mesos\n  file: {path}/zone\n\
                 log:\n- target: stderr\n  any: warning\n"
            ),
            Self::Nsd => format!(
                "server:\n  ip-address: {ip}@{port}\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  \
                 zonesdir: {path}\n  database: \"\"\n  pidfile: {path}/pid\n  xfrdfile: {path}/xfrd\n  \
                 zonelistfile: {path}/zones\n  xfrdir: {path}\n  nsid: ascii_{NSID}\n  hide-version: yes\n  \
                 hide-identity: yes\n  ipv4-edns-size: 1232\n  rrl-ratelimit: 1000000\n  \
                 rrl-whitelist-ratelimit: 1000000\n\
                 remote-control:\n  control-enable: no\n\
                 zone:\n  name: mesos\n  zonefile: {path}/zone\n"
            ),
        }
    }
}
