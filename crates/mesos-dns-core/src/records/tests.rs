//! What is withheld, what only the API shows, and the worked example of the behaviour specification.

use std::sync::Arc;

use super::*;
use crate::{
    cluster::{
        AddressSource, Agent, Cluster, Discovery, DiscoveryPort, Endpoint, Framework, Host, Hosts, Masters,
        PortRange, Task, TaskAddress, TaskState,
    },
    test_support,
};

fn policy() -> Policy {
    let server_name = "NS7.mesos.".into();
    Policy { server_name, server_addresses: Vec::new(), ..test_support::policy() }
}

fn agent_at(host: &str) -> Agent {
    let address = Some(Endpoint { host: Host::new(host), port: 5051 });
    Agent { id: "6e8f-S12".into(), hostname: "node".into(), address, place: None }
}

fn framework_named(name: &str) -> Framework {
    Framework { id: "f".into(), name: name.into(), host: Some(Host::new("10.0.0.5")), port: Some(15101) }
}

fn task(name: &str, discovery: Option<Discovery>) -> Task {
    Task {
        ports: [PortRange { first: 31001, last: 31002 }].into(),
        addresses: [TaskAddress {
            source: AddressSource::NetInfo,
            address: "172.16.0.4".parse().unwrap(),
            network: None,
        }]
        .into(),
        discovery: discovery.map(Box::new),
        ..test_support::task("api.0001", name, "f", "6e8f-S12")
    }
}

fn discovery(name: &str, ports: &[(i64, &str, &str)]) -> Option<Discovery> {
    let port = |(number, name, protocol): &(i64, &str, &str)| DiscoveryPort::new(*number, *name, *protocol);
    Some(Discovery { name: name.into(), ports: ports.iter().map(port).collect(), ..Discovery::default() })
}

/// The records of a task as `name type value`, in order; those that DNS cannot carry marked with `!`.
fn listed(task: &Task, framework: &Framework, agent: &Agent) -> (Vec<String>, Withheld) {
    let mut lines = Vec::new();
    let withheld = contribution(task, framework, agent, &Cluster::default(), &policy(), &mut |record| {
        if matches!(record.data, Data::Reverse(_)) {
            return;
        }
        let target_fits = !matches!(&record.data, Data::Srv { target, .. } if target.name().is_none());
        let mark = if record.owner.name().is_some() && target_fits { "" } else { "!" };
        lines.push(format!("{mark}{} {} {}", record.listed_name(), record.rtype(), record.listed_value()));
    });
    (lines, withheld)
}

#[test]
fn a_task_without_discovery() {
    let (lines, withheld) =
        listed(&task("API_Server", None), &framework_named("Marathon.prod"), &agent_at("10.0.1.10"));
    let host = "api-server-wkx1q-s12.marathon.prod.slave.mesos.";
    let mut expected = vec![
        "api-server.marathon.prod.mesos. A 172.16.0.4".to_owned(),
        "api-server-wkx1q-s12.marathon.prod.mesos. A 172.16.0.4".into(),
        "api-server.marathon.prod.slave.mesos. A 10.0.1.10".into(),
        format!("{host} A 10.0.1.10"),
    ];
    for port in [31001, 31002] {
        for zone in ["marathon.prod.slave", "marathon.prod"] {
            for protocol in ["tcp", "udp"] {
                expected.push(format!("_api-server._{protocol}.{zone}.mesos. SRV {host}:{port}"));
            }
        }
    }
    assert_eq!(lines, expected);
    assert_eq!(withheld, Withheld::default());
}

#[test]
fn a_task_with_discovery_has_two_names() {
    let task = task("ignored", discovery("Web.UI", &[(80, "http", "tcp"), (9090, "", "")]));
    let (lines, _) = listed(&task, &framework_named("m"), &agent_at("10.0.1.10"));
    for name in ["Web.UI", "web-ui"] {
        for line in [
            format!("{name}.m.mesos. A 172.16.0.4"),
            format!("{name}-wkx1q-s12.m.slave.mesos. A 10.0.1.10"),
            format!("_{name}._tcp.m.mesos. SRV {name}-wkx1q-s12.m.mesos.:80"),
            format!("_http._{name}._tcp.m.mesos. SRV {name}-wkx1q-s12.m.mesos.:80"),
            format!("_{name}._udp.m.mesos. SRV {name}-wkx1q-s12.m.mesos.:9090"),
            format!("_{name}._tcp.m.slave.mesos. SRV {name}-wkx1q-s12.m.slave.mesos.:31001"),
        ] {
            assert!(lines.contains(&line), "{line} in {lines:#?}");
        }
    }
    assert!(
        !lines.iter().any(|line| line.contains("ignored")
            || line.contains("._udp.m.mesos. SRV Web.UI-wkx1q-s12.m.mesos.:80"))
    );
}

/// Robustness N1 and N2: names that are ours hold only what we put there.
#[test]
fn special_names_are_withheld() {
    let withheld_by = |framework: &str, task: &Task| {
        let (lines, withheld) = listed(task, &framework_named(framework), &agent_at("10.0.1.10"));
        let mut own = Vec::new();
        let of_framework =
            super::framework(&framework_named(framework), &Hosts::default(), &policy(), &mut |record| {
                own.push(record)
            });
        (lines.len(), withheld.special, own.len(), of_framework.special)
    };
    for name in ["leader", "Lea@der", "MASTER", "master7", "slave", "a.slave", "ns", "ns7", "x.ns7"] {
        assert_eq!(withheld_by(name, &task("x", None)), (0, 1, 0, 1), "{name}");
    }
    // A leading underscore never survives munging, so such a framework is simply another one.
    for name in ["leaders", "master7x", "slave.a", "_tcp", "ns1"] {
        assert_eq!(withheld_by(name, &task("x", None)), (12, 0, 2, 0), "{name}");
    }
    // The scheduler's own SRV owner.
    let (lines, withheld) = listed(&task("framework", None), &framework_named("m"), &agent_at("10.0.1.10"));
    assert!(!lines.iter().any(|line| line.starts_with("_framework.")), "{lines:#?}");
    // Two names in either zone, whatever the number of ports.
    assert_eq!(withheld.special, 4);
    let (lines, _) =
        listed(&task("x", discovery("_framework._tcp", &[])), &framework_named("m"), &agent_at("10.0.1.10"));
    assert!(!lines.iter().any(|line| line.starts_with("_framework.")), "{lines:#?}");
}

/// Robustness N3 and N4, and ports that cannot exist.
#[test]
fn what_dns_cannot_carry_is_marked_and_impossible_ports_are_left_out() {
    let long = "x".repeat(60);
    let (lines, withheld) = listed(&task(&long, None), &framework_named("m"), &agent_at("10.0.1.10"));
    assert!(lines.contains(&format!("{long}.m.mesos. A 172.16.0.4")));
    assert!(lines.contains(&format!("!{long}-wkx1q-s12.m.mesos. A 172.16.0.4")), "{lines:#?}");
    assert!(lines.contains(&format!("!_{long}._tcp.m.mesos. SRV {long}-wkx1q-s12.m.slave.mesos.:31001")));
    // Its own names and those of services for either protocol, in both zones.
    assert_eq!(withheld.unencodable, 2 + 4);
    for name in ["", "...", "---", "日本"] {
        let (lines, _) = listed(&task(name, None), &framework_named("m"), &agent_at("10.0.1.10"));
        assert!(lines.len() == 12 && lines.iter().all(|line| line.starts_with('!')), "{name:?} {lines:#?}");
    }
    let mut wild =
        task("x", discovery("x", &[(0, "", ""), (70000, "", ""), (-1, "", ""), (65535, "", "tcp")]));
    wild.ports = [
        PortRange { first: 0, last: 1 },
        PortRange { first: 65535, last: 65537 },
        PortRange { first: 5, last: 4 },
    ]
    .into();
    let (lines, withheld) = listed(&wild, &framework_named("m"), &agent_at("10.0.1.10"));
    let mut ports: Vec<&str> =
        lines.iter().filter(|line| line.contains("SRV")).filter_map(|line| line.rsplit(':').next()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports, ["1", "65535"]);
    assert_eq!(withheld.ports, 3 + 3);
    wild.ports = [PortRange { first: 1, last: u32::MAX }].into();
    let (lines, _) = listed(&wild, &framework_named("m"), &agent_at("10.0.1.10"));
    assert!(lines.len() < 3 * TASK_PORTS_MAX, "bounded");
}

#[test]
fn agents_that_cannot_be_found_leave_their_names() {
    let (lines, _) = listed(&task("x", None), &framework_named("m"), &agent_at("nowhere.example"));
    assert!(lines.contains(&"x.m.mesos. A 172.16.0.4".to_owned()));
    assert!(lines.contains(&"x.m.slave.mesos.  ".to_owned()), "the name alone: {lines:#?}");
    let mut idle = task("x", None);
    idle.state = TaskState::Staging;
    assert!(listed(&idle, &framework_named("m"), &agent_at("10.0.1.10")).0.is_empty());
}

/// The table of behaviour section 4.6.
#[test]
fn masters_are_numbered() {
    for (listed, master, numbered) in [
        (&[][..], "1", "0=1"),
        (&["10.0.0.2:5050", "10.0.0.1:5050", "10.0.0.3:5050"], "1 2 3", "0=2 1=1 2=3"),
        (&["10.0.0.2:5050"], "1 2", "0=2 1=1"),
        (&["10.0.0.2:5050", "10.0.0.2:5051"], "1 2", "0=2 1=1"),
        (&["10.0.0.1:5051", "10.0.0.2:5050"], "1 2", "0=2 1=1"),
        (&["", "10.0.0.1:5050"], "1", "0=1"),
        (&["10.0.0.1:5050", "10.0.0.1:5050"], "1", "0=1"),
    ] {
        let known = Masters {
            leader: Some("10.0.0.1:5050".into()),
            listed: listed.iter().map(|text| Arc::from(*text)).collect(),
        };
        let (mut all, mut each) = (Vec::new(), Vec::new());
        masters(&known, &Hosts::default(), &policy(), &mut |record| {
            if matches!(record.data, Data::Reverse(_)) {
                return;
            }
            let (name, value) = (record.listed_name(), record.listed_value());
            let last = value.rsplit('.').next().unwrap_or_default().to_owned();
            match name.strip_prefix("master").and_then(|rest| rest.strip_suffix(".mesos.")) {
                Some("") => all.push(last),
                Some(number) => each.push(format!("{number}={last}")),
                None => {}
            }
        });
        all.sort();
        all.dedup();
        assert_eq!((all.join(" ").as_str(), each.join(" ").as_str()), (master, numbered), "{listed:?}");
    }
    let unknown = Masters { leader: None, listed: vec!["10.0.0.1:5050".into()] };
    masters(&unknown, &Hosts::default(), &policy(), &mut |record| panic!("{record:?}"));
}

/// Who lays claim to which address.
#[test]
fn claims_to_addresses() {
    use crate::cluster::{Container, NetworkMode, PortMapping, Protocol};
    let claims = |make: Made<'_>| {
        let mut lines = Vec::new();
        make(&mut |record| {
            if let Data::Reverse(reverse) = &record.data {
                let agent = reverse.spot.as_ref().map_or("-", |spot| &*spot.agent);
                let Reverse { address, rank, is_counted, .. } = &**reverse;
                lines.push(format!("{address} {rank:?} {} {agent} {is_counted}", record.listed_name()));
            }
        });
        lines
    };
    let of_task = |task: &Task, host: &str| {
        let (framework, agent) = (framework_named("m"), agent_at(host));
        claims(&mut |emit| {
            contribution(task, &framework, &agent, &Cluster::default(), &policy(), emit);
        })
    };
    let own = "172.16.0.4 Task web-ui-wkx1q-s12.m.mesos. 6e8f-S12 false";
    let named = task("x", discovery("Web.UI", &[]));
    assert_eq!(of_task(&named, "10.0.1.10"), [own], "under the name that fits the rules");
    assert!(of_task(&named, "172.16.0.4").is_empty(), "it is the agent's");
    let contained = |mode, mappings: &[PortMapping]| {
        let container = Container { mode, networks: [].into(), mappings: mappings.into() };
        Task { container: Some(Arc::new(container)), ..task("web-ui", None) }
    };
    let mapping = PortMapping { host: 31001, container: 80, protocol: Protocol::Tcp };
    assert_eq!(of_task(&contained(NetworkMode::Named, &[]), "10.0.1.10"), [own]);
    assert!(of_task(&contained(NetworkMode::Bridge, &[]), "10.0.1.10").is_empty(), "each host has it");
    assert!(of_task(&contained(NetworkMode::Named, &[mapping]), "10.0.1.10").is_empty());
    // Who has no name is nobody's to find, and still asks from somewhere.
    let unnamed = "172.16.0.4 Task  6e8f-S12 false";
    let special = claims(&mut |emit| {
        let (framework, agent) = (framework_named("slave"), agent_at("10.0.1.10"));
        let task = task("web", None);
        assert_eq!(contribution(&task, &framework, &agent, &Cluster::default(), &policy(), emit).special, 1);
    });
    assert_eq!(special, [unnamed]);
    let extra = Extra { visibility: crate::cluster::Visibility::External, ..Extra::default() };
    let choosy = Policy { extra, ..policy() };
    let hidden = claims(&mut |emit| {
        let (framework, agent) = (framework_named("m"), agent_at("10.0.1.10"));
        let task = task("web", discovery("web", &[]));
        let withheld = contribution(&task, &framework, &agent, &Cluster::default(), &choosy, &mut |record| {
            assert!(matches!(record.data, Data::Reverse(_)), "{record:?}");
            emit(record);
        });
        assert_eq!(withheld.hidden, 1);
    });
    assert_eq!(hidden, [unnamed]);
    let of_agent = |hostname: &str, host: &str| {
        let agent = Agent { hostname: hostname.into(), ..agent_at(host) };
        claims(&mut |emit| agent_records(&agent, emit))
    };
    assert_eq!(
        of_agent("Node1.example.org", "10.0.1.10"),
        ["10.0.1.10 Agent node1.example.org. 6e8f-S12 true"]
    );
    assert_eq!(of_agent("10.0.1.10", "10.0.1.10"), ["10.0.1.10 Agent  6e8f-S12 true"], "without a name");
    assert!(of_agent("node1", "unresolved").is_empty());
    let known = Masters { leader: Some("10.0.0.1:5050".into()), listed: vec!["10.0.0.2:5050".into()] };
    let of_masters = claims(&mut |emit| masters(&known, &Hosts::default(), &policy(), emit));
    let line = |address: &str, number: u8| format!("{address} Master master{number}.mesos. - false");
    assert_eq!(of_masters, [line("10.0.0.2", 0), line("10.0.0.1", 1)]);
}

/// Makes records and hands them on.
type Made<'a> = &'a mut dyn FnMut(&mut dyn FnMut(Record));

fn agent_records(agent: &Agent, emit: &mut dyn FnMut(Record)) {
    super::agent(agent, &Hosts::default(), &policy(), emit);
}

/// A task has several sets of names, and a port several records; what is withheld of it is counted once.
#[test]
fn what_is_withheld_is_counted_once() {
    use crate::cluster::{Container, DnsLabels, NetworkMode, PortKind, PortScope, Visibility};
    let mut wild =
        task("x", discovery("We.b", &[(0, "a", ""), (70_000, "b", ""), (80, "c", ""), (81, "d", "")]));
    let ports = &mut wild.discovery.as_mut().unwrap().ports;
    ports[2].kind = PortKind { scope: PortScope::Container, ..PortKind::clone(&ports[2].kind) }.into();
    ports[3].kind =
        PortKind { visibility: Some(Visibility::Framework), ..PortKind::clone(&ports[3].kind) }.into();
    wild.discovery.as_mut().unwrap().visibility = Visibility::External;
    wild.ports = [PortRange { first: 0, last: 1 }, PortRange { first: 65_536, last: 65_536 }].into();
    wild.addresses = [].into();
    let bridge = Container { mode: NetworkMode::Bridge, networks: [].into(), mappings: [].into() };
    wild.container = Some(std::sync::Arc::new(bridge));
    wild.labels = Some(Box::new(DnsLabels { aliases: ["other".into()].into(), ..DnsLabels::default() }));
    let extra = Extra { visibility: Visibility::Cluster, ..Extra::default() };
    let policy = Policy { addresses: Addresses::Auto(Networks::default()), extra, ..policy() };
    let (framework, agent) = (framework_named("m"), agent_at("10.0.1.10"));
    let withheld = contribution(&wild, &framework, &agent, &Cluster::default(), &policy, &mut |_| {});
    let expected = Withheld { ports: 4, hidden: 1, unreachable: 1, ..Withheld::default() };
    assert_eq!(withheld, expected);
    // The same, where all of its own names are reserved and only the alias is left.
    wild.discovery.as_mut().unwrap().name = "._zone".into();
    let withheld = contribution(&wild, &framework, &agent, &Cluster::default(), &policy, &mut |_| {});
    assert_eq!(Withheld { special: 0, unencodable: 0, ..withheld }, expected);
}
