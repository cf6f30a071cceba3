//! Large bodies, written while they are sent.
//!
//! A zone listing can be hundreds of megabytes. Its writer runs on a thread for blocking work and is
//! held up by the client: at any time a few chunks exist. Two clocks keep a slow client from holding a
//! version of the zone for ever: one for each chunk, one for the whole.

use std::{
    io::{self, Write},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use hyper::body::Bytes;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, timeout_at},
};
use tracing::error;

use super::{
    metrics::{HttpMetrics, Limit},
    reply::{Piece, Reply},
};

/// Bytes collected before they are handed on.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks that wait for the connection.
const CHUNKS_MAX: usize = 2;

/// How long a client may take for one chunk.
const CHUNK_PATIENCE: Duration = Duration::from_secs(20);

/// How long a client may take for the whole body.
const TRANSFER_PATIENCE: Duration = Duration::from_secs(300);

/// A body that `write` writes, on another thread, while it is sent. The permit is given back at its end.
pub(super) fn streamed(
    permit: OwnedSemaphorePermit,
    metrics: Arc<HttpMetrics>,
    write: impl FnOnce(&mut Chunks) -> io::Result<()> + Send + 'static,
) -> Reply {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    let runtime = Handle::current();
    let ends_at = Instant::now() + TRANSFER_PATIENCE;
    let mut chunks = Chunks { buffer: Vec::with_capacity(CHUNK_BYTES), sender, runtime, ends_at };
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let written = catch_unwind(AssertUnwindSafe(|| write(&mut chunks).and_then(|()| chunks.finish())));
        match written {
            Ok(Err(cause)) if cause.kind() == io::ErrorKind::TimedOut => {
                let is_late = Instant::now() >= ends_at;
                metrics.reached(if is_late { Limit::TransferTime } else { Limit::SlowReader });
            }
            // Else it is finished, or the client went away.
            Ok(_) => {}
            Err(_) => {
                metrics.panics.inc();
                error!("writing a body panicked");
            }
        }
    });
    Reply::Streamed(receiver)
}

/// Takes small writes, hands large pieces on.
pub(super) struct Chunks {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Piece>,
    runtime: Handle,
    ends_at: Instant,
}

impl Chunks {
    fn finish(&mut self) -> io::Result<()> {
        self.hand_on()?;
        self.send(Piece::End)
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let chunk = mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        self.send(Piece::Chunk(Bytes::from(chunk)))
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        let until = self.ends_at.min(Instant::now() + CHUNK_PATIENCE);
        match self.runtime.block_on(timeout_at(until, self.sender.send(piece))) {
            Ok(sent) => sent.map_err(|_| io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.hand_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
