//! One walk over the cluster.

use std::collections::{BTreeMap, HashMap};

use super::{
    Kind, Listed, NAMES_MAX, OWNERS_MAX, Owner, Problem,
    services::{Service, Services},
    sharing::{Noted, Suspects},
};
use crate::{
    cluster::{Cluster, Framework, Task},
    records::{self, Data, Faults, Maker, Policy, Record, TASK_PORTS_MAX, agent_addresses, fragment, label},
    wire::Name,
};

/// What is known so far.
pub(super) struct Survey<'a> {
    cluster: &'a Cluster,
    policy: &'a Policy,
    found: BTreeMap<Kind, Listed>,
}

/// Services with one name: nearly always there is one.
enum Sharers {
    One(usize),
    More(Vec<usize>),
}

impl<'a> Survey<'a> {
    pub(super) fn new(cluster: &'a Cluster, policy: &'a Policy) -> Self {
        Self { cluster, policy, found: BTreeMap::new() }
    }

    pub(super) fn problems(mut self) -> BTreeMap<Kind, Listed> {
        let services = Services::of(self.cluster, self.policy);
        self.look_at_agents();
        self.look_at_frameworks(&services);
        self.look_at_services(&services);
        self.look_at_names(&services);
        self.found
    }

    fn add(&mut self, kind: Kind, owners: Vec<Owner>, names: Vec<String>, tasks: u64) {
        self.found.entry(kind).or_default().add(Problem { kind, owners, names, tasks });
    }

    fn look_at_agents(&mut self) {
        let lost =
            self.cluster.agents.iter().filter(|agent| agent_addresses(agent, &self.cluster.hosts).is_empty());
        let lost: Vec<_> = lost.cloned().collect();
        let mut tasks: HashMap<&str, u64> = lost.iter().map(|agent| (&*agent.id, 0)).collect();
        if !lost.is_empty() {
            for task in self.cluster.tasks.iter() {
                if let Some(count) = tasks.get_mut(&*task.agent_id) {
                    *count = count.saturating_add(1);
                }
            }
        }
        for agent in &lost {
            let owner = Owner { agent: Some(agent.id.clone()), ..Owner::default() };
            let tasks = tasks.get(&*agent.id).copied().unwrap_or_default();
            self.add(Kind::AgentWithoutAddress, vec![owner], vec![agent.hostname.to_string()], tasks);
        }
    }

    /// Frameworks that have names: those with tasks that are answered, and those whose scheduler's host is known.
    fn look_at_frameworks(&mut self, services: &Services<'_>) {
        let mut tasks: HashMap<&str, u64> = HashMap::new();
        for service in services.iter() {
            let count = tasks.entry(service.framework_id()).or_default();
            *count = count.saturating_add(service.count());
        }
        let tasks_of = |framework: &Framework| tasks.get(&*framework.id).copied().unwrap_or_default();
        let mut by_labels: BTreeMap<String, Vec<(Owner, u64)>> = BTreeMap::new();
        let mut rewritten = Vec::new();
        for framework in self.cluster.frameworks.iter() {
            let count = tasks_of(framework);
            if count == 0 && framework.host.is_none() {
                continue;
            }
            let labels = fragment(&framework.name, self.policy.rules);
            // Of a name without a letter nothing stands anywhere, so nobody shares it.
            if labels.is_empty() {
                continue;
            }
            let owner = Owner { framework: Some(framework.id.clone()), ..Owner::default() };
            if labels != framework.name.to_ascii_lowercase() {
                rewritten.push((owner.clone(), vec![framework.name.to_string(), labels.clone()], count));
            }
            by_labels.entry(labels).or_default().push((owner, count));
        }
        for (owner, names, count) in rewritten {
            self.add(Kind::RewrittenName, vec![owner], names, count);
        }
        for (labels, mut sharers) in by_labels.into_iter().filter(|(_, sharers)| sharers.len() > 1) {
            sharers.sort();
            let count = sharers.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
            let owners = sharers.into_iter().map(|(owner, _)| owner).take(OWNERS_MAX).collect();
            let name = format!("{labels}.{}", self.policy.domain);
            self.add(Kind::FrameworkCollision, owners, vec![name], count);
        }
    }

    /// What each service shows by itself.
    fn look_at_services(&mut self, services: &Services<'_>) {
        let mut maker = Maker::new(self.cluster, self.policy);
        for service in services.iter() {
            let name = || vec![service.name().to_owned()];
            for (kind, tasks) in troubles(&service, &mut maker) {
                if tasks > 0 {
                    self.add(kind, vec![service.owner()], name(), tasks);
                }
            }
            // A discovery name stands as it is written, too.
            let label = label(service.name(), self.policy.rules);
            let is_written =
                service.first.discovery.is_some() || label == service.name().to_ascii_lowercase();
            if !is_written && !label.is_empty() && service.count() > 0 {
                let names = vec![service.name().to_owned(), label];
                self.add(Kind::RewrittenName, vec![service.owner()], names, service.count());
            }
        }
    }

    /// Which names the services really have.
    fn look_at_names(&mut self, services: &Services<'_>) {
        let mut maker = Maker::new(self.cluster, self.policy);
        let mut noted = Noted::new(self.cluster.tasks.seed());
        let mut withheld: BTreeMap<&str, (Owner, u64)> = BTreeMap::new();
        for (at, service) in services.iter().enumerate() {
            let Some(framework) = service.framework else { continue };
            let (mut records, mut reserved, mut unencodable) = (0u64, false, Vec::new());
            for (task, agent) in service.samples() {
                let left_out = maker.contribution(task, framework, agent, &mut |record| {
                    records = records.saturating_add(u64::from(!matches!(record.data, Data::Reverse(_))));
                    match record.owner.name() {
                        _ if !has_usual_data(&record) => {}
                        Some(name) => noted.note(name),
                        None => unencodable.push(record.owner.to_text()),
                    }
                });
                reserved |= left_out.special > 0;
            }
            noted.end(at);
            if !unencodable.is_empty() {
                unencodable.sort_unstable_by(|a: &String, b| (a.len(), a).cmp(&(b.len(), b)));
                unencodable.dedup();
                unencodable.truncate(NAMES_MAX);
                self.add(Kind::UnencodableName, vec![service.owner()], unencodable, service.count());
            }
            if reserved && records > 0 {
                let name = vec![service.name().to_owned()];
                self.add(Kind::ReservedName, vec![service.owner()], name, service.count());
            } else if reserved {
                let owner = Owner { framework: Some(framework.id.clone()), ..Owner::default() };
                let (_, count) = withheld.entry(&framework.id).or_insert((owner, 0));
                *count = count.saturating_add(service.count());
            }
        }
        let cluster = self.cluster;
        for framework in cluster.frameworks.iter() {
            let left_out = records::framework(framework, &cluster.hosts, self.policy, &mut |record| {
                record.owner.name().into_iter().for_each(|name| noted.note(name));
            });
            let owner = || Owner { framework: Some(framework.id.clone()), ..Owner::default() };
            if left_out.special > 0 {
                withheld.entry(&framework.id).or_insert_with(|| (owner(), 0));
            }
            if left_out.unencodable > 0 {
                self.add(Kind::UnencodableName, vec![owner()], vec![framework.name.to_string()], 0);
            }
        }
        noted.end(services.len());
        for (id, (owner, count)) in withheld {
            let name = self.cluster.frameworks.get(id).map(|framework| framework.name.to_string());
            self.add(Kind::ReservedName, vec![owner], name.into_iter().collect(), count);
        }
        let names = self.shared(&noted.suspects(), services);
        self.schedulers(&names, services);
        self.collisions(names, services);
    }

    /// The names that several may have, each with those services that do.
    fn shared(&self, suspects: &Suspects, services: &Services<'_>) -> HashMap<Name, Sharers> {
        let mut maker = Maker::new(self.cluster, self.policy);
        let mut names = HashMap::new();
        for at in &suspects.services {
            let Some(service) = services.get(*at) else { continue };
            let Some(framework) = service.framework else { continue };
            for (task, agent) in service.samples() {
                maker.contribution(task, framework, agent, &mut |record| {
                    let name =
                        record.owner.name().filter(|name| has_usual_data(&record) && suspects.has(name));
                    if let Some(name) = name {
                        share(&mut names, name, *at);
                    }
                });
            }
        }
        names
    }

    /// Schedulers at the name of a service: a framework's name may have several labels, `web.marathon`.
    fn schedulers(&mut self, names: &HashMap<Name, Sharers>, services: &Services<'_>) {
        let cluster = self.cluster;
        for framework in cluster.frameworks.iter() {
            let mut met = None;
            records::framework(framework, &cluster.hosts, self.policy, &mut |record| {
                if let Some(at) = record.owner.name().and_then(|name| names.get_key_value(name)) {
                    met = Some(at);
                }
            });
            let Some((name, sharers)) = met else { continue };
            let sharers = match sharers {
                Sharers::One(at) => std::slice::from_ref(at),
                Sharers::More(all) => all,
            };
            let sharers = || sharers.iter().filter_map(|at| services.get(*at));
            let tasks = sharers().fold(0u64, |sum, service| sum.saturating_add(service.count()));
            let scheduler = Owner { framework: Some(framework.id.clone()), ..Owner::default() };
            let owners =
                [scheduler].into_iter().chain(sharers().map(|service| service.owner())).take(OWNERS_MAX);
            self.add(Kind::TaskCollision, owners.collect(), vec![name.to_string()], tasks);
        }
    }

    /// Services that share names, each set of them once.
    fn collisions(&mut self, names: HashMap<Name, Sharers>, services: &Services<'_>) {
        let mut sets: BTreeMap<Vec<usize>, Vec<String>> = BTreeMap::new();
        for (name, sharers) in names {
            if let Sharers::More(sharers) = sharers {
                sets.entry(sharers).or_default().push(name.to_string());
            }
        }
        for (sharers, mut names) in sets {
            names.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
            names.truncate(NAMES_MAX);
            let sharers = || sharers.iter().filter_map(|at| services.get(*at));
            let tasks = sharers().fold(0u64, |sum, service| sum.saturating_add(service.count()));
            let owners = sharers().map(|service| service.owner()).take(OWNERS_MAX).collect();
            self.add(Kind::TaskCollision, owners, names, tasks);
        }
    }
}

/// How many tasks of a service are in which trouble.
fn troubles(service: &Service<'_>, maker: &mut Maker<'_>) -> [(Kind, u64); 6] {
    let (mut orphans, mut without_address, mut with_bad_ports) = (0_u64, 0_u64, 0_u64);
    let (mut with_impossible_addresses, mut with_unreachable_ports) = (0_u64, 0_u64);
    for (task, agent) in service.tasks() {
        let (Some(agent), Some(_)) = (agent, service.framework) else {
            orphans = orphans.saturating_add(1);
            continue;
        };
        let Faults { has_no_address, has_impossible_address, has_unreachable_port } =
            maker.faults(task, agent);
        for (count, is_so) in [
            (&mut without_address, has_no_address),
            (&mut with_bad_ports, has_bad_port(task)),
            (&mut with_impossible_addresses, has_impossible_address),
            (&mut with_unreachable_ports, has_unreachable_port),
        ] {
            *count = count.saturating_add(u64::from(is_so));
        }
    }
    [
        (Kind::OrphanedTask, orphans),
        (Kind::TaskWithoutAddress, without_address),
        (Kind::ImpossiblePort, with_bad_ports),
        (Kind::ImpossibleAddress, with_impossible_addresses),
        (Kind::UnreachablePort, with_unreachable_ports),
        (Kind::HiddenTask, service.hidden()),
    ]
}

/// Whether a name may be noted for a record: others may stand there on purpose, whoever else does.
fn has_usual_data(record: &Record) -> bool {
    matches!(record.data, Data::A(_) | Data::Aaaa(_) | Data::Srv { .. })
}

/// Whether a port of the task has no records because of its number, or because there are too many.
fn has_bad_port(task: &Task) -> bool {
    let mut listed = task.discovery.iter().flat_map(|discovery| discovery.ports.iter());
    let is_bad = |number: i64| !(1..=65_535).contains(&number);
    let count = task.ports.iter().fold(0u64, |sum, range| {
        let more = u64::from(range.last).saturating_sub(u64::from(range.first)).saturating_add(1);
        sum.saturating_add(if range.first > range.last { 0 } else { more })
    });
    listed.any(|port| is_bad(port.number))
        || count > TASK_PORTS_MAX as u64
        || task.ports.iter().any(|range| range.first == 0 || range.last > 65_535)
}

/// Notes that a service has a name.
fn share(names: &mut HashMap<Name, Sharers>, name: &Name, at: usize) {
    let Some(sharers) = names.get_mut(name) else {
        names.insert(name.clone(), Sharers::One(at));
        return;
    };
    match sharers {
        Sharers::One(other) if *other == at => {}
        Sharers::One(other) => *sharers = Sharers::More(vec![*other, at]),
        // Services come one after the other.
        Sharers::More(all) if all.last() == Some(&at) => {}
        Sharers::More(all) => all.push(at),
    }
}
