//! Queries that came in one stream: a fault among them, and new versions while they are answered.

use mesos_dns_core::answer::Settings;

use super::*;
use crate::dns::{
    fixture::{Brittle, Log, publish, publish_web, query, shared, shown},
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
    assert_eq!(
        shown(&registry, r#"mesos_dns_dns_questions_total{transport="https",family="ipv4",type="A"}"#),
        4
    );
    assert_eq!(shown(&registry, r#"mesos_dns_dns_queries_total{transport="https"}"#), 4);
    let failed = r#"mesos_dns_dns_responses_total{transport="https",source="zone",rcode="SERVFAIL"}"#;
    assert_eq!(shown(&registry, failed), 1);
    assert_eq!(shown(&registry, r#"mesos_dns_dns_answer_seconds_count{transport="https"}"#), 4);
    assert_eq!(shown(&registry, "mesos_dns_legacy_mesos_success_total"), 9, "three of each transport");
}

/// What is answered in one sitting is of one version, while a writer swaps them as fast as it can; and none goes back.
#[test]
fn a_sitting_sees_one_version() {
    /// Versions that the reader must have seen.
    const VERSIONS: u32 = 300;
    let (shared, _registry, _outside) = shared(Settings::default());
    publish(&shared.board, 1, [0, 0, 0, 1].into());
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut seen, mut last) = (0, 0);
            while seen < VERSIONS {
                let version = version_of_a_sitting(&shared);
                assert!(version >= last, "{version} after {last}");
                seen += u32::from(version > last);
                last = version;
            }
        });
        let mut version = 1_u32;
        while !reader.is_finished() {
            version += 1;
            publish(&shared.board, version.into(), version.to_be_bytes().into());
        }
        reader.join().unwrap();
    });
}

/// The version that an address tells, before and after the name that is there for it tells it, too.
fn version_of_a_sitting(shared: &Shared) -> u32 {
    let mut sitting = Sitting::new(shared, "127.0.0.1:4000".parse().unwrap(), Transport::Tcp);
    let mut replies = Vec::new();
    with_scratch(|scratch| {
        let (_, mut parts) = scratch.parts();
        for (name, qtype) in [("web.mesos.", 1), ("_status.mesos.", 16), ("web.mesos.", 1)] {
            sitting.answer(&query(1, name, qtype), &mut parts, || unreachable!("it is ours"));
            // Whoever swaps versions may do so in between.
            std::thread::yield_now();
        }
        Frames::default().receive(parts.0.bytes(), |reply| {
            replies.push(reply.to_vec());
            Next::More
        });
    });
    let address = |reply: &[u8]| u32::from_be_bytes(*reply.last_chunk().unwrap());
    let version = address(&replies[0]);
    assert_eq!(address(&replies[2]), version);
    let text = format!("version={version}");
    let told = [&[text.len() as u8], text.as_bytes()].concat();
    assert!(replies[1].windows(told.len()).any(|part| part == told), "{text}: {}", replies[1].escape_ascii());
    version
}
