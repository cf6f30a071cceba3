//! Mutated messages, a million of them: whatever comes in, what goes out is a reply that another implementation reads
//! to its last byte (robustness M14, M15), and everything in it answers the question.
//!
//! The course of a run follows from its seed. `MUTATIONS` sets another number of messages, for a long run.

use std::time::Instant;

use super::{dice::Dice, mutate::mutate, seeds::seeds, strict::strict, *};

/// Messages in a run of the gate.
const MUTATIONS: u64 = 1_000_000;

#[test]
fn m14_m15_a_million_mutated_messages() {
    let wanted = std::env::var("MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(MUTATIONS);
    let (zone, seeds) = (zone(), seeds());
    let limiter = RateLimiter::new([1; 16]);
    let rate_limit = Some(RateLimit { per_second: 2, exempt: Vec::new() });
    let settings = Settings { rate_limit, nsid: b"ns1".to_vec(), ..SETTINGS };
    let mut dice = Dice(0x5eed);
    let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
    let (mut replies, mut silent, mut slowest) = (0_u64, 0_u64, Duration::ZERO);
    for round in 0..wanted {
        let mut message = seeds[dice.roll(seeds.len())].clone();
        mutate(&mut message, &seeds, &mut dice);
        let transport = match dice.roll(8) {
            0 => Transport::Tcp,
            1 => Transport::Tls,
            _ => Transport::Udp,
        };
        let limit = if transport == Transport::Udp { UDP_PAYLOAD_BYTES_MAX } else { TCP_PAYLOAD_BYTES_MAX };
        let address = IpAddr::from([192, 0, dice.roll(256) as u8, 1]);
        let peer = Peer { address, transport };
        let state = State::ALL[dice.roll(4)];
        let standing = Standing { state, now: LIVE.now + Duration::from_millis(round), ..LIVE };
        let begin = Instant::now();
        let out = &mut out[..limit];
        let action = decide(&message, &zone, &standing, &settings, peer, round, out);
        let action = limiter.restrain(action, &message, &settings, peer, standing.now, out);
        slowest = slowest.max(begin.elapsed());
        let Action::Send { length, .. } = action else {
            silent += 1;
            continue;
        };
        replies += 1;
        if let Err(what) = strict(&out[..length], &message, limit) {
            panic!("round {round}: {what}\n{message:02x?}\n{:02x?}", &out[..length]);
        }
    }
    println!("{wanted} messages, {replies} replies, {silent} met with silence; slowest {slowest:?}");
    assert!(replies > wanted / 4 && silent > wanted / 100, "{replies} {silent}");
}
