//! The records of a version, as zone files spell them.

use std::{
    cmp::Ordering,
    io::{self, Write},
};

use serde::Serialize;

use super::{Page, Pattern, Version, Window};
use crate::{
    records::{Fixed, Preference, Rule},
    wire::{Name, NameView, rtype},
    zone::{Node, Rdata, Soa, compare_texts},
};

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordItem {
    /// Owner name, with the dot at its end.
    pub name: String,
    /// `A`, `AAAA`, `SRV`, `TXT`, or `TYPE257` for one that has no name here.
    #[serde(rename = "type")]
    pub rtype: String,
    /// In seconds.
    pub ttl: u32,
    /// The data in presentation form.
    pub data: String,
    /// What the data of a service are made of.
    #[serde(flatten)]
    pub service: Option<ServicePlace>,
}

/// The data of an SRV record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServicePlace {
    priority: u16,
    weight: u16,
    port: u16,
    target: String,
}

/// A record of a version, with where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The record.
    #[serde(flatten)]
    pub record: RecordItem,
    /// Whether the operator wrote it.
    #[serde(rename = "static")]
    pub is_static: bool,
}

/// A type of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type(pub u16);

/// Types with a name, as zone files spell it.
const TYPES: [(&str, u16); 6] = [
    ("A", rtype::A),
    ("AAAA", rtype::AAAA),
    ("CNAME", rtype::CNAME),
    ("PTR", rtype::PTR),
    ("SRV", rtype::SRV),
    ("TXT", rtype::TXT),
];

impl Type {
    /// Reads a type: a name of those above, or `TYPE` with its number (RFC 3597); case does not matter.
    pub fn parse(text: &str) -> Option<Self> {
        let named = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let numbered = || text.get(..4).filter(|word| word.eq_ignore_ascii_case("TYPE")).and(text.get(4..));
        let is_number = |digits: &&str| digits.bytes().all(|digit| digit.is_ascii_digit());
        named.map(|(_, number)| *number).or_else(|| numbered().filter(is_number)?.parse().ok()).map(Self)
    }

    /// The names of those that have one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TYPES.iter().map(|(name, _)| *name)
    }
}

/// Which records are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Those of names like this.
    pub name: Option<Pattern>,
    /// Those of this name and of all below it.
    pub below: Option<Name>,
    /// Those of this type.
    pub rtype: Option<Type>,
}

impl RecordFilter {
    /// Whether a name is one of those.
    pub(super) fn takes_name(&self, name: NameView<'_>) -> bool {
        let is_below = |apex: &Name| crate::wire::is_within(name.as_wire(), apex.as_wire());
        self.below.as_ref().is_none_or(is_below)
            && self.name.as_ref().is_none_or(|pattern| pattern.matches_name(name))
    }

    fn takes(&self, rtype: u16) -> bool {
        self.rtype.is_none_or(|wanted| wanted.0 == rtype)
    }

    /// How many records of a name are wanted.
    fn count(&self, node: &Node) -> usize {
        let of = |rtype, count| if self.takes(rtype) { count } else { 0 };
        let services = node.srv().len().saturating_add(node.preferred().len());
        let others = || node.all_others().iter().filter(|other| self.takes(other.rtype)).count();
        [of(rtype::A, node.a().len()), of(rtype::AAAA, node.aaaa().len()), of(rtype::SRV, services), others()]
            .into_iter()
            .fold(0, usize::saturating_add)
    }
}

/// The records of one name that are wanted, in the order of a zone file, from a place on.
pub(super) struct Rows<'a> {
    version: Version<'a>,
    node: &'a Node,
    name: String,
    ttl: u32,
    is_static: bool,
}

impl<'a> Rows<'a> {
    /// The records of a name.
    pub(super) fn of(version: Version<'a>, node: &'a Node) -> Self {
        let ttl = node.ttl().unwrap_or(version.zone.soa().ttl);
        let is_static = node.is_filled() || is_override(&version.policy.extra.fixed, node.name());
        Self { version, node, name: node.name().to_string(), ttl, is_static }
    }

    /// Each of them that is wanted.
    fn each<'s>(&'s self, filter: &'s RecordFilter) -> impl Iterator<Item = Row> + 's {
        let node = self.node;
        let addresses = node.a().iter().map(|item| Rdata::A(item.address));
        let newer = node.aaaa().iter().map(|item| Rdata::Aaaa(item.address));
        let services = node.srv().iter().map(|item| service(item.port, &item.target, None));
        let preferred =
            node.preferred().iter().map(|item| service(item.port, &item.target, Some(item.preference)));
        let others = node.all_others().iter();
        let others = others.map(|other| Rdata::Other { rtype: other.rtype, rdata: other.rdata.clone() });
        let all = addresses.chain(newer).chain(services).chain(preferred).chain(others);
        all.filter(|rdata| filter.takes(rdata.rtype())).map(|rdata| Row {
            record: RecordItem::new(self.name.clone(), &rdata, self.ttl, self.version.zone.soa()),
            is_static: self.is_static,
        })
    }
}

fn is_override(fixed: &Fixed, name: NameView<'_>) -> bool {
    !fixed.owners.is_empty()
        && fixed.owners.get(&name.to_name()).is_some_and(|owner| owner.rule == Rule::Override)
}

fn service(port: u16, target: &Name, preference: Option<Preference>) -> Rdata {
    Rdata::Srv { port, target: target.clone(), preference }
}

impl RecordItem {
    /// A record of this name.
    pub(super) fn new(name: String, rdata: &Rdata, ttl: u32, soa: &Soa) -> Self {
        let text = rdata.to_text(soa.weight);
        let (rtype, data) = text.split_once(' ').unwrap_or((&text, ""));
        let (rtype, data) = (rtype.to_owned(), data.to_owned());
        let service = match rdata {
            Rdata::Srv { port, target, preference } => {
                let of_all = Preference::of_all(soa.weight);
                let Preference { priority, weight } = preference.unwrap_or(of_all);
                Some(ServicePlace { priority, weight, port: *port, target: target.to_string() })
            }
            _ => None,
        };
        Self { name, rtype, ttl, data, service }
    }

    pub(super) fn is_wanted(rdata: &Rdata, filter: &RecordFilter) -> bool {
        filter.takes(rdata.rtype())
    }
}

/// Names in the order of their texts, which is that of people.
struct ByText<'a>(NameView<'a>);

impl Ord for ByText<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_texts(self.0, other.0)
    }
}

impl PartialOrd for ByText<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByText<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_wire() == other.0.as_wire()
    }
}

impl Eq for ByText<'_> {}

/// A page of records: names by their text, in each its records as a zone file has them.
///
/// `after` is the name at which to begin and how many of its records were told before. Where that name changes between
/// two pages, one of its records can be told twice or not at all: who needs one version of the whole takes
/// [`write_records`].
pub fn records(
    version: Version<'_>,
    filter: &RecordFilter,
    after: Option<(&Name, usize)>,
    limit: usize,
) -> Page<Row> {
    let mut window = Window::new(None, limit);
    let mut total = 0_u64;
    for node in version.zone.nodes() {
        let count = if filter.takes_name(node.name()) { filter.count(node) } else { 0 };
        if count == 0 {
            continue;
        }
        total = total.saturating_add(count as u64);
        // A name that was told to its end before would make an empty page of one that holds one name.
        let is_ahead = |(first, told): (&Name, usize)| match compare_texts(node.name(), first.view()) {
            Ordering::Less => false,
            Ordering::Equal => count > told,
            Ordering::Greater => true,
        };
        if after.is_none_or(is_ahead) {
            window.offer(ByText(node.name()), node);
        }
    }
    let (_, nodes, has_more) = window.finish();
    let mut items: Vec<Row> = Vec::new();
    let mut next = None;
    for (key, node) in nodes {
        let told = after.filter(|(first, _)| first.as_wire() == key.0.as_wire()).map_or(0, |(_, told)| told);
        let rows = Rows::of(version, node);
        let mut here = told;
        for row in rows.each(filter).skip(told) {
            if items.len() == limit {
                next = Some(vec![rows.name.clone(), here.to_string()]);
                return Page { total, next, items };
            }
            here = here.saturating_add(1);
            items.push(row);
        }
        next = Some(vec![rows.name.clone(), here.to_string()]);
    }
    Page { total, next: next.filter(|_| has_more), items }
}

/// Writes every record that is wanted, a JSON object on each line, in the order of a zone file. It holds a pointer per
/// name meanwhile.
pub fn write_records(version: Version<'_>, filter: &RecordFilter, out: &mut dyn Write) -> io::Result<()> {
    let mut nodes: Vec<&Node> =
        version.zone.nodes().filter(|node| node.has_records() && filter.takes_name(node.name())).collect();
    nodes.sort_unstable_by(|one, other| one.name().as_wire().cmp(other.name().as_wire()));
    for node in nodes {
        for row in Rows::of(version, node).each(filter) {
            serde_json::to_writer(&mut *out, &row)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}
