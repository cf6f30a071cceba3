//! The smaller documents: `/slaves`, `/frameworks`, `/tasks`, `/state-summary`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use serde_json::{Map, Value, json};

use super::{Each, View, agent, framework, framework::Framework, recovered, style, task};
use crate::cluster::{State, Task};

/// Which part of `/tasks` is wanted.
#[derive(Clone, Debug)]
pub struct Page {
    /// At most so many.
    pub limit: usize,
    /// So many are left out first.
    pub offset: usize,
    /// In which order of their first report.
    pub order: Order,
    /// Only of the framework with this id.
    pub framework_id: Option<String>,
    /// Only with this id.
    pub task_id: Option<String>,
}

/// Orders of `/tasks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first, as Mesos does unless told `asc`.
    Descending,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 100, offset: 0, order: Order::Descending, framework_id: None, task_id: None }
    }
}

/// Writes `/slaves`, all or the one with this id.
pub fn slaves(view: View<'_>, id: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let wanted = |at: usize| view.knows(at) && id.is_none_or(|id| view.cluster.agents[at].id == id);
    let slaves =
        Each(|| view.agents(wanted).map(|at| agent::registered(&view.cluster.agents[at], view.profile)));
    style::write(
        &BTreeMap::from([
            ("slaves", Either::Left(slaves)),
            ("recovered_slaves", Either::Right(recovered(view))),
        ]),
        view.profile,
        out,
    )
}

/// Writes `/frameworks`, all or the one with this id.
pub fn frameworks(view: View<'_>, id: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let wanted = |at: &usize| id.is_none_or(|id| view.cluster.frameworks[*at].id == id);
    let shown = Each(|| view.frameworks().filter(wanted).map(|at| Framework { view, framework: at }));
    let ended =
        Each(|| view.completed_frameworks().filter(wanted).map(|at| Framework { view, framework: at }));
    let members = [
        ("frameworks", Either::Left(Either::Left(shown))),
        ("completed_frameworks", Either::Left(Either::Right(ended))),
        ("unregistered_frameworks", Either::Right([(); 0])),
    ];
    style::write(&BTreeMap::from(members), view.profile, out)
}

/// Writes `/tasks`: one list over all frameworks, living and ended tasks mixed.
pub fn tasks(view: View<'_>, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let mut all: Vec<&Task> = (0..view.cluster.frameworks.len())
        .filter(|at| page.framework_id.as_ref().is_none_or(|id| *id == view.cluster.frameworks[*at].id))
        .flat_map(|at| view.tasks(at).chain(view.unreachable(at)).chain(view.completed(at)))
        .filter(|task| page.task_id.as_ref().is_none_or(|id| *id == task.id))
        .collect();
    all.sort_by_key(|task| (task.statuses.first().map(|first| first.at), task.launch));
    if page.order == Order::Descending {
        all.reverse();
    }
    let shown = all.into_iter().skip(page.offset).take(page.limit);
    let shown = Each(|| shown.clone().map(|one| task::task(view, one)));
    style::write(&BTreeMap::from([("tasks", shown)]), view.profile, out)
}

/// Writes `/state-summary`: agents and frameworks without tasks, with counts per state.
pub fn summary(view: View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut agents: BTreeMap<usize, Tally> = BTreeMap::new();
    let mut frameworks: BTreeMap<usize, Tally> = BTreeMap::new();
    for at in view.frameworks() {
        for task in view.tasks(at).chain(view.unreachable(at)).chain(view.completed(at)) {
            agents.entry(task.agent).or_default().add(task, &view.cluster.frameworks[at].id);
            frameworks.entry(at).or_default().add(task, &view.cluster.agents[task.agent].id);
        }
    }
    let slaves: Vec<Value> = view
        .agents(|at| view.knows(at))
        .map(|at| {
            let agent = json!(agent::registered(&view.cluster.agents[at], view.profile));
            agents.remove(&at).unwrap_or_default().onto(agent, "framework_ids")
        })
        .collect();
    let frameworks: Vec<Value> = view
        .frameworks()
        .map(|at| {
            let framework = &view.cluster.frameworks[at];
            let mut shown = json!({
                "id": framework.id, "name": framework.name, "hostname": framework::hostname(view, at),
                "capabilities": framework::CAPABILITIES,
                "active": view.connected(at), "connected": view.connected(at),
                "recovered": !view.memory.knows_scheduler(at),
            });
            if let Some(pid) = framework::pid(view, at) {
                shown["pid"] = pid.into();
            }
            frameworks.remove(&at).unwrap_or_default().onto(shown, "slave_ids")
        })
        .collect();
    let document = json!({
        "hostname": view.master.address.ip(), "cluster": "simulated", "slaves": slaves, "frameworks": frameworks,
    });
    style::write(&document, view.profile, out)
}

/// Tasks per state, and the ids of who runs or owns them.
#[derive(Default)]
struct Tally {
    states: BTreeMap<&'static str, u64>,
    ids: BTreeSet<String>,
}

impl Tally {
    fn add(&mut self, task: &Task, other_id: &str) {
        *self.states.entry(task.state.name()).or_default() += 1;
        self.ids.insert(other_id.to_owned());
    }

    /// The counts and ids, added to an object.
    fn onto(self, object: Value, ids: &str) -> Value {
        let mut members = match object {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        for state in State::ALL {
            let count = self.states.get(state.name()).copied().unwrap_or_default();
            members.insert(state.name().to_owned(), count.into());
        }
        members.insert(ids.to_owned(), json!(self.ids));
        Value::Object(members)
    }
}

/// Two kinds of values in one map.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Either<L, R> {
    Left(L),
    Right(R),
}
