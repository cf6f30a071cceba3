//! Counters, one struct per room, registered here and handed to the rooms.
//!
//! Names carry their unit; no label can be invented by a client. Each room's struct stands in the room's own
//! file or below; `Metrics::new` registers all of them under the prefix `mesos_dns`.

use prometheus_client::registry::Registry;

/// All counters of the process.
#[derive(Default)]
pub struct Metrics {}

impl Metrics {
    /// Makes the counters and registers them.
    pub fn new() -> (Self, Registry) {
        let registry = Registry::with_prefix("mesos_dns");
        let metrics = Self::default();
        (metrics, registry)
    }
}
