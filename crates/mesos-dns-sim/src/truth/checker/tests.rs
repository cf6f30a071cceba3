//! For each law a history that breaks it, and one that nearly does.

use std::time::Duration;

use super::{
    super::{
        history::{Datum, Kind},
        log::{Bounds, Scope},
    },
    *,
};

const ONE: Client = Client { replica: 0, number: 0 };
const OTHER: Client = Client { replica: 1, number: 0 };

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Span {
    Span { sent: ms(millis), received: ms(millis + 1) }
}

fn set(ports: &[u16]) -> Set {
    ports.iter().map(|port| Datum::Port(*port)).collect()
}

/// The number of the name that most of this is about.
const NAME: usize = 0;

/// The number of the leader's.
const LEADER: usize = 1;

/// A change must be known after 100 ms; the name has these versions from these times on.
fn log(versions: &[(u64, &[u16])]) -> Log {
    let mut log = Log::new(Bounds {
        fresh: ms(100),
        quiet: ms(100),
        silence: ms(0),
        rejoin: ms(0),
        polls: false,
        timeout: ms(0),
        masters: 2,
        agree: ms(1000),
        hold: ms(5000),
        start: ms(0),
        serial: ms(60),
    });
    log.add(
        Question::new("mover.truth.mesos", Kind::Srv),
        Subject::Tasks { agents: vec![0], is_quiet: false },
    );
    log.add(Question::new("_leader._tcp.mesos", Kind::Srv), Subject::Leader);
    for (born, ports) in versions {
        log.note(NAME, set(ports), None, ms(*born));
    }
    log
}

/// Version 1 until 1 s, then version 2.
fn moved() -> Log {
    log(&[(0, &[10, 11]), (1000, &[20, 21])])
}

fn told(answers: &[(u64, Seen)]) -> History {
    let mut history = History::default();
    answers.iter().for_each(|(when, seen)| history.note(ONE, NAME, at(*when), seen.clone()));
    history
}

fn data(ports: &[u16]) -> Seen {
    Seen::Data(set(ports))
}

fn laws(log: &Log, history: &History) -> Vec<Law> {
    check(log, history).iter().map(|violation| violation.law).collect()
}

#[track_caller]
fn breaks(law: Law, log: &Log, answers: &[(u64, Seen)]) {
    assert_eq!(laws(log, &told(answers)), [law], "{:?}", check(log, &told(answers)));
}

#[track_caller]
fn holds(log: &Log, answers: &[(u64, Seen)]) {
    assert_eq!(check(log, &told(answers)), []);
}

#[test]
fn a_mixture_is_no_version() {
    holds(&moved(), &[(500, data(&[10, 11])), (1050, data(&[20, 21]))]);
    breaks(Law::Whole, &moved(), &[(1050, data(&[10, 21]))]);
    breaks(Law::Whole, &moved(), &[(1050, data(&[10, 11, 20, 21]))]);
    breaks(Law::Whole, &moved(), &[(1050, data(&[20]))]);
    breaks(Law::Whole, &moved(), &[(1050, data(&[30, 31]))]);
}

#[test]
fn what_is_not_yet_true_is_no_version_either() {
    holds(&moved(), &[(999, data(&[20, 21]))]);
    breaks(Law::Whole, &moved(), &[(998, data(&[20, 21]))]);
}

#[test]
fn an_end_that_is_doubted_may_stand_beside_what_came_for_it() {
    let mut doubted = moved();
    doubted.ends.push((ms(1000), 24));
    holds(&doubted, &[(1050, data(&[10, 11, 20, 21]))]);
    breaks(Law::Whole, &doubted, &[(1050, data(&[10, 20, 21]))]);
    breaks(Law::Whole, &doubted, &[(1050, data(&[10, 11, 20]))]);
    // To be known after 100 ms, doubted for 1 s, seen again after 100 ms, and gone after as much.
    holds(&doubted, &[(1350, data(&[10, 11, 20, 21]))]);
    breaks(Law::Whole, &doubted, &[(2350, data(&[10, 11, 20, 21]))]);
}

#[test]
fn bad_news_may_be_believed_at_once_and_must_be_in_time() {
    let mut sick = log(&[(0, &[10, 11])]);
    sick.note_doubted(NAME, set(&[11]), ms(400), ms(1000));
    for when in [1010, 1450] {
        holds(&sick, &[(when, data(&[10, 11])), (when + 20, data(&[11]))]);
    }
    breaks(Law::Whole, &sick, &[(990, data(&[11]))]);
    breaks(Law::Fresh, &sick, &[(1550, data(&[10, 11]))]);
    breaks(Law::Forward, &sick, &[(1010, data(&[11])), (1020, data(&[10, 11]))]);
    // What is taken back in between need never have been believed.
    sick.note(NAME, set(&[10, 11]), None, ms(1300));
    holds(&sick, &[(1200, data(&[10, 11])), (1550, data(&[10, 11]))]);
    breaks(Law::Fresh, &sick, &[(1550, data(&[11]))]);
}

#[test]
fn versions_do_not_go_back() {
    holds(&moved(), &[(1020, data(&[10, 11])), (1050, data(&[20, 21]))]);
    breaks(Law::Forward, &moved(), &[(1020, data(&[20, 21])), (1050, data(&[10, 11]))]);
    // Another client may be told the older one at the same time.
    let mut history = told(&[(1020, data(&[20, 21]))]);
    history.note(OTHER, NAME, at(1050), data(&[10, 11]));
    assert_eq!(laws(&moved(), &history), []);
}

#[test]
fn what_returns_is_no_step_back() {
    let returned = log(&[(0, &[1]), (1000, &[2]), (2000, &[1])]);
    holds(&returned, &[(500, data(&[1])), (1050, data(&[2])), (2050, data(&[1]))]);
    breaks(Law::Forward, &returned, &[(1020, data(&[2])), (1050, data(&[1]))]);
}

#[test]
fn what_exists_is_not_denied() {
    let steady = log(&[(0, &[1])]);
    holds(&steady, &[(10, data(&[1])), (9000, data(&[1]))]);
    for seen in [Seen::NxDomain, Seen::NoData, Seen::Refused, Seen::ServFail, Seen::Silence] {
        breaks(Law::Steady, &steady, &[(10, data(&[1])), (5000, seen), (9000, data(&[1]))]);
    }
    // One that ended for a moment may be.
    let broken = log(&[(0, &[1]), (4990, &[]), (5010, &[1])]);
    holds(&broken, &[(10, data(&[1])), (5000, Seen::NxDomain), (9000, data(&[1]))]);
    breaks(Law::Steady, &broken, &[(10, data(&[1])), (4000, Seen::NxDomain), (9000, data(&[1]))]);
}

#[test]
fn before_the_first_data_a_failure_is_right() {
    let steady = log(&[(0, &[1])]);
    holds(&steady, &[(10, Seen::ServFail), (20, data(&[1]))]);
    breaks(Law::Steady, &steady, &[(10, data(&[1])), (20, Seen::ServFail)]);
    breaks(Law::Steady, &steady, &[(10, Seen::NxDomain), (20, data(&[1]))]);
    let mut restarted = log(&[(0, &[1])]);
    restarted.outages.push(Outage { replica: 0, from: ms(100), until: ms(200) });
    holds(&restarted, &[(10, data(&[1])), (150, Seen::Silence), (250, Seen::ServFail), (300, data(&[1]))]);
    breaks(Law::Steady, &restarted, &[(10, data(&[1])), (250, data(&[1])), (300, Seen::ServFail)]);
    breaks(Law::Steady, &restarted, &[(10, data(&[1])), (90, Seen::ServFail), (250, data(&[1]))]);
    breaks(Law::Steady, &restarted, &[(10, data(&[1])), (250, Seen::Silence)]);
}

/// Master 50 leads, dies at 1 s, and 51 is elected a second later.
fn failover() -> Log {
    let mut log = log(&[(0, &[1])]);
    for (born, port) in [(0, 50), (2000, 51)] {
        log.note(LEADER, set(&[port]), None, ms(born));
    }
    log.trouble(Scope::All, true, ms(1000));
    log.trouble(Scope::All, false, ms(2000));
    log.elections.push(ms(2000));
    log
}

#[test]
fn no_dead_leader_is_named_for_long() {
    let said = |when, port| {
        let mut history = History::default();
        history.note(ONE, LEADER, at(when), data(&[port]));
        laws(&failover(), &history)
    };
    // One second away: a reader may be backing off for four more, and has the bound after that.
    assert_eq!(said(6000, 50), []);
    assert_eq!(said(6200, 50), [Law::Leader]);
    assert_eq!(said(6200, 51), []);
    assert_eq!(said(1500, 51), [Law::Leader]);
    assert_eq!(said(6000, 52), [Law::Leader]);
}

#[test]
fn a_change_is_visible_within_the_bound() {
    holds(&moved(), &[(1100, data(&[10, 11]))]);
    breaks(Law::Fresh, &moved(), &[(1101, data(&[10, 11]))]);
    let began = log(&[(0, &[]), (1000, &[1])]);
    holds(&began, &[(1100, Seen::NxDomain)]);
    breaks(Law::Fresh, &began, &[(1101, Seen::NxDomain)]);
}

#[test]
fn trouble_puts_the_bound_off() {
    let mut hidden = moved();
    hidden.trouble(Scope::Agent(0), true, ms(1050));
    hidden.trouble(Scope::Agent(0), false, ms(3000));
    holds(&hidden, &[(3100, data(&[10, 11]))]);
    breaks(Law::Fresh, &hidden, &[(3101, data(&[10, 11]))]);
    // That of another agent does not.
    let mut elsewhere = moved();
    elsewhere.trouble(Scope::Agent(1), true, ms(1050));
    breaks(Law::Fresh, &elsewhere, &[(1101, data(&[10, 11]))]);
    // Nor does trouble that was over, or came too late.
    let mut over = moved();
    over.trouble(Scope::Agent(0), true, ms(500));
    over.trouble(Scope::Agent(0), false, ms(900));
    over.trouble(Scope::Agent(0), true, ms(1200));
    breaks(Law::Fresh, &over, &[(1101, data(&[10, 11]))]);
}

#[test]
fn what_ended_is_gone_within_the_bound() {
    let ended = log(&[(0, &[1]), (1000, &[])]);
    holds(&ended, &[(500, data(&[1])), (1100, data(&[1])), (1101, Seen::NxDomain)]);
    breaks(Law::Gone, &ended, &[(500, data(&[1])), (1101, data(&[1]))]);
}

#[test]
fn what_is_waited_for_is_kept_and_then_gone() {
    let mut lost = log(&[(0, &[1])]);
    lost.elections.push(ms(1000));
    lost.note(NAME, set(&[]), Some(ms(1000)), ms(6000));
    holds(&lost, &[(5990, data(&[1])), (6010, Seen::NxDomain)]);
    holds(&lost, &[(5990, data(&[1])), (6200, data(&[1]))]);
    breaks(Law::Steady, &lost, &[(5900, Seen::NxDomain)]);
    breaks(Law::Gone, &lost, &[(6201, data(&[1]))]);
}

fn signs(signs: &[(usize, u64, u32, u64)]) -> History {
    let mut history = History::default();
    for (replica, when, serial, hash) in signs {
        let witness = Witness { replica: *replica, client: 0, source: Source::Http };
        history.note_sign(witness, at(*when), Sign { serial: *serial, hash: Some(*hash) });
    }
    history
}

#[test]
fn serials_do_not_fall() {
    assert_eq!(laws(&moved(), &signs(&[(0, 500, 7, 1), (0, 1500, 8, 2)])), []);
    assert_eq!(laws(&moved(), &signs(&[(0, 500, 8, 1), (0, 1500, 7, 2)])), [Law::Serial]);
    // Past the largest number it goes on at zero.
    assert_eq!(laws(&moved(), &signs(&[(0, 500, u32::MAX, 1), (0, 1500, 3, 2)])), []);
}

#[test]
fn serials_rise_with_the_content_and_only_with_it() {
    assert_eq!(laws(&moved(), &signs(&[(0, 500, 7, 1), (0, 1500, 7, 2)])), [Law::Serial]);
    assert_eq!(laws(&moved(), &signs(&[(0, 500, 7, 1), (0, 600, 8, 1), (0, 1500, 9, 2)])), [Law::Serial]);
    assert_eq!(laws(&moved(), &signs(&[(0, 500, 7, 1), (0, 1050, 8, 2), (0, 1500, 8, 2)])), []);
}

#[test]
fn one_content_has_two_serials_at_most() {
    // Changed twice within a second: the second change is given its serial when that is over.
    let changes = log(&[(0, &[1]), (900, &[2]), (950, &[3]), (960, &[4])]);
    assert_eq!(laws(&changes, &signs(&[(0, 901, 7, 1), (0, 951, 7, 2), (0, 1000, 8, 2)])), []);
    assert_eq!(laws(&changes, &signs(&[(0, 951, 7, 2), (0, 1000, 8, 2), (0, 1040, 9, 2)])), [Law::Serial]);
}

#[test]
fn replicas_agree_once_all_is_quiet() {
    assert_eq!(laws(&moved(), &signs(&[(0, 1500, 8, 2), (1, 1500, 9, 2)])), []);
    assert_eq!(laws(&moved(), &signs(&[(0, 1500, 8, 2), (1, 1500, 8, 3)])), [Law::Serial]);
    // While a change is under way they need not.
    assert_eq!(laws(&moved(), &signs(&[(0, 1050, 8, 2), (1, 1050, 7, 1)])), []);
}
