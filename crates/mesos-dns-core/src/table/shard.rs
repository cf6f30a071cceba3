//! One shard of a table: a small hash table without spare room for entries.
//!
//! Entries stand side by side in a list, in no order. Slots, two bytes each, say where in it an entry is: they are
//! probed one after the other (linear probing) from a place that the hash gives, and each also holds a few bits of the
//! hash, so that an entry is hardly ever looked at in vain.
//!
//! Why not a hash table from a library: their sizes are powers of two, as are the numbers of shards, so together
//! they stood half empty, which for a large zone was a tenth of all memory.

/// Bits of a slot that say which entry; 0 is none.
const INDEX_BITS: u32 = 10;

/// Entries that slots can tell apart. A shard has fewer by far unless somebody guessed the seed of the hash; the
/// entries beyond are looked at one by one.
const INDEXED_MAX: usize = (1 << INDEX_BITS) - 1;

/// Fewest slots, a power of two.
const SLOTS_MIN: usize = 8;

/// Room for entries that a list gets when it has none left; most changes replace entries.
const SPARE: usize = 4;

/// See the head of this file.
pub(super) struct Shard<T> {
    slots: Box<[u16]>,
    entries: Vec<T>,
}

impl<T> Shard<T> {
    /// With room for so many entries.
    pub(super) fn with_capacity(entries: usize) -> Self {
        Self { slots: slots_for(entries), entries: Vec::with_capacity(entries) }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.entries.iter()
    }

    /// Bytes that a copy takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots).saturating_add(size_of_val(&*self.entries))
    }

    pub(super) fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        self.entries.get(self.position(hash, is)?)
    }

    pub(super) fn find_mut(&mut self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&mut T> {
        let at = self.position(hash, is)?;
        self.entries.get_mut(at)
    }

    /// The slot that a look-up begins with. For the wait that reading it is, see `candidates.rs`.
    pub(super) fn first_slot(&self, hash: u64) -> u16 {
        self.slot(hash as usize)
    }

    /// The first entry that may have this hash; if there is none, no entry has it. Nothing is read of the entry.
    pub(super) fn candidate(&self, hash: u64) -> Option<&T> {
        let tag = tag(hash);
        let mut place = hash as usize;
        loop {
            let slot = self.slot(place);
            if slot == 0 {
                // Those that slots cannot tell apart may all have it; hardly ever is there one.
                return self.entries.get(INDEXED_MAX);
            }
            if slot & TAG == tag {
                return self.entries.get(index(slot));
            }
            place = place.wrapping_add(1);
        }
    }

    /// Where in the list an entry is.
    fn position(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<usize> {
        let tag = tag(hash);
        let mut place = hash as usize;
        loop {
            let slot = self.slot(place);
            if slot == 0 {
                break;
            }
            let index = index(slot);
            if slot & TAG == tag && self.entries.get(index).is_some_and(&is) {
                return Some(index);
            }
            place = place.wrapping_add(1);
        }
        let beyond = self.entries.get(INDEXED_MAX..)?;
        beyond.iter().position(is).and_then(|at| at.checked_add(INDEXED_MAX))
    }

    /// Puts in an entry that is not there. `hash_of` is asked for the hashes of entries when slots are made anew.
    pub(super) fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(SPARE.max(self.entries.len() / 8));
        }
        self.entries.push(entry);
        // At most three quarters full: each probe ends.
        let full = (self.slots.len() / 4).saturating_mul(3);
        if self.entries.len() > full && self.slots.len() < 2 * INDEXED_MAX {
            self.slots = slots_for(self.entries.len());
            for at in 0..self.entries.len() {
                let hash = self.entries.get(at).map_or(0, &hash_of);
                self.occupy(hash, at);
            }
        } else {
            self.occupy(hash, self.entries.len().saturating_sub(1));
        }
    }

    /// Takes an entry out. The last of the list moves to where it was.
    pub(super) fn remove(
        &mut self,
        hash: u64,
        is: impl Fn(&T) -> bool,
        hash_of: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let at = self.position(hash, is)?;
        let last = self.entries.len().checked_sub(1)?;
        let last_hash = self.entries.get(last).map(&hash_of)?;
        self.vacate(hash, at, &hash_of);
        if at != last {
            self.vacate(last_hash, last, &hash_of);
            self.occupy(last_hash, at);
        }
        Some(self.entries.swap_remove(at))
    }

    fn slot(&self, place: usize) -> u16 {
        self.slots.get(place & self.mask()).copied().unwrap_or(0)
    }

    fn set_slot(&mut self, place: usize, slot: u16) {
        let place = place & self.mask();
        if let Some(space) = self.slots.get_mut(place) {
            *space = slot;
        }
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Notes in the next free slot where an entry is.
    fn occupy(&mut self, hash: u64, at: usize) {
        if at >= INDEXED_MAX {
            return;
        }
        let mut place = hash as usize;
        while self.slot(place) != 0 {
            place = place.wrapping_add(1);
        }
        self.set_slot(place, tag(hash) | at.wrapping_add(1) as u16);
    }

    /// Frees the slot of an entry, and moves back those behind it that would no longer be found.
    fn vacate(&mut self, hash: u64, at: usize, hash_of: &impl Fn(&T) -> u64) {
        if at >= INDEXED_MAX {
            return;
        }
        let mut hole = hash as usize;
        while index(self.slot(hole)) != at {
            hole = hole.wrapping_add(1);
        }
        let mut place = hole;
        loop {
            place = place.wrapping_add(1);
            let slot = self.slot(place);
            if slot == 0 {
                break;
            }
            let home = self.entries.get(index(slot)).map_or(0, hash_of) as usize;
            // Whether its probing passes the hole before it comes here.
            let from_home = place.wrapping_sub(home) & self.mask();
            let from_hole = place.wrapping_sub(hole) & self.mask();
            if from_home >= from_hole {
                self.set_slot(hole, slot);
                hole = place;
            }
        }
        self.set_slot(hole, 0);
    }
}

impl<T: Clone> Clone for Shard<T> {
    /// With a little room, as a copy is made to be changed.
    fn clone(&self) -> Self {
        let mut entries = Vec::with_capacity(self.entries.len().saturating_add(SPARE));
        entries.extend_from_slice(&self.entries);
        Self { slots: self.slots.clone(), entries }
    }
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl<T> IntoIterator for Shard<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// The bits of a slot that are bits of the hash; others than those that give the place, here or among the shards.
const TAG: u16 = u16::MAX << INDEX_BITS;

fn tag(hash: u64) -> u16 {
    hash as u16 & TAG
}

/// Which entry a slot means.
fn index(slot: u16) -> usize {
    usize::from(slot & !TAG).wrapping_sub(1)
}

/// Free slots for so many entries: up to two thirds of them will be taken.
fn slots_for(entries: usize) -> Box<[u16]> {
    let slots = (entries.saturating_mul(3) / 2).next_power_of_two();
    vec![0; slots.clamp(SLOTS_MIN, INDEXED_MAX.saturating_add(1).saturating_mul(2))].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with a list, under hashes of which `distinct` many exist.
    fn act_like_a_list(distinct: u64, steps: u32, keys: u32) {
        let hash = |key: &u32| {
            (u64::from(*key).wrapping_mul(0x9e37_79b9_7f4a_7c15) % distinct).wrapping_mul(0x0101_0101)
        };
        let mut shard = Shard::default();
        let mut model: Vec<u32> = Vec::new();
        let mut dice = 1_u64;
        for step in 0..steps {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = (dice >> 33) as u32 % keys;
            let found = model.iter().position(|other| *other == key);
            assert_eq!(shard.find(hash(&key), |other| *other == key).is_some(), found.is_some());
            match found {
                None => {
                    shard.insert(hash(&key), key, hash);
                    model.push(key);
                }
                Some(at) if dice >> 63 == 0 => {
                    assert_eq!(shard.remove(hash(&key), |other| *other == key, hash), Some(key));
                    model.swap_remove(at);
                }
                Some(_) => {}
            }
            if step % 100 == 0 {
                shard = shard.clone();
                assert!(model.iter().all(|key| shard.find(hash(key), |other| other == key).is_some()));
                assert_eq!(shard.iter().count(), model.len());
            }
        }
    }

    #[test]
    fn behaves_like_a_list() {
        act_like_a_list(u64::MAX, 20_000, 250);
        act_like_a_list(3, 3_000, 100);
        // More than slots can tell apart, well and badly spread.
        act_like_a_list(u64::MAX, 20_000, 3_000);
        act_like_a_list(2, 4_000, 2_500);
    }
}
