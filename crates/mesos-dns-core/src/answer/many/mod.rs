//! Many queries at once: the fast path.
//!
//! Nearly every query is the common one: a question for an address or a service of ours in class IN, with nothing
//! behind it or a plain OPT. What it costs is waiting for memory, and a batch of them waits together: [`Many::read`]
//! takes the queries in, [`Many::find`] looks all names up at once, [`Many::write`] writes the replies, for which
//! everything is near by then.
//!
//! [`decide`](super::decide) is the law. `write` gives exactly its reply or none, whenever it meets anything that is
//! not plain: then the caller asks `decide`. A property test compares the two. So the fast path can always do
//! less, and never something else.

mod plain;
mod reply;
mod services;

use std::net::IpAddr;

use super::{Action, Settings, Standing, State};
use crate::{
    table::{CANDIDATES_MAX, KeyHash},
    wire::{FLAG_AA, FLAG_RA, is_within, rtype},
    zone::{Node, Snapshot},
};
use plain::{Kind, Plain};
use reply::Writer;

/// Most queries of one batch.
pub const MANY_MAX: usize = CANDIDATES_MAX;

/// What is the same for all queries of a batch.
#[derive(Clone, Copy)]
struct Common<'a> {
    zone: &'a Snapshot,
    settings: &'a Settings,
    /// Larger sets are for `decide` to choose from.
    plain_max: usize,
    /// AA, and RA if it is set.
    flags: u16,
    /// Whether the masters are out of reach: clients with EDNS are told.
    is_stale: bool,
}

/// A batch of queries, answered from one version of the zone.
pub struct Many<'a> {
    common: Common<'a>,
    /// Whether there are answers to give: otherwise nothing is plain.
    is_ready: bool,
    count: usize,
    plain: [Plain; MANY_MAX],
    hashes: [KeyHash; MANY_MAX],
    nodes: [Option<&'a Node>; MANY_MAX],
}

/// A query of a batch that was read.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u8);

impl<'a> Many<'a> {
    /// An empty batch.
    pub fn new(zone: &'a Snapshot, standing: &Standing, settings: &'a Settings) -> Self {
        let flags = if settings.recursion_available { FLAG_AA | FLAG_RA } else { FLAG_AA };
        Self {
            common: Common {
                zone,
                settings,
                plain_max: settings.selection.plain_max(),
                flags,
                is_stale: standing.state == State::Stale,
            },
            is_ready: zone.is_loaded() && !zone.is_partial(),
            count: 0,
            plain: [Plain::default(); MANY_MAX],
            hashes: [KeyHash::default(); MANY_MAX],
            nodes: [None; MANY_MAX],
        }
    }

    /// Takes a query in that came in a datagram; `None` if it is not a plain one, or from somebody who may not ask.
    pub fn read(&mut self, message: &[u8], peer: IpAddr) -> Option<Ticket> {
        if !self.is_ready || !self.common.settings.may_ask(peer.to_canonical()) {
            return None;
        }
        let (plain, hash) = Plain::read(message, self.common.zone)?;
        *self.plain.get_mut(self.count)? = plain;
        *self.hashes.get_mut(self.count)? = hash;
        let ticket = Ticket(u8::try_from(self.count).ok()?);
        self.count = self.count.saturating_add(1);
        Some(ticket)
    }

    /// The type that a query which was read asks for.
    pub fn qtype(&self, ticket: Ticket) -> u16 {
        match self.plain.get(usize::from(ticket.0)).map(|plain| plain.kind) {
            Some(Kind::A) | None => rtype::A,
            Some(Kind::Aaaa) => rtype::AAAA,
            Some(Kind::Srv) => rtype::SRV,
        }
    }

    /// Looks up all names that were read.
    pub fn find(&mut self) {
        let hashes = self.hashes.get(..self.count).unwrap_or_default();
        self.common.zone.candidates(hashes, &mut self.nodes);
    }

    /// Writes the reply to a query that was read before, as [`decide`](super::decide) would; `None` if that has to.
    pub fn write(&self, ticket: Ticket, message: &[u8], dice: u64, out: &mut [u8]) -> Option<Action> {
        let plain = self.plain.get(usize::from(ticket.0))?;
        let node = *self.nodes.get(usize::from(ticket.0))?;
        let name = plain.name(message)?;
        let mut writer = Writer::start(out, message, plain, self.common)?;
        let Some(node) = node else {
            return if is_within(name, self.common.zone.apex().as_wire()) { writer.no_name() } else { None };
        };
        if !node.name().as_wire().eq_ignore_ascii_case(name) || node.is_special() {
            return None;
        }
        match plain.kind {
            Kind::A => writer.addresses_v4(node.a(), dice),
            Kind::Aaaa => writer.addresses_v6(node.aaaa(), dice),
            Kind::Srv => writer.services(node.srv(), dice),
        }
    }
}

#[cfg(test)]
mod tests;
