//! Sockets: open before anything is served, so that failure is told at the start.
//!
//! Some may be open already, by the service manager, which keeps them over a restart; only what is missing is bound.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use batch_udp::Batch;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Bytes of datagrams that may wait in the kernel per worker: some 10 ms of full load.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// How often the system is asked for a port that is free for both protocols.
const PORT_TRIES: usize = 16;

/// The sockets of one listening address.
pub struct Sockets {
    /// The address bound, with the port the system gave if 0 was asked for.
    pub address: SocketAddr,
    /// One UDP socket per worker, sharing the port; none where only streams are served. Of those handed down, which may
    /// be fewer, several workers have the same.
    pub udp: Vec<Socket>,
    /// The TCP listeners: one, unless more were handed down.
    pub tcp: Vec<TcpListener>,
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot bind {protocol} {address}")]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// `UDP` or `TCP`.
    pub protocol: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Binds one address for UDP, once per worker, and for TCP.
///
/// The wildcard address of IPv4 is bound as that of IPv6 where the system has it, which serves both, as
/// the original does. With port 0 the system chooses one port for both protocols.
///
/// Sockets for `datagrams` and `streams` that are open already are taken in place of new ones.
pub fn bind(
    address: SocketAddr,
    workers: usize,
    datagrams: Vec<Socket>,
    streams: Vec<Socket>,
) -> Result<Sockets, BindError> {
    if datagrams.is_empty() && streams.is_empty() {
        return both_families(address, |address| bind_exactly(address, workers));
    }
    let fail = |protocol| move |source| BindError { address, protocol, source };
    let tcp = match streams.is_empty() {
        true => either_family(address, tcp).map(|listener| vec![listener]),
        false => listeners(streams),
    };
    let udp = match datagrams.is_empty() {
        true => either_family(address, |address| udp_all(address, workers)),
        false => share(&datagrams, workers),
    };
    taken(address, tcp.map_err(fail("TCP"))?, udp.map_err(fail("UDP"))?)
}

/// Binds one address for TCP alone: what is encrypted has no datagrams. Streams that are open already are taken.
pub fn bind_stream(address: SocketAddr, streams: Vec<Socket>) -> Result<Sockets, BindError> {
    let fail = |source| BindError { address, protocol: "TCP", source };
    if !streams.is_empty() {
        return taken(address, listeners(streams).map_err(fail)?, Vec::new());
    }
    both_families(address, |address| {
        let fail = |source| BindError { address, protocol: "TCP", source };
        let tcp = tcp(address).map_err(fail)?;
        Ok(Sockets { address: tcp.local_addr().map_err(fail)?, udp: Vec::new(), tcp: vec![tcp] })
    })
}

/// Sockets of which some were open, with the address that they have.
fn taken(wanted: SocketAddr, tcp: Vec<TcpListener>, udp: Vec<Socket>) -> Result<Sockets, BindError> {
    let bound = tcp.first().map_or(Ok(wanted), TcpListener::local_addr);
    let address = bound.map_err(|source| BindError { address: wanted, protocol: "TCP", source })?;
    Ok(Sockets { address, udp, tcp })
}

fn both_families(
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> Result<Sockets, BindError>,
) -> Result<Sockets, BindError> {
    match unspecified_both(address) {
        Some(both) => {
            bind(both).or_else(|error| if lacks_family(&error.source) { bind(address) } else { Err(error) })
        }
        None => bind(address),
    }
}

/// The same for one kind of socket.
fn either_family<T>(address: SocketAddr, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    match unspecified_both(address) {
        Some(both) => {
            bind(both).or_else(|error| if lacks_family(&error) { bind(address) } else { Err(error) })
        }
        None => bind(address),
    }
}

/// Whether there is no IPv6 on this machine.
fn lacks_family(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EADDRNOTAVAIL))
}

const EAFNOSUPPORT: i32 = 97;
const EADDRNOTAVAIL: i32 = 99;

/// `[::]:port` for `0.0.0.0:port`.
fn unspecified_both(address: SocketAddr) -> Option<SocketAddr> {
    let is_v4_wildcard = address.is_ipv4() && address.ip().is_unspecified();
    is_v4_wildcard.then(|| SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), address.port()))
}

/// The port that the system gives for TCP may be somebody's for UDP: then it is asked for another.
fn bind_exactly(address: SocketAddr, workers: usize) -> Result<Sockets, BindError> {
    let is_taken = |bound: &Result<Sockets, BindError>| {
        bound.as_ref().is_err_and(|error| error.source.kind() == io::ErrorKind::AddrInUse)
    };
    let mut bound = bind_once(address, workers);
    for _ in 1..PORT_TRIES {
        if address.port() != 0 || !is_taken(&bound) {
            break;
        }
        bound = bind_once(address, workers);
    }
    bound
}

fn bind_once(address: SocketAddr, workers: usize) -> Result<Sockets, BindError> {
    let fail = |protocol| move |source| BindError { address, protocol, source };
    let tcp = tcp(address).map_err(fail("TCP"))?;
    let bound = tcp.local_addr().map_err(fail("TCP"))?;
    Ok(Sockets { address: bound, udp: udp_all(bound, workers).map_err(fail("UDP"))?, tcp: vec![tcp] })
}

fn udp_all(address: SocketAddr, workers: usize) -> io::Result<Vec<Socket>> {
    // A socket that shares its port would be given its part of another program's queries without a
    // word. One that does not share finds out.
    drop(udp(address, false)?);
    (0..workers.max(1)).map(|_| udp(address, true)).collect()
}

/// Sockets that are open already, for so many workers: each has at least one worker, or its queries would wait for ever.
fn share(open: &[Socket], workers: usize) -> io::Result<Vec<Socket>> {
    for socket in open {
        // A worker waits in the system; the mode is the socket's, whoever set it.
        socket.set_nonblocking(false)?;
        // The system may refuse, and the unit may have asked for more.
        if socket.recv_buffer_size()? < RECEIVE_BUFFER_BYTES {
            socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        }
        Batch::prepare(socket)?;
    }
    open.iter().cycle().take(workers.max(open.len())).map(Socket::try_clone).collect()
}

fn listeners(open: Vec<Socket>) -> io::Result<Vec<TcpListener>> {
    let ready = |socket: Socket| socket.set_nonblocking(true).map(|()| socket.into());
    open.into_iter().map(ready).collect()
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    serve_both_families(&socket, address)?;
    // Lets a restart bind while connections of the former process linger; never shares a live listener.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn udp(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    serve_both_families(&socket, address)?;
    socket.set_reuse_port(is_shared)?;
    // The system may grant less; that is its operator's choice.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    Batch::prepare(&socket)?;
    Ok(socket)
}

fn serve_both_families(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() { socket.set_only_v6(!address.ip().is_unspecified()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind_new(address: SocketAddr, workers: usize) -> Result<Sockets, BindError> {
        bind(address, workers, Vec::new(), Vec::new())
    }

    #[test]
    fn a_port_in_use_is_noticed_even_if_its_holder_shares_it() {
        let first = bind_new("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        assert_eq!(first.udp.len(), 2);
        let again = bind_new(first.address, 1).err().unwrap();
        assert_eq!((again.protocol, again.source.kind()), ("TCP", io::ErrorKind::AddrInUse));
        let Sockets { address, udp: _udp, tcp } = first;
        drop(tcp);
        let again = bind_new(address, 1).err().unwrap();
        assert_eq!((again.protocol, again.source.kind()), ("UDP", io::ErrorKind::AddrInUse));
    }

    #[test]
    fn the_system_gives_a_port_that_is_free_for_both() {
        // So many that some of the ports given for TCP would be among them.
        let taken: Vec<_> = (0..700).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for _ in 0..300 {
            let bound = bind_new("127.0.0.1:0".parse().unwrap(), 1);
            assert!(bound.is_ok(), "{:?}", bound.err());
        }
        drop(taken);
    }

    #[test]
    fn the_wildcard_serves_both_families() {
        let sockets = bind_new("0.0.0.0:0".parse().unwrap(), 1).unwrap();
        let port = sockets.address.port();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        if TcpListener::bind("[::1]:0").is_err() {
            println!("skipped: no IPv6 here");
            return;
        }
        std::net::TcpStream::connect(("::1", port)).unwrap();
    }
}
