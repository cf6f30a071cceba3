//! One allocation for equal values.
//!
//! A hundred thousand tasks have a few thousand names and agents between them, fewer kinds of ports, and a handful of
//! networks. What is shared here is only a matter of memory: values compare by what is in them.

use std::{
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use foldhash::fast::FixedState;

use super::element::RawKind;
use crate::cluster::{Container, NetworkMode, Place, PortKind};

/// Texts that are remembered, a power of two.
const TEXTS: usize = 1 << 15;

/// Kinds of ports that are remembered, a power of two.
const KINDS: usize = 1 << 8;

/// Fault domains, ways of being attached to networks, and the rarer texts that are remembered: a power of two.
const PLACES: usize = 1 << 8;

/// Remembers what it was asked for lately.
pub(super) struct Interner {
    texts: Slots<str>,
    kinds: Slots<PortKind>,
    places: Slots<Place>,
    containers: Slots<Container>,
    rare_texts: Slots<String>,
}

impl Default for Interner {
    fn default() -> Self {
        Self {
            texts: Slots::new(TEXTS),
            kinds: Slots::new(KINDS),
            places: Slots::new(PLACES),
            containers: Slots::new(PLACES),
            rare_texts: Slots::new(PLACES),
        }
    }
}

impl Interner {
    /// The text, shared with whoever asked for the same not long ago.
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        self.texts.get(text, |other| other == text, || Arc::from(text))
    }

    /// A text that few have, likewise shared; `None` for an empty one.
    pub(super) fn rare(&mut self, text: &str) -> Option<Arc<String>> {
        let is = |other: &String| other == text;
        (!text.is_empty()).then(|| self.rare_texts.get(text, is, || Arc::new(text.to_owned())))
    }

    /// What a port is for, likewise shared.
    pub(super) fn kind(&mut self, kind: &RawKind<'_>) -> Arc<PortKind> {
        let Self { texts, kinds, .. } = self;
        let mut text = |text: &str| texts.get(text, |other| other == text, || Arc::from(text));
        let is = |other: &PortKind| {
            *other.name == *kind.name
                && *other.protocol == *kind.protocol
                && (other.scope, other.visibility) == (kind.scope, kind.visibility)
        };
        let mut make = || PortKind {
            name: text(&kind.name),
            protocol: text(&kind.protocol),
            scope: kind.scope,
            visibility: kind.visibility,
        };
        kinds.get((&kind.name, &kind.protocol, kind.scope, kind.visibility), is, || Arc::new(make()))
    }

    /// A fault domain, likewise shared.
    pub(super) fn place(&mut self, region: &str, zone: &str) -> Arc<Place> {
        let Self { texts, places, .. } = self;
        let mut text = |text: &str| texts.get(text, |other| other == text, || Arc::from(text));
        let is = |other: &Place| *other.region == *region && *other.zone == *zone;
        places.get((region, zone), is, || Arc::new(Place { region: text(region), zone: text(zone) }))
    }

    /// A container without port mappings, likewise shared: mappings differ from task to task.
    pub(super) fn container(&mut self, mode: NetworkMode, networks: &[Arc<str>]) -> Arc<Container> {
        let is = |other: &Container| other.mode == mode && *other.networks == *networks;
        let make = || Container { mode, networks: networks.into(), mappings: Box::default() };
        self.containers.get((mode as u8, networks), is, || Arc::new(make()))
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
    use std::borrow::Cow;

    use super::*;
    use crate::cluster::PortScope;

    #[test]
    fn equal_texts_share() {
        let mut interner = Interner::default();
        let first = interner.get("marathon");
        assert!(Arc::ptr_eq(&first, &interner.get("marathon")));
        assert_eq!(&*interner.get(""), "");
        let kind = |name, protocol, scope| RawKind {
            name: Cow::Borrowed(name),
            protocol: Cow::Borrowed(protocol),
            scope,
            visibility: None,
        };
        let first = interner.kind(&kind("http", "tcp", PortScope::Host));
        assert!(Arc::ptr_eq(&first, &interner.kind(&kind("http", "tcp", PortScope::Host))));
        assert_ne!(first, interner.kind(&kind("tcp", "http", PortScope::Host)));
        assert_ne!(first, interner.kind(&kind("http", "tcp", PortScope::Unsaid)));
        let first = interner.place("eu", "a");
        assert!(Arc::ptr_eq(&first, &interner.place("eu", "a")));
        assert_ne!(first, interner.place("a", "eu"));
        let names = [Arc::from("dcos")];
        let first = interner.container(NetworkMode::Named, &names);
        assert!(Arc::ptr_eq(&first, &interner.container(NetworkMode::Named, &names)));
        assert_ne!(first, interner.container(NetworkMode::Bridge, &names));
        assert_ne!(first, interner.container(NetworkMode::Named, &[]));
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
