//! In which order the records of an answer stand.
//!
//! Clients take the first answer, and only some answers fit a datagram, so order is load balancing:
//! every record must come first, and survive truncation, equally often.

/// Up to this many records are put in a truly random order; above it, see [`Order`].
const SHUFFLE_MAX: usize = 64;

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
        let mut dice = Dice(dice);
        if count > SHUFFLE_MAX {
            let mut step = dice.below(count).max(1);
            while common_factor(step, count) != 1 {
                step = step.checked_rem(count).unwrap_or(0).saturating_add(1);
            }
            return Self::Strided { next: dice.below(count), step, left: count, count };
        }
        let mut indices = [0; SHUFFLE_MAX];
        for (place, index) in (0_u8..).zip(indices.iter_mut().take(count)) {
            *index = place;
        }
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
struct Dice(u64);

impl Dice {
    /// A number from 0 to `limit` less one.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The high half of the product: unbiased enough for sets far smaller than 2^32.
        (u128::from(mixed).wrapping_mul(limit as u128) >> 64) as usize
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
