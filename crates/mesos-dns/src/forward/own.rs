//! Which addresses are our own: a server found there would send every query in a circle.

use std::net::{IpAddr, SocketAddr};

/// Every address this process can be reached at, given where it listens and the addresses of the machine's
/// interfaces: a wildcard stands for all of these, of both families (one socket serves both).
pub fn own_addresses(listeners: &[SocketAddr], interfaces: &[IpAddr]) -> Vec<SocketAddr> {
    let wildcards = listeners.iter().filter(|listener| listener.ip().is_unspecified());
    let everywhere = wildcards.flat_map(|wildcard| {
        let port = wildcard.port();
        interfaces.iter().map(move |ip| SocketAddr::new(*ip, port))
    });
    listeners.iter().copied().chain(everywhere).collect()
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
            let interfaces = ["127.0.0.1", "::1", "198.51.100.7", "fd00::7"].map(|ip| ip.parse().unwrap());
            is_own(server.parse().unwrap(), &own_addresses(&listeners, &interfaces))
        };
        assert!(check("127.0.0.1:53", &["127.0.0.1:53"]));
        assert!(check("127.0.0.1:53", &["0.0.0.0:53"]));
        assert!(check("127.3.4.5:53", &["0.0.0.0:53"]));
        assert!(check("0.0.0.0:53", &["0.0.0.0:53"]));
        assert!(check("[::1]:53", &["0.0.0.0:53"]), "a wildcard socket serves both families");
        assert!(check("127.0.0.1:53", &["[::]:53"]));
        assert!(check("[::ffff:192.0.2.1]:53", &["192.0.2.1:53"]));
        assert!(check("192.0.2.1:53", &["198.51.100.1:53", "192.0.2.1:53"]));
        assert!(check("198.51.100.7:53", &["0.0.0.0:53"]));
        assert!(check("[fd00::7]:53", &["0.0.0.0:53"]));
        assert!(!check("198.51.100.7:53", &["127.0.0.1:53"]), "there, and we are not");
        assert!(!check("127.0.0.1:54", &["0.0.0.0:53"]));
        assert!(!check("127.0.0.53:53", &["127.0.0.1:53"]), "a local resolver beside us");
        assert!(!check("192.0.2.1:53", &["0.0.0.0:53"]), "not an address of this machine");
        assert!(!check("192.0.2.1:53", &[]));
    }
}
