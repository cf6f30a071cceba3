//! What masters in made-up time say, as bytes, and the same read by the decoders.

use std::{sync::Arc, time::Duration};

use mesos_dns_core::{
    cluster::{Change, Document},
    mesos::{operator, state::decode},
};

use super::world::{BORN, Lie, World};
use crate::{
    cluster::Cluster,
    memory::Memory,
    profile::Profile,
    render::{
        self, View,
        v1::{self, Call},
    },
};

/// The leader at the present moment.
pub(super) struct Shown {
    revision: u64,
    cluster: Cluster,
    memory: Memory,
    state: Option<Vec<u8>>,
    document: Option<Arc<Document>>,
    snapshot: Option<Vec<u8>>,
    heartbeat: Duration,
    told: Told,
}

/// What the leader has told its subscribers.
#[derive(Default)]
pub(super) struct Told {
    /// In which reign: who leads, and since when.
    pub(super) reign: Option<(usize, Duration)>,
    /// The events, as records of a stream.
    pub(super) records: Vec<Arc<[u8]>>,
}

impl Shown {
    pub(super) fn new(world: &World, heartbeat: Duration) -> Self {
        let (cluster, memory) = match world.lie() {
            Some(Lie::Empty) => (Cluster::blank(BORN), Memory::default()),
            _ => (world.shown(), world.memory().clone()),
        };
        Self {
            revision: world.revision(),
            cluster,
            memory,
            state: None,
            document: None,
            snapshot: None,
            heartbeat,
            told: Told::default(),
        }
    }

    /// Takes notice of what happened.
    pub(super) fn follow(&mut self, world: &mut World) {
        let stage = world.stage();
        let reign = stage.leader.map(|leader| (leader, stage.elected));
        if self.told.reign != reign {
            self.told = Told { reign, records: Vec::new() };
        }
        for event in world.take().events {
            let event = v1::event(world.cluster(), &event, Profile::default());
            self.told.records.extend(event.map(|(_, text)| framed(&text).into()));
        }
        if self.revision != world.revision() {
            let told = std::mem::take(&mut self.told);
            *self = Self { told, ..Self::new(world, self.heartbeat) };
        }
    }

    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// The bytes of the leader's document.
    pub(super) fn state(&mut self, world: &World, leader: usize) -> &[u8] {
        let view = world.view(leader, &self.cluster, &self.memory);
        self.state.get_or_insert_with(|| bytes(|out| render::state(view, out)))
    }

    /// The same, read. Equal bytes are read once.
    pub(super) fn document(&mut self, world: &World, leader: usize) -> Document {
        if self.document.is_none() {
            let document = decode(self.state(world, leader)).expect("a master's document is well formed");
            self.document = Some(Arc::new(document));
        }
        self.document.as_deref().cloned().expect("just made")
    }

    /// The first record of a stream.
    pub(super) fn snapshot(&mut self, world: &World, leader: usize) -> &[u8] {
        let view = world.view(leader, &self.cluster, &self.memory);
        let heartbeat = self.heartbeat;
        self.snapshot.get_or_insert_with(|| framed(&bytes(|out| v1::subscribed(view, heartbeat, out))))
    }

    /// Who the leader is.
    pub(super) fn identity(&self, world: &World, leader: usize) -> operator::Master {
        let view = self.view(world, leader);
        operator::Master::decode(&bytes(|out| v1::answer(view, Call::GetMaster, out)))
    }

    /// Where schedulers are.
    pub(super) fn schedulers(&self, world: &World, leader: usize) -> Vec<Change> {
        let view = self.view(world, leader);
        let summary = decode(&bytes(|out| render::summary(view, out))).expect("a summary is well formed");
        let at = |framework: mesos_dns_core::cluster::Framework| Change::FrameworkAt {
            id: framework.id,
            host: framework.host,
            port: framework.port,
        };
        summary.frameworks.into_iter().map(at).collect()
    }

    fn view<'a>(&'a self, world: &'a World, leader: usize) -> View<'a> {
        world.view(leader, &self.cluster, &self.memory)
    }
}

/// The record that says that nothing happened.
pub(super) fn heartbeat() -> Vec<u8> {
    framed(&v1::heartbeat())
}

fn framed(text: &[u8]) -> Vec<u8> {
    [format!("{}\n", text.len()).as_bytes(), text].concat()
}

fn bytes(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("memory is written to");
    bytes
}
