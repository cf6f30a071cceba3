//! How our view of the cluster stands, where every worker can see it at no cost.
//!
//! One number: workers read it once per batch, without a lock; the daemon writes it. The time is added here, so that
//! whatever is answered together is answered at one moment.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use mesos_dns_core::answer::{Standing, State};

use crate::publish::Published;

/// How far the age stands above the state.
const AGE_SHIFT: u32 = 8;

/// In place of the age: no master ever confirmed the data. Larger than any age there can be.
const NO_AGE: u64 = 1 << 32;

/// See the head of this file. At the start it says that there is no data.
#[derive(Debug)]
pub struct StandingCell(AtomicU64);

impl Default for StandingCell {
    fn default() -> Self {
        Self(AtomicU64::new(pack(State::default(), None)))
    }
}

impl StandingCell {
    /// Shows another state and age, in seconds, to queries from now on.
    pub fn store(&self, state: State, age: Option<u32>) {
        self.0.store(pack(state, age), Ordering::Relaxed);
    }

    /// The standing, for answers that are made from this version.
    pub fn load(&self, published: &Published) -> Standing {
        let (told, age) = unpack(self.0.load(Ordering::Relaxed));
        // Data are served the moment they come; this cell may be told a moment later.
        let state = match told {
            _ if published.restored.is_some() => State::Stale,
            State::Loading if published.zone.is_loaded() => State::Live,
            told => told,
        };
        // A clock before 1970 gives the epoch: cookies and limits then only see time stand still.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Standing { state, age, version: published.version, now }
    }
}

fn pack(state: State, age: Option<u32>) -> u64 {
    age.map_or(NO_AGE, u64::from) << AGE_SHIFT | state as u64
}

fn unpack(packed: u64) -> (State, Option<u32>) {
    let number = packed & ((1 << AGE_SHIFT) - 1);
    let state = State::ALL.into_iter().find(|state| *state as u64 == number).unwrap_or_default();
    (state, u32::try_from(packed >> AGE_SHIFT).ok())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use mesos_dns_core::{
        cluster::Cluster,
        table::Seed,
        zone::{Serial, Zone},
    };

    use super::*;
    use crate::test_support::{policy, soa};

    /// Version 9, with data; before any master has spoken if there is a time at which it was saved.
    fn published(restored: Option<u64>) -> Published {
        let policy = policy();
        let zone = Zone::new(policy.apex.clone(), None, Seed(1));
        Published {
            zone: Arc::new(zone.snapshot(soa(), Serial(1))),
            cluster: Cluster::default(),
            policy,
            held: None,
            restored,
            reign: Arc::default(),
            version: 9,
        }
    }

    /// What the cell says, without the time.
    fn told(cell: &StandingCell, published: &Published) -> Standing {
        Standing { now: Duration::ZERO, ..cell.load(published) }
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let cell = StandingCell::default();
        let (fresh, restored) = (published(None), published(Some(1)));
        // Not told yet.
        assert_eq!(
            told(&cell, &fresh),
            Standing { state: State::Live, age: None, version: 9, ..Standing::default() }
        );
        assert_eq!(
            told(&cell, &restored),
            Standing { state: State::Stale, age: None, version: 9, ..Standing::default() }
        );
        for state in [State::Holding, State::Live, State::Stale] {
            for age in [None, Some(0), Some(7), Some(u32::MAX)] {
                cell.store(state, age);
                assert_eq!(told(&cell, &fresh), Standing { state, age, version: 9, ..Standing::default() });
                assert_eq!(cell.load(&restored).state, State::Stale);
            }
        }
    }
}
