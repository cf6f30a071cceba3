//! Workers that meet a fault. The queries are there before the worker is, so they come in one batch.

use std::{collections::BTreeMap, net::UdpSocket};

use mesos_dns_core::answer::Settings;
use prometheus_client::registry::Registry;

use super::*;
use crate::dns::fixture::{Brittle, Log, publish_web, query, shared, shown};

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(10);

/// The queries of a batch: most are plain, number 3 and 7 are not.
const QUERIES: u16 = 10;

const A: u8 = 1;
const TXT: u8 = 16;

/// What is seen of a worker whose dice break at these throws.
struct Seen {
    /// Response code and number of answers, by query.
    replies: BTreeMap<u16, (u8, u8)>,
    registry: Registry,
    log: String,
}

/// Lets a worker answer a batch, and then another.
fn seen(breaks_at: &'static [usize]) -> Seen {
    let (shared, registry, _outside) = shared(Settings::default());
    publish_web(&shared.board);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT)).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(socket.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let ask = |from: u16| {
        for id in from..from + QUERIES {
            let qtype = if matches!(id, 3 | 7) { TXT } else { A };
            client.send(&query(id, "web.mesos.", qtype)).unwrap();
        }
    };
    let mut replies = BTreeMap::new();
    let mut listen = || {
        for _ in 0..QUERIES {
            let mut reply = [0; 512];
            let length = client.recv(&mut reply).unwrap();
            assert!(length >= 12);
            replies.insert(u16::from_be_bytes([reply[0], reply[1]]), (reply[3] & 15, reply[7]));
        }
    };
    ask(0);
    let (stop, log) = (AtomicBool::new(false), Log::default());
    let worker = Worker::new(Arc::new(socket.into()), shared, Brittle::new(breaks_at));
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| log.of(|| worker.run(&stop)));
        listen();
        ask(100);
        listen();
        stop.store(true, Ordering::Relaxed);
        worker.join().unwrap();
    });
    Seen { replies, registry, log: log.text() }
}

impl Seen {
    /// Every query has its right answer, but for those that met the fault.
    fn check(&self, failed: &[u16]) {
        for id in (0..QUERIES).chain(100..100 + QUERIES) {
            let right = match id {
                3 | 7 => (0, 0),
                _ => (0, 1),
            };
            let expected = if failed.contains(&id) { (2, 0) } else { right };
            assert_eq!(self.replies.get(&id), Some(&expected), "query {id}");
        }
    }

    fn panics(&self) -> u64 {
        shown(&self.registry, "mesos_dns_dns_panics_total")
    }
}

#[test]
fn a_fault_costs_one_query_of_a_batch() {
    // The eight plain queries are written first, then the other two decided: number 3 is the ninth throw.
    let seen = seen(&[9]);
    seen.check(&[3]);
    assert_eq!(seen.panics(), 1);
    let log = seen.log.lines().collect::<Vec<_>>();
    assert!(
        matches!(log[..], [line] if line.contains("ERROR") && line.contains("a query panicked")),
        "{log:?}"
    );
    assert!(log[0].contains("query=\"00030100000100000000000003776562056d65736f73000010"), "{log:?}");
}

#[test]
fn a_fault_among_the_plain_ones_has_each_decided_alone() {
    // Number 5 is the fifth plain one. Then all ten are decided, and the sixth of them is it again.
    let seen = seen(&[5, 5 + 6]);
    seen.check(&[5]);
    assert_eq!(seen.panics(), 2);
    assert!(seen.log.contains("a batch of queries panicked") && seen.log.contains("a query panicked"));
}

#[test]
fn a_fault_that_is_gone_the_second_time_costs_nothing() {
    let seen = seen(&[1]);
    seen.check(&[]);
    assert_eq!(seen.panics(), 1);
}
