//! Versions that are not current any more and that readers may still hold.
//!
//! Whoever lets go of a version last frees it, and after a load that means hundreds of thousands of allocations. A
//! worker that answers queries must not pay for that in the middle of a batch, so the writer keeps each former
//! version until it is the last to hold it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::Published;

/// How soon to look again whether readers have let go.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// For how long a version is kept for its readers. A batch of queries is over long before; who reads for longer
/// streams a large body, on a thread that may take its time.
const KEPT: Duration = Duration::from_secs(2);

/// See the head of this file.
#[derive(Default)]
pub(super) struct Former(Vec<(Instant, Arc<Published>)>);

impl Former {
    /// Keeps a version that was replaced now, if anybody holds it.
    pub(super) fn keep(&mut self, version: Arc<Published>, now: Instant) {
        self.0.push((now, version));
        self.let_go(now);
    }

    /// Lets go of all that nobody else holds, and of what was kept long enough.
    pub(super) fn let_go(&mut self, now: Instant) {
        let is_held = |version: &Arc<Published>| Arc::strong_count(version) > 1;
        self.0.retain(|(since, version)| is_held(version) && now.saturating_duration_since(*since) < KEPT);
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{configuration, daemon::rooms};

    fn version() -> Arc<Published> {
        let json = br#"{"masters": ["127.0.0.1:5050"], "externalon": false}"#;
        let settings = rooms::publish(&configuration::from_bytes("test", json).unwrap(), &[]);
        Arc::new(Published::loading(settings.policy, settings.soa))
    }

    #[test]
    fn a_version_is_kept_while_a_reader_has_it_and_not_for_ever() {
        let (mut former, start) = (Former::default(), Instant::now());
        former.keep(version(), start);
        assert!(former.is_empty(), "nobody held it");

        let read = version();
        former.keep(read.clone(), start);
        former.let_go(start);
        assert!(!former.is_empty());
        drop(read);
        former.let_go(start);
        assert!(former.is_empty());

        let slow = version();
        former.keep(slow.clone(), start);
        former.let_go(start + KEPT);
        assert!(former.is_empty());
        assert_eq!(Arc::strong_count(&slow), 1);
    }
}
