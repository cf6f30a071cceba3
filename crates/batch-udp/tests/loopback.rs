//! Datagrams over the loopback interface, answered from the address they were sent to.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use batch_udp::{BATCH, Batch, QUERY_BYTES_MAX, Sent};
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
            batch.answer(|_, datagram, reply| {
                assert_eq!(datagram.peer.port(), client.local_addr().unwrap().port());
                assert!(!datagram.is_cut);
                reply[..datagram.bytes.len()].copy_from_slice(datagram.bytes);
                reply[..datagram.bytes.len()].reverse();
                Some(datagram.bytes.len())
            });
            let sent = batch.send(&socket);
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
        batch.answer(|_, datagram, _| {
            seen.push((datagram.bytes.len(), datagram.is_cut));
            Some(0)
        });
        assert_eq!(batch.send(&socket), Sent::default());
    }
    assert_eq!(seen, [(QUERY_BYTES_MAX, true), (0, false)]);
}

/// A slot may be answered in a second pass, and what it was given in the first is not lost.
#[test]
fn passes_add_up() {
    let (socket, port) = server("127.0.0.1:0");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut batch = Batch::new();
    for round in 0..3 {
        let texts = ["one", "two", "three", "four"];
        for text in texts {
            client.send_to(text.as_bytes(), ("127.0.0.1", port)).unwrap();
        }
        loop {
            batch.receive(&socket).unwrap();
            let mut shown = Vec::new();
            batch.answer(|number, datagram, reply| {
                shown.push(number);
                reply[0] = datagram.bytes[1];
                (datagram.bytes[0] == b't').then_some(1)
            });
            batch.answer(|number, datagram, reply| {
                assert_eq!(shown.remove(0), number);
                reply[..3].copy_from_slice(&datagram.bytes[..3]);
                match datagram.bytes {
                    b"one" => Some(3),
                    b"two" => Some(0),
                    _ => None,
                }
            });
            assert!(batch.send(&socket).sent <= 2);
            // Nothing is sent twice.
            assert_eq!(batch.send(&socket), Sent::default());
            if is_quiet(&socket) {
                break;
            }
        }
        let mut buffer = [0; 10];
        let mut got: Vec<Vec<u8>> = Vec::new();
        for _ in 0..2 {
            let length = client.recv(&mut buffer).unwrap();
            got.push(buffer[..length].to_vec());
        }
        // The buffer of "three" was written to again in the second pass, and its length left as it was.
        assert_eq!(got, [b"one".to_vec(), b"t".to_vec()], "{round}");
    }
}

/// Whether nothing waits to be received.
fn is_quiet(socket: &Socket) -> bool {
    socket.set_nonblocking(true).unwrap();
    let waiting = socket.peek_sender();
    socket.set_nonblocking(false).unwrap();
    waiting.is_err()
}

#[test]
fn the_receive_timeout_ends_waiting() {
    let (socket, _) = server("127.0.0.1:0");
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    assert_eq!(Batch::new().receive(&socket).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
