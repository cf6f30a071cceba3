//! The cluster as a master shows it: the documents of its HTTP endpoints, and in [`v1`] those of the operator API.
//!
//! All are written straight into a [`Write`], value by value: a document of hundreds of megabytes is never
//! held. Members stand in the order in which Mesos writes them, numbers that Mesos keeps as doubles have
//! their fraction, what has no value is missing and never `null`.

mod agent;
mod framework;
mod state;
mod style;
mod summary;
mod task;
pub mod v1;

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

pub use crate::memory::Knowledge;
use crate::{
    cluster::{Cluster, Standing, State, Task},
    memory::{self, Memory},
    profile::Profile,
};
pub use summary::{Order, Page, frameworks, slaves, summary, tasks};

/// One master, as others see it.
#[derive(Clone, Debug)]
pub struct Face {
    /// Its id, new at each start of a master.
    pub id: String,
    /// Where it listens; its host name is the address too.
    pub address: SocketAddr,
    /// When it was started.
    pub started: Duration,
}

/// Which cluster is shown, by whom.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The truth.
    pub cluster: &'a Cluster,
    /// The master that answers.
    pub master: &'a Face,
    /// The master that leads, if one does.
    pub leader: Option<&'a Face>,
    /// When the answering master was elected, if it was.
    pub elected: Option<Duration>,
    /// What the answering master has learnt.
    pub memory: &'a Memory,
    /// Which Mesos it is.
    pub profile: Profile,
}

impl<'a> View<'a> {
    /// What a lone master shows that has led since the cluster began and knows all of it.
    pub fn settled(cluster: &'a Cluster, master: &'a Face) -> Self {
        let (leader, elected) = (Some(master), Some(cluster.born));
        Self { cluster, master, leader, elected, memory: &memory::COMPLETE, profile: Profile::default() }
    }
}

impl Face {
    /// `master@10.0.0.1:5050`.
    pub fn pid(&self) -> String {
        format!("master@{}", self.address)
    }

    /// What the master registers in ZooKeeper: MasterInfo as JSON.
    pub fn info(&self) -> String {
        self.master_info(Profile::default()).to_string()
    }

    fn master_info(&self, profile: Profile) -> Value {
        let SocketAddr::V4(address) = self.address else { unreachable!("masters listen on 127.0.0.1") };
        let octets = address.ip().octets();
        json!({
            "address": {"hostname": address.ip().to_string(), "ip": address.ip().to_string(), "port": address.port()},
            "capabilities": [{"type": "AGENT_UPDATE"}, {"type": "AGENT_DRAINING"}, {"type": "QUOTA_V2"}],
            "hostname": address.ip().to_string(),
            "id": self.id,
            // The address in network order, read as a little-endian number.
            "ip": u32::from_le_bytes(octets),
            "pid": self.pid(),
            "port": address.port(),
            "version": profile.version(),
        })
    }
}

impl<'a> View<'a> {
    /// Whether this agent is registered with the answering master.
    fn knows(self, agent: usize) -> bool {
        self.cluster.agents[agent].is_registered() && self.memory.knows_agent(agent)
    }

    /// Whether this agent is known from the registry only.
    fn recovered(self, agent: usize) -> bool {
        self.cluster.agents[agent].is_registered() && self.memory.awaits_agent(agent)
    }

    fn agents(self, wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = usize> {
        (0..self.cluster.agents.len()).filter(move |agent| wanted(*agent))
    }

    fn unreachable_agents(self) -> usize {
        let unread = !self.memory.is_recovered();
        let lost = |at: usize| self.cluster.agents[at].standing == Standing::Unreachable;
        if unread { 0 } else { self.agents(lost).count() }
    }

    /// Frameworks that the master has heard of, from themselves or from an agent, and that were not torn down.
    fn frameworks(self) -> impl Iterator<Item = usize> {
        let all = 0..self.cluster.frameworks.len();
        all.filter(move |at| self.memory.knows_framework(*at) && !self.cluster.frameworks[*at].torn_down)
    }

    /// Frameworks that the master knows to have been torn down.
    fn completed_frameworks(self) -> impl Iterator<Item = usize> {
        let all = 0..self.cluster.frameworks.len();
        all.filter(move |at| self.memory.knows_framework(*at) && self.cluster.frameworks[*at].torn_down)
    }

    /// Whether a framework's scheduler is connected to the master.
    fn connected(self, framework: usize) -> bool {
        self.cluster.frameworks[framework].connected && self.memory.knows_scheduler(framework)
    }

    /// All tasks on agents the master knows.
    fn all_tasks(self) -> impl Iterator<Item = &'a Task> {
        let all = self.cluster.tasks.values().map(|task| &**task);
        all.filter(move |task| self.knows(task.agent))
    }

    /// Tasks on agents that were cut off under the eyes of the master.
    fn all_unreachable(self) -> impl Iterator<Item = &'a Task> {
        let all = self.cluster.tasks.values().map(|task| &**task);
        all.filter(move |task| self.memory.knows_agent(task.agent) && task.state == State::Unreachable)
    }

    /// Tasks that ended under the eyes of the master.
    fn all_completed(self) -> impl Iterator<Item = &'a Task> {
        let all = self.cluster.completed.iter().map(|task| &**task);
        all.filter(move |task| self.memory.saw_end(task))
    }

    /// Tasks of a framework on agents the master knows.
    fn tasks(self, framework: usize) -> impl Iterator<Item = &'a Task> {
        self.all_tasks().filter(move |task| self.is_of(task, framework))
    }

    fn unreachable(self, framework: usize) -> impl Iterator<Item = &'a Task> {
        self.all_unreachable().filter(move |task| self.is_of(task, framework))
    }

    fn completed(self, framework: usize) -> impl Iterator<Item = &'a Task> {
        self.all_completed().filter(move |task| self.is_of(task, framework))
    }

    fn is_of(self, task: &Task, framework: usize) -> bool {
        self.cluster.service(task).framework == framework
    }
}

/// Writes `/state`.
pub fn state(view: View<'_>, out: &mut dyn Write) -> io::Result<()> {
    style::write(&state::Document(view), view.profile, out)
}

/// Writes `/version`.
pub fn version(profile: Profile, out: &mut dyn Write) -> io::Result<()> {
    style::write(&build(profile), profile, out)
}

/// Writes `/flags`.
pub fn flags(profile: Profile, out: &mut dyn Write) -> io::Result<()> {
    style::write(&json!({"flags": flag_values()}), profile, out)
}

fn build(profile: Profile) -> Value {
    json!({
        "build_date": "2020-11-17 18:21:40", "build_time": 1_605_637_300.0, "build_user": "",
        "version": profile.version(),
    })
}

fn flag_values() -> serde_json::Value {
    json!({
        "agent_ping_timeout": "15secs",
        "agent_reregister_timeout": "10mins",
        "cluster": "simulated",
        "max_agent_ping_timeouts": "5",
        "quorum": "1",
        "zk_session_timeout": "10secs",
    })
}

fn recovered<'a>(view: View<'a>) -> impl Serialize + 'a {
    let known = &view.cluster.agents;
    Each(move || {
        view.agents(move |at| view.recovered(at)).map(move |at| agent::recovered(&known[at], view.profile))
    })
}

/// A list that is made while it is written.
struct Each<F>(F);

impl<F, I> Serialize for Each<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Ports as Mesos writes ranges: sorted and joined.
fn ranges(ports: impl IntoIterator<Item = u16>) -> String {
    let mut ports: Vec<u16> = ports.into_iter().collect();
    ports.sort_unstable();
    let mut joined: Vec<(u16, u16)> = Vec::new();
    for port in ports {
        match joined.last_mut() {
            Some((_, last)) if *last + 1 == port => *last = port,
            _ => joined.push((port, port)),
        }
    }
    list(joined)
}

/// Ports as old masters write ranges: one by one, as the framework gave them.
fn singles(ports: impl IntoIterator<Item = u16>) -> String {
    list(ports.into_iter().map(|port| (port, port)))
}

fn list(ranges: impl IntoIterator<Item = (u16, u16)>) -> String {
    let text: Vec<String> = ranges.into_iter().map(|(first, last)| format!("{first}-{last}")).collect();
    format!("[{}]", text.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_sorted_and_joined() {
        for (ports, text) in [
            (&[][..], "[]"),
            (&[31_000], "[31000-31000]"),
            (&[31_005, 31_001, 31_000, 31_003], "[31000-31001, 31003-31003, 31005-31005]"),
        ] {
            assert_eq!(ranges(ports.iter().copied()), text);
        }
    }

    #[test]
    fn the_registered_address_reads_as_mesos_writes_it() {
        let face =
            Face { id: "x".into(), address: "127.0.0.2:5050".parse().unwrap(), started: Duration::ZERO };
        assert!(face.info().contains(r#""ip":33554559"#), "{}", face.info());
    }
}
