//! A server that is asked, and how messages get there.

use std::{fmt, net::SocketAddr, sync::Arc};

/// A server as the operator named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The name its certificate must be for; then it is asked over TLS and in no other way.
    pub tls: Option<Arc<str>>,
}

/// What carries a query to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A datagram, from a port of its own.
    Udp,
    /// A connection shared with other queries.
    Tcp,
    /// The same, encrypted (RFC 7858).
    Tls,
}

impl Server {
    /// A server that is asked over UDP, and over TCP where that does not do.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// A server that is asked over TLS; its certificate must be for this name.
    pub fn over_tls(address: SocketAddr, name: &str) -> Self {
        Self { address, tls: Some(name.into()) }
    }

    /// What carries a query first.
    pub fn carrier(&self) -> Carrier {
        if self.tls.is_some() { Carrier::Tls } else { Carrier::Udp }
    }

    /// What carries it where datagrams do not do.
    pub fn stream(&self) -> Carrier {
        if self.tls.is_some() { Carrier::Tls } else { Carrier::Tcp }
    }
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self::plain(address)
    }
}

/// As it stands in a configuration, with the port.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tls {
            None => self.address.fmt(f),
            Some(name) => write!(f, "tls://{}#{name}", self.address),
        }
    }
}
