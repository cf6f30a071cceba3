//! How much may be asked early.

/// How many queries may be sent early to a second server: each exchange earns a share of one, so hedging can
/// never add more than that share to the load, whatever servers do.
#[derive(Debug)]
pub struct Allowance {
    /// In exchanges.
    earned: u32,
}

/// Exchanges that earn one early query: 5 %.
pub const EXCHANGES_PER_HEDGE: u32 = 20;

/// Most early queries saved up.
pub const HEDGES_MAX: u32 = 10;

impl Default for Allowance {
    fn default() -> Self {
        Self { earned: HEDGES_MAX.saturating_mul(EXCHANGES_PER_HEDGE) }
    }
}

impl Allowance {
    /// An exchange began.
    pub fn earn(&mut self) {
        self.earned = self.earned.saturating_add(1).min(HEDGES_MAX.saturating_mul(EXCHANGES_PER_HEDGE));
    }

    /// Spends an early query, if there is one.
    pub fn spend(&mut self) -> bool {
        let left = self.earned.checked_sub(EXCHANGES_PER_HEDGE);
        self.earned = left.unwrap_or(self.earned);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_queries_are_a_small_share() {
        let mut allowance = Allowance::default();
        let mut spent = 0_u32;
        for _ in 0..10_000 {
            allowance.earn();
            spent += u32::from(allowance.spend()) + u32::from(allowance.spend());
        }
        let share = 10_000 / EXCHANGES_PER_HEDGE;
        assert!((share..=share + HEDGES_MAX).contains(&spent), "{spent}");
        (0..1000).for_each(|_| allowance.earn());
        assert_eq!((0..100).filter(|_| allowance.spend()).count() as u32, HEDGES_MAX);
    }
}
