//! Binds what is listened on, and says what to do where that fails.

use std::net::SocketAddr;

use anyhow::Context;
use mesos_dns_core::config::Config;

use super::rooms;
use crate::{dns::Sockets, http::PrivateSocket, system};

/// The sockets of the DNS server, one set for each listener; none if it is off.
pub(super) fn dns(config: &Config) -> anyhow::Result<Vec<Sockets>> {
    let listeners = config.listeners.iter().filter(|_| config.dns_on);
    listeners.map(|listener| dns_at(listener.address, config.workers)).collect()
}

fn dns_at(address: SocketAddr, workers: usize) -> anyhow::Result<Sockets> {
    crate::dns::bind(address, workers).map_err(|error| {
        let protocol = if error.protocol == "UDP" { system::Protocol::Udp } else { system::Protocol::Tcp };
        let help = help(&error.source, address.port(), protocol, "port");
        anyhow::Error::from(error).context(format!("the DNS server cannot start{help}"))
    })
}

/// The socket of the HTTP server, if it is on.
pub(super) fn http(config: &Config) -> anyhow::Result<Option<std::net::TcpListener>> {
    if !config.http_on {
        return Ok(None);
    }
    let address = rooms::http_address(config)?;
    crate::http::bind(address).map(Some).map_err(|error| {
        let help = help(&error, config.http_port, system::Protocol::Tcp, "httpport");
        anyhow::Error::from(error)
            .context(format!("the HTTP server cannot start: cannot bind {address}{help}"))
    })
}

/// The socket for the operator, if there is to be one.
pub(super) fn admin(config: &Config) -> anyhow::Result<Option<PrivateSocket>> {
    let socket = config.admin_socket.as_ref().map(|path| PrivateSocket::bind(path.as_ref())).transpose();
    socket.context("the admin socket cannot be opened; it is chosen with \"adminSocket\"")
}

/// What an operator can do about a port that cannot be bound.
fn help(error: &std::io::Error, port: u16, protocol: system::Protocol, key: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let holder = system::holder(port, protocol)
                .map(|holder| format!(" by {} (process {})", holder.command, holder.pid))
                .unwrap_or_default();
            format!("; port {port} is in use{holder}: stop that, or choose another with \"{key}\"")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need root or CAP_NET_BIND_SERVICE, others are chosen with \"{key}\"")
        }
        _ => String::new(),
    }
}
