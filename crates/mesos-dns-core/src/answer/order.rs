//! In which order the records of an answer stand.
//!
//! Clients take the first answer, and only some answers fit a datagram, so order is load balancing:
//! every record must come first, and survive truncation, equally often.

/// Up to this many records are put in a truly random order; above it, see [`Order`].
const SHUFFLE_MAX: usize = 64;

/// The order before shuffling.
const SORTED: [u8; SHUFFLE_MAX] = {
    let mut indices = [0; SHUFFLE_MAX];
    let (mut rest, mut place) = (indices.as_mut_slice(), 0_u8);
    while let Some((index, after)) = rest.split_first_mut() {
        *index = place;
        place = place.wrapping_add(1);
        rest = after;
    }
    indices
};

/// Indices of records in the order in which to write them.
///
/// Small sets are shuffled (Fisher and Yates). Large ones are walked from a random start in steps of a
/// random size without common factor with their number: each record is equally likely at each place,
/// at no cost for the ones that are not written.
pub(super) enum Order {
    Shuffled { indices: [u8; SHUFFLE_MAX], at: usize, count: usize },
    Strided { next: usize, step: usize, left: usize, count: usize },
}

impl Order {
    /// A random order of `count` records; the same for the same `dice`.
    pub(super) fn new(count: usize, dice: u64) -> Self {
        let mut dice = Dice::new(dice);
        if count > SHUFFLE_MAX {
            let mut step = dice.below(count).max(1);
            while common_factor(step, count) != 1 {
                step = step.checked_rem(count).unwrap_or(0).saturating_add(1);
            }
            return Self::Strided { next: dice.below(count), step, left: count, count };
        }
        let mut indices = SORTED;
        if let Some(used) = indices.get_mut(..count) {
            for last in (1..count).rev() {
                used.swap(last, dice.below(last.saturating_add(1)));
            }
        }
        Self::Shuffled { indices, at: 0, count }
    }
}

impl Iterator for Order {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::Shuffled { indices, at, count } => {
                let index = indices.get(..*count)?.get(*at)?;
                *at = at.saturating_add(1);
                Some(usize::from(*index))
            }
            Self::Strided { next, step, left, count } => {
                *left = left.checked_sub(1)?;
                let index = *next;
                *next = next.saturating_add(*step).checked_rem(*count)?;
                Some(index)
            }
        }
    }
}

fn common_factor(a: usize, b: usize) -> usize {
    let (mut a, mut b) = (a, b);
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

/// SplitMix64: spreads one random number over as many as an answer needs.
pub(super) struct Dice {
    seed: u64,
    /// What is left of the number drawn last: as a fraction, uniform.
    fraction: u64,
    /// How many outcomes were taken from it; [`OUTCOMES_MAX`] as long as nothing was drawn.
    outcomes: u64,
}

/// So many outcomes may be taken from one drawn number: then none of them is likelier than another by more than one
/// part in a million. Thirteen records are one draw.
const OUTCOMES_MAX: u64 = 1 << 44;

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, fraction: 0, outcomes: OUTCOMES_MAX }
    }

    /// A number from 0 to `limit` less one.
    fn below(&mut self, limit: usize) -> usize {
        let limit = limit as u64;
        self.outcomes = self.outcomes.saturating_mul(limit);
        if self.outcomes > OUTCOMES_MAX {
            self.fraction = self.draw();
            self.outcomes = limit;
        }
        // The whole part of the fraction times the limit is the outcome; what is behind the point is uniform again.
        let product = u128::from(self.fraction).wrapping_mul(u128::from(limit));
        self.fraction = product as u64;
        (product >> 64) as usize
    }

    /// A number from 0 to less than 1.
    pub(super) fn fraction(&mut self) -> f64 {
        // As many bits as a number of this type holds.
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_a_permutation() {
        for count in [0, 1, 2, 3, 63, 64, 65, 66, 100, 1000, 65536] {
            for dice in 0..20 {
                let mut all: Vec<usize> = Order::new(count, dice * 0x1234_5678_9abc).collect();
                all.sort_unstable();
                assert_eq!(all, (0..count).collect::<Vec<_>>(), "{count} {dice}");
            }
        }
    }

    /// The last place too, for which the least of a drawn number is left, and pairs of neighbours.
    #[test]
    fn no_order_is_likelier() {
        let rounds = 40_000_u32;
        let mut orders = std::collections::BTreeMap::new();
        let mut last = vec![0_u32; 20];
        for dice in 0..rounds {
            let dice = u64::from(dice).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *orders.entry(Order::new(5, dice).collect::<Vec<_>>()).or_insert(0_u32) += 1;
            last[Order::new(20, dice).last().unwrap()] += 1;
        }
        assert_eq!(orders.len(), 120);
        check_uniform(&orders.into_values().collect::<Vec<_>>(), rounds);
        check_uniform(&last, rounds);
    }

    fn check_uniform(seen: &[u32], rounds: u32) {
        let expected = f64::from(rounds) / seen.len() as f64;
        let chi: f64 = seen.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        let degrees = (seen.len() - 1) as f64;
        assert!(chi < degrees + 5.0 * (2.0 * degrees).sqrt() + 5.0, "{chi} {seen:?}");
    }

    /// Chi-squared against the uniform distribution, for the first place and for the first quarter.
    #[test]
    fn every_record_has_its_turn() {
        for count in [2_usize, 5, 60, 97, 200] {
            for kept in [1, count.div_ceil(4)] {
                let rounds = 20_000_u32;
                let mut seen = vec![0_u32; count];
                for dice in 0..rounds {
                    Order::new(count, u64::from(dice)).take(kept).for_each(|index| seen[index] += 1);
                }
                let expected = f64::from(rounds) * kept as f64 / count as f64;
                let chi: f64 = seen.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
                let degrees = (count - 1) as f64;
                assert!(chi < degrees + 5.0 * (2.0 * degrees).sqrt() + 5.0, "{count} {kept}: {chi} {seen:?}");
            }
        }
    }
}
