//! Ages, and what a remembered answer looks like to a client.

use domain::base::Message;

use super::*;
use crate::{
    forward::{
        asker::key_of_wire,
        believe::believe,
        key::Key,
        message::{
            Query,
            tests::{query, query_edns},
        },
        reply::{
            Reply,
            tests::{records, reply},
        },
        resolved::Resolved,
    },
    wire,
};

const MINUTE: Duration = Duration::from_secs(60);

/// An entry with so many addresses that lives for a minute.
fn entry(asked: &[u8], addresses: u8) -> Entry {
    let key = Key::of(&Query::parse(asked).unwrap());
    let reply = Reply::parse(reply(&query("www.example.com", 1), addresses, true)).unwrap();
    believe(&key, &Resolved::Reply(reply), &Name::parse("mesos").unwrap(), Instant::now())
}

fn telling(now: Instant) -> Telling<'static> {
    Telling {
        now,
        manner: Manner::Current,
        transport: Transport::Udp,
        truncation: Truncation::Flagged,
        options: &[],
        turn: 0,
    }
}

fn told(entry: &Entry, asked: &[u8], telling: Telling<'_>) -> Vec<u8> {
    let mut out = vec![0xee; 65535];
    let length = entry.write(&Asker::of(&Query::parse(asked).unwrap()), &telling, &mut out).unwrap();
    out.truncate(length);
    out
}

#[test]
fn ages() {
    let (asked, day) = (query("www.example.com", 1), Duration::from_secs(86_400));
    let entry = entry(&asked, 1);
    let at =
        |seconds: f64, stale_max| entry.freshness(entry.came() + Duration::from_secs_f64(seconds), stale_max);
    for (seconds, expected) in [
        (0.0, Freshness::Fresh),
        (53.9, Freshness::Fresh),
        (54.0, Freshness::Aging),
        (59.9, Freshness::Aging),
        (60.0, Freshness::Stale),
        (86_459.0, Freshness::Stale),
        (86_460.0, Freshness::Gone),
    ] {
        assert_eq!(at(seconds, day), expected, "{seconds}");
    }
    assert_eq!(at(60.0, Duration::ZERO), Freshness::Gone, "stale answers are switched off");
    let short = entry.living(Duration::from_secs(3));
    let at = |millis| short.freshness(short.came() + Duration::from_millis(millis), day);
    assert_eq!((at(1400), at(1600), at(3000)), (Freshness::Fresh, Freshness::Aging, Freshness::Stale));
    let never = short.living(Duration::ZERO);
    assert_eq!(never.freshness(never.came(), day), Freshness::Gone);
}

#[test]
fn times_are_counted_down() {
    let asked = query_edns("www.example.com", 1, 1232, false);
    let entry = entry(&asked, 2);
    let ttls = |out: &[u8]| -> Vec<u32> {
        let message = Message::from_octets(out.to_vec()).unwrap();
        message.answer().unwrap().map(|record| record.unwrap().ttl().as_secs()).collect()
    };
    let after = |seconds: f64| telling(entry.came() + Duration::from_secs_f64(seconds));
    assert_eq!(ttls(&told(&entry, &asked, after(0.9))), [60, 60, 60]);
    assert_eq!(ttls(&told(&entry, &asked, after(1.0))), [59, 59, 59]);
    assert_eq!(ttls(&told(&entry, &asked, after(59.9))), [1, 1, 1]);
    assert_eq!(ttls(&told(&entry, &asked, after(1000.0))), [0, 0, 0]);
    let stale = told(&entry, &asked, Telling { manner: Manner::Stale, ..after(1000.0) });
    assert_eq!(ttls(&stale), [STALE_TTL; 3]);
    assert!(stale.ends_with(&[0, 15, 0, 2, 0, 3, 0, 15, 0, 2, 0, 3]), "the server's reason, and ours");
}

#[test]
fn flags_and_reasons() {
    let asked = query("www.example.com", 1);
    let entry = entry(&asked, 1);
    let now = entry.came();
    let authentic = Entry { is_authentic: true, ..entry };
    let mut wanted = asked.clone();
    wanted[3] |= 0x30; // AD and CD.
    assert_eq!(told(&authentic, &asked, telling(now))[2..4], [0x81, 0x80]);
    assert_eq!(told(&authentic, &wanted, telling(now))[2..4], [0x81, 0xb0]);
    let with = query_edns("www.example.com", 1, 1232, true);
    let out = told(&authentic, &with, Telling { options: b"\0\x0a\0\x02hi", ..telling(now) });
    assert_eq!(out[2..4], [0x81, 0xa0]);
    assert!(out.ends_with(b"\x80\0\0\x0c\0\x0a\0\x02hi\0\x0f\0\x02\0\x03"), "{out:02x?}");

    let key = Key::of(&Query::parse(&asked).unwrap());
    let failed = Resolved::Code(Rcode::SERVFAIL, Ede::NoReachableAuthority);
    let failed = believe(&key, &failed, &Name::parse("mesos").unwrap(), now);
    let out = told(&failed, &with, Telling { manner: Manner::Remembered, ..telling(now) });
    assert!(out.ends_with(&[0, 15, 0, 2, 0, 22, 0, 15, 0, 2, 0, 13]));
    assert_eq!((out[3] & 15, out[7], out[11]), (2, 0, 1));
    let out = told(&failed, &asked, Telling { manner: Manner::Remembered, ..telling(now) });
    assert_eq!(out.len(), asked.len(), "no OPT where none was sent");
    let gone = Entry { rcode: Rcode::NXDOMAIN, ..failed };
    let out = told(&gone, &with, Telling { manner: Manner::Stale, ..telling(now) });
    assert!(out.ends_with(&[0, 15, 0, 2, 0, 19]), "what did not exist");
}

#[test]
fn addresses_take_turns() {
    for (payload, fit) in [(1232, 20), (512, 26)] {
        let asked = query_edns("www.example.com", 1, payload, false);
        let entry = entry(&asked, if payload == 512 { 60 } else { 20 });
        let all = |turn| records(&told(&entry, &asked, Telling { turn, ..telling(entry.came()) }))[0].clone();
        let base = all(0);
        let count = base.len() as u32 - 1;
        assert!((fit..=fit + 3).contains(&count), "{count}");
        for turn in [1, 7, count, count + 1, u32::MAX] {
            let mut turned = base.clone();
            turned[1..].rotate_left((turn % count) as usize);
            assert_eq!(all(turn), turned, "{turn}");
        }
    }
}

#[test]
fn cut_at_a_record() {
    for payload in (512..1232).step_by(5) {
        let asked = query_edns("www.example.com", 1, payload, false);
        let entry = entry(&asked, 80);
        let out = told(&entry, &asked, Telling { options: &[0, 10, 0, 1, 7], ..telling(entry.came()) });
        assert!(
            out.len() <= usize::from(payload) && out.len() + 16 > usize::from(payload),
            "{payload}: {}",
            out.len()
        );
        assert_eq!(out[2] & 2, 2);
        assert!(records(&out)[0].len() == usize::from(out[7]));
        let silent = Telling { truncation: Truncation::Silent, ..telling(entry.came()) };
        assert_eq!(told(&entry, &asked, silent)[2] & 2, 0);
        // The room is smaller than what the client takes.
        let mut small = [0; 400];
        let asker = Query::parse(&asked).unwrap();
        let length = entry.write(&Asker::of(&asker), &telling(entry.came()), &mut small).unwrap();
        assert!(length <= 400 && small[2] & 2 == 2);
        assert_eq!(entry.write(&Asker::of(&asker), &telling(entry.came()), &mut [0; 20]), None);
    }
    let asked = query("ww.example.com", 1);
    let parsed = Query::parse(&asked).unwrap();
    let other = entry(&query("www.example.com", 1), 1);
    assert_eq!(other.write(&Asker::of(&parsed), &telling(other.came()), &mut [0; 512]), None, "another name");
}

#[test]
fn the_quick_reader_sees_the_same() {
    for mut asked in [query("WWW.Example.com", 28), query_edns("a.b", 1, 900, true), query("", 2)] {
        for bits in [0, 0x10, 0x20] {
            asked[3] |= bits;
            let (slow, quick) = (Query::parse(&asked).unwrap(), wire::Query::read(&asked));
            // The cookie in it is malformed to the stricter reader.
            let Ok(quick) = quick else { continue };
            assert!(Key::of(&slow).view() == key_of_wire(&quick));
            let (slow, quick) = (Asker::of(&slow), Asker::of_wire(&quick));
            assert_eq!(format!("{slow:?}"), format!("{quick:?}"));
        }
    }
}

#[test]
fn popular_is_who_is_asked_for_again() {
    let entry = entry(&query("www.example.com", 1), 1);
    assert_eq!((entry.touch(), entry.touch(), entry.touch()), (false, true, true));
    assert!(entry.memory_bytes() > 100 && entry.memory_bytes() < 500, "{}", entry.memory_bytes());
    assert_eq!(entry.freshness(entry.came() + MINUTE, MINUTE), Freshness::Stale);
}
