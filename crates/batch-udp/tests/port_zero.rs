//! A datagram from port 0 has nowhere to be answered to, and is not shown to whoever answers.
//!
//! No ordinary socket can send one, so the test writes the UDP header itself, which needs the right to do so.

use std::{net::SocketAddr, net::UdpSocket, time::Duration};

use batch_udp::{Batch, Sent};
use socket2::{Domain, Protocol, Socket, Type};

#[test]
fn a_datagram_from_port_0_is_met_with_silence() {
    let raw = match Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)) {
        Ok(raw) => raw,
        Err(error) => {
            println!("skipped: no raw sockets here: {error}");
            return;
        }
    };
    let server: Socket = UdpSocket::bind("127.0.0.1:0").unwrap().into();
    server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    Batch::prepare(&server).unwrap();
    let address = server.local_addr().unwrap().as_socket().unwrap();
    let target: SocketAddr = (address.ip(), 0).into();
    // Ports, length, and no checksum, which IPv4 allows (RFC 768).
    let header = |source: u16| {
        let words = [source, address.port(), 8 + 5, 0];
        words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>()
    };
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client_port = client.local_addr().unwrap().port();
    for (source, shown) in [(0, 0), (client_port, 1), (0, 0)] {
        raw.send_to(&[&header(source)[..], b"query"].concat(), &target.into()).unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&server).unwrap(), 1);
        let mut seen = 0;
        let sent = batch.answer(&server, |datagram, reply| {
            assert_eq!((datagram.bytes, datagram.peer.port()), (&b"query"[..], client_port));
            seen += 1;
            reply[0] = b'r';
            1
        });
        assert_eq!((seen, sent), (shown, Sent { sent: shown, refused: 0 }), "from port {source}");
    }
}
