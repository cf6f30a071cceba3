//! The counters of the original program.

use std::fmt;

use prometheus_client::{metrics::counter::Counter, registry::Registry};

/// The nine counters of the original, counted by its rules: whoever compared them over the years still can.
///
/// The DNS server and the HTTP views of hosts and services count here, both by name and outcome.
#[derive(Debug, Default)]
pub struct LegacyCounters {
    /// Queries for names of the domain.
    pub mesos_requests: Counter,
    /// Those with an answer, or of the types SOA, NS and SRV.
    pub mesos_success: Counter,
    /// Those without, whether or not the name exists.
    pub mesos_nxdomain: Counter,
    /// Those that met a stored value that could not be used.
    pub mesos_failed: Counter,
    /// Queries for any other name.
    pub non_mesos_requests: Counter,
    /// Exchanges with a server that gave a reply.
    pub non_mesos_success: Counter,
    /// Replies without an answer.
    pub non_mesos_nxdomain: Counter,
    /// Exchanges with a server that gave none.
    pub non_mesos_failed: Counter,
    /// Exchanges with a server.
    pub non_mesos_forwarded: Counter,
}

impl LegacyCounters {
    pub(super) fn register(&self, registry: &mut Registry) {
        let legacy = registry.sub_registry_with_prefix("legacy");
        for (name, help, counter) in [
            ("mesos_requests", "MesosRequests of the original", &self.mesos_requests),
            ("mesos_success", "MesosSuccess of the original", &self.mesos_success),
            ("mesos_nxdomain", "MesosNXDomain of the original", &self.mesos_nxdomain),
            ("mesos_failed", "MesosFailed of the original", &self.mesos_failed),
            ("non_mesos_requests", "NonMesosRequests of the original", &self.non_mesos_requests),
            ("non_mesos_success", "NonMesosSuccess of the original", &self.non_mesos_success),
            ("non_mesos_nxdomain", "NonMesosNXDomain of the original", &self.non_mesos_nxdomain),
            ("non_mesos_failed", "NonMesosFailed of the original", &self.non_mesos_failed),
            ("non_mesos_forwarded", "NonMesosForwarded of the original", &self.non_mesos_forwarded),
        ] {
            legacy.register(name, help, counter.clone());
        }
    }
}

impl fmt::Display for LegacyCounters {
    /// The line the original logs after each reload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{MesosRequests:{} MesosSuccess:{} MesosNXDomain:{} MesosFailed:{} NonMesosRequests:{} \
             NonMesosSuccess:{} NonMesosNXDomain:{} NonMesosFailed:{} NonMesosForwarded:{}}}",
            self.mesos_requests.get(),
            self.mesos_success.get(),
            self.mesos_nxdomain.get(),
            self.mesos_failed.get(),
            self.non_mesos_requests.get(),
            self.non_mesos_success.get(),
            self.non_mesos_nxdomain.get(),
            self.non_mesos_failed.get(),
            self.non_mesos_forwarded.get(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_original() {
        let counters = LegacyCounters::default();
        counters.non_mesos_forwarded.inc_by(3);
        assert_eq!(
            counters.to_string(),
            "{MesosRequests:0 MesosSuccess:0 MesosNXDomain:0 MesosFailed:0 NonMesosRequests:0 NonMesosSuccess:0 \
             NonMesosNXDomain:0 NonMesosFailed:0 NonMesosForwarded:3}"
        );
    }
}
