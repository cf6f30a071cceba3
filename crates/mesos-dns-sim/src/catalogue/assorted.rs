//! One service of every kind of container that Mesos can run, for tests that must have seen all of them.
//!
//! No scheduler has such a catalogue. It names things as Marathon does, and tells more of them: labels for us, whom a
//! service is for, its version. A cluster has it only where somebody asks for it, so all others stay as they are.

use super::Network;

/// Names of the networks of a container on two of them.
pub const TWO_NETWORKS: [&str; 2] = ["dcos", "storage"];

/// Name of the network that Mesos's own containerizer has behind each agent, as DC/OS calls it.
pub const MAPPED_NETWORK: &str = "mesos-bridge";

/// What tasks are called and how they are attached, by their place in the catalogue.
const KINDS: [(&str, Network); 12] = [
    ("docker-host", Network::DockerHost),
    ("docker-bridge", Network::Bridge),
    ("docker-user", Network::DockerUser),
    ("ucr-host", Network::Host),
    ("ucr-cni", Network::Container { dual_stack: false }),
    ("ucr-mapped", Network::Mapped),
    ("ucr-two", Network::Two),
    ("pod", Network::Pod),
    ("six", Network::Six),
    ("dual", Network::Container { dual_stack: true }),
    ("unnamed", Network::Unnamed),
    ("detached", Network::Detached),
];

/// How many there are before they come again with a number.
pub const COUNT: usize = KINDS.len();

/// The kind with this place in the catalogue.
pub(super) fn kind(number: usize) -> (&'static str, Network) {
    KINDS[number % COUNT]
}

/// What a service tells of itself besides its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Labels of its tasks.
    pub labels: &'static [(&'static str, &'static str)],
    /// For whom it is.
    pub visibility: &'static str,
    /// For whom its second port is, where that is another one.
    pub second: Option<&'static str>,
    /// Its version.
    pub version: Option<&'static str>,
}

/// What the service with this place in the catalogue tells.
pub(super) fn told(number: usize) -> Told {
    let labels: &[_] = match number % 4 {
        0 => &[("tier", "front"), ("dns.alias", "front, www"), ("dns.ttl", "5")],
        1 => &[("dns.weight", "10"), ("dns.priority", "1"), ("dns.weight", "20")],
        2 => &[("tier", "back")],
        _ => &[],
    };
    Told {
        labels,
        visibility: ["FRAMEWORK", "CLUSTER", "EXTERNAL"][number % 3],
        second: number.is_multiple_of(2).then_some("EXTERNAL"),
        version: number.is_multiple_of(2).then_some("1.4"),
    }
}
