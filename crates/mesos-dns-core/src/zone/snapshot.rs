//! One version of a zone, immutable, as readers see it.

use std::{
    cmp::Ordering,
    fmt,
    hash::Hash,
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use super::{
    Census,
    addresses::Addresses,
    change,
    gate::Gate,
    listing::{Entry, in_force},
    node::{Node, Wire},
};
use crate::{
    records::{Data, Owner, Record, Spot, Withheld, plain_text},
    table::{KeyHash, Seed, Table},
    wire::{Name, NameView},
};

/// Percentage of contributors that have to be fit for the others to be left out, unless it is set: one fit one is
/// enough of up to a hundred.
pub(super) const HEALTHY_MINIMUM: u8 = 1;

/// One version of the zone.
///
/// A reader keeps it for one query or one whole transfer, so that it never mixes two versions.
pub struct Snapshot {
    pub(super) apex: Name,
    pub(super) nodes: Table<Node>,
    pub(super) listing: Table<Entry>,
    pub(super) addresses: Addresses,
    pub(super) soa: Arc<Soa>,
    pub(super) serial: Serial,
    pub(super) content_hash: u64,
    pub(super) records: u64,
    pub(super) withheld: Withheld,
    pub(super) healthy_minimum: u8,
    pub(super) is_loaded: bool,
    pub(super) is_partial: bool,
    /// What the operator wrote down, which is asked only for an explanation.
    pub(super) gate: Arc<Gate>,
}

/// The SOA serial: Unix time in seconds of the last change of content (RFC 1982 arithmetic applies).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Serial(pub u32);

/// What all versions have in common: the fields of SOA and NS, and what every record carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// Primary server (`SOAMname`), also the NS target.
    pub mname: Name,
    /// Mailbox of the person responsible (`SOARname`).
    pub rname: Name,
    /// Seconds.
    pub refresh: u32,
    /// Seconds.
    pub retry: u32,
    /// Seconds.
    pub expire: u32,
    /// TTL of negative answers in seconds (RFC 2308 section 4).
    pub minimum: u32,
    /// TTL of every record in seconds.
    pub ttl: u32,
    /// Weight of every SRV record.
    pub weight: u16,
}

/// All of it in one line, for people and for comparing.
impl fmt::Display for Soa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mname, rname, refresh, retry, expire, minimum, ttl, weight } = self;
        write!(f, "{mname} {rname} {refresh} {retry} {expire} {minimum}, TTL {ttl}, weight {weight}")
    }
}

/// What the v1 API shows under one stored name. The name is spelled as the original spells it, with the
/// trailing dot; it can hold capitals, empty labels and labels that DNS cannot carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The stored name.
    pub name: String,
    /// A values, sorted.
    pub a: Vec<Ipv4Addr>,
    /// AAAA values, sorted.
    pub aaaa: Vec<Ipv6Addr>,
    /// SRV values: target as stored (trailing dot) and port, sorted.
    pub srv: Vec<(String, u16)>,
}

impl Snapshot {
    /// The version before any data: cluster names are SERVFAIL and the API is 503.
    pub fn loading(apex: Name, soa: Arc<Soa>) -> Self {
        Self {
            apex,
            nodes: Table::default(),
            listing: Table::default(),
            addresses: Addresses::new(Seed::default()),
            soa,
            serial: Serial(0),
            content_hash: 0,
            records: 0,
            withheld: Withheld::default(),
            healthy_minimum: HEALTHY_MINIMUM,
            is_loaded: false,
            is_partial: false,
            gate: Arc::default(),
        }
    }

    /// Whether data has ever arrived.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// The same, told whether names of living tasks may be missing in it.
    #[must_use]
    pub fn partial(self, is_partial: bool) -> Self {
        Self { is_partial, ..self }
    }

    /// Whether names of living tasks may be missing: that a name is not here says nothing.
    pub fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// The served domain.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// The fields of SOA and NS.
    pub fn soa(&self) -> &Soa {
        &self.soa
    }

    /// The SOA serial.
    pub fn serial(&self) -> u32 {
        self.serial.0
    }

    /// A number that is equal wherever the same cluster is seen, whatever happened before. Addresses of
    /// this server itself are not in it.
    pub fn content_hash(&self) -> u64 {
        self.content_hash
    }

    /// Number of records DNS answers, SOA and NS not counted.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Number of names, empty non-terminals included.
    pub fn names(&self) -> usize {
        self.nodes.len()
    }

    /// What was withheld, by reason.
    pub fn withheld(&self) -> Withheld {
        self.withheld
    }

    /// What stands at a name, given in lower-case wire form; `None` where no name exists.
    pub fn find(&self, wire: &[u8]) -> Option<&Node> {
        self.nodes.get(Wire(wire))
    }

    /// The name that an address is told by; IPv4 must not be mapped.
    pub fn name_of(&self, address: IpAddr) -> Option<&Name> {
        self.addresses.name(address)
    }

    /// Where an address is, if it is an agent's, or a task's own.
    pub fn spot_of(&self, address: IpAddr) -> Option<&Arc<Spot>> {
        self.addresses.spot(address)
    }

    /// A hash that strangers cannot foresee, by which to bring equal things together.
    pub(crate) fn hash_of<K: Hash>(&self, key: &K) -> KeyHash {
        self.nodes.seed().hash(key)
    }

    /// How many agents are where.
    pub fn census(&self) -> &Census {
        self.addresses.census()
    }

    /// How many addresses are known to be somebody's.
    pub fn addresses(&self) -> usize {
        self.addresses.len()
    }

    /// The hash of a name in lower-case wire form, for [`Snapshot::candidates`].
    pub(crate) fn hash(&self, wire: &[u8]) -> KeyHash {
        self.nodes.seed().hash(&Wire(wire))
    }

    /// For each hash the node whose name may have it, as [`Table::candidates`]. What answers are made from has been
    /// read by then, so that it is near.
    pub(crate) fn candidates<'a>(&'a self, hashes: &[KeyHash], found: &mut [Option<&'a Node>]) {
        self.nodes.candidates(hashes, found);
        // One step at a time here, too: the node and its name, then its records.
        black_box(found.iter().flatten().fold(0, |touched, node| touched | node.name().as_wire().len()));
        black_box(found.iter().flatten().fold(0, |touched, node| touched | node.touch()));
    }

    /// Every name, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// How many contribute this record, as the v1 API counts: by spelling. 0 if it is not in force.
    pub fn contributors(&self, record: &Record) -> u32 {
        let entry = match self.listing.is_empty() {
            true => None,
            false => self.listing.get(record.owner.to_text().as_str()),
        };
        let alone = entry.filter(|entry| entry.alone.has_in_force(&record.data, self.healthy_minimum));
        let alone = alone.map_or(0, |entry| entry.alone.count(&record.data));
        let node = change::owner(record, &self.apex).and_then(|name| self.find(name.as_wire()));
        let carried = match node.filter(|node| node.count(&record.data) > 0) {
            None => 0,
            Some(_) if change::is_spelled(record) => {
                entry.map_or(0, |entry| entry.carried.count(&record.data))
            }
            Some(node) => node.count(&record.data).saturating_sub(node.count_spelled(&record.data)),
        };
        u32::try_from(alone.saturating_add(carried)).unwrap_or(0)
    }

    /// What the v1 API shows under this stored name (exact spelling, trailing dot); `None` if nothing.
    pub fn listed(&self, name: &str) -> Option<Listed> {
        let owner = Owner::new(name);
        let plain =
            owner.name().filter(|_| owner.spelling().is_none()).and_then(|wire| self.find(wire.as_wire()));
        // Of names that an operator wrote down, a dot within a label is spelled with a backslash.
        let escaped = || Name::parse(name).ok().filter(|_| name.contains("\\."));
        let node = plain.or_else(|| self.find(escaped()?.as_wire()));
        let entry = self.listing.get(name);
        let listed = self.named(node, entry).listed();
        (!listed.is_empty()).then_some(listed)
    }

    /// Every name the v1 API shows, sorted by its text. No values are copied.
    pub fn listed_names(&self) -> Vec<ListedName<'_>> {
        let nodes = self.nodes.iter().filter(|node| self.shows_something(node)).map(|node| {
            let entry = if self.listing.is_empty() {
                None
            } else {
                self.listing.get(plain_text(node.name()).as_str())
            };
            self.named(Some(node), entry)
        });
        let apart = self.listing.iter().filter_map(|entry| {
            let owner = Owner::new(&entry.name);
            let plain = owner.name().filter(|_| owner.spelling().is_none());
            let node = plain.and_then(|name| self.find(name.as_wire()));
            let named = self.named(None, Some(entry));
            let is_apart = !node.is_some_and(|node| self.shows_something(node));
            (is_apart && !named.listed().is_empty()).then_some(named)
        });
        let mut names: Vec<_> = nodes.chain(apart).collect();
        names.sort_unstable_by(ListedName::compare);
        names
    }

    fn named<'a>(&'a self, node: Option<&'a Node>, entry: Option<&'a Entry>) -> ListedName<'a> {
        ListedName { zone: self, node, entry }
    }

    /// Whether the v1 API shows a record of this node under its plain name.
    fn shows_something(&self, node: &Node) -> bool {
        let has_any = !(node.a().is_empty() && node.aaaa().is_empty() && node.srv().is_empty());
        (has_any || !node.preferred().is_empty())
            && (!node.is_spelled() || !self.named(Some(node), None).listed().is_empty())
    }
}

/// One name of the v1 API; ask it for its values.
#[derive(Clone, Copy)]
pub struct ListedName<'a> {
    zone: &'a Snapshot,
    node: Option<&'a Node>,
    entry: Option<&'a Entry>,
}

impl ListedName<'_> {
    /// The stored name with its values.
    pub fn listed(&self) -> Listed {
        let mut listed = Listed::default();
        if let Some(node) = self.node {
            listed.name = plain_text(node.name());
            let shows = |data: Data| !node.is_spelled() || node.count(&data) > node.count_spelled(&data);
            listed.a =
                node.a().iter().map(|item| item.address).filter(|address| shows(Data::A(*address))).collect();
            listed.aaaa = node
                .aaaa()
                .iter()
                .map(|item| item.address)
                .filter(|address| shows(Data::Aaaa(*address)))
                .collect();
            let plain = node.srv().iter().map(|item| (&item.target, item.port, None));
            let preferred = node.preferred().iter();
            let preferred = preferred.map(|item| (&item.target, item.port, Some(item.preference)));
            for (target, port, preference) in plain.chain(preferred) {
                let target = Owner::from(target.clone());
                let text = target.to_text();
                if shows(Data::Srv { port, target, preference }) {
                    listed.srv.push((text, port));
                }
            }
        }
        if let Some(entry) = self.entry {
            listed.name = entry.name.to_string();
            self.add_apart(entry, &mut listed);
        }
        listed.a.sort_unstable();
        listed.a.dedup();
        listed.aaaa.sort_unstable();
        listed.aaaa.dedup();
        listed.srv.sort_unstable();
        listed.srv.dedup();
        listed
    }

    /// Adds what stands in the listing and is in force.
    fn add_apart(&self, Entry { name, carried, alone }: &Entry, listed: &mut Listed) {
        let minimum = self.zone.healthy_minimum;
        listed.a.extend(in_force(&alone.a, minimum));
        listed.aaaa.extend(in_force(&alone.aaaa, minimum));
        listed.srv.extend(in_force(&alone.srv, minimum).cloned());
        if carried.is_empty() {
            return;
        }
        let owner = Owner::new(name);
        let Some(node) = owner.name().and_then(|name| self.zone.find(name.as_wire())) else { return };
        let has_service = |target: &str, port| {
            let target = Owner::new(target);
            let is = |other: &Name, other_port: u16| other_port == port && Some(other) == target.name();
            node.srv().iter().any(|item| is(&item.target, item.port))
                || node.preferred().iter().any(|item| is(&item.target, item.port))
        };
        listed.a.extend(carried.a.keys().filter(|address| node.count(&Data::A(**address)) > 0));
        listed.aaaa.extend(carried.aaaa.keys().filter(|address| node.count(&Data::Aaaa(**address)) > 0));
        listed.srv.extend(carried.srv.keys().filter(|(target, port)| has_service(target, *port)).cloned());
    }

    /// Orders by the text of the names.
    fn compare(&self, other: &Self) -> Ordering {
        match (self.plain_name(), other.plain_name()) {
            (Some(one), Some(other)) => compare_texts(one, other),
            _ => self.text().cmp(&other.text()),
        }
    }

    /// The name, if its text is simply that of its labels.
    fn plain_name(&self) -> Option<NameView<'_>> {
        self.node.filter(|_| self.entry.is_none()).map(Node::name)
    }

    fn text(&self) -> String {
        match (self.entry, self.node) {
            (Some(entry), _) => entry.name.to_string(),
            (None, Some(node)) => plain_text(node.name()),
            (None, None) => String::new(),
        }
    }
}

/// Orders two names as their texts would be, without making the texts: label by label, a dot behind each.
pub(crate) fn compare_texts(one: NameView<'_>, other: NameView<'_>) -> Ordering {
    let mut pairs = one.labels().zip(other.labels());
    let differing = pairs.find(|(one, other)| one != other);
    let Some((one, other)) = differing else { return one.as_wire().len().cmp(&other.as_wire().len()) };
    let common = one.len().min(other.len());
    let (one_head, one_rest) = one.split_at_checked(common).unwrap_or((one, &[]));
    let (other_head, other_rest) = other.split_at_checked(common).unwrap_or((other, &[]));
    let next = |rest: &[u8]| rest.first().copied().unwrap_or(b'.');
    one_head.cmp(other_head).then_with(|| next(one_rest).cmp(&next(other_rest)))
}

impl Listed {
    /// Whether the name has no values.
    pub fn is_empty(&self) -> bool {
        self.a.is_empty() && self.aaaa.is_empty() && self.srv.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_their_texts() {
        let texts = [
            "a.mesos",
            "a-b.mesos",
            "ab.mesos",
            "a.b.mesos",
            "mesos",
            "a.mesos.b",
            "a/b.mesos",
            "0.mesos",
            "_a.mesos",
        ];
        let names = texts.map(|text| Name::from_plain(text).unwrap());
        for one in &names {
            for other in &names {
                assert_eq!(
                    compare_texts(one.view(), other.view()),
                    plain_text(one.view()).cmp(&plain_text(other.view())),
                    "{one} {other}"
                );
            }
        }
    }
}
