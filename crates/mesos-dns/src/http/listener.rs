//! Connections: taking them, limiting them, ending them.
//!
//! What a client can hold is bounded in every direction: connections in all and per client, the size
//! and the time of a request's head, the time for taking an answer. When all connections are in use,
//! accepting pauses, newcomers wait in the system's queue, and kept-alive connections are closed after
//! their answer to make room.

use std::{
    convert::Infallible,
    error::Error as _,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Api, clients::Clients, metrics::Limit};
use crate::{dns::Identity, patience::Patient};

/// Largest head of a request in bytes, request line included.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most header lines of a request.
pub const HEADERS_MAX: usize = 100;

/// Connections that wait in the system's queue.
const BACKLOG: i32 = 1024;

/// Pause after a failed `accept`: the cause, mostly a lack of file descriptors, does not go at once.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections in all. The daemon lowers this where file descriptors are few.
    pub connections: usize,
    /// Connections of one IPv4 address or one IPv6 network of 64 bits.
    pub per_client: usize,
    /// From the first wait for a request to the end of its head; also how long a connection may idle.
    pub header_deadline: Duration,
    /// How long a client may take for at least a few kilobytes of its answer.
    pub write_patience: Duration,
    /// How long answers in hand may take once the server is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            per_client: 256,
            header_deadline: Duration::from_secs(10),
            write_patience: Duration::from_secs(10),
            drain: Duration::from_secs(4),
        }
    }
}

/// Binds a listening socket that nobody shares.
///
/// `0.0.0.0` and `::` both stand for every address of both families, as in the original; where the
/// system has no IPv6, `0.0.0.0` stands for IPv4 alone.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip() != IpAddr::from([0, 0, 0, 0]) {
        return open(address);
    }
    match open(SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()))) {
        Err(cause) if cause.kind() != io::ErrorKind::AddrInUse => open(address),
        both => both,
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Lets a restart bind while connections of the former process linger; a living listener still wins.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves the API until told to stop, then finishes the answers in hand: over TLS where there is an identity, else in
/// the clear.
///
/// Returns an error only if the socket cannot be taken over by the runtime.
pub async fn serve(
    listener: TcpListener,
    identity: Option<Arc<Identity>>,
    api: Arc<Api>,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let server = Server {
        slots: Arc::new(Semaphore::new(limits.connections)),
        is_full: Arc::default(),
        clients: Arc::default(),
        http: builder(&limits),
        graceful: GracefulShutdown::new(),
        identity,
        api,
        limits,
    };
    let mut connections = JoinSet::new();
    tokio::select! {
        () = shutdown.cancelled() => {}
        never = server.accept(&listener, &mut connections) => match never {},
    }
    drop(listener);
    // Who waits for changes waits no longer.
    server.api.closing.cancel();
    if timeout(server.limits.drain, server.graceful.shutdown()).await.is_err() {
        warn!(connections = connections.len(), "http clients did not take their answers in time");
    }
    connections.shutdown().await;
    Ok(())
}

pub(super) fn builder(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_deadline)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    http
}

struct Server {
    slots: Arc<Semaphore>,
    /// Whether newcomers have to wait.
    is_full: Arc<AtomicBool>,
    clients: Arc<Clients>,
    http: http1::Builder,
    graceful: GracefulShutdown,
    identity: Option<Arc<Identity>>,
    api: Arc<Api>,
    limits: Limits,
}

impl Server {
    async fn accept(&self, listener: &tokio::net::TcpListener, connections: &mut JoinSet<()>) -> Infallible {
        let metrics = &self.api.metrics;
        let mut is_failing = false;
        loop {
            while connections.try_join_next().is_some() {}
            let slot = self.slot().await;
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if std::mem::take(&mut is_failing) {
                        info!("accepting http connections again");
                    }
                    let Some(visit) = self.clients.enter(peer.ip(), self.limits.per_client) else {
                        metrics.reached(Limit::PerClient);
                        continue;
                    };
                    // Small answers leave at once. If this fails, they leave a little later.
                    let _ = stream.set_nodelay(true);
                    let (speaker, identity, held) = (self.speaker(), self.identity.clone(), (slot, visit));
                    connections.spawn(async move {
                        let _held = held;
                        match identity {
                            Some(identity) => speaker.shake_hands(&identity, stream).await,
                            None => speaker.converse(stream).await,
                        }
                    });
                }
                Err(cause) => {
                    metrics.accept_errors.inc();
                    if !std::mem::replace(&mut is_failing, true) {
                        warn!(error = %cause, "cannot accept http connections, trying on");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A place for one more connection, as soon as there is one.
    async fn slot(&self) -> OwnedSemaphorePermit {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return slot;
        }
        self.api.metrics.reached(Limit::Connections);
        self.is_full.store(true, Ordering::Relaxed);
        let slot = Arc::clone(&self.slots).acquire_owned().await.expect("nobody closes this semaphore");
        self.is_full.store(false, Ordering::Relaxed);
        slot
    }

    /// What one connection takes with it.
    fn speaker(&self) -> Speaker {
        Speaker {
            http: self.http.clone(),
            api: Arc::clone(&self.api),
            is_full: Arc::clone(&self.is_full),
            watcher: self.graceful.watcher(),
            write_patience: self.limits.write_patience,
        }
    }
}

/// Our side of one connection.
struct Speaker {
    http: http1::Builder,
    api: Arc<Api>,
    is_full: Arc<AtomicBool>,
    watcher: Watcher,
    write_patience: Duration,
}

impl Speaker {
    /// One connection over TLS; its handshake has a deadline.
    async fn shake_hands(self, identity: &Identity, stream: TcpStream) {
        match identity.accept(stream).await {
            Ok(stream) => self.converse(stream).await,
            Err(cause) => {
                self.api.metrics.handshake_failures.inc();
                debug!(error = %cause, "http client did not shake hands");
            }
        }
    }

    /// One connection from its first to its last request.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self { http, api, is_full, watcher, write_patience } = self;
        let metrics = Arc::clone(&api.metrics);
        let service = service_fn(move |request| {
            let (api, is_full) = (Arc::clone(&api), Arc::clone(&is_full));
            async move {
                let mut response = api.respond(&request).await;
                if is_full.load(Ordering::Relaxed) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let stream = TokioIo::new(Patient::new(stream, write_patience));
        metrics.opened.inc();
        if let Err(cause) = watcher.watch(http.serve_connection(stream, service)).await {
            match reached(&cause) {
                Some(limit) => metrics.reached(limit),
                None if cause.is_parse() || cause.is_incomplete_message() => _ = metrics.malformed.inc(),
                None => {}
            }
            debug!(error = %cause, "http connection ended early");
        }
        metrics.closed.inc();
    }
}

/// Which limit ended a connection, if one did.
fn reached(cause: &hyper::Error) -> Option<Limit> {
    let from_stream = cause.source().and_then(|source| source.downcast_ref::<io::Error>());
    if cause.is_parse_too_large() {
        Some(Limit::HeaderSize)
    } else if from_stream.is_some_and(|source| source.kind() == io::ErrorKind::TimedOut) {
        Some(Limit::SlowReader)
    } else if cause.is_timeout() {
        Some(Limit::HeaderDeadline)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_and_nobody_else() {
        let listener = bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        if std::net::TcpListener::bind("[::1]:0").is_ok() {
            assert!(std::net::TcpStream::connect(("::1", port)).is_ok());
        } else {
            println!("skipped: no IPv6 here");
        }
        for address in ["0.0.0.0", "127.0.0.1", "[::]"] {
            let address: SocketAddr = format!("{address}:{port}").parse().unwrap();
            assert_eq!(bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse, "{address}");
        }
    }
}
