//! What a task has in the zone, read off its records: the same that DNS answers.

use std::net::IpAddr;

use serde::Serialize;

use super::Version;
use crate::{
    cluster::{Agent, Framework, Task},
    records::{Data, Maker, Owner, Record},
};

/// A port that a task offers, as its SRV records tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortItem {
    /// The port.
    pub port: u16,
    /// Name of the port; empty if it has none.
    pub name: String,
    /// `tcp`, `udp` and so on.
    pub protocols: Vec<String>,
    /// Where it is open.
    pub addresses: Vec<IpAddr>,
}

/// What a task has in the zone, read off its records.
#[derive(Default)]
pub(super) struct Offer {
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ports: Vec<PortItem>,
}

/// A service of a task, before its addresses are known.
struct Service {
    owner: Owner,
    port: u16,
    target: Owner,
}

impl Offer {
    /// What a task has.
    pub(super) fn of(
        version: Version<'_>,
        maker: &mut Maker<'_>,
        (task, framework, agent): (&Task, &Framework, &Agent),
    ) -> Self {
        let mut names: Vec<String> = Vec::new();
        let mut addresses: Vec<(Owner, IpAddr)> = Vec::new();
        let mut services: Vec<Service> = Vec::new();
        maker.contribution(task, framework, agent, &mut |Record { owner, data, .. }| {
            let Some(name) = owner.name() else { return };
            let name = name.to_string();
            match data {
                Data::A(address) => addresses.push((owner, address.into())),
                Data::Aaaa(address) => addresses.push((owner, address.into())),
                Data::Srv { port, target, .. } => services.push(Service { owner, port, target }),
                Data::Other { .. } => {}
                Data::Reverse(_) | Data::Ttl(_) | Data::Unknown => return,
            }
            if !names.contains(&name) {
                names.push(name);
            }
        });
        // The first record of a task is an address of its service, unless it has none.
        let own = addresses.first().map(|(owner, _)| owner.clone());
        let mut own: Vec<IpAddr> = addresses_of(&addresses, own.as_ref());
        own.dedup();
        let ports = ports(&services, &addresses, version);
        Self { names, addresses: own, ports }
    }
}

fn addresses_of(addresses: &[(Owner, IpAddr)], owner: Option<&Owner>) -> Vec<IpAddr> {
    let Some(owner) = owner else { return Vec::new() };
    let mut found = Vec::new();
    for (_, address) in addresses.iter().filter(|(other, _)| other.name() == owner.name()) {
        if !found.contains(address) {
            found.push(*address);
        }
    }
    found
}

/// The ports that SRV records lead to, each once. Those among the agents' names count where there are no others: they
/// are the same ports, or such as the task does not offer as services.
fn ports(services: &[Service], addresses: &[(Owner, IpAddr)], version: Version<'_>) -> Vec<PortItem> {
    let agents = format!(".slave.{}.", version.policy.domain);
    let is_of_agent = |service: &&Service| service.owner.to_text().ends_with(&agents);
    let has_plain = services.iter().any(|service| !is_of_agent(&service));
    let mut ports: Vec<PortItem> = Vec::new();
    for service in services.iter().filter(|service| !has_plain || !is_of_agent(service)) {
        let (name, protocol) = spelled(&service.owner.to_text());
        let places = addresses_of(addresses, Some(&service.target));
        // Aliases have targets of their own, which lead to the same place.
        let is_same = |other: &PortItem| other.port == service.port && other.addresses == places;
        let at = ports.iter().position(is_same).unwrap_or(ports.len());
        if at == ports.len() {
            let (name, protocols) = (String::new(), Vec::new());
            ports.push(PortItem { port: service.port, name, protocols, addresses: places });
        }
        let Some(item) = ports.get_mut(at) else { continue };
        if item.name.is_empty() {
            item.name = name;
        }
        if !item.protocols.contains(&protocol) {
            item.protocols.push(protocol);
        }
    }
    ports
}

/// Name of the port, if the owner of an SRV record begins with one, and protocol: `_http._web._tcp.marathon.mesos.`
fn spelled(owner: &str) -> (String, String) {
    let labels: Vec<&str> = owner.split('.').collect();
    let underscored = |at: usize| labels.get(at).and_then(|label| label.strip_prefix('_'));
    // The task part may have dots in it, and so labels without an underscore.
    let protocol_at = (1..labels.len()).rev().find(|at| underscored(*at).is_some()).unwrap_or(0);
    let name = underscored(0).filter(|_| protocol_at > 1 && underscored(1).is_some());
    (name.unwrap_or_default().to_owned(), underscored(protocol_at).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_tell_port_and_protocol() {
        for (owner, name, protocol) in [
            ("_web._tcp.marathon.mesos.", "", "tcp"),
            ("_http._web._udp.marathon.mesos.", "http", "udp"),
            ("_api.v1._tcp.marathon.mesos.", "", "tcp"),
            ("_http._api.v1._tcp.marathon.mesos.", "http", "tcp"),
            ("_web._sctp.prod.marathon.mesos.", "", "sctp"),
        ] {
            assert_eq!(spelled(owner), (name.to_owned(), protocol.to_owned()), "{owner}");
        }
    }
}
