//! Plays a scenario on masters. The caller says what time it is, so it may be made up; nothing in here sleeps.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{Action, Scenario, ScenarioError};
use crate::{
    cluster::{Cluster, State},
    life::{self, Change, Life},
    master::Masters,
    render::Knowledge,
};

/// A scenario under way.
pub struct Player {
    start: Duration,
    life: Life,
    agenda: BTreeMap<(Duration, usize), Action>,
    planned: usize,
    /// Places on the agenda of what an election made due; another election takes it back.
    returning: Vec<(Duration, usize)>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Told {
    /// Something by itself.
    Change(Change),
    /// A step of the scenario.
    Step {
        /// When.
        at: Duration,
        /// What.
        action: Action,
    },
}

impl Player {
    /// A player, and the cluster to start masters with.
    pub fn new(scenario: &Scenario, start: Duration) -> (Self, Cluster) {
        let settings = life::Settings { seed: scenario.seed, tasks: scenario.tasks, churn: scenario.churn };
        let (life, cluster) = Life::new(settings, start);
        let steps = scenario.steps.iter().enumerate();
        let agenda: BTreeMap<_, _> =
            steps.map(|(place, step)| ((start + step.at, place), step.action.clone())).collect();
        let planned = agenda.len();
        (Self { start, life, agenda, planned, returning: Vec::new() }, cluster)
    }

    /// When something is due next; nothing once the scenario is over and its cluster at rest.
    pub fn next_due(&self) -> Option<Duration> {
        let step = self.agenda.keys().next().map(|(at, _)| *at);
        step.into_iter().chain(self.life.next_due()).min()
    }

    /// Lets everything happen that is due by `now`, each at its own time; tells it in that order.
    ///
    /// # Errors
    ///
    /// A step names something that does not exist, or a master cannot be revived.
    pub async fn advance(&mut self, masters: &Masters, now: Duration) -> Result<Vec<Told>, ScenarioError> {
        let mut told = Vec::new();
        loop {
            let step = self.agenda.keys().next().map(|(at, _)| *at).filter(|at| *at <= now);
            let until = step.unwrap_or(now);
            let changes = masters.change(|cluster| self.life.advance(cluster, until));
            told.extend(changes.into_iter().map(Told::Change));
            let Some(at) = step else { return Ok(told) };
            let Some((_, action)) = self.agenda.pop_first() else { return Ok(told) };
            self.perform(masters, &action, at).await?;
            told.push(Told::Step { at, action });
        }
    }

    async fn perform(
        &mut self,
        masters: &Masters,
        action: &Action,
        at: Duration,
    ) -> Result<(), ScenarioError> {
        self.check(&masters.cluster(), masters.len(), action, at)?;
        match action {
            Action::AgentsBack(agents) => masters.agents_back(agents.iter().copied()),
            Action::Beat => masters.beat(),
            Action::ComeBack { every, never } => self.come_back(masters, *every, never, at),
            Action::Depose => {
                self.forget_returns();
                masters.depose(at);
            }
            Action::Elect(master) => {
                self.forget_returns();
                masters.elect(*master, Knowledge::Nothing, at);
            }
            Action::Evict => masters.evict(),
            Action::Fault { master, fault, requests: None } => masters.fault(*master, *fault),
            Action::Fault { master, fault, requests: Some(requests) } => {
                masters.fault_for(*master, *fault, *requests);
            }
            Action::Kill(master) => masters.kill(*master).await,
            Action::Recover => masters.agents_back([]),
            Action::Revive(master) => {
                let revived = masters.revive(*master, at).await;
                revived.map_err(|source| ScenarioError::Port {
                    at: at - self.start,
                    master: *master,
                    source,
                })?;
            }
            Action::SchedulersBack(schedulers) => masters.schedulers_back(schedulers.iter().copied()),
            _ => masters.change(|cluster| self.befall(cluster, action, at)),
        }
        Ok(())
    }

    /// What happens in the cluster itself.
    fn befall(&mut self, cluster: &mut Cluster, action: &Action, at: Duration) {
        let each =
            |agents: &[usize], mut act: Box<dyn FnMut(usize) + '_>| agents.iter().for_each(|at| act(*at));
        match action {
            Action::AddAgents(count) => (0..*count).for_each(|_| _ = cluster.add_agent(at)),
            Action::AddFramework { name, manner, services } => {
                let first = cluster.services.len();
                cluster.add_framework(name, (*manner).into(), *services, at);
                for service in first..cluster.services.len() {
                    self.life.start(cluster, service, None, at);
                }
            }
            Action::Deactivate(agents) => {
                each(agents, Box::new(|agent| cluster.set_deactivated(agent, true)))
            }
            Action::DisconnectFramework(framework) => cluster.disconnect_framework(*framework),
            Action::End { service, well } => {
                let state = if *well { State::Finished } else { State::Failed };
                if let Some((launch, healthy)) = task_of(cluster, *service) {
                    cluster.report(launch, state, healthy, at);
                }
            }
            Action::Health { service, healthy } => {
                if let Some((launch, _)) = task_of(cluster, *service) {
                    cluster.report(launch, State::Running, Some(*healthy), at);
                }
            }
            Action::Interrupt(agents) => each(agents, Box::new(|agent| cluster.set_active(agent, false))),
            Action::Launch { service, id } => _ = self.life.start(cluster, *service, id.clone(), at),
            Action::LoseAgents(agents) => each(agents, Box::new(|agent| cluster.lose_agent(agent, at))),
            Action::MarkGone(agents) => each(agents, Box::new(|agent| cluster.mark_gone(agent, at))),
            Action::ReconnectFramework(framework) => cluster.reconnect_framework(*framework),
            Action::Reincarnate(agents) => each(agents, Box::new(|agent| _ = cluster.reincarnate(agent, at))),
            Action::RemoveAgents(agents) => each(agents, Box::new(|agent| cluster.remove_agent(agent, at))),
            Action::RenameFramework { framework, name } => cluster.rename_framework(*framework, name),
            Action::RepeatRunning { service } => {
                if let Some((launch, _)) = task_of(cluster, *service) {
                    cluster.repeat_running(launch, None, at);
                }
            }
            Action::RestartAgent { agent, port } => cluster.restart_agent(*agent, *port),
            Action::ReturnAgents(agents) => each(agents, Box::new(|agent| cluster.return_agent(agent, at))),
            Action::Stop { service } => {
                if let Some((launch, _)) = task_of(cluster, *service) {
                    self.life.stop(cluster, launch, at);
                }
            }
            Action::TearDown(framework) => cluster.tear_down(*framework, at),
            // What concerns masters was done by the caller.
            _ => (),
        }
    }

    /// Plans the return of whoever the leader waits for.
    fn come_back(&mut self, masters: &Masters, every: Duration, never: &[usize], from: Duration) {
        let cluster = masters.cluster();
        masters.agents_back([]);
        let mut due = from;
        for agent in masters.awaited().into_iter().filter(|agent| !never.contains(agent)) {
            due += every;
            self.plan(due, Action::AgentsBack(vec![agent]));
        }
        self.plan(due + every, Action::SchedulersBack((0..cluster.frameworks.len()).collect()));
    }

    fn plan(&mut self, due: Duration, action: Action) {
        self.agenda.insert((due, self.planned), action);
        self.returning.push((due, self.planned));
        self.planned += 1;
    }

    fn forget_returns(&mut self) {
        for place in self.returning.drain(..) {
            self.agenda.remove(&place);
        }
    }

    /// Whether all that an action names exists.
    fn check(
        &self,
        cluster: &Cluster,
        masters: usize,
        action: &Action,
        at: Duration,
    ) -> Result<(), ScenarioError> {
        let (what, count, named): (_, usize, &[usize]) = match action {
            Action::AgentsBack(agents)
            | Action::ComeBack { never: agents, .. }
            | Action::Deactivate(agents)
            | Action::Interrupt(agents)
            | Action::LoseAgents(agents)
            | Action::MarkGone(agents)
            | Action::Reincarnate(agents)
            | Action::RemoveAgents(agents)
            | Action::ReturnAgents(agents) => ("agent", cluster.agents.len(), agents),
            Action::RestartAgent { agent, .. } => {
                ("agent", cluster.agents.len(), std::slice::from_ref(agent))
            }
            Action::DisconnectFramework(framework)
            | Action::ReconnectFramework(framework)
            | Action::RenameFramework { framework, .. }
            | Action::TearDown(framework) => {
                ("framework", cluster.frameworks.len(), std::slice::from_ref(framework))
            }
            Action::SchedulersBack(schedulers) => ("framework", cluster.frameworks.len(), schedulers),
            Action::End { service, .. }
            | Action::Health { service, .. }
            | Action::Launch { service, .. }
            | Action::RepeatRunning { service }
            | Action::Stop { service } => ("service", cluster.services.len(), std::slice::from_ref(service)),
            Action::Elect(master)
            | Action::Fault { master, .. }
            | Action::Kill(master)
            | Action::Revive(master) => ("master", masters, std::slice::from_ref(master)),
            Action::AddAgents(_) | Action::AddFramework { .. } => return Ok(()),
            Action::Beat | Action::Depose | Action::Evict | Action::Recover => return Ok(()),
        };
        match named.iter().find(|index| **index >= count) {
            Some(index) => Err(ScenarioError::Unknown { at: at - self.start, what, index: *index }),
            None => Ok(()),
        }
    }
}

/// The oldest living task of a service, and its health.
fn task_of(cluster: &Cluster, service: usize) -> Option<(u64, Option<bool>)> {
    let task = cluster.tasks.values().find(|task| task.service == service)?;
    Some((task.launch, task.healthy))
}

impl Told {
    /// When it happened.
    pub fn at(&self) -> Duration {
        match self {
            Self::Change(change) => change.at,
            Self::Step { at, .. } => *at,
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(change) => change.fmt(f),
            Self::Step { action, .. } => write!(f, "step      {action:?}"),
        }
    }
}
