//! T: streams, their times and their numbers. Sizes are beside those of EDNS.

use std::time::Instant;

use tokio::net::TcpSocket;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t4_a_second_query_after_two_seconds() {
    let (_master, daemon) = serving(json!({})).await;
    let mut stream = TcpStream::connect(daemon.dns).await.unwrap();
    let ask = client::framed(&query(0, "mesos", SOA));
    stream.write_all(&ask).await.unwrap();
    assert_eq!(told(&next(&mut stream).await), "NOERROR aa ra 1/1/0/0");
    let quiet = timeout(Duration::from_secs(2), stream.read_u8()).await;
    assert!(quiet.is_err(), "neither an end nor another reply");
    stream.write_all(&ask).await.unwrap();
    assert_eq!(told(&next(&mut stream).await), "NOERROR aa ra 1/1/0/0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t5_a_hundred_at_once() {
    let (_master, daemon) = serving(json!({})).await;
    let stream = TcpStream::connect(daemon.dns).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        for id in 0..100_u16 {
            let mut message = query(0, "web.marathon.mesos", A);
            message[..2].copy_from_slice(&id.to_be_bytes());
            writer.write_all(&client::framed(&message)).await.unwrap();
        }
        writer
    });
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 100 {
        let read = async {
            let mut message = vec![0; usize::from(reader.read_u16().await?)];
            reader.read_exact(&mut message).await.map(|_| message)
        };
        let message = timeout(daemon::PATIENCE, read).await.expect("a reply").unwrap();
        assert_eq!(told(&message), "NOERROR aa ra 1/3/0/0");
        assert!(seen.insert([message[0], message[1]]), "once each");
    }
    drop(writing.await.unwrap());
}

/// When a stream is closed by the other side.
async fn closed(stream: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    let ended = timeout(Duration::from_secs(40), stream.read_u8()).await;
    assert!(matches!(ended, Ok(Err(_))), "not closed: {ended:?}");
    begun.elapsed()
}

/// Those who do not go on are let go, all of them at the same time here: idle, in a message, octet by octet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_t13_who_does_not_go_on_is_let_go() {
    let (_master, daemon) = serving(json!({})).await;
    let ask = client::framed(&query(0, "mesos", SOA));
    let mut idle = TcpStream::connect(daemon.dns).await.unwrap();
    idle.write_all(&ask).await.unwrap();
    next(&mut idle).await;
    let mut silent = TcpStream::connect(daemon.dns).await.unwrap();
    let mut stalled = TcpStream::connect(daemon.dns).await.unwrap();
    stalled.write_all(&ask[..9]).await.unwrap();
    let dripping = async {
        let (mut reader, mut writer) = TcpStream::connect(daemon.dns).await.unwrap().into_split();
        let dripped = tokio::spawn(async move {
            for octet in ask {
                if writer.write_all(&[octet]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let ended = timeout(Duration::from_secs(40), reader.read_u8()).await;
        assert!(matches!(ended, Ok(Err(_))), "T13: {ended:?}");
        dripped.abort();
    };
    let (idle, silent, stalled, ()) =
        tokio::join!(closed(&mut idle), closed(&mut silent), closed(&mut stalled), dripping);
    println!("closed after: idle {idle:?}, silent {silent:?}, stalled {stalled:?}");
    assert_eq!(daemon.metric("dns_connections_cut_total").await, 2.0);
    assert_eq!(told(&udp(daemon.dns, &query(0, "mesos", SOA)).await), "NOERROR aa ra 1/1/0/0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_idle_connections_are_in_nobodys_way() {
    let (_master, daemon) = serving(json!({})).await;
    let mut open = Vec::new();
    for client in 1..=3_u8 {
        for _ in 0..50 {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from(([127, 0, 0, client], 0))).unwrap();
            open.push(socket.connect(daemon.dns).await.unwrap());
        }
    }
    let message = query(0, "web.marathon.mesos", A);
    let served = timeout(daemon::PATIENCE, tcp(daemon.dns, &message)).await.expect("served");
    assert_eq!(told(&served), "NOERROR aa ra 1/3/0/0");
    assert_eq!(told(&udp(daemon.dns, &message).await), "NOERROR aa ra 1/3/0/0");
    assert!(daemon.metric("dns_connections{transport=\"tcp\"}").await >= 150.0);
    drop(open);
}
