//! Which tasks have other addresses than the original would give them.
//!
//! Whoever comes from the original is told once what that concerns, and how to keep the old answers.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    Addresses, Policy,
    address::{self, Whereabouts},
    health::Presence,
};
use crate::cluster::{AddressSource, Cluster};

/// Most tasks that are named as examples.
pub const EXAMPLES_MAX: usize = 10;

/// The original's default for `IPSources`.
const ORIGINAL: [AddressSource; 3] = [AddressSource::NetInfo, AddressSource::Mesos, AddressSource::Host];

/// The tasks of a cluster with other addresses than under the original's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// How many there are.
    pub tasks: usize,
    /// The first of them by framework and task id.
    pub examples: BTreeSet<Example>,
}

/// A task that has other addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Example {
    /// Name of its framework, raw.
    pub framework: String,
    /// Its id, raw.
    pub task: String,
    /// Those that the original would give it.
    pub before: BTreeSet<IpAddr>,
    /// Those that it has.
    pub after: BTreeSet<IpAddr>,
}

/// Compares the addresses of all tasks with those of the original's default. Costs nothing where `IPSources` decides.
pub fn moved(cluster: &Cluster, policy: &Policy) -> Moved {
    let mut moved = Moved::default();
    if matches!(policy.addresses, Addresses::Sources(_)) {
        return moved;
    }
    let original = Addresses::Sources(ORIGINAL.to_vec());
    let keeps_loopback = address::is_on_loopback(cluster);
    let (mut before, mut after) = (Whereabouts::default(), Whereabouts::default());
    for task in cluster.tasks.iter().filter(|task| Presence::of(task, policy).is_answered()) {
        let agent = cluster.agents.get(&*task.agent_id);
        let framework = cluster.frameworks.get(&*task.framework_id);
        let (Some(agent), Some(framework)) = (agent, framework) else { continue };
        let agent = address::of_agent(agent, &cluster.hosts);
        before.find(task, agent, &original, keeps_loopback, ());
        after.find(task, agent, &policy.addresses, keeps_loopback, ());
        if before.task == after.task {
            continue;
        }
        let set = |found: &Whereabouts| found.task.iter().copied().collect::<BTreeSet<_>>();
        let (before, after) = (set(&before), set(&after));
        if before == after {
            continue;
        }
        moved.tasks = moved.tasks.saturating_add(1);
        let (framework, task) = (framework.name.to_string(), task.id.to_string());
        moved.examples.insert(Example { framework, task, before, after });
        if moved.examples.len() > EXAMPLES_MAX {
            moved.examples.pop_last();
        }
    }
    moved
}

/// `marathon: web.1: 172.17.0.2 -> 10.0.0.5`, control characters escaped.
impl std::fmt::Display for Example {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let join = |addresses: &BTreeSet<IpAddr>| match addresses.len() {
            0 => "none".to_owned(),
            _ => addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", "),
        };
        let (framework, task) = (self.framework.escape_debug(), self.task.escape_debug());
        write!(f, "{framework}: {task}: {} -> {}", join(&self.before), join(&self.after))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        cluster::{self, Container, Document, Framework, Hosts, Masters, NetworkMode, Task, TaskAddress},
        records::Networks,
        table::Seed,
        test_support,
    };

    fn bridged(id: &str, address: &str) -> Task {
        let container = Container { mode: NetworkMode::Bridge, networks: [].into(), mappings: [].into() };
        Task {
            addresses: [TaskAddress {
                source: AddressSource::NetInfo,
                address: address.parse().unwrap(),
                network: None,
            }]
            .into(),
            container: Some(Arc::new(container)),
            ..test_support::task(id, "web", "f", "S0")
        }
    }

    #[test]
    fn all_are_counted_and_the_first_are_named() {
        let framework = Framework { id: "f".into(), name: "marathon".into(), host: None, port: None };
        let mut tasks: Vec<Task> =
            (0..12).rev().map(|n| bridged(&format!("web.{n:02}\n"), "172.17.0.2")).collect();
        tasks.push(bridged("same", "10.0.0.5"));
        tasks.push(Task { state: cluster::TaskState::Staging, ..bridged("idle", "172.17.0.2") });
        tasks.push(Task { agent_id: "nobody".into(), ..bridged("lost", "172.17.0.2") });
        let agents = vec![test_support::agent("S0", "10.0.0.5")];
        let document = Document { agents, frameworks: vec![framework], tasks, ..Document::default() };
        let masters = Masters { leader: Some(Arc::from("10.0.0.1:5050")), listed: Vec::new() };
        let (cluster, _) = cluster::apply(&Cluster::default(), document, masters, Hosts::default(), Seed(1));
        let auto = Policy { addresses: Addresses::Auto(Networks::default()), ..test_support::policy() };
        let found = moved(&cluster, &auto);
        assert_eq!(found.tasks, 12);
        let examples: Vec<String> = found.examples.iter().map(ToString::to_string).collect();
        assert_eq!(examples.len(), EXAMPLES_MAX);
        assert_eq!(examples[0], r"marathon: web.00\n: 172.17.0.2 -> 10.0.0.5");
        assert_eq!(examples[9], r"marathon: web.09\n: 172.17.0.2 -> 10.0.0.5");
        assert_eq!(moved(&cluster, &test_support::policy()), Moved::default());
    }
}
