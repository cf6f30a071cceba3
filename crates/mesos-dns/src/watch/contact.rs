//! How things stand between us and the masters, told in values and in sentences.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesos_dns_core::watch::{believe::Why, leader::Group};

use super::zookeeper;

/// What is known of the other side, for `/ready` and the live view.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    /// The master that gave the last document believed, `host:port`.
    pub leader: Option<Arc<str>>,
    /// Its version.
    pub version: String,
    /// When that was.
    pub last_success: Option<Instant>,
    /// Why the last round failed; `None` while all is well.
    pub failure: Option<String>,
    /// Why records are kept that the last document did not show.
    pub held: Option<Why>,
    /// How things stand with ZooKeeper; `None` if it is not used.
    pub zookeeper: Option<zookeeper::State>,
    /// What ZooKeeper showed of the masters' group: the next watcher goes on from it.
    pub group: Group,
}

impl Contact {
    /// How old the data is; `None` before the first.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.last_success.map(|last| now.saturating_duration_since(last))
    }

    /// What is not as it should be, each in a sentence for the operator.
    pub fn reasons(&self) -> Vec<String> {
        let failure = self.failure.as_ref().map(|failure| format!("the state cannot be read: {failure}"));
        let held = self.held.map(|why| {
            let why = match why {
                Why::Empty => "the leader shows an empty cluster",
                Why::Loss => "a large part of the tasks is gone at once",
                Why::Recovering => "the leader waits for agents to come back",
                Why::Settling => "the leader was elected a moment ago",
            };
            format!("{why}: what the state does not show is kept for now")
        });
        let zookeeper = match self.zookeeper {
            Some(zookeeper::State::Away) => Some("there is no ZooKeeper session"),
            Some(zookeeper::State::NoGroup) => Some("ZooKeeper does not have the node of the masters' group"),
            Some(zookeeper::State::Watching) if self.group.is_empty() => Some("ZooKeeper lists no masters"),
            Some(zookeeper::State::Watching) | None => None,
        };
        failure.into_iter().chain(held).chain(zookeeper.map(str::to_owned)).collect()
    }
}
