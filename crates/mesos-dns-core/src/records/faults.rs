//! What of a task cannot be published, whatever names it has.

use super::{Maker, address, extra, label};
use crate::cluster::{Agent, DiscoveryPort, Task};

/// See the head of this file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// It has no address left.
    pub has_no_address: bool,
    /// It, or its agent, names an address that is nobody's whom others could reach.
    pub has_impossible_address: bool,
    /// It announces a port of its container, of which no address is known at which it is open.
    pub has_unreachable_port: bool,
}

impl Maker<'_> {
    /// What of a task that is answered cannot be published.
    pub fn faults(&mut self, task: &Task, agent: &Agent) -> Faults {
        let agent_addresses = address::of_agent(agent, &self.cluster.hosts);
        self.whereabouts.find(task, agent_addresses, &self.policy.addresses, self.keeps_loopback, ());
        let announced = task.discovery.iter().flat_map(|discovery| {
            let is_shown =
                |port: &&DiscoveryPort| extra::is_shown(port, discovery, self.policy.extra.visibility);
            discovery.ports.iter().filter(is_shown)
        });
        Faults {
            has_no_address: self.whereabouts.task.is_empty(),
            has_impossible_address: self.whereabouts.impossible > 0,
            has_unreachable_port: announced.into_iter().any(|port| self.is_lost(task, port)),
        }
    }

    /// Whether a port leads nowhere for one of the protocols that it is announced for.
    fn is_lost(&self, task: &Task, port: &DiscoveryPort) -> bool {
        let Some(number) = u16::try_from(port.number).ok().filter(|number| *number > 0) else { return false };
        let is_lost = |protocol: &str| self.whereabouts.lead(task, port, number, protocol).to.is_none();
        let (tcp, udp) = (is_lost("tcp"), is_lost("udp"));
        // Nearly always both lead somewhere, and then all do.
        (tcp || udp)
            && match &*label(&port.kind.protocol, self.policy.rules) {
                "" => true,
                protocol => is_lost(protocol),
            }
    }
}
