//! Chance whose course follows from its seed, for tests of this crate and others that read this file.

/// A small generator (xorshift, as the core has no dice): quality does not matter, repeatability does.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below this many; 0 if that is none.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % sides.max(1)
    }
}
