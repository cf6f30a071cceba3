//! Counters, one struct per room, registered here and handed to the rooms.
//!
//! Names carry their unit; no label can be invented by a client. Each room's struct stands in the room's own
//! file, has a `register` of its own, and is a field of [`Metrics`]; [`Metrics::new`] registers all of them
//! under the prefix `mesos_dns`. What every program shows of itself (memory, descriptors, processor time)
//! stands here, under the names that dashboards already know.

use std::{
    fmt, fs,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, counter::Counter, gauge::ConstGauge, info::Info},
    registry::Registry,
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use crate::{
    args::VERSION, daemon::standing::Gauges, dns::DnsMetrics, forward::ForwardMetrics, http::HttpMetrics,
    problems::ProblemMetrics, publish::PublishMetrics, snapshot::SnapshotMetrics,
    watch::metrics::WatchMetrics,
};

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
    /// Reloads of the configuration that took effect.
    pub reloads: Counter,
    /// Reloads that failed and changed nothing.
    pub reload_failures: Counter,
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
        metrics.dns.register(registry);
        metrics.forward.register(registry);
        metrics.publish.register(registry);
        metrics.http.register(registry);
        metrics.legacy.register(registry);
        metrics.watch.register(registry);
        metrics.standing.register(registry);
        metrics.snapshot.register(registry);
        metrics.problems.register(registry);
        registry.register("config_reloads", "Reloads that took effect", metrics.reloads.clone());
        registry.register(
            "config_reload_failures",
            "Reloads that changed nothing",
            metrics.reload_failures.clone(),
        );
        let version = Info::new([("version", VERSION)]);
        registry.register("build", "Which program this is", version);
        root.register_collector(Box::new(Process { started: SystemTime::now() }));
        (metrics, root)
    }
}

//------------ LegacyCounters ------------------------------------------------

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
    fn register(&self, registry: &mut Registry) {
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

//------------ Process -------------------------------------------------------

/// What the system knows about this process, read at each scrape.
#[derive(Debug)]
struct Process {
    started: SystemTime,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let since_epoch = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut gauge = |name: &str, help: &str, value: Option<f64>| {
            let Some(value) = value else { return Ok(()) };
            let metric = ConstGauge::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        gauge("process_start_time_seconds", "Unix time of the start.", Some(since_epoch.as_secs_f64()))?;
        gauge("process_resident_memory_bytes", "Memory in use.", resident_bytes())?;
        gauge("process_open_fds", "Open file descriptors.", open_descriptors())?;
        gauge("process_max_fds", "Most file descriptors allowed.", descriptors_max())?;
        let metric = ConstCounter::new(processor_time().as_secs_f64());
        let help = "Processor time used.";
        metric.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, metric.metric_type())?)
    }
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kibibytes) * 1024.0)
}

fn open_descriptors() -> Option<f64> {
    // One of them is the listing itself.
    let listed = u32::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?;
    Some(f64::from(listed.saturating_sub(1)))
}

fn descriptors_max() -> Option<f64> {
    getrlimit(Resource::Nofile).current.and_then(|limit| u32::try_from(limit).ok()).map(f64::from)
}

fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
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
