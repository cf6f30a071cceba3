//! One allocation for equal texts.
//!
//! A hundred thousand tasks have a few thousand names and agents between them. What is shared here is only a
//! matter of memory: values compare by their text.

use std::{hash::BuildHasher, sync::Arc};

use foldhash::fast::FixedState;

/// Texts that are remembered, a power of two.
const SLOTS: usize = 1 << 15;

/// Remembers texts it was asked for lately.
///
/// A table in which each text has two neighbouring places, and the one asked for last displaces the older: its size
/// is fixed and a look-up takes two comparisons whatever the texts are. A real hash table would grow with them, and
/// a tenant could choose names that collide.
pub(super) struct Interner {
    slots: Box<[Option<Arc<str>>]>,
    hasher: FixedState,
}

impl Default for Interner {
    fn default() -> Self {
        Self { slots: vec![None; SLOTS].into_boxed_slice(), hasher: FixedState::default() }
    }
}

impl Interner {
    /// The text, shared with whoever asked for the same not long ago.
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        // Cutting the remainder makes the first place of each pair even.
        let place = (self.hasher.hash_one(text) as usize % SLOTS) & !1;
        let Some([newer, older]) = self.slots.get_mut(place..).and_then(|slots| slots.first_chunk_mut())
        else {
            return Arc::from(text);
        };
        let is = |slot: &Option<Arc<str>>| slot.as_deref() == Some(text);
        if is(older) {
            std::mem::swap(newer, older);
        } else if !is(newer) {
            *older = newer.replace(Arc::from(text));
        }
        newer.clone().unwrap_or_default()
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
    }

    #[test]
    fn any_number_of_texts() {
        let mut interner = Interner::default();
        for number in 0..3 * SLOTS {
            let text = number.to_string();
            assert_eq!(*interner.get(&text), *text);
            assert_eq!(*interner.get("often"), *"often");
        }
    }
}
