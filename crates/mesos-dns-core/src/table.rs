//! A hash table whose versions share what did not change.
//!
//! One writer changes its table; readers hold clones of it, each a frozen version. A clone costs one
//! increment. A change copies the shard it touches if a reader still holds that shard, and the path to
//! it: once or twice [`SHARD_ENTRIES`] entries, [`CHUNK_SHARDS`] pointers and the list of chunks. While
//! nobody else holds the table (at start), changes are made in place.
//!
//! Shards are added one at a time as the table grows (linear hashing): the cost of growing is spread
//! over the insertions and never comes as one long pause.
//!
//! Why not a persistent map from a library: `research` measured flat shards at the speed of a plain
//! hash table for readers, 1.5 to 3 times faster than the tree-shaped ones.

mod candidates;
mod filling;
mod shard;

use std::{
    fmt,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use foldhash::fast::FixedState;

pub use candidates::CANDIDATES_MAX;
pub use filling::Filling;
use shard::Shard;

/// Entries per shard, on average, above which one more shard is added. Shards that were not split yet in a round have
/// up to twice as many.
pub const SHARD_ENTRIES: usize = 64;

/// Shards per chunk of the directory.
pub const CHUNK_SHARDS: usize = 64;

/// An entry that carries its own key.
pub trait Keyed: Clone {
    /// What the entry is found by.
    type Key<'a>: Find<Self>
    where
        Self: 'a;

    /// The key of this entry.
    fn key(&self) -> Self::Key<'_>;
}

/// A key as somebody holds it, to find a `T` by. Equal keys have equal hashes, as for any hash table.
pub trait Find<T>: Copy + Hash {
    /// Whether `entry` is the one with this key.
    fn is(&self, entry: &T) -> bool;
}

/// The random start of the hash function. Keys come from tenants, who must not be able to choose
/// collisions; the core has no randomness of its own, so the shell draws this once per process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seed(pub u64);

type Chunk<T> = Arc<Vec<Arc<Shard<T>>>>;

/// See the head of this file.
#[derive(Clone)]
pub struct Table<T> {
    chunks: Arc<Vec<Chunk<T>>>,
    shards: usize,
    entries: usize,
    seed: Seed,
    /// See [`Table::copied_bytes`].
    copied_bytes: u64,
}

/// The hash of a key in the tables of one seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash(u64);

/// What became of an entry that was put in with [`Table::add`].
#[derive(Debug, PartialEq, Eq)]
pub enum Added<R> {
    /// It is there now.
    New,
    /// There was one with its key; what the caller made of the two.
    Met(R),
}

impl<T: Keyed> Table<T> {
    /// An empty table.
    pub fn new(seed: Seed) -> Self {
        let chunks = Arc::new(vec![Arc::new(vec![Arc::default()])]);
        Self { chunks, shards: 1, entries: 0, seed, copied_bytes: 0 }
    }

    /// An empty table with room for about this many entries, so that filling it splits and grows nothing.
    pub fn with_capacity(seed: Seed, entries: usize) -> Self {
        Filling::with_capacity(seed, entries).into_table()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// The start of its hash function.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// How many bytes of shards and of their directory were copied so far because somebody else held them. What
    /// entries point to is not in it.
    pub fn copied_bytes(&self) -> u64 {
        self.copied_bytes
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The entry with this key.
    pub fn get<K: Find<T>>(&self, key: K) -> Option<&T> {
        let hash = self.seed.hash(&key);
        self.shard(place(hash, self.shards))?.find(hash.0, |entry| key.is(entry))
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).flat_map(|shard| shard.iter())
    }

    /// Puts an entry in; returns the one with the same key that it replaced.
    pub fn insert(&mut self, entry: T) -> Option<T> {
        let hash = self.seed.hash(&entry.key());
        match self.add(hash, entry, std::mem::replace) {
            Added::New => None,
            Added::Met(old) => Some(old),
        }
    }

    /// Puts an entry in whose hash is known, unless there is one with its key: then `meet` gets both.
    ///
    /// One look-up where `get` and `insert` would be two: a first load is look-ups more than anything.
    pub fn add<R>(&mut self, hash: KeyHash, entry: T, meet: impl FnOnce(&mut T, T) -> R) -> Added<R> {
        let seed = self.seed;
        let place = place(hash, self.shards);
        let Some(shard) = self.shard_mut(place) else { return Added::New };
        if let Some(found) = shard.find_mut(hash.0, |other| entry.key().is(other)) {
            return Added::Met(meet(found, entry));
        }
        shard.insert(hash.0, entry, |other| seed.hash(&other.key()).0);
        self.grown();
        Added::New
    }

    /// The entry with this key to change in place, if it is there. The change must not touch the key.
    ///
    /// Where a reader holds the table, the shard is copied even if the key is not found.
    pub fn get_mut<K: Find<T>>(&mut self, key: K) -> Option<&mut T> {
        let hash = self.seed.hash(&key);
        self.shard_mut(place(hash, self.shards))?.find_mut(hash.0, |entry| key.is(entry))
    }

    /// Takes the entry with this key out.
    pub fn remove<K: Find<T>>(&mut self, key: K) -> Option<T> {
        self.get(key)?;
        let hash = self.seed.hash(&key);
        let seed = self.seed;
        let shard = self.shard_mut(place(hash, self.shards))?;
        let entry = shard.remove(hash.0, |entry| key.is(entry), |other| seed.hash(&other.key()).0)?;
        self.entries = self.entries.saturating_sub(1);
        Some(entry)
    }

    fn shard(&self, place: usize) -> Option<&Arc<Shard<T>>> {
        self.chunks.get(place / CHUNK_SHARDS)?.get(place % CHUNK_SHARDS)
    }

    fn shard_mut(&mut self, place: usize) -> Option<&mut Shard<T>> {
        let copied = &mut self.copied_bytes;
        let chunks = own(&mut self.chunks, |chunks| size_of_val(&chunks[..]), copied);
        let chunk = own(chunks.get_mut(place / CHUNK_SHARDS)?, |chunk| size_of_val(&chunk[..]), copied);
        let shard = chunk.get_mut(place % CHUNK_SHARDS)?;
        Some(own(shard, Shard::bytes, copied))
    }

    /// Counts one more entry, and splits one shard when they have become too full on average.
    fn grown(&mut self) {
        self.entries = self.entries.saturating_add(1);
        if self.is_crowded() {
            self.split();
        }
    }

    /// Whether one more shard is due.
    fn is_crowded(&self) -> bool {
        self.entries > self.shards.saturating_mul(SHARD_ENTRIES)
    }

    /// Adds one shard and moves into it what now belongs there; all of it comes from one other shard.
    fn split(&mut self) {
        let from = self
            .shards
            .wrapping_sub(self.shards.next_power_of_two() >> usize::from(!self.shards.is_power_of_two()));
        let added = self.shards;
        let Some(full) = self.shard_mut(from).map(std::mem::take) else { return };
        self.shards = self.shards.saturating_add(1);
        let chunks = Arc::make_mut(&mut self.chunks);
        if added.is_multiple_of(CHUNK_SHARDS) {
            chunks.push(Arc::new(Vec::with_capacity(CHUNK_SHARDS)));
        }
        if let Some(chunk) = chunks.last_mut() {
            Arc::make_mut(chunk).push(Arc::default());
        }
        let seed = self.seed;
        for entry in full {
            let hash = seed.hash(&entry.key());
            let place = place(hash, self.shards);
            if let Some(shard) = self.shard_mut(place) {
                shard.insert(hash.0, entry, |other| seed.hash(&other.key()).0);
            }
        }
    }
}

impl<T: Keyed> Default for Table<T> {
    fn default() -> Self {
        Self::new(Seed::default())
    }
}

impl<T: Keyed + fmt::Debug> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Seed {
    /// The hash of a key.
    pub fn hash<K: Hash>(self, key: &K) -> KeyHash {
        KeyHash(FixedState::with_seed(self.0).hash_one(key))
    }
}

/// Which of so many shards a hash belongs to: the low bits of the upper part of the hash (the lower part places
/// entries within the shard), one bit less for the shards that were not split yet in this round.
fn place(hash: KeyHash, shards: usize) -> usize {
    let mask = shards.next_power_of_two().wrapping_sub(1);
    let bits = (hash.0 >> 20) as usize;
    let place = bits & mask;
    if place < shards { place } else { bits & (mask >> 1) }
}

/// The value, to be changed; a copy of its own if somebody else holds it, which is counted.
fn own<'a, V: Clone>(shared: &'a mut Arc<V>, bytes: impl Fn(&V) -> usize, copied: &mut u64) -> &'a mut V {
    if Arc::strong_count(shared) > 1 {
        *copied = copied.saturating_add(bytes(shared) as u64);
    }
    Arc::make_mut(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for (u32, u32) {
        type Key<'a> = u32;

        fn key(&self) -> u32 {
            self.0
        }
    }

    impl Find<(u32, u32)> for u32 {
        fn is(&self, entry: &(u32, u32)) -> bool {
            entry.0 == *self
        }
    }

    #[test]
    fn behaves_like_a_map() {
        act_like_a_map(Table::new(Seed(7)));
        act_like_a_map(Table::with_capacity(Seed(8), 5000));
        act_like_a_map(Table::with_capacity(Seed(9), 64 * 65));
    }

    fn act_like_a_map(mut table: Table<(u32, u32)>) {
        let mut model = std::collections::BTreeMap::new();
        let mut dice = 1_u64;
        for _ in 0..200_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (key, value) = ((dice >> 40) as u32 % 20_000, (dice >> 20) as u32);
            match dice >> 62 {
                0 => assert_eq!(table.remove(key), model.remove(&key).map(|old| (key, old))),
                1 if value & 1 == 0 => {
                    let added = table.add(table.seed().hash(&key), (key, value), |entry, _| entry.1 ^= value);
                    match model.get_mut(&key) {
                        Some(old) => {
                            *old ^= value;
                            assert_eq!(added, Added::Met(()));
                        }
                        None => {
                            model.insert(key, value);
                            assert_eq!(added, Added::New);
                        }
                    }
                }
                1 => match table.get_mut(key) {
                    Some(entry) => {
                        entry.1 = value;
                        assert!(model.insert(key, value).is_some());
                    }
                    None => assert!(!model.contains_key(&key)),
                },
                _ => assert_eq!(table.insert((key, value)), model.insert(key, value).map(|old| (key, old))),
            }
            assert_eq!(table.len(), model.len());
        }
        let mut all: Vec<_> = table.iter().copied().collect();
        all.sort_unstable();
        assert_eq!(all, model.into_iter().collect::<Vec<_>>());
        for (key, value) in all {
            assert_eq!(table.get(key), Some(&(key, value)));
        }
    }

    #[test]
    fn clones_keep_their_version() {
        let mut table = Table::new(Seed(1));
        for key in 0..1000 {
            table.insert((key, 0));
        }
        let before = table.clone();
        for key in 0..2000 {
            table.insert((key, 1));
        }
        assert_eq!(before.len(), 1000);
        assert!(before.iter().all(|entry| entry.1 == 0));
        assert!(table.iter().all(|entry| entry.1 == 1));
    }

    #[test]
    fn a_change_copies_a_bounded_part() {
        let mut table = Table::new(Seed(3));
        for key in 0..100_000 {
            table.insert((key, 0));
        }
        let before = table.clone();
        assert_eq!(table.copied_bytes(), 0);
        table.insert((5, 9));
        let shard = 256 * size_of::<(u32, u32)>() + 512 * size_of::<u16>();
        let directory = (CHUNK_SHARDS + before.chunks.len()) * size_of::<usize>();
        assert!(
            (1..=shard + directory).contains(&(table.copied_bytes() as usize)),
            "{}",
            table.copied_bytes()
        );
        let shared = |a: &Table<(u32, u32)>, b: &Table<(u32, u32)>| {
            (0..a.shards)
                .filter(|place| Arc::ptr_eq(a.shard(*place).unwrap(), b.shard(*place).unwrap()))
                .count()
        };
        assert_eq!(shared(&before, &table), table.shards - 1);
        assert!(table.iter().count() / table.shards <= SHARD_ENTRIES);
    }
}
