//! One connection that carries messages, over TCP or TLS: from its first to its last.
//!
//! Queries for our names are answered on the spot, as many at once as arrived together; others as their replies come,
//! so that one slow upstream does not hold up what was pipelined behind it (RFC 7766 section 6.2.1.1). A client that
//! does not read its answers is not read either. A message has a deadline as a whole, however slowly it drips in, and
//! so has taking the answers.
//!
//! It is one future that looks at everything each time it is woken. Its timer is set anew only when it rings or would
//! ring too late: a connection in use costs no timer per message.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use mesos_dns_core::answer::Transport;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::mpsc,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tokio_util::sync::WaitForCancellationFuture;

use super::{
    Shared,
    answering::{Sitting, with_scratch},
    clients::Visit,
    frames::{Frames, LENGTH_BYTES, Next},
};

/// Queries of one connection that wait for a reply from elsewhere, at most; beyond it the client is not read.
const IN_HAND_MAX: usize = 32;

/// How long a message may take once its first byte is there, and answers to be taken.
pub(super) const MESSAGE: Duration = Duration::from_secs(10);

/// How long replies from elsewhere may take. The forwarder has a shorter limit of its own.
pub(super) const ELSEWHERE: Duration = Duration::from_secs(30);

/// When the server stops: how long a connection must be quiet to be closed, as what was sent before may still arrive.
pub(super) const QUIET: Duration = Duration::from_millis(50);

/// And how long it is served at most, apart from what is in hand.
pub(super) const DRAIN_MAX: Duration = Duration::from_millis(400);

/// How long a client may take to end its side after we ended ours. Closing earlier could cost it answers that are on
/// their way, as a query that arrives at a closed socket resets the connection.
const LINGER: Duration = Duration::from_millis(250);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client ended it, or broke it off.
    Client,
    /// It was idle for as long as it may be.
    Idle,
    /// It was told to leave, and has got what we owed it.
    Left,
    /// A message, or taking the answers, took too long.
    Slow,
}

/// Serves a connection to its end.
pub(super) async fn serve<S>(
    stream: S,
    from: SocketAddr,
    transport: Transport,
    shared: Arc<Shared>,
    visit: Visit,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let now = Instant::now();
    let mut connection = Connection {
        stream,
        from,
        transport,
        shared: &shared,
        visit: &visit,
        frames: Frames::default(),
        outbox: Vec::new(),
        sent: 0,
        is_unflushed: false,
        late: None,
        in_hand: 0,
        has_ended: false,
        active: now,
        message_since: None,
        send_since: None,
        leave_since: None,
    };
    let end = {
        let mut leave = pin!(visit.leave().cancelled());
        let mut timer = pin!(sleep_until(now + MESSAGE));
        std::future::poll_fn(|context| connection.poll(context, leave.as_mut(), timer.as_mut())).await
    };
    match end {
        End::Client => {}
        End::Slow => _ = shared.metrics.connections_cut.inc(),
        End::Idle | End::Left => connection.say_goodbye().await,
    }
}

struct Connection<'a, S> {
    stream: S,
    from: SocketAddr,
    transport: Transport,
    shared: &'a Arc<Shared>,
    visit: &'a Visit,
    frames: Frames,
    /// Answers that the system did not take yet, from `sent` on.
    outbox: Vec<u8>,
    sent: usize,
    /// Whether something may be left in the stream's own buffer, as TLS has one.
    is_unflushed: bool,
    /// Where replies from elsewhere arrive; made when first needed.
    late: Option<Late>,
    /// How many of them are still to come.
    in_hand: usize,
    /// Whether the client has sent all it will.
    has_ended: bool,
    /// When it last sent a whole message, or took a reply.
    active: Instant,
    /// When the message that is not whole yet began, if there is one.
    message_since: Option<Instant>,
    /// Since when answers wait to be taken, if they do.
    send_since: Option<Instant>,
    /// When it was told to leave.
    leave_since: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        leave: Pin<&mut WaitForCancellationFuture<'_>>,
        mut timer: Pin<&mut Sleep>,
    ) -> Poll<End> {
        if self.leave_since.is_none() && leave.poll(context).is_ready() {
            self.leave_since = Some(Instant::now());
        }
        match self.converse(context) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Poll::Ready(End::Client),
        }
        let now = self.look_at_the_clock();
        loop {
            let (deadline, end) = self.deadline();
            if deadline <= now {
                return Poll::Ready(end);
            }
            if timer.is_elapsed() || timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(context));
            if deadline <= Instant::now() {
                return Poll::Ready(end);
            }
        }
    }

    /// Does whatever can be done without waiting. Tells whether there is anything to wait for.
    fn converse(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        loop {
            // What is not taken yet comes first, and as long as there is something, nothing is read.
            if self.send(context)?.is_pending() {
                return Ok(true);
            }
            if self.take_late(context) {
                continue;
            }
            if self.in_hand >= IN_HAND_MAX {
                return Ok(true);
            }
            if self.frames.is_waiting() {
                let _held = self.answer(context, Fresh::Nothing)?;
                continue;
            }
            if self.has_ended {
                return Ok(self.in_hand > 0);
            }
            match self.answer(context, Fresh::Received)? {
                Poll::Ready(0) => self.has_ended = true,
                Poll::Ready(_) => {}
                Poll::Pending => return Ok(true),
            }
        }
    }

    /// Answers what waits, or what arrives, and sends the answers as far as they are taken. Gives the number of bytes
    /// that arrived.
    fn answer(&mut self, context: &mut Context<'_>, fresh: Fresh) -> io::Result<Poll<usize>> {
        with_scratch(|scratch| {
            let (received, mut scratch) = scratch.parts();
            let mut fresh_bytes = ReadBuf::new(received);
            if fresh == Fresh::Received {
                match Pin::new(&mut self.stream).poll_read(context, &mut fresh_bytes) {
                    Poll::Ready(read) => read?,
                    Poll::Pending => return Ok(Poll::Pending),
                }
                if fresh_bytes.filled().is_empty() {
                    return Ok(Poll::Ready(0));
                }
            }
            let mut frames = std::mem::take(&mut self.frames);
            let (late, in_hand) = (&mut self.late, &mut self.in_hand);
            let mut sitting = Sitting::new(self.shared, self.from, self.transport);
            let count = frames.receive(fresh_bytes.filled(), |message| {
                sitting.answer(message, &mut scratch, || {
                    *in_hand += 1;
                    late.get_or_insert_with(Late::default).taker()
                });
                let is_enough = scratch.0.is_full() || *in_hand >= IN_HAND_MAX;
                if is_enough { Next::Wait } else { Next::More }
            });
            drop(sitting);
            self.frames = frames;
            if count > 0 {
                // A message that is not whole yet began no earlier than now.
                (self.active, self.message_since) = (Instant::now(), None);
            }
            self.send_or_keep(context, scratch.0.bytes())?;
            Ok(Poll::Ready(fresh_bytes.filled().len()))
        })
    }

    /// Sends as much as is taken at once and keeps the rest.
    fn send_or_keep(&mut self, context: &mut Context<'_>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, bytes)? else { break };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
            self.is_unflushed = true;
        }
        self.outbox.extend_from_slice(bytes);
        Ok(())
    }

    /// Sends what was kept.
    fn send(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        while self.sent < self.outbox.len() {
            let waiting = &self.outbox[self.sent..];
            let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, waiting)? else {
                return Ok(Poll::Pending);
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.sent += written;
            self.is_unflushed = true;
        }
        if !self.outbox.is_empty() {
            (self.outbox, self.sent) = (Vec::new(), 0);
        }
        if self.is_unflushed {
            if Pin::new(&mut self.stream).poll_flush(context)?.is_pending() {
                return Ok(Poll::Pending);
            }
            self.is_unflushed = false;
        }
        Ok(Poll::Ready(()))
    }

    /// Puts one reply that came from elsewhere into the outbox, if there is one.
    fn take_late(&mut self, context: &mut Context<'_>) -> bool {
        let Some(late) = self.late.as_mut().filter(|_| self.in_hand > 0) else { return false };
        let Poll::Ready(Some(reply)) = late.replies.poll_recv(context) else { return false };
        self.in_hand -= 1;
        self.active = Instant::now();
        if let Some((reply, length)) =
            reply.and_then(|reply| u16::try_from(reply.len()).ok().map(|length| (reply, length)))
        {
            self.outbox.reserve_exact(LENGTH_BYTES + reply.len());
            self.outbox.extend_from_slice(&length.to_be_bytes());
            self.outbox.extend_from_slice(&reply);
        }
        true
    }

    /// Notes since when we wait for what, and tells the others whether we are idle.
    fn look_at_the_clock(&mut self) -> Instant {
        let now = Instant::now();
        let is_sending = !self.outbox.is_empty() || self.is_unflushed;
        self.send_since = is_sending.then(|| self.send_since.unwrap_or(now));
        self.message_since = self.frames.is_partial().then(|| self.message_since.unwrap_or(now));
        if is_sending || self.in_hand > 0 {
            self.visit.busy();
        } else {
            self.visit.idle(self.active);
        }
        now
    }

    /// Until when something must happen, and what it means if it does not.
    fn deadline(&self) -> (Instant, End) {
        if let Some(since) = self.send_since {
            return (since + MESSAGE, End::Slow);
        }
        if self.in_hand > 0 {
            return (self.active + ELSEWHERE, End::Slow);
        }
        if let Some(since) = self.leave_since {
            if self.visit.is_evicted() {
                return (since, End::Left);
            }
            return ((self.active.max(since) + QUIET).min(since + DRAIN_MAX), End::Left);
        }
        match self.message_since {
            Some(since) => (since + MESSAGE, End::Slow),
            None => (self.active + self.shared.settings.load().idle, End::Idle),
        }
    }

    /// Ends our side, and gives the client a moment to end its own.
    async fn say_goodbye(&mut self) {
        if self.visit.is_evicted() {
            // Somebody waits for the descriptor.
            return;
        }
        let goodbye = async {
            self.stream.shutdown().await?;
            let mut rest = [0; 512];
            while self.stream.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        };
        let _ = timeout(LINGER, goodbye).await;
    }
}

/// Where what is answered comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fresh {
    /// From what is held.
    Nothing,
    /// From the stream, too.
    Received,
}

//------------ Late ----------------------------------------------------------

/// Where replies from elsewhere arrive. There are never more than [`IN_HAND_MAX`] of them.
struct Late {
    taker: mpsc::UnboundedSender<Option<Vec<u8>>>,
    replies: mpsc::UnboundedReceiver<Option<Vec<u8>>>,
}

impl Default for Late {
    fn default() -> Self {
        let (taker, replies) = mpsc::unbounded_channel();
        Self { taker, replies }
    }
}

impl Late {
    /// Takes one reply. Dropped without one, it tells so: nobody waits for what will not come.
    fn taker(&self) -> Box<dyn FnOnce(Option<Vec<u8>>) + Send> {
        let promise = Promise { taker: self.taker.clone(), reply: None };
        Box::new(move |reply| promise.keep(reply))
    }
}

struct Promise {
    taker: mpsc::UnboundedSender<Option<Vec<u8>>>,
    reply: Option<Vec<u8>>,
}

impl Promise {
    fn keep(mut self, reply: Option<Vec<u8>>) {
        self.reply = reply;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // If the connection is gone, so is who wanted it.
        let _ = self.taker.send(self.reply.take());
    }
}

#[cfg(test)]
mod tests;
