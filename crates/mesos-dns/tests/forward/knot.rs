//! Knot DNS with two small zones, on a loopback port given by the system.

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

/// Starts Knot with the zone `example.test`, which has two addresses at `www`, two hundred at `many`, names for names in
/// our domain, one that is there, one that is not, and something of most other kinds, and `signed.test`, which it signs
/// itself. `None` where Knot is not installed.
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
         - domain: signed.test\n  file: {path}/signed\n  dnssec-signing: on\n  zonefile-sync: -1\n\
         log:\n- target: stderr\n  any: error\n"
    );
    fs::write(directory.path().join("knot.conf"), config)?;
    fs::create_dir(directory.path().join("db"))?;
    fs::write(directory.path().join("zone"), zone())?;
    fs::write(directory.path().join("signed"), SIGNED)?;
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

/// What stands in both zones.
const SIGNED: &str =
    "$TTL 60\n@ SOA ns root 1 60 60 600 60\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\nwww A 192.0.2.3\n";

/// What stands in one of them besides.
const KINDS: &str = "www AAAA 2001:db8::2\n@ MX 10 mail\n@ MX 20 mail.elsewhere.test.\nmail A 192.0.2.25\n\
                     @ TXT \"v=spf1 -all\" \"two \\\"strings\\\"\"\n_sip._tcp SRV 10 5 5060 www\n\
                     _sip._tcp SRV 20 0 5061 mail\none CNAME two\ntwo CNAME three\nthree CNAME www\n\
                     lost CNAME nobody\nours CNAME web.marathon.mesos.\n\
                     nobody-of-ours CNAME nobody.marathon.mesos.\na.b.c TXT deep\n@ CAA 0 issue \"ca.example\"\nodd TYPE65280 \\# 4 0A000001\n";

fn zone() -> String {
    let mut zone = format!("{SIGNED}{KINDS}");
    for n in 0..200 {
        writeln!(zone, "many A 198.51.100.{n}").unwrap();
    }
    zone
}
