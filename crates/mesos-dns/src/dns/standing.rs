//! How our view of the cluster stands, where every worker can see it at no cost.
//!
//! One number: workers read it once per batch, without a lock; the daemon writes it. The time is added here, so that
//! whatever is answered together is answered at one moment.
//!
//! It is read beside the version that is served and not with it, so it may be older or younger than that. What both
//! together say is therefore worked out from every pair there can be, and where they differ, the version is right.

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
        let state = match told {
            // There is nothing to be live, or nothing but what a file says.
            _ if !published.zone.is_loaded() => State::Loading,
            _ if published.restored.is_some() => State::Stale,
            // Data are served the moment they come.
            State::Loading => State::Live,
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
        zone::{Serial, Snapshot, Zone},
    };

    use super::*;
    use crate::test_support::{policy, soa};

    /// Version 9: with data, or without; before any master has spoken if there is a time at which it was saved.
    fn published(is_loaded: bool, restored: Option<u64>) -> Published {
        let policy = policy();
        let zone = Zone::new(policy.apex.clone(), None, Seed(1)).snapshot(soa(), Serial(1));
        let zone = if is_loaded { zone } else { Snapshot::loading(policy.apex.clone(), soa()) };
        let (cluster, held, reign) = (Cluster::default(), None, Arc::default());
        Published {
            zone: Arc::new(zone),
            cluster,
            policy,
            held,
            restored,
            reign,
            skipped: Default::default(),
            version: 9,
            posting: 0,
        }
    }

    /// What the cell says, without the time.
    fn told(cell: &StandingCell, published: &Published) -> Standing {
        Standing { now: Duration::ZERO, ..cell.load(published) }
    }

    /// All that a reader can meet: each state, told before or after the version it finds.
    #[test]
    fn every_pair_of_version_and_state_makes_sense() {
        let empty = published(false, None);
        let (fresh, restored) = (published(true, None), published(true, Some(1)));
        for told in State::ALL {
            let cell = StandingCell::default();
            cell.store(told, None);
            assert_eq!(cell.load(&empty).state, State::Loading, "{told:?}: nothing is there");
            assert_eq!(cell.load(&restored).state, State::Stale, "{told:?}: no master has spoken");
            let of_fresh = if told == State::Loading { State::Live } else { told };
            assert_eq!(cell.load(&fresh).state, of_fresh, "{told:?}");
        }
    }

    #[test]
    fn what_is_stored_is_loaded() {
        let (cell, fresh) = (StandingCell::default(), published(true, None));
        // Not told yet.
        let expected = Standing { state: State::Live, age: None, version: 9, ..Standing::default() };
        assert_eq!(told(&cell, &fresh), expected);
        for state in [State::Holding, State::Live, State::Stale] {
            for age in [None, Some(0), Some(7), Some(u32::MAX)] {
                cell.store(state, age);
                assert_eq!(told(&cell, &fresh), Standing { state, age, version: 9, ..Standing::default() });
            }
        }
    }
}
