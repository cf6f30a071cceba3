//! One watcher's stream of events (server-sent events, as the HTML standard has them).
//!
//! `change` tells what came and went with a version, in parts if that is much; only the last part has an `id`, so that
//! who is cut off in between gets all of it again. `reset` says that the way from the version before is not known: read the
//! whole, and go on from the version named. `here` is the first event of who asked for no version: where it begins.

use std::{sync::Arc, time::Duration};

use hyper::body::Bytes;
use mesos_dns_core::{
    views::v2::{Scope, changed},
    zone::{Delta, Step},
};
use serde::Serialize;
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        mpsc::{self, error::SendError},
    },
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        metrics::HttpMetrics,
        reply::{Piece, Reply},
    },
    page::Instance,
};
use crate::publish::{Board, Next};

/// Time without an event after which a comment is sent, so that nobody in between closes the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Least time between two looks of one watcher: ten thousand of them must not be woken every two milliseconds.
const PAUSE: Duration = Duration::from_millis(20);

/// Most records in one event.
const EVENT_RECORDS_MAX: usize = 256;

/// Bytes of events that are collected before they are sent.
const CHUNK_BYTES: usize = 16 * 1024;

/// What a watcher wants, and where from.
pub(super) struct Feed {
    pub(super) board: Arc<Board>,
    pub(super) scope: Scope,
    /// The version that it has; a version of another process is `Some(None)`.
    pub(super) since: Option<Option<u64>>,
    pub(super) instance: Instance,
    pub(super) closing: CancellationToken,
    pub(super) metrics: Arc<HttpMetrics>,
}

/// Data of the events that tell a version only.
#[derive(Serialize)]
struct Place {
    version: u64,
    id: String,
    serial: Option<u32>,
}

/// Why a stream ended: its reader is gone.
struct Gone;

impl<T> From<SendError<T>> for Gone {
    fn from(_: SendError<T>) -> Self {
        Self
    }
}

/// The stream as a body. The seat is given back at its end.
pub(super) fn start(feed: Feed, seat: OwnedSemaphorePermit) -> Reply {
    // One chunk waits and one is written: whoever takes none is disconnected by the listener.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _seat = seat;
        feed.metrics.watchers.inc();
        if feed.run(&sender).await.is_ok() {
            let _ = sender.send(Piece::End).await;
        }
        feed.metrics.watchers.dec();
    });
    Reply::Streamed(receiver)
}

impl Feed {
    /// Tells events until the server closes; an error if the reader does.
    async fn run(&self, sender: &mpsc::Sender<Piece>) -> Result<(), Gone> {
        let mut versions = self.board.subscribe();
        let mut text = String::from("retry: 2000\n\n");
        let mut at = self.begin(&mut text);
        loop {
            versions.mark_unchanged();
            at = self.catch_up(at, &mut text, sender).await?;
            self.send(&mut text, sender).await?;
            tokio::select! {
                // The publisher is gone: nothing comes any more.
                changed = versions.changed() => if changed.is_err() { return Ok(()) },
                // Who takes few of the changes is told now and then how far it has come.
                () = sleep(KEEP_ALIVE) => text.push_str(&format!("id: {}\n: still here\n\n", self.instance.tag(at))),
                () = sender.closed() => return Err(Gone),
                () = self.closing.cancelled() => return Ok(()),
            }
            sleep(PAUSE).await;
        }
    }

    /// The version from which on changes are told.
    fn begin(&self, text: &mut String) -> u64 {
        let published = self.board.load();
        let (version, serial) = (published.version, Some(published.zone.serial()));
        match self.since {
            Some(Some(version)) => return version,
            Some(None) => self.place("reset", version, serial, text),
            None => self.place("here", version, serial, text),
        }
        version
    }

    /// Tells all that happened since a version; returns the newest.
    async fn catch_up(
        &self,
        mut at: u64,
        text: &mut String,
        sender: &mpsc::Sender<Piece>,
    ) -> Result<u64, Gone> {
        loop {
            match self.board.next_step(at) {
                Next::Newest => return Ok(at),
                Next::Gap(mark) => {
                    at = mark.version;
                    self.metrics.watch_resets.inc();
                    self.place("reset", at, mark.serial.map(|serial| serial.0), text);
                }
                Next::Step(step) => {
                    at = step.mark.version;
                    self.tell(&step, text, sender).await?;
                }
            }
            if text.len() >= CHUNK_BYTES {
                self.send(text, sender).await?;
            }
        }
    }

    /// Tells what is wanted of one step.
    async fn tell(&self, step: &Step, text: &mut String, sender: &mpsc::Sender<Piece>) -> Result<(), Gone> {
        let Delta::Records(moves) = &*step.delta else { return Ok(()) };
        let mut rest = &moves[..];
        loop {
            let published = self.board.load();
            let most = EVENT_RECORDS_MAX;
            let (change, looked_at) = changed(step.mark, rest, &self.scope, published.zone.soa(), most);
            rest = rest.get(looked_at..).unwrap_or_default();
            let is_last = rest.is_empty();
            if change.is_empty() && is_last && looked_at < moves.len() {
                // The part before turns out to have been the last one that is wanted.
                text.push_str(&format!("id: {}\n\n", self.instance.tag(step.mark.version)));
            }
            if !change.is_empty() {
                let id = is_last.then(|| self.instance.tag(step.mark.version).to_string());
                event("change", id.as_deref(), &change, text);
            }
            if is_last {
                return Ok(());
            }
            self.send(text, sender).await?;
        }
    }

    fn place(&self, name: &str, version: u64, serial: Option<u32>, text: &mut String) {
        let id = self.instance.tag(version).to_string();
        event(name, Some(&id), &Place { version, id: id.clone(), serial }, text);
    }

    async fn send(&self, text: &mut String, sender: &mpsc::Sender<Piece>) -> Result<(), Gone> {
        if text.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(text).into_bytes());
        Ok(sender.send(Piece::Chunk(bytes)).await?)
    }
}

/// Writes one event; JSON has no line breaks in it.
fn event(name: &str, id: Option<&str>, data: &impl Serialize, text: &mut String) {
    if let Some(id) = id {
        text.push_str(&format!("id: {id}\n"));
    }
    let data = serde_json::to_string(data).unwrap_or_default();
    text.push_str(&format!("event: {name}\ndata: {data}\n\n"));
}
