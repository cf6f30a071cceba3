//! Replies as tests look at them, and servers whose answers are worth remembering.

#![allow(dead_code, reason = "each test that shares this file uses its part of it")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use mesos_dns_core::{forward::Transport, wire::Name};
use tokio::time::sleep;

use crate::{
    liar::{Asked, Liar, Say},
    subject::Subject,
};

/// How long something that is bound to happen is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A reply as a test looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) rcode: u8,
    /// TTL of each answer.
    pub(crate) ttls: Vec<u32>,
    /// Last octet of each answer.
    pub(crate) data: Vec<u8>,
    /// Reasons (RFC 8914).
    pub(crate) reasons: Vec<u16>,
}

impl Subject {
    /// Asks over UDP.
    pub(crate) async fn told(&self, query: &[u8]) -> Told {
        read(&self.ask(query, Transport::Udp).await)
    }

    /// Asks for addresses; response code and number of answers.
    pub(crate) async fn short(&self, name: &str) -> (u8, usize) {
        let told = self.told(&question(name, 1, 0)).await;
        (told.rcode, told.ttls.len())
    }

    /// How many answers of this kind were told from memory.
    pub(crate) fn answers(&self, kind: &str) -> u64 {
        self.count(&format!("cache_answers_total{{kind=\"{kind}\"}}"))
    }
}

/// Waits until this holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn wire(name: &str) -> Vec<u8> {
    Name::parse(name).unwrap().as_wire().to_vec()
}

/// A query with RD and an OPT record. `flags` are added to the second octet of the header's flags, and 0x80 there
/// stands for DO.
pub(crate) fn question(name: &str, qtype: u8, flags: u8) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, flags & 0x7f, 0, 1, 0, 0, 0, 0, 0, 1];
    bytes.extend(wire(name));
    bytes.extend([0, qtype, 0, 1]);
    bytes.extend([0, 0, 41, 4, 208, 0, 0, flags & 0x80, 0, 0, 0]);
    bytes
}

pub(crate) fn read(reply: &[u8]) -> Told {
    let message = domain::base::Message::from_octets(reply).unwrap();
    let answers: Vec<_> = message.answer().unwrap().map(|record| record.unwrap()).collect();
    let opt = message.opt();
    let reasons = opt.iter().flat_map(|opt| {
        let errors = opt.opt().iter::<domain::base::opt::ExtendedError<_>>();
        errors.map(|error| error.unwrap().code().to_int()).collect::<Vec<_>>()
    });
    Told {
        rcode: reply[3] & 15,
        ttls: answers.iter().map(|record| record.ttl().as_secs()).collect(),
        data: answers
            .iter()
            .map(|record| {
                let data = record.to_record::<domain::base::rdata::UnknownRecordData<_>>().unwrap().unwrap();
                data.data().data().last().copied().unwrap()
            })
            .collect(),
        reasons: reasons.collect(),
    }
}

/// A reply with these records: section, owner, type, TTL, data.
pub(crate) fn made(asked: &Asked, rcode: u8, records: &[(usize, &str, u8, u32, Vec<u8>)]) -> Vec<u8> {
    let mut reply = asked.error(rcode);
    for (section, owner, rtype, ttl, data) in records {
        reply[5 + 2 * section] += 1;
        reply.extend(wire(owner));
        reply.extend([0, *rtype, 0, 1]);
        reply.extend(ttl.to_be_bytes());
        reply.extend((data.len() as u16).to_be_bytes());
        reply.extend(data);
    }
    reply
}

pub(crate) fn soa(minimum: u32) -> Vec<u8> {
    [wire("ns.example"), wire("root.example"), vec![0; 16], minimum.to_be_bytes().to_vec()].concat()
}

/// A server that answers with one address: how often it was asked. Its TTL is what the first label says.
pub(crate) async fn counting() -> Liar {
    let asked_for = AtomicU8::new(0);
    Liar::start(move |asked| {
        let count = asked_for.fetch_add(1, Ordering::Relaxed) + 1;
        let name = asked.name();
        let ttl = name.split('.').next().unwrap().parse().unwrap_or(60);
        let qtype = asked.message[12 + wire(&name).len() + 1];
        vec![Say::Reply(made(asked, 0, &[(1, &name, qtype, ttl, vec![192, 0, 2, count])]))]
    })
    .await
}

/// A server that can be told to fall silent, or to fail.
pub(crate) async fn failing(ttl: u32) -> (Liar, Arc<AtomicBool>, Arc<AtomicBool>) {
    let (silent, fails) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let script = (silent.clone(), fails.clone());
    let server = Liar::start(move |asked| {
        let (silent, fails) = &script;
        let name = asked.name();
        match (silent.load(Ordering::Relaxed), fails.load(Ordering::Relaxed)) {
            (true, _) => vec![],
            (_, true) => vec![Say::Reply(asked.error(2))],
            _ if name.starts_with("nx") => {
                vec![Say::Reply(made(asked, 3, &[(2, "example.com", 6, ttl, soa(ttl))]))]
            }
            _ => vec![Say::Reply(made(asked, 0, &[(1, &name, 1, ttl, vec![192, 0, 2, 1])]))],
        }
    })
    .await;
    (server, silent, fails)
}
