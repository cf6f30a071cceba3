//! Connections to one server, shared by queries (RFC 7766).
//!
//! A query is sent on a connection that is there, with others before it still unanswered, and replies come in
//! any order. On a connection a query has an identifier that is free there; the reply goes back under the one it
//! came with. Few connections are kept, and each is closed when nothing was asked for a while.
//!
//! Servers close connections when they like, also while a query is on its way: what was sent on a connection that
//! breaks is sent once more on another one, and only then fails.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use mesos_dns_core::forward::{admission::CLIENT_OUTSTANDING_MAX, exchange::OPEN_MAX, server::Server};
use prometheus_client::metrics::gauge::Gauge;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout},
};

use super::tls;

/// Most connections to one server.
const CONNECTIONS_MAX: usize = 4;

/// Most queries on one connection.
const PIPELINED_MAX: usize = 250;

// A client that asks for nothing but names which take long, several times each, leaves room for others.
const _: () = assert!(CONNECTIONS_MAX * PIPELINED_MAX > CLIENT_OUTSTANDING_MAX as usize * OPEN_MAX);

/// How long a connection may take to come about, TLS included.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long a connection is kept on which nothing is asked (RFC 7766 section 6.2.3: some seconds).
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A connection on which a query got no reply for so long, and nobody else either, is given up.
const DEAF_MIN: Duration = Duration::from_secs(1);

/// The connections to one server.
pub(super) struct Pool {
    server: Server,
    tls: Option<Arc<ClientConfig>>,
    connections: Mutex<Vec<Arc<Connection>>>,
    /// How many there are.
    count: Gauge,
}

/// One connection: what waits on it.
struct Connection {
    state: Mutex<State>,
}

struct State {
    /// Queries without a reply, by the identifier they have here.
    pending: HashMap<u16, Request>,
    /// Identifiers to be sent. `None` when the connection is closed: nothing more is asked on it.
    queue: Option<mpsc::UnboundedSender<u16>>,
    /// When something was last heard.
    heard: Instant,
}

/// A query on its way.
struct Request {
    message: Vec<u8>,
    reply: mpsc::UnboundedSender<io::Result<Vec<u8>>>,
    place: Arc<Mutex<Option<Place>>>,
    /// Whether it was sent before, on a connection that broke.
    is_repeated: bool,
}

/// Where a query waits.
struct Place {
    connection: Arc<Connection>,
    id: u16,
    since: Instant,
}

/// Somebody who waits for replies to a query.
pub(in crate::forward) struct Waiting {
    replies: mpsc::UnboundedReceiver<io::Result<Vec<u8>>>,
    place: Arc<Mutex<Option<Place>>>,
}

impl Pool {
    pub(super) fn new(server: Server, tls: Option<Arc<ClientConfig>>, count: Gauge) -> Arc<Self> {
        Arc::new(Self { server, tls, connections: Mutex::default(), count })
    }

    /// Sends a query on one of the connections; makes one if there is none with room.
    pub(super) fn send(self: &Arc<Self>, message: &[u8]) -> io::Result<Waiting> {
        let (reply, replies) = mpsc::unbounded_channel();
        let place = Arc::new(Mutex::new(None));
        let request = Request { message: message.to_vec(), reply, place: place.clone(), is_repeated: false };
        match self.submit(request) {
            Ok(()) => Ok(Waiting { replies, place }),
            // More are waiting than this server will ever answer in time.
            Err(_) => Err(io::ErrorKind::ResourceBusy.into()),
        }
    }

    fn submit(self: &Arc<Self>, mut request: Request) -> Result<(), Request> {
        let mut connections = lock(&self.connections);
        for connection in &*connections {
            match connection.submit(request) {
                Ok(()) => return Ok(()),
                Err(refused) => request = refused,
            }
        }
        if connections.len() >= CONNECTIONS_MAX {
            return Err(request);
        }
        let (sender, queue) = mpsc::unbounded_channel();
        let state = State { pending: HashMap::new(), queue: Some(sender), heard: Instant::now() };
        let connection = Arc::new(Connection { state: Mutex::new(state) });
        let submitted = connection.submit(request);
        connections.push(connection.clone());
        self.count.inc();
        // It ends by itself: when idle, when given up, or with the server.
        tokio::spawn(self.clone().run(connection, queue));
        submitted
    }

    /// A connection's whole life.
    async fn run(self: Arc<Self>, connection: Arc<Connection>, queue: mpsc::UnboundedReceiver<u16>) {
        let (error, was_open) = match timeout(CONNECT_MAX, self.connect()).await {
            Ok(Ok(stream)) => (connection.serve(stream, queue).await, true),
            Ok(Err(error)) => (error, false),
            Err(_) => (io::ErrorKind::TimedOut.into(), false),
        };
        lock(&self.connections).retain(|other| !Arc::ptr_eq(other, &connection));
        self.count.dec();
        for mut request in connection.close() {
            if was_open && !request.is_repeated {
                request.is_repeated = true;
                match self.submit(request) {
                    Ok(()) => continue,
                    Err(refused) => request = refused,
                }
            }
            // Whoever asked may be gone.
            _ = request.reply.send(Err(copy(&error)));
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.server.address).await?;
        stream.set_nodelay(true)?;
        Ok(match (&self.tls, &self.server.tls) {
            (Some(config), Some(name)) => Box::new(tls::connect(config.clone(), stream, name).await?),
            _ => Box::new(stream),
        })
    }
}

/// TCP or TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connection {
    /// Takes a query on, if there is room.
    fn submit(self: &Arc<Self>, request: Request) -> Result<(), Request> {
        let mut state = lock(&self.state);
        let State { pending, queue: Some(queue), .. } = &mut *state else { return Err(request) };
        if pending.len() >= PIPELINED_MAX {
            return Err(request);
        }
        let free = loop {
            if let Entry::Vacant(free) = pending.entry(rand::random()) {
                break free;
            }
        };
        let id = *free.key();
        let since = Instant::now();
        *lock(&request.place) = Some(Place { connection: self.clone(), id, since });
        // Whoever asked may have gone while the query was between two connections, and withdraws nothing then.
        if !free.insert(request).reply.is_closed() {
            // The receiver lives as long as the queue is here.
            _ = queue.send(id);
        } else {
            pending.remove(&id);
        }
        Ok(())
    }

    /// Sends and receives until the connection ends, and says why it did.
    async fn serve(&self, stream: Box<dyn Stream>, queue: mpsc::UnboundedReceiver<u16>) -> io::Error {
        let (reader, writer) = split(stream);
        let ended = tokio::select! {
            ended = self.read(reader) => ended,
            ended = self.write(writer, queue) => ended,
        };
        ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Hands replies out as they come; ends when the server closes and when nothing was asked for a while.
    async fn read(&self, mut reader: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut buffer = BytesMut::new();
        loop {
            match timeout(IDLE_MAX, reader.read_buf(&mut buffer)).await {
                Ok(Ok(0)) => return Ok(()),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) if self.close_if_idle() => return Ok(()),
                Err(_) => {}
            }
            while let Some(message) = take_frame(&mut buffer) {
                self.hear(message);
            }
        }
    }

    /// Sends queries as they come; ends when the connection is closed on our side.
    async fn write(
        &self,
        mut writer: impl AsyncWrite + Unpin,
        mut queue: mpsc::UnboundedReceiver<u16>,
    ) -> io::Result<()> {
        while let Some(id) = queue.recv().await {
            let mut frames = Vec::new();
            self.frame(id, &mut frames);
            while let Ok(id) = queue.try_recv() {
                self.frame(id, &mut frames);
            }
            writer.write_all(&frames).await?;
            writer.flush().await?;
        }
        Ok(())
    }

    /// Appends a query under its identifier here, unless nobody waits for it any more.
    fn frame(&self, id: u16, frames: &mut Vec<u8>) {
        let state = lock(&self.state);
        let Some((_, rest)) = state.pending.get(&id).and_then(|request| request.message.split_at_checked(2))
        else {
            return;
        };
        let length = u16::try_from(rest.len() + 2).expect("a query is a few hundred bytes");
        frames.extend_from_slice(&length.to_be_bytes());
        frames.extend_from_slice(&id.to_be_bytes());
        frames.extend_from_slice(rest);
    }

    /// Gives a message to whoever waits for its identifier, under the identifier of the query. Whether it
    /// answers the question is judged there: until the query is withdrawn, others may come.
    fn hear(&self, mut message: Vec<u8>) {
        let mut state = lock(&self.state);
        state.heard = Instant::now();
        let Some(place) = message.first_chunk_mut() else { return };
        let Some(request) = state.pending.get(&u16::from_be_bytes(*place)) else { return };
        if let Some(id) = request.message.first_chunk() {
            *place = *id;
        }
        _ = request.reply.send(Ok(message));
    }

    /// Nobody waits for this any more. If nothing at all was heard since, the connection is given up.
    fn withdraw(&self, id: u16, since: Instant) {
        let mut state = lock(&self.state);
        state.pending.remove(&id);
        if state.heard <= since && since.elapsed() >= DEAF_MIN {
            state.queue = None;
        }
    }

    fn close_if_idle(&self) -> bool {
        let mut state = lock(&self.state);
        if state.pending.is_empty() {
            state.queue = None;
        }
        state.pending.is_empty()
    }

    /// Takes nothing on any more; what was pending is given back.
    fn close(&self) -> Vec<Request> {
        let mut state = lock(&self.state);
        state.queue = None;
        state.pending.drain().map(|(_, request)| request).collect()
    }
}

impl Waiting {
    /// The next reply under our identifier, or why there will be none.
    pub(super) fn poll_hear(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let heard = ready!(self.replies.poll_recv(context));
        Poll::Ready(heard.unwrap_or_else(|| Err(io::ErrorKind::ConnectionAborted.into())))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // In this order, see `submit`.
        self.replies.close();
        let place = lock(&self.place).take();
        if let Some(Place { connection, id, since }) = place {
            connection.withdraw(id, since);
        }
    }
}

/// Cuts a whole message off the front of what was received.
fn take_frame(buffer: &mut BytesMut) -> Option<Vec<u8>> {
    let length = buffer.first_chunk().copied().map(u16::from_be_bytes)?;
    let end = usize::from(length) + 2;
    let message = buffer.get(2..end)?.to_vec();
    buffer.advance(end);
    Some(message)
}

/// The same error for one more who waits.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
