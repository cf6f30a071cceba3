//! Counters, one struct per room, registered here and handed to the rooms.
//!
//! Names carry their unit; no label can be invented by a client. Each room's struct stands in the room's own
//! file, has a `register` of its own, and is a field of [`Metrics`]; [`Metrics::new`] registers all of them
//! under the prefix `mesos_dns`. What is no room's alone stands here: the ages of moments (`ages`), the counters of
//! the original (`legacy`), the process (`process`), the text of all (`exposition`). `docs/metrics.md` is made from the registry (`page`).

mod ages;
mod exposition;
mod legacy;
#[cfg(test)]
mod page;
mod process;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};

pub use ages::Moment;
pub(crate) use ages::{Age, Ages};
pub use exposition::{Format, exposition};
pub use legacy::LegacyCounters;

use crate::{
    args::VERSION, daemon::standing::Gauges, dns::DnsMetrics, forward::ForwardMetrics, http::HttpMetrics,
    problems::ProblemMetrics, publish::PublishMetrics, snapshot::SnapshotMetrics,
    watch::metrics::WatchMetrics,
};
use process::Process;

/// All counters of the process.
#[derive(Default)]
pub struct Metrics {
    /// The DNS server.
    pub dns: Arc<DnsMetrics>,
    /// The forwarder.
    pub forward: Arc<ForwardMetrics>,
    /// The HTTP server.
    pub http: Arc<HttpMetrics>,
    /// The counters of the original program.
    pub legacy: Arc<LegacyCounters>,
    /// What is wrong with names.
    pub problems: ProblemMetrics,
    /// The publisher.
    pub publish: Arc<PublishMetrics>,
    /// Reloads of the configuration.
    pub reloads: ReloadMetrics,
    /// The snapshot file.
    pub snapshot: SnapshotMetrics,
    /// State and age of the data.
    pub standing: Gauges,
    /// ZooKeeper, the masters, host names.
    pub watch: Arc<WatchMetrics>,
}

impl Metrics {
    /// Makes the counters and registers them.
    pub fn new() -> (Self, Registry) {
        let mut root = Registry::default();
        let metrics = Self::default();
        let registry = root.sub_registry_with_prefix("mesos_dns");
        // Before those of the original, which it brings up to date.
        metrics.dns.register(&metrics.legacy, registry);
        metrics.forward.register(registry);
        metrics.publish.register(registry);
        metrics.http.register(registry);
        metrics.legacy.register(registry);
        metrics.watch.register(registry);
        metrics.standing.register(registry);
        metrics.snapshot.register(registry);
        metrics.problems.register(registry);
        metrics.reloads.register(registry);
        let version = Info::new([("version", VERSION)]);
        registry.register("build", "Which program this is", version);
        root.register_collector(Box::new(Process { started: SystemTime::now() }));
        (metrics, root)
    }
}

//------------ ReloadMetrics -------------------------------------------------

/// What became of the configuration file.
#[derive(Debug, Default)]
pub struct ReloadMetrics {
    done: Counter,
    failures: Counter,
    is_good: Gauge,
    last: Gauge,
}

impl ReloadMetrics {
    fn register(&self, registry: &mut Registry) {
        let config = registry.sub_registry_with_prefix("config");
        config.register("reloads", "Reloads that took effect", self.done.clone());
        config.register("reload_failures", "Reloads that changed nothing", self.failures.clone());
        let help = "1 if the file was good when it was last read, at the start or for a reload; 0 if not: an older \
                    configuration is in force";
        config.register("last_load_successful", help, self.is_good.clone());
        let help = "Unix time at which the file was last read";
        config.register_with_unit("last_load", help, Unit::Seconds, self.last.clone());
        self.read(true);
    }

    /// A reload was asked for, and came to this.
    pub fn reloaded(&self, is_good: bool) {
        if is_good {
            self.done.inc()
        } else {
            self.failures.inc()
        };
        self.read(is_good);
    }

    fn read(&self, is_good: bool) {
        self.is_good.set(is_good.into());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn the_process_shows_itself() {
        let (metrics, registry) = Metrics::new();
        metrics.legacy.mesos_requests.inc();
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name);
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6, "{text}");
        assert!(value("process_open_fds") >= 3.0, "{text}");
        assert!(value("process_max_fds") >= value("process_open_fds"), "{text}");
        assert!(value("process_start_time_seconds") > 1.7e9, "{text}");
        assert!(value("process_cpu_seconds_total") > 0.0, "{text}");
        assert_eq!(value("mesos_dns_legacy_mesos_requests_total"), 1.0);
        assert!(text.contains("mesos_dns_build_info{version=\""), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
