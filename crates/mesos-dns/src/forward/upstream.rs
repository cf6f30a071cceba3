//! One server: how it is asked, and what an operator hears of it.
//!
//! Every try has a socket of its own on a random port, so that a forged reply has to guess the port as well
//! as the identifier (RFC 5452 section 9.2), and a late reply to an older try finds nobody.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use mesos_dns_core::forward::exchange::Heard;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};
use tracing::{info, warn};

use super::metrics::Ended;

/// Source ports for queries. Drawn here and not left to the kernel, whose range an operator may have made
/// small; above the ports that services and Mesos tasks (31000 to 32000) are given.
const SOURCE_PORTS: RangeInclusive<u16> = 32_768..=65_535;

/// How often a port is drawn before the kernel is asked for a free one.
const PORT_DRAWS_MAX: usize = 8;

/// Largest datagram taken from a server. We ask for 1232; some send what they like. What is longer counts as
/// truncated and is asked for again over TCP.
const DATAGRAM_BYTES_MAX: usize = 4096;

/// Tries in a row without any reply after which a server is reported. Single tries fail all the time: they
/// depend on what is asked, and strangers choose that.
const SILENT_TRIES_TO_REPORT: u32 = 10;

/// One server.
#[derive(Debug)]
pub(super) struct Upstream {
    server: SocketAddr,
    silent_tries: AtomicU32,
}

impl Upstream {
    pub(super) fn new(server: SocketAddr) -> Arc<Self> {
        Arc::new(Self { server, silent_tries: AtomicU32::new(0) })
    }

    /// Takes note of how a try ended; reports a server that has fallen silent, and that is back.
    pub(super) fn note(&self, ended: Ended) {
        match ended {
            Ended::Heard(_) => {
                let silent_tries = self.silent_tries.swap(0, Ordering::Relaxed);
                if silent_tries >= SILENT_TRIES_TO_REPORT {
                    info!(server = %self.server, silent_tries, "server answers again");
                }
            }
            Ended::Timeout | Ended::Failure => {
                let before = self.silent_tries.fetch_add(1, Ordering::Relaxed);
                if before.saturating_add(1) == SILENT_TRIES_TO_REPORT {
                    warn!(server = %self.server, silent_tries = SILENT_TRIES_TO_REPORT, "server does not answer");
                }
            }
        }
    }
}

/// Asks over UDP; lets `hear` judge each datagram until one ends the try. The caller bounds the wait.
pub(super) async fn ask_udp(
    server: SocketAddr,
    query: &[u8],
    mut hear: impl FnMut(&[u8]) -> Heard,
) -> io::Result<Heard> {
    let socket = bind(server)?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // The kernel lets only the server through, but for what came in between binding and connecting.
        let (length, from) = socket.recv_from(&mut buffer).await?;
        if (from.ip(), from.port()) != (server.ip(), server.port()) {
            continue;
        }
        if length == buffer.len() {
            mark_truncated(&mut buffer);
        }
        match hear(&buffer[..length]) {
            Heard::Stray => {}
            heard => return Ok(heard),
        }
    }
}

/// Asks over TCP, in the same manner.
pub(super) async fn ask_tcp(
    server: SocketAddr,
    query: &[u8],
    mut hear: impl FnMut(&[u8]) -> Heard,
) -> io::Result<Heard> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    loop {
        let length = stream.read_u16().await?;
        // Grows with what comes and not with what is promised.
        let mut message = Vec::new();
        (&mut stream).take(u64::from(length)).read_to_end(&mut message).await?;
        if message.len() != usize::from(length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match hear(&message) {
            Heard::Stray => {}
            heard => return Ok(heard),
        }
    }
}

/// A socket on a random port, from a generator fit for cryptography.
fn bind(server: SocketAddr) -> io::Result<UdpSocket> {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let drawn = (0..PORT_DRAWS_MAX).map(|_| rand::random_range(SOURCE_PORTS));
    for port in drawn.chain([0]) {
        match std::net::UdpSocket::bind((any, port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
            Ok(socket) => {
                socket.set_nonblocking(true)?;
                return UdpSocket::from_std(socket);
            }
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
