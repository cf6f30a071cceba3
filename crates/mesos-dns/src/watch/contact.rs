//! How things stand between us and the masters, told in values and in sentences.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesos_dns_core::{cluster::Document, watch::leader::Group};

use super::zookeeper;

/// How changes reach us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// As events, within milliseconds.
    Events,
    /// When the state is asked for.
    #[default]
    Polls,
}

/// What is known of the other side, for `/ready` and the live view.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    /// The master that gave the last document believed, `host:port`.
    pub leader: Option<Arc<str>>,
    /// Its version.
    pub version: String,
    /// When that was; while a stream runs, when it last said something.
    pub last_success: Option<Instant>,
    /// How changes reach us.
    pub source: Source,
    /// Why the last round failed; `None` while all is well.
    pub failure: Option<String>,
    /// What is odd about the last document.
    pub remark: Option<&'static str>,
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
        let zookeeper = match self.zookeeper {
            Some(zookeeper::State::Away) => Some("there is no ZooKeeper session"),
            Some(zookeeper::State::NoGroup) => Some("ZooKeeper does not have the node of the masters' group"),
            Some(zookeeper::State::Watching) if self.group.is_empty() => Some("ZooKeeper lists no masters"),
            Some(zookeeper::State::Watching) | None => None,
        };
        let remark = self.remark.map(str::to_owned);
        failure.into_iter().chain(remark).chain(zookeeper.map(str::to_owned)).collect()
    }
}

/// What is odd about a document that can be read: most likely our credentials do not show everything.
pub(super) fn remark(document: &Document) -> Option<&'static str> {
    let is_empty = document.tasks.is_empty() && document.frameworks.is_empty();
    match (document.agents.is_empty(), is_empty) {
        (true, _) if document.recovered_agents.is_empty() => {
            Some("the leader shows no agents: the cluster has none, or these credentials may not see them")
        }
        (false, true) => Some(
            "the leader shows agents but no framework and no task: nothing runs, or these credentials may not see \
             it (VIEW_FRAMEWORK, VIEW_TASK)",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mesos_dns_core::cluster::{Agent, Framework};

    use super::*;

    #[test]
    fn what_credentials_may_hide() {
        let agent = Agent { id: "S1".into(), hostname: "node1".into(), address: None, place: None };
        let framework = Framework { id: "F".into(), name: "marathon".into(), host: None, port: None };
        let check = |agents: &[&Agent], recovered: &[&str], frameworks: &[&Framework], word: Option<&str>| {
            let document = Document {
                agents: agents.iter().map(|agent| (*agent).clone()).collect(),
                recovered_agents: recovered.iter().map(|id| Arc::from(*id)).collect(),
                frameworks: frameworks.iter().map(|framework| (*framework).clone()).collect(),
                ..Document::default()
            };
            let found = remark(&document);
            assert_eq!(found.is_some(), word.is_some(), "{found:?}");
            assert!(word.is_none_or(|word| found.unwrap().contains(word)), "{found:?}");
        };
        check(&[], &[], &[], Some("no agents"));
        check(&[], &[], &[&framework], Some("no agents"));
        check(&[], &["S1"], &[], None);
        check(&[&agent], &[], &[], Some("VIEW_TASK"));
        check(&[&agent], &[], &[&framework], None);
    }
}
