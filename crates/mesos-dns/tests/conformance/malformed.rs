//! M: malformed messages.

use std::collections::HashMap;

use tokio::net::UdpSocket;

use super::*;

/// Queries for which a mutated one must at least stand a chance of being good.
fn seeds() -> Vec<Vec<u8>> {
    let names = [
        "web.marathon.mesos",
        "_many._tcp.marathon.mesos",
        "mesos",
        "nobody.mesos",
        "_status.mesos",
        "example.org",
    ];
    let mut seeds = Vec::new();
    for (name, qtype) in
        names.iter().flat_map(|name| [1, 6, 16, 33, 41, 252, 255, 999].map(|qtype| (name, qtype)))
    {
        seeds.push(query(0x0100, name, qtype));
        seeds.push(with_opt(
            query(0, name, qtype),
            1232,
            0,
            0x8000,
            &[(10, b"cookies!"), (3, b""), (11, b"")],
        ));
    }
    seeds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m1_m2_m4_m7_malformed_messages() {
    let (_master, daemon) = serving(json!({})).await;
    let good = query(0, "mesos", SOA);
    for length in 0..12 {
        let silent = client::udp_bytes(daemon.dns, &good[..length], SILENCE).await.unwrap();
        assert_eq!(silent, None, "M1: {length} octets");
    }
    let counts = |at: usize, count: u16| {
        let mut message = good.clone();
        message[at..at + 2].copy_from_slice(&count.to_be_bytes());
        message
    };
    let question = |name: &[u8]| [&good[..12], name, b"\0\x06\0\x01"].concat();
    let second = |owner: &[u8]| {
        let mut message = counts(10, 1);
        message.extend([owner, b"\0\x01\0\x01\0\0\0\0\0\0"].concat());
        message
    };
    let mut two = [&good[..], &good[12..]].concat();
    two[5] = 2;
    let long_name = [&[63][..], &[b'x'; 63]].concat().repeat(4);
    for (row, message) in [
        ("M2: no question", good[..12].to_vec()),
        ("M2: QDCOUNT 0", counts(4, 0)),
        ("M2: QDCOUNT 2, one there", counts(4, 2)),
        ("M2: two questions", two),
        ("M2: QDCOUNT 65535", counts(4, 65535)),
        ("M4: to itself", question(b"\xc0\x0c")),
        ("M4: a pair", question(b"\xc0\x0e\xc0\x0c")),
        ("M4: forward", question(b"\xc0\x20")),
        ("M4: past the end", question(b"\xff\xff")),
        ("M4: into the header", question(b"\xc0\x00")),
        ("M4: behind labels", question(b"\x03web\xc0\x0c")),
        ("label of a kind that is gone", question(b"\x41a\0")),
        ("label longer than the message", question(b"\x3fa")),
        ("name over 255 octets", question(&[&long_name[..], b"\0"].concat())),
        ("M4: cut pointer", second(b"\xc0")[..good.len() + 1].to_vec()),
        ("M7: an answer that is not there", counts(6, 1)),
        ("M7: 65535 answers", counts(6, 65535)),
        ("M7: 65535 in each section", [&good[..6], &[0xff; 6], &good[12..]].concat()),
        ("M7: data longer than the message", {
            let mut message = second(b"\0");
            let end = message.len();
            message[end - 2..].copy_from_slice(&[0xff, 0xff]);
            message
        }),
        ("something behind the end", [&good[..], b"x"].concat()),
    ] {
        let mut expected = [0_u8; 12];
        expected[..4].copy_from_slice(&[0x12, 0x34, 0x80, 1]);
        assert_eq!(udp(daemon.dns, &message).await, expected, "{row}");
        assert_eq!(tcp(daemon.dns, &message).await, expected, "{row}");
        assert_eq!(told(&udp(daemon.dns, &good).await), "NOERROR aa ra 1/1/0/0", "after {row}");
    }
    // A record behind the question that says nothing to us is none of our business.
    assert_eq!(told(&udp(daemon.dns, &second(b"\0")).await), "NOERROR aa ra 1/1/0/0");
    assert_eq!(daemon.metric("dns_panics_total").await, 0.0);
}

/// Fifty at a time, and behind them one that is good: once that is answered, so is everything before it, as a socket
/// keeps the order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m14_thirteen_thousand_mutated_messages() {
    const MESSAGES: u16 = 13_000;
    const AT_ONCE: u16 = 50;
    let (_master, daemon) = serving(json!({})).await;
    let (seeds, mut dice) = (seeds(), dice::Dice(0x00c0_ffee));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(daemon.dns).await.unwrap();
    let (mut replies, mut buffer) = (0, vec![0; 65535]);
    for round in 0..MESSAGES / AT_ONCE {
        let mut sent = HashMap::new();
        for number in 0..AT_ONCE {
            let mut message = seeds[dice.roll(seeds.len())].clone();
            mutate::mutate(&mut message, &seeds, &mut dice);
            // The identifier tells what a reply belongs to.
            if let Some(id) = message.first_chunk_mut() {
                *id = number.to_be_bytes();
                socket.send(&message).await.unwrap();
                sent.insert(number, message);
            }
        }
        let mut marker = query(0, &format!("marker-{round}.mesos"), A);
        marker[..2].copy_from_slice(&0xffff_u16.to_be_bytes());
        socket.send(&marker).await.unwrap();
        loop {
            let received = timeout(daemon::PATIENCE, socket.recv(&mut buffer)).await.expect("alive").unwrap();
            let reply = &buffer[..received];
            let id = u16::from_be_bytes([reply[0], reply[1]]);
            if id == 0xffff {
                assert_eq!(told(reply), "NXDOMAIN aa ra 1/0/1/0");
                break;
            }
            let message =
                sent.get(&id).unwrap_or_else(|| panic!("answered twice, or never asked: {reply:02x?}"));
            if let Err(what) = strict::strict(reply, message, 1232) {
                panic!("{what}\n{message:02x?}\n{reply:02x?}");
            }
            sent.remove(&id);
            replies += 1;
        }
    }
    println!("{replies} replies to {MESSAGES} messages");
    assert!(replies > MESSAGES / 4);
    assert_eq!(daemon.metric("dns_panics_total").await, 0.0);
}
