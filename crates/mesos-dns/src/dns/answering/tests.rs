//! A fault among queries that came in one stream.

use mesos_dns_core::answer::Settings;

use super::*;
use crate::dns::{
    fixture::{Brittle, Log, publish_web, query, shared, shown},
    frames::{Frames, Next},
};

#[test]
fn a_fault_costs_one_query_of_a_sitting() {
    let (shared, registry, _outside) = shared(Settings::default());
    publish_web(&shared.board);
    let from = "127.0.0.1:4000".parse().unwrap();
    for transport in [Transport::Tcp, Transport::Tls, Transport::Https] {
        let log = Log::default();
        let written = with_scratch(|scratch| {
            let (_, (outgoing, _)) = scratch.parts();
            let mut dice = Brittle::new(&[2]);
            let mut sitting = Sitting::new(&shared, from, transport);
            for id in 0..4 {
                let query = query(id, "web.mesos.", 1);
                let late = || unreachable!("it is ours");
                let outcome = log.of(|| sitting.answer(&query, &mut (&mut *outgoing, &mut dice), late));
                assert_eq!(outcome, Outcome::Answered);
            }
            outgoing.bytes().to_vec()
        });
        let mut replies = Vec::new();
        Frames::default().receive(&written, |reply| {
            replies.push((reply[1], reply[3] & 15, reply[7]));
            Next::More
        });
        assert_eq!(replies, [(0, 0, 1), (1, 2, 0), (2, 0, 1), (3, 0, 1)], "{transport:?}");
        assert_eq!(log.text().matches("a query panicked").count(), 1);
    }
    assert_eq!(shown(&registry, "mesos_dns_dns_panics_total"), 3);
    assert_eq!(shown(&registry, "mesos_dns_dns_queries_total{transport=\"https\"}"), 4);
}
