//! Which addresses are our own: a server found there would send every query in a circle.

use std::net::SocketAddr;

use getifaddrs::getifaddrs;
use tracing::warn;

/// Every address this process can be reached at, given where it listens: a wildcard stands for the
/// addresses of all interfaces, of both families (one socket serves both).
pub fn own_addresses(listeners: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut own = listeners.to_vec();
    let wildcards = listeners.iter().filter(|listener| listener.ip().is_unspecified());
    let ports: Vec<u16> = wildcards.map(SocketAddr::port).collect();
    if ports.is_empty() {
        return own;
    }
    match getifaddrs() {
        Ok(interfaces) => {
            let addresses = interfaces.filter_map(|interface| interface.address.ip_addr());
            own.extend(addresses.flat_map(|ip| ports.iter().map(move |port| SocketAddr::new(ip, *port))));
        }
        Err(error) => warn!(%error, "cannot list own addresses; a server among them is not noticed"),
    }
    own
}

/// Whether a server is one of our own addresses.
pub(super) fn is_own(server: SocketAddr, own: &[SocketAddr]) -> bool {
    let ip = server.ip().to_canonical();
    // All of 127.0.0.0/8 is here, and connecting to the wildcard address leads here as well.
    let here = ip.is_loopback() || ip.is_unspecified();
    own.iter().any(|own| {
        let own_ip = own.ip().to_canonical();
        own.port() == server.port() && (own_ip == ip || (own_ip.is_unspecified() && here))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_are_ourselves() {
        let check = |server: &str, listeners: &[&str]| {
            let listeners: Vec<SocketAddr> = listeners.iter().map(|text| text.parse().unwrap()).collect();
            is_own(server.parse().unwrap(), &own_addresses(&listeners))
        };
        assert!(check("127.0.0.1:53", &["127.0.0.1:53"]));
        assert!(check("127.0.0.1:53", &["0.0.0.0:53"]));
        assert!(check("127.3.4.5:53", &["0.0.0.0:53"]));
        assert!(check("0.0.0.0:53", &["0.0.0.0:53"]));
        assert!(check("[::1]:53", &["0.0.0.0:53"]), "a wildcard socket serves both families");
        assert!(check("127.0.0.1:53", &["[::]:53"]));
        assert!(check("[::ffff:192.0.2.1]:53", &["192.0.2.1:53"]));
        assert!(check("192.0.2.1:53", &["198.51.100.1:53", "192.0.2.1:53"]));
        assert!(!check("127.0.0.1:54", &["0.0.0.0:53"]));
        assert!(!check("127.0.0.53:53", &["127.0.0.1:53"]), "a local resolver beside us");
        assert!(!check("192.0.2.1:53", &["0.0.0.0:53"]), "not an address of this machine");
        assert!(!check("192.0.2.1:53", &[]));
    }
}
