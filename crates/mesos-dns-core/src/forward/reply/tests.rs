//! Replies of servers, good and bad, and what clients get of them.

use domain::base::{
    Message, MessageBuilder, Name, StaticCompressor, Ttl,
    iana::{Class, ExtendedErrorCode, OptRcode, Rtype},
};
use domain::rdata::{A, AllRecordData, Cname, Mx, Ns, Txt};
use proptest::prelude::*;

use super::*;
use crate::forward::message::{
    Ede,
    tests::{query, query_edns},
};

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

fn fitted(reply: &[u8], query: &[u8], transport: Transport, truncation: Truncation) -> Vec<u8> {
    let query = Query::parse(query).unwrap();
    Reply::parse(reply.to_vec()).unwrap().for_client(&query, transport, truncation)
}

#[test]
fn passed_on_as_it_is() {
    let bytes = query("wWw.eXample.com", 1);
    let parsed = Query::parse(&bytes).unwrap();
    let mut answer = reply(&query("www.example.COM", 1), 5, true);
    answer[0] = 0xff;
    let out = fitted(&answer, &bytes, Transport::Udp, Truncation::Flagged);
    assert_eq!(belongs(&answer, 0xff34, &Key::of(&parsed)), Belongs::Yes(Flags(0x8180)));
    assert_eq!(records(&out), records(&answer));
    assert_eq!(out[..4], [0x12, 0x34, 0x81, 0x80], "the client's identifier");
    assert_eq!(out[12..33], bytes[12..], "the client's spelling");
    assert!(Message::from_octets(&out[..]).unwrap().opt().is_none(), "no OPT where none was sent");

    let bytes = query_edns("www.example.com", 1, 4096, true);
    let out = fitted(&answer, &bytes, Transport::Udp, Truncation::Flagged);
    let opt = Message::from_octets(&out[..]).unwrap().opt().unwrap();
    assert_eq!((opt.udp_payload_size(), opt.dnssec_ok()), (1232, true));
    assert!(out.ends_with(&[0, 6, 0, 15, 0, 2, 0, 3]), "the reason goes on, the cookie does not");
    assert_eq!(records(&out), records(&answer));
}

#[test]
fn cut_to_size() {
    let plain = query("www.example.com", 1);
    let edns = |payload| query_edns("www.example.com", 1, payload, false);
    for (query, addresses, limit, missing) in [
        (plain.clone(), 10, 512, false),
        (plain.clone(), 40, 512, true),
        (edns(100), 40, 512, true),
        (edns(600), 40, 600, true),
        (edns(65535), 40, 1232, false),
        (edns(65535), 80, 1232, true),
    ] {
        let answer = reply(&query, addresses, true);
        let whole = records(&answer);
        let out = fitted(&answer, &query, Transport::Udp, Truncation::Flagged);
        let kept = records(&out);
        assert!(out.len() <= limit && out.len() + 150 > limit.min(answer.len()), "{limit}: {}", out.len());
        assert_eq!(out[2] & 2 != 0, missing, "{limit}");
        assert!(whole.concat().starts_with(&kept.concat()));
        assert_eq!(missing, kept[..2] != whole[..2], "TC tells of answers and authority only");
        assert_eq!(Message::from_octets(&out[..]).unwrap().opt().is_some(), query.len() > 33);
        let silent = fitted(&answer, &query, Transport::Udp, Truncation::Silent);
        assert_eq!((silent[2] & 2, &silent[3..]), (0, &out[3..]));
        let tcp = fitted(&answer, &query, Transport::Tcp, Truncation::Flagged);
        assert_eq!((records(&tcp), tcp[2] & 2), (whole, 0), "whole over TCP");
    }
}

#[test]
fn what_this_hop_says_has_its_place() {
    // A cookie: code, length, 24 octets.
    let options = [&b"\0\x0a\0\x18"[..], &[7; 24]].concat();
    for payload in (512..=1232).step_by(7) {
        let bytes = query_edns("www.example.com", 1, payload, false);
        let with = Query { options: options.clone(), ..Query::parse(&bytes).unwrap() };
        let answer = reply(&bytes, 80, true);
        let out = Reply::parse(answer).unwrap().for_client(&with, Transport::Udp, Truncation::Flagged);
        assert!(out.len() <= usize::from(payload), "{payload}: {}", out.len());
        let said = [&[0, 34][..], &options, &[0, 15, 0, 2, 0, 3]].concat();
        assert!(out.ends_with(&said), "{payload}: {out:02x?}");
        let refused = with.reply(Rcode::REFUSED, Ede::Prohibited);
        assert!(refused.ends_with(&[&[0, 34][..], &options, &[0, 15, 0, 2, 0, 18]].concat()));
        // Where no OPT was sent, there is none to say it in.
        let plain = Query { options: options.clone(), edns: None, ..with };
        assert_eq!(plain.reply(Rcode::REFUSED, Ede::Prohibited).len(), 33);
    }
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
    assert!(matches!(edit(0, 0x12), Belongs::Yes(_)));
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
    let asked = query_edns("www.example.com", 1, 1232, false);
    let mut bytes = reply(&query("www.example.com", 1), 1, true);
    bytes[11] += 1;
    bytes.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01");
    let whole = records(&bytes);
    let out = records(&fitted(&bytes, &asked, Transport::Udp, Truncation::Flagged));
    assert_eq!((&out[..2], &out[2][..]), (&whole[..2], &whole[2][..2]));
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
        payload in 0_u16..2000,
        edns: bool,
    ) {
        let asked = query_edns("www.example.com", 1, payload, true);
        let mut bytes = reply(&query("www.example.com", 1), addresses, edns);
        for (at, value) in changes {
            // The question is compared beforehand, so it is as it was.
            let at = 33 + at.index(bytes.len() - 33);
            bytes[at] = value;
        }
        let query = Query::parse(&asked).unwrap();
        if let Some(reply) = Reply::parse(bytes.clone()) {
            let out = reply.for_client(&query, Transport::Udp, Truncation::Flagged);
            prop_assert!(out.len() <= query.reply_bytes_max(Transport::Udp));
            let (kept, message) = (lengths(&out), Message::from_octets(&out[..]).unwrap());
            prop_assert!(message.opt().is_some());
            prop_assert!(lengths(&bytes).starts_with(&kept));
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
