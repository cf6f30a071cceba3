//! Laws of a zone: what is in force follows from what is contributed, never from the order in which it came.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;

use super::{Rdata, Serial, Snapshot, Soa, Zone, change::What, sets::Slices};
use crate::{
    records::{Data, Fitness, Fixed, FixedOwner, Owner, Preference, Record, Rule},
    table::Seed,
    test_support::{name, soa},
    wire::{Name, rtype},
};

const OWNERS: [&str; 5] = ["a.mesos.", "b.a.mesos.", "c.mesos.", "_x._tcp.a.mesos.", "mesos."];

/// A contribution, some of them spelled with capitals.
fn record((owner, kind, value, is_unfit, is_spelled): (u8, u8, u8, bool, bool)) -> Record {
    let text = OWNERS[usize::from(owner) % OWNERS.len()];
    let text = if is_spelled { text.to_uppercase() } else { text.to_owned() };
    let value = value % 4;
    let target = Owner::new(if is_spelled { "A.mesos." } else { "a.mesos." });
    let preference = (kind % 2 == 0).then_some(Preference { priority: 1, weight: value.into() });
    let data = match kind % 10 {
        0..=2 => Data::A([10, 0, 0, value].into()),
        3 => Data::Aaaa(format!("fd00::{value}").parse().unwrap()),
        4 | 5 => Data::Srv { port: 80 + u16::from(value), target, preference },
        6 => Data::Other { rtype: rtype::TXT, rdata: [1, b'a' + value][..].into() },
        7 => Data::Other { rtype: rtype::CNAME, rdata: [1, b'a' + value, 0][..].into() },
        8 => Data::Ttl(u32::from(value)),
        _ => Data::Unknown,
    };
    let fitness = if is_unfit { Fitness::Unfit } else { Fitness::Fit };
    Record { fitness, ..Record::from_parts(Owner::new(&text), data) }
}

fn contributions() -> impl Strategy<Value = Vec<Record>> {
    let one = (any::<u8>(), any::<u8>(), any::<u8>(), any::<bool>(), prop::bool::weighted(0.2));
    prop::collection::vec(one.prop_map(record), 0..40)
}

/// What the operator wrote down.
fn fixed() -> impl Strategy<Value = Fixed> {
    let owner = (any::<u8>(), prop::collection::vec((any::<u8>(), any::<u8>()), 1..4), any::<bool>());
    prop::collection::vec(owner, 0..3).prop_map(|all| {
        let owners = all.into_iter().map(|(at, data, fills)| {
            let data = data.into_iter().map(|(kind, value)| record((at, kind % 9, value, false, false)).data);
            let rule = if fills { Rule::Fill } else { Rule::Override };
            (name(OWNERS[usize::from(at) % OWNERS.len()]), FixedOwner { data: data.collect(), rule })
        });
        Fixed { owners: owners.collect() }
    })
}

fn snapshot(zone: &Zone) -> Snapshot {
    zone.snapshot(Arc::new(Soa { ttl: 60, ..soa() }), Serial(1))
}

/// One owner as readers see it.
type Seen = (BTreeSet<Rdata>, Option<u32>);

/// The definition: the fit ones if enough are, else all; an alias alone, or not at all; the shortest TTL.
fn defined(contributions: &[Record], fixed: &Fixed, minimum: u8) -> BTreeMap<Name, Seen> {
    let mut names = BTreeMap::new();
    for text in OWNERS {
        let owner = name(text);
        let written = fixed.owners.get(&owner);
        let of_cluster: Vec<(What, Fitness)> = contributions
            .iter()
            .filter(|record| record.owner.name() == Some(&owner))
            .map(|record| (What::new(record.data.clone()).unwrap(), record.fitness))
            .collect();
        let of_operator = || -> Vec<(What, Fitness)> {
            let data = written.map(|written| written.data.clone()).unwrap_or_default();
            data.into_iter().map(|data| (What::new(data).unwrap(), Fitness::Fit)).collect()
        };
        let is_contributed = of_cluster.iter().any(|(what, _)| matches!(what, What::Record(_)));
        let all = match written.map(|written| written.rule) {
            Some(Rule::Override) => of_operator(),
            Some(Rule::Fill) if !is_contributed => of_operator(),
            _ => of_cluster,
        };
        let records = || {
            all.iter().filter_map(|(what, fitness)| match what {
                What::Record(rdata) => Some((rdata, *fitness)),
                _ => None,
            })
        };
        let mut in_force = BTreeSet::new();
        for kind in records().map(|(rdata, _)| rdata.rtype()).collect::<BTreeSet<_>>() {
            let of_kind: Vec<_> = records().filter(|(rdata, _)| rdata.rtype() == kind).collect();
            let fit: Vec<_> = of_kind.iter().filter(|(_, fitness)| *fitness == Fitness::Fit).collect();
            let is_enough = !fit.is_empty() && fit.len() * 100 >= usize::from(minimum) * of_kind.len();
            let standing = if is_enough { fit } else { of_kind.iter().collect() };
            in_force.extend(standing.into_iter().map(|(rdata, _)| (*rdata).clone()));
        }
        let is_alias = |rdata: &Rdata| rdata.rtype() == rtype::CNAME;
        if in_force.iter().all(is_alias) {
            in_force = in_force.into_iter().take(1).collect();
        } else {
            in_force.retain(|rdata| !is_alias(rdata));
        }
        let wishes = all.iter().filter_map(|(what, _)| match what {
            What::Ttl(ttl) => Some(*ttl),
            _ => None,
        });
        let ttl = wishes.min();
        if !in_force.is_empty() {
            names.insert(owner, (in_force, ttl));
        }
    }
    names
}

fn seen(zone: &Snapshot) -> BTreeMap<Name, Seen> {
    let mut names = BTreeMap::new();
    for node in zone.nodes().filter(|node| node.has_records()) {
        let mut all = BTreeSet::new();
        node.slices().tell(Slices::default(), &mut |rdata, _, _| _ = all.insert(rdata));
        names.insert(node.name().to_name(), (all, node.ttl()));
    }
    names
}

/// Addresses and services of both sides: what the v1 API shows, in lower case, is what DNS answers.
fn listed_equals_answered(zone: &Snapshot) {
    let mut listed = BTreeSet::new();
    for found in zone.listed_names().iter().map(super::ListedName::listed) {
        let owner = found.name.to_lowercase();
        listed.extend(found.a.iter().map(|address| format!("{owner} {address}")));
        listed.extend(found.aaaa.iter().map(|address| format!("{owner} {address}")));
        listed.extend(
            found.srv.iter().map(|(target, port)| format!("{owner} {port} {}", target.to_lowercase())),
        );
    }
    let mut answered = BTreeSet::new();
    for node in zone.nodes() {
        let owner = node.name();
        answered.extend(node.a().iter().map(|item| format!("{owner} {}", item.address)));
        answered.extend(node.aaaa().iter().map(|item| format!("{owner} {}", item.address)));
        answered.extend(node.srv().iter().map(|item| format!("{owner} {} {}", item.port, item.target)));
        answered.extend(node.preferred().iter().map(|item| format!("{owner} {} {}", item.port, item.target)));
    }
    assert_eq!(listed, answered);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Added in any order, in any batches, with others that came and went: the zone is what the definition says.
    #[test]
    fn what_is_in_force_follows_from_what_is_contributed(
        standing in contributions(),
        passing in contributions(),
        fixed in fixed(),
        order in any::<u64>(),
        minimum in prop_oneof![Just(1_u8), 0..=100_u8],
    ) {
        let make = || Zone::new(name("mesos."), None, Seed(1)).with_fixed(&fixed);
        let mut plain = make();
        plain.set_healthy_minimum(minimum);
        standing.iter().for_each(|record| plain.add(record));
        let _ = plain.compile();

        // The same by a detour, the minimum set at the end.
        let mut zone = make();
        let mut steps: Vec<(usize, &Record, bool)> = Vec::new();
        for (at, record) in passing.iter().enumerate() {
            steps.push((at * 2, record, true));
            steps.push((at * 2 + 1 + (order >> (at % 60)) as usize % 9, record, false));
        }
        let place = |at: usize| (at as u64).wrapping_mul(order | 1) as usize % 80;
        steps.extend(standing.iter().enumerate().map(|(at, record)| (place(at), record, true)));
        steps.sort_by_key(|(at, _, comes)| (*at, !comes));
        for (number, (_, record, comes)) in steps.into_iter().enumerate() {
            if comes { zone.add(record) } else { zone.remove(record) }
            if order >> (number % 64) & 1 == 1 {
                let _ = zone.compile();
            }
        }
        let _ = zone.compile();
        zone.set_healthy_minimum(minimum);
        let _ = zone.compile();

        let (plain, zone) = (snapshot(&plain), snapshot(&zone));
        prop_assert_eq!(seen(&plain), defined(&standing, &fixed, minimum));
        prop_assert_eq!(seen(&zone), seen(&plain));
        prop_assert_eq!(zone.content_hash(), plain.content_hash());
        prop_assert_eq!((zone.records(), zone.names()), (plain.records(), plain.names()));
        listed_equals_answered(&zone);
        listed_equals_answered(&plain);
    }
}
