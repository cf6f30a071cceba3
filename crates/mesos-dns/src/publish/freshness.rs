//! How soon what happens in the cluster can be asked for.
//!
//! Two times are measured, both to the moment at which the version is served that shows what an event says:
//!
//! - from its arrival here: by our clock alone, which cannot be set, so it is exact;
//! - from the moment at which the agent made the status that the event tells of: what users feel, master and network
//!   included. It compares two machines' clocks. A time that lies ahead of ours is counted apart, as there is no
//!   telling how long it took; a clock that is behind makes everything look slower, and nobody can see that.
//!
//! Only updates of tasks have such a status. A task that enters its framework either has none yet, or its agent came
//! back and it has an old one. Events that change nothing anybody could ask for are not measured.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::{
    metrics::{counter::Counter, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Events of one version that are measured, at most. Of a larger burst the first ones are.
const MEASURED_MAX: usize = 4096;

/// How events came.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When.
    pub received: Instant,
    /// When agents made the statuses that they tell of, in seconds of Unix time by their clocks.
    pub status_times: Vec<f64>,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct FreshnessMetrics {
    propagation: Histogram,
    ahead: Counter,
    publishing: Histogram,
}

impl Default for FreshnessMetrics {
    fn default() -> Self {
        let propagation = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        let publishing = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
        Self {
            propagation: Histogram::new(propagation),
            ahead: Counter::default(),
            publishing: Histogram::new(publishing),
        }
    }
}

impl FreshnessMetrics {
    pub(super) fn register(&self, zone: &mut Registry) {
        let help = "From the time an agent wrote into the status of a task to our answering accordingly; compares the \
                    agent's clock with ours, and says too much where the agent's is behind";
        zone.register_with_unit("propagation", help, Unit::Seconds, self.propagation.clone());
        let help =
            "Statuses that were not measured because their time lies ahead of our clock: clocks differ";
        zone.register("propagation_ahead", help, self.ahead.clone());
        let help = "From the arrival of an event to our answering accordingly, by our clock alone";
        zone.register_with_unit("publish", help, Unit::Seconds, self.publishing.clone());
    }
}

//------------ Arrivals ------------------------------------------------------

/// Events that no version shows yet.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    received: Vec<Instant>,
    status_times: Vec<f64>,
}

impl Arrivals {
    /// So many events came.
    pub(super) fn note(&mut self, events: usize, arrival: Arrival) {
        let room = MEASURED_MAX.saturating_sub(self.received.len());
        self.received.extend(std::iter::repeat_n(arrival.received, events.min(room)));
        let room = MEASURED_MAX.saturating_sub(self.status_times.len());
        self.status_times.extend(arrival.status_times.into_iter().take(room));
    }

    /// They are served, or changed nothing that could be.
    pub(super) fn settle(&mut self, is_served: bool, metrics: &FreshnessMetrics) {
        if is_served && !self.received.is_empty() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.measure(Instant::now(), now, metrics);
        }
        self.received.clear();
        self.status_times.clear();
    }

    fn measure(&self, now: Instant, unix: Duration, metrics: &FreshnessMetrics) {
        for received in &self.received {
            metrics.publishing.observe(now.saturating_duration_since(*received).as_secs_f64());
        }
        for time in &self.status_times {
            match unix.as_secs_f64() - time {
                ahead if ahead < 0.0 => _ = metrics.ahead.inc(),
                seconds => metrics.propagation.observe(seconds),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    /// Count and sum of both histograms, and how many were ahead.
    fn shown(metrics: &FreshnessMetrics) -> [String; 5] {
        let (mut registry, mut text) = (Registry::default(), String::new());
        metrics.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        let names = ["propagation_seconds_count", "propagation_seconds_sum", "propagation_ahead_total"];
        [names[0], names[1], names[2], "publish_seconds_count", "publish_seconds_sum"].map(|name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.expect(name).to_owned()
        })
    }

    #[test]
    fn clocks_that_are_ahead_are_counted_apart() {
        let (metrics, mut arrivals, received) =
            (FreshnessMetrics::default(), Arrivals::default(), Instant::now());
        arrivals.note(4, Arrival { received, status_times: vec![999.5, 1000.25, 990.0] });
        arrivals.measure(received + Duration::from_millis(250), Duration::from_secs(1000), &metrics);
        assert_eq!(shown(&metrics), ["2", "10.5", "1", "4", "1.0"]);
    }

    #[test]
    fn what_changes_no_answer_is_not_measured() {
        let (metrics, mut arrivals) = (FreshnessMetrics::default(), Arrivals::default());
        arrivals.note(1, Arrival { received: Instant::now(), status_times: vec![1.0] });
        arrivals.settle(false, &metrics);
        arrivals.settle(true, &metrics);
        assert_eq!(shown(&metrics), ["0", "0.0", "0", "0", "0.0"]);
        arrivals.note(2, Arrival { received: Instant::now(), status_times: vec![1.0] });
        arrivals.settle(true, &metrics);
        assert_eq!([&shown(&metrics)[0], &shown(&metrics)[3]], ["1", "2"]);
    }

    #[test]
    fn a_burst_takes_bounded_memory() {
        let mut arrivals = Arrivals::default();
        for _ in 0..10 {
            let status_times = vec![1.0; 1000];
            arrivals.note(1000, Arrival { received: Instant::now(), status_times });
        }
        assert_eq!((arrivals.received.len(), arrivals.status_times.len()), (MEASURED_MAX, MEASURED_MAX));
    }
}
