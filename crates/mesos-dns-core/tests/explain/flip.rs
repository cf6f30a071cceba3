//! Takes a rule that decided, and changes the very thing that it says it decided by.

#![allow(unreachable_pub, reason = "a part of one test")]

use std::sync::Arc;

use mesos_dns_core::{
    cluster::{
        AddressSource, Agent, Container, DiscoveryPort, DnsLabels, Endpoint, Framework, Host, Masters,
        NetworkMode, PortMapping, Protocol, Task, TaskAddress, TaskState, Visibility,
    },
    explain::told::{Contributor, Step},
    records::{Addresses, ExtraNames, Fixed, Networks, Reach},
};

use super::world::World;

/// An address that nobody has.
const NOBODYS: [u8; 4] = [10, 99, 0, 1];

/// What becomes of an answer when what a rule decided by is changed.
/// Of several the last one here counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// What was left out is there.
    Comes,
    /// The record is not there any more, or is another one.
    Goes,
    /// What was left out is not even a candidate under this name any more.
    Moves,
    /// The rule does not hold any more. The record may be there by another one.
    Yields,
}

/// Changes what a rule decided by.
pub fn flip(world: &mut World, step: &Step, who: &Contributor) -> Effect {
    match &*step.rule {
        "running" | "unhealthy" => {
            task(world, who).state = TaskState::Staging;
            Effect::Goes
        }
        "not-running" | "killing" | "killed" => {
            task(world, who).state = TaskState::Running;
            Effect::Comes
        }
        "unhealthy-alone" | "unchecked-alone" | "enough-healthy" => {
            task(world, who).healthy = Some(true);
            Effect::Comes
        }
        "hidden" | "hidden-port" => {
            world.policy.extra.visibility = Visibility::Framework;
            Effect::Comes
        }
        "reserved-framework" => {
            framework(world, who).name = "flipped".into();
            Effect::Moves
        }
        "reserved-name" | "reserved-owner" | "unencodable" => {
            rename(task(world, who));
            Effect::Moves
        }
        "name-as-is" | "name-as-label" => {
            rename(task(world, who));
            Effect::Goes
        }
        "alias-label" => {
            labels(task(world, who)).aliases = [].into();
            Effect::Goes
        }
        "agent-unknown" => {
            let address = Some(Endpoint { host: Host::new("10.98.0.7"), port: 5051 });
            let id = Arc::from(&*who.agent.as_ref().unwrap().id);
            world.document.agents.push(Agent { id, hostname: "flipped".into(), address, place: None });
            Effect::Comes
        }
        rule if rule.starts_with("address-") || rule.starts_with("host-") || rule.ends_with("-declared") => {
            flip_address(world, step, who)
        }
        "without-address" => {
            give_address(world, who);
            Effect::Comes
        }
        "network-name" => {
            let address = value(step).parse::<std::net::IpAddr>().unwrap();
            let found = task(world, who).addresses.iter_mut();
            found.filter(|found| found.address == address).for_each(|found| found.address = NOBODYS.into());
            Effect::Goes
        }
        "agent-address" | "agent-port" => {
            let address = &mut agent(world, who).address;
            *address = Some(Endpoint { host: Host::new("10.98.0.9"), port: 5999 });
            Effect::Goes
        }
        "agent-without-address" => {
            agent(world, who).address = Some(Endpoint { host: Host::new("10.98.0.9"), port: 5051 });
            Effect::Comes
        }
        "resource-port" => {
            task(world, who).ports = [].into();
            Effect::Goes
        }
        "impossible-port" => {
            let wrong: i64 = value(step).parse().unwrap();
            ports(task(world, who)).for_each(|port| {
                if port.number == wrong {
                    port.number = 8080;
                }
            });
            Effect::Comes
        }
        "port-unreachable" => {
            let container = number(step);
            let mapping = PortMapping { host: 31999, container, protocol: Protocol::Any };
            let container = task(world, who).container.get_or_insert_with(|| {
                let (networks, mappings) = ([].into(), [].into());
                Arc::new(Container { mode: NetworkMode::Named, networks, mappings })
            });
            Arc::make_mut(container).mappings = [mapping].into();
            Effect::Comes
        }
        rule if rule.starts_with("port-") => {
            let number = i64::from(number(step));
            ports(task(world, who)).for_each(|port| {
                if port.number == number {
                    port.number = 61_000;
                }
            });
            Effect::Goes
        }
        "extra-name" => {
            world.policy.extra.names = ExtraNames::default();
            Effect::Goes
        }
        "preference-label" => {
            let labels = labels(task(world, who));
            (labels.weight, labels.priority) = (None, None);
            Effect::Goes
        }
        "scheduler" => {
            let host = Host::new(step.value.as_deref().unwrap_or_default());
            assert_eq!(framework(world, who).host, Some(host), "{step:?}");
            framework(world, who).host = None;
            Effect::Goes
        }
        "master" => {
            world.masters = Masters::default();
            Effect::Goes
        }
        "server" => {
            world.policy.server_addresses.clear();
            Effect::Goes
        }
        "ttl" => {
            world.soa.ttl += 1;
            Effect::Goes
        }
        "ttl-label" => {
            world.document.tasks.iter_mut().for_each(|task| {
                if let Some(labels) = &mut task.labels {
                    labels.ttl = None;
                }
            });
            Effect::Goes
        }
        "ttl-static" | "static-fill" => {
            world.policy.extra.fixed = Arc::new(Fixed::default());
            Effect::Goes
        }
        "static-override" => {
            world.policy.extra.fixed = Arc::new(Fixed::default());
            if who.kind == "static" { Effect::Goes } else { Effect::Comes }
        }
        "static-not-needed" => {
            world.document.tasks.clear();
            Effect::Comes
        }
        "truncated" => {
            let id = who.task.as_ref().map(|task| task.id.clone()).unwrap();
            world.document.tasks.retain(|task| *task.id == *id);
            Effect::Yields
        }
        "too-few-healthy" => {
            world.healthy_minimum = 0;
            Effect::Yields
        }
        "none-healthy" => {
            task(world, who).healthy = Some(true);
            Effect::Yields
        }
        other => panic!("nothing is known of the rule {other:?}"),
    }
}

fn flip_address(world: &mut World, step: &Step, who: &Contributor) -> Effect {
    let (address, place) = value(step).split_once(" (").unwrap();
    let address = address.parse().unwrap();
    match &*step.rule {
        "address-source" => {
            let Addresses::Sources(sources) = &mut world.policy.addresses else { panic!("{step:?}") };
            let wanted = place.trim_end_matches(')');
            sources.retain(|source| word(*source) != wanted);
            Effect::Yields
        }
        "address-outranked" => {
            match &mut world.policy.addresses {
                Addresses::Sources(sources) => {
                    let wanted = place.trim_end_matches(')');
                    let all = [AddressSource::Docker, AddressSource::Mesos, AddressSource::NetInfo];
                    let found = all.into_iter().find(|source| word(*source) == wanted).unwrap();
                    sources.insert(0, found);
                }
                Addresses::Auto(_) => {
                    let kept = |found: &TaskAddress| {
                        found.address == address && word(found.source) == place.trim_end_matches(')')
                    };
                    let task = task(world, who);
                    let addresses = task.addresses.iter().filter(|found| kept(found));
                    task.addresses = addresses.cloned().collect();
                }
            }
            Effect::Yields
        }
        "address-reachable" => {
            declare(world, address, Reach::Local);
            Effect::Yields
        }
        "address-on-bridge" | "address-mapped" => {
            declare(world, address, Reach::Routable);
            Effect::Comes
        }
        "network-declared" | "prefix-declared" => {
            let networks = networks(world);
            let invert = |reach: &mut Reach| {
                *reach = if *reach == Reach::Local { Reach::Routable } else { Reach::Local };
            };
            networks.names.iter_mut().for_each(|(_, reach)| invert(reach));
            networks.prefixes.iter_mut().for_each(|(_, reach)| invert(reach));
            Effect::Yields
        }
        "address-impossible" | "address-of-agent" => {
            let task = task(world, who);
            task.addresses.iter_mut().for_each(|found| {
                if found.address == address {
                    found.address = NOBODYS.into();
                }
            });
            Effect::Yields
        }
        // The task uses its host's network: now it has an address of its own, and says nothing of networks.
        _ => {
            give_address(world, who);
            Effect::Goes
        }
    }
}

fn give_address(world: &mut World, who: &Contributor) {
    let sources = match &world.policy.addresses {
        Addresses::Auto(_) => vec![AddressSource::NetInfo],
        Addresses::Sources(sources) => sources.clone(),
    };
    let address = |source| TaskAddress { source, address: NOBODYS.into(), network: None };
    let own = sources.iter().filter(|source| **source != AddressSource::Host).map(|source| address(*source));
    let task = task(world, who);
    (task.container, task.addresses) = (None, own.collect());
    if sources.iter().all(|source| *source == AddressSource::Host) && who.agent.is_some() {
        agent(world, who).address = Some(Endpoint { host: Host::new("10.98.0.9"), port: 5051 });
    }
}

fn declare(world: &mut World, address: std::net::IpAddr, reach: Reach) {
    let networks = networks(world);
    networks.names.clear();
    networks.prefixes = vec![(address.into(), reach)];
}

fn networks(world: &mut World) -> &mut Networks {
    match &mut world.policy.addresses {
        Addresses::Auto(networks) => networks,
        Addresses::Sources(_) => panic!("networks say nothing here"),
    }
}

fn word(source: AddressSource) -> &'static str {
    match source {
        AddressSource::Docker => "docker",
        AddressSource::Host => "host",
        AddressSource::Mesos => "mesos",
        AddressSource::NetInfo => "netinfo",
    }
}

fn value(step: &Step) -> &str {
    step.value.as_deref().unwrap_or_else(|| panic!("no value: {step:?}"))
}

/// The number at the beginning of a value.
fn number(step: &Step) -> u16 {
    value(step).split([',', ' ']).next().unwrap().parse().unwrap()
}

fn task<'a>(world: &'a mut World, who: &Contributor) -> &'a mut Task {
    let (task, framework) = (who.task.as_ref().unwrap(), who.framework.as_ref().unwrap());
    let is_it = |other: &&mut Task| *other.id == *task.id && *other.framework_id == *framework.id;
    world.document.tasks.iter_mut().rev().find(is_it).unwrap()
}

fn framework<'a>(world: &'a mut World, who: &Contributor) -> &'a mut Framework {
    let id = &*who.framework.as_ref().unwrap().id;
    world.document.frameworks.iter_mut().rev().find(|framework| *framework.id == *id).unwrap()
}

fn agent<'a>(world: &'a mut World, who: &Contributor) -> &'a mut Agent {
    let id = &*who.agent.as_ref().unwrap().id;
    world.document.agents.iter_mut().rev().find(|agent| *agent.id == *id).unwrap()
}

fn rename(task: &mut Task) {
    match &mut task.discovery {
        Some(discovery) => discovery.name = "flipped".into(),
        None => task.name = "flipped".into(),
    }
}

fn labels(task: &mut Task) -> &mut DnsLabels {
    task.labels.as_mut().unwrap()
}

fn ports(task: &mut Task) -> impl Iterator<Item = &mut DiscoveryPort> {
    task.discovery.iter_mut().flat_map(|discovery| discovery.ports.iter_mut())
}
