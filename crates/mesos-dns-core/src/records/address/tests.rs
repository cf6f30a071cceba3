//! The law that address and port belong together, written from the facts of a task and not from the rules.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    cluster::{
        Cluster, Container, Discovery, DiscoveryPort, Framework, Masters, PortKind, PortMapping, PortRange,
        PortScope, Protocol, TaskAddress,
    },
    records::{self, Data, Health, Policy, Record, Withheld},
    test_support,
};

/// Addresses of agents, of containers, and of nobody.
const AGENTS: [&str; 3] = ["10.0.0.5", "10.0.0.6", "fd00::5"];
const CONTAINERS: [&str; 5] = ["172.17.0.2", "192.168.9.4", "192.168.9.5", "fd01::4", "9.0.1.2"];
const IMPOSSIBLE: [&str; 10] = [
    "127.0.0.1",
    "0.0.0.0",
    "0.0.0.5",
    "240.0.0.1",
    "169.254.3.4",
    "255.255.255.255",
    "224.0.0.251",
    "fe80::1",
    "::1",
    "::",
];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Any address: mostly a container's.
fn address() -> impl Strategy<Value = IpAddr> {
    let of = |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(ip);
    prop_oneof![2 => of(&AGENTS), 5 => of(&CONTAINERS), 2 => of(&IMPOSSIBLE)]
}

fn mode() -> impl Strategy<Value = NetworkMode> {
    use NetworkMode::{Bridge, Detached, Host, Named, Unsaid};
    prop::sample::select(vec![Bridge, Detached, Host, Named, Unsaid])
}

fn network() -> impl Strategy<Value = Option<Arc<str>>> {
    prop::sample::select(vec![None, Some("calico"), Some("Weave_2"), Some("mesos-bridge")])
        .prop_map(|name| name.map(Arc::from))
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Any, Protocol::Tcp, Protocol::Udp])
}

/// Few numbers, so that they meet.
fn number() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![80_u16, 81, 82, 31000, 31001, 31002])
}

fn container() -> impl Strategy<Value = Option<Arc<Container>>> {
    let mapping = (number(), number(), protocol()).prop_map(|(host, container, protocol)| PortMapping {
        host,
        container,
        protocol,
    });
    let networks = prop::collection::btree_set(network(), 0..3)
        .prop_map(|names| names.into_iter().flatten().collect::<Box<[_]>>());
    let container = (mode(), networks, prop::collection::vec(mapping, 0..3));
    prop::option::weighted(
        0.8,
        container.prop_map(|(mode, networks, mappings)| {
            Arc::new(Container { mode, networks, mappings: mappings.into() })
        }),
    )
}

/// Discovery ports, each with a name of its own by which its records are found.
fn discovery() -> impl Strategy<Value = Option<Box<Discovery>>> {
    let scope = prop::sample::select(vec![PortScope::Unsaid, PortScope::Host, PortScope::Container]);
    let port = (number(), scope, prop::sample::select(vec!["", "tcp", "udp", "UDP", "sctp"]));
    prop::option::weighted(
        0.9,
        prop::collection::vec(port, 0..5).prop_map(|ports| {
            let ports = ports.into_iter().enumerate().map(|(at, (number, scope, protocol))| DiscoveryPort {
                number: i64::from(number),
                kind: Arc::new(PortKind {
                    name: format!("p{at}").into(),
                    protocol: protocol.into(),
                    scope,
                    ..PortKind::default()
                }),
            });
            Box::new(Discovery { name: "web".into(), ports: ports.collect(), ..Discovery::default() })
        }),
    )
}

fn task() -> impl Strategy<Value = Task> {
    let source = prop::sample::select(vec![
        AddressSource::NetInfo,
        AddressSource::NetInfo,
        AddressSource::Docker,
        AddressSource::Mesos,
    ]);
    let found = (source, address(), network()).prop_map(|(source, address, network)| TaskAddress {
        source,
        address,
        network: network.map(|name| Arc::new(name.to_string())),
    });
    let ports = prop::collection::vec(prop::sample::select(vec![31000_u32, 31001, 81]), 0..3);
    let parts = (prop::collection::vec(found, 0..4), container(), discovery(), ports);
    parts.prop_map(|(addresses, container, discovery, ports)| Task {
        addresses: addresses.into(),
        container,
        discovery,
        ports: ports.into_iter().map(|port| PortRange { first: port, last: port }).collect(),
        ..test_support::task("web.1", "web", "f", "S0")
    })
}

fn networks() -> impl Strategy<Value = Networks> {
    let reach = || prop::sample::select(vec![Reach::Local, Reach::Routable]);
    let name = prop::sample::select(vec!["calico", "bridge", "Weave_2"]).prop_map(Arc::from);
    let prefix = prop::sample::select(vec!["192.168.0.0/16", "192.168.9.4/32", "172.16.0.0/12", "::/0"])
        .prop_map(|text| text.parse().unwrap());
    let named = prop::collection::vec((name, reach()), 0..2);
    (named, prop::collection::vec((prefix, reach()), 0..3))
        .prop_map(|(names, prefixes)| Networks { names, prefixes })
}

/// A cluster with nothing but a leader, and an agent that has these addresses by its name.
fn cluster(leader: &str, agent: &[IpAddr]) -> Cluster {
    let masters = Arc::new(Masters { leader: Some(leader.into()), listed: Vec::new() });
    let mut hosts = Hosts::default();
    hosts.insert("node".into(), agent.to_vec());
    Cluster { masters, hosts: Arc::new(hosts), ..Cluster::default() }
}

fn records(task: &Task, cluster: &Cluster, addresses: Addresses) -> (Vec<Record>, Withheld) {
    let policy = Policy { addresses, health: Health::Ignore, ..test_support::policy() };
    let framework = Framework { id: "f".into(), name: "marathon".into(), host: None, port: None };
    let agent = test_support::agent("x-S0", "node");
    let mut records = Vec::new();
    let withheld = records::contribution(task, &framework, &agent, cluster, &policy, &mut |record| {
        records.push(record);
    });
    (records, withheld)
}

/// The addresses of each name.
fn addresses_by_name(records: &[Record]) -> BTreeMap<String, BTreeSet<IpAddr>> {
    let mut names = BTreeMap::<_, BTreeSet<IpAddr>>::new();
    for record in records {
        let address = match record.data {
            Data::A(address) => IpAddr::V4(address),
            Data::Aaaa(address) => IpAddr::V6(address),
            _ => continue,
        };
        names.entry(record.owner.to_text()).or_default().insert(address);
    }
    names
}

/// What the law knows of a task.
struct Known<'a> {
    task: &'a Task,
    agent: BTreeSet<IpAddr>,
    mappings: &'a [PortMapping],
    /// Whether a container has the network of its host.
    shares: bool,
}

impl<'a> Known<'a> {
    fn new(task: &'a Task, agent: &[IpAddr]) -> Self {
        let names = |place| {
            let mut there = task.addresses.iter().filter(move |found| found.source == place);
            there.any(|found| !IMPOSSIBLE.map(ip).contains(&found.address))
        };
        // Where nothing but Docker's label is known, the task is on Docker's bridge.
        let is_labelled = names(AddressSource::Docker) && !names(AddressSource::NetInfo);
        let mode = match &task.container {
            Some(container) => container.mode,
            None if is_labelled => NetworkMode::Bridge,
            None => NetworkMode::Unsaid,
        };
        let mappings = task.container.as_ref().map_or(&[][..], |container| &container.mappings);
        let asked = matches!(mode, NetworkMode::Bridge | NetworkMode::Named)
            || mode != NetworkMode::Host && !mappings.is_empty();
        let mut agent: BTreeSet<IpAddr> = agent.iter().copied().collect();
        // All addresses beside one of the agent's are the agent's too, but on Docker's bridge.
        let said: BTreeSet<IpAddr> = [AddressSource::NetInfo, AddressSource::Docker, AddressSource::Mesos]
            .into_iter()
            .map(|place| {
                let there = task.addresses.iter().filter(|found| found.source == place);
                let addresses = there.map(|found| found.address);
                addresses.filter(|address| !IMPOSSIBLE.map(ip).contains(address)).collect::<BTreeSet<_>>()
            })
            .find(|said| said.iter().any(|address| mode != NetworkMode::Bridge || !agent.contains(address)))
            .unwrap_or_default();
        let is_hosts = mode == NetworkMode::Host
            || mode != NetworkMode::Bridge && said.iter().any(|address| agent.contains(address));
        let has_own = said.iter().any(|address| !agent.contains(address));
        if is_hosts {
            agent.extend(said);
        }
        Self { task, agent, mappings, shares: !asked && (is_hosts || !has_own) }
    }

    fn is_agents(&self, number: u16) -> bool {
        let mut allocated = self.task.ports.iter().flat_map(|range| range.first..=range.last);
        allocated.any(|port| port == u32::from(number))
            || self.mappings.iter().any(|mapping| mapping.host == number)
    }

    /// Whether a client that connects to this port of this address finds what is listed as `port`.
    fn is_open(&self, address: IpAddr, at: u16, port: &DiscoveryPort, protocol: &str) -> bool {
        let number = u16::try_from(port.number).unwrap();
        let maps = self.mappings.iter().any(|mapping| mapping.container == number);
        let is_containers = match port.kind.scope {
            PortScope::Container => true,
            PortScope::Host => false,
            PortScope::Unsaid => !self.is_agents(number) && maps,
        };
        let is_agents = match port.kind.scope {
            PortScope::Container => false,
            PortScope::Host => true,
            PortScope::Unsaid => self.is_agents(number),
        };
        let agrees = |mapping: &PortMapping| match (mapping.protocol, protocol) {
            (Protocol::Tcp, "udp") | (Protocol::Udp, "tcp") => false,
            _ => mapping.container == number && mapping.host == at,
        };
        if !self.agent.contains(&address) {
            return at == number && !is_agents;
        }
        at == number && (!is_containers || self.shares)
            || is_containers && !self.shares && self.mappings.iter().any(agrees)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn address_and_port_belong_together(
        task in task(),
        agent in prop::collection::vec(address(), 0..3),
        networks in networks(),
    ) {
        let cluster = cluster("10.0.0.1:5050", &agent);
        let (made, _) = records(&task, &cluster, Addresses::Auto(networks.clone()));
        prop_assert_eq!(&made, &records(&task, &cluster, Addresses::Auto(networks)).0, "the same every time");
        let by_name = addresses_by_name(&made);
        let possible: Vec<IpAddr> =
            agent.iter().copied().filter(|address| !IMPOSSIBLE.map(ip).contains(address)).collect();
        let known = Known::new(&task, &possible);
        for (name, addresses) in &by_name {
            for address in addresses {
                prop_assert!(!IMPOSSIBLE.map(ip).contains(address), "{name} {address}");
            }
            // A name is the agent's or the container's, never both.
            let of_agent = addresses.iter().filter(|address| known.agent.contains(address)).count();
            prop_assert!(of_agent == 0 || of_agent == addresses.len(), "{name} {addresses:?}");
            if name.contains(".slave.") {
                prop_assert_eq!(addresses, &possible.iter().copied().collect::<BTreeSet<_>>());
            }
        }
        for record in &made {
            let Data::Srv { port, target, .. } = &record.data else { continue };
            let (owner, none) = (record.owner.to_text(), BTreeSet::new());
            let addresses = by_name.get(&target.to_text()).unwrap_or(&none);
            let listed = owner.strip_prefix("_p").and_then(|rest| {
                let (at, rest) = rest.split_once('.')?;
                let listed = task.discovery.as_ref()?.ports.get(at.parse::<usize>().ok()?)?;
                let protocol = rest.strip_prefix("_web._")?.split('.').next()?;
                Some((listed, protocol.to_owned()))
            });
            for address in addresses {
                match &listed {
                    Some((listed, protocol)) => prop_assert!(
                        known.is_open(*address, *port, listed, protocol), "{owner} {address}:{port}"
                    ),
                    // Allocated ports are the agent's.
                    None if owner.contains(".slave.") || task.discovery.is_none() => prop_assert!(
                        known.agent.contains(address) && known.is_agents(*port), "{owner} {address}:{port}"
                    ),
                    // The records without a port name are those with one, together.
                    None => prop_assert!(made.iter().any(|named| {
                        named.owner.to_text().starts_with("_p")
                            && named.owner.to_text().ends_with(&owner)
                            && named.data == record.data
                    }), "{owner}"),
                }
            }
        }
    }

    /// Where the whole cluster is on one machine, its loopback addresses are good.
    #[test]
    fn loopback_is_kept_beside_a_leader_on_loopback(task in task(), agent in prop::collection::vec(address(), 0..3)) {
        for (leader, keeps) in [("127.0.0.1:5050", true), ("[::1]:5050", true), ("10.0.0.1:5050", false)] {
            let cluster = cluster(leader, &agent);
            let (made, withheld) = records(&task, &cluster, Addresses::Auto(Networks::default()));
            let named = addresses_by_name(&made);
            let agents: Vec<&IpAddr> = named.iter().filter(|(name, _)| name.contains(".slave."))
                .flat_map(|(_, addresses)| addresses).collect();
            for address in &agent {
                let is_kept = address.is_loopback() && keeps || !IMPOSSIBLE.map(ip).contains(address);
                prop_assert_eq!(agents.contains(&address), is_kept, "{}", address);
            }
            let all = agent.iter().chain(task.addresses.iter().map(|found| &found.address));
            let bad = all.filter(|address| IMPOSSIBLE.map(ip).contains(address) && !(keeps && address.is_loopback()));
            prop_assert_eq!(withheld.addresses as usize, bad.count());
        }
    }

    /// `IPSources` decides alone: all addresses of the first source that has any, impossible ones too, and each
    /// discovery port under its own number at the task's own name.
    #[test]
    fn sources_are_what_they_were(task in task(), agent in prop::collection::vec(address(), 0..3)) {
        let sources = vec![AddressSource::NetInfo, AddressSource::Mesos, AddressSource::Host];
        let (made, withheld) = records(&task, &cluster("10.0.0.1:5050", &agent), Addresses::Sources(sources.clone()));
        prop_assert_eq!((withheld.addresses, withheld.unreachable), (0, 0));
        let at = |source: &AddressSource| match source {
            AddressSource::Host => agent.clone(),
            source => task.addresses.iter().filter(|found| found.source == *source).map(|found| found.address).collect(),
        };
        let first = sources.iter().map(at).find(|found| !found.is_empty()).unwrap_or_default();
        let own = addresses_by_name(&made).remove("web.marathon.mesos.").unwrap_or_default();
        prop_assert_eq!(own, first.into_iter().collect::<BTreeSet<_>>());
        for record in made.iter().filter(|record| record.owner.to_text().starts_with("_p")) {
            let Data::Srv { target, .. } = &record.data else { continue };
            let target = target.to_text();
            prop_assert!(target.starts_with("web-") && target.ends_with(".marathon.mesos."), "{}", target);
        }
        prop_assert!(!made.iter().any(|record| record.owner.to_text().contains("._net.")));
    }
}
