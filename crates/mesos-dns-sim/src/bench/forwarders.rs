//! Other forwarders, for the same upstream: Unbound and dnsmasq as Debian packages them.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

/// Names of Unbound's program: where Debian puts servers is not on everybody's path.
pub const UNBOUND: &[&str] = &["unbound", "/usr/sbin/unbound"];

/// Names of dnsmasq's program.
pub const DNSMASQ: &[&str] = &["dnsmasq", "/usr/sbin/dnsmasq"];

/// A folder, a port of loopback, and the ports of the servers to ask, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where its files may go.
    pub folder: &'a Path,
    /// Where it answers.
    pub port: u16,
    /// Whom it asks.
    pub upstreams: &'a [u16],
}

/// Writes a configuration for Unbound with one thread and 64 MiB of cache, its own rule for its two parts; returns the
/// arguments that start it.
///
/// # Errors
///
/// The folder cannot be written to.
pub fn unbound(Place { folder, port, upstreams }: Place<'_>) -> io::Result<Vec<String>> {
    let file = folder.join("unbound.conf");
    let path = folder.display();
    let mut text = format!(
        "server:\n  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  \
         directory: \"{path}\"\n  pidfile: \"{path}/pid\"\n  use-syslog: no\n  num-threads: 1\n  \
         do-not-query-localhost: no\n  module-config: \"iterator\"\n  local-zone: \"test.\" nodefault\n  \
         msg-cache-size: 21m\n  rrset-cache-size: 43m\nremote-control:\n  control-enable: no\nforward-zone:\n  \
         name: \".\"\n"
    );
    for upstream in upstreams {
        text += &format!("  forward-addr: 127.0.0.1@{upstream}\n");
    }
    fs::write(&file, text)?;
    Ok(vec!["-d".to_owned(), "-c".to_owned(), file.display().to_string()])
}

/// The arguments that start dnsmasq. Its cache counts names, not bytes; which of its servers is asked first is its own
/// choice, as it is shipped.
///
/// # Errors
///
/// `id` cannot be started.
pub fn dnsmasq(Place { folder, port, upstreams }: Place<'_>) -> io::Result<Vec<String>> {
    let user = Command::new("id").arg("-un").stderr(Stdio::null()).output()?.stdout;
    let mut arguments: Vec<String> = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--cache-size=100000",
        "--dns-forward-max=1000",
    ]
    .map(str::to_owned)
    .into();
    arguments.push(format!("--user={}", String::from_utf8_lossy(&user).trim()));
    arguments.push(format!("--pid-file={}", folder.join("pid").display()));
    arguments.push(format!("--port={port}"));
    arguments.extend(upstreams.iter().map(|upstream| format!("--server=127.0.0.1#{upstream}")));
    Ok(arguments)
}
