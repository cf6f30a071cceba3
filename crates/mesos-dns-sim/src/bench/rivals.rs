//! Other DNS servers, for the same zone: Knot and NSD as Debian packages them.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

/// Names of Knot's program: where Debian puts servers is not on everybody's path.
pub const KNOT: &[&str] = &["knotd", "/usr/sbin/knotd"];

/// Names of NSD's program.
pub const NSD: &[&str] = &["nsd", "/usr/sbin/nsd"];

/// The first of these programs that can be started; `None` if it is not installed.
pub fn installed(names: &[&'static str]) -> Option<&'static str> {
    // Not `-h`, with which dnsmasq begins to serve.
    let starts = |name: &&&str| {
        Command::new(name).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    names.iter().find(starts).copied()
}

/// A folder, a port of loopback, and the file of the zone `mesos`.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where its files may go.
    pub folder: &'a Path,
    /// Where it answers.
    pub port: u16,
    /// What it serves.
    pub zone: &'a Path,
}

/// Writes a configuration for Knot with one worker of each kind; returns the arguments that start it.
///
/// # Errors
///
/// The folder cannot be written to.
pub fn knot(Place { folder, port, zone }: Place<'_>) -> io::Result<Vec<String>> {
    let file = folder.join("knot.conf");
    let (folder, zone) = (folder.display(), zone.display());
    let text = format!(
        "server:\n  listen: 127.0.0.1@{port}\n  rundir: {folder}\n  udp-workers: 1\n  tcp-workers: 1\n  \
         background-workers: 1\ndatabase:\n  storage: {folder}/knot\nzone:\n- domain: mesos\n  file: {zone}\n  \
         zonefile-load: whole\n  journal-content: none\nlog:\n- target: stderr\n  any: error\n"
    );
    fs::write(&file, text)?;
    Ok(vec!["-c".to_owned(), file.display().to_string()])
}

/// Writes a configuration for NSD with one server; returns the arguments that start it. Its limit of answers per
/// second, on by default, is off.
///
/// # Errors
///
/// The folder cannot be written to.
pub fn nsd(Place { folder, port, zone }: Place<'_>) -> io::Result<Vec<String>> {
    let file = folder.join("nsd.conf");
    let (folder, zone) = (folder.display(), zone.display());
    let text = format!(
        "server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  username: \"\"\n  database: \"\"\n  \
         zonesdir: \"{folder}\"\n  pidfile: \"{folder}/nsd.pid\"\n  xfrdfile: \"{folder}/xfrd.state\"\n  \
         xfrdir: \"{folder}\"\n  zonelistfile: \"{folder}/zone.list\"\n  rrl-ratelimit: 0\n  tcp-count: 200\n\
         remote-control:\n  control-enable: no\nzone:\n  name: mesos\n  zonefile: \"{zone}\"\n"
    );
    fs::write(&file, text)?;
    Ok(vec!["-d".to_owned(), "-c".to_owned(), file.display().to_string()])
}
