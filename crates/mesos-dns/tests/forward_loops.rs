//! Servers that forward in a circle: each question that goes around comes to an end, soon and with few others.
//!
//! That a server which is ourselves is found at the start is tested beside `own`, and in `forward.rs`.

use std::{sync::Arc, time::Instant};

use mesos_dns::forward::Forwarder;
use mesos_dns_core::forward::{Settings, Transport};

use self::{
    liar::Liar,
    subject::{BUDGET, Subject, client, query, settings},
};

#[path = "forward/liar.rs"]
mod liar;
#[path = "forward/subject.rs"]
mod subject;

/// Most questions that one may become, all servers together.
const QUESTIONS_MAX: usize = 50;

/// The way to a forwarder: a server that passes questions on as they are.
async fn way_to(forwarder: &Arc<Forwarder>) -> Liar {
    relay_to(forwarder, |asked| asked).await
}

/// The same; what it passes on is changed before.
async fn relay_to(
    forwarder: &Arc<Forwarder>,
    change: impl Fn(Vec<u8>) -> Vec<u8> + Copy + Send + 'static,
) -> Liar {
    let forwarder = forwarder.clone();
    Liar::relay(move |asked| {
        let forwarder = forwarder.clone();
        async move { forwarder.answer(&change(asked), client(Transport::Udp)).await.unwrap() }
    })
    .await
}

/// Settings in which nothing is remembered, and in which it is.
fn both(servers: &[&Liar]) -> [Settings; 2] {
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let forgets = settings(&addresses);
    let remembers = Settings { cache_bytes: 4 << 20, stale_max: BUDGET, ..forgets.clone() };
    [forgets, remembers]
}

#[tokio::test]
async fn what_comes_back_as_it_went_is_known() {
    // Two servers which both ask us in turn: the circle has a branch at every round.
    let subject = Subject::new(settings(&[]));
    let servers = [way_to(&subject.forwarder).await, way_to(&subject.forwarder).await];
    for (round, settings) in (1..).zip(both(&[&servers[0], &servers[1]])) {
        subject.forwarder.replace(settings, &[]);
        let started = Instant::now();
        assert_eq!(subject.udp(&query("www.example.com", None)).await, (2, 0));
        assert!(started.elapsed() < BUDGET, "{:?}", started.elapsed());
        let questions: usize = servers.iter().map(|server| server.seen().len()).sum();
        assert_eq!(questions, 2 * round);
        assert_eq!(subject.count("limits_total{limit=\"loop\"}"), 2 * round as u64);
    }
}

#[tokio::test]
async fn what_comes_back_in_another_spelling_ends_with_the_budget() {
    // One relay writes everything small; and of seven letters nobody can tell whose spelling it is.
    let small = |mut asked: Vec<u8>| {
        asked[12..].make_ascii_lowercase();
        asked
    };
    for (name, is_small) in [("www.example.com", true), ("ab.cd.efg", false)] {
        let subject = Subject::new(settings(&[]));
        let forwarder = &subject.forwarder;
        let server = if is_small { relay_to(forwarder, small).await } else { way_to(forwarder).await };
        for settings in both(&[&server]) {
            forwarder.replace(settings, &[]);
            let started = Instant::now();
            assert_eq!(subject.udp(&query(name, None)).await, (2, 0), "{name}");
            assert!(started.elapsed() < 2 * BUDGET, "{:?}", started.elapsed());
        }
        let questions = server.seen().len();
        assert!((2..=QUESTIONS_MAX).contains(&questions), "{name}: {questions}");
        assert!(subject.count("joined_total") > 0, "{name}: it waited for itself");
        subject.idle().await;
    }
}

#[tokio::test]
async fn two_that_draw_spellings_end_with_the_budget() {
    // Neither knows its own question again; but what comes back joins what is under way.
    let (here, there) = (Subject::new(settings(&[])), Subject::new(settings(&[])));
    let to_here = [way_to(&here.forwarder).await, way_to(&here.forwarder).await];
    let to_there = [way_to(&there.forwarder).await, way_to(&there.forwarder).await];
    let all = || to_here.iter().chain(&to_there).map(|server| server.seen().len()).sum::<usize>();
    let settings = both(&[&to_there[0], &to_there[1]]).into_iter().zip(both(&[&to_here[0], &to_here[1]]));
    for (from_here, from_there) in settings {
        here.forwarder.replace(from_here, &[]);
        there.forwarder.replace(from_there, &[]);
        let (started, before) = (Instant::now(), all());
        assert_eq!(here.udp(&query("www.example.com", None)).await, (2, 0));
        assert!(started.elapsed() < 2 * BUDGET, "{:?}", started.elapsed());
        here.idle().await;
        there.idle().await;
        let questions = all() - before;
        assert!((2..=QUESTIONS_MAX).contains(&questions), "{questions}");
    }
}
