//! Exchanges played by script, in made-up time.

use proptest::prelude::*;

use super::*;
use crate::forward::{message::Query, message::tests::query, reply::tests::reply};

const ID: u16 = 0xbeef;

fn servers(count: u8) -> Vec<SocketAddr> {
    (1..=count).map(|last| SocketAddr::from(([192, 0, 2, last], 53))).collect()
}

/// What a script lets a server do about a try.
#[derive(Clone, Copy, Debug)]
enum Does {
    Nothing,
    Breaks,
    Answers,
    Truncates,
    Errors(u8),
    ErrorsBare(u8),
    Babbles,
    Strays,
}
use Does::*;

/// Plays a script; tells each try as "server transport" and seconds since the start, and the outcome.
fn play(count: u8, budget: u64, script: &[Does]) -> (Vec<(String, f64)>, String) {
    let bytes = query("www.example.com", 1);
    let key = Key::of(&Query::parse(&bytes).unwrap());
    let start = Instant::now();
    let mut now = start;
    let mut exchange = Exchange::new(&key, &servers(count), Duration::from_secs(budget), now);
    let mut log = Vec::new();
    let mut script = script.iter();
    while let Some(transmit) = exchange.poll_transmit(now, ID) {
        let edns = if transmit.message.len() > bytes.len() { "" } else { " plain" };
        let text = format!(
            "{} {:?}{edns}",
            transmit.server.ip().to_string().rsplit('.').next().unwrap(),
            transmit.transport
        );
        log.push((text, (now - start).as_secs_f64()));
        assert!(exchange.poll_transmit(now, ID).is_none(), "one try at a time");
        act(&mut exchange, *script.next().unwrap_or(&Nothing), &transmit.message, &mut now);
    }
    assert!(exchange.poll_timeout().is_none());
    let outcome = match exchange.finish() {
        Resolved::Reply(reply) => format!("reply {}", reply.rcode().0),
        Resolved::Half(reply) => format!("half {}", reply.rcode().0),
        Resolved::Code(rcode, ede) => format!("code {} {}", rcode.0, ede as u16),
    };
    (log, outcome)
}

fn act(exchange: &mut Exchange<'_>, does: Does, message: &[u8], now: &mut Instant) {
    let mut good = reply(message, 2, true);
    match does {
        Nothing => {
            *now = exchange.poll_timeout().unwrap();
            exchange.handle_timeout();
        }
        Breaks => exchange.handle_failure(),
        Answers => assert_eq!(exchange.handle_message(&good), Heard::Answer),
        Truncates => {
            good[2] |= 2;
            // TC over TCP means nothing; that is an answer like any other.
            assert!(matches!(exchange.handle_message(&good), Heard::Truncated | Heard::Answer));
        }
        Errors(rcode) => {
            good[3] = (good[3] & 0xf0) | rcode;
            assert_eq!(exchange.handle_message(&good), Heard::Error(Rcode(u16::from(rcode))));
        }
        ErrorsBare(rcode) => {
            let bare = [0xbe, 0xef, 0x80, rcode, 0, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(exchange.handle_message(&bare), Heard::Error(Rcode(u16::from(rcode))));
        }
        Babbles => {
            good.truncate(40);
            assert_eq!(exchange.handle_message(&good), Heard::Malformed);
        }
        Strays => {
            good[0] ^= 1;
            for _ in 1..STRAYS_MAX {
                assert_eq!(exchange.handle_message(&good), Heard::Stray);
            }
            assert_eq!(exchange.handle_message(&good), Heard::StraysMax);
        }
    }
}

fn check(count: u8, script: &[Does], tries: &str, outcome: &str) {
    let (log, end) = play(count, 5, script);
    let log: Vec<String> = log.into_iter().map(|(text, _)| text).collect();
    assert_eq!((log.join(", ").as_str(), end.as_str()), (tries, outcome), "{script:?}");
}

#[test]
fn what_follows_what() {
    check(2, &[Answers], "1 Udp", "reply 0");
    check(2, &[Nothing, Answers], "1 Udp, 2 Udp", "reply 0");
    check(2, &[Breaks, Answers], "1 Udp, 2 Udp", "reply 0");
    check(2, &[Breaks, Breaks], "1 Udp, 2 Udp", "code 2 23");
    check(2, &[Breaks, Nothing, Answers], "1 Udp, 2 Udp, 2 Udp", "reply 0");
    check(2, &[Babbles, Answers], "1 Udp, 2 Udp", "reply 0");
    check(2, &[Errors(2), Answers], "1 Udp, 2 Udp", "reply 0");
    check(2, &[Errors(5), Errors(2)], "1 Udp, 2 Udp", "reply 2");
    check(2, &[Errors(2), Errors(5)], "1 Udp, 2 Udp", "reply 2");
    check(2, &[Errors(5), Breaks], "1 Udp, 2 Udp", "reply 5");
    check(1, &[ErrorsBare(5)], "1 Udp", "code 5 0");
    check(1, &[Errors(1), Answers], "1 Udp, 1 Udp plain", "reply 0");
    check(2, &[ErrorsBare(4), Errors(4), Errors(2)], "1 Udp, 1 Udp plain, 2 Udp", "reply 2");
    check(2, &[Truncates, Answers], "1 Udp, 1 Tcp", "reply 0");
    check(2, &[Truncates, Breaks, Errors(2)], "1 Udp, 1 Tcp, 2 Udp", "half 0");
    check(2, &[Strays, Answers], "1 Udp, 1 Tcp", "reply 0");
    check(1, &[Strays, Strays], "1 Udp, 1 Tcp", "code 2 22");
    check(0, &[], "", "code 2 22");
    check(1, &[], "1 Udp, 1 Udp, 1 Tcp", "code 2 22");
}

#[test]
fn time_is_shared() {
    let times = |count, budget| {
        let (log, end) = play(count, budget, &[]);
        assert_eq!(end, "code 2 22");
        log.into_iter().map(|(_, at)| (at * 100.0).round() / 100.0).collect::<Vec<_>>()
    };
    assert_eq!(times(1, 5), [0.0, 2.0, 4.0]);
    assert_eq!(times(2, 5), [0.0, 2.0, 4.0]);
    assert_eq!(times(3, 5), [0.0, 1.67, 3.33]);
    assert_eq!(times(4, 2), [0.0, 0.5, 1.0, 1.5]);
    assert_eq!(times(1, 60), [0.0, 2.0, 4.0], "three rounds, however long the budget");
}

#[test]
fn extended_codes_are_of_this_hop() {
    let bytes = query("www.example.com", 1);
    let key = Key::of(&Query::parse(&bytes).unwrap());
    let now = Instant::now();
    let mut exchange = Exchange::new(&key, &servers(1), TRY_MAX, now);
    let transmit = exchange.poll_transmit(now, ID).unwrap();
    let mut badvers = transmit.message.clone();
    badvers[2] |= 0x80;
    let ttl = badvers.len() - 6;
    badvers[ttl] = 1;
    assert_eq!(exchange.handle_message(&badvers), Heard::Error(Rcode(16)));
    assert_eq!(exchange.finish().rcode(), Rcode::SERVFAIL);
}

fn anything() -> impl Strategy<Value = Does> {
    prop_oneof![
        Just(Nothing),
        Just(Breaks),
        Just(Babbles),
        Just(Strays),
        Just(Truncates),
        (0_u8..3).prop_map(|n| Errors([1, 2, 5][usize::from(n)])),
        Just(ErrorsBare(4)),
    ]
}

proptest! {
    /// Whatever servers do short of answering: it ends within the budget, and in few tries.
    #[test]
    fn always_ends(script in proptest::collection::vec(anything(), 0..60), count in 0_u8..6, budget in 1_u64..13) {
        let (log, _) = play(count, budget, &script);
        prop_assert!(log.iter().all(|(_, at)| *at < budget as f64));
        // Each round: UDP, TCP, and both again without EDNS at most.
        prop_assert!(log.len() <= usize::from(count) * usize::from(ROUNDS_MAX) * 4, "{}", log.len());
    }
}
