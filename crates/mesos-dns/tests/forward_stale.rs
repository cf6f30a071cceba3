//! What the forwarder tells while servers fail and fall silent: answers whose time is over, failures of a moment ago.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use mesos_dns_core::forward::Settings;
use tokio::time::sleep;

use self::{
    subject::{Subject, remembering},
    told::{PATIENCE, failing, question},
};

#[path = "forward/liar.rs"]
mod liar;
#[path = "forward/subject.rs"]
mod subject;
#[path = "forward/told.rs"]
mod told;

#[tokio::test]
async fn stale_answers_while_servers_fail() {
    let (server, silent, fails) = failing(1).await;
    let subject = Subject::new(remembering(&[server.address]));
    assert_eq!(subject.short("www.example.com").await, (0, 1));
    assert_eq!(subject.short("nx.example.com").await, (3, 0));
    fails.store(true, Ordering::Relaxed);
    let started = Instant::now();
    let stale = loop {
        let told = subject.told(&question("www.example.com", 1, 0)).await;
        assert_eq!((told.rcode, &told.data[..]), (0, &[1][..]), "it never fails");
        if !told.reasons.is_empty() {
            break told;
        }
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((stale.ttls, stale.reasons), (vec![30], vec![3]));
    // While that is remembered nobody is asked.
    let before = server.seen().len();
    assert_eq!(subject.told(&question("www.example.com", 1, 0)).await.reasons, [3]);
    assert_eq!(server.seen().len(), before);
    assert!(subject.answers("stale") >= 2);
    let told = subject.told(&question("nx.example.com", 1, 0)).await;
    assert_eq!((told.rcode, told.reasons), (3, vec![19]));
    // Names that were never known fail, and are told from memory for a while.
    let told = subject.told(&question("other.example.com", 1, 0)).await;
    assert_eq!((told.rcode, told.reasons), (2, vec![]));
    let before = server.seen().len();
    let told = subject.told(&question("other.example.com", 1, 0)).await;
    assert_eq!((told.rcode, told.reasons), (2, vec![13]));
    assert_eq!((server.seen().len(), subject.answers("failure")), (before, 1));
    // All is well again, soon after it is.
    fails.store(false, Ordering::Relaxed);
    silent.store(false, Ordering::Relaxed);
    for name in ["www.example.com", "other.example.com"] {
        let started = Instant::now();
        loop {
            let told = subject.told(&question(name, 1, 0)).await;
            if told.rcode == 0 && told.reasons.is_empty() {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "{name}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn stale_answers_do_not_wait_for_the_whole_budget() {
    let (server, silent, _) = failing(1).await;
    let subject =
        Subject::new(Settings { budget: Duration::from_secs(12), ..remembering(&[server.address]) });
    assert_eq!(subject.short("www.example.com").await, (0, 1));
    assert_eq!(subject.short("ftp.example.com").await, (0, 1));
    silent.store(true, Ordering::Relaxed);
    let started = Instant::now();
    let (told, waited) = loop {
        let asked = Instant::now();
        let told = subject.told(&question("www.example.com", 1, 0)).await;
        if !told.reasons.is_empty() {
            break (told, asked.elapsed());
        }
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((told.ttls, told.reasons), (vec![30], vec![3]));
    assert!(waited >= Duration::from_millis(1700) && waited < Duration::from_secs(10), "{waited:?}");
    assert_eq!(subject.forwarder.outstanding(), 1, "the exchange goes on");
    // Once it is known that the server is silent, nobody waits so long for another name.
    while subject.count(&format!("server_ill{{server=\"{}\"}}", server.address)) == 0 {
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20)).await;
    }
    let asked = Instant::now();
    let told = subject.told(&question("ftp.example.com", 1, 0)).await;
    assert_eq!((told.ttls, told.reasons), (vec![30], vec![3]));
    assert!(asked.elapsed() < Duration::from_millis(1700), "{:?}", asked.elapsed());
    // And when the server speaks again, what it says takes the place of the stale answer.
    silent.store(false, Ordering::Relaxed);
    let started = Instant::now();
    while !subject.told(&question("www.example.com", 1, 0)).await.reasons.is_empty() {
        assert!(started.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20)).await;
    }

    let off = Settings { stale_max: Duration::ZERO, ..remembering(&[server.address]) };
    subject.forwarder.replace(off, &[]);
    silent.store(true, Ordering::Relaxed);
    let started = Instant::now();
    while subject.short("www.example.com").await != (2, 0) {
        assert!(started.elapsed() < PATIENCE, "switched off, it fails");
    }
}
