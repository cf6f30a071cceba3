//! Queries that are not ours: may they be asked, whom to ask, and what to make of what comes back.
//!
//! ```text
//!  query -> message::Query -> Policy::decide -+-> Refuse     REFUSED, with the reason
//!           (one question,    (route, access) |
//!            OPT)                             +-> Local      localhost and friends, answered here
//!                                             |
//!                                             +-> Ask -> Key -> Held -> Admission -> Exchange <-> servers
//!                                                          (remembered?) (shares)     (tries)        |
//!                                 clients <- Entry::write <--------------- believe <- Resolved <-----+
//! ```
//!
//! - [`route`]: the longest matching suffix decides which servers are asked.
//! - [`local`]: the few names every resolver answers by itself (RFC 6303, 6761, 7686).
//! - [`admission`]: how much may be outstanding, in all and for each client.
//! - [`key`]: what tells two questions apart; all who ask the same share one exchange.
//! - [`exchange`]: one question upstream: servers in order, deadlines, what counts as an answer.
//! - [`server`] and [`health`]: whom to ask and how; what is remembered of each.
//! - [`allowance`]: how many queries may go to a second server early.
//! - [`spelling`]: letters in upper and lower case, against forgers and loops.
//! - [`resolved`]: the outcome of an exchange.
//! - [`message`] and [`reply`]: bytes: the client's query and our own replies; the server's reply.
//! - [`believe`]: what of a reply is kept, written anew (`pack`); [`entry`]: that, ageing, told to any
//!   client ([`asker`]); [`held`]: what is remembered of a question, and what to do about it; [`selection`]: which
//!   names to forget.
//! - [`lifetime`]: how long a cache that is no resolver may keep a reply, ours included.
//! - `walk`, `data` and `draft`: reading and writing these bytes.
//!
//! From one query to the next these are remembered: how many are outstanding, how servers did, and answers.
//!
//! Why messages are walked here and not parsed into records: to pass a record on, a forwarder need not
//! understand it. Owner, TTL and the names in the data of a few old types are what it touches; all other data
//! stays as the server wrote it (RFC 3597).

pub mod admission;
pub mod allowance;
pub mod asker;
pub mod believe;
mod data;
mod draft;
pub mod entry;
pub mod exchange;
pub mod health;
pub mod held;
pub mod key;
pub mod lifetime;
pub mod local;
pub mod message;
mod pack;
pub mod reply;
pub mod resolved;
pub mod route;
pub mod selection;
pub mod server;
pub mod spelling;
mod walk;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

use ipnet::IpNet;

use crate::{
    forward::{
        message::{Ede, Query},
        route::{Group, Route, Router},
        server::Server,
    },
    wire::{Name, ReverseZones},
};

/// Longest time for one query, whatever `timeout` says.
///
/// A client has long given up by then (glibc after 5 s, most others sooner), and what is still kept for
/// it only fills the table of outstanding queries.
pub const BUDGET_MAX: Duration = Duration::from_secs(12);

/// What the operator wants of the forwarder.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether anything is forwarded at all (`externalOn`).
    pub external_on: bool,
    /// Our own domain: nothing in it is ever sent to another server.
    pub domain: Name,
    /// Names of addresses that are ours as well (`reversePrefixes`).
    pub reverse: ReverseZones,
    /// Servers for everything that no zone claims (`resolvers`), in the order they are asked.
    pub resolvers: Vec<Server>,
    /// Servers for a zone and the names below it (`zoneResolvers`). The longest zone wins.
    pub zones: Vec<(Name, Vec<Server>)>,
    /// Time for one query, all servers together (`timeout`); at most [`BUDGET_MAX`].
    pub budget: Duration,
    /// Who may ask (`recursionAllow`).
    pub recursion_allow: Vec<IpNet>,
    /// What a reply that was cut says about it (`setTruncateBit`).
    pub truncation: Truncation,
    /// Bytes of memory for remembered answers (`cacheSize`); 0: nothing is remembered.
    pub cache_bytes: u64,
    /// How long an answer may be told after its time when no server gives a newer one (`serveStaleSeconds`).
    pub stale_max: Duration,
}

/// Whether a reply that was cut says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    /// With the TC bit, as the standard has it.
    Flagged,
    /// Not at all: TC is always clear. For clients that cannot ask over TCP.
    Silent,
}

/// How a client's message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram each way.
    Udp,
    /// A stream with two octets of length before each message.
    Tcp,
}

/// Who may have names forwarded unless the operator says otherwise: private, shared, link-local and
/// loopback networks, the same nine that PowerDNS allows.
pub const fn private_networks() -> [IpNet; 9] {
    const fn v4(a: u8, b: u8, bits: u8) -> IpNet {
        IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, 0, 0)), bits)
    }
    const fn v6(first: u16, bits: u8) -> IpNet {
        IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0)), bits)
    }
    [
        v4(127, 0, 8),
        v4(10, 0, 8),
        v4(100, 64, 10),
        v4(169, 254, 16),
        v4(192, 168, 16),
        v4(172, 16, 12),
        IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
        v6(0xfc00, 7),
        v6(0xfe80, 10),
    ]
}

//------------ Policy ---------------------------------------------------------

/// The settings, made ready to decide by.
#[derive(Clone, Debug)]
pub struct Policy {
    settings: Settings,
    router: Router,
}

impl Policy {
    /// Makes the settings ready.
    pub fn new(settings: Settings) -> Self {
        let router =
            Router::new(&settings.domain, &settings.resolvers, &settings.zones).without(&settings.reverse);
        Self { settings, router }
    }

    /// What to do with a query that no zone of ours answers.
    pub fn decide(&self, query: &Query<'_>, client: IpAddr) -> Decision<'_> {
        if !self.settings.external_on {
            return Decision::Refuse(Refusal::Off);
        }
        if !self.lets(client) {
            return Decision::Refuse(Refusal::Client);
        }
        match self.router.route(&query.question.name) {
            Route::Own => Decision::Refuse(Refusal::OwnDomain),
            Route::Local(zone) => zone.answer(query).map_or(Decision::Refuse(Refusal::Kind), Decision::Local),
            Route::Servers(_) if !query.flags.recursion_desired() => Decision::Refuse(Refusal::NoRecursion),
            Route::Servers(_) if is_hop_by_hop(query.question.qtype) => Decision::Refuse(Refusal::Kind),
            Route::Servers(group) if group.servers.is_empty() => Decision::Refuse(Refusal::NoServers),
            Route::Servers(group) => Decision::Ask(group),
        }
    }

    /// Whether a name is ours: never sent to another server, and for our own zone to answer.
    pub fn is_ours(&self, name: &Name) -> bool {
        self.router.route(name) == Route::Own
    }

    /// Whether this client may be told what is remembered. Whether the name is for servers was found out when they were
    /// asked.
    pub fn may_recall(&self, client: IpAddr, recursion_desired: bool) -> bool {
        self.settings.external_on && recursion_desired && self.lets(client)
    }

    /// Whether we forward for this client.
    fn lets(&self, client: IpAddr) -> bool {
        // A socket that serves both families shows an IPv4 client as a mapped IPv6 address.
        let client = client.to_canonical();
        self.settings.recursion_allow.iter().any(|network| network.contains(&client))
    }

    /// Where a name leads.
    pub fn route(&self, name: &Name) -> Route<'_> {
        self.router.route(name)
    }

    /// Every group of servers, the default one first.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.router.groups()
    }

    /// Time for one query.
    pub fn budget(&self) -> Duration {
        self.settings.budget.min(BUDGET_MAX)
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether each name is asked from the same servers as by another policy, so that what was remembered by that one
    /// still holds.
    pub fn leads_like(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.settings, &other.settings);
        (&ours.domain, &ours.resolvers, &ours.zones, &ours.reverse)
            == (&theirs.domain, &theirs.resolvers, &theirs.zones, &theirs.reverse)
    }

    /// What a cut reply says about it.
    pub fn truncation(&self) -> Truncation {
        self.settings.truncation
    }
}

/// Whether this type means something between two neighbours only: OPT, TKEY, TSIG, IXFR and AXFR.
fn is_hop_by_hop(qtype: u16) -> bool {
    matches!(qtype, 41 | 249..=252)
}

/// What to do with one query.
#[derive(Debug)]
pub enum Decision<'a> {
    /// Answer REFUSED.
    Refuse(Refusal),
    /// Answer this.
    Local(Vec<u8>),
    /// Ask these servers.
    Ask(&'a Group),
}

/// Why a query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The client is in none of the networks that may ask.
    Client,
    /// A transfer or another type that cannot be forwarded, or a local name in an odd class.
    Kind,
    /// The query does not ask for recursion (RD=0).
    NoRecursion,
    /// There is no server for this name.
    NoServers,
    /// Forwarding is switched off.
    Off,
    /// The name is in our own domain, which never leaves.
    OwnDomain,
}

impl Refusal {
    /// What a client that speaks EDNS is told (RFC 8914).
    pub fn ede(self) -> Ede {
        match self {
            Self::Client => Ede::Prohibited,
            Self::Kind => Ede::NotSupported,
            Self::NoRecursion | Self::NoServers | Self::Off | Self::OwnDomain => Ede::NotAuthoritative,
        }
    }
}

/// So much later.
pub(crate) fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests;
