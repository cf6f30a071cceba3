//! A stream that gives up on a client that takes its answer too slowly.
//!
//! The server library waits for ever until a client reads. A client that stops, or takes a byte now
//! and then, would keep a connection, and with it one of a limited number, as long as it likes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Bytes a client has to take in each span of patience while we have more for it.
const PROGRESS_BYTES_MIN: usize = 4096;

/// See the head of this file.
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    wait: Option<Wait>,
}

struct Wait {
    over: Pin<Box<Sleep>>,
    taken: usize,
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, wait: None }
    }

    /// Does one write and judges how it went.
    fn judge(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = write(Pin::new(&mut self.stream), context);
        match &written {
            Poll::Ready(Ok(bytes)) => {
                if let Some(wait) = &mut self.wait {
                    wait.taken = wait.taken.saturating_add(*bytes);
                }
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => self.wait(context),
        }
    }

    /// Waits, but not for ever: ends with an error when a span of patience is over without progress.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let patience = self.patience;
        let wait = self.wait.get_or_insert_with(|| Wait { over: Box::pin(sleep(patience)), taken: 0 });
        loop {
            ready!(wait.over.as_mut().poll(context));
            if wait.taken < PROGRESS_BYTES_MIN {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            wait.taken = 0;
            wait.over.as_mut().reset(Instant::now() + patience);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().judge(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().judge(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// All that was at hand is written: the client is not behind.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.wait = None;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Writes 64 KiB to a reader that takes `bytes` each second; tells how it ended and after how long.
    async fn write_to(bytes: usize) -> (io::Result<()>, Duration) {
        let (near, mut far) = duplex(1024);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; bytes.max(1)];
            while bytes > 0 && far.read_exact(&mut buffer).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
            // Keeps its end open.
            std::future::pending::<()>().await;
            drop(far);
        });
        let started = Instant::now();
        let written = Patient::new(near, PATIENCE).write_all(&[0; 64 * 1024]).await;
        reader.abort();
        (written, started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_is_given_up() {
        let (written, after) = write_to(0).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(after.as_secs(), PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_drips_is_given_up() {
        let (written, after) = write_to(16).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(after < 3 * PATIENCE, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_served() {
        let (written, after) = write_to(1024).await;
        written.unwrap();
        assert!(after > 5 * PATIENCE, "{after:?}");
    }
}
