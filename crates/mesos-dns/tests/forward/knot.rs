//! Knot DNS with one small zone, on a loopback port given by the system.

use std::{
    fmt::Write,
    fs, io,
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::rival::{free_port, is_up};

/// A running server; ends when dropped.
pub(crate) struct Knot {
    pub(crate) address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

/// Starts Knot with the zone `example.test`: two addresses at `www`, two hundred at `many`, and names for names in
/// our domain, one that is there, one that is not. `None` where
/// Knot is not installed.
pub(crate) async fn start() -> Option<Knot> {
    // Between our finding a port and Knot's taking it somebody else may: then try another.
    for _ in 0..5 {
        match launch(free_port()) {
            Ok(Some(knot)) => return Some(knot),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => panic!("cannot start knotd: {error}"),
        }
    }
    panic!("knotd does not come up");
}

fn launch(address: SocketAddr) -> io::Result<Option<Knot>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().display();
    let (ip, port) = (address.ip(), address.port());
    let config = format!(
        "server:\n  listen: {ip}@{port}\n  rundir: {path}\n\
         database:\n  storage: {path}/db\n\
         zone:\n- domain: example.test\n  file: {path}/zone\n\
         log:\n- target: stderr\n  any: error\n"
    );
    fs::write(directory.path().join("knot.conf"), config)?;
    fs::write(directory.path().join("zone"), zone())?;
    let child = Command::new(program())
        .arg("-c")
        .arg(directory.path().join("knot.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut knot = Knot { address, child, _directory: directory };
    Ok(is_up(&mut knot.child, address, b"\x07example\x04test\0")?.then_some(knot))
}

impl Drop for Knot {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// `knotd` is often not on the path of who is not root.
fn program() -> &'static str {
    ["/usr/sbin/knotd", "/usr/local/sbin/knotd"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false))
        .unwrap_or("knotd")
}

fn zone() -> String {
    let mut zone = "$ORIGIN example.test.\n$TTL 60\n@ SOA ns root 1 60 60 600 60\n@ NS ns\nns A 192.0.2.1\n\
                    www A 192.0.2.2\nwww A 192.0.2.3\nours CNAME web.marathon.mesos.\n\
                    nobody-of-ours CNAME nobody.marathon.mesos.\n"
        .to_owned();
    for n in 0..200 {
        writeln!(zone, "many A 198.51.100.{n}").unwrap();
    }
    zone
}
