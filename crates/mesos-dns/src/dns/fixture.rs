//! What the tests of this room stand on: a server of a few names without its sockets, and dice that break.

use std::{
    convert::Infallible,
    io::Write,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;
use mesos_dns_core::{
    answer::{RateLimiter, Settings},
    cluster::Cluster,
    records::{Owner, Record},
    table::Seed,
    wire::Name,
    zone::{Serial, Zone},
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use rand::TryRng;
use tokio::sync::mpsc;

use super::{Exit, Outside, Shared};
use crate::{
    metrics::Metrics,
    publish::{Board, Published},
    test_support::{policy, soa},
};

/// What connections and workers share, with the counters as they are shown and the queries that were handed on. No
/// zone is loaded.
pub(super) fn shared(settings: Settings) -> (Arc<Shared>, Registry, mpsc::Receiver<Outside>) {
    let (metrics, registry) = Metrics::new();
    let (outside, handed_on) = mpsc::channel(100);
    let shared = Shared {
        board: Arc::new(Board::new(policy(), soa())),
        settings: ArcSwap::from_pointee(settings),
        standing: Arc::default(),
        limiter: RateLimiter::new([0; 16]),
        exit: Exit::new((), outside),
        metrics: metrics.dns.clone(),
    };
    (Arc::new(shared), registry, handed_on)
}

/// Publishes `web.mesos`, 10.0.0.1, as version 1.
pub(super) fn publish_web(board: &Board) {
    publish(board, 1, [10, 0, 0, 1].into());
}

/// Publishes a version in which `web.mesos` has this address.
pub(super) fn publish(board: &Board, version: u64, address: IpAddr) {
    publish_all(board, version, &[address]);
}

/// Publishes a version in which `web.mesos` has these addresses.
pub(super) fn publish_all(board: &Board, version: u64, addresses: &[IpAddr]) {
    let mut zone = Zone::new(policy().apex.clone(), None, Seed(1));
    addresses.iter().for_each(|address| zone.add(&Record::new(&Owner::new("web.mesos."), *address)));
    zone.compile();
    let zone = Arc::new(zone.snapshot(soa(), Serial(1)));
    let (cluster, held, restored, reign) = (Cluster::default(), None, None, Arc::default());
    board.current().store(Arc::new(Published {
        zone,
        cluster,
        policy: policy(),
        held,
        restored,
        reign,
        skipped: Default::default(),
        version,
        posting: 0,
    }));
}

/// A query, RD set.
pub(super) fn query(id: u16, name: &str, qtype: u8) -> Vec<u8> {
    let name = Name::parse(name).unwrap();
    let counts_and_flags = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&id.to_be_bytes()[..], &counts_and_flags, name.as_wire(), &[0, qtype, 0, 1]].concat()
}

/// What a counter stands at, as `/metrics` shows it.
pub(super) fn shown(registry: &Registry, counter: &str) -> u64 {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(counter)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {counter} in {text}")).parse().unwrap()
}

/// Dice that break at some throws, counted from 1: a fault just where a query is answered.
pub(super) struct Brittle {
    thrown: usize,
    breaks_at: &'static [usize],
}

impl Brittle {
    pub(super) fn new(breaks_at: &'static [usize]) -> Self {
        Self { thrown: 0, breaks_at }
    }
}

impl TryRng for Brittle {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.thrown += 1;
        assert!(!self.breaks_at.contains(&self.thrown), "the dice broke");
        Ok(self.thrown as u64)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.try_next_u64()? as u8);
        Ok(())
    }
}

/// Where a test finds what was logged.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Does work, and keeps what this thread logs meanwhile.
    pub(super) fn of<T>(&self, work: impl FnOnce() -> T) -> T {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish();
        tracing::subscriber::with_default(subscriber, work)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
