//! What is remembered of other servers' answers, shared by all threads and bounded in bytes.
//!
//! What an answer is, how long it lives and what to do about it is for the core to say
//! ([`Held`]); here is where many of them are. Which go when there are too many is decided by S3-FIFO: what was asked
//! for once goes first, so a flood of names that nobody asks for again passes by what is in use. Nothing is removed
//! because its time is over: it may still be told as stale, and is in nobody's way before the memory is full.

mod metrics;

use std::{
    hash::{Hash, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mesos_dns_core::forward::{
    entry::{Entry, Manner},
    held::{Found, Held},
    key::{Key, KeyView},
    selection::Selection,
};
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder, Weighter, sync};

pub use self::metrics::CacheMetrics;

/// Bytes of an ordinary answer with what it takes to find it. From this the number of answers is guessed, and from
/// that how many names are remembered that were let go.
const ENTRY_BYTES_TYPICAL: u64 = 512;

/// Bytes that an answer costs besides those it holds: its place in the table, which grows by doubling, its four
/// allocations and what they are rounded up by, the memory of names that were let go. A test compares the sum with
/// what the process takes.
const OVERHEAD_BYTES: usize = 256;

/// A part with a lock of its own has at least so many bytes, so that the largest answer is a small part of it.
const SHARD_BYTES_MIN: u64 = 1 << 20;

/// The part of the memory for what was asked for more than once. The rest is a queue of newcomers: longer than by
/// default (0.97), so that a name in use is asked for again before a flood has pushed it out.
const HOT_PART: f64 = 0.9;

/// Remembered answers.
pub struct Cache {
    /// `None`: nothing is remembered.
    store: Option<Store>,
    /// How often something was forgotten by order.
    flushes: AtomicU64,
    /// Whether another one took its place: then its size is nobody's business.
    is_left: AtomicBool,
    metrics: Arc<CacheMetrics>,
}

/// The time between two orders to forget something. What was asked for in another one is not remembered any more: it may
/// be what the operator wanted to be rid of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era(u64);

type Store = sync::Cache<Key, Held, Bytes, RandomState, Counting>;

impl Cache {
    /// A cache of so many bytes; none if that is 0.
    pub fn new(bytes: u64, metrics: Arc<CacheMetrics>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = usize::try_from(bytes / SHARD_BYTES_MIN).unwrap_or(usize::MAX).clamp(1, cores * 4);
        let items = usize::try_from(bytes / ENTRY_BYTES_TYPICAL).unwrap_or(usize::MAX);
        let options = OptionsBuilder::new()
            // Rounded up to a power of two, which would make shards smaller than that.
            .shards((shards + 1).next_power_of_two() / 2)
            .hot_allocation(HOT_PART)
            .estimated_items_capacity(items)
            .weight_capacity(bytes)
            .build()
            .expect("all that is needed is given");
        let store = |options| sync::Cache::with_options(options, Bytes, RandomState::new(), Counting);
        let store = (bytes > 0).then(|| store(options));
        let cache = Self { store, flushes: AtomicU64::new(0), is_left: AtomicBool::new(false), metrics };
        cache.metrics.capacity.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        cache.tell_size();
        cache
    }

    /// Makes it this large. `false` if it cannot become so: a cache that is off stays off.
    pub fn resize(&self, bytes: u64) -> bool {
        let Some(store) = self.store.as_ref().filter(|_| bytes > 0) else {
            return self.store.is_none() && bytes == 0;
        };
        store.set_capacity(bytes);
        self.metrics.capacity.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.tell_size();
        true
    }

    /// What to do about a question.
    pub fn find(&self, key: KeyView<'_>, now: Instant, stale_max: Duration) -> Found {
        let Some(store) = &self.store else { return Found::Ask(None) };
        let found = store.get(&Sought(key)).map_or(Found::Ask(None), |held| held.find(now, stale_max));
        self.metrics.found(&found, now, stale_max);
        found
    }

    /// What can be told at once, to the end, and without asking anybody meanwhile. Counted only if there is something.
    pub fn recall(
        &self,
        key: KeyView<'_>,
        now: Instant,
        stale_max: Duration,
    ) -> Option<(Arc<Entry>, Manner)> {
        let found = self.store.as_ref()?.get(&Sought(key))?.find(now, stale_max);
        match &found {
            Found::Tell { entry, manner, refresh: false } if entry.leads_to_us().is_none() => {
                self.metrics.found(&found, now, stale_max);
                Some((entry.clone(), *manner))
            }
            _ => None,
        }
    }

    /// Now, for what is asked now.
    pub fn era(&self) -> Era {
        Era(self.flushes.load(Ordering::Acquire))
    }

    /// Remembers what came, if it is worth it and nothing was flushed since it was asked for (`asked`), and gives it back
    /// for those who wait for it.
    pub fn store(&self, key: &Key, came: Entry, stale_max: Duration, asked: Era) -> Arc<Entry> {
        let Some(store) = self.store.as_ref().filter(|_| self.era() == asked) else { return Arc::new(came) };
        let before = store.peek(&Sought(key.view()));
        let (after, told) = Held::after(before.as_ref(), came, stale_max);
        match (after, &before) {
            (Some(after), _) => {
                let mut gone = Gone::default();
                store.insert_with_lifecycle(key.clone(), after, &mut gone);
                // One that takes another's place is told as gone as well.
                self.metrics.evictions.inc_by(gone.0.saturating_sub(u64::from(before.is_some())));
            }
            (None, Some(_)) => drop(store.remove(&Sought(key.view()))),
            (None, None) => {}
        }
        // A flush that began meanwhile may have looked here before this was there.
        if self.era() != asked {
            store.remove(&Sought(key.view()));
        }
        self.tell_size();
        told
    }

    /// Forgets; tells how many names and types were there to forget.
    pub fn flush(&self, selection: &Selection) -> u64 {
        let Some(store) = &self.store else { return 0 };
        // First: whoever stores later sees it, and whoever stored before is found.
        self.flushes.fetch_add(1, Ordering::Release);
        let flushed = std::cell::Cell::new(0_u64);
        store.retain(|key, _| {
            let goes = selection.holds(&key.name);
            flushed.set(flushed.get() + u64::from(goes));
            !goes
        });
        self.metrics.flushed.inc_by(flushed.get());
        self.tell_size();
        flushed.get()
    }

    /// Another one takes its place. What is under way may still be put here.
    pub fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
    }

    /// How many answers there are, and the bytes they take.
    pub fn size(&self) -> (usize, u64) {
        self.store.as_ref().map_or((0, 0), |store| (store.len(), store.weight()))
    }

    fn tell_size(&self) {
        if self.is_left.load(Ordering::Relaxed) {
            return;
        }
        let (entries, bytes) = self.size();
        self.metrics.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.metrics.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// A key that is looked for.
#[derive(Hash)]
struct Sought<'a>(KeyView<'a>);

impl Equivalent<Key> for Sought<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.view()
    }
}

/// Weighs by bytes of memory.
#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Held> for Bytes {
    fn weight(&self, key: &Key, held: &Held) -> u64 {
        let bytes = key.name.as_wire().len() + held.memory_bytes() + OVERHEAD_BYTES;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Counts what goes.
#[derive(Clone)]
struct Counting;

/// How many went.
#[derive(Default)]
struct Gone(u64);

impl Lifecycle<Key, Held> for Counting {
    type RequestState = Gone;

    fn on_evict(&self, gone: &mut Gone, _: Key, _: Held) {
        gone.0 += 1;
    }
}

#[cfg(test)]
mod tests;
