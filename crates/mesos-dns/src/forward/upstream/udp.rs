//! A try over UDP.
//!
//! Every try has a socket of its own on a random port, so that a forged reply has to guess the port as well
//! as the identifier (RFC 5452 section 9.2), and a late reply to an older try finds nobody.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::net::{RecvFlags, recvfrom};
use tokio::{io::Interest, net::UdpSocket};

/// Source ports for queries. Drawn here and not left to the kernel, whose range an operator may have made
/// small; above the ports that services and Mesos tasks (31000 to 32000) are given.
const SOURCE_PORTS: RangeInclusive<u16> = 32_768..=65_535;

/// How often a port is drawn before the kernel is asked for a free one.
const PORT_DRAWS_MAX: usize = 8;

/// Largest datagram taken from a server. We ask for 1232; some send what they like. What is longer counts as
/// truncated and is asked for again over TCP.
const DATAGRAM_BYTES_MAX: usize = 4096;

/// A socket on which one query was sent.
pub(in crate::forward) struct Datagrams {
    server: SocketAddr,
    hearing: Hearing,
}

/// Gives the socket back with the datagram.
type Hearing = Pin<Box<dyn Future<Output = io::Result<(UdpSocket, Vec<u8>)>> + Send>>;

impl Datagrams {
    /// Sends a query.
    pub(super) fn send(server: SocketAddr, query: &[u8]) -> io::Result<Self> {
        let socket = bind(server)?;
        socket.set_nonblocking(true)?;
        socket.connect(server)?;
        socket.send(query)?;
        Ok(Self { server, hearing: Box::pin(hear(UdpSocket::from_std(socket)?, server)) })
    }

    /// The next datagram from the server. An error is the last that is heard.
    pub(super) fn poll_hear(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let (socket, datagram) = ready!(self.hearing.as_mut().poll(context))?;
        self.hearing = Box::pin(hear(socket, self.server));
        Poll::Ready(Ok(datagram))
    }
}

/// The next datagram. That nobody listens there is heard as well: a socket with nothing but an error is not
/// readable to Tokio, so errors are waited for by name.
async fn hear(socket: UdpSocket, server: SocketAddr) -> io::Result<(UdpSocket, Vec<u8>)> {
    loop {
        let receive = || {
            let mut buffer = [0; DATAGRAM_BYTES_MAX];
            let (length, _, from) = recvfrom(&socket, &mut buffer, RecvFlags::empty())?;
            Ok((buffer[..length].to_vec(), from.and_then(|from| SocketAddr::try_from(from).ok())))
        };
        let (mut datagram, from) = socket.async_io(Interest::READABLE | Interest::ERROR, receive).await?;
        if datagram.len() == DATAGRAM_BYTES_MAX {
            mark_truncated(&mut datagram);
        }
        // The kernel lets only the server through, but for what came in between binding and connecting.
        if from.is_some_and(|from| (from.ip(), from.port()) == (server.ip(), server.port())) {
            return Ok((socket, datagram));
        }
    }
}

/// A socket on a random port, from a generator fit for cryptography.
fn bind(server: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let drawn = (0..PORT_DRAWS_MAX).map(|_| rand::random_range(SOURCE_PORTS));
    for port in drawn.chain([0]) {
        match std::net::UdpSocket::bind((any, port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Sets TC in the header of a datagram that filled the buffer.
fn mark_truncated(datagram: &mut [u8]) {
    if let Some(flags) = datagram.get_mut(2) {
        *flags |= 0x02;
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn that_nobody_listens_is_heard_at_once() {
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for _ in 0..20 {
            let mut datagrams = Datagrams::send(nobody, b"query").unwrap();
            let heard =
                timeout(Duration::from_secs(10), poll_fn(|context| datagrams.poll_hear(context))).await;
            let error = heard.expect("the kernel says so").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
    }
}
