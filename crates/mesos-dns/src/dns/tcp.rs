//! Streams: one task per connection.
//!
//! A connection is read message by message; queries for our names are answered on the spot, others as
//! their replies arrive, so that one slow upstream does not hold up what was pipelined behind it
//! (RFC 7766 section 6.2.1.1). Everything has a limit: connections in all and per client, queries in
//! hand per connection, and the time for a message to arrive.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mesos_dns_core::answer::{Action, Peer, TCP_PAYLOAD_BYTES_MAX, Transport, decide, fail};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::mpsc,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

use super::{Outside, Shared, metrics::Tally};

/// Open connections, at most.
const CONNECTIONS_MAX: usize = 1024;

/// Open connections of one client address, at most.
const CONNECTIONS_PER_CLIENT_MAX: usize = 64;

/// Replies of one connection that are not written yet, at most; beyond it the client is not read.
const IN_HAND_MAX: usize = 32;

/// How long a connection may be silent between messages (RFC 7766 section 6.2.3 leaves it to us).
pub const IDLE: Duration = Duration::from_secs(10);

/// How long a message may take once its first byte is there, and a reply to be taken.
const MESSAGE: Duration = Duration::from_secs(10);

/// How long to wait after a failed accept: descriptors come back when connections close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until told to stop, then lets those open finish what they have in hand.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let clients = Arc::new(Clients::default());
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => match clients.admit(peer.ip()) {
                Some(place) => {
                    let connection = Connection { shared: shared.clone(), peer };
                    connections.spawn(connection.run(stream, stop.clone(), place));
                }
                None => _ = shared.metrics.connections_refused.inc(),
            },
            Err(error) => {
                shared.metrics.accept_errors.inc();
                error!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

//------------ Clients -------------------------------------------------------

/// Who has how many connections.
#[derive(Default)]
struct Clients(Mutex<HashMap<IpAddr, usize>>);

/// A connection's place; given back when dropped.
struct Place {
    clients: Arc<Clients>,
    client: IpAddr,
}

impl Clients {
    fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.entry(client).or_default();
        if all >= CONNECTIONS_MAX || *own >= CONNECTIONS_PER_CLIENT_MAX {
            return None;
        }
        *own += 1;
        Some(Place { clients: self.clone(), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.client);
            }
        }
    }
}

//------------ Connection ----------------------------------------------------

struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
}

impl Connection {
    async fn run(self, stream: TcpStream, stop: CancellationToken, _place: Place) {
        self.shared.metrics.connections.inc();
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let (replies, waiting) = mpsc::channel(IN_HAND_MAX);
        // The writer ends when the last reply is written: those of the forwarder hold a sender too.
        let (_, ()) = tokio::join!(write(writer, waiting), self.read(reader, replies, stop));
        self.shared.metrics.connections.dec();
    }

    /// Reads queries until the client ends, stalls, or the server stops.
    async fn read(&self, mut reader: OwnedReadHalf, replies: mpsc::Sender<Vec<u8>>, stop: CancellationToken) {
        loop {
            let next = tokio::select! {
                next = next_message(&mut reader) => next,
                () = stop.cancelled() => return,
                () = replies.closed() => return,
            };
            match next {
                Ok(Some(message)) => {
                    // A place for the reply first: a client that does not read is not read either.
                    let Ok(Ok(place)) = timeout(MESSAGE, replies.clone().reserve_owned()).await else {
                        return;
                    };
                    self.answer(message, place);
                }
                Ok(None) => return,
                Err(error) => {
                    if error.kind() == io::ErrorKind::TimedOut {
                        self.shared.metrics.connections_cut.inc();
                    }
                    return;
                }
            }
        }
    }

    fn answer(&self, message: Vec<u8>, place: mpsc::OwnedPermit<Vec<u8>>) {
        let peer = Peer { address: self.peer.ip().to_canonical(), transport: Transport::Tcp };
        let published = self.shared.board.load();
        let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
        let standing = self.shared.standing.load(&published);
        let settings = self.shared.settings.load();
        let decided = catch_unwind(AssertUnwindSafe(|| {
            decide(&message, &published.zone, &standing, &settings, peer, rand::random(), &mut out)
        }));
        let action = decided.unwrap_or_else(|_| {
            self.shared.metrics.panics.inc();
            fail(&message, &standing, &settings, peer, &mut out)
        });
        let mut tally = Tally::default();
        tally.note(&action);
        match action {
            Action::Send { length, .. } => {
                // What waits to be written keeps no more than it needs.
                place.send(out[..length].to_vec());
            }
            Action::Forward => {
                let reply = Box::new(|reply: Option<Vec<u8>>| _ = reply.map(|reply| place.send(reply)));
                let outside = Outside::new(message, self.peer, peer, &settings, &standing, reply);
                if let Err(refused) = self.shared.outside.try_send(outside) {
                    let outside = refused.into_inner();
                    let action = fail(&outside.query, &standing, &settings, peer, &mut out);
                    tally.note(&action);
                    if let Action::Send { length, .. } = action {
                        (outside.reply)(Some(out[..length].to_vec()));
                    }
                }
            }
            Action::Drop(_) => {}
        }
        let metrics = &self.shared.metrics;
        tally.tell(&metrics.queries_tcp, metrics, &self.shared.legacy);
    }
}

/// Reads one message: two octets of length, then that many (RFC 1035 section 4.2.2). `None` where the
/// client ended or fell silent between messages.
async fn next_message(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let first = match timeout(IDLE, reader.read_u8()).await {
        Ok(Ok(first)) => first,
        Ok(Err(_)) | Err(_) => return Ok(None),
    };
    let rest = async {
        let length = u16::from_be_bytes([first, reader.read_u8().await?]);
        let mut message = vec![0; usize::from(length)];
        reader.read_exact(&mut message).await?;
        Ok(Some(message))
    };
    timeout(MESSAGE, rest).await?
}

/// Writes replies in the order in which they become ready; a client that takes none for too long is cut.
async fn write(mut writer: OwnedWriteHalf, mut replies: mpsc::Receiver<Vec<u8>>) {
    while let Some(reply) = replies.recv().await {
        let length = u16::try_from(reply.len()).unwrap_or(u16::MAX);
        let framed = [&length.to_be_bytes()[..], &reply].concat();
        if !matches!(timeout(MESSAGE, writer.write_all(&framed)).await, Ok(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// The messages of a stream that comes in two pieces, and how it ends.
    async fn messages(front: &[u8], back: &[u8]) -> (Vec<Vec<u8>>, io::Result<()>) {
        let (mut reader, mut found) = (front.chain(back), Vec::new());
        loop {
            match next_message(&mut reader).await {
                Ok(Some(message)) => found.push(message),
                Ok(None) => return (found, Ok(())),
                Err(error) => return (found, Err(error)),
            }
        }
    }

    /// Any octets at all are messages in a row, and the rest of one.
    #[tokio::test]
    async fn any_stream_is_cut_at_its_lengths() {
        let mut dice = StdRng::seed_from_u64(1);
        for _ in 0..5_000 {
            let mut stream: Vec<u8> = Vec::new();
            for _ in 0..dice.random_range(0..6) {
                let length = dice.random_range(0..300_u16);
                stream.extend(length.to_be_bytes());
                stream.extend((0..length).map(|_| dice.random::<u8>()));
            }
            stream.truncate(stream.len() - dice.random_range(0..=stream.len().min(5)));
            let (mut rest, mut expected) = (&stream[..], Vec::new());
            while let [l0, l1, behind @ ..] = rest {
                let Some((message, behind)) =
                    behind.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))
                else {
                    break;
                };
                expected.push(message.to_vec());
                rest = behind;
            }
            let (front, back) = stream.split_at(dice.random_range(0..=stream.len()));
            let (found, end) = messages(front, back).await;
            assert_eq!(found, expected, "{stream:02x?}");
            assert_eq!(end.is_ok(), rest.is_empty(), "{stream:02x?}: {end:?}");
        }
    }
}
