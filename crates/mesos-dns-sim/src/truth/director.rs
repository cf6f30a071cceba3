//! Lets a schedule happen in real time: the world changes, and masters on loopback show it.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    history::History,
    log::{Bounds, Log, Outage, Scope, Trouble},
    stage::Stage,
    world::{Act, BORN, Lie, Telling, World},
};
use crate::{
    life::{Life, Settings as Nobody},
    master::{Beat, Fault, Masters, Settings},
};

/// Masters of a real world.
pub const MASTERS: u32 = 3;

/// The world, and the masters that show it.
pub struct Director {
    masters: Masters,
    world: World,
    /// What the masters show now.
    staged: Stage,
    clock: Instant,
}

impl Director {
    /// Starts the masters; all is well. Streams have heartbeats so often.
    pub async fn start(bounds: Bounds, telling: Telling, heartbeat: Duration) -> io::Result<Self> {
        let (_, nobody) = Life::new(Nobody { seed: 0, tasks: 0, churn: 0.0 }, BORN);
        let settings = Settings {
            ports: vec![0; MASTERS as usize],
            beat: Beat::Every(heartbeat),
            ..Settings::default()
        };
        let masters = Masters::start(nobody, settings).await?;
        let faces = (0..MASTERS as usize).map(|master| masters.face(master)).collect();
        let world = World::new(faces, bounds, telling);
        masters.change(|cluster| *cluster = world.shown());
        Ok(Self { masters, staged: world.stage().clone(), world, clock: Instant::now() })
    }

    /// The masters.
    pub fn masters(&self) -> &Masters {
        &self.masters
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The clock of all that happens.
    pub fn clock(&self) -> Instant {
        self.clock
    }

    /// Waits for a moment; meanwhile happens what is due by itself.
    pub async fn wait(&mut self, until: Duration) -> io::Result<()> {
        loop {
            let next = self.world.next_due().map_or(until, |due| due.min(until));
            tokio::time::sleep_until((self.clock + next).into()).await;
            let now = self.clock.elapsed();
            let revision = self.world.revision();
            self.world.advance(now);
            if self.world.revision() != revision {
                self.show().await?;
            }
            if now >= until {
                return Ok(());
            }
        }
    }

    /// Lets something happen now. What becomes true is noted before anybody can see it.
    pub async fn perform(&mut self, act: Act) -> io::Result<()> {
        self.world.perform(act, self.clock.elapsed());
        self.show().await
    }

    /// Waits for a step's moment and lets it happen. Tells whether the program is to be started anew, which is
    /// for the caller to do, and only where all is well.
    pub async fn step(&mut self, at: Duration, act: Act) -> io::Result<bool> {
        self.wait(at).await?;
        self.perform(act).await?;
        Ok(act == Act::Restart && self.world.is_well())
    }

    /// Notes that the first replica did not run since then until now.
    pub fn was_down(&mut self, from: Duration) {
        self.world.was_down(Outage { replica: 0, from, until: self.clock.elapsed() });
    }

    /// What was true, for a history that was kept of it: where the machine stood still, nobody could know.
    pub fn log(&self, history: &History) -> Log {
        let mut log = self.world.log().clone();
        let stalls = history.stalls().iter();
        log.troubles.extend(stalls.map(|stall| Trouble {
            from: stall.sent,
            until: stall.received,
            scope: Scope::Stall,
            hangs: false,
            silent_until: Duration::ZERO,
        }));
        log
    }

    /// Brings the masters to where the world is.
    async fn show(&mut self) -> io::Result<()> {
        let next = self.world.stage().clone();
        for (master, (before, after)) in self.staged.masters.iter().zip(&next.masters).enumerate() {
            let leads = next.leader == Some(master);
            match (after.fault, self.world.lie()) {
                (Fault::None, Some(Lie::Empty)) if leads => self.masters.fault(master, Fault::EmptyState),
                (fault, _) => self.masters.fault(master, fault),
            }
            if before.is_alive && !after.is_alive {
                self.masters.kill(master).await;
            }
        }
        let (shown, facts) = (self.world.shown(), self.world.take().facts);
        self.masters.change(|cluster| {
            *cluster = shown;
            cluster.adopt(facts);
        });
        let reign = (next.leader, next.elected);
        match next.leader {
            _ if (self.staged.leader, self.staged.elected) == reign => {
                if self.staged.knowledge != next.knowledge {
                    self.masters.know(next.knowledge);
                }
            }
            None => self.masters.depose(BORN + self.clock.elapsed()),
            Some(leader) => self.masters.elect(leader, next.knowledge, BORN + next.elected),
        }
        for (master, (before, after)) in self.staged.masters.iter().zip(&next.masters).enumerate() {
            if !before.is_alive && after.is_alive {
                self.masters.revive(master, BORN + self.clock.elapsed()).await?;
            }
        }
        self.staged = next;
        Ok(())
    }
}
