//! One walk over the cluster.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use super::{Kind, NAMES_MAX, OWNERS_MAX, Owner, Problem};
use crate::{
    cluster::{Agent, Cluster, Framework, PortKind, Task, Visibility},
    records::{self, Data, Faults, Maker, Policy, TASK_PORTS_MAX, agent_addresses, fragment, label},
    wire::Name,
};

/// Tasks of one service whose names are looked at, of those that publish different ones.
const SAMPLES_MAX: usize = 16;

/// What is known so far.
pub(super) struct Survey<'a> {
    cluster: &'a Cluster,
    policy: &'a Policy,
    services: Vec<Service<'a>>,
    found: BTreeMap<Kind, Vec<Problem>>,
}

/// What a framework calls by one name.
struct Service<'a> {
    /// Id of the framework, which may not be known.
    framework_id: &'a Arc<str>,
    framework: Option<&'a Framework>,
    name: &'a str,
    /// The one with the lowest id.
    first: &'a Task,
    tasks: u64,
    orphans: u64,
    without_address: u64,
    with_bad_ports: u64,
    with_impossible_addresses: u64,
    with_unreachable_ports: u64,
    /// Those that are not shown, or not all of them.
    hidden: u64,
    /// Answered tasks with their agents, each of which may publish other names.
    samples: Vec<(&'a Task, &'a Agent)>,
}

/// Services with one name: nearly always there is one.
enum Sharers {
    One(usize),
    More(Vec<usize>),
}

impl<'a> Survey<'a> {
    pub(super) fn new(cluster: &'a Cluster, policy: &'a Policy) -> Self {
        Self { cluster, policy, services: Vec::new(), found: BTreeMap::new() }
    }

    pub(super) fn problems(mut self) -> BTreeMap<Kind, Vec<Problem>> {
        self.services = self.collect();
        self.look_at_agents();
        self.look_at_frameworks();
        self.look_at_services();
        self.look_at_names();
        self.found
    }

    fn add(&mut self, kind: Kind, owners: Vec<Owner>, names: Vec<String>, tasks: u64) {
        self.found.entry(kind).or_default().push(Problem { kind, owners, names, tasks });
    }

    /// All services with tasks that are answered or hidden, in the order of their frameworks' ids and their names.
    fn collect(&self) -> Vec<Service<'a>> {
        let mut services: HashMap<(&str, &str), Service<'a>> = HashMap::new();
        let mut maker = Maker::new(self.cluster, self.policy);
        let is_looked_at =
            |task: &Task| records::is_answered(task, self.policy) || records::is_hidden(task, self.policy);
        for task in self.cluster.tasks.iter().filter(|task| is_looked_at(task)) {
            let service = match services.entry((&*task.framework_id, &**task.service_name())) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let framework = self.cluster.frameworks.get(&*task.framework_id);
                    entry.insert(Service::new(task, framework.map(|framework| &**framework)))
                }
            };
            let agent = self.cluster.agents.get(&*task.agent_id);
            service.count(task, agent.map(|agent| &**agent), self.policy, &mut maker);
        }
        let mut services: Vec<_> = services.into_values().collect();
        services.sort_unstable_by_key(|service| (&**service.framework_id, service.name));
        services
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
    fn look_at_frameworks(&mut self) {
        let mut tasks: HashMap<&str, u64> = HashMap::new();
        for service in &self.services {
            let count = tasks.entry(&**service.framework_id).or_default();
            *count = count.saturating_add(service.tasks);
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
    fn look_at_services(&mut self) {
        for service in std::mem::take(&mut self.services) {
            let name = || vec![service.name.to_owned()];
            for (kind, tasks) in [
                (Kind::OrphanedTask, service.orphans),
                (Kind::TaskWithoutAddress, service.without_address),
                (Kind::ImpossiblePort, service.with_bad_ports),
                (Kind::ImpossibleAddress, service.with_impossible_addresses),
                (Kind::UnreachablePort, service.with_unreachable_ports),
                (Kind::HiddenTask, service.hidden),
            ] {
                if tasks > 0 {
                    self.add(kind, vec![service.owner()], name(), tasks);
                }
            }
            // A discovery name stands as it is written, too.
            let label = label(service.name, self.policy.rules);
            let is_written = service.first.discovery.is_some() || label == service.name.to_ascii_lowercase();
            if !is_written && !label.is_empty() && service.tasks > 0 {
                let names = vec![service.name.to_owned(), label];
                self.add(Kind::RewrittenName, vec![service.owner()], names, service.tasks);
            }
            self.services.push(service);
        }
    }

    /// Which names the services really have.
    fn look_at_names(&mut self) {
        let services = std::mem::take(&mut self.services);
        let mut maker = Maker::new(self.cluster, self.policy);
        let mut names: HashMap<Name, Sharers> = HashMap::new();
        let mut withheld: BTreeMap<&str, (Owner, u64)> = BTreeMap::new();
        for (at, service) in services.iter().enumerate() {
            let Some(framework) = service.framework else { continue };
            let (mut records, mut reserved, mut unencodable) = (0u64, false, Vec::new());
            for (task, agent) in &service.samples {
                let left_out = maker.contribution(task, framework, agent, &mut |record| {
                    records = records.saturating_add(u64::from(!matches!(record.data, Data::Reverse(_))));
                    // Other types may stand at a name on purpose, whoever else does.
                    if !matches!(record.data, Data::A(_) | Data::Aaaa(_) | Data::Srv { .. }) {
                        return;
                    }
                    match record.owner.name() {
                        Some(name) => share(&mut names, name, at),
                        None => unencodable.push(record.owner.to_text()),
                    }
                });
                reserved |= left_out.special > 0;
            }
            if !unencodable.is_empty() {
                unencodable.sort_unstable_by(|a: &String, b| (a.len(), a).cmp(&(b.len(), b)));
                unencodable.dedup();
                unencodable.truncate(NAMES_MAX);
                self.add(Kind::UnencodableName, vec![service.owner()], unencodable, service.tasks);
            }
            if reserved && records > 0 {
                let name = vec![service.name.to_owned()];
                self.add(Kind::ReservedName, vec![service.owner()], name, service.tasks);
            } else if reserved {
                let owner = Owner { framework: Some(framework.id.clone()), ..Owner::default() };
                let (_, count) = withheld.entry(&framework.id).or_insert((owner, 0));
                *count = count.saturating_add(service.tasks);
            }
        }
        for (id, (owner, count)) in withheld {
            let name = self.cluster.frameworks.get(id).map(|framework| framework.name.to_string());
            self.add(Kind::ReservedName, vec![owner], name.into_iter().collect(), count);
        }
        self.schedulers(&names, &services);
        self.collisions(names, &services);
    }

    /// Schedulers at the name of a service: a framework's name may have several labels, `web.marathon`.
    fn schedulers(&mut self, names: &HashMap<Name, Sharers>, services: &[Service<'_>]) {
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
            let tasks = sharers().fold(0u64, |sum, service| sum.saturating_add(service.tasks));
            let scheduler = Owner { framework: Some(framework.id.clone()), ..Owner::default() };
            let owners = [scheduler].into_iter().chain(sharers().map(Service::owner)).take(OWNERS_MAX);
            self.add(Kind::TaskCollision, owners.collect(), vec![name.to_string()], tasks);
        }
    }

    /// Services that share names, each set of them once.
    fn collisions(&mut self, names: HashMap<Name, Sharers>, services: &[Service<'_>]) {
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
            let tasks = sharers().fold(0u64, |sum, service| sum.saturating_add(service.tasks));
            let owners = sharers().map(Service::owner).take(OWNERS_MAX).collect();
            self.add(Kind::TaskCollision, owners, names, tasks);
        }
    }
}

impl<'a> Service<'a> {
    fn new(task: &'a Task, framework: Option<&'a Framework>) -> Self {
        Self {
            framework_id: &task.framework_id,
            framework,
            name: task.service_name(),
            first: task,
            tasks: 0,
            orphans: 0,
            without_address: 0,
            with_bad_ports: 0,
            with_impossible_addresses: 0,
            with_unreachable_ports: 0,
            hidden: 0,
            samples: Vec::new(),
        }
    }

    fn count(&mut self, task: &'a Task, agent: Option<&'a Agent>, policy: &Policy, maker: &mut Maker<'_>) {
        if task.id < self.first.id {
            self.first = task;
        }
        self.hidden = self.hidden.saturating_add(u64::from(records::hides(task, policy)));
        if records::is_hidden(task, policy) {
            return;
        }
        self.tasks = self.tasks.saturating_add(1);
        let (Some(agent), Some(_)) = (agent, self.framework) else {
            self.orphans = self.orphans.saturating_add(1);
            return;
        };
        let Faults { has_no_address, has_impossible_address, has_unreachable_port } =
            maker.faults(task, agent);
        for (count, is_so) in [
            (&mut self.without_address, has_no_address),
            (&mut self.with_bad_ports, has_bad_port(task)),
            (&mut self.with_impossible_addresses, has_impossible_address),
            (&mut self.with_unreachable_ports, has_unreachable_port),
        ] {
            *count = count.saturating_add(u64::from(is_so));
        }
        let is_known = self.samples.iter().any(|(sample, _)| are_alike(sample, task));
        if !is_known && self.samples.len() < SAMPLES_MAX {
            self.samples.push((task, agent));
        }
    }

    fn owner(&self) -> Owner {
        let framework = Some(self.framework_id.clone());
        Owner { framework, task: Some(self.first.id.clone()), ..Owner::default() }
    }
}

/// Whether two tasks of one service publish names of the same kinds.
fn are_alike(one: &Task, other: &Task) -> bool {
    fn kinds(task: &Task) -> impl Iterator<Item = &PortKind> {
        task.discovery.iter().flat_map(|discovery| discovery.ports.iter()).map(|port| &*port.kind)
    }
    fn networks(task: &Task) -> impl Iterator<Item = Option<&str>> {
        task.addresses.iter().map(|address| address.network.as_deref())
    }
    fn aliases(task: &Task) -> Option<&[Arc<str>]> {
        task.labels.as_ref().map(|labels| &*labels.aliases)
    }
    fn visibility(task: &Task) -> Option<Visibility> {
        task.discovery.as_ref().map(|discovery| discovery.visibility)
    }
    // By its state, its health, and by who is to see it, a task has all of its names, or few, or none.
    (one.state, one.healthy, one.is_checked) == (other.state, other.healthy, other.is_checked)
        && visibility(one) == visibility(other)
        && one.ports.is_empty() == other.ports.is_empty()
        && aliases(one) == aliases(other)
        && kinds(one).eq(kinds(other))
        && networks(one).eq(networks(other))
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
