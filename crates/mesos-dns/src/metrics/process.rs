//! What every program shows of itself, under the names that dashboards already know.

use std::{
    fmt, fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// What the system knows about this process, read at each scrape.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) started: SystemTime,
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
