//! Mutated messages, a million of them: whatever comes in, what goes out is a reply that another implementation reads
//! to its last byte (robustness M14, M15), and everything in it answers the question.
//!
//! The course of a run follows from its seed. `MUTATIONS` sets another number of messages, for a long run.

use std::time::Instant;

use domain::base::{name::ToLabelIter, opt::AllOptData};

use super::*;

/// Messages in a run of the gate.
const MUTATIONS: u64 = 1_000_000;

/// A small generator (xorshift, as the core has no dice): quality does not matter, repeatability does.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % sides
    }
}

/// Well-formed queries of every kind.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let names = [
        "web.marathon.mesos",
        "_big._tcp.mesos",
        "big.mesos",
        "mesos",
        "nope.mesos",
        "_status.mesos",
        "a.org",
        "",
    ];
    for name in names {
        for qtype in [1, 2, 6, 16, 28, 33, 41, 252, 255, 43, 999] {
            seeds.push(query(name, qtype, None));
            seeds.push(query(name, qtype, Some((1232, 0))));
            let mut message = query(name, qtype, Some((4096, 0x8000)));
            let options =
                b"\0\x0a\0\x18cookies!\x01\0\0\0\x65\x53\xf1\0abcdefgh\0\x03\0\0\0\x0b\0\0\0\x0c\0\x03\0\0\0";
            let end = message.len();
            message[end - 1] = options.len() as u8;
            message.extend(options);
            seeds.push(message);
        }
    }
    seeds
}

fn mutate(message: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(message.len().max(1)).min(message.len());
        match dice.roll(9) {
            0 => message.truncate(at),
            1 => message.extend(std::iter::repeat_n(dice.roll(256) as u8, dice.roll(40))),
            2 => message.insert(at, [0, 1, 63, 64, 192, 255][dice.roll(6)]),
            3 if at < message.len() => drop(message.remove(at)),
            4 => {
                let other = &seeds[dice.roll(seeds.len())];
                message.truncate(at);
                message.extend(&other[dice.roll(other.len())..]);
            }
            5 if message.len() >= 12 => message[4 + dice.roll(8)] = dice.roll(4) as u8,
            6 if message.len() >= 12 => message[2 + dice.roll(2)] = dice.roll(256) as u8,
            _ if at < message.len() => message[at] ^= 1 << dice.roll(8),
            _ => {}
        }
    }
}

/// Reads a reply to its last byte; what is wrong with it, if anything.
fn strict(reply: &[u8], query: &[u8], limit: usize) -> Result<(), String> {
    if reply.len() > limit {
        return Err(format!("{} bytes of {limit}", reply.len()));
    }
    let message = Message::from_octets(reply).map_err(|error| error.to_string())?;
    let (header, counts) = (message.header(), message.header_counts());
    if !header.qr() || reply[..2] != query[..2] || header.z() {
        return Err("header".into());
    }
    let mut question = message.question();
    for asked in question.by_ref() {
        let asked = asked.map_err(|error| error.to_string())?;
        let end = 12 + usize::from(asked.qname().compose_len()) + 4;
        if query[12..end] != reply[12..end] {
            return Err("question".into());
        }
    }
    let (mut opts, mut end) = (0, question.pos());
    let mut section = question.answer().map_err(|error| error.to_string())?;
    for count in [counts.ancount(), counts.nscount(), counts.arcount()] {
        for _ in 0..count {
            let record = section.next().ok_or("too few records")?.map_err(|error| error.to_string())?;
            record.to_any_record::<AllRecordData<_, _>>().map_err(|error| error.to_string())?;
            if let Ok(Some(opt)) = record.to_record::<domain::base::opt::Opt<_>>() {
                let all: Result<Vec<_>, _> = opt.data().iter::<AllOptData<_, _>>().collect();
                all.map_err(|error| error.to_string())?;
                opts += 1;
            }
        }
        end = section.pos();
        match section.next_section() {
            Ok(Some(next)) => section = next,
            Ok(None) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    if opts > 1 || end != reply.len() {
        return Err(format!("{opts} OPT, read to {end}"));
    }
    Ok(())
}

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
