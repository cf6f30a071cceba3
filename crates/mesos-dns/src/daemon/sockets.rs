//! Opens what is listened on, and says what to do where that fails.
//!
//! A socket that the service manager handed down is taken; what is missing is bound. All of it happens before there
//! are threads, while a process that was started as root still is root.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context;
use mesos_dns_core::config::{ClientCertificate, Config, Listener, Protocol};
use socket2::Type;

use super::{
    handed::{Handed, Purpose},
    rooms,
};
use crate::{
    dns::{Carrier, Identity, IdentityError, Sockets},
    http::PrivateSocket,
    system,
};

/// Everything that is listened on.
pub(super) struct Opened {
    /// The sockets of the DNS server and what they carry, for each listener; none if it is off.
    pub(super) dns: Vec<(Sockets, Carrier)>,
    /// The socket of the HTTP server, if it is on.
    pub(super) http: Option<std::net::TcpListener>,
    /// The socket for the operator, if there is to be one.
    pub(super) admin: Option<PrivateSocket>,
}

impl Opened {
    /// Opens all, or fails.
    pub(super) fn new(config: &Config, mut handed: Handed) -> anyhow::Result<Self> {
        let opened =
            Self { dns: dns(config, &mut handed)?, http: http(config, &mut handed)?, admin: admin(config)? };
        handed.are_placed()?;
        Ok(opened)
    }
}

fn dns(config: &Config, handed: &mut Handed) -> anyhow::Result<Vec<(Sockets, Carrier)>> {
    let listeners = config.listeners.iter().filter(|_| config.dns_on);
    listeners
        .map(|listener| {
            let carrier = carrier(listener).context("the DNS server cannot start")?;
            Ok((dns_at(listener.address, &carrier, config.workers, handed)?, carrier))
        })
        .collect()
}

/// What a listener's connections carry.
fn carrier(listener: &Listener) -> Result<Carrier, IdentityError> {
    let Some(ClientCertificate { cert_file, key_file }) = &listener.certificate else {
        return Ok(Carrier::Plain);
    };
    let (certificate, key) = (Path::new(cert_file), Path::new(key_file));
    Ok(match listener.protocol {
        Protocol::Dns => Carrier::Plain,
        Protocol::Https => Carrier::Https(Arc::new(Identity::for_https(certificate, key)?)),
        Protocol::Tls => Carrier::Tls(Arc::new(Identity::for_tls(certificate, key)?)),
    })
}

fn dns_at(
    address: SocketAddr,
    carrier: &Carrier,
    workers: usize,
    handed: &mut Handed,
) -> anyhow::Result<Sockets> {
    let mut of = |kind| handed.of(Purpose::Dns, kind, address);
    let streams = of(Type::STREAM);
    let bound = match carrier {
        Carrier::Plain => crate::dns::bind(address, workers, of(Type::DGRAM), streams),
        Carrier::Https(_) | Carrier::Tls(_) => crate::dns::bind_stream(address, streams),
    };
    bound.map_err(|error| {
        let protocol = if error.protocol == "UDP" { system::Protocol::Udp } else { system::Protocol::Tcp };
        let help = help(&error.source, address.port(), protocol, "port");
        anyhow::Error::from(error).context(format!("the DNS server cannot start{help}"))
    })
}

fn http(config: &Config, handed: &mut Handed) -> anyhow::Result<Option<std::net::TcpListener>> {
    if !config.http_on {
        return Ok(None);
    }
    let address = rooms::http_address(config)?;
    if let Some(socket) = handed.of(Purpose::Http, Type::STREAM, address).pop() {
        socket.set_nonblocking(true).context("the HTTP server cannot start")?;
        return Ok(Some(socket.into()));
    }
    crate::http::bind(address).map(Some).map_err(|error| {
        let help = help(&error, config.http_port, system::Protocol::Tcp, "httpport");
        anyhow::Error::from(error)
            .context(format!("the HTTP server cannot start: cannot bind {address}{help}"))
    })
}

/// Who we are to HTTP clients, if the API is served over TLS.
pub(super) fn http_identity(config: &Config) -> anyhow::Result<Option<Arc<Identity>>> {
    let Some(ClientCertificate { cert_file, key_file }) =
        config.http_certificate.as_ref().filter(|_| config.http_on)
    else {
        return Ok(None);
    };
    let identity = Identity::for_http(Path::new(cert_file), Path::new(key_file));
    Ok(Some(Arc::new(identity.context("the HTTP server cannot start")?)))
}

fn admin(config: &Config) -> anyhow::Result<Option<PrivateSocket>> {
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
