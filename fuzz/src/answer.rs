//! Queries: whatever comes, what goes out is a reply that another implementation reads to its last octet.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use domain::{
    base::{
        Message,
        opt::{AllOptData, Opt},
    },
    rdata::AllRecordData,
};
use mesos_dns_core::{
    answer::{Action, Peer, Secrets, Settings, Standing, State, Transport, UDP_PAYLOAD_BYTES_MAX, decide},
    records::{Data, Owner, Record},
    table::Seed,
    wire::Name,
    zone::{Serial, Snapshot, Soa, Zone},
};

static ZONE: LazyLock<Snapshot> = LazyLock::new(zone);

fn zone() -> Snapshot {
    let name = |text| Name::parse(text).expect("a name");
    let mut zone = Zone::new(name("mesos."), None, Seed(1));
    let mut add = |owner: &str, data: Data| zone.add(&Record::from_parts(Owner::new(owner), data));
    let address = |text: &str| Data::from(text.parse::<IpAddr>().expect("an address"));
    add("ns1.mesos.", address("10.0.0.9"));
    add("web.marathon.mesos.", address("10.0.0.1"));
    add("web.marathon.mesos.", address("fd00::1"));
    add("a.b.deep.mesos.", address("10.0.0.3"));
    for n in 0..60_u8 {
        let target = format!("big-{n}.mesos.");
        add("big.mesos.", address(&format!("10.1.0.{n}")));
        add(&target, address(&format!("10.1.0.{n}")));
        add("_big._tcp.mesos.", Data::service(1000 + u16::from(n), Owner::new(&target)));
    }
    zone.compile();
    let soa = Soa {
        mname: name("ns1.mesos."),
        rname: name("root.ns1.mesos."),
        refresh: 60,
        retry: 600,
        expire: 86400,
        minimum: 3,
        ttl: 5,
        weight: 1,
    };
    zone.snapshot(Arc::new(soa), Serial(77))
}

/// The first octet says how the message travels and how we stand; the rest is the message.
pub fn decide_any(data: &[u8]) {
    let Some((how, message)) = data.split_first() else { return };
    answered(message, *how);
}

/// The first octet as above; the rest is the data of an OPT record in a query that is otherwise in order.
pub fn edns_options(data: &[u8]) {
    let Some((how, options)) = data.split_first() else { return };
    let length = options.len().min(60_000);
    let mut message =
        b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\x01\x03web\x08marathon\x05mesos\0\0\x01\0\x01".to_vec();
    message.extend(b"\0\0\x29\x04\xd0\0\0\x80\0");
    message.extend((length as u16).to_be_bytes());
    message.extend(&options[..length]);
    answered(&message, *how);
}

fn answered(message: &[u8], how: u8) {
    let transport = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https][usize::from(how & 3)];
    let limit = if transport == Transport::Udp { UDP_PAYLOAD_BYTES_MAX } else { 65535 };
    let state = State::ALL[usize::from(how >> 2 & 3)];
    let standing = Standing { state, age: Some(2), version: 41, now: Duration::from_secs(1_700_000_000) };
    let settings = Settings {
        recursion_available: how & 16 != 0,
        forwards: how & 32 != 0,
        sets_truncated: true,
        cookies: Some(Secrets::new([4; 16])),
        nsid: b"ns1".to_vec(),
        idle: Duration::from_secs(10),
        ..Settings::default()
    };
    let peer = Peer { address: IpAddr::from([192, 0, 2, 1]), transport };
    let mut out = vec![0; limit];
    let Action::Send { length, .. } =
        decide(message, &ZONE, &standing, &settings, peer, u64::from(how), &mut out)
    else {
        return;
    };
    if let Err(why) = strict(&out[..length], message) {
        panic!("{why}\n{message:02x?}\n{:02x?}", &out[..length]);
    }
}

/// Reads a reply to its last octet; what is wrong with it, if anything.
fn strict(reply: &[u8], query: &[u8]) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    let message = Message::from_octets(reply).map_err(|error| wrong(&error))?;
    let (header, counts) = (message.header(), message.header_counts());
    if !header.qr() || reply[..2] != query[..2] || header.z() {
        return Err("header".into());
    }
    let mut question = message.question();
    for asked in question.by_ref() {
        asked.map_err(|error| wrong(&error))?;
    }
    let mut end = question.pos();
    if reply[12..end] != query[12..end] {
        return Err("question".into());
    }
    let mut opts = 0;
    let mut section = question.answer().map_err(|error| wrong(&error))?;
    for count in [counts.ancount(), counts.nscount(), counts.arcount()] {
        for _ in 0..count {
            let record = section.next().ok_or("too few records")?.map_err(|error| wrong(&error))?;
            record.to_any_record::<AllRecordData<_, _>>().map_err(|error| wrong(&error))?;
            if let Ok(Some(opt)) = record.to_record::<Opt<_>>() {
                let all: Result<Vec<_>, _> = opt.data().iter::<AllOptData<_, _>>().collect();
                all.map_err(|error| wrong(&error))?;
                opts += 1;
            }
        }
        end = section.pos();
        match section.next_section().map_err(|error| wrong(&error))? {
            Some(next) => section = next,
            None => break,
        }
    }
    if opts > 1 || end != reply.len() { Err(format!("{opts} OPT, read to {end}")) } else { Ok(()) }
}
