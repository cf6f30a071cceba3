use std::collections::BTreeMap;

use super::*;
use crate::answer::Secrets;

const START: Duration = Duration::from_secs(1_700_000_000);

const SENT: Action = Action::Send { length: 100, reason: Reason::Success, is_truncated: false };

fn settings(per_second: u32) -> Settings {
    let exempt = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    Settings {
        cookies: Some(Secrets::new([3; 16])),
        rate_limit: Some(RateLimit { per_second, exempt }),
        ..Settings::default()
    }
}

fn peer(address: &str, transport: Transport) -> Peer {
    Peer { address: address.parse().unwrap(), transport }
}

/// A query for `a.` with these bytes as data of its OPT record; none: without OPT.
fn query(options: Option<&[u8]>) -> Vec<u8> {
    let mut message = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01".to_vec();
    if let Some(options) = options {
        message[11] = 1;
        message.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0");
        message.push(options.len() as u8);
        message.extend(options);
    }
    message
}

/// What becomes of so many answers to one client at one moment: passed, small, dropped.
fn spend(
    limiter: &RateLimiter,
    settings: &Settings,
    address: &str,
    message: &[u8],
    now: Duration,
    count: u32,
) -> [u32; 3] {
    let mut became = [0; 3];
    for _ in 0..count {
        let mut out = [0; 512];
        let client = peer(address, Transport::Udp);
        let index = match limiter.restrain(SENT, message, settings, client, now, &mut out) {
            SENT => 0,
            Action::Send { reason: Reason::Slipped | Reason::BadCookie, .. } => 1,
            Action::Drop(Silence::Limited) => 2,
            other => panic!("{other:?}"),
        };
        became[index] += 1;
    }
    became
}

#[test]
fn beyond_the_limit_every_second_answer_is_small() {
    let (limiter, settings) = (RateLimiter::new([1; 16]), settings(50));
    let plain = query(None);
    let spend = |address, now, count| spend(&limiter, &settings, address, &plain, now, count);
    assert_eq!(spend("192.0.2.1", START, 150), [50, 50, 50]);
    // Its neighbours share the limit, others do not.
    assert_eq!(spend("192.0.2.200", START, 10), [0, 5, 5]);
    assert_eq!(spend("192.0.3.1", START, 50), [50, 0, 0]);
    // A tenth of a second later, a tenth of it is there again.
    assert_eq!(spend("192.0.2.1", START + Duration::from_millis(100), 25), [5, 10, 10]);
    assert_eq!(spend("192.0.2.1", START + Duration::from_secs(60), 60), [50, 5, 5]);
    // IPv6 by /56.
    assert_eq!(spend("2001:db8:0:1200::1", START, 50), [50, 0, 0]);
    assert_eq!(spend("2001:db8:0:12ff::9", START, 2), [0, 1, 1]);
    assert_eq!(spend("2001:db8:0:1300::1", START, 50), [50, 0, 0]);
}

#[test]
fn in_a_flood_small_answers_are_seldom() {
    let (limiter, settings) = (RateLimiter::new([1; 16]), settings(50));
    let plain = query(None);
    let spend = |address, now, count| spend(&limiter, &settings, address, &plain, now, count);
    assert_eq!(spend("192.0.2.1", START, 50 + FLOOD), [50, FLOOD / 2, FLOOD / 2]);
    assert_eq!(spend("192.0.2.1", START, 16_000), [0, 1000, 15_000]);
    // Others do not notice, and in the next second it is over.
    assert_eq!(spend("192.0.3.1", START, 150), [50, 50, 50]);
    assert_eq!(spend("192.0.2.1", START + Duration::from_secs(1), 150), [50, 50, 50]);
    // More than can be counted is still a flood.
    let [_, small, dropped] = spend("192.0.2.1", START + Duration::from_secs(2), 2_000_000);
    assert!(small > 0 && small < dropped / 10, "{small} of {dropped}");
}

#[test]
fn who_is_not_limited() {
    let (limiter, settings) = (RateLimiter::new([1; 16]), settings(1));
    let plain = query(None);
    for address in ["10.9.9.9", "fd00::1"] {
        assert_eq!(spend(&limiter, &settings, address, &plain, START, 100), [100, 0, 0]);
    }
    let mut out = [0; 512];
    for transport in [Transport::Tcp, Transport::Tls, Transport::Https] {
        for _ in 0..10 {
            let client = peer("192.0.2.1", transport);
            assert_eq!(limiter.restrain(SENT, &plain, &settings, client, START, &mut out), SENT);
        }
    }
    let off = Settings { rate_limit: None, ..settings.clone() };
    assert_eq!(spend(&limiter, &off, "192.0.2.1", &plain, START, 100), [100, 0, 0]);
    // Silence costs nothing.
    let silent = Action::Drop(Silence::Response);
    for _ in 0..10 {
        let client = peer("192.0.2.1", Transport::Udp);
        assert_eq!(limiter.restrain(silent, &plain, &settings, client, START, &mut out), silent);
    }
    assert_eq!(spend(&limiter, &settings, "192.0.2.1", &plain, START, 1), [1, 0, 0]);
}

#[test]
fn a_small_answer_leads_to_another_way() {
    let (limiter, settings) = (RateLimiter::new([1; 16]), settings(1));
    let client = peer("192.0.2.1", Transport::Udp);
    let mut out = [0; 512];
    let mut slipped = |message: &[u8]| {
        for _ in 0..4 {
            let action = limiter.restrain(SENT, message, &settings, client, START, &mut out);
            if let Action::Send { length, reason, .. } = action
                && reason != Reason::Success
            {
                return (reason, out[..length].to_vec());
            }
        }
        panic!("all dropped");
    };
    // Without a cookie: to TCP.
    let (reason, reply) = slipped(&query(None));
    assert_eq!((reason, &reply[..12]), (Reason::Slipped, &b"\x12\x34\x83\0\0\x01\0\0\0\0\0\0"[..]));
    assert_eq!(reply.len(), query(None).len());
    // With one: to the same question with the cookie that it is told. BADCOOKIE is 23: 1 and 7.
    let hello = query(Some(b"\0\x0a\0\x08cookies!"));
    let (reason, reply) = slipped(&hello);
    assert_eq!((reason, &reply[2..4]), (Reason::BadCookie, &b"\x81\x07"[..]));
    assert_eq!(reply[19..32], *b"\0\0\x29\x04\xd0\x01\0\0\0\0\x1c\0\x0a");
    let good = query(Some(&reply[30..]));
    assert_eq!(spend(&limiter, &settings, "192.0.2.1", &good, START, 20), [20, 0, 0]);
    // From elsewhere it is worth nothing, and a made-up one is not either.
    assert_eq!(spend(&limiter, &settings, "198.51.100.1", &good, START, 5), [1, 2, 2]);
    let forged = query(Some(b"\0\x0a\0\x18cookies!\x01\0\0\0\x65\x53\xf1\0abcdefgh"));
    assert_eq!(spend(&limiter, &settings, "203.0.113.1", &forged, START, 5), [1, 2, 2]);
    // What is no query gets no small answer.
    assert_eq!(spend(&limiter, &settings, "203.0.114.1", b"\0\0\0\0\0\0\0\0\0\0\0\0x", START, 5), [1, 0, 4]);
}

#[test]
fn a_clock_that_is_set_back_starves_nobody() {
    let (limiter, settings) = (RateLimiter::new([1; 16]), settings(10));
    let plain = query(None);
    let before = START - Duration::from_secs(100_000);
    assert_eq!(spend(&limiter, &settings, "192.0.2.1", &plain, START, 10), [10, 0, 0]);
    assert_eq!(spend(&limiter, &settings, "192.0.2.1", &plain, before, 2), [0, 1, 1]);
    let later = before + Duration::from_secs(1);
    assert_eq!(spend(&limiter, &settings, "192.0.2.1", &plain, later, 12), [10, 1, 1]);
}

#[test]
fn a_flood_from_everywhere_does_not_free_the_flooded() {
    let limiter = RateLimiter::new([7; 16]);
    let victim: IpAddr = "192.0.2.1".parse().unwrap();
    let mut now = START;
    let mut charges = BTreeMap::<bool, u32>::new();
    for round in 0..400_000_u32 {
        now += Duration::from_micros(10);
        // Each a network of its own, ten times as many as there are buckets.
        let stranger = IpAddr::from((round.wrapping_mul(2_654_435_761) | 0x1000_0000).to_be_bytes());
        limiter.charge(stranger, 50, now);
        if round % 20 == 0 {
            *charges.entry(limiter.charge(victim, 50, now) == Charge::Within).or_default() += 1;
        }
    }
    // 5,000 a second asked for over four seconds: 200, and the burst.
    let within = charges[&true];
    assert!((200..=300).contains(&within), "{charges:?}");
}

#[test]
fn networks_do_not_share_by_accident() {
    let limiter = RateLimiter::new([9; 16]);
    for network in 0..2000_u32 {
        let address = IpAddr::from((0x2000_0000 + (network << 8)).to_be_bytes());
        for _ in 0..5 {
            assert_eq!(limiter.charge(address, 5, START), Charge::Within, "{address}");
        }
    }
    let all = limiter.sets.iter().flat_map(|set| &set.0).filter(|bucket| bucket.tag.load(Relaxed) != 0);
    assert_eq!(all.count(), 2000);
    assert_eq!(size_of::<Set>(), 64);
}
