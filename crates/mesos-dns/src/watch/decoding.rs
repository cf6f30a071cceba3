//! Batches of a document into values, on several threads, while it arrives.
//!
//! Whoever cuts a document hands its batches in here. What waits is bounded in number, and a batch in size, so a slow
//! decoder slows down whoever cuts. The threads end with the batches: once a [`Decoding`] is finished or dropped, no
//! batch can come any more. There is nothing to cancel and nothing that stays behind.

use std::{
    num::NonZero,
    sync::{Arc, Mutex},
    thread,
};

use mesos_dns_core::mesos::state::{Batch, Decoder, Part};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::load::LoadError;
use crate::system::{Rank, step_back};

/// Batches that wait for each decoder.
pub const BATCHES_PER_DECODER_MAX: usize = 2;

/// Most decoders, however many cores there are: one splitter cannot keep more of them busy.
pub const DECODERS_MAX: usize = 6;

/// Decoders at work.
#[derive(Debug)]
pub struct Decoding {
    batches: mpsc::Sender<Batch>,
    parts: JoinHandle<Result<Vec<Part>, LoadError>>,
}

impl Decoding {
    /// Starts the threads. Belongs on a runtime.
    pub fn start() -> Self {
        let decoders = thread::available_parallelism().map_or(1, NonZero::get).min(DECODERS_MAX);
        let (batches, waiting) = mpsc::channel(decoders.saturating_mul(BATCHES_PER_DECODER_MAX));
        Self { batches, parts: spawn_blocking(move || decode_all(decoders, waiting)) }
    }

    /// Where batches go.
    pub fn batches(&self) -> &mpsc::Sender<Batch> {
        &self.batches
    }

    /// All batches were handed in: waits for the rest of the work.
    pub async fn finish(self) -> Result<Vec<Part>, LoadError> {
        drop(self.batches);
        self.parts.await.unwrap_or(Err(LoadError::Panicked))
    }
}

/// Runs the decoders until there are no more batches.
fn decode_all(decoders: usize, waiting: mpsc::Receiver<Batch>) -> Result<Vec<Part>, LoadError> {
    thread::scope(|scope| {
        let waiting = Arc::new(Mutex::new(waiting));
        let start = |_| {
            let waiting = waiting.clone();
            thread::Builder::new()
                .name("state-decoder".to_owned())
                .spawn_scoped(scope, move || work(&waiting))
        };
        let workers = (0..decoders).map(start).collect::<Result<Vec<_>, _>>();
        // From here on only the decoders hold the queue: should all of them panic, it is closed.
        drop(waiting);
        let workers = workers.map_err(|_| LoadError::Panicked)?;
        let parts = workers.into_iter().map(|worker| worker.join().map_err(|_| LoadError::Panicked));
        Ok(parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    })
}

/// What one decoder does: batches into parts, until there are no more.
fn work(batches: &Mutex<mpsc::Receiver<Batch>>) -> Vec<Part> {
    step_back(Rank::Last);
    let mut decoder = Decoder::default();
    let next = || batches.lock().ok()?.blocking_recv();
    std::iter::from_fn(next).map(|batch| decoder.decode(batch)).collect()
}
