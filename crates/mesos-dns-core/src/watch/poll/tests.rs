//! Searches in made-up time, one by one and at random.

use proptest::prelude::*;

use super::*;

const SETTINGS: Settings = Settings { refresh: Duration::from_secs(60), timeout: Duration::from_secs(20) };

fn master(text: &str) -> Master {
    Master::parse(text).unwrap()
}

fn poll(candidates: &[&str], now: Instant) -> Poll {
    let mut poll = Poll::new(SETTINGS);
    poll.handle_masters(candidates.iter().map(|text| master(text)).collect(), Leader::Changed, now);
    poll
}

fn asks(poll: &mut Poll, now: Instant, expected: &str, credentials: Credentials) {
    let fetch = poll.poll_transmit(Ask::State, now).expect(expected);
    assert_eq!(fetch.master.to_string(), expected);
    assert_eq!(fetch.credentials, credentials, "{expected}");
    assert!(poll.poll_timeout().is_none(), "a request is running");
    assert!(poll.poll_transmit(Ask::State, now).is_none(), "one request at a time");
}

fn elsewhere(text: &str) -> Outcome {
    Outcome::Elsewhere(master(text))
}

const FOUND: Outcome = Outcome::Found { again: None };

#[test]
fn asks_one_after_the_other_then_backs_off() {
    let start = Instant::now();
    let mut poll = poll(&["a:1", "b:1", "c:1"], start);
    for (name, step) in [("a:1", Step::Next), ("b:1", Step::Next), ("c:1", Step::Failed)] {
        asks(&mut poll, start, name, Credentials::Send);
        assert_eq!(poll.handle_outcome(Outcome::Failed, start, 0), step);
    }
    assert_eq!(poll.poll_timeout(), Some(start + BACKOFF_MIN));
    assert!(poll.poll_transmit(Ask::State, start + BACKOFF_MIN / 2).is_none());
    asks(&mut poll, start + BACKOFF_MIN, "a:1", Credentials::Send);
}

#[test]
fn an_election_is_waited_for_without_backing_off() {
    let start = Instant::now();
    let mut poll = poll(&["a:1", "b:1"], start);
    let mut round = |now, leader: Outcome, standby: Outcome| {
        asks(&mut poll, now, "a:1", Credentials::Send);
        poll.handle_outcome(leader, now, 0);
        asks(&mut poll, now, "b:1", Credentials::Send);
        assert_eq!(poll.handle_outcome(standby, now, 0), Step::Failed);
        poll.poll_timeout().unwrap()
    };
    let mut now = start;
    for _ in 0..9 {
        // The standby has not heard yet that the leader is dead.
        let due = round(now, Outcome::Absent, elsewhere("a:1"));
        assert_eq!(due, now + BACKOFF_MIN);
        now = due;
    }
    for (leader, standby, pause) in [
        // A leader that is in trouble, and a standby that says so.
        (Outcome::Failed, elsewhere("a:1"), BACKOFF_MIN * 2),
        // Nobody there.
        (Outcome::Absent, Outcome::Absent, BACKOFF_MIN * 4),
        // An election again.
        (Outcome::Absent, elsewhere("a:1"), BACKOFF_MIN),
        (Outcome::Absent, Outcome::Leaderless, BACKOFF_MIN),
        (Outcome::Leaderless, Outcome::Leaderless, BACKOFF_MIN),
    ] {
        let due = round(now, leader, standby);
        assert_eq!(due, now + pause);
        now = due;
    }
}

#[test]
fn success_waits_for_the_period_from_its_end() {
    let start = Instant::now();
    let mut poll = poll(&["a:1"], start);
    asks(&mut poll, start, "a:1", Credentials::Send);
    let end = start + Duration::from_secs(3);
    assert_eq!(poll.handle_outcome(FOUND, end, 0), Step::Done);
    assert_eq!(poll.poll_timeout(), Some(end + SETTINGS.refresh));
    let mut slow = poll;
    asks(&mut slow, end + SETTINGS.refresh, "a:1", Credentials::Send);
    let end = end + SETTINGS.refresh + Duration::from_secs(100);
    slow.handle_outcome(FOUND, end, 0);
    assert_eq!(slow.poll_timeout(), Some(end + Duration::from_secs(100)), "as long as it took");
}

#[test]
fn comes_back_sooner_when_asked_to() {
    let start = Instant::now();
    let mut poll = poll(&["a:1"], start);
    asks(&mut poll, start, "a:1", Credentials::Send);
    poll.handle_outcome(Outcome::Found { again: Some(Duration::from_secs(5)) }, start, 0);
    assert_eq!(poll.poll_timeout(), Some(start + Duration::from_secs(5)));
}

#[test]
fn begins_with_the_one_that_gave_the_last_document() {
    let start = Instant::now();
    let mut poll = poll(&["a:1", "b:1", "c:1"], start);
    asks(&mut poll, start, "a:1", Credentials::Send);
    poll.handle_outcome(Outcome::Failed, start, 0);
    asks(&mut poll, start, "b:1", Credentials::Send);
    poll.handle_outcome(FOUND, start, 0);
    let later = start + SETTINGS.refresh;
    for name in ["b:1", "a:1", "c:1"] {
        asks(&mut poll, later, name, Credentials::Send);
        poll.handle_outcome(Outcome::Failed, later, 0);
    }
    assert!(poll.poll_transmit(Ask::State, later).is_none());
}

#[test]
fn follows_to_the_leader_without_credentials_unless_it_is_known() {
    let start = Instant::now();
    let mut poll = poll(&["a:1", "b:1"], start);
    asks(&mut poll, start, "a:1", Credentials::Send);
    assert_eq!(poll.handle_outcome(elsewhere("b:1"), start, 0), Step::Follow);
    asks(&mut poll, start, "b:1", Credentials::Send);
    assert_eq!(poll.handle_outcome(elsewhere("x:1"), start, 0), Step::Follow);
    asks(&mut poll, start, "x:1", Credentials::Withhold);
    assert_eq!(poll.handle_outcome(FOUND, start, 0), Step::Done);
}

#[test]
fn another_port_of_a_known_host_gets_no_credentials() {
    let start = Instant::now();
    let mut poll = poll(&["a:1"], start);
    asks(&mut poll, start, "a:1", Credentials::Send);
    poll.handle_outcome(elsewhere("a:2"), start, 0);
    asks(&mut poll, start, "a:2", Credentials::Withhold);
}

#[test]
fn a_stranger_cannot_send_us_on() {
    let start = Instant::now();
    let mut poll = poll(&["a:1", "b:1"], start);
    asks(&mut poll, start, "a:1", Credentials::Send);
    poll.handle_outcome(elsewhere("x:1"), start, 0);
    asks(&mut poll, start, "x:1", Credentials::Withhold);
    assert_eq!(poll.handle_outcome(elsewhere("y:1"), start, 0), Step::Next);
    asks(&mut poll, start, "b:1", Credentials::Send);
}

#[test]
fn circles_and_long_chains_end() {
    let start = Instant::now();
    let mut circle = poll(&["a:1", "b:1"], start);
    asks(&mut circle, start, "a:1", Credentials::Send);
    circle.handle_outcome(elsewhere("b:1"), start, 0);
    asks(&mut circle, start, "b:1", Credentials::Send);
    assert_eq!(circle.handle_outcome(elsewhere("a:1"), start, 0), Step::Failed);
    assert!(circle.poll_transmit(Ask::State, start).is_none(), "both were asked");

    let mut chain = poll(&["a:1", "b:1", "c:1", "d:1", "e:1"], start);
    for (from, to) in [("a:1", "b:1"), ("b:1", "c:1"), ("c:1", "d:1")] {
        asks(&mut chain, start, from, Credentials::Send);
        assert_eq!(chain.handle_outcome(elsewhere(to), start, 0), Step::Follow);
    }
    asks(&mut chain, start, "d:1", Credentials::Send);
    assert_eq!(chain.handle_outcome(elsewhere("e:1"), start, 0), Step::Next);
    asks(&mut chain, start, "e:1", Credentials::Send);
}

#[test]
fn a_hop_to_a_known_master_keeps_its_name() {
    let start = Instant::now();
    let mut poll = Poll::new(SETTINGS);
    let leader = Master { name: Some("m2.example".into()), ..master("10.0.0.2:5050") };
    poll.handle_masters(vec![master("10.0.0.1:5050"), leader.clone()], Leader::Changed, start);
    poll.poll_transmit(Ask::State, start).unwrap();
    poll.handle_outcome(elsewhere("10.0.0.2:5050"), start, 0);
    assert_eq!(poll.poll_transmit(Ask::State, start).unwrap().master, leader);
}

#[test]
fn a_new_leader_is_asked_at_once() {
    let start = Instant::now();
    let mut poll = poll(&["a:1", "b:1"], start);
    asks(&mut poll, start, "a:1", Credentials::Send);
    let later = start + Duration::from_secs(5);
    poll.handle_masters(vec![master("b:1"), master("a:1")], Leader::Changed, later);
    asks(&mut poll, later, "b:1", Credentials::Send);
}

#[test]
fn other_candidates_disturb_nothing() {
    let start = Instant::now();
    let mut poll = poll(&["a:1"], start);
    asks(&mut poll, start, "a:1", Credentials::Send);
    poll.handle_masters(vec![master("a:1"), master("b:1")], Leader::Same, start);
    assert_eq!(poll.poll_timeout(), None, "still running");
    poll.handle_outcome(Outcome::Failed, start, 0);
    asks(&mut poll, start, "b:1", Credentials::Send);
}

#[test]
fn late_outcomes_of_an_abandoned_request_change_nothing() {
    let start = Instant::now();
    let mut poll = poll(&["a:1"], start);
    asks(&mut poll, start, "a:1", Credentials::Send);
    poll.handle_masters(vec![master("b:1")], Leader::Changed, start);
    assert_eq!(poll.handle_outcome(FOUND, start, 0), Step::Next);
    asks(&mut poll, start + ROUND_MIN, "b:1", Credentials::Send);
}

#[test]
fn nobody_to_ask() {
    let now = Instant::now();
    let mut poll = Poll::new(SETTINGS);
    assert!(poll.poll_timeout().is_none());
    poll.handle_masters(Vec::new(), Leader::Changed, now);
    assert!(poll.poll_timeout().is_none() && poll.poll_transmit(Ask::State, now).is_none());
}

#[test]
fn backoff_doubles_up_to_its_limit() {
    let check = |failures, least, most| {
        assert_eq!(backoff(failures, 0), Duration::from_secs(least), "{failures}");
        assert_eq!(backoff(failures, u64::MAX), Duration::from_secs(most), "{failures}");
    };
    check(0, 1, 2);
    check(1, 2, 4);
    check(2, 4, 8);
    check(3, 8, 16);
    check(4, 15, 30);
    check(u32::MAX, 15, 30);
}

#[derive(Clone, Debug)]
enum Event {
    Masters(Vec<u8>, bool),
    Outcome(u8, u8),
    Pass(u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (prop::collection::vec(0..6_u8, 0..5), any::<bool>())
            .prop_map(|(list, new)| Event::Masters(list, new)),
        (0..4_u8, 0..9_u8).prop_map(|(kind, to)| Event::Outcome(kind, to)),
        (0..3000_u16).prop_map(Event::Pass),
    ]
}

proptest! {
    /// Whatever happens: one request at a time, credentials only to candidates, no more than one
    /// request per master and second, and never a standstill while there is somebody to ask.
    #[test]
    fn laws(events in prop::collection::vec(event(), 1..200)) {
        let name = |number: u8| master(&format!("m{number}:5050"));
        let mut now = Instant::now();
        let mut poll = Poll::new(SETTINGS);
        let mut candidates: Vec<Master> = Vec::new();
        let mut running: Option<Fetch> = None;
        let mut asked: Vec<(Master, Instant)> = Vec::new();
        for event in events {
            match event {
                Event::Masters(list, new) => {
                    candidates = list.into_iter().map(name).collect();
                    let leader = if new { Leader::Changed } else { Leader::Same };
                    poll.handle_masters(candidates.clone(), leader, now);
                    if new {
                        running = None;
                    }
                }
                Event::Outcome(kind, to) => if running.take().is_some() {
                    let outcome = match kind {
                        0 => [Outcome::Absent, Outcome::Failed, Outcome::Leaderless][usize::from(to % 3)].clone(),
                        1 => FOUND,
                        _ => Outcome::Elsewhere(name(to)),
                    };
                    poll.handle_outcome(outcome, now, u64::from(to) << 60);
                },
                Event::Pass(milliseconds) => now += Duration::from_millis(milliseconds.into()),
            }
            if let Some(fetch) = poll.poll_transmit(Ask::State, now) {
                prop_assert!(running.is_none());
                let known = candidates.iter().any(|candidate| candidate.at == fetch.master.at);
                prop_assert_eq!(fetch.credentials == Credentials::Send, known);
                prop_assert!(asked.iter().all(|(master, at)| *master != fetch.master || now >= *at + ROUND_MIN));
                asked.push((fetch.master.clone(), now));
                running = Some(fetch);
            }
            prop_assert!(running.is_some() || candidates.is_empty() || poll.poll_timeout().is_some());
            prop_assert!(poll.poll_timeout().is_none_or(|at| at <= now + Duration::from_secs(6000)));
        }
    }
}

#[test]
fn a_master_without_a_stream_is_asked_for_its_state() {
    let start = Instant::now();
    let mut poll = poll(&["10.0.0.1:1", "10.0.0.2:1"], start);
    let fetch = poll.poll_transmit(Ask::Stream, start).unwrap();
    assert_eq!(fetch.ask, Ask::Stream);
    assert_eq!(poll.handle_outcome(Outcome::NoStream, start, 0), Step::Again);
    let again = poll.poll_transmit(Ask::Stream, start).unwrap();
    assert_eq!((again.ask, again.master), (Ask::State, fetch.master));
    assert_eq!(poll.handle_outcome(Outcome::Found { again: None }, start, 0), Step::Done);
}

#[test]
fn while_a_stream_runs_nothing_is_searched_for() {
    let start = Instant::now();
    let mut poll = poll(&["10.0.0.1:1", "10.0.0.2:1"], start);
    poll.poll_transmit(Ask::Stream, start).unwrap();
    assert_eq!(poll.handle_outcome(Outcome::Streaming, start, 0), Step::Done);
    let later = start + Duration::from_secs(100);
    assert_eq!((poll.poll_timeout(), poll.poll_transmit(Ask::Stream, later)), (None, None));
    poll.handle_masters(vec![Master::parse("10.0.0.1:1").unwrap()], Leader::Same, later);
    assert_eq!(poll.poll_transmit(Ask::Stream, later), None);
    poll.handle_stream_end(Life::Long, later, 0);
    assert_eq!(poll.poll_transmit(Ask::Stream, later).unwrap().master.to_string(), "10.0.0.1:1");
    poll.handle_outcome(Outcome::Streaming, later, 0);
    poll.handle_stream_end(Life::Short, later, 0);
    assert_eq!(poll.poll_timeout(), Some(later + BACKOFF_MIN), "not at once");
    poll.handle_masters(vec![Master::parse("10.0.0.2:1").unwrap()], Leader::Changed, later);
    assert_eq!(poll.poll_timeout(), Some(later + ROUND_MIN));
}
