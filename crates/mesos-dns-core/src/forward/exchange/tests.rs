//! Exchanges played by script, in made-up time.

use proptest::prelude::*;

use super::*;
use crate::forward::{
    health::{Outlook, PATIENCE_MIN},
    message::{Query, tests::query},
    reply::tests::reply,
    server::Server,
};

/// What a script lets a server do about a try.
#[derive(Clone, Copy, Debug)]
enum Does {
    Nothing,
    Breaks,
    Answers,
    AnswersAfter(u64),
    DeniesAfter(u64),
    Truncates,
    Folds,
    Errors(u8),
    ErrorsBare(u8),
    Babbles,
    Strays,
}
use Does::*;

fn key() -> Key {
    Key::of(&Query::parse(&query("www.example.com", 1)).unwrap())
}

/// Well servers that usually take so many milliseconds; 0 for those of which nothing is known.
fn candidates(usual: &[u64]) -> Vec<Candidate> {
    let candidate = |(index, usual): (usize, &u64)| {
        let known = (*usual > 0).then(|| Duration::from_millis(*usual));
        let usual = known.unwrap_or(PATIENCE_MIN);
        let patience = known.map_or(PATIENCE_MIN, |usual| (usual * 2).max(PATIENCE_MIN));
        Candidate {
            server: Server::plain(([192, 0, 2, index as u8 + 1], 53).into()),
            outlook: Outlook { standing: Standing::Well, usual, patience, spelled: true },
        }
    };
    usual.iter().enumerate().map(candidate).collect()
}

/// An exchange being played, and what it did.
struct Play {
    /// Each try as "server carrier", and milliseconds since the start.
    tries: Vec<(String, u64)>,
    /// How they ended, in that order.
    ended: Vec<(TryId, Ended)>,
    outcome: String,
    /// Milliseconds to the outcome.
    took: u64,
    hedges: u32,
}

fn play(candidates: Vec<Candidate>, budget: u64, mut hedges: u32, script: &[Does]) -> Play {
    let key = key();
    let start = Instant::now();
    let mut now = start;
    let mut exchange = Exchange::new(&key, candidates, Duration::from_secs(budget), now);
    let mut script = script.iter();
    let mut played =
        Play { tries: Vec::new(), ended: Vec::new(), outcome: String::new(), took: 0, hedges: 0 };
    let mut later: Vec<(Instant, TryId, Vec<u8>)> = Vec::new();
    for n in 0..u16::MAX {
        let since = (now - start).as_millis() as u64;
        let dice = Dice { id: 0xbe00 | (n & 0xff), letters: [0b0101_0101; 32] };
        if let Some(sent) = exchange.poll_transmit(now, &dice, || {
            hedges = hedges.saturating_sub(1);
            hedges > 0
        }) {
            assert_eq!(sent.message[12..12 + sent.question.len()], sent.question);
            let edns = if sent.message[11] == 1 { "" } else { " plain" };
            let probe = if sent.probe { " probe" } else { "" };
            played.hedges += u32::from(sent.hedge);
            let last = sent.server.address.ip().to_string().rsplit('.').next().unwrap().to_owned();
            played.tries.push((format!("{last} {:?}{edns}{probe}", sent.carrier), since));
            match *script.next().unwrap_or(&Nothing) {
                AnswersAfter(wait) => {
                    later.push((now + Duration::from_millis(wait), sent.id, reply(&sent.message, 1, true)));
                }
                DeniesAfter(wait) => {
                    let mut message = reply(&sent.message, 0, true);
                    message[3] |= 3;
                    later.push((now + Duration::from_millis(wait), sent.id, message));
                }
                does => act(&mut exchange, does, &sent, now),
            }
            continue;
        }
        while let Some(closed) = exchange.poll_closed() {
            later.retain(|(_, id, _)| *id != closed.id);
            played.ended.push((closed.id, closed.ended));
        }
        assert!(exchange.open.len() <= OPEN_MAX);
        if let Some(resolved) = exchange.poll_resolved(now) {
            played.took = since;
            played.outcome = match resolved {
                Resolved::Reply(reply) => format!("reply {}", reply.rcode().0),
                Resolved::Half(reply) => format!("half {}", reply.rcode().0),
                Resolved::Code(rcode, ede) => format!("code {} {}", rcode.0, ede as u16),
            };
        }
        let Some(wake) = exchange.poll_timeout() else {
            played.ended.sort_by_key(|(id, _)| id.0);
            return played;
        };
        assert!(wake > now || exchange.open.iter().all(|open| open.dies > now), "no spinning");
        later.sort_by_key(|(at, ..)| *at);
        match later.iter().position(|(at, ..)| *at <= wake) {
            Some(index) => {
                let (at, id, message) = later.remove(index);
                now = at;
                assert_eq!(exchange.handle_message(id, &message, now), Heard::Taken);
                if now == wake {
                    exchange.handle_timeout(now);
                }
            }
            None => {
                now = wake;
                exchange.handle_timeout(now);
            }
        }
    }
    panic!("it does not end");
}

fn act(exchange: &mut Exchange<'_>, does: Does, sent: &Transmit, now: Instant) {
    let mut good = reply(&sent.message, 2, true);
    let mut hear = |message: &[u8]| exchange.handle_message(sent.id, message, now);
    match does {
        Nothing | AnswersAfter(_) | DeniesAfter(_) => {}
        Breaks => exchange.handle_failure(sent.id, Fault::There, now),
        Answers => assert_eq!(hear(&good), Heard::Taken),
        Truncates => {
            good[2] |= 2;
            assert_eq!(hear(&good), Heard::Taken);
        }
        Folds => {
            good[12..12 + sent.question.len()].make_ascii_lowercase();
            assert_eq!(hear(&good), Heard::Taken);
        }
        Errors(rcode) => {
            good[3] = (good[3] & 0xf0) | rcode;
            assert_eq!(hear(&good), Heard::Taken);
        }
        ErrorsBare(rcode) => {
            let bare = [sent.message[0], sent.message[1], 0x80, rcode, 0, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(hear(&bare), Heard::Taken);
        }
        Babbles => {
            good.truncate(40);
            assert_eq!(hear(&good), Heard::Taken);
        }
        Strays => {
            good[0] ^= 1;
            for _ in 0..STRAYS_MAX {
                assert_eq!(hear(&good), Heard::Stray);
            }
            good[0] ^= 1;
            assert_eq!(hear(&good), Heard::Stray, "and it is over");
        }
    }
}

fn check(count: usize, script: &[Does], tries: &str, outcome: &str) {
    let played = play(candidates(&vec![0; count]), 5, 0, script);
    let log: Vec<String> = played.tries.into_iter().map(|(text, _)| text).collect();
    assert_eq!((log.join(", ").as_str(), played.outcome.as_str()), (tries, outcome), "{script:?}");
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
    check(2, &[Truncates, Truncates], "1 Udp, 1 Tcp", "reply 0");
    check(2, &[Truncates, Breaks, Errors(2)], "1 Udp, 1 Tcp, 2 Udp", "half 0");
    check(2, &[Strays, Answers], "1 Udp, 1 Tcp", "reply 0");
    check(1, &[Strays, Nothing], "1 Udp, 1 Tcp", "code 2 22");
    check(2, &[Folds, Answers], "1 Udp, 1 Tcp", "reply 0");
    check(2, &[Folds, Folds], "1 Udp, 1 Tcp", "reply 0");
    check(2, &[Folds, Breaks, Answers], "1 Udp, 1 Tcp, 2 Udp", "reply 0");
    check(0, &[], "", "code 2 22");
    check(1, &[], "1 Udp, 1 Udp, 1 Tcp, 1 Udp", "code 2 22");
    check(1, &[Nothing, Nothing, Breaks, Errors(2)], "1 Udp, 1 Udp, 1 Tcp, 1 Udp", "reply 2");
}

#[test]
fn a_server_known_to_fold_is_believed() {
    let mut known = candidates(&[5]);
    known[0].outlook.spelled = false;
    assert_eq!(play(known, 5, 0, &[Folds]).outcome, "reply 0");
}

#[test]
fn a_server_over_tls_is_asked_in_no_other_way() {
    let server = Server::over_tls(([192, 0, 2, 1], 853).into(), "dns.example");
    for script in [vec![Truncates], vec![Errors(4), Folds], vec![Strays, Nothing], vec![]] {
        let mut tls = candidates(&[5]);
        tls[0].server = server.clone();
        let played = play(tls, 5, 0, &script);
        assert!(played.tries.iter().all(|(text, _)| text.starts_with("1 Tls")), "{:?}", played.tries);
    }
}

#[test]
fn nobody_waits_for_silence_to_be_certain() {
    let times = |usual: &[u64], budget, hedges, script: &[Does]| {
        let played = play(candidates(usual), budget, hedges, script);
        (played.tries.iter().map(|(_, at)| *at).collect::<Vec<_>>(), played.took, played.hedges)
    };
    // Nothing is known: one dead server, then two.
    assert_eq!(times(&[0; 3], 5, 9, &[Nothing, AnswersAfter(5)]), (vec![0, 350], 355, 0));
    assert_eq!(times(&[0; 3], 5, 9, &[Nothing, Nothing, AnswersAfter(5)]), (vec![0, 350, 700], 705, 0));
    // The first is known to be quick: the second is asked early, and whoever answers first wins.
    assert_eq!(times(&[10, 10], 5, 9, &[Nothing, AnswersAfter(5)]), (vec![0, 10], 15, 1));
    assert_eq!(times(&[10, 10], 5, 9, &[AnswersAfter(12), AnswersAfter(5)]), (vec![0, 10], 12, 1));
    // Without an allowance, only when patience has an end.
    assert_eq!(times(&[10, 10], 5, 0, &[AnswersAfter(12)]), (vec![0], 12, 0));
    assert_eq!(times(&[10, 10], 5, 0, &[Nothing, AnswersAfter(5)]), (vec![0, 350], 355, 0));
    assert_eq!(times(&[400, 10], 5, 0, &[AnswersAfter(1500), Nothing]), (vec![0, 800, 1150], 1500, 0));
    // All are silent: rounds with more and more patience.
    assert_eq!(times(&[0], 5, 9, &[]), (vec![0, 350, 1050, 2450], 4450, 0));
    assert_eq!(times(&[0; 2], 3, 9, &[]).0, [0, 350, 700, 1400, 2100]);
    assert_eq!(times(&[0; 4], 1, 9, &[]).0, [0, 250, 500, 750]);
    // A denial from a server asked early waits for the one before it, as long as that has patience.
    assert_eq!(times(&[10, 10], 5, 9, &[AnswersAfter(300), DeniesAfter(5)]), (vec![0, 10], 300, 1));
    assert_eq!(times(&[10, 10], 5, 9, &[DeniesAfter(200), DeniesAfter(5)]), (vec![0, 10], 200, 1));
    assert_eq!(times(&[10, 10], 5, 9, &[Nothing, DeniesAfter(5)]), (vec![0, 10], 350, 1));
    assert_eq!(times(&[10, 10], 5, 0, &[Nothing, DeniesAfter(5)]), (vec![0, 350], 355, 0));
    assert_eq!(times(&[10, 10], 5, 9, &[DeniesAfter(5)]), (vec![0], 5, 0));
    // The same server is not asked early twice.
    assert_eq!(times(&[10], 5, 9, &[AnswersAfter(100)]), (vec![0], 100, 0));
}

#[test]
fn what_is_learnt_after_the_outcome() {
    let ended = |script: &[Does]| {
        let played = play(candidates(&[10, 10]), 5, 9, script);
        assert_eq!(played.outcome, "reply 0");
        played.ended.into_iter().map(|(_, ended)| ended).collect::<Vec<_>>()
    };
    assert_eq!(ended(&[AnswersAfter(100), AnswersAfter(1)]), [Ended::Answer, Ended::Answer]);
    assert_eq!(ended(&[Nothing, AnswersAfter(1)]), [Ended::Silence, Ended::Answer]);
    assert_eq!(ended(&[AnswersAfter(900), AnswersAfter(1)]), [Ended::Silence, Ended::Answer]);

    let key = key();
    let now = Instant::now();
    let mut exchange = Exchange::new(&key, candidates(&[10, 10]), TRY_MAX, now);
    let dice = Dice { id: 7, letters: [0; 32] };
    let first = exchange.poll_transmit(now, &dice, || true).unwrap();
    let now = exchange.poll_timeout().unwrap();
    let second = exchange.poll_transmit(now, &dice, || true).unwrap();
    assert_eq!(exchange.handle_message(second.id, &reply(&second.message, 1, true), now), Heard::Taken);
    assert!(exchange.poll_resolved(now).is_some());
    let mut error = reply(&first.message, 1, true);
    error[3] |= 2;
    assert_eq!(exchange.handle_message(first.id, &error, now), Heard::Taken);
    assert!(exchange.poll_resolved(now).is_none() && exchange.poll_transmit(now, &dice, || true).is_none());
    exchange.abandon(now);
    assert!(exchange.poll_timeout().is_none());
}

#[test]
fn the_ill_are_asked_last_and_probed_beside() {
    let standings = |standings: &[Standing], script: &[Does]| {
        let mut known = candidates(&vec![10; standings.len()]);
        for (candidate, standing) in known.iter_mut().zip(standings) {
            candidate.outlook.standing = *standing;
        }
        let played = play(known, 5, 0, script);
        let tries = played.tries.iter().map(|(text, at)| format!("{text} {at}"));
        (tries.collect::<Vec<_>>().join(", "), played.outcome, played.took)
    };
    let check = |known: &[Standing], script: &[Does], tries: &str| {
        let (played, outcome, _) = standings(known, script);
        assert_eq!((played.as_str(), outcome.as_str()), (tries, "reply 0"), "{known:?}");
    };
    use Standing::{Ill, Probed, Well};
    check(&[Ill, Well], &[Answers], "2 Udp 0");
    check(&[Ill, Well], &[Breaks, Answers], "2 Udp 0, 1 Udp 0");
    check(
        &[Ill, Well, Ill, Well],
        &[Nothing, Breaks, Nothing, Answers],
        "2 Udp 0, 4 Udp 350, 1 Udp 350, 3 Udp 450",
    );
    check(&[Probed, Well], &[AnswersAfter(1), Nothing], "2 Udp 0, 1 Udp probe 0");
    check(&[Probed, Well], &[Nothing, AnswersAfter(1)], "2 Udp 0, 1 Udp probe 0");
    check(&[Probed, Well, Well], &[Breaks, Nothing, Answers], "2 Udp 0, 1 Udp probe 0, 3 Udp 0");
    check(&[Ill, Probed], &[Answers], "2 Udp probe 0");
    check(&[Ill, Ill], &[Breaks, Answers], "1 Udp 0, 2 Udp 0");
    // A name that fails does not cost the budget because a server is dead.
    let fails = |known: &[Standing], script: &[Does]| {
        let (tries, outcome, took) = standings(known, script);
        assert_eq!(outcome, "reply 2");
        format!("{tries}; {took}")
    };
    assert_eq!(fails(&[Well, Ill], &[Errors(2)]), "1 Udp 0, 2 Udp 0; 350");
    assert_eq!(fails(&[Probed, Well], &[Errors(2)]), "2 Udp 0, 1 Udp probe 0; 350");
    assert_eq!(
        fails(&[Well, Well], &[Errors(2)]),
        "1 Udp 0, 2 Udp 0, 2 Udp 350, 2 Tcp 1050, 2 Udp 2450; 4450"
    );
    // With nobody else left, an ill server is waited for like any other.
    check(&[Ill, Ill], &[Nothing, Nothing, Answers], "1 Udp 0, 2 Udp 100, 1 Udp 450");
    check(&[Probed], &[Nothing, Answers], "1 Udp probe 0, 1 Udp 350");
}

#[test]
fn extended_codes_are_of_this_hop() {
    let key = key();
    let now = Instant::now();
    let mut exchange = Exchange::new(&key, candidates(&[0]), TRY_MAX, now);
    let sent = exchange.poll_transmit(now, &Dice { id: 7, letters: [0; 32] }, || false).unwrap();
    let mut badvers = sent.message.clone();
    badvers[2] |= 0x80;
    let ttl = badvers.len() - 6;
    badvers[ttl] = 1;
    assert_eq!(exchange.handle_message(sent.id, &badvers, now), Heard::Taken);
    assert_eq!(exchange.poll_closed().unwrap().ended, Ended::Error(Rcode(16)));
    assert_eq!(exchange.poll_resolved(now).unwrap().rcode(), Rcode::SERVFAIL);
}

fn anything() -> impl Strategy<Value = Does> {
    prop_oneof![
        Just(Nothing),
        Just(Breaks),
        Just(Babbles),
        Just(Strays),
        Just(Truncates),
        Just(Folds),
        (1_u64..3000).prop_map(AnswersAfter),
        (1_u64..3000).prop_map(DeniesAfter),
        (0_u8..3).prop_map(|n| Errors([1, 2, 5][usize::from(n)])),
        Just(ErrorsBare(4)),
    ]
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![Just(Standing::Well), Just(Standing::Ill), Just(Standing::Probed)]
}

proptest! {
    /// Whatever servers do: there is one outcome, within the budget, after few tries, and every try ends.
    #[test]
    fn always_ends(script in proptest::collection::vec(anything(), 0..60),
                   known in proptest::collection::vec((0_u64..900, standing()), 0..6),
                   budget in 1_u64..13, hedges in 0_u32..4) {
        let mut servers = candidates(&known.iter().map(|(usual, _)| *usual).collect::<Vec<_>>());
        for (candidate, (_, standing)) in servers.iter_mut().zip(&known) {
            candidate.outlook.standing = *standing;
        }
        let played = play(servers, budget, hedges, &script);
        prop_assert!(!played.outcome.is_empty() && played.took <= budget * 1000);
        prop_assert!(played.tries.iter().all(|(_, at)| *at < budget * 1000));
        prop_assert_eq!(played.tries.len(), played.ended.len());
        prop_assert!(played.hedges <= hedges);
        // Each round: UDP, TCP, and both again without EDNS at most.
        prop_assert!(played.tries.len() <= known.len() * usize::from(ROUNDS_MAX) * 4);
    }
}
