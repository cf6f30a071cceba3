//! What the forwarder believes of servers that say more than they were asked, and less than our own zone knows.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use mesos_dns_core::forward::Transport;

use self::{
    liar::{Asked, Liar, Say},
    subject::{Subject, client, patient, remembering},
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

/// An alias of others leads to one of ours, which leads out again: the client is told the whole way, and a circle ends
/// where it closes.
#[tokio::test]
async fn chains_that_cross_our_border_are_followed_to_their_end() {
    let server = Liar::start(|asked| {
        let name = asked.name();
        let data = match &*name {
            "in.example.com." => (5, wire("out.mesos")),
            "circle.example.com." => (5, wire("circle.mesos")),
            "slow.example.com." => (5, wire("slow.mesos")),
            "www.example.com." => (1, vec![192, 0, 2, 7]),
            "silent.example.com." => return vec![],
            // Each leads to the next one of ours.
            long => match long.strip_prefix('s').and_then(|rest| rest.split('.').next()?.parse::<u32>().ok())
            {
                Some(step) => (5, wire(&format!("s{step}.mesos"))),
                None => return vec![Say::Reply(made(asked, 3, &[(2, "example.com", 6, 60, soa(60))]))],
            },
        };
        vec![Say::Reply(made(asked, 0, &[(1, &name, data.0, 60, data.1)]))]
    })
    .await;
    let subject = Subject::new(patient(remembering(&[server.address])));
    subject.forwarder.ask_own_zone_by(|query| {
        let asked =
            Asked { message: query.to_vec(), from: ([127, 0, 0, 1], 1).into(), transport: Transport::Tcp };
        let name = asked.name();
        let target = match &*name {
            "out.mesos." => "www.example.com".to_owned(),
            "circle.mesos." => "circle.example.com".to_owned(),
            "lost.mesos." => "nowhere.example.com".to_owned(),
            "moved.mesos." => return Some(made(&asked, 0, &[(1, &name, 1, 5, vec![10, 0, 0, 1])])),
            long => {
                let step: u32 = long.strip_prefix('s')?.split('.').next()?.parse().ok()?;
                format!("s{}.example.com", step + 1)
            }
        };
        Some(made(&asked, 0, &[(1, &name, 5, 5, wire(&target))]))
    });
    // Alias of theirs, alias of ours, address; again from memory; and begun at ours.
    for _ in 0..2 {
        let told = subject.told(&question("in.example.com", 1, 0)).await;
        assert_eq!((told.rcode, told.data.len(), told.data[2], told.ttls[1]), (0, 3, 7, 5), "{told:?}");
    }
    assert_eq!(subject.short("out.mesos").await, (0, 2));
    assert_eq!(subject.short("lost.mesos").await, (3, 1), "what the alias leads to is not there");
    assert_eq!(subject.told(&question("moved.mesos", 1, 0)).await.data, [1], "no alias any more");
    assert_eq!(server.seen().len(), 3);
    // Each alias of a circle is told once.
    for (name, count) in [("circle.example.com", 2), ("circle.mesos", 2)] {
        let told = subject.told(&question(name, 1, 0)).await;
        assert_eq!((told.rcode, told.ttls.len()), (0, count), "{name}: {told:?}");
    }
    // So many crossings are no accident.
    let asked = server.seen().len();
    let told = subject.told(&question("s0.example.com", 1, 0)).await;
    assert_eq!((told.rcode, told.ttls.len()), (0, 8), "{told:?}");
    assert_eq!(server.seen().len(), asked + 4);
    // All steps share the time of one query.
    let hasty = Subject::new(remembering(&[server.address]));
    hasty.forwarder.ask_own_zone_by(|query| {
        let asked =
            Asked { message: query.to_vec(), from: ([127, 0, 0, 1], 1).into(), transport: Transport::Tcp };
        Some(made(&asked, 0, &[(1, "slow.mesos", 5, 5, wire("silent.example.com"))]))
    });
    assert_eq!(hasty.short("slow.example.com").await.0, 2);
}
