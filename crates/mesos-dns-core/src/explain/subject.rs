//! Whose records they are: one walk over all that contributes to a zone.

use std::{cell::RefCell, sync::Arc};

use super::{
    Known,
    listen::{Found, Gathering, Wanted},
    told::{Contributor, Named},
};
use crate::{
    cluster::{Agent, Framework, Task},
    records::{self, Data, Maker, Record},
};

/// Something that contributes records.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A task.
    Task {
        task: &'a Task,
        framework: &'a Framework,
        agent: &'a Agent,
        /// Whether its agent is not known: then there are no records, whatever there would be.
        is_orphan: bool,
    },
    /// A framework.
    Framework(&'a Framework),
    /// An agent.
    Agent(&'a Agent),
    /// The masters.
    Masters,
    /// This server.
    Server,
}

impl Subject<'_> {
    /// Who it is.
    pub(super) fn contributor(self) -> Contributor {
        let named = |id: &str, name: &str| Some(Named { id: id.to_owned(), name: name.to_owned() });
        let agent_named = |agent: &Agent| named(&agent.id, &agent.hostname);
        let mut contributor = Contributor::default();
        contributor.kind = match self {
            Self::Task { task, framework, agent, .. } => {
                contributor.task = named(&task.id, &task.name);
                contributor.framework = named(&framework.id, &framework.name);
                contributor.agent = agent_named(agent);
                "task"
            }
            Self::Framework(framework) => {
                contributor.framework = named(&framework.id, &framework.name);
                "framework"
            }
            Self::Agent(agent) => {
                contributor.agent = agent_named(agent);
                "agent"
            }
            Self::Masters => "masters",
            Self::Server => "server",
        }
        .to_owned();
        contributor
    }
}

/// Stands in for agents that are not known: of them only the id is.
pub(super) struct Strangers(Vec<Agent>);

impl Strangers {
    pub(super) fn of(known: &Known<'_>) -> Self {
        let ids = known.cluster.tasks.iter().map(|task| &task.agent_id);
        let mut unknown: Vec<Arc<str>> =
            ids.filter(|id| known.cluster.agents.get(&***id).is_none()).cloned().collect();
        unknown.sort_unstable();
        unknown.dedup();
        let stranger = |id| Agent { id, hostname: "".into(), address: None, place: None };
        Self(unknown.into_iter().map(stranger).collect())
    }

    fn find(&self, id: &str) -> Option<&Agent> {
        let at = self.0.binary_search_by(|agent| (*agent.id).cmp(id)).ok()?;
        self.0.get(at)
    }
}

/// All records that are wanted, and all that would be there but for a rule; and how many more there are.
pub(super) fn gather<'a>(
    known: &Known<'a>,
    strangers: &'a Strangers,
    wanted: Wanted<'a>,
) -> (Vec<Found<'a>>, usize) {
    let gathering = RefCell::new(Gathering::new(wanted));
    let trace = &gathering;
    let take = |record: Record| gathering.borrow_mut().take(record);
    let Known { cluster, policy, .. } = *known;
    let mut maker = Maker::telling(cluster, policy, trace);
    for task in cluster.tasks.iter() {
        let Some(framework) = cluster.frameworks.get(&*task.framework_id) else { continue };
        let agent = cluster.agents.get(&*task.agent_id).map(|agent| &**agent);
        let Some(found) = agent.or_else(|| strangers.find(&task.agent_id)) else { continue };
        let is_orphan = agent.is_none();
        gathering.borrow_mut().turn_to(Subject::Task { task, framework, agent: found, is_orphan });
        maker.contribution(task, framework, found, &mut |record| take(record));
    }
    for framework in cluster.frameworks.iter() {
        gathering.borrow_mut().turn_to(Subject::Framework(framework));
        records::framework_telling(framework, &cluster.hosts, policy, trace, &mut |record| take(record));
    }
    for agent in cluster.agents.iter() {
        gathering.borrow_mut().turn_to(Subject::Agent(agent));
        records::agent_telling(agent, &cluster.hosts, policy, trace, &mut |record| take(record));
    }
    gathering.borrow_mut().turn_to(Subject::Masters);
    records::masters(&cluster.masters, &cluster.hosts, policy, &mut |record| take(record));
    gathering.borrow_mut().turn_to(Subject::Server);
    records::server(policy, &mut |record| take(record));
    drop(maker);
    let gathering = gathering.into_inner();
    (gathering.found, gathering.beyond)
}

/// Whether a record only tells something of others.
pub(super) fn is_wish(record: &Record) -> bool {
    matches!(record.data, Data::Ttl(_))
}
