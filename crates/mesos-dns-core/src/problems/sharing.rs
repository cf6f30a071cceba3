//! Which services may have a name in common.
//!
//! All names of a large cluster, side by side in a map, take more memory than anything else that is counted here, and
//! nearly all of them are one service's alone. So first only a number is noted of each: a part of the hash of the name,
//! and whose it is. Sorted, numbers of one name are neighbours. Only what may be shared is then worth being looked at
//! by its name.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{table::Seed, wire::Name};

/// Bits of a number that say whose name it is. Services beyond that number count as one.
const WHOSE_BITS: u32 = 24;

const WHOSE_MASK: u64 = (1 << WHOSE_BITS) - 1;

/// The names of many services, as numbers.
pub(super) struct Noted {
    /// Tenants, who choose names, must not be able to choose what is taken for shared.
    seed: Seed,
    numbers: Vec<u64>,
    /// Those of the service under way.
    own: Vec<u64>,
}

/// Names that may be shared.
pub(super) struct Suspects {
    seed: Seed,
    /// Sorted.
    hashes: Vec<u64>,
    /// Whose they are.
    pub(super) services: BTreeSet<usize>,
}

impl Noted {
    pub(super) fn new(seed: Seed) -> Self {
        Self { seed, numbers: Vec::new(), own: Vec::new() }
    }

    /// Notes a name of the service under way.
    pub(super) fn note(&mut self, name: &Name) {
        self.own.push(hash(self.seed, name));
    }

    /// The names noted since the last call are those of this service.
    pub(super) fn end(&mut self, service: usize) {
        self.own.sort_unstable();
        self.own.dedup();
        let whose = u64::try_from(service).unwrap_or(WHOSE_MASK).min(WHOSE_MASK);
        self.numbers.extend(self.own.drain(..).map(|hash| hash | whose));
    }

    /// Finds what several have.
    pub(super) fn suspects(mut self) -> Suspects {
        self.numbers.sort_unstable();
        let mut suspects = Suspects { seed: self.seed, hashes: Vec::new(), services: BTreeSet::new() };
        for of_one in self.numbers.chunk_by(|one, other| one | WHOSE_MASK == other | WHOSE_MASK) {
            if let [first, _, ..] = of_one {
                suspects.hashes.push(first & !WHOSE_MASK);
                let services = of_one.iter().map(|number| number & WHOSE_MASK);
                suspects.services.extend(services.filter_map(|whose| usize::try_from(whose).ok()));
            }
        }
        suspects
    }
}

impl Suspects {
    /// Whether several may have this name.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.hashes.binary_search(&hash(self.seed, name)).is_ok()
    }
}

/// The part of a hash that is noted; the rest of the bits is 0.
fn hash(seed: Seed, name: &Name) -> u64 {
    xxh3_64_with_seed(name.as_wire(), seed.0) & !WHOSE_MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_several_have_is_suspect() {
        let name = |text: &str| Name::parse(text).unwrap();
        let mut noted = Noted::new(Seed(3));
        for (service, names) in
            [(0, ["a.mesos", "b.mesos"]), (1, ["c.mesos", "c.mesos"]), (7, ["d.mesos", "a.mesos"])]
        {
            names.iter().for_each(|text| noted.note(&name(text)));
            noted.end(service);
        }
        let suspects = noted.suspects();
        assert_eq!(suspects.services, [0, 7].into());
        let found = ["a", "b", "c", "d", "e"].map(|label| suspects.has(&name(&format!("{label}.mesos"))));
        assert_eq!(found, [true, false, false, false, false]);
    }
}
