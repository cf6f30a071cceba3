//! The promise `true`, with the real program: whatever happens to masters, agents and the program itself, no
//! answer over UDP, TCP or HTTP is wrong.
//!
//! Two replicas follow masters that lead, die, lie and fall silent as a seed says, while four clients ask without
//! end. A checker that knows what was true reads what they were told. Masters are listed in the configuration, or
//! register in a real ZooKeeper. `TRUTH_SEEDS=100` runs so many seeds of the one, `TRUTH_ZOOKEEPER_SEEDS=50` so many of
//! the other, `TRUTH_FIRST=20` begins there and `TRUTH_SEED=7` runs one; the same laws in made-up time are in the
//! simulator's test of this name.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/registration.rs"]
mod registration;
#[path = "support/zookeeper.rs"]
mod zookeeper_server;

use std::{
    collections::BTreeMap,
    env,
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use daemon::{Daemon, LOOK};
use mesos_dns_core::watch::{knowledge::REJOIN_GRACE, subscribe::HEARTBEATS_MISSED};
use mesos_dns_sim::{
    master::Fault,
    truth::{
        checker::{Violation, check, laws},
        delays::{Delays, leader_delays, readable},
        director::{Director, MASTERS},
        history::{Client, Question},
        log::Bounds,
        recorder::{Recorder, Server, Shared},
        schedule::{Profile, Schedule},
        world::{Act, Telling},
    },
};
use registration::Registration;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use zookeeper_server::ZooKeeper;

/// Seeds that are run where nothing else is said.
const SEEDS: u64 = 4;

/// Seeds that run at the same time.
const AT_ONCE: usize = 4;

/// Programs that watch one cluster.
const REPLICAS: usize = 2;

/// Clients of each.
const CLIENTS: usize = 2;

/// The number of one more, who asks for the leader alone.
const WATCHER: usize = CLIENTS;

/// How long a lost agent's records are kept (`holdSeconds`).
const HOLD: Duration = Duration::from_secs(8);

/// A period of polling, and the time a machine that builds at the same time may take for a document.
const FRESH: Duration = Duration::from_secs(4);

/// Questions put to a program that has no data yet, and to the other one, before it may have any.
const QUESTIONS_WHILE_LOADING: u64 = 200;

/// Violations that are shown of one seed.
const SHOWN_MAX: usize = 5;

/// How changes are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Updates {
    Events,
    Poll,
}

impl Updates {
    /// Every second seed follows events.
    fn of(seed: u64) -> Self {
        if seed.is_multiple_of(2) { Self::Events } else { Self::Poll }
    }
}

/// Time between heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Time between comparisons.
const COMPARE: Duration = Duration::from_secs(5);

fn bounds(updates: Updates) -> Bounds {
    let only_with_events = |time| if updates == Updates::Events { time } else { Duration::ZERO };
    Bounds {
        fresh: FRESH,
        quiet: FRESH + only_with_events(COMPARE),
        silence: only_with_events(HEARTBEAT * HEARTBEATS_MISSED + Duration::from_secs(1)),
        rejoin: only_with_events(REJOIN_GRACE),
        polls: updates == Updates::Poll,
        timeout: Duration::from_secs(2),
        masters: MASTERS,
        agree: Duration::from_secs(30),
        hold: HOLD,
        start: Duration::from_secs(1),
        serial: Duration::from_secs(2),
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

/// What a seed came to.
struct Verdict {
    seed: u64,
    schedule: Schedule,
    violations: Vec<Violation>,
    asked: u64,
    elections: usize,
    /// How long new leaders were not named.
    delays: Delays,
}

/// What all seeds came to.
#[derive(Default)]
struct Sum {
    seeds: usize,
    asked: u64,
    elections: usize,
    failed: usize,
    failures: String,
    delays: BTreeMap<Updates, Delays>,
}

/// Who tells the program where the masters are.
enum Guide {
    /// Its configuration.
    File,
    /// ZooKeeper, where they register; it goes away for the third quarter of the steps.
    Group(Box<Group>),
}

/// Masters in a real ZooKeeper.
struct Group {
    zookeeper: ZooKeeper,
    registered: Vec<Option<Registration>>,
    /// Who was shown to lead, and since when.
    shown: Option<(usize, Duration)>,
    /// When who was elected stood in ZooKeeper.
    registered_at: BTreeMap<Duration, Duration>,
}

/// Where masters register.
const GROUP: &str = "/mesos";

impl Group {
    fn new(zookeeper: ZooKeeper) -> Self {
        Self {
            zookeeper,
            registered: (0..MASTERS).map(|_| None).collect(),
            shown: None,
            registered_at: BTreeMap::new(),
        }
    }

    /// Registers the living masters, the leader first; nobody while nobody leads.
    async fn follow(&mut self, director: &Director) {
        let stage = director.world().stage();
        // With a dead leader's node the others' go, too: the next in the group would lead at once, and does not yet.
        let leader = stage.leader.filter(|leader| stage.masters[*leader].is_alive);
        let leads = leader.map(|leader| (leader, stage.elected));
        if leads != self.shown {
            self.clear().await;
            self.shown = leads;
        }
        if leads.is_none() {
            return;
        }
        let others = (0..stage.masters.len()).filter(|master| Some(*master) != stage.leader);
        for master in stage.leader.into_iter().chain(others) {
            if !stage.masters[master].is_alive {
                self.registered[master] = None;
            } else if self.registered[master].is_none() {
                let (session, face) = (self.zookeeper.client().await, director.masters().face(master));
                self.registered[master] = Some(Registration::new(session, GROUP, &face).await);
            }
            self.registered_at.entry(stage.elected).or_insert_with(|| director.clock().elapsed());
        }
    }

    /// Takes all nodes away, that of the former leader last: whoever is first in the group leads.
    async fn clear(&mut self) {
        let leader = self.shown.map(|(leader, _)| leader);
        let others = (0..self.registered.len()).filter(|master| Some(*master) != leader);
        for master in others.chain(leader) {
            if let Some(registration) = self.registered[master].take() {
                registration.end().await;
            }
        }
    }

    fn stop(&mut self) {
        self.zookeeper.stop();
        self.registered.iter_mut().for_each(|registration| *registration = None);
    }
}

async fn run(seed: u64, mut guide: Guide) -> Verdict {
    let updates = Updates::of(seed);
    let (name, telling) = match updates {
        Updates::Events => ("events", Telling::Events),
        Updates::Poll => ("poll", Telling::Documents),
    };
    let mut director = Director::start(bounds(updates), telling, HEARTBEAT).await.unwrap();
    let mut members = json!({
        "stateTimeoutSeconds": 2,
        "holdSeconds": HOLD.as_secs(),
        "updates": name,
        "reconcileSeconds": COMPARE.as_secs(),
    });
    match &mut guide {
        Guide::File => {
            let masters = (0..MASTERS as usize).map(|master| director.masters().address(master).to_string());
            members["masters"] = masters.collect();
        }
        Guide::Group(group) => {
            members["zk"] = group.zookeeper.url(GROUP).into();
            group.follow(&director).await;
        }
    }
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(ready(&members).await);
    }
    let servers: Vec<Server> =
        replicas.iter().map(|daemon| Server { dns: daemon.dns, http: daemon.http }).collect();
    let questions: Arc<[Question]> = director.world().questions().cloned().collect();
    let history = Shared::default();
    let clients =
        (0..REPLICAS).flat_map(|replica| (0..CLIENTS).map(move |number| Client { replica, number }));
    let recorders: Vec<Recorder> = clients
        .zip(0..)
        .map(|(client, salt)| {
            let (server, clock) = (servers[client.replica], director.clock());
            Recorder::start(client, server, questions.clone(), clock, history.clone(), seed << 8 | salt)
        })
        .collect();
    let watchers = servers.iter().zip(0..).map(|(server, replica)| {
        let client = Client { replica, number: WATCHER };
        Recorder::watch_leader(client, *server, questions.clone(), director.clock(), history.clone())
    });
    let watchers: Vec<Recorder> = watchers.collect();

    let profile = Profile::real_time(HOLD.as_millis() as u64, updates == Updates::Events);
    let schedule = Schedule::new(seed, &profile, director.world());
    let mut first = Some(replicas.remove(0));
    (members["port"], members["httpport"]) = (servers[0].dns.port().into(), servers[0].http.port().into());
    let quarter = schedule.steps.len() / 4;
    let away = quarter * 2..quarter * 3;
    for (step, (at, act)) in schedule.steps.clone().into_iter().enumerate() {
        // Without ZooKeeper a program that starts cannot know whom to ask.
        let mut may_start = true;
        if let Guide::Group(group) = &mut guide {
            may_start = !away.contains(&step);
            match step {
                _ if step == away.start => group.stop(),
                _ if step == away.end => group.zookeeper.start_again_without(GROUP).await,
                _ => {}
            }
            if may_start {
                group.follow(&director).await;
            }
        }
        if director.step(at, act).await.unwrap() && may_start {
            let from = director.clock().elapsed();
            drop(first.take());
            // It starts while no master can be read, and is asked before it has anything to say.
            director.perform(Act::Hurt(Fault::Unavailable)).await.unwrap();
            let daemon = Daemon::start(members.clone());
            asked(&history, QUESTIONS_WHILE_LOADING).await;
            director.perform(Act::Heal).await.unwrap();
            daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
            first = Some(daemon);
            director.was_down(from);
        }
    }
    director.wait(schedule.end).await.unwrap();
    drop((recorders, watchers));
    let history = history.lock();
    let log = director.log(&history);
    let is_watcher = |client: Client| client.number == WATCHER;
    let delays = match &guide {
        Guide::File => leader_delays(&log, &history, is_watcher, readable(&log)),
        Guide::Group(group) => leader_delays(&log, &history, is_watcher, |version| {
            group.registered_at.get(&version.born).copied()
        }),
    };
    Verdict {
        seed,
        schedule,
        violations: check(&log, &history),
        asked: history.asked(),
        elections: log.elections.len(),
        delays,
    }
}

/// Waits until so many more questions were asked.
async fn asked(history: &Shared, more: u64) {
    let enough = history.lock().asked() + more;
    while history.lock().asked() < enough {
        tokio::time::sleep(LOOK).await;
    }
}

/// A program with data.
async fn ready(members: &Value) -> Daemon {
    let daemon = Daemon::start(members.clone());
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    daemon
}

/// Runs so many seeds from the first on, some at the same time.
async fn run_all(first: u64, count: u64, guide: fn() -> Option<Guide>) -> Sum {
    let next = Arc::new(AtomicU64::new(first));
    let mut trials = JoinSet::new();
    for _ in 0..AT_ONCE {
        let next = next.clone();
        trials.spawn(async move {
            let mut verdicts = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count {
                    return verdicts;
                }
                let Some(guide) = guide() else { return verdicts };
                verdicts.push(run(seed, guide).await);
            }
        });
    }
    let mut sum = Sum::default();
    while let Some(verdicts) = trials.join_next().await {
        verdicts.unwrap().into_iter().for_each(|verdict| sum.add(verdict));
    }
    sum
}

/// The seeds to run: the first, and how many.
fn seeds(first: u64, count: u64) -> (u64, u64) {
    match number("TRUTH_SEED") {
        Some(seed) => (seed, 1),
        None => (number("TRUTH_FIRST").unwrap_or(first), count),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_wrong_whatever_happens() {
    let (first, count) = seeds(1, number("TRUTH_SEEDS").unwrap_or(SEEDS));
    run_all(first, count, || Some(Guide::File)).await.finish("masters listed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_wrong_while_zookeeper_shows_the_masters() {
    // Seed 2 follows events.
    let (first, count) = seeds(2, number("TRUTH_ZOOKEEPER_SEEDS").unwrap_or(1));
    let guide = || ZooKeeper::start().map(|zookeeper| Guide::Group(Box::new(Group::new(zookeeper))));
    run_all(first, count, guide).await.finish("ZooKeeper");
}

impl Sum {
    fn add(&mut self, verdict: Verdict) {
        let Verdict { seed, violations, asked, elections, .. } = &verdict;
        println!("seed {seed}: {asked} answers, {elections} elections, {} violations", violations.len());
        self.seeds += 1;
        self.asked += asked;
        self.elections += elections;
        self.failed += usize::from(!violations.is_empty());
        tell(&verdict, &mut self.failures);
        self.delays.entry(Updates::of(*seed)).or_default().extend(verdict.delays);
    }

    /// Prints what it came to, and fails if anything was wrong.
    fn finish(self, guide: &str) {
        println!(
            "{guide}: {} seeds, {} elections, {} answers, violations of {} seeds",
            self.seeds, self.elections, self.asked, self.failed
        );
        for (updates, delays) in &self.delays {
            println!("{guide}, {updates:?}: {delays}");
        }
        assert!(self.failures.is_empty(), "{}", self.failures);
    }
}

fn tell(verdict: &Verdict, failures: &mut String) {
    let Verdict { seed, violations, .. } = verdict;
    if violations.is_empty() {
        return;
    }
    let again = format!("TRUTH_SEED={seed} cargo nextest run -p mesos-dns --test truth");
    _ = writeln!(
        failures,
        "seed {seed} breaks {} ({} times); again: {again}",
        laws(violations),
        violations.len()
    );
    for violation in violations.iter().take(SHOWN_MAX) {
        _ = writeln!(failures, "  {violation}");
    }
    _ = writeln!(failures, "{}", verdict.schedule);
}
