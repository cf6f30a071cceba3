//! What happens in the simulated cluster, and when.
//!
//! All is drawn from one seed and hangs on an agenda of due times, so the course of events depends on the
//! seed and the clock's readings, not on how often somebody looks: [`Life::advance`] once over an
//! hour or every millisecond gives the same cluster.

use std::{collections::BTreeMap, fmt, iter::repeat_n, sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{
    catalogue::{Flavour, Service, uuid},
    cluster::{Cluster, SHARES, State, Task},
};

/// The source of all chance in here.
pub(crate) type Dice = Xoshiro256PlusPlus;

/// Tasks per agent when the cluster is made.
const TASKS_PER_AGENT: usize = 40;

/// Fewest agents, so that there is one in each zone.
const AGENTS_MIN: usize = 3;

/// Tasks per service, about; those of SDK schedulers have one each.
const TASKS_PER_SERVICE: usize = 5;

/// Of so many tasks, one runs before its start is told.
const LATE_STARTS: u64 = 8;

/// What kind of cluster to make.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Same seed, same cluster, same events.
    pub seed: u64,
    /// Tasks to start with; their number stays around it.
    pub tasks: usize,
    /// Events per second, on average; 0 for a cluster in which nothing ever happens.
    pub churn: f64,
}

/// The agenda of a cluster and its dice.
pub struct Life {
    dice: Dice,
    agenda: BTreeMap<(Duration, u64), Step>,
    steps: u64,
    launched: u64,
    /// Launches in place of a task elsewhere, with the agent that one ran on.
    moving: BTreeMap<u64, usize>,
    churn: f64,
    tasks: usize,
}

/// Something due.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Something happens to some task.
    Event,
    /// The task with this launch number goes on to its next state.
    Next(u64),
    /// The task with this launch number passes its health check again.
    Heal(u64),
    /// A service replaces a task that ended, or one that leaves the agent named here.
    Replace { service: usize, leaves: Option<usize> },
}

/// What an onlooker would tell of one event.
#[derive(Clone, Debug)]
pub struct Change {
    /// When.
    pub at: Duration,
    /// What.
    pub what: What,
    /// The task as it was then.
    pub task: Arc<Task>,
    /// `name` of the task.
    pub name: String,
    /// Its framework's name.
    pub framework: String,
    /// Host name of its agent.
    pub agent: String,
}

/// Kinds of [`Change`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum What {
    Failed,
    Finished,
    Healthy,
    /// Runs, in place of one that ran on this host.
    Moved {
        from: String,
    },
    Started,
    Stopping,
    Unhealthy,
}

impl Life {
    /// A cluster whose tasks all run since `now`, and its future.
    pub fn new(settings: Settings, now: Duration) -> (Self, Cluster) {
        let services = services(settings.tasks);
        let agents = settings.tasks.div_ceil(TASKS_PER_AGENT).max(AGENTS_MIN);
        let mut cluster = Cluster::empty(agents, services, now);
        let mut life = Self {
            dice: Dice::seed_from_u64(settings.seed),
            agenda: BTreeMap::new(),
            steps: 0,
            // The number makes addresses, and 0 makes odd ones.
            launched: 1,
            moving: BTreeMap::new(),
            churn: settings.churn,
            tasks: settings.tasks,
        };
        // Each service gets one task before any gets a second.
        let services = cluster.services.clone();
        let first = 0..services.len();
        let further = first.clone().cycle().filter(|service| services[*service].flavour != Flavour::Sdk);
        for service in first.clone().chain(further).take(settings.tasks) {
            if let Some(launch) = life.launch(&mut cluster, service, None) {
                cluster.report(launch, State::Starting, None, now);
                life.run(&mut cluster, launch, now);
            }
        }
        if settings.churn > 0.0 {
            life.plan_event(now);
        }
        (life, cluster)
    }

    /// When something is due next; `None` in a cluster without events.
    pub fn next_due(&self) -> Option<Duration> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// Lets everything happen that is due by `now`, each at its own time; tells it in that order.
    pub fn advance(&mut self, cluster: &mut Cluster, now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), step) = entry.remove_entry();
            changes.extend(self.perform(cluster, step, at));
        }
        changes
    }

    fn perform(&mut self, cluster: &mut Cluster, step: Step, at: Duration) -> Option<Change> {
        match step {
            Step::Event => {
                self.plan_event(at);
                self.event(cluster, at)
            }
            Step::Next(launch) => self.next(cluster, launch, at),
            Step::Heal(launch) => {
                let running = cluster.tasks.get(&launch)?.state == State::Running;
                running.then(|| tell(cluster, launch, State::Running, Some(true), What::Healthy, at))?
            }
            Step::Replace { service, leaves } => {
                let launch = self.launch(cluster, service, leaves)?;
                self.moving.extend(leaves.map(|agent| (launch, agent)));
                self.plan(at, 100..600, Step::Next(launch));
                None
            }
        }
    }

    /// Something happens to a task in good state: it fails, moves, flaps, or its number changes.
    fn event(&mut self, cluster: &mut Cluster, at: Duration) -> Option<Change> {
        let kind = self.dice.random_range(0..10);
        if kind == 0 && cluster.tasks.len() <= self.tasks && self.tasks > 0 {
            let service = self.dice.random_range(0..cluster.services.len());
            if cluster.services[service].flavour != Flavour::Sdk {
                let launch = self.launch(cluster, service, None)?;
                self.plan(at, 100..600, Step::Next(launch));
            }
            return None;
        }
        let task = self.some_running(cluster)?;
        let (launch, service, agent) = (task.launch, task.service, task.agent);
        match kind {
            0 => {
                self.plan(at, 500..1500, Step::Next(launch));
                tell(cluster, launch, State::Killing, task.healthy, What::Stopping, at)
            }
            1..=3 => {
                self.plan(at, 300..1000, Step::Replace { service, leaves: None });
                let flavour = cluster.service(&task).flavour;
                let (state, what) = match flavour {
                    Flavour::Chronos => (State::Finished, What::Finished),
                    _ => (State::Failed, What::Failed),
                };
                tell(cluster, launch, state, task.healthy, what, at)
            }
            4..=6 if task.healthy == Some(true) => {
                self.plan(at, 3000..8000, Step::Heal(launch));
                tell(cluster, launch, State::Running, Some(false), What::Unhealthy, at)
            }
            _ => {
                self.plan(at, 500..1500, Step::Next(launch));
                self.plan(at, 200..800, Step::Replace { service, leaves: Some(agent) });
                tell(cluster, launch, State::Killing, task.healthy, What::Stopping, at)
            }
        }
    }

    /// The next state of a usual life.
    fn next(&mut self, cluster: &mut Cluster, launch: u64, at: Duration) -> Option<Change> {
        let task = cluster.tasks.get(&launch)?.clone();
        match task.state {
            State::Staging => {
                self.plan(at, 100..800, Step::Next(launch));
                if launch % LATE_STARTS == 3 {
                    cluster.report_late_start(launch, at);
                } else {
                    cluster.report(launch, State::Starting, None, at);
                }
                None
            }
            State::Starting | State::Running if has_not_run(&task) => {
                let task = self.run(cluster, launch, at)?;
                let what = match self.moving.remove(&launch) {
                    Some(from) => What::Moved { from: cluster.agents[from].hostname.clone() },
                    None => What::Started,
                };
                Some(Change::new(cluster, task, what, at))
            }
            State::Killing => {
                // Told already: `TASK_KILLING` is when the names go.
                cluster.report(launch, State::Killed, task.healthy, at);
                None
            }
            _ => None,
        }
    }

    fn run(&mut self, cluster: &mut Cluster, launch: u64, at: Duration) -> Option<Arc<Task>> {
        let checked = cluster.service(cluster.tasks.get(&launch)?).health_checked;
        cluster.report(launch, State::Running, checked.then_some(true), at)
    }

    /// Launches a task of a service now, perhaps with an id of one's own; it starts and runs by itself, soon after.
    /// Nothing if the service's framework is gone or no agent takes tasks.
    pub fn start(
        &mut self,
        cluster: &mut Cluster,
        service: usize,
        id: Option<String>,
        at: Duration,
    ) -> Option<u64> {
        let launch = self.launch_as(cluster, service, None, id)?;
        self.plan(at, 100..600, Step::Next(launch));
        Some(launch)
    }

    /// Kills a task; it ends by itself, soon after.
    pub fn stop(&mut self, cluster: &mut Cluster, launch: u64, at: Duration) {
        let healthy = cluster.tasks.get(&launch).and_then(|task| task.healthy);
        if cluster.report(launch, State::Killing, healthy, at).is_some() {
            self.plan(at, 500..1500, Step::Next(launch));
        }
    }

    /// Launches a task of a service on any agent that takes tasks, but `avoided` only if no other does.
    fn launch(&mut self, cluster: &mut Cluster, service: usize, avoided: Option<usize>) -> Option<u64> {
        self.launch_as(cluster, service, avoided, None)
    }

    fn launch_as(
        &mut self,
        cluster: &mut Cluster,
        service: usize,
        avoided: Option<usize>,
        id: Option<String>,
    ) -> Option<u64> {
        if cluster.frameworks[cluster.services[service].framework].torn_down {
            return None;
        }
        let first = self.dice.random_range(0..cluster.agents.len());
        let mut round = (first..cluster.agents.len()).chain(0..first);
        let takes = |agent: &usize| cluster.agents[*agent].takes_tasks();
        let agent = round
            .clone()
            .find(|agent| Some(*agent) != avoided && takes(agent))
            .or_else(|| round.find(takes))?;
        let launch = self.launched;
        self.launched += 1;
        let made = cluster.services[service].task_id(launch, &mut self.dice);
        let container = uuid(&mut self.dice);
        cluster.launch(launch, id.unwrap_or(made), container, service, agent);
        Some(launch)
    }

    /// A running task: the first at or after a random place, round about.
    fn some_running(&mut self, cluster: &Cluster) -> Option<Arc<Task>> {
        let place = self.dice.random_range(0..self.launched.max(1));
        let (before, after) = (cluster.tasks.range(..place), cluster.tasks.range(place..));
        after
            .chain(before)
            .map(|(_, task)| task)
            .find(|task| task.state == State::Running && !has_not_run(task))
            .cloned()
    }

    fn plan_event(&mut self, at: Duration) {
        // Independent events at a mean rate: the gaps are distributed exponentially.
        let gap = -self.dice.random_range(f64::EPSILON..1.0).ln() / self.churn;
        self.put(at + Duration::from_secs_f64(gap), Step::Event);
    }

    fn plan(&mut self, at: Duration, wait_millis: std::ops::Range<u64>, step: Step) {
        let wait = Duration::from_millis(self.dice.random_range(wait_millis));
        self.put(at + wait, step);
    }

    fn put(&mut self, due: Duration, step: Step) {
        self.agenda.insert((due, self.steps), step);
        self.steps += 1;
    }
}

/// Whether no report says yet that a task runs.
fn has_not_run(task: &Task) -> bool {
    task.statuses.last().is_some_and(|last| last.state == State::Starting)
}

/// Reports and tells in one go.
fn tell(
    cluster: &mut Cluster,
    launch: u64,
    state: State,
    healthy: Option<bool>,
    what: What,
    at: Duration,
) -> Option<Change> {
    let task = cluster.report(launch, state, healthy, at)?;
    Some(Change::new(cluster, task, what, at))
}

/// As many services as so many tasks need, each framework with its share, dealt in turn.
fn services(tasks: usize) -> Vec<Service> {
    let round: usize = SHARES.iter().map(|(_, _, share)| share).sum();
    let tasks_per_round: usize = SHARES
        .iter()
        .map(|(_, flavour, share)| if *flavour == Flavour::Sdk { *share } else { share * TASKS_PER_SERVICE })
        .sum();
    let count = (tasks * round).div_ceil(tasks_per_round).max(SHARES.len());
    // The first few go to each framework once, so that a small cluster has all of them.
    let turns = SHARES.iter().chain(SHARES.iter().flat_map(|share| repeat_n(share, share.2)).cycle());
    let mut given = [0; SHARES.len()];
    turns
        .take(count)
        .map(|(framework, flavour, _)| {
            let number = given[*framework];
            given[*framework] += 1;
            Service::new(*framework, *flavour, number)
        })
        .collect()
}

impl Change {
    fn new(cluster: &Cluster, task: Arc<Task>, what: What, at: Duration) -> Self {
        Self {
            at,
            what,
            name: cluster.service(&task).task_name.clone(),
            framework: cluster.framework(&task).name.clone(),
            agent: cluster.agent(&task).hostname.clone(),
            task,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, from) = match &self.what {
            What::Failed => ("failed", None),
            What::Finished => ("finished", None),
            What::Healthy => ("healthy", None),
            What::Moved { from } => ("moved", Some(from)),
            What::Started => ("started", None),
            What::Stopping => ("stopping", None),
            What::Unhealthy => ("unhealthy", None),
        };
        write!(f, "{what:9} {} of {}", self.name, self.framework)?;
        match from {
            Some(from) => write!(f, " from {from} to {}", self.agent)?,
            None => write!(f, " on {}", self.agent)?,
        }
        if matches!(self.what, What::Moved { .. } | What::Started) {
            let addresses: Vec<String> = self.task.addresses.iter().map(ToString::to_string).collect();
            write!(f, ", at {}", addresses.join(" and "))?;
            for (place, port) in self.task.ports.iter().enumerate() {
                write!(f, "{} {port}", if place == 0 { " port" } else { " and" })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const START: Duration = Duration::from_secs(1_700_000_000);

    fn settings(seed: u64) -> Settings {
        Settings { seed, tasks: 100, churn: 20.0 }
    }

    /// What tells two clusters apart, as text.
    fn portrait(cluster: &Cluster) -> String {
        format!("{:?} {:?}", cluster.tasks, cluster.completed)
    }

    #[test]
    fn the_course_depends_on_seed_and_time_only() {
        let run = |seed, ticks: u32| {
            let (mut life, mut cluster) = Life::new(settings(seed), START);
            let told: Vec<String> = (1..=ticks)
                .flat_map(|tick| life.advance(&mut cluster, START + Duration::from_secs(60) * tick / ticks))
                .map(|change| format!("{:?} {change}", change.at))
                .collect();
            (told, portrait(&cluster))
        };
        let (told, cluster) = run(1, 1);
        assert!(told.len() > 500, "{}", told.len());
        assert_eq!(run(1, 6000), (told, cluster.clone()));
        assert_ne!(run(2, 1).1, cluster);
    }

    #[test]
    fn all_kinds_of_events_occur_and_the_size_stays() {
        let (mut life, mut cluster) = Life::new(settings(7), START);
        let changes = life.advance(&mut cluster, START + Duration::from_secs(600));
        let kinds: HashSet<String> =
            changes.iter().map(|change| change.to_string()[..9].to_owned()).collect();
        assert_eq!(kinds.len(), 7, "{kinds:?}");
        assert!((80..=120).contains(&cluster.tasks.len()), "{}", cluster.tasks.len());
        let taken: usize = cluster.tasks.values().map(|task| task.ports.len()).sum();
        assert_eq!(taken, cluster.agents.iter().map(|agent| agent.ports.len()).sum::<usize>());
    }

    #[test]
    fn without_churn_nothing_happens() {
        let (life, cluster) = Life::new(Settings { churn: 0.0, ..settings(1) }, START);
        assert_eq!(life.next_due(), None);
        assert!(cluster.tasks.values().all(|task| task.state == State::Running));
    }
}
