//! Streams: accepting connections, and handing each to what it carries.
//!
//! One task per connection. All limits are here or behind [`Clients`]: connections in all and per client, and what
//! happens when the system has no more descriptors.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use mesos_dns_core::answer::Transport;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::TcpStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use super::{
    Clients, Identity, Shared,
    clients::{Full, Visit},
    connection, https,
    metrics::Carried,
};

/// How long to wait after a failed accept: descriptors come back when connections close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections to a listener carry.
#[derive(Clone)]
pub enum Carrier {
    /// HTTP requests with messages, in TLS (RFC 8484).
    Https(Arc<Identity>),
    /// Messages.
    Plain,
    /// Messages in TLS (RFC 7858).
    Tls(Arc<Identity>),
}

impl Carrier {
    /// Who we are to its clients, where that matters.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match self {
            Self::Https(identity) | Self::Tls(identity) => Some(identity),
            Self::Plain => None,
        }
    }
}

/// Accepts connections until told to stop, then lets those open finish what they have in hand.
pub async fn serve(
    listener: TcpListener,
    carrier: Carrier,
    shared: Arc<Shared>,
    clients: Arc<Clients>,
    stop: CancellationToken,
) -> io::Result<()> {
    let server = Server {
        listener: tokio::net::TcpListener::from_std(listener)?,
        carrier,
        shared,
        clients,
        connections: TaskTracker::new(),
    };
    tokio::select! {
        never = server.accept() => match never {},
        () = stop.cancelled() => {}
    }
    server.accept_waiting().await;
    let Server { listener, connections, .. } = server;
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

struct Server {
    listener: tokio::net::TcpListener,
    carrier: Carrier,
    shared: Arc<Shared>,
    clients: Arc<Clients>,
    connections: TaskTracker,
}

impl Server {
    async fn accept(&self) -> std::convert::Infallible {
        let mut is_failing = false;
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    if std::mem::take(&mut is_failing) {
                        info!("accepting dns connections again");
                    }
                    if self.seat(stream, from) {
                        // Whoever makes room needs a moment to go.
                        tokio::task::yield_now().await;
                    }
                }
                // The system looks for a descriptor before it looks whether anybody waits.
                Err(error) if is_out_of_descriptors(&error) && !self.is_somebody_waiting() => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                Err(error) => {
                    self.shared.metrics.accept_errors.inc();
                    if !std::mem::replace(&mut is_failing, true) {
                        warn!(%error, "cannot accept dns connections, trying on");
                    }
                    if is_out_of_descriptors(&error) && self.clients.make_room() {
                        self.shared.metrics.connections_evicted.inc();
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Whether a connection waits to be accepted.
    fn is_somebody_waiting(&self) -> bool {
        let mut asked = [PollFd::new(&self.listener, PollFlags::IN)];
        // If the system does not say, it is as if somebody did.
        poll(&mut asked, Some(&Timespec::default())).is_err() || asked[0].revents().contains(PollFlags::IN)
    }

    /// Takes what the system has accepted for us already: who has sent a query by now gets the answer.
    async fn accept_waiting(&self) {
        std::future::poll_fn(|context| {
            while let Poll::Ready(Ok((stream, from))) = self.listener.poll_accept(context) {
                self.seat(stream, from);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Gives a connection a seat, or closes it. Tells whether another one had to make room.
    fn seat(&self, stream: TcpStream, from: SocketAddr) -> bool {
        let metrics = &self.shared.metrics;
        match self.clients.admit(from.ip()) {
            Ok((visit, made_room)) => {
                if made_room {
                    metrics.connections_evicted.inc();
                }
                let (carrier, shared) = (self.carrier.clone(), self.shared.clone());
                self.connections.spawn(carry(carrier, stream, from, shared, visit));
                made_room
            }
            Err(full) => {
                let refused = match full {
                    Full::Connections => &metrics.connections_refused_full,
                    Full::PerClient => &metrics.connections_refused_client,
                };
                refused.inc();
                false
            }
        }
    }
}

/// One connection, whatever it carries.
async fn carry(carrier: Carrier, stream: TcpStream, from: SocketAddr, shared: Arc<Shared>, visit: Visit) {
    // Answers leave at once. If this fails, they leave a little later.
    let _ = stream.set_nodelay(true);
    match carrier {
        Carrier::Plain => {
            let _open = shared.metrics.open(Carried::Tcp);
            connection::serve(stream, from, Transport::Tcp, shared.clone(), visit).await;
        }
        Carrier::Tls(identity) => {
            let _open = shared.metrics.open(Carried::Tls);
            let Some(stream) = shake_hands(identity.accept(stream), &shared, &visit).await else { return };
            connection::serve(stream, from, Transport::Tls, shared.clone(), visit).await;
        }
        Carrier::Https(identity) => {
            let _open = shared.metrics.open(Carried::Https);
            let stream = https::patient(stream);
            let Some(stream) = shake_hands(identity.accept(stream), &shared, &visit).await else { return };
            https::serve(stream, from, shared.clone(), visit).await;
        }
    }
}

/// The outcome of a handshake, unless it fails or the connection has to go first.
async fn shake_hands<T>(
    handshake: impl Future<Output = io::Result<T>>,
    shared: &Shared,
    visit: &Visit,
) -> Option<T> {
    let shaken = tokio::select! {
        shaken = handshake => shaken,
        () = leave(visit) => return None,
    };
    match shaken {
        Ok(stream) => Some(stream),
        Err(error) => {
            shared.metrics.handshake_failures.inc();
            debug!(%error, "a tls handshake failed");
            None
        }
    }
}

/// Ends when a connection that is no further than its handshake has to go. When the server stops, it may still finish
/// it and ask.
async fn leave(visit: &Visit) {
    visit.leave().cancelled().await;
    if !visit.is_evicted() {
        tokio::time::sleep(connection::DRAIN_MAX).await;
    }
}

/// `EMFILE` and `ENFILE`.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}
