//! Datagrams over the loopback interface, answered from the address they were sent to.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use batch_udp::{BATCH, Batch, Sent};
use socket2::{Domain, Socket, Type};

fn server(bind: &str) -> (Socket, u16) {
    let address: SocketAddr = bind.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(false).unwrap();
    }
    socket.bind(&address.into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    Batch::prepare(&socket).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, port)
}

/// Sends `count` datagrams to each address and echoes them reversed.
fn exchange(bind: &str, from: &str, to: &[&str], count: usize) {
    let (socket, port) = server(bind);
    let mut batch = Batch::new();
    for to in to {
        let client = UdpSocket::bind(from).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // Connected: a reply from any other address than the one asked would not be received.
        client.connect(to.replace("PORT", &port.to_string())).unwrap();
        for n in 0..count {
            client.send(format!("query {n}").as_bytes()).unwrap();
        }
        let mut answered = 0;
        while answered < count {
            assert!(batch.receive(&socket).unwrap() <= BATCH);
            let sent = batch.answer(&socket, |datagram, reply| {
                assert_eq!(datagram.peer.port(), client.local_addr().unwrap().port());
                assert!(!datagram.is_cut);
                reply[..datagram.bytes.len()].copy_from_slice(datagram.bytes);
                reply[..datagram.bytes.len()].reverse();
                datagram.bytes.len()
            });
            assert_eq!(sent.refused, 0);
            answered += sent.sent;
        }
        let mut buffer = [0; 100];
        for n in 0..count {
            let length = client.recv(&mut buffer).unwrap();
            let expected: Vec<u8> = format!("query {n}").bytes().rev().collect();
            assert_eq!(&buffer[..length], expected);
        }
    }
}

#[test]
fn replies_leave_from_the_address_that_was_asked() {
    exchange("0.0.0.0:0", "127.0.0.1:0", &["127.0.0.1:PORT", "127.1.2.3:PORT"], 150);
}

#[test]
fn six_serves_both() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("skipped: no IPv6 here");
        return;
    }
    exchange("[::]:0", "[::1]:0", &["[::1]:PORT"], 3);
    exchange("[::]:0", "127.0.0.1:0", &["127.0.0.1:PORT", "127.9.9.9:PORT"], 3);
}

#[test]
fn long_datagrams_are_told_and_silence_is_allowed() {
    let (socket, port) = server("127.0.0.1:0");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(&[7; 9000], ("127.0.0.1", port)).unwrap();
    client.send_to(b"", ("127.0.0.1", port)).unwrap();
    let mut batch = Batch::new();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        batch.receive(&socket).unwrap();
        let sent = batch.answer(&socket, |datagram, _| {
            seen.push((datagram.bytes.len(), datagram.is_cut));
            0
        });
        assert_eq!(sent, Sent::default());
    }
    assert_eq!(seen, [(4096, true), (0, false)]);
}

#[test]
fn the_receive_timeout_ends_waiting() {
    let (socket, _) = server("127.0.0.1:0");
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    assert_eq!(Batch::new().receive(&socket).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
