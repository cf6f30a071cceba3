//! The laws of nearness, in clusters of all shapes.

use std::{collections::BTreeMap, net::Ipv4Addr};

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::{
    records::{Data, Owner, Rank, Record, Reverse},
    table::Seed,
    test_support::{name, soa},
    zone::{Serial, Zone},
};

/// Where an agent is: nothing said, or a zone of a region.
fn area(kind: u8, address: Ipv4Addr) -> Area {
    match kind % 7 {
        0 | 1 => Area::of_address(address.into()),
        kind => {
            let place = Place { region: format!("r{}", kind % 2).into(), zone: format!("z{kind}").into() };
            Area::Place(Arc::new(place))
        }
    }
}

/// The host of an agent; its address begins as its kind says.
fn host(kind: u8, number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, kind % 7, u8::try_from(number + 1).unwrap())
}

/// A record with the address of a container.
#[derive(Clone, Copy)]
struct Instance(Ipv4Addr);

impl Located for Instance {
    fn spot<'a>(&self, zone: &'a Snapshot) -> Option<&'a Spot> {
        zone.spot_of(self.0.into()).map(|spot| &**spot)
    }
}

struct Cluster {
    zone: Snapshot,
    hosts: Vec<Ipv4Addr>,
    instances: Vec<Instance>,
}

/// Agents of these kinds, with so many containers each; a hundred and more of them are elsewhere.
fn cluster(agents: &[(u8, u8)], elsewhere: u8) -> Cluster {
    let mut zone = Zone::new(name("mesos."), None, Seed(7));
    let (mut hosts, mut instances) = (Vec::new(), Vec::new());
    let nobody = Owner::listed_only("");
    let mut claim = |address: Ipv4Addr, rank, spot: &Arc<Spot>| {
        let is_counted = rank == Rank::Agent;
        let reverse = Reverse { address: address.into(), rank, spot: Some(spot.clone()), is_counted };
        zone.add(&Record::from_parts(nobody.clone(), Data::Reverse(Box::new(reverse))));
    };
    for (number, (kind, containers)) in agents.iter().enumerate() {
        let address = host(*kind, number);
        let spot = Arc::new(Spot { agent: format!("a{number}").into(), area: area(*kind, address) });
        claim(address, Rank::Agent, &spot);
        hosts.push(address);
        for container in 0..*containers {
            let address = Ipv4Addr::new(10, 9, u8::try_from(number).unwrap(), container);
            claim(address, Rank::Task, &spot);
            instances.push(Instance(address));
        }
    }
    instances.extend((0..elsewhere).map(|last| Instance(Ipv4Addr::new(192, 0, 2, last))));
    zone.compile();
    Cluster { zone: zone.snapshot(Arc::new(soa()), Serial(1)), hosts, instances }
}

impl Cluster {
    fn order(&self, client: Ipv4Addr, dice: u64) -> Option<Vec<usize>> {
        let selection = Selection { ranking: Ranking::Nearest, ..Selection::ALL };
        let client = Client::find(&self.zone, &selection, client.into())?;
        Some(client.ordered(&self.instances, &self.zone, dice, |order| order.collect()))
    }

    /// How often each instance comes first if each agent asks so often.
    fn loads(&self, rounds: u64) -> Vec<u32> {
        let mut loads = vec![0_u32; self.instances.len()];
        for (number, host) in self.hosts.iter().enumerate() {
            for round in 0..rounds {
                let dice = (round << 8 | number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                loads[self.order(*host, dice).unwrap()[0]] += 1;
            }
        }
        loads
    }
}

fn agents() -> impl prop::strategy::Strategy<Value = Vec<(u8, u8)>> {
    prop::collection::vec((any::<u8>(), prop::sample::select(vec![0_u8, 0, 0, 1, 1, 2, 7])), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// With clients spread evenly over the agents no instance gets more than its fair share, but for chance; twice as
    /// much is what was promised.
    #[test]
    fn nobody_is_overloaded(agents in agents(), elsewhere in 0_u8..3) {
        let cluster = cluster(&agents, elsewhere);
        let count = cluster.instances.len();
        if count > 0 {
            let rounds = 300;
            let loads = cluster.loads(rounds);
            let fair = rounds as f64 * agents.len() as f64 / count as f64;
            let most = f64::from(*loads.iter().max().unwrap());
            prop_assert!(most <= fair + 6.0 * fair.sqrt() + 1.0, "{most} of {fair}: {loads:?} {agents:?}");
            prop_assert!(most <= 2.0 * fair + 6.0 * fair.sqrt() + 1.0);
        }
    }

    /// Whatever the set, every record is told once, the same ones in the same order for the same dice.
    #[test]
    fn every_order_is_a_permutation(agents in agents(), elsewhere in any::<u8>(), dice in any::<u64>(), at in any::<prop::sample::Index>()) {
        let cluster = cluster(&agents, elsewhere);
        let client = *at.get(&cluster.hosts);
        let order = cluster.order(client, dice).unwrap();
        let again = cluster.order(client, dice).unwrap();
        prop_assert_eq!(&order, &again);
        let mut all = order;
        all.sort_unstable();
        prop_assert_eq!(all, (0..cluster.instances.len()).collect::<Vec<_>>());
    }

    /// Behind the first record, near ones come before far ones, from the level on that was chosen.
    #[test]
    fn near_ones_come_before_far_ones(agents in agents(), dice in any::<u64>(), at in any::<prop::sample::Index>()) {
        let cluster = cluster(&agents, 3);
        let selection = Selection { ranking: Ranking::Nearest, ..Selection::ALL };
        let client = *at.get(&cluster.hosts);
        let place = Client::find(&cluster.zone, &selection, client.into()).unwrap();
        let order = cluster.order(client, dice).unwrap();
        let tiers: Vec<u8> = order
            .iter()
            .map(|index| cluster.instances[*index].spot(&cluster.zone).map_or(FAR, |spot| place.tier(spot)))
            .collect();
        let sorted_from = |level: u8| tiers.iter().map(|tier| (*tier).max(level)).is_sorted();
        prop_assert!((AGENT..=FAR).any(sorted_from), "{tiers:?}");
    }
}

/// Chi-squared against the uniform distribution: within what is near, and for a client that is nowhere near anything.
#[test]
fn equals_have_equal_turns() {
    let cluster = cluster(&[(3, 5), (3, 5), (4, 5), (6, 5)], 0);
    for (client, of) in [(cluster.hosts[0], 0..5), (cluster.hosts[2], 10..15)] {
        let rounds = 20_000_u32;
        let mut seen = vec![0_u32; cluster.instances.len()];
        for dice in 0..rounds {
            seen[cluster.order(client, u64::from(dice)).unwrap()[0]] += 1;
        }
        let expected = f64::from(rounds) / 5.0;
        let chi: f64 = seen[of.clone()].iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        assert!(chi < 4.0 + 5.0 * 8_f64.sqrt() + 5.0, "{chi} {seen:?}");
        assert_eq!(seen[of].iter().sum::<u32>(), rounds, "all stay at home: {seen:?}");
    }
}

/// One instance in a zone with nine clients of ten takes a tenth of them; the nine elsewhere take the rest.
#[test]
fn what_cannot_bear_more_is_spared() {
    let mut agents = vec![(3, 1)];
    agents.extend([(3, 0); 8]);
    agents.push((4, 9));
    let cluster = cluster(&agents, 0);
    let loads = cluster.loads(1000);
    let fair = 1000.0;
    for load in &loads {
        assert!((f64::from(*load) - fair).abs() < 6.0 * 1000_f64.sqrt(), "{loads:?}");
    }
    // It serves those on its own agent first.
    let stay = (0..1000).filter(|dice| cluster.order(cluster.hosts[0], *dice).unwrap()[0] == 0).count();
    assert_eq!(stay, 1000);
}

/// One instance on each of very many agents: each serves its own.
#[test]
fn large_sets_have_their_near_ones_first() {
    let agents: Vec<(u8, u8)> = (0..200).map(|number| (number as u8, 1)).collect();
    let cluster = cluster(&agents, 0);
    for (number, host) in cluster.hosts.iter().enumerate() {
        assert_eq!(cluster.order(*host, number as u64 * 77).unwrap()[0], number);
    }
    // More than are looked at: the others come behind, and all come.
    let crowd: Vec<Instance> =
        (0..3000_u32).map(|n| Instance(Ipv4Addr::from_bits(0x0b00_0000 + n))).collect();
    let selection = Selection { ranking: Ranking::Nearest, ..Selection::ALL };
    let client = Client::find(&cluster.zone, &selection, cluster.hosts[0].into()).unwrap();
    let mut firsts = BTreeMap::new();
    for dice in 0..3000_u64 {
        let (first, rest) = client.ordered(&crowd, &cluster.zone, dice, |mut order| {
            let first = order.next().unwrap();
            (first, if dice < 3 { order.collect() } else { Vec::new() })
        });
        *firsts.entry(first).or_insert(0) += 1;
        if dice < 3 {
            let mut all: Vec<usize> = rest;
            all.push(first);
            all.sort_unstable();
            assert_eq!(all, (0..3000).collect::<Vec<_>>());
        }
    }
    assert!(firsts.len() > 1500 && firsts.values().max() < Some(&12), "{}", firsts.len());
}

/// Where a client is: on an agent, in a container, as the operator says, or near by its address.
#[test]
fn clients_are_found() {
    let cluster = cluster(&[(3, 1), (4, 1), (0, 1)], 0);
    let place = Arc::new(Place { region: "r0".into(), zone: "z4".into() });
    let selection = Selection {
        ranking: Ranking::Nearest,
        places: vec![
            ("172.16.0.0/12".parse().unwrap(), place),
            ("172.16.9.0/24".parse().unwrap(), {
                Arc::new(Place { region: "r1".into(), zone: "elsewhere".into() })
            }),
        ],
        ..Selection::ALL
    };
    let first = |client: &str, dice| {
        let client = Client::find(&cluster.zone, &selection, client.parse().unwrap())?;
        client.ordered(&cluster.instances, &cluster.zone, dice, |mut order| order.next())
    };
    for dice in 0..50 {
        assert_eq!(first("10.0.3.1", dice), Some(0), "on the first agent");
        assert_eq!(first("10.9.1.0", dice), Some(1), "in a container on the second");
        assert_eq!(first("10.0.0.77", dice), Some(2), "its address begins like the third's");
        assert_eq!(first("172.16.1.1", dice), Some(1), "so it is written");
        assert_eq!(first("172.16.9.1", dice), Some(0), "in the same region");
        assert_eq!(first("192.0.2.1", dice), None, "nobody knows");
    }
}
