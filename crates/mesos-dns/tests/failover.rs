//! The promise `true`: no living task's name disappears because its masters or ZooKeeper do.
//!
//! Two simulated masters register in a real ZooKeeper; the daemon follows. The leader is killed and replaced ten
//! times, each time by one that first knows nothing, then some agents, then all; then ZooKeeper itself goes and
//! comes back. All the while every task's name is asked for over DNS.

#[path = "support/registration.rs"]
mod registration;
#[path = "support/zookeeper.rs"]
mod zookeeper_server;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::base::iana::{Rcode, Rtype};
use mesos_dns::{configuration, daemon};
use mesos_dns_sim::{
    client::{self, Query},
    cluster::Cluster,
    life::{self, Life},
    master::{Masters, Settings},
    render::Knowledge,
};
use registration::Registration;
use serde_json::json;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use zookeeper_server::ZooKeeper;

/// Where masters register.
const GROUP: &str = "/mesos";

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at something that must happen.
const LOOK: Duration = Duration::from_millis(20);

const START: Duration = Duration::from_secs(1_700_000_000);

/// A daemon in this process.
struct Daemon {
    dns: SocketAddr,
    _stop: DropGuard,
    _running: JoinHandle<anyhow::Result<()>>,
}

impl Daemon {
    async fn start(zk: &str) -> Self {
        let file = json!({
            "zk": zk, "refreshSeconds": 1, "listener": "127.0.0.1", "port": 0,
            "httpOn": false, "externalOn": false,
        });
        let config = configuration::from_bytes("test", file.to_string().as_bytes()).unwrap();
        let again = config.clone();
        let stop = CancellationToken::new();
        let (started, serving) = oneshot::channel();
        let running = tokio::spawn(daemon::serve(
            config,
            Box::new(move || Ok(again.clone())),
            stop.clone(),
            move |addresses, _| _ = started.send(addresses.dns),
        ));
        let dns = serving.await.unwrap()[0];
        Self { dns, _stop: stop.drop_guard(), _running: running }
    }

    /// Waits until this query's answers, joined, please.
    async fn until(&self, query: Query, pleases: impl Fn(Rcode, &str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = client::udp(self.dns, &query).await.unwrap();
            let answers = answer.answers().unwrap().join("\n");
            if pleases(answer.rcode(), &answers) {
                return;
            }
            assert!(Instant::now() < deadline, "still {}: {answers}", answer.rcode());
            sleep(LOOK).await;
        }
    }

    /// Waits until this master is published as the leader.
    async fn follows(&self, leader: SocketAddr) {
        let port = format!(" {} leader.mesos", leader.port());
        self.until(Query::new("_leader._tcp.mesos", Rtype::SRV), |_, answers| answers.contains(&port)).await;
    }
}

/// Asks for names without end, and keeps what went wrong.
struct Watchman {
    asked: Arc<AtomicU64>,
    asking: JoinHandle<String>,
}

impl Watchman {
    fn start(dns: SocketAddr, names: Vec<String>) -> Self {
        let asked = Arc::new(AtomicU64::new(0));
        let counter = asked.clone();
        let asking = tokio::spawn(async move {
            loop {
                for name in &names {
                    let answer = match client::udp(dns, &Query::new(name, Rtype::A)).await {
                        Ok(answer) => answer,
                        Err(error) => return format!("{name}: {error}"),
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                    if answer.rcode() != Rcode::NOERROR || answer.answers().unwrap().is_empty() {
                        return format!("{name}: {}", answer.rcode());
                    }
                    sleep(Duration::from_millis(1)).await;
                }
            }
        });
        Self { asked, asking }
    }

    /// Waits for so many more questions; fails with what went wrong, if anything did.
    async fn watch(&mut self, questions: u64) {
        let enough = self.asked.load(Ordering::Relaxed) + questions;
        let counted = async {
            while self.asked.load(Ordering::Relaxed) < enough {
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            lost = &mut self.asking => panic!("lost {}", lost.unwrap()),
            waited = timeout(PATIENCE, counted) => waited.unwrap(),
        }
    }
}

impl Drop for Watchman {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

/// A name of each of Marathon's services.
fn names(cluster: &Cluster) -> Vec<String> {
    let marathon = |service: &&mesos_dns_sim::catalogue::Service| {
        cluster.frameworks[service.framework].name == "marathon"
    };
    cluster
        .services
        .iter()
        .filter(marathon)
        .map(|service| format!("{}.marathon.mesos", service.task_name))
        .collect()
}

/// Waits until a master was asked for its state so often since.
async fn read_again(masters: &Masters, master: usize, times: usize) {
    let reads =
        || masters.requests(master).iter().filter(|request| request.target.contains("/state")).count();
    let enough = reads() + times;
    let waited = timeout(PATIENCE, async {
        while reads() < enough {
            sleep(LOOK).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("master {master} is not read any more"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_is_lost_while_leaders_and_zookeeper_come_and_go() {
    let Some(mut zookeeper) = ZooKeeper::start() else { return };
    let settings = life::Settings { seed: 11, tasks: 120, churn: 0.0 };
    let (_, cluster) = Life::new(settings, START);
    let names = names(&cluster);
    assert!(names.len() > 10, "{names:?}");
    assert_eq!(cluster.agents.len(), 3);
    let ports = Settings { ports: vec![0, 0], ..Settings::default() };
    let masters = Masters::start(cluster, ports).await.unwrap();
    let mut registered = Vec::new();
    for master in 0..2 {
        registered
            .push(Some(Registration::new(zookeeper.client().await, GROUP, &masters.face(master)).await));
    }
    let daemon = Daemon::start(&zookeeper.url(GROUP)).await;
    daemon.until(Query::new(&names[0], Rtype::A), |rcode, _| rcode == Rcode::NOERROR).await;
    let mut watchman = Watchman::start(daemon.dns, names);
    watchman.watch(100).await;

    for round in 1..=10 {
        let (old, new) = ((round + 1) % 2, round % 2);
        let now = START + Duration::from_secs(60) * round as u32;
        masters.kill(old).await;
        watchman.watch(50).await;
        registered[old] = None;
        masters.elect(new, Knowledge::Nothing, now);
        for next in [Knowledge::Agents(0), Knowledge::Agents(2), Knowledge::Everything] {
            read_again(&masters, new, 1).await;
            masters.know(next);
        }
        daemon.follows(masters.address(new)).await;
        masters.revive(old, now).await.unwrap();
        let session = zookeeper.client().await;
        registered[old] = Some(Registration::new(session, GROUP, &masters.face(old)).await);
        watchman.watch(50).await;
    }

    zookeeper.stop();
    read_again(&masters, 0, 3).await;
    watchman.watch(200).await;
    zookeeper.start_again();
    // The sessions of before may or may not outlive the stop; new ones register behind them or alone.
    registered.clear();
    for master in [1, 0] {
        registered
            .push(Some(Registration::new(zookeeper.client().await, GROUP, &masters.face(master)).await));
    }
    masters.elect(1, Knowledge::Everything, START + Duration::from_secs(3600));
    daemon.follows(masters.address(1)).await;
    watchman.watch(200).await;
}
