//! Percentiles of what was measured.

use std::{fmt, time::Duration};

/// Durations in ascending order.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<Duration>);

impl Figures {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest value that so many of a thousand do not exceed; zero if nothing was measured.
    pub fn per_mille(&self, share: usize) -> Duration {
        let rank = (self.0.len() * share).div_ceil(1000).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The middle one.
    pub fn median(&self) -> Duration {
        self.per_mille(500)
    }

    /// The largest.
    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Figures {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut durations: Vec<Duration> = durations.into_iter().collect();
        durations.sort_unstable();
        Self(durations)
    }
}

/// Milliseconds with as many places as matter.
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1000.0;
        let places = if millis < 10.0 { 2 } else { 0 };
        write!(f, "{millis:.places$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let figures: Figures = (1..=1000).rev().map(Duration::from_millis).collect();
        let shown: Vec<u128> =
            [0, 1, 500, 990, 999, 1000].map(|share| figures.per_mille(share).as_millis()).into();
        assert_eq!(shown, [1, 1, 500, 990, 999, 1000]);
        let few: Figures = [3, 1, 2].into_iter().map(Duration::from_millis).collect();
        assert_eq!(
            (few.median().as_millis(), few.per_mille(990).as_millis(), few.max().as_millis()),
            (2, 3, 3)
        );
        assert_eq!(Figures::default().median(), Duration::ZERO);
    }
}
