//! The forwarder and its servers: which are asked when, and what it believes.
//!
//! Scripted servers on loopback; what depends on time alone is tested in the core, in made-up time.

use std::time::{Duration, Instant};

use mesos_dns_core::forward::Transport;

use self::{
    liar::{Liar, Say},
    subject::{Subject, client, closed, patient, query, settings, silent},
};

#[path = "forward/liar.rs"]
mod liar;
#[path = "forward/subject.rs"]
mod subject;

/// Where the name of the question begins and ends.
fn question(message: &[u8]) -> &[u8] {
    &message[12..query("www.example.com", None).len()]
}

//------------ Spelling -------------------------------------------------------

#[tokio::test]
async fn every_question_is_spelled_anew() {
    let server = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    let subject = Subject::new(settings(&[server.address]));
    for _ in 0..64 {
        let asked = query("www.example.com", None);
        let reply = subject.ask(&asked, Transport::Udp).await;
        assert_eq!(question(&reply), question(&asked), "the client sees its own");
    }
    let seen = server.seen();
    let spellings: std::collections::HashSet<_> = seen.iter().map(|asked| question(&asked.message)).collect();
    assert!(spellings.len() > 50, "13 letters, 64 questions");
    let plain = query("www.example.com", None);
    assert!(spellings.iter().all(|spelled| spelled.eq_ignore_ascii_case(question(&plain))));
}

#[tokio::test]
async fn another_spelling_is_not_believed() {
    // Somebody guessed identifier and port, and does not know the spelling; over TCP the server itself speaks.
    let server = Liar::start(|asked| {
        let mut forged = asked.answer(3);
        let last = 12 + question(&forged).len() - 6;
        forged[last] ^= 0x20;
        let forged = Say::Reply(forged);
        match asked.transport {
            Transport::Udp => vec![forged, Say::Reply(asked.answer(2))],
            Transport::Tcp => vec![Say::Reply(asked.answer(1))],
        }
    })
    .await;
    let subject = Subject::new(patient(settings(&[server.address])));
    assert_eq!(subject.udp(&query("www.example.com", None)).await, (0, 1));
    assert_eq!(server.transports(), [Transport::Udp, Transport::Tcp]);
    let label = format!("tries_total{{server=\"{}\",transport=\"udp\",result=\"folded\"}}", server.address);
    assert_eq!(subject.count(&label), 1);
}

#[tokio::test]
async fn a_server_that_folds_is_asked_in_lower_case() {
    let server = Liar::start(|asked| {
        let mut reply = asked.answer(1);
        let end = 12 + question(&reply).len();
        reply[12..end].make_ascii_lowercase();
        vec![Say::Reply(reply)]
    })
    .await;
    let subject = Subject::new(patient(settings(&[server.address])));
    let asked = query("www.example.com", None);
    // A spelling without a capital letter shows nothing, and is drawn once in 8192 times.
    for _ in 0..6 {
        assert_eq!(subject.udp(&asked).await, (0, 1));
    }
    let (udp, tcp) = (Transport::Udp, Transport::Tcp);
    assert_eq!(server.transports(), [udp, tcp, udp, tcp, udp, udp, udp, udp]);
    assert!(server.seen()[4..].iter().all(|seen| question(&seen.message) == question(&asked)));
}

//------------ Whom to ask ----------------------------------------------------

#[tokio::test]
async fn a_dead_first_server_costs_little_and_then_nothing() {
    let (first, second) = (silent().await, silent().await);
    let good = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    for (dead, all) in [
        (vec![&first], vec![first.1, good.address, closed().await]),
        (vec![&first, &second], vec![first.1, second.1, good.address]),
    ] {
        let subject = Subject::new(patient(settings(&all)));
        let is_ill = |server| subject.count(&format!("server_ill{{server=\"{server}\"}}")) == 1;
        let started = Instant::now();
        let mut n = 0;
        // Clients ask on while nobody knows yet.
        while !dead.iter().all(|(_, server)| is_ill(server)) {
            n += 1;
            assert_eq!(subject.udp(&query(&format!("n{n}.example.com"), None)).await, (0, 1));
            assert!(started.elapsed() < Duration::from_secs(60), "never found");
        }
        // From now on the dead ones get probes and nothing else, so nobody waits for them.
        for (socket, _) in &dead {
            while socket.try_recv(&mut [0; 512]).is_ok() {}
        }
        for n in 0..50 {
            assert_eq!(subject.udp(&query(&format!("m{n}.example.com"), None)).await, (0, 1));
        }
        for (socket, server) in &dead {
            let asked = std::iter::from_fn(|| socket.try_recv(&mut [0; 512]).ok()).count() as u64;
            let probes = subject.count(&format!("probes_total{{server=\"{server}\"}}"));
            assert!(asked <= probes, "{asked}, {probes}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_back_is_found_by_a_probe() {
    let (first, address) = silent().await;
    let good = Liar::start(|asked| vec![Say::Reply(asked.answer(1))]).await;
    let subject = Subject::new(patient(settings(&[address, good.address])));
    let ill = format!("server_ill{{server=\"{address}\"}}");
    let mut n = 0;
    let mut ask = async || {
        n += 1;
        subject.udp(&query(&format!("n{n}.example.com"), None)).await
    };
    while subject.count(&ill) == 0 {
        assert_eq!(ask().await, (0, 1));
    }
    let back = tokio::spawn(async move {
        // What was asked before the illness stays without an answer.
        while first.try_recv(&mut [0; 512]).is_ok() {}
        loop {
            let asked = liar::receive(&first).await;
            first.send_to(&asked.answer(2), asked.from).await.unwrap();
        }
    });
    let found = async {
        while subject.count(&ill) == 1 {
            assert_eq!(ask().await.0, 0, "clients notice nothing");
        }
        assert_eq!(ask().await, (0, 2), "it is the first again");
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("a probe goes out every few seconds");
    assert!(subject.count(&format!("probes_total{{server=\"{address}\"}}")) > 0);
    back.abort();
}

#[tokio::test]
async fn a_slow_server_is_helped_out_now_and_then() {
    let slow = std::sync::atomic::AtomicBool::new(false);
    let slow = std::sync::Arc::new(slow);
    let is_slow = slow.clone();
    // Silent from some moment on.
    let first = Liar::start(move |asked| {
        let silent = is_slow.load(std::sync::atomic::Ordering::Relaxed);
        if silent { vec![] } else { vec![Say::Reply(asked.answer(1))] }
    })
    .await;
    let second = Liar::start(|asked| vec![Say::Reply(asked.answer(2))]).await;
    let subject = Subject::new(patient(settings(&[first.address, second.address])));
    for n in 0..40 {
        assert_eq!(subject.udp(&query(&format!("n{n}.example.com"), None)).await.0, 0);
    }
    slow.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(subject.udp(&query("now.example.com", None)).await, (0, 2));
    let hedges = subject.count(&format!("hedges_total{{server=\"{}\"}}", second.address));
    assert!((1..=13).contains(&hedges), "{hedges}: ten saved, and one for each twenty of 41");
}

#[tokio::test]
async fn of_a_server_that_is_asked_no_more_nothing_is_told() {
    let (gone, address) = silent().await;
    let subject = Subject::new(settings(&[address]));
    let (forwarder, asked) = (subject.forwarder.clone(), query("www.example.com", None));
    let asking = tokio::spawn(async move { forwarder.answer(&asked, client(Transport::Udp)).await });
    liar::receive(&gone).await;
    subject.forwarder.replace(settings(&[closed().await]), &[]);
    // The next try finds nobody there, which makes ill.
    drop(gone);
    asking.await.unwrap();
    subject.idle().await;
    let of = |what: &str| subject.count(&format!("{what}{{server=\"{address}\"}}"));
    assert_eq!(
        subject.count(&format!("tries_total{{server=\"{address}\",transport=\"udp\",result=\"failure\"}}")),
        1
    );
    assert_eq!(of("server_ill"), 0);
}
