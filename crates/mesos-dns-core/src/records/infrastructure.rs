//! The records of masters, agents, frameworks and of this server, and which names are theirs alone.

use std::{collections::HashSet, net::IpAddr};

use super::{
    Data, ExtraName, Owner, Policy, Record, Withheld, address, extra, fragment, reverse,
    trace::{Lack, Scope, Trace, Why},
};
use crate::cluster::{Agent, Framework, Host, Hosts, Masters, split_host_port};

/// The records of a framework: its scheduler's addresses and, where it has a `pid`, its port.
pub fn framework(
    framework: &Framework,
    hosts: &Hosts,
    policy: &Policy,
    emit: &mut dyn FnMut(Record),
) -> Withheld {
    framework_telling(framework, hosts, policy, (), emit)
}

/// The same, which tells why.
pub(crate) fn framework_telling(
    framework: &Framework,
    hosts: &Hosts,
    policy: &Policy,
    trace: impl Trace,
    emit: &mut dyn FnMut(Record),
) -> Withheld {
    let mut withheld = Withheld::default();
    trace.begins(Scope::Whole);
    let addresses = framework.host.as_ref().map_or(&[][..], |host| hosts.addresses(host));
    if addresses.is_empty() {
        return withheld;
    }
    let fragment = fragment(&framework.name, policy.rules);
    if is_special(&fragment, policy) && trace.leaves_out(Scope::Whole, Why::ReservedFramework) {
        withheld.special = 1;
        return withheld;
    }
    let name = Owner::new(&format!("{fragment}.{}.", policy.domain));
    withheld.unencodable = u32::from(name.name().is_none());
    trace.because(Scope::Whole, Why::Scheduler);
    for address in addresses {
        emit(Record::new(&name, *address));
    }
    if let Some(port) = framework.port {
        let service = Owner::new(&format!("_framework._tcp.{fragment}.{}.", policy.domain));
        emit(Record::from_parts(service, Data::service(port, name)));
    }
    withheld
}

/// The records of an agent. All agents share two names; those of its own are extra.
pub fn agent(agent: &Agent, hosts: &Hosts, policy: &Policy, emit: &mut dyn FnMut(Record)) {
    agent_telling(agent, hosts, policy, (), emit);
}

/// The same, which tells why.
pub(crate) fn agent_telling<T: Trace>(
    agent: &Agent,
    hosts: &Hosts,
    policy: &Policy,
    trace: T,
    emit: &mut dyn FnMut(Record),
) {
    trace.begins(Scope::Whole);
    let name = Owner::new(&format!("slave.{}.", policy.domain));
    let addresses = address::of_agent(agent, hosts);
    if T::LISTENS && addresses.is_empty() {
        trace.lacks(&name, Lack::Address, Why::AgentWithoutAddress);
    }
    for address in addresses {
        trace.begins(Scope::Data);
        trace.because(Scope::Data, Why::AgentAddress(*address));
        emit(Record::new(&name, *address));
    }
    if let Some(endpoint) = agent.address.as_ref().filter(|_| !addresses.is_empty()) {
        let service = Owner::new(&format!("_slave._tcp.{}.", policy.domain));
        trace.begins(Scope::Data);
        trace.because(Scope::Data, Why::AgentPort(endpoint.port));
        emit(Record::from_parts(service, Data::service(endpoint.port, name)));
    }
    reverse::agent(agent, addresses, policy, trace, emit);
    if policy.extra.names.has(ExtraName::Agents) {
        extra::agent(agent, addresses, policy, trace, emit);
    }
}

/// The records of the masters: `leader`, `master`, `master0` and so on.
///
/// The numbering follows the list in effect; a master whose address was already seen gets no number of
/// its own, and a leader that is not in the list gets the last one.
pub fn masters(masters: &Masters, hosts: &Hosts, policy: &Policy, emit: &mut dyn FnMut(Record)) {
    let Some((leader, host, port)) = masters.leader.as_deref().and_then(endpoint) else { return };
    let domain = &policy.domain;
    let named = |text: &str| Owner::new(&format!("{text}.{domain}."));
    let mut add = |owner: &Owner, host: &Host, is_numbered: bool| {
        for address in hosts.addresses(host) {
            emit(Record::new(owner, *address));
            if is_numbered {
                emit(reverse::master(owner, *address));
            }
        }
    };
    let (leader_name, master_name) = (named("leader"), named("master"));
    let numbered_name = |number: usize| named(&format!("master{number}"));
    add(&leader_name, &host, false);
    add(&master_name, &host, false);
    let mut seen: HashSet<IpAddr> = hosts.addresses(&host).iter().copied().collect();
    let mut numbered = 0_usize;
    let mut leader_is_numbered = false;
    for (text, listed, _) in masters.listed.iter().filter_map(|text| endpoint(text)) {
        if text == leader {
            if leader_is_numbered {
                continue;
            }
            leader_is_numbered = true;
        } else {
            let new: Vec<IpAddr> =
                hosts.addresses(&listed).iter().copied().filter(|address| seen.insert(*address)).collect();
            if new.is_empty() {
                continue;
            }
            add(&master_name, &listed, false);
        }
        add(&numbered_name(numbered), &listed, true);
        numbered = numbered.saturating_add(1);
    }
    if !leader_is_numbered {
        add(&numbered_name(numbered), &host, true);
    }
    for protocol in ["tcp", "udp"] {
        let data = Data::service(port, leader_name.clone());
        emit(Record::from_parts(named(&format!("_leader._{protocol}")), data));
    }
}

/// The addresses of this server, under its own name.
pub fn server(policy: &Policy, emit: &mut dyn FnMut(Record)) {
    let name = Owner::new(&policy.server_name);
    for address in &policy.server_addresses {
        emit(Record::new(&name, *address));
    }
}

/// Whether a framework with these labels would stand at, or put its tasks under, a name that is ours.
///
/// The label directly below the domain decides: `slave`, `leader`, `master`, `master0` ..., whatever
/// begins with `_`, `ns` and the label of this server's own name. Such a framework is withheld whole,
/// because what it put there would be taken for something else.
pub(super) fn is_special(fragment: &str, policy: &Policy) -> bool {
    let last = fragment.rsplit('.').next().unwrap_or_default();
    let numbered =
        last.strip_prefix("master").is_some_and(|rest| rest.bytes().all(|octet| octet.is_ascii_digit()));
    let own = policy.server_name.trim_end_matches('.').to_ascii_lowercase();
    let below = own.strip_suffix(policy.domain.as_str()).and_then(|rest| rest.strip_suffix('.'));
    let server = below.and_then(|rest| rest.rsplit('.').next());
    numbered || matches!(last, "leader" | "ns" | "slave") || last.starts_with('_') || server == Some(last)
}

/// Whether a task's owner name is one that only a framework's own record may have.
pub(super) fn is_special_owner(owner: &Owner) -> bool {
    owner.name().and_then(|name| name.labels().next().map(|label| label == b"_framework")).unwrap_or(false)
}

/// A master's text, host and port; `None` where the text does not split.
pub(super) fn endpoint(text: &str) -> Option<(&str, Host, u16)> {
    let (host, port) = split_host_port(text).filter(|(host, _)| !host.is_empty())?;
    Some((text, Host::new(host), port.parse().ok()?))
}
