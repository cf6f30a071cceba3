//! A schedule in made-up time, without sockets: from the masters' bytes to the answers' bytes.
//!
//! Each replica is the core as the daemon wires it. Only the wires are missing, and the time
//! between two events.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use mesos_dns_core::watch::{
    believe::AGREE_AFTER,
    knowledge::REJOIN_GRACE,
    subscribe::{HEARTBEATS_MISSED, Updates},
};
use rand::{RngExt, SeedableRng};

use super::{
    asker::Asker,
    history::History,
    log::Bounds,
    replica::{LATENCY_MAX, Replica, TIMEOUT},
    schedule::Schedule,
    served::Audience,
    shown::Shown,
    world::{Act, BORN, Telling, World},
};
use crate::{life::Dice, render::Face};

/// Masters of a virtual world.
pub const MASTERS: u32 = 3;

/// Replicas that watch it.
const REPLICAS: usize = 2;

/// How it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Whether changes are learnt from streams.
    pub updates: Updates,
    /// Who says where the leader is.
    pub guide: Guide,
    /// Time between polls.
    pub refresh: Duration,
    /// Time between comparisons.
    pub compare: Duration,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// How long what is missing is kept.
    pub hold: Duration,
}

/// Who says where the leader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guide {
    /// A list of all masters; each of them is asked.
    List,
    /// ZooKeeper, which shows each election at once.
    ZooKeeper,
}

/// What happened.
pub struct Ran {
    /// The world in the end, with all that was true.
    pub world: World,
    /// Everything that was answered.
    pub history: History,
    /// Versions that were published by all replicas.
    pub published: u64,
}

impl Setting {
    /// The setting of a seed: as by default, or shorter times, so that other things happen in the meantime.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::seed_from_u64(seed ^ 0x5e77);
        let mut pick = |choices: &[u64]| Duration::from_secs(choices[dice.random_range(0..choices.len())]);
        let (hold, refresh) = (pick(&[600, 90, 45]), pick(&[5, 1, 2, 10]));
        let (compare, heartbeat) = (pick(&[300, 60, 20]), pick(&[15, 15, 5, 1]));
        let updates = [Updates::Poll, Updates::Events, Updates::Auto, Updates::Events][(seed % 4) as usize];
        let guide = if seed.is_multiple_of(3) { Guide::ZooKeeper } else { Guide::List };
        Self { updates, guide, refresh, compare, heartbeat, hold }
    }

    /// The bounds that hold here. With events: their way and what is asked for where they begin; else a poll's
    /// period, and its messages with one redirect.
    pub fn bounds(&self) -> Bounds {
        let messages = LATENCY_MAX * 6;
        let fresh = match self.updates {
            Updates::Events => messages,
            Updates::Auto | Updates::Poll => self.refresh + messages,
        };
        let streams = self.updates != Updates::Poll;
        let only_with_streams = |time| if streams { time } else { Duration::ZERO };
        Bounds {
            fresh,
            quiet: fresh.max(only_with_streams(self.compare + messages)),
            silence: only_with_streams(self.heartbeat * HEARTBEATS_MISSED + messages),
            rejoin: only_with_streams(REJOIN_GRACE),
            polls: self.updates != Updates::Events,
            timeout: TIMEOUT,
            masters: MASTERS,
            agree: AGREE_AFTER,
            hold: self.hold,
            start: LATENCY_MAX * 2,
            serial: Duration::from_secs(1),
        }
    }

    /// A world with masters that nobody can connect to.
    pub fn world(&self) -> World {
        let face = |number: u32| Face {
            id: format!("master-{number}"),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 5050 + number as u16)),
            started: BORN,
        };
        let telling = if self.updates == Updates::Poll { Telling::Documents } else { Telling::Events };
        World::new((0..MASTERS).map(face).collect(), self.bounds(), telling)
    }
}

/// Lets a schedule happen. `seed` draws what it leaves open: delays and the order of records.
pub fn run(setting: Setting, schedule: &Schedule, seed: u64) -> Ran {
    let mut world = setting.world();
    let mut dice = Dice::seed_from_u64(seed);
    let mut asker = Asker::new(&world);
    let mut shown = Shown::new(&world, setting.heartbeat);
    shown.follow(&mut world);
    let mut replicas: Vec<Replica> =
        (0..REPLICAS).map(|number| Replica::new(number, setting, &world, dice.random())).collect();
    let mut steps = schedule.steps.iter().copied().peekable();
    let mut now = Duration::ZERO;
    loop {
        let due = replicas.iter().map(Replica::next_due).chain(steps.peek().map(|(at, _)| Some(*at)));
        // What became due in the past is due now.
        now = due.chain([world.next_due()]).flatten().min().unwrap_or(schedule.end).max(now);
        if now >= schedule.end {
            break;
        }
        world.advance(now);
        while let Some((_, act)) = steps.next_if(|(at, _)| *at <= now) {
            world.perform(act, now);
            if act == Act::Ask {
                replicas.iter().for_each(|replica| asker.ask_all(replica.served(), &world, now));
            }
        }
        shown.follow(&mut world);
        for replica in &mut replicas {
            replica.advance(&mut shown, &mut Audience { world: &world, asker: &mut asker, now });
        }
    }
    world.advance(schedule.end);
    replicas.iter().for_each(|replica| asker.ask_late(replica.served(), &world, schedule.end));
    let published = replicas.iter().map(|replica| replica.served().published).sum();
    Ran { world, history: asker.history, published }
}

#[cfg(test)]
mod tests {
    use super::{super::schedule::DOCUMENT_BYTES, *};

    #[test]
    fn the_document_is_as_long_as_faults_that_cut_it_expect() {
        let setting = Setting::new(0);
        let world = setting.world();
        let bytes = Shown::new(&world, setting.heartbeat).state(&world, 0).len();
        assert!((DOCUMENT_BYTES..DOCUMENT_BYTES * 5 / 4).contains(&bytes), "{bytes}");
    }
}
