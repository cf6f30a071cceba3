//! Servers falling ill and recovering, in made-up time.

use proptest::prelude::*;

use super::*;
use crate::forward::{
    exchange::TryId,
    message::Rcode,
    server::{Carrier, Server},
};

/// Dice that make no pause longer or shorter.
const EVEN: u32 = 25;

fn closed(ended: Ended, took: u64, probe: bool) -> Closed {
    Closed {
        id: TryId::default(),
        server: Server::plain(([192, 0, 2, 1], 53).into()),
        carrier: Carrier::Udp,
        ended,
        took: Duration::from_millis(took),
        probe,
        kept_case: false,
    }
}

/// A server and a clock.
struct Patient {
    health: Health,
    now: Instant,
}

impl Patient {
    fn new() -> Self {
        Self { health: Health::default(), now: Instant::now() }
    }

    fn note(&mut self, ended: Ended) -> Option<Change> {
        self.health.note(self.now, &closed(ended, 10, false), EVEN)
    }

    fn probe(&mut self, ended: Ended) -> Option<Change> {
        assert_eq!(self.standing(), Standing::Probed);
        self.health.note(self.now, &closed(ended, 10, true), EVEN)
    }

    fn standing(&mut self) -> Standing {
        self.health.outlook(self.now, true).standing
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

#[test]
fn time_is_smoothed() {
    let mut patient = Patient::new();
    let unknown = patient.health.outlook(patient.now, false);
    assert_eq!((unknown.usual, unknown.patience), (PATIENCE_MIN, PATIENCE_MIN));
    let mut after = |took| {
        patient.health.note(patient.now, &closed(Ended::Answer, took, false), EVEN);
        let outlook = patient.health.outlook(patient.now, false);
        (outlook.usual.as_millis(), outlook.patience.as_millis())
    };
    assert_eq!(after(100), (300, 600), "RFC 6298: once and twice the half");
    assert_eq!(after(100), (250, 500));
    let settled = (0..40).map(|_| after(100)).last().unwrap();
    assert_eq!(settled, (100, 350));
    assert_eq!(after(500), (550, 1100), "one slow answer is remembered for a while");
    for _ in 0..100 {
        after(1);
    }
    assert_eq!(after(1), (10, 350), "never less");
    for _ in 0..100 {
        after(9000);
    }
    assert_eq!(after(9000), (2000, 2000), "never more");
}

#[test]
fn what_makes_a_server_ill_and_well() {
    let mut patient = Patient::new();
    for _ in 1..SILENT_MAX {
        assert_eq!(patient.note(Ended::Silence), None);
    }
    patient.note(Ended::Error(Rcode::REFUSED));
    patient.pass(10);
    for _ in 1..SILENT_MAX {
        assert_eq!(patient.note(Ended::Silence), None, "in a row");
    }
    assert_eq!(patient.note(Ended::Silence), Some(Change::FellIll(Cause::Silence)));
    assert_eq!(patient.note(Ended::Silence), None, "told once");
    assert!(patient.health.is_ill());
    patient.pass(500);
    assert_eq!(patient.note(Ended::Answer), Some(Change::Recovered(Duration::from_millis(500))));
    assert_eq!(patient.note(Ended::Failure(Fault::Here)), None);
    assert_eq!(patient.note(Ended::Strays), None);
    assert_eq!(patient.note(Ended::Abandoned), None);
    let tcp = Closed { carrier: Carrier::Tcp, ..closed(Ended::Failure(Fault::There), 1, false) };
    assert_eq!(patient.health.note(patient.now, &tcp, EVEN), None, "TCP is shut, UDP is not");
    assert_eq!(patient.note(Ended::Failure(Fault::There)), Some(Change::FellIll(Cause::Network)));
    assert!(patient.note(Ended::Error(Rcode::SERVFAIL)).is_some(), "it speaks");
    assert_eq!(patient.standing(), Standing::Well);
}

/// Strangers choose names that a server says nothing about.
#[test]
fn silence_counts_little_while_the_server_speaks() {
    let silence = |patient: &mut Patient, took| {
        patient.health.note(patient.now, &closed(Ended::Silence, took, false), EVEN)
    };
    for said in [Ended::Answer, Ended::Truncated, Ended::Error(Rcode::SERVFAIL)] {
        let mut patient = Patient::new();
        patient.note(said);
        patient.pass(700);
        for _ in 1..ERRORS_MAX {
            assert_eq!(silence(&mut patient, 800), None, "asked before it spoke");
        }
        assert_eq!(silence(&mut patient, 800), Some(Change::FellIll(Cause::Silence)), "too many in a row");
        patient.note(Ended::Answer);
        patient.pass(800);
        for _ in 1..SILENT_MAX {
            assert_eq!(silence(&mut patient, 800), None);
        }
        assert!(silence(&mut patient, 800).is_some(), "asked since it spoke");
    }
}

#[test]
fn errors_alone_make_ill_only_when_there_is_nothing_else() {
    let mut patient = Patient::new();
    for n in 1..4 * ERRORS_MAX {
        assert_eq!(patient.note(Ended::Error(Rcode::SERVFAIL)), None);
        if n % (ERRORS_MAX - 1) == 0 {
            patient.note(Ended::Answer);
        }
    }
    patient.note(Ended::Answer);
    for _ in 0..4 * ERRORS_MAX {
        assert_eq!(patient.note(Ended::Error(Rcode::SERVFAIL)), None, "it answered a moment ago");
    }
    patient.note(Ended::Answer);
    patient.pass(10_000);
    for _ in 1..ERRORS_MAX {
        assert_eq!(patient.note(Ended::Malformed), None);
    }
    assert_eq!(patient.note(Ended::Error(Rcode::SERVFAIL)), Some(Change::FellIll(Cause::Errors)));
    assert_eq!(patient.note(Ended::Error(Rcode::SERVFAIL)), None, "more of it is no recovery");
    assert_eq!(patient.standing(), Standing::Ill);
    assert!(matches!(patient.note(Ended::Answer), Some(Change::Recovered(_))));
}

#[test]
fn probes_come_one_at_a_time_and_ever_more_seldom() {
    let mut patient = Patient::new();
    patient.note(Ended::Failure(Fault::There));
    patient.pass(999);
    assert_eq!(patient.standing(), Standing::Ill);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let before = patient.now;
        while patient.health.outlook(patient.now, false).standing == Standing::Ill
            && patient.health.ill.as_ref().unwrap().probe > patient.now
        {
            patient.pass(1);
        }
        pauses.push((patient.now - before).as_millis().div_ceil(1000));
        assert_eq!(patient.standing(), Standing::Probed);
        assert_eq!(patient.standing(), Standing::Ill, "one is under way");
        patient.health.note(patient.now, &closed(Ended::Silence, 2000, true), EVEN);
        patient.note(Ended::Silence);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30], "doubled by probes alone");
    patient.pass(30_000);
    assert!(patient.probe(Ended::Answer).is_some());
    assert_eq!(patient.note(Ended::Failure(Fault::There)), Some(Change::FellIll(Cause::Network)));
    patient.pass(1000);
    assert_eq!(patient.standing(), Standing::Probed, "the next illness begins anew");
    patient.pass(TRY_MAX.as_millis() as u64);
    assert_eq!(patient.standing(), Standing::Probed, "a probe that was never heard of again");
}

#[test]
fn who_folds_is_asked_in_lower_case() {
    let mut patient = Patient::new();
    let spelled = |patient: &mut Patient| patient.health.outlook(patient.now, false).spelled;
    patient.note(Ended::Folded);
    assert!(spelled(&mut patient));
    patient.note(Ended::Folded);
    assert!(!spelled(&mut patient));

    let mut patient = Patient::new();
    let kept = Closed { kept_case: true, ..closed(Ended::Answer, 1, false) };
    patient.health.note(patient.now, &kept, EVEN);
    for _ in 0..10 {
        patient.note(Ended::Folded);
    }
    assert!(spelled(&mut patient), "somebody forges: this server keeps the spelling");
}

fn ended() -> impl Strategy<Value = Ended> {
    prop_oneof![
        1 => Just(Ended::Answer),
        1 => Just(Ended::Error(Rcode::SERVFAIL)),
        1 => Just(Ended::Folded),
        1 => Just(Ended::Failure(Fault::There)),
        1 => Just(Ended::Failure(Fault::Here)),
        5 => Just(Ended::Silence),
    ]
}

proptest! {
    /// Whatever happens: times stay in their bounds, each change is the opposite of the one before, no pause is longer
    /// than allowed, and an answer makes well.
    #[test]
    fn always_sound(events in proptest::collection::vec((ended(), 0_u64..5000, any::<u32>()), 0..200)) {
        let mut patient = Patient::new();
        for (ended, wait, dice) in events {
            patient.pass(wait);
            let before = patient.health.is_ill();
            let outlook = patient.health.outlook(patient.now, true);
            prop_assert_eq!(outlook.standing != Standing::Well, before);
            prop_assert!(outlook.usual >= USUAL_MIN && outlook.usual <= TRY_MAX);
            prop_assert!(outlook.patience >= PATIENCE_MIN && outlook.patience <= TRY_MAX);
            let probe = outlook.standing == Standing::Probed;
            let change = patient.health.note(patient.now, &closed(ended, wait, probe), dice);
            prop_assert_eq!(matches!(change, Some(Change::FellIll(_))), !before && patient.health.is_ill());
            prop_assert_eq!(matches!(change, Some(Change::Recovered(_))), before && !patient.health.is_ill());
            prop_assert!(ended != Ended::Answer || !patient.health.is_ill());
            let longest = later(patient.now, PAUSE_MAX * 5 / 4);
            prop_assert!(patient.health.ill.as_ref().is_none_or(|ill| ill.probe <= longest));
        }
    }
}
