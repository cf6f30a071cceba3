//! Listening to captured streams, cut in any way, and telling in words what was said.

use std::{fs, path::PathBuf, time::Duration};

use mesos_dns_core::{
    cluster::{Change, Document, Skipped, TaskAddress},
    mesos::{
        operator::{Limits, Passed, Said, Stream, StreamError},
        state::{Decoder, Part, assemble},
    },
};

use crate::captured::root;

/// What a master said; a snapshot is already put together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Snapshot(Box<Document>),
    Heartbeat,
    Change(Change),
    Passed(Passed),
}

/// Takes pieces of a stream and tells what was said.
pub(crate) struct Listener {
    stream: Stream,
    decoder: Decoder,
    parts: Vec<Part>,
    heard: Vec<Heard>,
}

impl Listener {
    pub(crate) fn new() -> Self {
        let stream = Stream::new(Limits::default());
        Self { stream, decoder: Decoder::default(), parts: Vec::new(), heard: Vec::new() }
    }

    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), StreamError> {
        while let Some(said) = self.stream.push(&mut piece)? {
            self.heard.push(match said {
                Said::Batch(batch) => {
                    self.parts.push(self.decoder.decode(batch));
                    continue;
                }
                Said::Snapshot(outline) => {
                    Heard::Snapshot(Box::new(assemble(*outline, std::mem::take(&mut self.parts))))
                }
                Said::Heartbeat => Heard::Heartbeat,
                Said::Change(change) => Heard::Change(change),
                Said::Passed(passed) => Heard::Passed(passed),
            });
        }
        assert!(piece.is_empty(), "a stream that says nothing more has read everything");
        Ok(())
    }
}

pub(crate) fn hear(bytes: &[u8], piece: usize) -> Vec<Heard> {
    let mut listener = Listener::new();
    for piece in bytes.chunks(piece) {
        listener.push(piece).expect("a good stream");
    }
    assert_eq!(listener.stream.heartbeat_interval(), Some(Duration::from_secs(15)));
    assert_eq!(listener.stream.skipped(), Skipped::default());
    listener.heard
}

pub(crate) fn real(name: &str) -> Vec<u8> {
    let path = root().join("test-data/real-1.12").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder with what third parties captured; `None` if it is not there.
pub(crate) fn fixtures(name: &str) -> Option<PathBuf> {
    let folder = crate::captured::fixtures().join(name);
    if !folder.is_dir() {
        println!("skipped: nothing in {}", folder.display());
        return None;
    }
    Some(folder)
}

/// A third party's stream with its lengths; `None` if it is not there.
pub(crate) fn captured(name: &str) -> Option<Vec<u8>> {
    let folder = fixtures("stream")?;
    let text = fs::read_to_string(folder.join(name)).expect(name);
    let events = text.lines().filter(|line| !line.trim().is_empty());
    Some(events.flat_map(|event| format!("{}\n{event}", event.len()).into_bytes()).collect())
}

/// Where each record ends.
pub(crate) fn ends(bytes: &[u8]) -> Vec<usize> {
    let (mut ends, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = bytes[at..].iter().position(|byte| *byte == b'\n').expect("a length");
        let length: usize = std::str::from_utf8(&bytes[at..at + digits]).unwrap().parse().unwrap();
        at += digits + 1 + length;
        ends.push(at);
    }
    ends
}

/// Cut anywhere, it says the same; and it says a thing when its last byte is there, not before.
pub(crate) fn check_cuts(bytes: &[u8]) -> Vec<Heard> {
    let whole = hear(bytes, bytes.len());
    for piece in (1..=64).chain([100, 255, 1000, 1460, 4096, 16384, 65536]) {
        assert!(hear(bytes, piece) == whole, "in pieces of {piece}");
    }
    let ends = ends(bytes);
    let mut listener = Listener::new();
    for (at, byte) in bytes.iter().enumerate() {
        listener.push(&[*byte]).expect("a good stream");
        let complete = ends.partition_point(|end| *end <= at + 1);
        assert_eq!(listener.heard.len(), complete, "cut after byte {at}");
    }
    assert!(listener.heard == whole);
    whole
}

//------------ In words ------------------------------------------------------

/// A change in one line.
pub(crate) fn line(heard: &Heard) -> String {
    let address = |found: &TaskAddress| format!(" {}", found.address);
    match heard {
        Heard::Snapshot(document) => format!(
            "snapshot: {} agents, {} recovered, {} frameworks, {} tasks",
            document.agents.len(),
            document.recovered_agents.len(),
            document.frameworks.len(),
            document.tasks.len()
        ),
        Heard::Heartbeat => "heartbeat".to_owned(),
        Heard::Passed(passed) => format!("{passed:?}"),
        Heard::Change(Change::AgentAdded(agent)) => {
            let at = agent.address.as_ref().map(|at| format!("{:?}", at.host)).unwrap_or_default();
            format!("agent {} added: {} {at}", short(&agent.id), agent.hostname)
        }
        Heard::Change(Change::AgentRemoved(id)) => format!("agent {} removed", short(id)),
        Heard::Change(Change::FrameworkAdded(framework)) => {
            format!("framework {} added: {}", short(&framework.id), framework.name)
        }
        Heard::Change(Change::FrameworkAt { .. }) => unreachable!("no event says that"),
        Heard::Change(Change::FrameworkRemoved(id)) => format!("framework {} removed", short(id)),
        Heard::Change(Change::Omitted(omissions)) => format!("left out: {omissions:?}"),
        Heard::Change(Change::TaskAdded(task)) => {
            let ports: Vec<_> = task.ports.iter().map(|range| (range.first, range.last)).collect();
            format!("{} added: {:?} on {} {ports:?}", name(&task.id), task.state, short(&task.agent_id))
        }
        Heard::Change(Change::TaskEnded { id, .. }) => format!("{} ended", name(id)),
        Heard::Change(Change::TaskUpdated(update)) => {
            let running = update.running.as_ref().map(|running| {
                let addresses = running.addresses.iter().flatten().map(address).collect::<String>();
                format!(", runs{addresses} {:?}", running.healthy)
            });
            format!("{} is {:?}{}", name(&update.id), update.state, running.unwrap_or_default())
        }
    }
}

/// The end of an id, which tells those of one cluster apart.
pub(crate) fn short(id: &str) -> &str {
    id.rsplit('-').next().unwrap_or(id)
}

/// The begin of a task's id, enough to tell those of one stream apart.
pub(crate) fn name(id: &str) -> &str {
    id.get(..20).unwrap_or(id)
}

pub(crate) fn check_lines(heard: &[Heard], wanted: impl Fn(&str) -> bool, expected: &[&str]) {
    let lines: Vec<_> = heard.iter().map(line).filter(|line| wanted(line)).collect();
    assert_eq!(lines, expected);
}
