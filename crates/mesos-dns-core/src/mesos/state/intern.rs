//! One allocation for equal values.
//!
//! A hundred thousand tasks have a few thousand names and agents between them, and fewer kinds of ports. What is
//! shared here is only a matter of memory: values compare by what is in them.

use std::{
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use foldhash::fast::FixedState;

use crate::cluster::PortKind;

/// Texts that are remembered, a power of two.
const TEXTS: usize = 1 << 15;

/// Kinds of ports that are remembered, a power of two.
const KINDS: usize = 1 << 8;

/// Remembers what it was asked for lately.
pub(super) struct Interner {
    texts: Slots<str>,
    kinds: Slots<PortKind>,
}

impl Default for Interner {
    fn default() -> Self {
        Self { texts: Slots::new(TEXTS), kinds: Slots::new(KINDS) }
    }
}

impl Interner {
    /// The text, shared with whoever asked for the same not long ago.
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        self.texts.get(text, |other| other == text, || Arc::from(text))
    }

    /// What a port is for, likewise shared.
    pub(super) fn kind(&mut self, name: &str, protocol: &str) -> Arc<PortKind> {
        let Self { texts, kinds } = self;
        let mut text = |text: &str| texts.get(text, |other| other == text, || Arc::from(text));
        let is = |other: &PortKind| *other.name == *name && *other.protocol == *protocol;
        let mut make = || PortKind { name: text(name), protocol: text(protocol), ..PortKind::default() };
        kinds.get((name, protocol), is, || Arc::new(make()))
    }
}

/// A table in which each value has two neighbouring places, and the one asked for last displaces the older: its size
/// is fixed and a look-up takes two comparisons whatever the values are. A real hash table would grow with them, and
/// a tenant could choose names that collide.
struct Slots<T: ?Sized> {
    slots: Box<[Option<Arc<T>>]>,
    hasher: FixedState,
}

impl<T: ?Sized> Slots<T> {
    fn new(slots: usize) -> Self {
        Self { slots: vec![None; slots].into_boxed_slice(), hasher: FixedState::default() }
    }

    fn get(&mut self, key: impl Hash, is: impl Fn(&T) -> bool, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        // Cutting the last bit makes the first place of each pair even.
        let place = self.hasher.hash_one(key) as usize & self.slots.len().wrapping_sub(2);
        let Some([newer, older]) = self.slots.get_mut(place..).and_then(|slots| slots.first_chunk_mut())
        else {
            return make();
        };
        if older.as_deref().is_some_and(&is) {
            std::mem::swap(newer, older);
        }
        match newer {
            Some(found) if is(found) => found.clone(),
            _ => {
                let made = make();
                *older = newer.replace(made.clone());
                made
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share() {
        let mut interner = Interner::default();
        let first = interner.get("marathon");
        assert!(Arc::ptr_eq(&first, &interner.get("marathon")));
        assert_eq!(&*interner.get(""), "");
        let first = interner.kind("http", "tcp");
        assert!(Arc::ptr_eq(&first, &interner.kind("http", "tcp")));
        assert_ne!(first, interner.kind("tcp", "http"));
    }

    #[test]
    fn any_number_of_texts() {
        let mut interner = Interner::default();
        for number in 0..3 * TEXTS {
            let text = number.to_string();
            assert_eq!(*interner.get(&text), *text);
            assert_eq!(*interner.get("often"), *"often");
        }
    }
}
