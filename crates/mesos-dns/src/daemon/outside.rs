//! From the DNS room to the forwarder, which know nothing of each other.

use std::sync::Arc;

use mesos_dns_core::{
    answer,
    forward::{
        self, Truncation,
        entry::{Manner, Telling},
    },
};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    dns::{self, Memory, Outside, Recalled},
    forward::{Client, Forwarder},
};

/// What the forwarder remembers.
pub(super) struct Remembered(pub(super) Arc<Forwarder>);

impl Memory for Remembered {
    fn recall(&self, recalled: &Recalled<'_>, out: &mut [u8]) -> Option<usize> {
        let Recalled { query, peer, now, options, turn } = recalled;
        let telling = Telling {
            now: *now,
            // These two are for the forwarder to say.
            manner: Manner::Current,
            truncation: Truncation::Flagged,
            transport: plain(peer.transport),
            options,
            turn: *turn,
        };
        self.0.recall(query, peer.address, &telling, out)
    }
}

/// Answers queries for other names, each in a task of its own. Ends when nobody can ask any more.
pub(super) async fn dispatch(
    mut queries: mpsc::Receiver<Outside>,
    forwarder: Arc<Forwarder>,
) -> anyhow::Result<()> {
    let mut running = JoinSet::new();
    loop {
        let query = tokio::select! {
            query = queries.recv() => query,
            Some(_) = running.join_next() => continue,
        };
        let Some(Outside { query, peer, transport, options, reply }) = query else { break };
        let forwarder = forwarder.clone();
        let client = Client { address: peer, transport: plain(transport), options };
        let query = Arc::new(query);
        let answer = tokio::spawn({
            let query = query.clone();
            async move { forwarder.answer(&query, client).await }
        });
        running.spawn(async move {
            // A panic costs its own query only.
            reply(answer.await.unwrap_or_else(|_| dns::failure(&query, peer, transport)));
        });
    }
    while running.join_next().await.is_some() {}
    Ok(())
}

/// The transport in the forwarder's own words: all it wants to know is how much a reply can hold.
fn plain(transport: answer::Transport) -> forward::Transport {
    match transport {
        answer::Transport::Https | answer::Transport::Tcp | answer::Transport::Tls => forward::Transport::Tcp,
        answer::Transport::Udp => forward::Transport::Udp,
    }
}
