//! Which addresses a task has.

use std::net::IpAddr;

use crate::cluster::{AddressSource, Agent, Hosts, Task};

/// The addresses of an agent: of the host in its `pid`, never of its `hostname`.
pub(super) fn of_agent<'a>(agent: &'a Agent, hosts: &'a Hosts) -> &'a [IpAddr] {
    agent.address.as_ref().map_or(&[], |address| hosts.addresses(&address.host))
}

/// Puts the addresses of a task into `addresses`: all those of the first source that has any.
///
/// Sources are never mixed: the container's address and the agent's lead to different ports.
pub(super) fn of_task(task: &Task, agent: &[IpAddr], sources: &[AddressSource], addresses: &mut Vec<IpAddr>) {
    addresses.clear();
    for source in sources {
        match source {
            AddressSource::Host => addresses.extend(agent),
            source => {
                let found = task.addresses.iter().filter(|found| found.source == *source);
                addresses.extend(found.map(|found| found.address));
            }
        }
        if !addresses.is_empty() {
            return;
        }
    }
}
