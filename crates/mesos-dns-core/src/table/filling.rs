//! A table that is being filled, before there are versions of it.
//!
//! Nobody else can hold a part of it yet, so its shards stand in one plain list: an entry is put in without asking
//! whether something has to be copied first, which is a third of the time of a first load.

use std::sync::Arc;

use super::{Added, CHUNK_SHARDS, Find, KeyHash, Keyed, SHARD_ENTRIES, Seed, Shard, Table, place};

/// See the head of this file.
pub struct Filling<T> {
    shards: Vec<Shard<T>>,
    entries: usize,
    seed: Seed,
}

impl<T: Keyed> Filling<T> {
    /// With room for about this many entries. More of them only make the shards fuller until it becomes a table.
    pub fn with_capacity(seed: Seed, entries: usize) -> Self {
        let shards = entries.div_ceil(SHARD_ENTRIES).max(1);
        let round = shards.next_power_of_two();
        let rest = shards.saturating_sub(round / 2);
        // Those that this round of growing did not reach yet get twice as much as the others.
        let half = entries.checked_div(round).unwrap_or(0);
        let room = |place| match place >= rest && place < round / 2 {
            true => half.saturating_mul(2),
            false => half,
        };
        Self {
            shards: (0..shards).map(|place| Shard::with_capacity(room(place))).collect(),
            entries: 0,
            seed,
        }
    }

    /// As [`Table::add`].
    pub fn add<R>(&mut self, hash: KeyHash, entry: T, meet: impl FnOnce(&mut T, T) -> R) -> Added<R> {
        let (seed, place) = (self.seed, place(hash, self.shards.len()));
        let Some(shard) = self.shards.get_mut(place) else { return Added::New };
        if let Some(found) = shard.find_mut(hash.0, |other| entry.key().is(other)) {
            return Added::Met(meet(found, entry));
        }
        shard.insert(hash.0, entry, |other| seed.hash(&other.key()).0);
        self.entries = self.entries.saturating_add(1);
        Added::New
    }

    /// As [`Table::get_mut`].
    pub fn get_mut<K: Find<T>>(&mut self, key: K) -> Option<&mut T> {
        let hash = self.seed.hash(&key);
        let place = place(hash, self.shards.len());
        self.shards.get_mut(place)?.find_mut(hash.0, |entry| key.is(entry))
    }

    /// The start of its hash function.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// All of it as a table.
    pub fn into_table(self) -> Table<T> {
        let count = self.shards.len();
        let mut shards = self.shards.into_iter().map(Arc::new).peekable();
        let mut chunks = Vec::with_capacity(count.div_ceil(CHUNK_SHARDS));
        while shards.peek().is_some() {
            let mut chunk = Vec::with_capacity(CHUNK_SHARDS);
            chunk.extend(shards.by_ref().take(CHUNK_SHARDS));
            chunks.push(Arc::new(chunk));
        }
        let (entries, seed) = (self.entries, self.seed);
        let mut table = Table { chunks: Arc::new(chunks), shards: count, entries, seed, copied_bytes: 0 };
        while table.is_crowded() {
            table.split();
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_the_table_that_grew() {
        for room in [0, 1, 700, 5_000, 100_000] {
            let mut filling = Filling::with_capacity(Seed(5), room);
            for key in 0..5_000 {
                let hash = filling.seed().hash(&key);
                assert_eq!(filling.add(hash, (key, 1), |_, _| ()), Added::New);
                if key % 3 == 0 {
                    assert_eq!(filling.add(hash, (key, 2), |old, new| old.1 += new.1), Added::Met(()));
                }
            }
            let mut table = filling.into_table();
            assert_eq!(table.len(), 5_000, "{room}");
            for key in 0..5_000 {
                assert_eq!(table.get(key), Some(&(key, if key % 3 == 0 { 3 } else { 1 })), "{room}");
                assert_eq!(table.insert((key + 5_000, 0)), None);
                assert!(table.remove(key).is_some());
            }
            assert_eq!(table.iter().count(), 5_000);
        }
    }
}
