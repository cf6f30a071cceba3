//! Replies of other servers: whatever one says, what is believed of it and told is sound, and was said.

use std::{sync::LazyLock, time::Instant};

use domain::base::Message;
use mesos_dns_core::{
    forward::{
        Transport, Truncation,
        asker::Asker,
        believe::{CHAIN_MAX, TTL_MAX, believe},
        entry::{Manner, Telling},
        key::Key,
        message::Query,
        reply::Reply,
        resolved::Resolved,
    },
    wire::Name,
};

/// A query with DO for a name, its type to be set.
const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03www\x07example\x03com\0\0\x01\0\x01\
    \0\0\x29\x04\xd0\0\0\x80\0\0\0";

/// Where the type of the question ends.
const TYPE_AT: usize = 30;

static OWN: LazyLock<Name> = LazyLock::new(|| Name::parse("mesos.").expect("a name"));

/// The first octet is the type asked for, the rest is what a server says.
pub fn forward_reply(input: &[u8]) {
    let Some((qtype, message)) = input.split_first() else { return };
    let mut query = QUERY.to_vec();
    query[TYPE_AT] = *qtype;
    let query = Query::parse(&query).expect("a query");
    let Some(reply) = Reply::parse(message.to_vec()) else { return };
    let now = Instant::now();
    let entry = believe(&Key::of(&query), &Resolved::Reply(reply), &OWN, now);
    assert!(entry.lifetime().as_secs() <= TTL_MAX.into());
    let mut first = None;
    for (transport, turn) in [(Transport::Tcp, 0), (Transport::Udp, 1), (Transport::Udp, u32::MAX)] {
        let truncation = Truncation::Flagged;
        let telling = Telling { now, manner: Manner::Current, transport, truncation, options: b"", turn };
        let mut out = vec![0; 65_535];
        let asker = Asker::of(&query);
        let length = entry.write(&asker, &telling, &mut out).expect("room for every reply");
        out.truncate(length);
        assert!(length <= asker.reply_bytes_max(transport));
        check(&out);
        first.get_or_insert(out);
    }
    // What was told is believed again, all of it.
    let told = first.expect("three replies");
    let again = Reply::parse(told.clone()).expect("what is told is sound");
    if again.rcode() == entry.rcode() && !entry.is_failure() && entry.leads_to_us().is_none() {
        let again = believe(&Key::of(&query), &Resolved::Reply(again), &OWN, now);
        assert_eq!(again.is_negative(), entry.is_negative());
    }
}

/// Another implementation reads it, and finds nothing of ours in it.
fn check(reply: &[u8]) {
    let message = Message::from_octets(reply).expect("a message");
    let (mut aliases, mut additional) = (0, 0);
    for record in message.answer().expect("answers") {
        let record = record.expect("a record");
        let owner = record.owner().to_string().to_ascii_lowercase();
        assert!(owner != "mesos" && !owner.ends_with(".mesos"), "{owner}");
        aliases += usize::from(record.rtype().to_int() == 5);
    }
    for record in message.authority().expect("authority") {
        let rtype = record.expect("a record").rtype().to_int();
        assert!(matches!(rtype, 6 | 46 | 47 | 50), "{rtype}");
    }
    for record in message.additional().expect("additional") {
        assert_eq!(record.expect("a record").rtype().to_int(), 41);
        additional += 1;
    }
    assert_eq!(additional, 1, "OPT");
    // Those asked for by their type, or with any type, may be many.
    let asked = message.sole_question().expect("a question").qtype().to_int();
    assert!(asked == 5 || asked >= 253 || aliases <= CHAIN_MAX + 1, "{aliases}");
}
