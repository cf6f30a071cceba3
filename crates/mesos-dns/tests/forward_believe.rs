//! What the forwarder believes of servers that say more than they were asked, and less than our own zone knows.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use mesos_dns_core::forward::Transport;

use self::{
    liar::{Asked, Liar, Say},
    subject::{Subject, client, remembering},
    told::{made, question, read, soa, wire},
};

#[path = "forward/liar.rs"]
mod liar;
#[path = "forward/subject.rs"]
mod subject;
#[path = "forward/told.rs"]
mod told;

#[tokio::test]
async fn what_nobody_asked_for_is_not_believed() {
    let server = Liar::start(|asked| {
        let name = asked.name();
        let evil = || vec![6, 6, 6, 6];
        vec![Say::Reply(made(
            asked,
            0,
            &[
                (1, "victim.example.net", 1, 999, evil()),
                (1, &name, 1, 60, vec![192, 0, 2, 1]),
                (1, "web.marathon.mesos", 1, 999, evil()),
                (2, "mesos", 2, 999, wire("ns.evil")),
                (2, "example.net", 2, 999, wire("ns.evil")),
                (3, "ns.evil", 1, 999, evil()),
                (3, "victim.example.net", 1, 999, evil()),
                (3, "web.marathon.mesos", 1, 999, evil()),
            ],
        ))]
    })
    .await;
    let subject = Subject::new(remembering(&[server.address]));
    let reply =
        subject.forwarder.answer(&question("www.example.com", 1, 0), client(Transport::Udp)).await.unwrap();
    assert_eq!(reply[6..12], [0, 1, 0, 0, 0, 1], "one answer, and OPT");
    assert_eq!(read(&reply).data, [1]);
    // The victim is asked for like any other name, and ours not at all.
    assert_eq!(subject.short("victim.example.net").await, (0, 2));
    assert_eq!(server.seen().len(), 2);
    assert_eq!(subject.short("web.marathon.mesos").await.0, 5);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn chains_into_our_zone_are_answered_by_it() {
    let server = Liar::start(|asked| {
        let name = asked.name();
        let records = [
            (1, &name[..], 5, 60, wire("Web.Marathon.Mesos")),
            (1, "web.marathon.mesos", 1, 60, vec![6, 6, 6, 6]),
        ];
        // Servers of others do not know our names.
        vec![Say::Reply(made(asked, 3, &records))]
    })
    .await;
    let subject = Subject::new(remembering(&[server.address]));
    let told = subject.told(&question("alias.example.com", 1, 0)).await;
    assert_eq!((told.rcode, told.reasons), (2, vec![14]), "nobody said how our zone is asked");
    let loaded = Arc::new(AtomicU8::new(0));
    subject.forwarder.ask_own_zone_by({
        let loaded = loaded.clone();
        move |query| {
            let asked = Asked {
                message: query.to_vec(),
                from: ([127, 0, 0, 1], 1).into(),
                transport: Transport::Tcp,
            };
            assert_eq!(asked.name(), "web.marathon.mesos.");
            let address = |last| (1, "web.marathon.mesos", 1, 5, vec![10, 0, 0, last]);
            match loaded.load(Ordering::Relaxed) {
                0 => Some(asked.error(2)),
                1 => Some(made(&asked, 0, &[address(1), address(2)])),
                2 => Some(made(&asked, 3, &[(2, "mesos", 6, 5, soa(5))])),
                _ => None,
            }
        }
    });
    for (state, rcode, answers) in [(0, 2, 0), (1, 0, 3), (2, 3, 1), (3, 2, 0)] {
        loaded.store(state, Ordering::Relaxed);
        assert_eq!(subject.short("alias.example.com").await, (rcode, answers), "{state}");
    }
    assert_eq!(server.seen().len(), 1, "the chain is remembered, what our zone says is not");
    loaded.store(1, Ordering::Relaxed);
    let told = subject.told(&question("alias.example.com", 1, 0)).await;
    assert!((58..=60).contains(&told.ttls[0]) && told.ttls[1..] == [5, 5], "{told:?}");
    assert!(!told.data.contains(&6));
    let ended = |outcome| subject.count(&format!("replies_total{{outcome=\"{outcome}\"}}"));
    assert_eq!(["Answered", "Error", "Failed"].map(ended), [3, 1, 2], "as the client saw it");
}
