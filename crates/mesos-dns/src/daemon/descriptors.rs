//! File descriptors, shared out: who may have how many connections, so that none of them is without.

use mesos_dns_core::config::Config;
use tracing::warn;

use crate::{dns, http};

/// File descriptors that are neither a DNS client's nor an HTTP client's: upstreams, masters, ZooKeeper, files, and
/// connections that were told to leave.
const DESCRIPTORS_RESERVED: usize = 128;

/// Connections of DNS clients where descriptors are no matter. Each costs the kernel and us some kilobytes.
const CONNECTIONS_MAX: usize = 10_000;

/// How many connections DNS clients may have: what the operator wants, or half of what is there.
///
/// More than the system can give would make `accept` fail instead of making room, so that is the limit in any case.
pub(super) fn of_dns(config: &Config, descriptors: u64) -> dns::ConnectionLimits {
    let free = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(DESCRIPTORS_RESERVED);
    let connections = match config.tcp_connections {
        Some(wanted) => {
            let given = wanted.min(free.max(1));
            if given < wanted {
                warn!(
                    wanted,
                    given,
                    descriptors,
                    "fewer connections than asked for: the limit of open files is too low"
                );
            }
            given
        }
        None => (free / 2).clamp(1, CONNECTIONS_MAX),
    };
    dns::ConnectionLimits { connections, per_client: config.tcp_per_client }
}

/// What HTTP clients may take: connections are a quarter of what is there at most.
pub(super) fn of_http(descriptors: u64) -> http::Limits {
    let free = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(DESCRIPTORS_RESERVED);
    let limits = http::Limits::default();
    http::Limits { connections: limits.connections.min((free / 4).max(1)), ..limits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration;

    #[test]
    fn nobody_gets_more_than_there_is() {
        for (members, descriptors, dns, http) in [
            ("", 256, 64, 32),
            ("", 20_000, 9936, 1024),
            ("", u64::MAX, 10_000, 1024),
            ("", 0, 1, 1),
            (r#", "tcpConnections": 50"#, 20_000, 50, 1024),
            (r#", "tcpConnections": 50000"#, 20_000, 19_872, 1024),
            (r#", "tcpConnections": 50000"#, 100_000, 50_000, 1024),
        ] {
            let text = format!(r#"{{"masters": ["127.0.0.1:5050"], "externalon": false{members}}}"#);
            let config = configuration::from_bytes("config.json", text.as_bytes()).unwrap();
            let limits = of_dns(&config, descriptors);
            assert_eq!((limits.connections, limits.per_client), (dns, 64), "{members} {descriptors}");
            assert_eq!(of_http(descriptors).connections, http, "{descriptors}");
        }
    }
}
