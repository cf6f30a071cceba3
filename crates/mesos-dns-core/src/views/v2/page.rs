//! A part of a long list, found in one walk over things in no order.

use std::{cmp::Ordering, collections::BinaryHeap};

use serde::Serialize;

/// Some items of a list, in the order of their keys.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    /// How many there are in all pages together.
    pub total: u64,
    /// Where the next page begins: the parts of a key. `None`: there is none.
    #[serde(skip)]
    pub next: Option<Vec<String>>,
    /// The items of this page.
    pub items: Vec<T>,
}

/// Keeps the first items behind a place, whatever order they come in; its size is that of the page.
pub struct Window<K, T> {
    after: Option<K>,
    most: usize,
    kept: BinaryHeap<Kept<K, T>>,
    total: u64,
}

struct Kept<K, T> {
    key: K,
    item: T,
}

impl<K: Ord, T> Window<K, T> {
    /// Keeps as many as `most` whose keys are behind `after`.
    pub fn new(after: Option<K>, most: usize) -> Self {
        Self { after, most, kept: BinaryHeap::new(), total: 0 }
    }

    /// Counts an item, and keeps it if it is on the page as far as is known.
    pub fn offer(&mut self, key: K, item: T) {
        self.total = self.total.saturating_add(1);
        let is_before = self.after.as_ref().is_some_and(|after| key <= *after);
        // One more than the page holds: it tells whether there is another page.
        let is_full = self.kept.len() > self.most;
        if is_before || is_full && self.kept.peek().is_some_and(|last| last.key <= key) {
            return;
        }
        if is_full {
            self.kept.pop();
        }
        self.kept.push(Kept { key, item });
    }

    /// How many were offered, those on the page in order, and whether there are more behind them.
    pub fn finish(self) -> (u64, Vec<(K, T)>, bool) {
        let has_more = self.kept.len() > self.most;
        let sorted = self.kept.into_sorted_vec().into_iter();
        (self.total, sorted.take(self.most).map(|Kept { key, item }| (key, item)).collect(), has_more)
    }
}

impl<K: Ord, T> Ord for Kept<K, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl<K: Ord, T> PartialOrd for Kept<K, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, T> PartialEq for Kept<K, T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<K: Ord, T> Eq for Kept<K, T> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// All pages together are the whole list, in order, whatever order it comes in.
        #[test]
        fn pages_make_the_list(keys in prop::collection::btree_set(0_u16..500, 0..80), most in 1_usize..20, turn: u16) {
            let offered = || keys.iter().map(|key| (key.rotate_left(3) ^ turn, *key));
            let mut shuffled: Vec<_> = offered().collect();
            shuffled.sort_unstable();
            let (mut pages, mut after) = (Vec::new(), None);
            loop {
                let mut window = Window::new(after, most);
                shuffled.iter().for_each(|(_, key)| window.offer(*key, *key));
                prop_assert!(window.kept.len() <= most + 1);
                let (total, page, has_more) = window.finish();
                prop_assert_eq!(total, keys.len() as u64);
                after = page.last().map(|(key, _)| *key);
                pages.extend(page.into_iter().map(|(_, item)| item));
                if !has_more {
                    break;
                }
            }
            prop_assert_eq!(pages, keys.into_iter().collect::<Vec<_>>());
        }
    }
}
