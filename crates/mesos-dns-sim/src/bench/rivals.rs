//! Other DNS servers, for the same zone: Knot and NSD as Debian packages them.

use std::{
    fs, io,
    path::{Path, PathBuf},
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
    /// Answers over UDP that one network is sent in a second; 0 is no limit.
    pub limit: u32,
    /// Where it answers over TLS, if it can and should.
    pub tls: Option<Tls<'a>>,
}

/// A port of loopback, and who answers there.
#[derive(Clone, Copy, Debug)]
pub struct Tls<'a> {
    /// Where it answers.
    pub port: u16,
    /// Two files in PEM.
    pub identity: &'a Identity,
}

/// Two files in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Identity {
    /// Makes one for `localhost` that vouches for itself; `None` where OpenSSL's program is not installed.
    pub fn make(folder: &Path) -> Option<Self> {
        let identity = Self { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        command.args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
        command.arg("-out").arg(&identity.certificate).arg("-keyout").arg(&identity.key);
        let made = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        made.is_ok_and(|status| status.success()).then_some(identity)
    }
}

/// Connections that a server must be able to hold.
pub const CONNECTIONS: usize = 2000;

/// Writes a configuration for Knot with one worker of each kind; returns the arguments that start it. This Knot has no
/// TLS.
///
/// # Errors
///
/// The folder cannot be written to.
pub fn knot(Place { folder, port, zone, limit, .. }: Place<'_>) -> io::Result<Vec<String>> {
    let file = folder.join("knot.conf");
    let (folder, zone) = (folder.display(), zone.display());
    let limiter = match limit {
        0 => String::new(),
        limit => format!(
            "mod-rrl:\n- id: default\n  rate-limit: {limit}\n  slip: 2\n\
             template:\n- id: default\n  global-module: mod-rrl/default\n"
        ),
    };
    let text = format!(
        "server:\n  listen: 127.0.0.1@{port}\n  rundir: {folder}\n  udp-workers: 1\n  tcp-workers: 1\n  \
         background-workers: 1\n  tcp-max-clients: {CONNECTIONS}\n{limiter}database:\n  storage: {folder}/knot\nzone:\n- domain: mesos\n  file: {zone}\n  \
         zonefile-load: whole\n  journal-content: none\nlog:\n- target: {folder}/knot.log\n  any: error\n"
    );
    fs::write(&file, text)?;
    Ok(vec!["-c".to_owned(), file.display().to_string()])
}

/// Writes a configuration for NSD with one server; returns the arguments that start it.
///
/// # Errors
///
/// The folder cannot be written to.
pub fn nsd(Place { folder, port, zone, limit, tls }: Place<'_>) -> io::Result<Vec<String>> {
    let file = folder.join("nsd.conf");
    let (folder, zone) = (folder.display(), zone.display());
    let tls = tls.map_or_else(String::new, |Tls { port, identity }| {
        format!(
            "  ip-address: 127.0.0.1@{port}\n  tls-port: {port}\n  tls-service-pem: \"{}\"\n  \
             tls-service-key: \"{}\"\n",
            identity.certificate.display(),
            identity.key.display()
        )
    });
    let text = format!(
        "server:\n  ip-address: 127.0.0.1@{port}\n{tls}  server-count: 1\n  username: \"\"\n  database: \"\"\n  \
         zonesdir: \"{folder}\"\n  logfile: \"{folder}/nsd.log\"\n  pidfile: \"{folder}/nsd.pid\"\n  xfrdfile: \"{folder}/xfrd.state\"\n  \
         xfrdir: \"{folder}\"\n  zonelistfile: \"{folder}/zone.list\"\n  rrl-ratelimit: {limit}\n  tcp-count: {CONNECTIONS}\n\
         remote-control:\n  control-enable: no\nzone:\n  name: mesos\n  zonefile: \"{zone}\"\n"
    );
    fs::write(&file, text)?;
    Ok(vec!["-d".to_owned(), "-c".to_owned(), file.display().to_string()])
}
