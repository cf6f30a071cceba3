//! From what an update of the cluster touched to the records that come and go.

use std::{collections::HashSet, sync::Arc};

use super::Zone;
use crate::{
    cluster::{Cluster, Task, TaskChange, Touched},
    records::{self, Maker, Policy, Record, Withheld},
    table::Seed,
    wire::Name,
};

impl Zone {
    /// A fresh zone as a policy wants it, with what the operator wrote down and this server's own records in it, and
    /// nothing of the cluster. `healthy_minimum`: see [`Zone::set_healthy_minimum`].
    pub fn of(policy: &Policy, healthy_minimum: u8, seed: Seed) -> Self {
        let server = Name::parse(&policy.server_name).ok();
        let mut zone = Self::new(policy.apex.clone(), server, seed).with_fixed(&policy.extra.fixed);
        zone.set_healthy_minimum(healthy_minimum);
        zone.add_server(policy);
        zone
    }

    /// Brings the zone from one version of the cluster to the next, as `touched` says they differ.
    ///
    /// What a touched thing used to contribute is computed again from the older version. Where it
    /// contributes the same as before, nothing is done at all. Whether the whole cluster is on one machine concerns
    /// every task: if that changes, all are compared.
    pub fn update(&mut self, policy: &Policy, old: &Cluster, new: &Cluster, touched: &Touched) {
        let (mut maker, mut former) = (Maker::new(new, policy), Maker::new(old, policy));
        let every = (!maker.agrees_with(&former)).then(|| with_untouched(old, &touched.tasks));
        for change in every.as_ref().unwrap_or(&touched.tasks) {
            match (&change.old, &change.new) {
                (None, Some(task)) => self.add_task(&mut maker, new, task),
                (before, after) => {
                    let before = before.as_ref().map(|task| of_task(&mut former, old, task));
                    let after = after.as_ref().map(|task| of_task(&mut maker, new, task));
                    self.replace(&before.unwrap_or_default(), &after.unwrap_or_default());
                }
            }
        }
        for id in &touched.agents {
            self.replace(&of_agent(policy, old, id), &of_agent(policy, new, id));
        }
        for id in &touched.frameworks {
            self.replace(&of_framework(policy, old, id), &of_framework(policy, new, id));
        }
        if touched.masters {
            self.replace(&of_masters(policy, old), &of_masters(policy, new));
        }
    }

    /// Adds the records of this server itself.
    pub fn add_server(&mut self, policy: &Policy) {
        records::server(policy, &mut |record| self.add(&record));
    }

    /// A new task, without collecting its records first.
    fn add_task(&mut self, maker: &mut Maker<'_>, cluster: &Cluster, task: &Task) {
        let withheld = emit_task(maker, cluster, task, &mut |record| self.add(&record));
        self.withheld.add(withheld);
    }

    fn replace(&mut self, before: &Contribution, after: &Contribution) {
        if before == after {
            return;
        }
        self.withheld.subtract(before.withheld);
        self.withheld.add(after.withheld);
        // Added first, so that a record in both never goes.
        after.records.iter().for_each(|record| self.add(record));
        before.records.iter().for_each(|record| self.remove(record));
    }
}

/// These changes, and all tasks that none of them is about.
fn with_untouched(old: &Cluster, touched: &[TaskChange]) -> Vec<TaskChange> {
    let key = |task: &Arc<Task>| (task.framework_id.clone(), task.id.clone());
    let known: HashSet<_> = touched.iter().filter_map(|change| change.old.as_ref()).map(key).collect();
    let untouched = old.tasks.iter().filter(|task| !known.contains(&key(task)));
    let changes = untouched.map(|task| TaskChange { old: Some(task.clone()), new: Some(task.clone()) });
    changes.chain(touched.iter().cloned()).collect()
}

/// Room to make for the records of a task: two ports without discovery information have twelve.
const RECORDS_PER_TASK: usize = 16;

/// All records of one thing.
#[derive(Default, PartialEq)]
struct Contribution {
    records: Vec<Record>,
    withheld: Withheld,
}

impl Contribution {
    fn collect(expected: usize, make: impl FnOnce(&mut dyn FnMut(Record)) -> Withheld) -> Self {
        let mut records = Vec::with_capacity(expected);
        let withheld = make(&mut |record| records.push(record));
        Self { records, withheld }
    }
}

fn of_task(maker: &mut Maker<'_>, cluster: &Cluster, task: &Task) -> Contribution {
    Contribution::collect(RECORDS_PER_TASK, |emit| emit_task(maker, cluster, task, emit))
}

/// A task whose agent or framework is not known has no records.
pub(super) fn emit_task(
    maker: &mut Maker<'_>,
    cluster: &Cluster,
    task: &Task,
    emit: &mut dyn FnMut(Record),
) -> Withheld {
    let agent = cluster.agents.get(&*task.agent_id);
    let framework = cluster.frameworks.get(&*task.framework_id);
    let (Some(agent), Some(framework)) = (agent, framework) else { return Withheld::default() };
    maker.contribution(task, framework, agent, emit)
}

fn of_agent(policy: &Policy, cluster: &Cluster, id: &str) -> Contribution {
    Contribution::collect(RECORDS_PER_TASK, |emit| {
        if let Some(agent) = cluster.agents.get(id) {
            records::agent(agent, &cluster.hosts, policy, emit);
        }
        Withheld::default()
    })
}

fn of_framework(policy: &Policy, cluster: &Cluster, id: &str) -> Contribution {
    Contribution::collect(RECORDS_PER_TASK, |emit| match cluster.frameworks.get(id) {
        Some(framework) => records::framework(framework, &cluster.hosts, policy, emit),
        None => Withheld::default(),
    })
}

fn of_masters(policy: &Policy, cluster: &Cluster) -> Contribution {
    Contribution::collect(RECORDS_PER_TASK, |emit| {
        records::masters(&cluster.masters, &cluster.hosts, policy, emit);
        Withheld::default()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        cluster::{
            self, AddressSource, Agent, Container, Discovery, DiscoveryPort, Document, Endpoint, Framework,
            Host, Hosts, Masters, NetworkMode, Place, PortMapping, PortRange, Protocol, TaskAddress,
            TaskState,
        },
        records::{Addresses, Data, Extra, ExtraName, Fixed, FixedOwner, Health, Networks, Rule, Rules},
        zone::{self, Serial, Snapshot, Soa},
    };

    const ALL: [ExtraName; 5] =
        [ExtraName::Agents, ExtraName::Browse, ExtraName::Places, ExtraName::Ports, ExtraName::Text];

    fn policy() -> Policy {
        Policy {
            domain: "mesos".into(),
            apex: Name::parse("mesos.").unwrap(),
            rules: Rules::Rfc1123,
            addresses: Addresses::Sources(vec![AddressSource::NetInfo, AddressSource::Host]),
            health: Health::Prefer,
            places: Vec::new(),
            extra: Extra::default(),
            server_name: "ns1.mesos.".into(),
            server_addresses: vec!["10.0.0.9".parse().unwrap()],
        }
    }

    fn soa() -> Arc<Soa> {
        let name = |text| Name::parse(text).unwrap();
        let (mname, rname) = (name("ns1.mesos."), name("root.ns1.mesos."));
        Arc::new(Soa { mname, rname, refresh: 60, retry: 600, expire: 86400, minimum: 5, ttl: 5, weight: 1 })
    }

    fn snapshot(zone: &Zone) -> Snapshot {
        zone.snapshot(soa(), Serial(1))
    }

    /// Everything a reader can see, as text.
    fn seen(zone: &Zone) -> Vec<String> {
        let snapshot = snapshot(zone);
        let mut lines: Vec<String> =
            snapshot.nodes().map(|node| format!("{node:?} {}", *node.clone().children())).collect();
        lines.extend(snapshot.addresses.seen());
        lines.extend(snapshot.listed_names().iter().map(|name| format!("{:?}", name.listed())));
        lines.push(format!(
            "{} {:016x} {:?}",
            snapshot.records(),
            snapshot.content_hash(),
            snapshot.withheld()
        ));
        lines.sort();
        lines
    }

    /// What the operator wrote down: at names that tasks have, too.
    fn fixed() -> Fixed {
        let owner = |text: &str, rule| {
            let data = vec![Data::A([10, 7, 7, 7].into()), Data::Ttl(7)];
            (Name::parse(text).unwrap(), FixedOwner { data, rule })
        };
        let owners = [
            owner("web.marathon.mesos.", Rule::Override),
            owner("_web._tcp.marathon.slave.mesos.", Rule::Override),
            owner("db.marathon.mesos.", Rule::Fill),
            owner("leader.mesos.", Rule::Fill),
            owner("static.mesos.", Rule::Fill),
        ];
        Fixed { owners: owners.into() }
    }

    fn task(id: u8, name: &str, framework: u8, agent: u8, kind: u8) -> cluster::Task {
        let port = u32::from(id % 7) * 3;
        cluster::Task {
            id: format!("t{id}").into(),
            name: name.into(),
            framework_id: format!("f{framework}").into(),
            agent_id: format!("a-S{agent}").into(),
            state: if kind == 0 { TaskState::Staging } else { TaskState::Running },
            healthy: [Some(false), Some(true), None][usize::from(id % 3)],
            is_checked: false,
            container: container(id, kind),
            labels: None,
            ports: [PortRange { first: port, last: port + u32::from(kind % 3) }].into(),
            addresses: (0..kind % 4)
                .map(|n| TaskAddress {
                    source: AddressSource::NetInfo,
                    address: match n {
                        _ if id % 11 == 7 => format!("127.0.0.{n}"),
                        2 => format!("fd00::{id}"),
                        _ => format!("10.1.{n}.{}", id % 9),
                    }
                    .parse()
                    .unwrap(),
                    network: (!id.is_multiple_of(3)).then(|| format!("net{n}").into()),
                })
                .collect(),
            discovery: (kind % 2 == 1).then(|| {
                Box::new(Discovery {
                    name: name.into(),
                    ports: [DiscoveryPort::new(80, "web", "")].into(),
                    ..Discovery::default()
                })
            }),
        }
    }

    /// Every fourth task says nothing of networks.
    fn container(id: u8, kind: u8) -> Option<Arc<Container>> {
        use NetworkMode::{Bridge, Detached, Host, Named, Unsaid};
        let mode = *[Bridge, Detached, Host, Named, Unsaid].get(usize::from(id % 5))?;
        let mappings =
            (0..kind % 2).map(|_| PortMapping { host: 31000, container: 80, protocol: Protocol::Any });
        let container = Container { mode, networks: [].into(), mappings: mappings.collect() };
        (!id.is_multiple_of(4)).then(|| Arc::new(container))
    }

    fn document(tasks: &[(u8, u8, u8, u8)], moved: u8) -> (Document, Masters, Hosts) {
        // Plain, capitals, a second name below another, one that DNS cannot carry, empty, a special one.
        let names = ["web", "Web.UI", "web.ui", "db", &"x".repeat(70), "", "framework"].map(str::to_owned);
        let agents = (0..3).map(|n| Agent {
            id: format!("a-S{n}").into(),
            hostname: if n == 2 {
                "10.0.2.2".into()
            } else {
                format!("node{}.example.org", n + moved % 2).into()
            },
            place: (n + moved % 2 == 1).then(|| Arc::new(Place { region: "r".into(), zone: "z".into() })),
            address: Some(Endpoint {
                host: if n == 2 { Host::new("node2") } else { Host::new(&format!("10.0.0.{}", n + moved)) },
                port: 5051,
            }),
        });
        let frameworks =
            ["marathon", "slave", "web.marathon", "A"].into_iter().enumerate().map(|(n, name)| Framework {
                id: format!("f{n}").into(),
                name: if moved % 3 == 2 && n == 0 { "renamed" } else { name }.into(),
                host: Some(Host::new("10.9.9.9")),
                port: (n % 2 == 0).then_some(8080),
            });
        let document = Document {
            agents: agents.collect(),
            frameworks: frameworks.collect(),
            tasks: tasks
                .iter()
                .map(|(id, name, at, kind)| {
                    task(*id, &names[usize::from(*name) % names.len()], at % 5, at % 4, *kind)
                })
                .collect(),
            ..Document::default()
        };
        let masters = Masters {
            // Where the leader is on loopback, so may tasks be.
            leader: Some(if moved == 4 { "127.0.0.1:5050" } else { "10.0.0.1:5050" }.into()),
            listed: vec!["10.0.0.1:5050".into(), format!("10.0.0.{moved}:5050").into()],
        };
        let mut hosts = Hosts::default();
        if moved.is_multiple_of(2) {
            hosts.insert("node2".into(), ["10.0.2.2".parse().unwrap()]);
        }
        (document, masters, hosts)
    }

    /// Fills a zone as a first load does, with the tasks cut into pieces anywhere, also within a service.
    fn load(zone: &mut Zone, policy: &Policy, cluster: &Cluster, piece: usize) {
        let mut everything = cluster.everything();
        let tasks = std::mem::take(&mut everything.tasks);
        let (count, pieces) = (tasks.len(), zone::plan(tasks));
        assert_eq!(pieces.iter().map(Vec::len).sum::<usize>(), count);
        let loader = zone.loader();
        let mut filler = zone.fill(loader.estimate(policy, cluster, &pieces));
        for piece in pieces.concat().chunks(piece) {
            filler.take(loader.make(policy, cluster, piece));
        }
        filler.finish();
        zone.update(policy, &Cluster::default(), cluster, &everything);
        assert_eq!(zone.compile().delta, zone::Delta::Everything);
    }

    /// Whether loopback addresses are good follows from the leader alone: no task is touched.
    #[test]
    fn a_leader_that_moves_to_loopback_concerns_every_task() {
        let policy = Policy { addresses: Addresses::Auto(Networks::default()), ..policy() };
        let at = |leader: &str| {
            let (document, masters, hosts) = document(&[(18, 0, 0, 2)], 0);
            let masters = Masters { leader: Some(leader.into()), ..masters };
            (document, masters, hosts)
        };
        let (mut zone, mut cluster) = (Zone::new(policy.apex.clone(), None, Seed(1)), Cluster::default());
        for (leader, withheld) in [("10.0.0.1:5050", 2), ("127.0.0.1:5050", 0), ("10.0.0.1:5050", 2)] {
            let (document, masters, hosts) = at(leader);
            let (next, touched) = cluster::apply(&cluster, document, masters, hosts, Seed(2));
            zone.update(&policy, &cluster, &next, &touched);
            zone.compile();
            assert_eq!(zone.withheld().addresses, withheld, "{leader}");
            cluster = next;
        }
    }

    /// A framework called `web.marathon` has what else were names of the ports of `web` of `marathon`.
    #[test]
    fn a_framework_at_the_name_of_a_service_concerns_that() {
        let mut policy = policy();
        policy.extra.names = [ExtraName::Ports].into_iter().collect();
        let (mut zone, mut cluster) = (Zone::new(policy.apex.clone(), None, Seed(1)), Cluster::default());
        let owner = Name::parse("_web._tcp.web.marathon.mesos").unwrap();
        for (count, is_there) in [(2, true), (3, false), (1, true)] {
            let (mut document, masters, hosts) = document(&[(1, 0, 0, 1)], 0);
            document.frameworks.truncate(count);
            let (next, touched) = cluster::apply(&cluster, document, masters, hosts, Seed(2));
            zone.update(&policy, &cluster, &next, &touched);
            zone.compile();
            assert_eq!(snapshot(&zone).find(owner.as_wire()).is_some(), is_there, "{count}");
            cluster = next;
        }
    }

    proptest! {
        /// After any sequence of documents the zone is the one built from the last document alone, task by task or
        /// in pieces.
        #[test]
        fn updates_equal_a_fresh_build(
            steps in prop::collection::vec((prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..25), 0u8..6), 1..6),
            is_auto in any::<bool>(),
            names in prop::collection::vec(prop::sample::select(&ALL), 0..3),
        ) {
            let mut policy = policy();
            policy.extra.names = names.into_iter().collect();
            if is_auto {
                policy.addresses = Addresses::Auto(Networks::default());
            }
            let server = Name::parse("ns1.mesos.").unwrap();
            let make = || {
                let mut zone = Zone::new(policy.apex.clone(), Some(server.clone()), Seed(1)).with_fixed(&fixed());
                zone.add_server(&policy);
                zone
            };
            let (mut zone, mut cluster) = (make(), Cluster::default());
            for (tasks, moved) in &steps {
                let held = snapshot(&zone);
                let held_hash = held.content_hash();
                let (document, masters, hosts) = document(tasks, *moved);
                let (next, touched) = cluster::apply(&cluster, document.clone(), masters.clone(), hosts.clone(), Seed(2));
                zone.update(&policy, &cluster, &next, &touched);
                zone.compile();
                let mut fresh = make();
                let (alone, touched) = cluster::apply(&Cluster::default(), document.clone(), masters.clone(), hosts.clone(), Seed(3));
                fresh.update(&policy, &Cluster::default(), &alone, &touched);
                fresh.compile();
                prop_assert_eq!(seen(&zone), seen(&fresh));
                let mut loaded = make();
                load(&mut loaded, &policy, &alone, usize::from(*moved) + 1);
                prop_assert_eq!(seen(&loaded), seen(&fresh));
                prop_assert_eq!(held.content_hash(), held_hash);
                // The same document again touches nothing and publishes nothing.
                let (again, touched) = cluster::apply(&next, document, masters, hosts, Seed(2));
                prop_assert!(touched.is_empty());
                zone.update(&policy, &next, &again, &touched);
                prop_assert!(!zone.compile().is_changed);
                cluster = next;
            }
        }
    }
}
