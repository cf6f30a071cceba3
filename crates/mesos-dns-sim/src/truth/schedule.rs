//! What happens to a world, and when: faults alone and in pairs, changes all the time, all from one seed.
//!
//! A schedule is a list, and any part of it is a schedule too: the world knows what is true whatever was left out.
//! So a failing one can be made small by leaving out what it does not need.

use std::{fmt, ops::Range, time::Duration};

use rand::{RngExt, SeedableRng};

use super::{
    services::{FRAMEWORK_NAMES, Role},
    world::{AGENTS, Act, Lie, World},
};
use crate::{life::Dice, master::Fault, render::Knowledge};

/// About how long a leader's document is: it is cut anywhere, also where only a few tasks are missing.
pub(super) const DOCUMENT_BYTES: usize = 90_000;

/// How long things take, in milliseconds, and which happen at all.
#[derive(Clone, Debug)]
pub struct Profile {
    /// How many faults, or pairs of them, follow each other.
    pub blocks: usize,
    /// Between the end of one and the start of the next.
    pub calm: Range<u64>,
    /// After everything, with no change at all.
    pub rest: u64,
    /// Between two changes of services.
    pub change: Range<u64>,
    /// Between two things that happen to a framework.
    pub framework: Range<u64>,
    /// Between two results of health checks, or two things that happen to a task that is killed slowly.
    pub health: Range<u64>,
    /// How long nobody leads.
    pub leaderless: Range<u64>,
    /// How long a new leader reads its registry and knows nothing.
    pub reading: Range<u64>,
    /// Between two steps of its learning after that.
    pub learning: Range<u64>,
    /// How much later some agents come, now and then.
    pub late: Range<u64>,
    /// How long a leader misbehaves or lies.
    pub fault: Range<u64>,
    /// The hold time; an agent that does not return stays away for longer.
    pub hold: u64,
    /// Whether masses may end, which takes half a minute to be believed.
    pub losses: bool,
    /// Whether faults of streams happen, too.
    pub streams: bool,
    /// Whether the program is restarted.
    pub restarts: bool,
}

impl Profile {
    /// For virtual time: as long as in real life.
    pub fn virtual_time(hold: u64, streams: bool) -> Self {
        Self {
            blocks: 4,
            calm: 2_000..60_000,
            rest: 60_000,
            change: 200..8_000,
            framework: 500..40_000,
            health: 500..20_000,
            leaderless: 0..20_000,
            reading: 100..50_000,
            learning: 100..15_000,
            late: 50_000..120_000,
            fault: 500..19_000,
            hold,
            losses: true,
            streams,
            restarts: false,
        }
    }

    /// For real time: all in some seconds.
    pub fn real_time(hold: u64, streams: bool) -> Self {
        Self {
            blocks: 2,
            calm: 500..2_500,
            rest: 14_000,
            change: 50..500,
            framework: 200..2_000,
            health: 200..4_000,
            leaderless: 0..1_500,
            reading: 100..1_500,
            learning: 100..1_500,
            late: 100..1_500,
            fault: 300..3_000,
            hold,
            losses: false,
            streams,
            restarts: true,
        }
    }
}

/// What happens, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// When, and what.
    pub steps: Vec<(Duration, Act)>,
    /// When it is over.
    pub end: Duration,
}

/// A fault from its beginning to its end.
struct Block {
    steps: Vec<(u64, Act)>,
    length: u64,
}

impl Schedule {
    /// The schedule of a seed.
    pub fn new(seed: u64, profile: &Profile, world: &World) -> Self {
        let mut dice = Dice::seed_from_u64(seed);
        let mut steps = Vec::new();
        let mut now = dice.random_range(profile.calm.clone());
        for block in 0..profile.blocks {
            // What this is most about happens in each.
            let first = match block {
                0 => Block::failover(profile, &mut dice),
                _ => Block::draw(profile, &mut dice),
            };
            let mut length = first.length;
            steps.extend(first.after(now));
            if dice.random_bool(0.5) {
                let offset = dice.random_range(0..=length);
                let second = Block::draw(profile, &mut dice);
                length = length.max(offset + second.length);
                steps.extend(second.after(now + offset));
            }
            now += length + dice.random_range(profile.calm.clone());
        }
        if profile.restarts {
            // When all is well again: only then does it happen for certain.
            steps.push((now, Act::Restart));
            now += profile.fault.end;
        }
        let mut change = dice.random_range(profile.change.clone());
        while change < now {
            steps.push((change, some_change(world, &mut dice)));
            change += dice.random_range(profile.change.clone());
        }
        steps.extend(happening_to_frameworks(seed, profile, now));
        steps.extend(happening_to_health(seed, profile, world, now));
        steps.sort_by_key(|(at, _)| *at);
        let steps = steps.into_iter().map(|(at, act)| (Duration::from_millis(at), act)).collect();
        Self { steps, end: Duration::from_millis(now + profile.rest) }
    }

    /// The same without some of its steps.
    pub fn without(&self, leave_out: Range<usize>) -> Self {
        let steps = self.steps.iter().enumerate().filter(|(step, _)| !leave_out.contains(step));
        Self { steps: steps.map(|(_, step)| *step).collect(), end: self.end }
    }
}

impl Block {
    fn draw(profile: &Profile, dice: &mut Dice) -> Self {
        match dice.random_range(0..12) {
            0..=3 => Self::failover(profile, dice),
            4 if profile.streams => Self::stream_fault(profile, dice),
            4 | 5 => Self::fault(profile, dice),
            6 => Self::lie(profile, dice),
            7 => Self::lost_agent(profile, dice),
            8 => Self::never_returns(profile, dice),
            9 => Self::rename(profile, dice),
            10 => Self::flapping(profile, dice),
            _ if profile.losses => Self::loss(profile, dice),
            _ if profile.restarts => Self { steps: vec![(0, Act::Restart)], length: profile.fault.end },
            _ => Self::failover(profile, dice),
        }
    }

    /// The leader goes; another one learns bit by bit.
    fn failover(profile: &Profile, dice: &mut Dice) -> Self {
        let mut block = Self { steps: Vec::new(), length: 0 };
        block.then(0, if dice.random_bool(0.7) { Act::Kill } else { Act::Depose });
        block.then(dice.random_range(profile.leaderless.clone()), Act::Elect(Knowledge::Nothing));
        block.then(dice.random_range(profile.reading.clone()), Act::Learn(Knowledge::Agents(0)));
        let mut known = dice.random_range(1..=3);
        while known < AGENTS {
            block.then(dice.random_range(profile.learning.clone()), Act::Learn(Knowledge::Agents(known)));
            known += dice.random_range(1..=3);
        }
        if dice.random_bool(0.3) {
            block.length += dice.random_range(profile.late.clone());
        }
        block.then(dice.random_range(profile.learning.clone()), Act::Learn(Knowledge::Everything));
        block.then(dice.random_range(profile.learning.clone()), Act::Revive);
        block
    }

    fn fault(profile: &Profile, dice: &mut Dice) -> Self {
        let fault = match dice.random_range(0..5) {
            // Near the end a cut is worst: so little is missing that it may pass for the truth.
            0 if dice.random() => Fault::Cut { after_bytes: dice.random_range(0..DOCUMENT_BYTES) },
            0 => Fault::Cut { after_bytes: dice.random_range(DOCUMENT_BYTES * 4 / 5..DOCUMENT_BYTES) },
            1 => Fault::Drip { every: Duration::from_millis(100) },
            2 => Fault::Html,
            3 => Fault::Silent,
            _ => Fault::Unavailable,
        };
        Self::pair(Act::Hurt(fault), Act::Heal, dice.random_range(profile.fault.clone()))
    }

    /// A stream falls silent, loses its heartbeats, or breaks off in the middle of a record. The machine may be gone
    /// with the silence.
    fn stream_fault(profile: &Profile, dice: &mut Dice) -> Self {
        let length = dice.random_range(profile.fault.clone());
        match dice.random_range(0..4) {
            0 => Self::pair(Act::Hurt(Fault::NoHeartbeat), Act::Heal, length),
            1 => Self::pair(Act::Hurt(Fault::CutRecord { after_events: 0 }), Act::Heal, length),
            2 => Self::pair(Act::Hurt(Fault::HalfOpen { after_bytes: 0 }), Act::Heal, length),
            _ => {
                let mut block = Self { steps: Vec::new(), length: 0 };
                block.then(0, Act::Hurt(Fault::HalfOpen { after_bytes: 0 }));
                let failover = Self::failover(profile, dice);
                block.steps.extend(failover.steps);
                block.length = failover.length;
                block.then(0, Act::Heal);
                block
            }
        }
    }

    fn lie(profile: &Profile, dice: &mut Dice) -> Self {
        let lie = if dice.random_bool(0.5) { Lie::Empty } else { Lie::Most };
        Self::pair(Act::Lie(lie), Act::Truth, dice.random_range(profile.fault.clone()))
    }

    fn lost_agent(profile: &Profile, dice: &mut Dice) -> Self {
        let agent = dice.random_range(0..AGENTS);
        Self::pair(Act::Lose(agent), Act::Return(agent), dice.random_range(profile.fault.clone()))
    }

    /// After a failover one agent stays away until it is given up; later it returns all the same.
    fn never_returns(profile: &Profile, dice: &mut Dice) -> Self {
        let last = AGENTS - 1;
        let mut block = Self::pair(
            Act::Kill,
            Act::Elect(Knowledge::Agents(0)),
            dice.random_range(profile.leaderless.clone()),
        );
        block.then(dice.random_range(profile.learning.clone()), Act::Learn(Knowledge::Agents(last)));
        block.then(
            profile.hold + profile.fault.end * 2 + dice.random_range(profile.fault.clone()),
            Act::Revive,
        );
        if dice.random_bool(0.5) {
            block.then(0, Act::Lose(last));
            block.then(0, Act::Learn(Knowledge::Everything));
            block.then(dice.random_range(profile.fault.clone()), Act::Return(last));
        } else {
            block.then(dice.random_range(profile.fault.clone()), Act::Learn(Knowledge::Everything));
        }
        block
    }

    fn rename(profile: &Profile, dice: &mut Dice) -> Self {
        Self::pair(Act::Rename, Act::Rename, dice.random_range(profile.fault.clone()))
    }

    /// The lead goes to and fro.
    fn flapping(profile: &Profile, dice: &mut Dice) -> Self {
        let mut block = Self { steps: Vec::new(), length: 0 };
        for _ in 0..dice.random_range(2..8) {
            block.then(0, Act::Depose);
            let known = dice.random_range(0..=AGENTS);
            block
                .then(dice.random_range(0..profile.leaderless.end / 4), Act::Elect(Knowledge::Agents(known)));
            block.then(
                dice.random_range(0..profile.leaderless.end / 4),
                Act::Learn(Knowledge::Agents(AGENTS)),
            );
        }
        block.then(dice.random_range(profile.learning.clone()), Act::Learn(Knowledge::Everything));
        block
    }

    fn loss(profile: &Profile, dice: &mut Dice) -> Self {
        Self::pair(Act::MassEnd, Act::MassBegin, dice.random_range(profile.fault.start..90_000))
    }

    fn pair(first: Act, second: Act, apart: u64) -> Self {
        Self { steps: vec![(0, first), (apart, second)], length: apart }
    }

    fn then(&mut self, wait: u64, act: Act) {
        self.length += wait;
        self.steps.push((self.length, act));
    }

    fn after(self, start: u64) -> impl Iterator<Item = (u64, Act)> {
        self.steps.into_iter().map(move |(at, act)| (start + at, act))
    }
}

/// What happens to frameworks and their schedulers. Drawn apart, so that the rest of a seed's schedule does not depend
/// on it.
fn happening_to_frameworks(seed: u64, profile: &Profile, end: u64) -> Vec<(u64, Act)> {
    let mut dice = Dice::seed_from_u64(seed ^ 0xf4a3);
    let mut steps = Vec::new();
    let mut now = dice.random_range(profile.framework.clone());
    while now < end {
        let of = dice.random_range(0..FRAMEWORK_NAMES.len());
        match dice.random_range(0..8) {
            0..=3 => steps.push((now, Act::MoveScheduler(of))),
            4 => {
                let away = dice.random_range(profile.fault.start..profile.late.end);
                steps.extend([(now, Act::Disconnect(of)), (now + away, Act::Reconnect(of))]);
            }
            5 => steps.push((now, Act::TearDown)),
            6 => steps.push((now, Act::Subscribe)),
            _ => {
                let later = dice.random_range(profile.fault.clone());
                steps.extend([(now, Act::TearDown), (now + later, Act::Subscribe)]);
            }
        }
        now += dice.random_range(profile.framework.clone());
    }
    // Whoever disconnected is back in the end.
    steps.extend((0..FRAMEWORK_NAMES.len()).map(|of| (end, Act::Reconnect(of))));
    steps.retain(|(at, _)| *at <= end);
    steps
}

/// What happens to tasks that are checked or killed slowly. Drawn apart, too.
fn happening_to_health(seed: u64, profile: &Profile, world: &World, end: u64) -> Vec<(u64, Act)> {
    let mut dice = Dice::seed_from_u64(seed ^ 0x4ea1);
    let numbered: Vec<_> = world.services().iter().enumerate().collect();
    let of = |role| numbered.iter().filter(move |(_, service)| service.role == role);
    let tasks = of(Role::Checked)
        .flat_map(|(number, service)| (0..service.agents.len()).map(|place| (*number, place)));
    let tasks: Vec<(usize, usize)> = tasks.collect();
    let drained: Vec<usize> = of(Role::Drained).map(|(number, _)| *number).collect();
    let mut steps = Vec::new();
    let mut now = dice.random_range(profile.health.clone());
    while now < end {
        let (service, place) = tasks[dice.random_range(0..tasks.len())];
        let brief = drained[dice.random_range(0..drained.len())];
        steps.push((
            now,
            match dice.random_range(0..8) {
                0..=3 => Act::Sicken(service, place),
                4 | 5 => Act::Cure(service, place),
                6 => Act::End(brief),
                _ => Act::Begin(brief),
            },
        ));
        now += dice.random_range(profile.health.clone());
    }
    steps
}

/// One service moves, begins or ends.
fn some_change(world: &World, dice: &mut Dice) -> Act {
    let services = world.services();
    // Those to which other things happen are the last.
    let count = services.iter().position(|service| service.role == Role::Checked).unwrap_or(services.len());
    loop {
        let service = dice.random_range(0..count);
        match services[service].role {
            Role::Anchor | Role::Chaff | Role::Checked | Role::Drained | Role::Passing => {}
            Role::Brief if dice.random_bool(0.5) => return Act::End(service),
            Role::Brief => return Act::Begin(service),
            Role::Quiet | Role::Replaced | Role::Shifted => return Act::Move(service),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, act) in &self.steps {
            writeln!(f, "  {:9.3} s  {act:?}", at.as_secs_f64())?;
        }
        write!(f, "  {:9.3} s  end", self.end.as_secs_f64())
    }
}
