//! Replies of servers, good and bad.

use domain::base::{
    Message, MessageBuilder, Name, StaticCompressor, Ttl,
    iana::{Class, ExtendedErrorCode, OptRcode, Rtype},
};
use domain::rdata::{A, AllRecordData, Cname, Mx, Ns, Txt};
use proptest::prelude::*;

use super::*;
use crate::forward::message::{Query, tests::query};

fn name(text: &str) -> Name<Vec<u8>> {
    text.parse().unwrap()
}

/// A compressed reply to `asked`: a CNAME and `addresses` A records, an MX, two NS, and two additional records; with an OPT
/// record that tells a reason, or without.
pub(crate) fn reply(asked: &[u8], addresses: u8, edns: bool) -> Vec<u8> {
    let asked = Message::from_octets(asked).unwrap();
    let owner = asked.sole_question().unwrap().qname().to_string();
    let (ttl, target) = (Ttl::from_secs(60), name("target.example.net"));
    let builder = MessageBuilder::from_target(StaticCompressor::new(Vec::new())).unwrap();
    let mut builder = builder.start_answer(&asked, domain::base::iana::Rcode::NOERROR).unwrap();
    builder.header_mut().set_ra(true);
    builder.push((name(&owner), Class::IN, ttl, Cname::new(target.clone()))).unwrap();
    for n in 0..addresses {
        builder.push((target.clone(), Class::IN, ttl, A::from_octets(192, 0, 2, n))).unwrap();
    }
    builder.push((target.clone(), Class::IN, ttl, Mx::new(5, name("mail.example.net")))).unwrap();
    let mut builder = builder.authority();
    for server in ["ns1.example.net", "ns2.example.net"] {
        builder.push((name("example.net"), Class::IN, ttl, Ns::new(name(server)))).unwrap();
    }
    let mut builder = builder.additional();
    builder.push((name("ns1.example.net"), Class::IN, ttl, A::from_octets(192, 0, 2, 253))).unwrap();
    let text: Txt<Vec<u8>> = Txt::build_from_slice(&[b'x'; 120]).unwrap();
    builder.push((name("ns2.example.net"), Class::IN, ttl, text)).unwrap();
    if edns {
        let opt = |opt: &mut domain::base::message_builder::OptBuilder<'_, _>| {
            opt.set_udp_payload_size(4096);
            opt.set_rcode(OptRcode::NOERROR);
            opt.cookie(domain::base::opt::Cookie::new([7; 8].into(), None))?;
            opt.extended_error::<Vec<u8>>(ExtendedErrorCode::STALE_ANSWER, None).unwrap();
            Ok(())
        };
        builder.opt(opt).unwrap();
    }
    builder.finish().into_target()
}

/// The records of a message, as text, per section; panics if anything is wrong with it.
pub(crate) fn records(message: &[u8]) -> Vec<Vec<String>> {
    let message = Message::from_octets(message).unwrap();
    [message.answer().unwrap(), message.authority().unwrap(), message.additional().unwrap()]
        .into_iter()
        .map(|section| section.map(|record| record.unwrap()))
        .map(|section| section.filter(|record| record.rtype() != Rtype::OPT))
        .map(|section| section.map(|record| record.to_any_record::<AllRecordData<_, _>>().unwrap()))
        .map(|section| section.map(|record| record.to_string().to_lowercase()).collect())
        .collect()
}

#[test]
fn what_belongs() {
    let asked = query("www.example.com", 1);
    let asks = Key::of(&Query::parse(&asked).unwrap());
    let good = reply(&asked, 1, true);
    let edit = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        belongs(&bytes, 0x1234, &asks)
    };
    assert_eq!(edit(0, 0x12), Belongs::Yes(Flags(0x8180)));
    assert!(matches!(edit(13, b'W'), Belongs::Yes(_)), "another case");
    for (at, value) in [(0, 0), (1, 0), (2, 0x01), (2, 0xa1), (5, 0), (5, 2), (13, b'v'), (30, 2), (32, 3)] {
        assert_eq!(edit(at, value), Belongs::No, "octet {at}");
    }
    // Type 0x41 and type 0x61 differ, though `A` and `a` do not.
    let https = query("www.example.com", 0x41);
    assert_eq!(belongs(&reply(&query("www.example.com", 0x61), 0, false), 0x1234, &asks), Belongs::No);
    assert_eq!(
        belongs(
            &reply(&query("www.example.com", 0x61), 0, false),
            0x1234,
            &Key::of(&Query::parse(&https).unwrap())
        ),
        Belongs::No
    );
    assert_eq!(belongs(b"\x12\x34\x80\x01\0\0\0\0\0\0\0\0", 0x1234, &asks), Belongs::Bare(Rcode::FORMERR));
    assert_eq!(belongs(b"\x12\x34\x80\x00\0\0\0\0\0\0\0\0", 0x1234, &asks), Belongs::No);
    for length in 0..33 {
        assert_eq!(belongs(&good[..length], 0x1234, &asks), Belongs::No, "{length}");
    }
}

#[test]
fn malformed_replies() {
    let asked = query("www.example.com", 1);
    let good = reply(&asked, 2, true);
    assert!(Reply::parse(good.clone()).is_some());
    for length in 0..good.len() {
        assert!(Reply::parse(good[..length].to_vec()).is_none(), "{length}");
    }
    let with = |counts: [u8; 3], records: &[u8]| {
        let mut bytes = asked.clone();
        (bytes[2], bytes[7], bytes[9], bytes[11]) = (0x81, counts[0], counts[1], counts[2]);
        bytes.extend_from_slice(records);
        Reply::parse(bytes).is_some()
    };
    // Owner, type, class, TTL, length and data of one record; it stands at 33, its data at 45.
    assert!(with([1, 0, 0], b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01"));
    assert!(!with([1, 0, 0], b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x05\x0a\0\0\x01\0"), "A of five octets");
    assert!(!with([1, 0, 0], b"\xc0\x21\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01"), "pointer to itself");
    assert!(!with([1, 0, 0], b"\xc0\x40\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01"), "pointer forward");
    assert!(!with([1, 0, 0], b"\xc0\x04\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01"), "pointer into the header");
    assert!(!with([1, 0, 0], b"\x80\x0c\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01"), "odd label");
    assert!(with([1, 0, 0], b"\xc0\x0c\0\x05\0\x01\0\0\0\0\0\x02\xc0\x10"));
    assert!(!with([1, 0, 0], b"\xc0\x0c\0\x05\0\x01\0\0\0\0\0\x02\xc0\x2d"), "pointer in data to itself");
    assert!(!with([1, 0, 0], b"\xc0\x0c\0\x05\0\x01\0\0\0\0\0\x03\xc0\x10\0"), "data behind the name");
    assert!(with([0, 0, 1], b"\0\0\x29\x04\xd0\0\0\0\0\0\0"));
    assert!(!with([1, 0, 0], b"\0\0\x29\x04\xd0\0\0\0\0\0\0"), "OPT among the answers");
    assert!(!with([0, 0, 2], b"\0\0\x29\x04\xd0\0\0\0\0\0\0\0\0\x29\x04\xd0\0\0\0\0\0\0"), "two OPT");
}

#[test]
fn what_stands_behind_opt_is_left_out() {
    let mut bytes = reply(&query("www.example.com", 1), 1, true);
    let before = Reply::parse(bytes.clone()).unwrap().seen().len();
    bytes[11] += 1;
    bytes.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01");
    assert_eq!(Reply::parse(bytes).unwrap().seen().len(), before);
}

#[test]
fn too_many_reasons_are_dropped() {
    let option = |length: u8| [&[0, 15, 0, length][..], &vec![b'x'; usize::from(length)]].concat();
    assert_eq!(reasons(&option(196)).len(), 200);
    assert!(reasons(&option(197)).is_empty());
    assert!(reasons(&[0, 15, 0, 9, 1]).is_empty(), "cut short");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let asked = query("www.example.com", 1);
        let _ = belongs(&bytes, 0x1234, &Key::of(&Query::parse(&asked).unwrap()));
        let _ = Reply::parse(bytes);
    }

    /// Whatever one changes in a good reply: what we let pass, the other library can read as well.
    #[test]
    fn what_passes_is_sound(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        addresses in 0_u8..70,
        edns: bool,
    ) {
        let mut bytes = reply(&query("www.example.com", 1), addresses, edns);
        for (at, value) in changes {
            // The question is compared beforehand, so it is as it was.
            let at = 33 + at.index(bytes.len() - 33);
            bytes[at] = value;
        }
        if let Some(reply) = Reply::parse(bytes.clone()) {
            let seen = reply.seen();
            let seen: Vec<_> =
                seen.iter().map(|seen| (seen.record.rtype, seen.record.data.len() as u16)).collect();
            prop_assert!(lengths(&bytes).starts_with(&seen));
        }
    }
}

/// Type and length of each record but OPT; panics where the other library cannot step over one.
fn lengths(message: &[u8]) -> Vec<(u16, u16)> {
    let message = Message::from_octets(message).unwrap();
    let sections = [message.answer().unwrap(), message.authority().unwrap(), message.additional().unwrap()];
    let all = sections.into_iter().flatten().map(|record| record.unwrap());
    all.map(|record| (record.rtype().to_int(), record.rdlen())).filter(|(rtype, _)| *rtype != 41).collect()
}
