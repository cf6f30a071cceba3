//! How our view of the cluster stands, where every worker can see it at no cost.
//!
//! One number: workers read it once per batch, with neither lock nor clock; the daemon writes it.

use std::sync::atomic::{AtomicU64, Ordering};

use mesos_dns_core::answer::{Standing, State};

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

    /// The standing, with the version that the answer is made from.
    pub fn load(&self, version: u64) -> Standing {
        let (state, age) = unpack(self.0.load(Ordering::Relaxed));
        // Data are served the moment they come; this cell may be told a moment later.
        let state = if state == State::Loading && version > 0 { State::Live } else { state };
        Standing { state, age, version }
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
    use super::*;

    #[test]
    fn what_is_stored_is_loaded() {
        let cell = StandingCell::default();
        assert_eq!(cell.load(0), Standing { state: State::Loading, age: None, version: 0 });
        assert_eq!(cell.load(1), Standing { state: State::Live, age: None, version: 1 });
        for state in [State::Holding, State::Live, State::Stale] {
            for age in [None, Some(0), Some(7), Some(u32::MAX)] {
                cell.store(state, age);
                assert_eq!(cell.load(9), Standing { state, age, version: 9 });
            }
        }
    }
}
