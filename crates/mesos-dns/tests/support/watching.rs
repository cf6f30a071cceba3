//! The watcher and the publisher at work, and every version that they publish.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mesos_dns::{
    publish::{self, Board, Orders, PublishMetrics, Publisher},
    watch::{Contact, Settings, Watch, WatchError, auth, metrics::WatchMetrics},
};
use mesos_dns_core::{
    cluster::AddressSource,
    mesos::{state::Limits, zk_url::ZkUrl},
    records::{Addresses, Health, Policy, Rules},
    table::Seed,
    watch::{
        believe::{self, Why},
        poll,
        subscribe::{self, Updates},
    },
    wire::Name,
    zone::{Snapshot, Soa, write_zone_file},
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything that must happen.
pub const WAIT: Duration = Duration::from_secs(40);

/// As long as a test lasts: nothing is polled but what something else asks for.
pub const NEVER: Duration = Duration::from_secs(3600);

/// The watcher and the publisher at work.
pub struct Running {
    pub board: Arc<Board>,
    pub contact: watch::Receiver<Contact>,
    pub metrics: Arc<WatchMetrics>,
    pub watching: JoinHandle<Result<(), WatchError>>,
    pub stop: CancellationToken,
}

impl Running {
    pub fn start(settings: &Settings) -> Self {
        let (policy, soa) = (policy(), soa());
        let board = Arc::new(Board::new(policy.clone(), soa.clone()));
        let (orders, taken) = Orders::channel();
        let publisher = publish::Settings { policy, soa, healthy_minimum_percent: 1, believe: believe() };
        let publisher = Publisher::new(board.clone(), Arc::<PublishMetrics>::default(), publisher, Seed(7));
        let doubts = publisher.doubts();
        std::thread::spawn(move || publisher.run(&taken));
        let metrics: Arc<WatchMetrics> = Arc::default();
        let (sender, contact) = watch::channel(Contact::default());
        let stop = CancellationToken::new();
        let watcher = Watch::new(settings, metrics.clone()).unwrap();
        let watching = tokio::spawn(watcher.run(orders, doubts, sender, stop.clone()));
        Self { board, contact, metrics, watching, stop }
    }

    /// Waits until the contact is like this.
    pub async fn until(&mut self, what: &str, is: impl FnMut(&Contact) -> bool) {
        timeout(WAIT, self.contact.wait_for(is)).await.unwrap_or_else(|_| panic!("never {what}")).unwrap();
    }

    /// Waits until something is held for this reason, or nothing.
    pub async fn holds(&self, why: Option<Why>) {
        let mut versions = self.board.subscribe();
        let held = || self.board.load().held.as_ref().map(|held| held.why);
        let changed = timeout(WAIT, async {
            while held() != why {
                versions.changed().await.expect("the publisher runs");
            }
        });
        changed.await.unwrap_or_else(|_| panic!("never {why:?}, but {:?}", held()));
    }

    /// Waits for the first document, then watches every version from there on.
    pub async fn names(&mut self) -> Names {
        self.until("a document", |contact| contact.last_success.is_some()).await;
        let before = task_lines(&self.board.load().zone);
        assert!(before.len() > 20, "{before:?}");
        let (board, mut versions) = (self.board.clone(), self.board.subscribe());
        let kept = before.clone();
        let checking = tokio::spawn(async move {
            while versions.changed().await.is_ok() {
                let now = task_lines(&board.load().zone);
                let lost: Vec<&String> = kept.difference(&now).collect();
                assert!(lost.is_empty(), "lost: {lost:?}");
            }
        });
        Names { before, checking }
    }

    pub async fn ends(self) {
        self.stop.cancel();
        timeout(WAIT, self.watching).await.expect("ends").unwrap().unwrap();
    }
}

/// The records there were before, and who watches over them.
pub struct Names {
    pub before: BTreeSet<String>,
    pub checking: JoinHandle<()>,
}

impl Names {
    /// None was ever lost, and now there are exactly these.
    pub fn are_all_there(&self, running: &Running) {
        assert!(!self.checking.is_finished(), "a record was lost");
        assert_eq!(task_lines(&running.board.load().zone), self.before);
    }
}

/// Every record but those that name the leader, and the serial.
pub fn task_lines(zone: &Snapshot) -> BTreeSet<String> {
    let mut text = Vec::new();
    write_zone_file(zone, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let about_masters = |line: &&str| {
        ["$TTL", "mesos. ", "leader.", "master", "_leader."].iter().any(|start| line.starts_with(start))
    };
    text.lines().filter(|line| !about_masters(line)).map(str::to_owned).collect()
}

pub fn policy() -> Arc<Policy> {
    Arc::new(Policy {
        domain: "mesos".into(),
        apex: Name::parse("mesos.").unwrap(),
        rules: Rules::Rfc1123,
        addresses: Addresses::Sources(vec![
            AddressSource::NetInfo,
            AddressSource::Mesos,
            AddressSource::Host,
        ]),
        health: Health::Ignore,
        places: Vec::new(),
        extra: mesos_dns_core::records::Extra::default(),
        server_name: "ns1.mesos.".into(),
        server_addresses: vec!["127.0.0.1".parse().unwrap()],
    })
}

pub fn soa() -> Arc<Soa> {
    let name = |text| Name::parse(text).unwrap();
    Arc::new(Soa {
        mname: name("ns1.mesos."),
        rname: name("root.ns1.mesos."),
        refresh: 60,
        retry: 600,
        expire: 86400,
        minimum: 60,
        ttl: 60,
        weight: 1,
    })
}

pub fn believe() -> believe::Settings {
    believe::Settings { hold: Duration::from_secs(600), loss_percent: 30, loss_minimum: 20 }
}

/// Settings for these masters, `host:port` each.
pub fn settings(masters: &[String], zookeeper: Option<&str>) -> Settings {
    Settings {
        zookeeper: zookeeper.map(|url| ZkUrl::parse(url).unwrap()),
        masters: masters.iter().map(|master| Arc::from(master.as_str())).collect(),
        detection_timeout: None,
        poll: poll::Settings { refresh: NEVER, timeout: WAIT },
        subscribe: subscribe::Settings { updates: Updates::Auto, compare: NEVER, timeout: WAIT },
        limits: Limits::default(),
        tls: None,
        auth: auth::Settings::None,
    }
}
