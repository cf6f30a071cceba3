//! Which addresses a task has.

use std::net::IpAddr;

use crate::cluster::{AddressSource, Agent, Hosts, Task};

/// The addresses of an agent: of the host in its `pid`, never of its `hostname`.
pub(super) fn of_agent<'a>(agent: &'a Agent, hosts: &'a Hosts) -> &'a [IpAddr] {
    agent.address.as_ref().map_or(&[], |address| hosts.addresses(&address.host))
}

/// The addresses of a task: all those of the first source that has any.
///
/// Sources are never mixed: the container's address and the agent's lead to different ports.
pub(super) fn of_task(task: &Task, agent: &[IpAddr], sources: &[AddressSource]) -> Vec<IpAddr> {
    let from = |source| -> Vec<IpAddr> {
        match source {
            AddressSource::Host => agent.to_vec(),
            source => task
                .addresses
                .iter()
                .filter(|found| found.source == source)
                .map(|found| found.address)
                .collect(),
        }
    };
    sources.iter().map(|source| from(*source)).find(|found| !found.is_empty()).unwrap_or_default()
}
