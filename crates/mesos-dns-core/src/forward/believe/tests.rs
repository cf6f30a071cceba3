//! What is kept of replies, true ones and others.

use std::time::Duration;

use domain::base::Message;
use proptest::prelude::*;

use super::*;
use crate::forward::{
    Transport, Truncation,
    asker::Asker,
    entry::{Manner, Telling},
    message::{
        Query,
        tests::{query, query_edns},
    },
    reply::tests::{records, reply},
};

/// A name in wire form.
fn wire(text: &str) -> Vec<u8> {
    Name::parse(text).unwrap().as_wire().to_vec()
}

/// A record: section, owner, type, class, TTL, data.
type Row<'a> = (usize, &'a str, u16, u16, u32, Vec<u8>);

fn address(last: u8) -> Vec<u8> {
    vec![192, 0, 2, last]
}

fn soa(minimum: u32) -> Vec<u8> {
    [wire("ns.x"), wire("root.x"), vec![0; 16], minimum.to_be_bytes().to_vec()].concat()
}

/// A signature over a type.
fn rrsig(covered: u16) -> Vec<u8> {
    [covered.to_be_bytes().to_vec(), vec![7; 16], wire("example.com"), vec![1; 64]].concat()
}

/// A reply with these records, none of them compressed.
fn made(asked: &[u8], flags: u16, rows: &[Row<'_>]) -> Vec<u8> {
    let question = Query::parse(asked).unwrap().question.octets.to_vec();
    let mut counts = [1_u16, 0, 0, 0];
    rows.iter().for_each(|(section, ..)| counts[*section] += 1);
    let mut message = [&asked[..2], &flags.to_be_bytes()].concat();
    counts.iter().for_each(|count| message.extend(count.to_be_bytes()));
    message.extend(question);
    for (_, owner, rtype, class, ttl, data) in rows {
        message.extend(wire(owner));
        message.extend(rtype.to_be_bytes());
        message.extend(class.to_be_bytes());
        message.extend(ttl.to_be_bytes());
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    message
}

fn entry(asked: &[u8], reply: Vec<u8>) -> Entry {
    let key = Key::of(&Query::parse(asked).unwrap());
    let reply = Resolved::Reply(Reply::parse(reply).expect("a sound reply"));
    believe(&key, &reply, &Name::parse("mesos").unwrap(), Instant::now())
}

fn told(entry: &Entry, asked: &[u8], transport: Transport) -> Vec<u8> {
    let asker = Query::parse(asked).unwrap();
    let telling = Telling {
        now: entry.came(),
        manner: Manner::Current,
        transport,
        truncation: Truncation::Flagged,
        options: &[],
        turn: 0,
    };
    let mut out = vec![0; 65535];
    let length = entry.write(&Asker::of(&asker), &telling, &mut out).unwrap();
    out.truncate(length);
    out
}

/// What a client hears of a reply: answers and authority, each record as "owner type data", and for how many
/// seconds it is kept.
fn heard(asked: &[u8], flags: u16, rows: &[Row<'_>]) -> (String, u64) {
    let entry = entry(asked, made(asked, flags, rows));
    let out = told(&entry, asked, Transport::Tcp);
    let sections = records(&out);
    assert!(sections[2].is_empty());
    let short = |record: &String| {
        let mut words = record.split_whitespace();
        let (owner, _ttl, _class, rtype) = (words.next(), words.next(), words.next(), words.next());
        let data = words.next().unwrap_or_default();
        format!("{} {} {data}", owner.unwrap(), rtype.unwrap())
    };
    let text = sections[..2].concat().iter().map(short).collect::<Vec<_>>().join(", ");
    (text, entry.lifetime().as_secs())
}

#[test]
fn only_what_follows_from_the_question() {
    let asked = query("www.example.com", 1);
    let cname = |target| wire(target);
    let rows = [
        // The chain, in the wrong order, with things in between.
        (1, "c.example.org", 1, 1, 90, address(1)),
        (1, "evil.example.net", 1, 1, 60, address(66)),
        (1, "b.example.net", 5, 1, 80, cname("c.example.org")),
        (1, "www.example.com", 5, 1, 70, cname("b.example.net")),
        (1, "www.example.com", 16, 1, 5, b"\x01x".to_vec()),
        (1, "c.example.org", 1, 1, 90, address(2)),
        (1, "c.example.org", 1, 3, 5, vec![1, 2, 3]),
        (1, "www.example.com", 5, 1, 5, cname("evil.example.net")),
        (1, "web.marathon.mesos", 1, 1, 5, address(66)),
        (2, "mesos", 2, 1, 5, wire("ns.evil")),
        (2, "example.org", 2, 1, 5, wire("ns.example.org")),
        (2, "example.org", 6, 1, 5, soa(5)),
        (3, "ns.example.org", 1, 1, 5, address(66)),
        (3, "web.marathon.mesos", 1, 1, 5, address(66)),
    ];
    let expected = "www.example.com. cname b.example.net., b.example.net. cname c.example.org., \
                    c.example.org. a 192.0.2.1, c.example.org. a 192.0.2.2";
    assert_eq!(heard(&asked, 0x8180, &rows), (expected.into(), 70));

    // ANY: all there is at the name, and no further.
    let any = query("www.example.com", 255);
    let expected = "www.example.com. cname b.example.net., www.example.com. txt \"x\", \
                    www.example.com. cname evil.example.net.";
    assert_eq!(heard(&any, 0x8180, &rows).0, expected);
    // A CNAME record itself.
    let cname = query("www.example.com", 5);
    assert_eq!(heard(&cname, 0x8180, &rows[3..4]), ("www.example.com. cname b.example.net.".into(), 70));
    // Another class than IN has its own records.
    let mut chaos = query("version.server", 16);
    *chaos.last_mut().unwrap() = 3;
    let rows = [
        (1, "version.server", 16, 3, 9, b"\x01x".to_vec()),
        (1, "version.server", 16, 1, 9, b"\x01y".to_vec()),
    ];
    assert_eq!(heard(&chaos, 0x8180, &rows), ("version.server. txt \"x\"".into(), 9));
}

#[test]
fn chains_into_our_domain_end_there() {
    let asked = query("www.example.com", 1);
    let rows = [
        (1, "www.example.com", 5, 1, 70, wire("a.example.net")),
        (1, "a.example.net", 5, 1, 80, wire("Web.Marathon.MESOS")),
        (1, "web.marathon.mesos", 1, 1, 60, address(66)),
        (2, "mesos", 6, 1, 5, soa(5)),
    ];
    for flags in [0x8180, 0x81a3] {
        let entry = entry(&asked, made(&asked, flags, &rows));
        assert_eq!(entry.leads_to_us(), Some(&Name::parse("web.marathon.mesos").unwrap()));
        assert_eq!((entry.rcode(), entry.lifetime().as_secs()), (Rcode::NOERROR, 70));
        let out = told(&entry, &asked, Transport::Tcp);
        assert_eq!(records(&out)[0].len(), 2);
        assert!(records(&out)[1].is_empty());
        assert_eq!(out[3] & 0x20, 0, "not authentic as a whole");

        // What our zone says of the rest, all of it compressed in its own way.
        let own = reply(&query("web.marathon.mesos", 1), 3, true);
        let key = Key::of(&Query::parse(&asked).unwrap());
        let whole = joined(&key, vec![out, own], Instant::now()).unwrap();
        let out = told(&whole, &asked, Transport::Tcp);
        // A CNAME, three addresses and an MX record, and two NS records of that zone.
        assert_eq!((records(&out)[0].len(), records(&out)[1].len()), (2 + 5, 2));
        assert_eq!(whole.lifetime(), Duration::ZERO);
    }
    let key = Key::of(&Query::parse(&asked).unwrap());
    let chain = made(&asked, 0x8180, &rows[..2]);
    let mut servfail = query("web.marathon.mesos", 1);
    servfail[2..4].copy_from_slice(&[0x81, 0x82]);
    let failed = joined(&key, vec![chain.clone(), servfail], Instant::now()).unwrap();
    assert!(failed.is_failure() && failed.rcode() == Rcode::SERVFAIL);
    assert!(joined(&key, vec![chain, vec![1, 2, 3]], Instant::now()).is_none());
}

#[test]
fn what_is_not_there_lives_by_its_soa() {
    let asked = query("www.example.com", 1);
    for (flags, rows, seconds) in [
        (0x8183, vec![(2, "example.com", 6, 1, 100, soa(50))], 50),
        (0x8180, vec![(2, "example.com", 6, 1, 40, soa(50))], 40),
        (0x8183, vec![(2, "com", 6, 1, 1_000_000, soa(1_000_000))], u64::from(NEGATIVE_TTL_MAX)),
        (0x8183, vec![(2, ".", 6, 1, 40, soa(50))], 40),
        // Of somebody else, of a name below, in another section, of TTL zero, with the top bit set, none.
        (0x8183, vec![(2, "example.org", 6, 1, 40, soa(50))], 0),
        (0x8183, vec![(2, "a.www.example.com", 6, 1, 40, soa(50))], 0),
        (0x8183, vec![(1, "example.com", 6, 1, 40, soa(50))], 0),
        (0x8183, vec![(2, "example.com", 6, 1, 0, soa(50))], 0),
        (0x8183, vec![(2, "example.com", 6, 1, 40, soa(0))], 0),
        (0x8183, vec![(2, "example.com", 6, 1, 40, soa(0x8000_0001))], 0),
        (0x8183, vec![(2, "example.com", 2, 1, 40, wire("ns.example.com"))], 0),
        (0x8183, vec![], 0),
        // A chain to nothing lives as long as its parts; its end is what counts.
        (0x8183, vec![(1, "www.example.com", 5, 1, 30, wire("a.b")), (2, "b", 6, 1, 40, soa(50))], 30),
        (
            0x8183,
            vec![(1, "www.example.com", 5, 1, 30, wire("a.b")), (2, "example.com", 6, 1, 40, soa(50))],
            0,
        ),
        // Other codes are passed on and not kept; failures are kept by whoever counts them.
        (0x8186, vec![(2, "example.com", 6, 1, 40, soa(50))], 0),
        (0x8182, vec![(2, "example.com", 6, 1, 40, soa(50))], 0),
        // Cut.
        (0x8383, vec![(2, "example.com", 6, 1, 40, soa(50))], 0),
    ] {
        let entry = entry(&asked, made(&asked, flags, &rows));
        assert_eq!(entry.lifetime().as_secs(), seconds, "{flags:04x} {rows:?}");
        assert_eq!(entry.rcode().0, flags & 15);
        assert_eq!(entry.is_failure(), flags & 15 == 2);
        if let (0x8183, [(2, _, 6, 1, _, _)], 1..) = (flags, &rows[..], seconds) {
            let out = told(&entry, &asked, Transport::Udp);
            let soa = &records(&out)[1][0];
            assert!(soa.split_whitespace().nth(1) == Some(&seconds.to_string()), "{soa}");
        }
    }
}

#[test]
fn times_of_answers() {
    let asked = query("a.b", 1);
    for (ttls, seconds) in [
        (vec![60, 5], 5),
        (vec![0], 0),
        (vec![60, 0], 0),
        (vec![0x8000_0001], 0),
        (vec![u32::MAX, 60], 0),
        (vec![0x7fff_ffff], u64::from(TTL_MAX)),
    ] {
        let rows: Vec<_> = ttls.iter().map(|ttl| (1, "a.b", 1, 1, *ttl, address(1))).collect();
        let entry = entry(&asked, made(&asked, 0x8180, &rows));
        assert_eq!(entry.lifetime().as_secs(), seconds, "{ttls:?}");
    }
    let rows = [(1, "a.b", 1, 1, 60, address(1))];
    assert_eq!(entry(&asked, made(&asked, 0x8380, &rows)).lifetime(), Duration::ZERO, "cut");
    let key = Key::of(&Query::parse(&asked).unwrap());
    let half = Resolved::Half(Reply::parse(made(&asked, 0x8380, &rows)).unwrap());
    let half = believe(&key, &half, &Name::parse("mesos").unwrap(), Instant::now());
    assert!(half.is_half() && half.lifetime().is_zero());
    let out = told(&half, &asked, Transport::Udp);
    assert_eq!((out[2] & 2, out[7]), (2, 1));
    let out = told(&half, &asked, Transport::Tcp);
    assert_eq!((out[2] & 2, out[3] & 15, out[7]), (0, 2, 0), "it would pass for the whole");
}

#[test]
fn proofs_are_for_those_who_want_them() {
    let rows = [
        (1, "www.example.com", 5, 1, 60, wire("b.example.com")),
        (1, "www.example.com", 46, 1, 60, rrsig(5)),
        (1, "b.example.com", 1, 1, 60, address(1)),
        (1, "b.example.com", 46, 1, 60, rrsig(1)),
        (1, "b.example.com", 46, 1, 60, rrsig(28)),
        (2, "a.example.com", 47, 1, 50, [wire("c.example.com"), vec![0, 1, 0x40]].concat()),
        (2, "a.example.com", 46, 1, 50, rrsig(47)),
        (2, "x.mesos", 47, 1, 5, [wire("c.mesos"), vec![0, 1, 0x40]].concat()),
        (2, "example.com", 2, 1, 5, wire("ns.example.com")),
        (2, "example.com", 46, 1, 5, rrsig(2)),
    ];
    let with = query_edns("www.example.com", 1, 1232, true);
    let (text, seconds) = heard(&with, 0x81a0, &rows);
    assert_eq!((text.matches(" rrsig ").count(), text.matches(" nsec ").count(), seconds), (3, 1, 50));
    let without = query("www.example.com", 1);
    let expected = "www.example.com. cname b.example.com., b.example.com. a 192.0.2.1";
    assert_eq!(heard(&without, 0x81a0, &rows), (expected.into(), 60));
    // Who asks for signatures by name gets them.
    let (text, _) = heard(&query("b.example.com", 46), 0x8180, &rows);
    assert_eq!(text.matches(" rrsig ").count(), 2);
    // The same for what is not there.
    let rows = [
        (2, "example.com", 6, 1, 60, soa(40)),
        (2, "example.com", 46, 1, 60, rrsig(6)),
        (2, "a.example.com", 47, 1, 60, [wire("c.example.com"), vec![0, 1, 0x40]].concat()),
        (2, "a.example.com", 46, 1, 60, rrsig(47)),
    ];
    let (text, seconds) = heard(&with, 0x8183, &rows);
    assert_eq!((text.matches(" rrsig ").count(), text.matches(" nsec ").count(), seconds), (2, 1, 40));
    assert_eq!(heard(&without, 0x8183, &rows), ("example.com. soa ns.x.".into(), 40));
}

#[test]
fn dname_and_circles() {
    let asked = query("a.old.example", 1);
    let rows = [
        (1, "old.example", 39, 1, 60, wire("new.example")),
        (1, "a.old.example", 5, 1, 60, wire("a.new.example")),
        (1, "a.new.example", 1, 1, 60, address(1)),
        (1, "other.example", 39, 1, 60, wire("new.example")),
    ];
    let expected =
        "old.example. dname new.example., a.old.example. cname a.new.example., a.new.example. a 192.0.2.1";
    assert_eq!(heard(&asked, 0x8180, &rows), (expected.into(), 60));
    let circle = [
        (1, "a.old.example", 5, 1, 60, wire("b.old.example")),
        (1, "b.old.example", 5, 1, 60, wire("a.old.example")),
    ];
    let (text, seconds) = heard(&asked, 0x8180, &circle);
    assert_eq!((text.matches(" cname ").count(), seconds), (2, 0));
    // A long chain is cut, and not kept.
    let names: Vec<_> = (0..40).map(|n| format!("n{n}.example")).collect();
    let rows: Vec<_> = names.windows(2).map(|pair| (1, &pair[0][..], 5, 1, 60, wire(&pair[1]))).collect();
    let (text, seconds) = heard(&query("n0.example", 1), 0x8180, &rows);
    assert_eq!((text.matches(" cname ").count(), seconds), (CHAIN_MAX + 1, 0));
}

#[test]
fn names_in_data_are_whole_again() {
    // Each of these data holds a pointer to the owner of a record that is left out.
    let pointer = b"\xc0\x21".to_vec();
    let with = |before: &[u8], behind: &[u8]| [before, &pointer, behind].concat();
    for (qtype, data, expected) in [
        (2, pointer.clone(), "other.x."),
        (15, with(&[0, 9], &[]), "9 other.x."),
        (17, with(b"\x01r\0", &[]), ""),
        (24, with(&[1; 18], b"signature"), ""),
        (33, with(&[0, 1, 0, 2, 0, 80], &[]), "1 2 80 other.x"),
        (35, with(b"\0\x01\0\x02\x01s\x01t\0", &[]), "1 2 \"s\" \"t\" \"\" other.x."),
    ] {
        let asked = query("www.example.com", qtype);
        let rows = [(1, "other.x", qtype, 1, 5, data.clone()), (1, "www.example.com", qtype, 1, 60, data)];
        let out = told(&entry(&asked, made(&asked, 0x8180, &rows)), &asked, Transport::Tcp);
        assert_eq!(out.windows(9).filter(|part| *part == wire("other.x")).count(), 1, "{qtype}");
        let text = &records(&out)[0][0];
        let words: Vec<_> = text.split_whitespace().skip(4).filter(|word| !"()".contains(word)).collect();
        if !expected.is_empty() {
            assert_eq!(words.join(" "), expected, "{qtype}");
        }
    }
    // Of types that hold no compressed names the data stays as it is, whatever it looks like.
    let asked = query("www.example.com", 65_280);
    let rows = [(1, "www.example.com", 65_280, 1, 60, with(&[0, 9], &[]))];
    let out = told(&entry(&asked, made(&asked, 0x8180, &rows)), &asked, Transport::Tcp);
    assert!(out.ends_with(b"\0\x04\0\x09\xc0\x21"));
}

#[test]
fn the_asker_sees_his_own_spelling() {
    let upstream = query("WwW.eXaMpLe.CoM", 15);
    let reply = made(
        &upstream,
        0x8180,
        &[(1, "www.example.com", 15, 1, 60, [vec![0, 1], wire("mx.example.com")].concat())],
    );
    let asked = query("www.Example.com", 15);
    let out = told(&entry(&upstream, reply), &asked, Transport::Udp);
    assert!(out.windows(7).filter(|part| part.eq_ignore_ascii_case(b"example")).count() == 1, "compressed");
    let message = Message::from_octets(&out[..]).unwrap();
    let record = message.answer().unwrap().next().unwrap().unwrap();
    assert_eq!(record.owner().to_string(), "www.Example.com");
}

proptest! {
    /// Where nothing is left out, a client hears what was said as far as there is room, and that something is missing.
    #[test]
    fn as_it_was_said(addresses in 1_u8..90, payload in 0_u16..2000, dnssec_ok: bool, edns: bool, udp: bool) {
        let asked = if edns { query_edns("www.example.com", 1, payload, dnssec_ok) } else { query("www.example.com", 1) };
        let mut bytes = reply(&query("www.example.com", 1), addresses, true);
        // Without the MX record, and what is left out anyway.
        let full = Reply::parse(bytes.clone()).unwrap();
        let end = { let seen = full.seen(); seen[usize::from(addresses)].record.end };
        bytes.truncate(end);
        bytes[6..12].copy_from_slice(&[0, addresses + 1, 0, 0, 0, 0]);
        let said = records(&bytes);
        let transport = if udp { Transport::Udp } else { Transport::Tcp };
        let asker = Query::parse(&asked).unwrap();
        let out = told(&entry(&asked, bytes), &asked, transport);
        prop_assert!(out.len() <= Asker::of(&asker).reply_bytes_max(transport));
        let heard = records(&out);
        prop_assert!(said[0].starts_with(&heard[0]) && heard[1..].concat().is_empty());
        prop_assert_eq!(out[2] & 2 != 0, heard[0].len() < said[0].len());
        prop_assert!(udp || heard[0].len() == said[0].len());
        prop_assert_eq!(Message::from_octets(&out[..]).unwrap().opt().is_some(), edns);
    }

    /// Whatever one changes in a good reply: what is told of it, the other library can read, and it was there.
    #[test]
    fn what_is_told_was_said(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        addresses in 0_u8..70,
        payload in 0_u16..2000,
        qtype in prop::sample::select(vec![1_u16, 5, 15, 255]),
    ) {
        let asked = query_edns("www.example.com", qtype, payload, true);
        let mut bytes = reply(&query("www.example.com", qtype), addresses, true);
        for (at, value) in changes {
            let at = 33 + at.index(bytes.len() - 33);
            bytes[at] = value;
        }
        if let Some(reply) = Reply::parse(bytes.clone()) {
            let key = Key::of(&Query::parse(&asked).unwrap());
            let kept = believe(&key, &Resolved::Reply(reply), &Name::parse("mesos").unwrap(), Instant::now());
            prop_assert!(kept.lifetime() <= Duration::from_secs(TTL_MAX.into()));
            for transport in [Transport::Udp, Transport::Tcp] {
                let out = told(&kept, &asked, transport);
                prop_assert!(Message::from_octets(&out[..]).unwrap().opt().is_some());
                let again = Reply::parse(out).expect("what is told is sound");
                prop_assert!(again.seen().iter().all(|seen| seen.section != Section::Additional));
            }
        }
    }
}
