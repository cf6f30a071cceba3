//! Many look-ups at once.
//!
//! In a large table nearly every step of a look-up waits for memory, and each step needs the one before. Side by
//! side, the same step of many look-ups waits only once: the processor has them all under way together. So a batch
//! goes through the table step by step, and no step branches on what the same step fetched: a branch guessed
//! wrongly would be noticed only when memory has answered, and whatever was begun behind it would be thrown away.

use std::hint::black_box;

use super::{KeyHash, Keyed, Shard, Table, place};

/// Most look-ups that [`Table::candidates`] takes at once.
pub const CANDIDATES_MAX: usize = 64;

impl<T: Keyed> Table<T> {
    /// For each hash the one entry that may have it, in the same order. Where there is none, no entry of the table
    /// has a key with that hash. Whether the key is the one that was meant is for the caller to see; if it is not,
    /// only [`Table::get`] can tell whether another entry has it, which happens once in some hundred times.
    pub fn candidates<'t>(&'t self, hashes: &[KeyHash], found: &mut [Option<&'t T>]) {
        let mut shards: [Option<&Shard<T>>; CANDIDATES_MAX] = [None; CANDIDATES_MAX];
        for (shard, hash) in shards.iter_mut().zip(hashes) {
            *shard = self.shard(place(*hash, self.shards)).map(|shard| &**shard);
        }
        let mut touched = 0;
        for (shard, hash) in shards.iter().zip(hashes) {
            touched |= shard.map_or(0, |shard| shard.first_slot(hash.0));
        }
        black_box(touched);
        for ((space, shard), hash) in found.iter_mut().zip(shards).zip(hashes) {
            *space = shard.and_then(|shard| shard.candidate(hash.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Seed;

    /// Every entry is found by its hash, or its hash is shared by another; what is not there is hardly ever found.
    #[test]
    fn agrees_with_look_ups() {
        for (entries, keys) in [(0_u32, 100), (3, 100), (90, 200), (20_000, 40_000)] {
            let mut table = Table::new(Seed(11));
            for key in 0..entries {
                table.insert((key, key ^ 5));
            }
            let all: Vec<u32> = (0..keys).collect();
            let (mut missed, mut vain) = (0, 0);
            for keys in all.chunks(CANDIDATES_MAX) {
                let hashes: Vec<KeyHash> = keys.iter().map(|key| table.seed().hash(key)).collect();
                let mut found = [None; CANDIDATES_MAX];
                table.candidates(&hashes, &mut found);
                for (key, found) in keys.iter().zip(found) {
                    match (table.get(*key), found) {
                        (Some(entry), Some(found)) => missed += u32::from(entry != found),
                        (None, Some(_)) => vain += 1,
                        (Some(_), None) => panic!("{key} was not found"),
                        (None, None) => {}
                    }
                }
            }
            assert!(missed <= entries / 20 && vain <= keys / 20, "{entries}: {missed} {vain}");
        }
    }
}
