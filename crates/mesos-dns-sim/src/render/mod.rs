//! The cluster as a master of Mesos 1.11 shows it: the documents of its HTTP endpoints.
//!
//! All are written straight into a [`Write`], value by value: a document of hundreds of megabytes is never
//! held. Members stand in the order in which Mesos writes them, numbers that Mesos keeps as doubles have
//! their fraction, what has no value is missing and never `null`.

mod agent;
mod framework;
mod summary;
mod task;

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use crate::cluster::{Cluster, Task};
pub use summary::{Order, Page, frameworks, slaves, summary, tasks};

/// The Mesos version all masters here claim.
pub const VERSION: &str = "1.11.0";

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

/// What a leader has learnt of the cluster since it was elected (`mesos-api.md` section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// It has not read the registry yet: everything is empty, and it answers all the same.
    Nothing,
    /// So many agents are back, in the order of their indexes; the others are recovered from the
    /// registry. Schedulers are not back, whatever this number.
    Agents(usize),
    /// All agents and schedulers.
    Everything,
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
    /// What the answering master knows.
    pub knowledge: Knowledge,
}

impl<'a> View<'a> {
    /// What a lone master shows that has led since the cluster began and knows all of it.
    pub fn settled(cluster: &'a Cluster, master: &'a Face) -> Self {
        let (leader, elected) = (Some(master), Some(cluster.born));
        Self { cluster, master, leader, elected, knowledge: Knowledge::Everything }
    }
}

impl Face {
    /// `master@10.0.0.1:5050`.
    pub fn pid(&self) -> String {
        format!("master@{}", self.address)
    }

    /// What the master registers in ZooKeeper: MasterInfo as JSON.
    pub fn info(&self) -> String {
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
            "version": VERSION,
        })
        .to_string()
    }
}

impl<'a> View<'a> {
    /// Whether this agent is registered with the answering master.
    fn knows(self, agent: usize) -> bool {
        self.cluster.agents[agent].reachable
            && match self.knowledge {
                Knowledge::Nothing => false,
                Knowledge::Agents(known) => agent < known,
                Knowledge::Everything => true,
            }
    }

    /// Whether this agent is known from the registry only.
    fn recovered(self, agent: usize) -> bool {
        self.cluster.agents[agent].reachable
            && matches!(self.knowledge, Knowledge::Agents(known) if agent >= known)
    }

    fn agents(self, wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = usize> {
        (0..self.cluster.agents.len()).filter(move |agent| wanted(*agent))
    }

    /// Frameworks that the master has heard of: from themselves, or from an agent that runs a task of theirs.
    fn frameworks(self) -> impl Iterator<Item = usize> {
        (0..self.cluster.frameworks.len()).filter(move |framework| match self.knowledge {
            Knowledge::Everything => true,
            _ => self.tasks(*framework).next().is_some(),
        })
    }

    /// Tasks of a framework on agents the master knows.
    fn tasks(self, framework: usize) -> impl Iterator<Item = &'a Task> {
        self.of(framework).filter(move |task| self.knows(task.agent))
    }

    /// Tasks of a framework on agents that are cut off.
    fn unreachable(self, framework: usize) -> impl Iterator<Item = &'a Task> {
        let remembered = self.knowledge == Knowledge::Everything;
        self.of(framework).filter(move |task| remembered && !self.cluster.agents[task.agent].reachable)
    }

    /// Tasks of a framework that ended; a new leader has not heard of them.
    fn completed(self, framework: usize) -> impl Iterator<Item = &'a Task> {
        let remembered = self.knowledge == Knowledge::Everything;
        let all = self.cluster.completed.iter().map(|task| &**task);
        all.filter(move |task| remembered && self.cluster.service(task).framework == framework)
    }

    fn of(self, framework: usize) -> impl Iterator<Item = &'a Task> {
        let all = self.cluster.tasks.values().map(|task| &**task);
        all.filter(move |task| self.cluster.service(task).framework == framework)
    }
}

/// Writes `/state`.
pub fn state(view: View<'_>, out: &mut dyn Write) -> io::Result<()> {
    write(&State(view), out)
}

/// Writes `/version`.
pub fn version(out: &mut dyn Write) -> io::Result<()> {
    let build = json!({"build_date": "2020-11-17 18:21:40", "build_time": 1_605_637_300.0, "build_user": "", "version": VERSION});
    write(&build, out)
}

/// Writes `/flags`.
pub fn flags(out: &mut dyn Write) -> io::Result<()> {
    write(&json!({"flags": flag_values()}), out)
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

fn write(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(out, value).map_err(Into::into)
}

/// The document of `/state`.
struct State<'a>(View<'a>);

impl Serialize for State<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        let load = agent::loads(view.cluster);
        let count = |wanted: &dyn Fn(usize) -> bool| view.agents(wanted).count() as f64;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", VERSION)?;
        map.serialize_entry("build_date", "2020-11-17 18:21:40")?;
        map.serialize_entry("build_time", &1_605_637_300.0)?;
        map.serialize_entry("build_user", "")?;
        map.serialize_entry("start_time", &view.master.started.as_secs_f64())?;
        if let Some(elected) = view.elected {
            map.serialize_entry("elected_time", &elected.as_secs_f64())?;
        }
        map.serialize_entry("id", &view.master.id)?;
        map.serialize_entry("pid", &view.master.pid())?;
        map.serialize_entry("hostname", &view.master.address.ip())?;
        map.serialize_entry("capabilities", &["AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"])?;
        map.serialize_entry("activated_slaves", &count(&|agent| view.knows(agent)))?;
        map.serialize_entry("deactivated_slaves", &0.0)?;
        map.serialize_entry("unreachable_slaves", &count(&|agent| !view.cluster.agents[agent].reachable))?;
        if let Some(leader) = view.leader {
            map.serialize_entry("leader", &leader.pid())?;
            map.serialize_entry(
                "leader_info",
                &json!({"id": leader.id, "pid": leader.pid(), "port": leader.address.port(), "hostname": leader.address.ip()}),
            )?;
        }
        map.serialize_entry("cluster", "simulated")?;
        map.serialize_entry("flags", &flag_values())?;
        map.serialize_entry(
            "slaves",
            &Each(|| {
                view.agents(|agent| view.knows(agent)).map(|at| agent::registered(view.cluster, at, &load))
            }),
        )?;
        map.serialize_entry("recovered_slaves", &recovered(view))?;
        map.serialize_entry(
            "frameworks",
            &Each(|| view.frameworks().map(|at| framework::Framework { view, framework: at })),
        )?;
        map.serialize_entry("completed_frameworks", &[(); 0])?;
        map.serialize_entry("orphan_tasks", &[(); 0])?;
        map.serialize_entry("unregistered_frameworks", &[(); 0])?;
        map.end()
    }
}

fn recovered<'a>(view: View<'a>) -> impl Serialize + 'a {
    let known = &view.cluster.agents;
    Each(move || view.agents(move |at| view.recovered(at)).map(move |at| agent::recovered(&known[at])))
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
    let text: Vec<String> = joined.iter().map(|(first, last)| format!("{first}-{last}")).collect();
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
