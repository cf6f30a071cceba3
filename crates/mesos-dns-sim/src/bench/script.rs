//! What happens to a cluster, rendered before it is told: telling must cost nothing.
//!
//! A change is something that makes names come or go: a task that runs, or one that is being killed. What Mesos tells
//! besides (that it was launched, that it starts, that it was killed) goes with it. Every so many changes comes the
//! marked task, whose name somebody watches; it alone comes and goes in turn.

use std::time::Duration;

use rand::{RngExt, SeedableRng};

use crate::{
    catalogue::{Flavour, Network, Service},
    clock,
    cluster::{Cluster, State},
    life::{Dice, Life, Settings},
    memory::Memory,
    profile::Profile,
    render::v1,
};

/// The name that comes and goes.
pub const MARK: &str = "mark.marathon.mesos";

/// A cluster in which only what a script says happens.
pub struct Stage {
    /// As it is after all scripts so far.
    pub cluster: Cluster,
    life: Life,
    memory: Memory,
    dice: Dice,
    /// The marked task, while it runs.
    marked: Option<u64>,
    /// The service of a task that was stopped and is to be replaced.
    replaces: Option<usize>,
}

/// One change and what goes with it.
#[derive(Debug)]
pub struct Beat {
    /// Records of the stream, each a chunk of the HTTP body.
    pub bytes: Vec<u8>,
    /// Whether the marked name comes, or goes.
    pub mark: Option<bool>,
}

impl Stage {
    /// A cluster of so many tasks.
    pub fn new(tasks: usize, seed: u64) -> Self {
        let (life, mut cluster) = Life::new(Settings { seed, tasks, churn: 0.0 }, clock::now());
        let mark = Service {
            framework: 0,
            number: usize::MAX,
            flavour: Flavour::Marathon,
            task_name: "mark".to_owned(),
            discovery: None,
            ports: &[],
            network: Network::Host,
            health_checked: false,
        };
        cluster.services = cluster.services.iter().cloned().chain([mark]).collect();
        cluster.record();
        let dice = Dice::seed_from_u64(seed);
        Self { cluster, life, memory: Memory::default(), dice, marked: None, replaces: None }
    }

    /// So many names that are there whatever happens, or nearly always.
    pub fn names(&self, count: usize) -> Vec<String> {
        let services = self.cluster.services.iter().filter(|service| service.framework == 0);
        let named = services.filter(|service| service.discovery.is_some());
        let name = |service: &Service| format!("{}.marathon.mesos", service.task_name.replace('.', "-"));
        named.map(name).take(count).collect()
    }

    /// The next so many changes, each `mark_every`th of them the marked one.
    pub fn beats(&mut self, count: usize, mark_every: usize) -> Vec<Beat> {
        let turn = |number: usize| if number.is_multiple_of(mark_every) { self.mark() } else { self.other() };
        (0..count).map(turn).collect()
    }

    /// An event about a task that nobody has heard of.
    pub fn riddle() -> Vec<u8> {
        let text = r#"{"type":"TASK_UPDATED","task_updated":{"framework_id":{"value":"nobody"},"state":"TASK_RUNNING",
            "status":{"task_id":{"value":"nothing"},"state":"TASK_RUNNING","agent_id":{"value":"nowhere"}}}}"#;
        chunk(text.as_bytes())
    }

    fn mark(&mut self) -> Beat {
        let now = clock::now();
        let mark = self.cluster.services.len() - 1;
        match self.marked.take() {
            Some(launch) => self.stop(launch, now),
            None => self.marked = self.start(mark, now),
        }
        Beat { bytes: self.told(), mark: Some(self.marked.is_some()) }
    }

    fn other(&mut self) -> Beat {
        let now = clock::now();
        match self.replaces.take() {
            Some(service) => _ = self.start(service, now),
            None => {
                if let Some((launch, service)) = self.some_running() {
                    self.stop(launch, now);
                    self.replaces = Some(service);
                }
            }
        }
        Beat { bytes: self.told(), mark: None }
    }

    fn start(&mut self, service: usize, now: Duration) -> Option<u64> {
        let launch = self.life.start(&mut self.cluster, service, None, now)?;
        let checked = self.cluster.services[service].health_checked;
        self.cluster.report(launch, State::Starting, None, now);
        self.cluster.report(launch, State::Running, checked.then_some(true), now);
        Some(launch)
    }

    fn stop(&mut self, launch: u64, now: Duration) {
        self.cluster.report(launch, State::Killing, None, now);
        self.cluster.report(launch, State::Killed, None, now);
    }

    /// A running task, not the marked one: its launch and its service.
    fn some_running(&mut self) -> Option<(u64, usize)> {
        let end = self.cluster.tasks.keys().next_back()? + 1;
        let place = self.dice.random_range(0..end);
        let (before, after) = (self.cluster.tasks.range(..place), self.cluster.tasks.range(place..));
        let mut round = after.chain(before).map(|(launch, task)| (*launch, task.service));
        round.find(|(launch, _)| Some(*launch) != self.marked)
    }

    /// What subscribers are told of what happened last.
    fn told(&mut self) -> Vec<u8> {
        let facts = self.cluster.drain();
        let profile = Profile::default();
        let mut bytes = Vec::new();
        for fact in facts {
            for event in self.memory.hear(fact, &self.cluster, profile) {
                bytes.extend(
                    v1::event(&self.cluster, &event, profile).iter().flat_map(|(_, text)| chunk(text)),
                );
            }
        }
        bytes
    }
}

/// One record as one chunk of an HTTP body, as libprocess sends them.
pub fn chunk(text: &[u8]) -> Vec<u8> {
    let number = format!("{}\n", text.len());
    let mut chunk = format!("{:x}\r\n{number}", number.len() + text.len()).into_bytes();
    chunk.extend(text);
    chunk.extend(b"\r\n");
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_with_what_goes_with_it() {
        let mut stage = Stage::new(50, 1);
        let beats = stage.beats(8, 4);
        let marks: Vec<Option<bool>> = beats.iter().map(|beat| beat.mark).collect();
        assert_eq!(marks, [Some(true), None, None, None, Some(false), None, None, None]);
        let types = |beat: &Beat| {
            let text = String::from_utf8(beat.bytes.clone()).unwrap();
            let count = |word: &str| text.matches(word).count();
            (count("\"TASK_ADDED\""), count("\"TASK_UPDATED\""))
        };
        // Launched, starts, runs; is being killed, is killed.
        assert_eq!(types(&beats[0]), (1, 2));
        assert_eq!(types(&beats[4]), (0, 2));
        // Stopped, replaced, stopped.
        assert_eq!([types(&beats[1]), types(&beats[2]), types(&beats[3])], [(0, 2), (1, 2), (0, 2)]);
        assert_eq!(stage.cluster.tasks.len(), 50);
    }
}
