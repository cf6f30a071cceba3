//! Another name server as a process of ours: a port for it, and when it is up.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    process::Child,
    time::{Duration, Instant},
};

/// How long one may take to start, and to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An address on loopback that is free for UDP and TCP, for the moment.
pub(crate) fn free_port() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Asks for the SOA record of `zone`, a name in wire form and with RD, as resolvers want it, until the server answers, or is gone.
pub(crate) fn is_up(server: &mut Child, address: SocketAddr, zone: &[u8]) -> io::Result<bool> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let soa = [b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0", zone, b"\0\x06\0\x01"].concat();
    let started = Instant::now();
    while started.elapsed() < PATIENCE && server.try_wait()?.is_none() {
        let mut reply = [0; 512];
        if socket.send(&soa).and_then(|_| socket.recv(&mut reply)).is_ok() && reply[3] & 15 == 0 {
            return Ok(true);
        }
        std::thread::yield_now();
    }
    Ok(false)
}
