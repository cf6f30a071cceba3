//! Near records first, as far as they can bear it.
//!
//! Were each client simply sent to what is nearest, the one instance in a zone full of clients would get all of them
//! while others idle. So we reckon as if clients were spread evenly over the agents, and every instance could take an
//! equal part of them. Those of an agent stay there as far as its own instances have room; who does not find any goes to
//! what is left in the zone, then in the region, then anywhere. Nobody gets more than an equal part, and nobody goes
//! farther than that takes. Which way a query goes is decided by its dice, in these proportions, so two servers need not
//! agree on anything and nothing is remembered.
//!
//! Agents that are in no fault domain, and for which the operator names no place, are near those whose addresses begin
//! like theirs.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::order::{Dice, Order};
use crate::{
    cluster::Place,
    records::{Area, Spot, place_of},
    table::KeyHash,
    zone::{A, Aaaa, Census, Snapshot, Srv},
};

/// Which records of an answer come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ranking {
    /// Those near the client.
    Nearest,
    /// Each equally often.
    #[default]
    Shuffle,
}

/// How records are chosen (`answers`, `maxAnswers`, `places`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Which come first.
    pub ranking: Ranking,
    /// So many of a set are told at most; `None`: all.
    pub most: Option<usize>,
    /// Where clients are that are on no agent; the longest prefix counts.
    pub places: Vec<(IpNet, Arc<Place>)>,
}

impl Selection {
    /// All records, each first equally often.
    pub const ALL: Self = Self { ranking: Ranking::Shuffle, most: None, places: Vec::new() };

    /// The largest set that is told whole and in any order.
    pub(super) fn plain_max(&self) -> usize {
        match self.ranking {
            Ranking::Nearest => 1,
            Ranking::Shuffle => self.most_of_a_set(),
        }
    }

    /// So many records are told at most.
    pub(super) fn most_of_a_set(&self) -> usize {
        self.most.unwrap_or(usize::MAX)
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self::ALL
    }
}

/// A record that leads to something that is somewhere.
pub(super) trait Located {
    /// Where that is.
    fn spot<'a>(&self, zone: &'a Snapshot) -> Option<&'a Spot>;
}

impl Located for A {
    fn spot<'a>(&self, zone: &'a Snapshot) -> Option<&'a Spot> {
        zone.spot_of(self.address.into()).map(|spot| &**spot)
    }
}

impl Located for Aaaa {
    fn spot<'a>(&self, zone: &'a Snapshot) -> Option<&'a Spot> {
        zone.spot_of(self.address.into()).map(|spot| &**spot)
    }
}

impl Located for Srv {
    fn spot<'a>(&self, zone: &'a Snapshot) -> Option<&'a Spot> {
        let node = zone.find(self.target.as_wire())?;
        let v4 = node.a().first().map(|item| IpAddr::from(item.address));
        let address = v4.or_else(|| node.aaaa().first().map(|item| item.address.into()))?;
        zone.spot_of(address).map(|spot| &**spot)
    }
}

/// Most records of a set whose places are looked at: each costs a look-up. Of a larger set these are a random sample, and
/// the others come behind them.
const LOOKED_AT_MAX: usize = 1024;

/// How far something is: on the client's agent, in its area, in its region, or farther.
const AGENT: u8 = 0;
const AREA: u8 = 1;
const REGION: u8 = 2;
const FAR: u8 = 3;

/// Where a client is, and how far each record of a set is from it: for whoever asks why.
pub(crate) struct Near {
    /// Its agent, if it is on one.
    pub(crate) agent: Option<String>,
    /// Its part of the cluster.
    pub(crate) area: Area,
    /// How far: on its agent, in its area, in its region, or farther.
    pub(crate) tiers: Vec<u8>,
}

impl Near {
    /// `None` if nothing is known of where the client is.
    pub(super) fn of<T: Located>(
        set: &[T],
        (zone, selection, client): (&Snapshot, &Selection, IpAddr),
    ) -> Option<Self> {
        let client = Client::find(zone, selection, client)?;
        let tier = |item: &T| item.spot(zone).map_or(FAR, |spot| client.tier(spot));
        let tiers = set.iter().map(tier).collect();
        Some(Self { agent: client.agent.map(str::to_owned), area: client.area, tiers })
    }
}

/// Indices of records, near ones first.
pub(super) struct Nearest<'a> {
    first: std::slice::Iter<'a, u32>,
    /// Those that nobody looked at.
    rest: Order,
}

impl Iterator for Nearest<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self.first.next() {
            Some(index) => usize::try_from(*index).ok(),
            None => self.rest.next(),
        }
    }
}

/// Where a client is.
pub(super) struct Client<'a> {
    agent: Option<&'a str>,
    area: Area,
}

impl<'a> Client<'a> {
    /// By its address: that of an agent or a container, else as the operator says, else near agents whose addresses begin
    /// like it. `None` if nothing is known of where it is, or of where agents are.
    pub(super) fn find(zone: &'a Snapshot, selection: &Selection, address: IpAddr) -> Option<Self> {
        if zone.census().all() == 0 {
            return None;
        }
        if let Some(spot) = zone.spot_of(address) {
            return Some(Self { agent: Some(&spot.agent), area: spot.area.clone() });
        }
        if let Some(place) = place_of(&selection.places, address) {
            return Some(Self { agent: None, area: Area::Place(place.clone()) });
        }
        let area = Area::of_address(address);
        (zone.census().of_area(&area) > 0).then_some(Self { agent: None, area })
    }

    /// Has records written in the order for this client, near ones first.
    pub(super) fn ordered<T: Located, R>(
        &self,
        set: &[T],
        zone: &Snapshot,
        dice: u64,
        write: impl FnOnce(Nearest<'_>) -> R,
    ) -> R {
        // The room for a large set takes longer to clear than a small one takes to be put in order.
        match set.len() {
            0..=16 => self.ordered_in::<T, R, 16>(set, zone, dice, write),
            17..=128 => self.ordered_in::<T, R, 128>(set, zone, dice, write),
            _ => self.ordered_in::<T, R, LOOKED_AT_MAX>(set, zone, dice, write),
        }
    }

    /// The same with room for so many records. Not a part of other functions: they would have that much on the stack.
    #[inline(never)]
    fn ordered_in<T: Located, R, const ROOM: usize>(
        &self,
        set: &[T],
        zone: &Snapshot,
        dice: u64,
        write: impl FnOnce(Nearest<'_>) -> R,
    ) -> R {
        let mut all = [Seen::default(); ROOM];
        let mut rest = Order::new(set.len(), dice);
        let mut looked_at = 0_usize;
        for (space, turn) in all.iter_mut().zip(0_u32..) {
            let Some(index) = rest.next() else { break };
            let spot = set.get(index).and_then(|item| item.spot(zone));
            *space = Seen::new(index, turn, spot, self, zone);
            looked_at = looked_at.saturating_add(1);
        }
        let seen = all.get_mut(..looked_at).unwrap_or_default();
        arrange(seen, zone.census(), &mut Dice::new(dice.rotate_left(32)));
        let mut first = [0; ROOM];
        first.iter_mut().zip(seen).for_each(|(space, seen)| *space = seen.index);
        write(Nearest { first: first.get(..looked_at).unwrap_or_default().iter(), rest })
    }

    fn tier(&self, spot: &Spot) -> u8 {
        if self.agent == Some(&*spot.agent) {
            AGENT
        } else if self.area == spot.area {
            AREA
        } else if self.area.region().is_some() && self.area.region() == spot.area.region() {
            REGION
        } else {
            FAR
        }
    }
}

/// A record that was looked at.
#[derive(Clone, Copy, Default)]
struct Seen<'a> {
    index: u32,
    /// Its place in the random order.
    turn: u32,
    tier: u8,
    spot: Option<&'a Spot>,
    /// Equal for those in one region, one area, on one agent.
    groups: (KeyHash, KeyHash, KeyHash),
    /// What it can still take of all clients after those of its agent, of its area, of its region.
    room: [f64; 3],
}

impl<'a> Seen<'a> {
    fn new(index: usize, turn: u32, spot: Option<&'a Spot>, client: &Client<'_>, zone: &Snapshot) -> Self {
        let index = u32::try_from(index).unwrap_or(0);
        let Some(spot) = spot else { return Self { index, turn, tier: FAR, ..Self::default() } };
        let area = zone.hash_of(&spot.area);
        let region = spot.area.region().map_or(area, |region| zone.hash_of(region));
        let groups = (region, area, zone.hash_of(&spot.agent));
        Self { index, turn, tier: client.tier(spot), spot: Some(spot), groups, room: [0.0; 3] }
    }
}

/// Puts records into the order in which they are told.
fn arrange(seen: &mut [Seen<'_>], census: &Census, dice: &mut Dice) {
    seen.sort_unstable_by_key(|seen| seen.groups);
    let odds = settle(seen, census);
    let level =
        (AGENT..FAR).zip(odds).find(|(_, odds)| dice.fraction() < *odds).map_or(FAR, |(level, _)| level);
    let is_near = |seen: &Seen<'_>| seen.tier <= level;
    // Of the agent's own each is as good.
    let weight = |seen: &Seen<'_>| match level.checked_sub(1) {
        Some(level) => seen.room.get(usize::from(level)).copied().unwrap_or(0.0),
        None => 1.0,
    };
    let all: f64 = seen.iter().filter(|seen| is_near(seen)).map(weight).sum();
    let mut left = dice.fraction() * all;
    let chosen = seen.iter().filter(|seen| is_near(seen)).find(|seen| {
        left -= weight(seen);
        left < 0.0
    });
    // If none has any room left, all have equally much.
    let chosen = chosen.map(|seen| seen.turn);
    seen.sort_unstable_by_key(|seen| (Some(seen.turn) != chosen, seen.tier.max(level), seen.turn));
}

/// Spreads the clients of all agents over the records, the nearest first; tells how likely a client of ours stays on its
/// agent, else in its area, else in its region. The records have to be sorted by their groups.
fn settle(seen: &mut [Seen<'_>], census: &Census) -> [f64; 3] {
    let (equal, one_agent) = (1.0 / seen.len() as f64, 1.0 / f64::from(census.all()));
    let mut odds = [0.0; 3];
    let [of_agent, of_area, of_region] = &mut odds;
    for region in seen.chunk_by_mut(|one, other| one.groups.0 == other.groups.0) {
        let Some(spot) = region.first().and_then(|seen| seen.spot) else {
            // They are near nobody.
            region.iter_mut().for_each(|seen| seen.room = [equal; 3]);
            continue;
        };
        let agents =
            spot.area.region().map_or_else(|| census.of_area(&spot.area), |region| census.of_region(region));
        let mut leaving_areas = f64::from(agents) * one_agent;
        for area in region.chunk_by_mut(|one, other| one.groups.1 == other.groups.1) {
            let agents = area.first().and_then(|seen| seen.spot).map_or(0, |spot| census.of_area(&spot.area));
            let mut leaving_agents = f64::from(agents) * one_agent;
            for agent in area.chunk_by_mut(|one, other| one.groups.2 == other.groups.2) {
                let part = equal * agent.len() as f64;
                let stay = one_agent.min(part);
                leaving_agents -= stay;
                leaving_areas -= stay;
                agent.iter_mut().for_each(|seen| seen.room[0] = (part - stay) / part * equal);
                if agent.iter().any(|seen| seen.tier == AGENT) {
                    *of_agent = stay / one_agent;
                }
            }
            let (stay, odds) = take(area, leaving_agents, |room| {
                let [from, to, _] = room;
                (*from, to)
            });
            leaving_areas -= stay;
            if area.iter().any(|seen| seen.tier <= AREA) {
                *of_area = odds;
            }
        }
        let (_, odds) = take(region, leaving_areas, |room| {
            let [_, from, to] = room;
            (*from, to)
        });
        if region.iter().any(|seen| seen.tier <= REGION) {
            *of_region = odds;
        }
    }
    odds
}

/// Lets the records of a group take of these clients what they have room for. Tells how many stay, and the odds of that
/// for each.
fn take(group: &mut [Seen<'_>], clients: f64, of: impl Fn(&mut [f64; 3]) -> (f64, &mut f64)) -> (f64, f64) {
    /// Less than this is left over by rounding only.
    const NOTHING: f64 = 1e-9;
    let room: f64 = group.iter_mut().map(|seen| of(&mut seen.room).0).sum();
    let stay = clients.min(room).max(0.0);
    let left = if room > NOTHING { 1.0 - stay / room } else { 0.0 };
    for seen in group {
        let (from, to) = of(&mut seen.room);
        *to = from * left;
    }
    let odds = match clients > NOTHING {
        true => stay / clients,
        // All clients on agents are served nearer: who is on none is not reckoned with, and may stay.
        false => 1.0,
    };
    (stay, odds)
}

#[cfg(test)]
mod tests;
