//! Whose each address is, and how many agents are where.
//!
//! Claims are counted as records are, so that what an address is told by never depends on the order of arrival: of all
//! that claim it, the best right wins, and of equals the lowest name. Nearly every address is claimed once, so an entry
//! holds one claim without an allocation.

use std::{
    collections::{BTreeMap, HashSet},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use crate::{
    records::{Area, Owner, Rank, Reverse, Spot},
    table::{Added, Filling, Find, Keyed, Seed, Table},
    wire::Name,
};

/// The claims to all addresses, one version of them.
#[derive(Clone)]
pub(super) struct Addresses {
    entries: Table<Entry>,
    census: Arc<Census>,
}

/// One address and who claims it.
#[derive(Clone)]
struct Entry {
    /// IPv4 stands in it as a mapped address.
    address: Ipv6Addr,
    claims: Claims,
}

#[derive(Clone)]
enum Claims {
    One(Claim, i32),
    Several(Arc<BTreeMap<Claim, i32>>),
}

/// A claim; the best is the least.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    rank: Rank,
    name: Option<Name>,
    spot: Option<Arc<Spot>>,
}

/// By how much a claim changes, until it is folded in.
pub(super) struct Pending {
    address: Ipv6Addr,
    claim: Claim,
    by: i32,
}

impl Pending {
    pub(super) fn new(owner: &Owner, reverse: &Reverse, by: i32) -> Self {
        let claim = Claim { rank: reverse.rank, name: owner.name().cloned(), spot: reverse.spot.clone() };
        Self { address: mapped(reverse.address), claim, by }
    }

    /// The same with a spot that other claims share.
    pub(super) fn shared(mut self, spots: &mut Spots) -> Self {
        self.claim.spot = self.claim.spot.map(|spot| if self.by > 0 { spots.share(spot) } else { spot });
        self
    }

    fn concerns_same(&self, other: &Self) -> bool {
        self.address == other.address && self.claim == other.claim
    }
}

impl Addresses {
    pub(super) fn new(seed: Seed) -> Self {
        Self { entries: Table::new(seed), census: Arc::default() }
    }

    /// Counts an agent, or takes it back.
    pub(super) fn count(&mut self, spot: &Spot, by: i32) {
        Arc::make_mut(&mut self.census).change(&spot.area, by);
    }

    /// Folds changes in. Returns whether any claim came or went.
    pub(super) fn fold(&mut self, mut pending: Vec<Pending>) -> bool {
        pending.sort_unstable_by(|one, other| {
            one.address.cmp(&other.address).then_with(|| one.claim.cmp(&other.claim))
        });
        let mut has_changed = false;
        let mut pending = pending.into_iter().peekable();
        while let Some(mut change) = pending.next() {
            while let Some(next) = pending.next_if(|next| next.concerns_same(&change)) {
                change.by = change.by.saturating_add(next.by);
            }
            // What was added and taken back touches nothing.
            if change.by != 0 {
                has_changed |= self.change(change);
            }
        }
        has_changed
    }

    fn change(&mut self, Pending { address, claim, by }: Pending) -> bool {
        let Some(entry) = self.entries.get_mut(address) else {
            self.entries.insert(Entry { address, claims: Claims::One(claim, by) });
            return true;
        };
        let has_changed = entry.claims.change(claim, by);
        if entry.claims.is_empty() {
            self.entries.remove(address);
        }
        has_changed
    }

    /// Takes the claims of a first load, at once and in a table of the right size.
    pub(super) fn fill(&mut self, claims: Vec<Pending>) {
        let seed = self.entries.seed();
        let mut filling = Filling::with_capacity(seed, claims.len().saturating_add(self.entries.len()));
        let standing = std::mem::replace(&mut self.entries, Table::new(seed));
        for entry in standing.iter() {
            filling.add(seed.hash(&entry.address), entry.clone(), |_, _| ());
        }
        for Pending { address, claim, by } in claims {
            let entry = Entry { address, claims: Claims::One(claim, by) };
            let _: Added<()> = filling.add(seed.hash(&address), entry, |standing, new| {
                if let Claims::One(claim, by) = new.claims {
                    standing.claims.change(claim, by);
                }
            });
        }
        self.entries = filling.into_table();
    }

    pub(super) fn copied_bytes(&self) -> u64 {
        self.entries.copied_bytes()
    }

    /// The name that an address is told by.
    pub(super) fn name(&self, address: IpAddr) -> Option<&Name> {
        self.entries.get(mapped(address))?.claims.iter().find_map(|claim| claim.name.as_ref())
    }

    /// By which right it is told by that name.
    pub(super) fn rank(&self, address: IpAddr) -> Option<Rank> {
        let claims = &self.entries.get(mapped(address))?.claims;
        claims.iter().find(|claim| claim.name.is_some()).map(|claim| claim.rank)
    }

    /// Where an address is.
    pub(super) fn spot(&self, address: IpAddr) -> Option<&Arc<Spot>> {
        self.entries.get(mapped(address))?.claims.iter().find_map(|claim| claim.spot.as_ref())
    }

    pub(super) fn census(&self) -> &Census {
        &self.census
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Everything, as text, in order: for tests.
    #[cfg(test)]
    pub(super) fn seen(&self) -> Vec<String> {
        let text = |entry: &Entry| {
            let claims: Vec<_> = match &entry.claims {
                Claims::One(claim, count) => vec![(claim.clone(), *count)],
                Claims::Several(claims) => {
                    claims.iter().map(|(claim, count)| (claim.clone(), *count)).collect()
                }
            };
            format!("{} {claims:?}", entry.address)
        };
        let mut lines: Vec<String> = self.entries.iter().map(text).collect();
        lines.sort();
        lines.push(format!("{:?}", self.census));
        lines
    }
}

impl Claims {
    fn change(&mut self, claim: Claim, by: i32) -> bool {
        if let Self::One(standing, count) = self {
            if *standing == claim {
                let before = *count;
                *count = count.saturating_add(by);
                return (before == 0) != (*count == 0);
            }
            let standing = (standing.clone(), *count);
            *self = Self::Several(Arc::new([standing].into_iter().collect()));
        }
        let Self::Several(shared) = self else { return false };
        let claims = Arc::make_mut(shared);
        let count = claims.entry(claim.clone()).or_default();
        let before = *count;
        *count = count.saturating_add(by);
        let has_changed = (before == 0) != (*count == 0);
        if *count == 0 {
            claims.remove(&claim);
        }
        if claims.len() == 1
            && let Some((claim, count)) = claims.pop_first()
        {
            *self = Self::One(claim, count);
        }
        has_changed
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::One(_, count) => *count == 0,
            Self::Several(claims) => claims.is_empty(),
        }
    }

    /// The best first.
    fn iter(&self) -> impl Iterator<Item = &Claim> {
        let (one, several) = match self {
            Self::One(claim, _) => (Some(claim), None),
            Self::Several(claims) => (None, Some(claims.keys())),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }
}

impl Keyed for Entry {
    type Key<'a> = Ipv6Addr;

    fn key(&self) -> Ipv6Addr {
        self.address
    }
}

impl Find<Entry> for Ipv6Addr {
    fn is(&self, entry: &Entry) -> bool {
        entry.address == *self
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

//------------ Spots ---------------------------------------------------------

/// Equal spots in one allocation: claims that were made at different times, or on different cores, bring each their own.
#[derive(Default)]
pub(super) struct Spots(HashSet<Arc<Spot>>);

impl Spots {
    fn share(&mut self, spot: Arc<Spot>) -> Arc<Spot> {
        if let Some(known) = self.0.get(&spot) {
            return known.clone();
        }
        self.0.insert(spot.clone());
        spot
    }

    /// Nothing is there any more.
    pub(super) fn forget(&mut self, spot: &Spot) {
        self.0.remove(spot);
    }
}

//------------ Census --------------------------------------------------------

/// How many agents there are, in all and in each part of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    all: u32,
    areas: BTreeMap<Area, u32>,
    regions: BTreeMap<Arc<str>, u32>,
}

impl Census {
    /// How many agents have an address.
    pub fn all(&self) -> u32 {
        self.all
    }

    /// How many of them are in this part.
    pub fn of_area(&self, area: &Area) -> u32 {
        self.areas.get(area).copied().unwrap_or(0)
    }

    /// How many of them are in this region.
    pub fn of_region(&self, region: &Arc<str>) -> u32 {
        self.regions.get(region).copied().unwrap_or(0)
    }

    fn change(&mut self, area: &Area, by: i32) {
        self.all = self.all.saturating_add_signed(by);
        change(&mut self.areas, area, by);
        if let Some(region) = area.region() {
            change(&mut self.regions, region, by);
        }
    }
}

fn change<K: Ord + Clone>(counts: &mut BTreeMap<K, u32>, key: &K, by: i32) {
    let count = counts.entry(key.clone()).or_default();
    *count = count.saturating_add_signed(by);
    if *count == 0 {
        counts.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The memory of a large zone hangs on it.
    #[test]
    fn size() {
        assert_eq!(size_of::<Entry>(), 48);
    }

    fn pending(address: u8, rank: u8, name: Option<u8>, agent: u8, by: i32) -> Pending {
        let rank = [Rank::Agent, Rank::Master, Rank::Task][usize::from(rank % 3)];
        let spot = Spot { agent: format!("a{}", agent % 3).into(), area: Area::V4([10, 0, agent % 2]) };
        let claim = Claim {
            rank,
            name: name.map(|name| Name::parse(&format!("n{}.mesos", name % 4)).unwrap()),
            spot: (rank != Rank::Master).then(|| Arc::new(spot)),
        };
        Pending { address: mapped([10, 0, 0, address % 3].into()), claim, by }
    }

    type Written = (u8, u8, Option<u8>, u8);

    fn written(of: &[Written], by: i32) -> Vec<Pending> {
        of.iter().map(|(address, rank, name, agent)| pending(*address, *rank, *name, *agent, by)).collect()
    }

    proptest! {
        /// What stands is what was added and not taken back, in whatever order, batch by batch or in one load.
        #[test]
        fn order_does_not_matter(
            stay in prop::collection::vec(any::<Written>(), 0..20),
            go in prop::collection::vec(any::<Written>(), 0..20),
            cut in 0..20_usize,
        ) {
            let mut once = Addresses::new(Seed(1));
            once.fold(written(&stay, 1));
            let mut other = Addresses::new(Seed(1));
            other.fill(written(&go, 1));
            let backwards: Vec<_> = stay.iter().rev().copied().collect();
            let (first, rest) = backwards.split_at(cut.min(stay.len()));
            other.fold(written(first, 1));
            let mut batch = written(rest, 1);
            batch.extend(written(&go, -1));
            other.fold(batch);
            prop_assert_eq!(once.seen(), other.seen());
            let frozen = other.clone();
            prop_assert!(!other.fold([written(&go, 1), written(&go, -1)].concat_all()));
            prop_assert_eq!(other.copied_bytes(), frozen.copied_bytes(), "nothing is copied for nothing");
            for address in 0..3 {
                let address = IpAddr::from([10, 0, 0, address]);
                let of_it = stay.iter().filter(|written| written.0 % 3 == address_end(address));
                let best = of_it.filter(|written| written.2.is_some()).map(|written| (written.1 % 3, written.2.map(|name| name % 4))).min();
                let name = best.map(|(_, name)| format!("n{}.mesos.", name.unwrap()));
                prop_assert_eq!(once.name(address).map(ToString::to_string), name);
            }
        }
    }

    fn address_end(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => unreachable!(),
        }
    }

    trait ConcatAll {
        fn concat_all(self) -> Vec<Pending>;
    }

    impl ConcatAll for [Vec<Pending>; 2] {
        fn concat_all(self) -> Vec<Pending> {
            self.into_iter().flatten().collect()
        }
    }

    #[test]
    fn a_claim_that_only_grows_is_no_change() {
        let mut addresses = Addresses::new(Seed(1));
        assert!(addresses.fold(vec![pending(1, 2, Some(1), 0, 1)]));
        assert!(!addresses.fold(vec![pending(1, 2, Some(1), 0, 1)]));
        assert!(!addresses.fold(vec![pending(1, 2, Some(1), 0, -1)]));
        assert!(addresses.fold(vec![pending(1, 0, None, 0, 1)]));
        assert_eq!(
            addresses.name([10, 0, 0, 1].into()).map(ToString::to_string).as_deref(),
            Some("n1.mesos.")
        );
        assert!(addresses.fold(vec![pending(1, 0, None, 0, -1)]));
        assert!(addresses.fold(vec![pending(1, 2, Some(1), 0, -1)]));
        assert_eq!((addresses.len(), addresses.name([10, 0, 0, 1].into())), (0, None));
    }

    #[test]
    fn agents_are_counted() {
        let mut addresses = Addresses::new(Seed(1));
        let place = |zone: &str| {
            let place = crate::cluster::Place { region: "r".into(), zone: zone.into() };
            Spot { agent: "a".into(), area: Area::Place(Arc::new(place)) }
        };
        for zone in ["a", "b", "b"] {
            addresses.count(&place(zone), 1);
        }
        addresses.count(&Spot { agent: "x".into(), area: Area::V4([10, 0, 0]) }, 1);
        addresses.count(&place("a"), -1);
        let census = addresses.census();
        assert_eq!((census.all(), census.of_region(&"r".into())), (3, 2));
        assert_eq!((census.of_area(&place("a").area), census.of_area(&place("b").area)), (0, 2));
        assert_eq!(census.areas.len(), 2);
    }
}
