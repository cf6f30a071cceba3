//! The promise: nobody is sent to an instance that is being killed, nor to an unhealthy one while healthy ones are there.
//!
//! The real program follows a simulated cluster in which instances are launched, checked and killed by hand, while a client
//! asks without end. What it was told is compared with when the cluster did what: a change is noted before anybody can
//! see it, and an answer counts as having left when its question was sent.

#[path = "health/client.rs"]
mod client;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "health/stage.rs"]
mod stage;

use std::time::{Duration, Instant};

use client::{Client, Told};
use daemon::Daemon;
use domain::base::iana::Rtype;
use mesos_dns_core::watch::health::UNHEALTHY_AFTER;
use rustix::process::Signal;
use serde_json::{Value, json};
use stage::{Instance, Stage};

/// From an event to the last answer that does not know it.
const BOUND: Duration = Duration::from_secs(1);

/// Time between two polls (`refreshSeconds`).
const REFRESH: Duration = Duration::from_secs(1);

/// Answers to each question that must have left after a bound.
const ANSWERS: usize = 20;

/// What the instances share.
const SHARED: [(&str, Rtype); 2] =
    [("web.marathon.mesos", Rtype::A), ("_web._tcp.marathon.mesos", Rtype::SRV)];

/// A cluster with so many healthy instances, a program that follows it, and a client that was told all of them.
async fn begin(instances: usize, members: Value) -> (Stage, Vec<Instance>, Daemon, Client) {
    let mut stage = Stage::start().await;
    let all: Vec<Instance> = (0..instances).map(|_| stage.launch(Some(true))).collect();
    let daemon = stage.followed(members).await;
    let client = Client::start(daemon.dns);
    SHARED.iter().for_each(|(name, rtype)| client.ask(name, *rtype));
    all.iter().for_each(|instance| client.ask(&instance.own, Rtype::A));
    client.until("all of them", |told| told.is_told(&all)).await;
    (stage, all, daemon, client)
}

/// Whether an answer about all instances leads to this one.
fn leads_to(told: &Told, instance: &Instance) -> bool {
    is_shared(told)
        && told.data.contains(match told.rtype {
            Rtype::A => &instance.address,
            _ => &instance.own,
        })
}

fn is_shared(told: &Told) -> bool {
    SHARED.iter().any(|(name, _)| told.name == *name)
}

//------------ Killed ----------------------------------------------------------

/// Replaces three instances one by one: the new one starts, becomes healthy, and the old one is killed.
async fn roll(updates: &str, bound: Duration) {
    let members = json!({"updates": updates, "refreshSeconds": REFRESH.as_secs()});
    let (mut stage, mut running, daemon, client) = begin(3, members).await;
    for _ in 0..running.len() {
        let new = stage.launch(None);
        client.ask(&new.own, Rtype::A);
        running.push(new.clone());
        client.until("the new one", |told| told.is_told(&running)).await;
        stage.check(&new, true);

        let old = running.remove(0);
        let killed = Instant::now();
        stage.kill(&old);
        let late = |told: &Told| told.sent > killed + bound;
        for (name, _) in SHARED {
            let what = format!("answers about {name} after the bound");
            client.until(&what, |told| told.of(name).filter(|told| late(told)).count() >= ANSWERS).await;
        }
        let what = "answers about the instance that is killed";
        client.until(what, |told| told.of(&old.own).filter(|told| late(told)).count() >= ANSWERS).await;
        let ended = Instant::now();
        stage.end(&old);
        client.until("nothing of the instance that has ended", |told| told.latest(&old.own).is_none()).await;

        for told in client.history().all() {
            let stalled = client.stalled(killed, told.sent);
            let is_late = told.sent > killed + bound + stalled;
            assert!(!is_late || !leads_to(told, &old), "{:?} after the kill: {told:?}", told.sent - killed);
            if told.name == old.own && told.received < ended {
                assert!(told.data.contains(&old.address), "its own name stays until the end: {told:?}");
            }
        }
    }
    assert!(client.history().is_told(&running));
    let shared = client.history();
    let mut shared = shared.all().iter().filter(|told| is_shared(told));
    assert!(shared.all(|told| told.exists && !told.data.is_empty()), "the service was there all the time");
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_deployment_told_by_events() {
    roll("events", BOUND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_deployment_seen_by_polls() {
    roll("poll", REFRESH + BOUND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn where_health_is_ignored_a_killed_instance_has_no_name() {
    let (mut stage, all, _daemon, client) = begin(2, json!({"health": "ignore"})).await;
    stage.check(&all[0], false);
    stage.kill(&all[1]);
    client.until("the other one", |told| told.is_told(&all[..1])).await;
    client.until("no name", |told| told.latest(&all[1].own).is_none()).await;
}

//------------ Unhealthy -------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unhealthy_instances_are_told_where_no_others_are() {
    for updates in ["events", "poll"] {
        let (mut stage, all, _daemon, client) = begin(3, json!({"updates": updates})).await;
        let [a, b, c] = [&all[0], &all[1], &all[2]].map(Clone::clone);
        let told = |expected: &[&Instance]| expected.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
        let failed = Instant::now();
        stage.check(&a, false);
        client.until("two", |history| history.is_told(&told(&[&b, &c]))).await;
        let first =
            client.history().all().iter().find(|told| is_shared(told) && !leads_to(told, &a)).cloned();
        let after = first.unwrap().received - failed;
        assert!(after >= UNHEALTHY_AFTER, "bad news has to last: {after:?}");
        stage.check(&b, false);
        client.until("one", |history| history.is_told(&told(&[&c]))).await;
        stage.check(&c, false);
        client.until("all", |history| history.is_told(&all)).await;
        stage.check(&b, true);
        client.until("the one that is healthy again", |history| history.is_told(&told(&[&b]))).await;
        // And nothing else in between, in A and SRV alike; the names of the instances were there all the time.
        let expected = [vec![&a, &b, &c], vec![&b, &c], vec![&c], vec![&a, &b, &c], vec![&b]];
        for (name, rtype) in SHARED {
            let expected = expected.iter().map(|of| of.iter().map(|one| one.datum(rtype)).collect());
            assert_eq!(client.history().runs(name), expected.collect::<Vec<_>>(), "{updates}: {name}");
        }
        for one in &all {
            assert_eq!(
                client.history().runs(&one.own),
                [[one.address.clone()].into()],
                "{updates}: {}",
                one.own
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_check_that_fails_now_and_then_takes_nobody_away() {
    let (mut stage, all, _daemon, client) = begin(2, json!({"updates": "events"})).await;
    let more = |since: Instant| {
        client.until("some answers", move |told| {
            SHARED.iter().all(|(name, _)| told.of(name).filter(|told| told.sent > since).count() >= ANSWERS)
        })
    };
    let mut lasted = Duration::ZERO;
    for _ in 0..10 {
        let failed = Instant::now();
        stage.check(&all[0], false);
        more(Instant::now()).await;
        stage.check(&all[0], true);
        let passed = Instant::now();
        lasted = lasted.max(passed - failed + client.stalled(failed, passed));
        more(passed).await;
    }
    if lasted < UNHEALTHY_AFTER / 2 {
        for (name, _) in SHARED {
            assert_eq!(client.history().runs(name).len(), 1, "{:?}", client.history().runs(name));
        }
    } else {
        eprintln!("skipped: the machine was so slow that a failure lasted for {lasted:?}");
    }
    stage.check(&all[0], false);
    client.until("the other one", |told| told.is_told(&all[1..])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_share_of_healthy_ones_that_is_enough_can_be_set_and_reset() {
    let (mut stage, all, mut daemon, client) = begin(3, json!({"healthyMinimumPercent": 60})).await;
    stage.check(&all[0], false);
    client.until("two thirds", |told| told.is_told(&all[1..])).await;
    stage.check(&all[1], false);
    client.until("all, as a third is not enough", |told| told.is_told(&all)).await;
    daemon.rewrite(json!({"healthyMinimumPercent": 30}));
    daemon.signal(Signal::HUP);
    client.until("a third", |told| told.is_told(&all[2..])).await;
    daemon.rewrite(json!({"health": "ignore"}));
    daemon.signal(Signal::HUP);
    client.until("all, as health does not matter", |told| told.is_told(&all)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn where_health_is_required_an_instance_has_to_show_it_first() {
    for updates in ["events", "poll"] {
        let (mut stage, all, _daemon, client) =
            begin(1, json!({"updates": updates, "health": "require"})).await;
        let new = stage.launch(None);
        client.ask(&new.own, Rtype::A);
        client.until("its own name", |told| told.latest(&new.own).is_some()).await;
        let since = Instant::now();
        for (name, _) in SHARED {
            client
                .until("more", |told| told.of(name).filter(|told| told.sent > since).count() >= ANSWERS)
                .await;
        }
        assert!(!client.history().all().iter().any(|told| leads_to(told, &new)), "{updates}: no result yet");
        stage.check(&new, true);
        let both = [all[0].clone(), new.clone()];
        client.until("both", |told| told.is_told(&both)).await;
        both.iter().for_each(|one| stage.check(one, false));
        client.until("nothing", |told| SHARED.iter().all(|(name, _)| told.latest(name).is_none())).await;
        assert!(both.iter().all(|one| client.history().latest(&one.own).is_some()));
    }
}
