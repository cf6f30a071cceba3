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

/// What HTTP clients may take: connections are a quarter of what is there at most. Those who watch stay, so they come
/// on top of the others.
pub(super) fn of_http(descriptors: u64) -> http::Limits {
    let free = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(DESCRIPTORS_RESERVED);
    let limits = http::Limits::default();
    let most = limits.connections.saturating_add(http::WATCHERS_MAX);
    http::Limits { connections: most.min((free / 4).max(1)), ..limits }
}

/// How many of these connections may watch: at most all but an eighth of them, so that somebody can still ask.
pub(super) fn of_watchers(http: &http::Limits) -> usize {
    http.connections.saturating_sub((http.connections / 8).clamp(1, 1024)).min(http::WATCHERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration;

    #[test]
    fn nobody_gets_more_than_there_is() {
        for (members, descriptors, dns, http, watchers) in [
            ("", 256, 64, 32, 28),
            ("", 20_000, 9936, 4968, 4347),
            ("", u64::MAX, 10_000, 11_024, 10_000),
            ("", 0, 1, 1, 0),
            (r#", "tcpConnections": 50"#, 20_000, 50, 4968, 4347),
            (r#", "tcpConnections": 50000"#, 20_000, 19_872, 4968, 4347),
            (r#", "tcpConnections": 50000"#, 100_000, 50_000, 11_024, 10_000),
        ] {
            let text = format!(r#"{{"masters": ["127.0.0.1:5050"], "externalon": false{members}}}"#);
            let config = configuration::from_bytes("config.json", text.as_bytes()).unwrap();
            let limits = of_dns(&config, descriptors);
            assert_eq!((limits.connections, limits.per_client), (dns, 64), "{members} {descriptors}");
            let limits = of_http(descriptors);
            assert_eq!((limits.connections, of_watchers(&limits)), (http, watchers), "{descriptors}");
        }
    }
}
