//! How long ago something happened, worked out when somebody asks.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};

/// When something happened last, to be shown as its age. Written by one thread, read by another.
#[derive(Debug)]
pub struct Moment {
    born: Instant,
    /// Nanoseconds from `born`, plus one; 0: never.
    at: AtomicU64,
}

impl Default for Moment {
    fn default() -> Self {
        Self { born: Instant::now(), at: AtomicU64::new(0) }
    }
}

impl Moment {
    /// It happened at this moment.
    pub fn set(&self, now: Instant) {
        let since = now.saturating_duration_since(self.born);
        self.at.store(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX - 1) + 1, Ordering::Relaxed);
    }

    /// How long ago it was; `None` if it never was.
    pub fn age(&self) -> Option<Duration> {
        let at = self.at.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.born.elapsed().saturating_sub(Duration::from_nanos(at)))
    }
}

/// What a metric is called in its room, what it means, and the moment whose age it shows.
pub(crate) type Age<T> = (&'static str, &'static str, fn(&T) -> &Moment);

/// Shows how long ago things happened, at the time of the scrape. What never happened has no number.
pub(crate) struct Ages<T: 'static> {
    pub(crate) of: Arc<T>,
    pub(crate) rows: &'static [Age<T>],
}

/// The room's counters are no business of whoever prints this.
impl<T> fmt::Debug for Ages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ages").finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Collector for Ages<T> {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for (name, help, moment) in self.rows {
            let metric = encoder.encode_descriptor(
                name,
                &format!("{help}."),
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            if let Some(age) = moment(&self.of).age() {
                ConstGauge::new(age.as_secs_f64()).encode(metric)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_has_no_age() {
        let moment = Moment::default();
        assert_eq!(moment.age(), None);
        let now = Instant::now();
        moment.set(now);
        let age = moment.age().unwrap();
        assert!(age <= now.elapsed(), "{age:?}");
        // One from before this was made counts as that moment.
        moment.set(moment.born.checked_sub(Duration::from_secs(5)).unwrap());
        assert!(moment.age().unwrap() <= moment.born.elapsed());
    }
}
