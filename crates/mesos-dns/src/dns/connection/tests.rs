//! Clients that are slow, silent or greedy, in made-up time. No zone is loaded: names of ours are answered SERVFAIL,
//! others are handed on.

use mesos_dns_core::answer::Settings;
use tokio::io::{DuplexStream, duplex};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::dns::{Clients, ConnectionLimits, Outside, fixture};

/// A server of one connection.
struct Served {
    client: DuplexStream,
    shared: Arc<Shared>,
    outside: mpsc::Receiver<Outside>,
    clients: Arc<Clients>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    started: Instant,
}

impl Served {
    /// Starts it; the network between holds that many bytes each way.
    fn start(network_bytes: usize) -> Self {
        let settings = Settings { forwards: true, idle: Duration::from_secs(7), ..Settings::default() };
        let (shared, _registry, handed_on) = fixture::shared(settings);
        let stop = CancellationToken::new();
        let clients = Arc::new(Clients::new(ConnectionLimits { connections: 1, per_client: 2 }, &stop));
        let (client, server) = duplex(network_bytes);
        let from = "127.0.0.1:4000".parse().unwrap();
        let (visit, _) = clients.admit([127, 0, 0, 1].into()).unwrap();
        let task = tokio::spawn({
            let shared = shared.clone();
            async move { serve(server, from, Transport::Tcp, shared, visit).await }
        });
        Self { client, shared, outside: handed_on, clients, stop, task, started: Instant::now() }
    }

    /// The next reply.
    async fn reply(&mut self) -> Vec<u8> {
        let mut reply = vec![0; usize::from(self.client.read_u16().await.unwrap())];
        self.client.read_exact(&mut reply).await.unwrap();
        reply
    }

    /// Waits until the server has ended the connection; seconds since the start.
    async fn ended(&mut self) -> u64 {
        let mut rest = Vec::new();
        _ = self.client.read_to_end(&mut rest).await;
        (&mut self.task).await.unwrap();
        self.started.elapsed().as_secs()
    }
}

/// A query with its length in front, RD set.
fn query(id: u16, name: &str) -> Vec<u8> {
    let message = fixture::query(id, name, 1);
    [&(message.len() as u16).to_be_bytes()[..], &message].concat()
}

fn id(reply: &[u8]) -> u16 {
    u16::from_be_bytes([reply[0], reply[1]])
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_let_go() {
    let mut served = Served::start(4096);
    assert_eq!(served.ended().await, 7);
    // From the last message on.
    let mut served = Served::start(4096);
    tokio::time::sleep(Duration::from_secs(5)).await;
    served.client.write_all(&query(1, "a.mesos")).await.unwrap();
    assert_eq!(id(&served.reply().await), 1);
    assert_eq!(served.ended().await, 12);
    assert_eq!(served.shared.metrics.connections_cut.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_has_a_deadline_as_a_whole() {
    let mut served = Served::start(4096);
    for byte in query(1, "a.mesos") {
        if served.client.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!((10..=12).contains(&served.ended().await));
    assert_eq!(served.shared.metrics.connections_cut.get(), 1);
    // In time, a slow one is a good one, and its time is its own.
    let mut served = Served::start(4096);
    for number in 0..3 {
        let query = query(number, "a.mesos");
        for piece in query.chunks(8) {
            served.client.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(id(&served.reply().await), number);
    }
    assert!(served.started.elapsed() > Duration::from_secs(20));
    assert_eq!(served.shared.metrics.connections_cut.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_not_read() {
    let mut served = Served::start(512);
    let many: Vec<u8> = (0..5000).flat_map(|id| query(id, "a.mesos")).collect();
    let mut written = 0;
    while let Ok(bytes) = served.client.write(&many[written..]).await {
        written += bytes;
        if written == many.len() {
            break;
        }
    }
    assert_eq!(served.started.elapsed().as_secs(), 10, "then it was cut");
    assert!(written < 20 * 1024, "{written} bytes were read although no answer was");
    (&mut served.task).await.unwrap();
    assert_eq!(served.shared.metrics.connections_cut.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_gets_everything() {
    let served = Served::start(512);
    let Served { client, task, .. } = served;
    let (mut reader, mut writer) = tokio::io::split(client);
    let writing = tokio::spawn(async move {
        let many: Vec<u8> = (0..1000).flat_map(|id| query(id, "a.mesos")).collect();
        writer.write_all(&many).await.unwrap();
        // It has no more to ask, and still wants the answers.
        writer.shutdown().await.unwrap();
    });
    let mut taken = Vec::new();
    let mut piece = [0; 300];
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        match reader.read(&mut piece).await.unwrap() {
            0 => break,
            read => taken.extend_from_slice(&piece[..read]),
        }
    }
    writing.await.unwrap();
    task.await.unwrap();
    let mut ids = Vec::new();
    Frames::default().receive(&taken, |reply| {
        ids.push(id(reply));
        Next::More
    });
    assert_eq!(ids, (0..1000).collect::<Vec<u16>>());
}

#[tokio::test(start_paused = true)]
async fn answers_overtake_those_from_elsewhere() {
    let mut served = Served::start(4096);
    let asked = [query(1, "one.example"), query(2, "two.example"), query(3, "a.mesos")].concat();
    served.client.write_all(&asked).await.unwrap();
    assert_eq!(id(&served.reply().await), 3);
    let (one, two) = (served.outside.recv().await.unwrap(), served.outside.recv().await.unwrap());
    // Longer than it might be idle: something is in hand.
    tokio::time::sleep(Duration::from_secs(11)).await;
    (two.reply)(Some(two.query));
    assert_eq!(id(&served.reply().await), 2);
    served.client.write_all(&query(4, "b.mesos")).await.unwrap();
    assert_eq!(id(&served.reply().await), 4);
    // It is not answered, or forgotten: nothing is in hand any more, and the connection is an idle one.
    drop(one.reply);
    assert_eq!(served.ended().await, 18);
}

#[tokio::test(start_paused = true)]
async fn of_queries_elsewhere_there_is_a_limit() {
    let mut served = Served::start(64 * 1024);
    let many: Vec<u8> = (0..100).flat_map(|id| query(id, "www.example")).collect();
    served.client.write_all(&many).await.unwrap();
    served.client.write_all(&query(500, "a.mesos")).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..IN_HAND_MAX {
        held.push(served.outside.recv().await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(served.outside.try_recv().is_err(), "the client is not read on");
    let mut seen = std::collections::BTreeSet::new();
    while let Some(outside) = held.pop() {
        (outside.reply)(Some(outside.query));
        seen.insert(id(&served.reply().await));
        if let Ok(Some(next)) = timeout(Duration::from_secs(1), served.outside.recv()).await {
            held.push(next);
        }
    }
    seen.insert(id(&served.reply().await));
    assert_eq!(seen, (0..100).chain([500]).collect());
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_what_is_in_hand() {
    let mut served = Served::start(4096);
    served.client.write_all(&query(1, "one.example")).await.unwrap();
    let outside = served.outside.recv().await.unwrap();
    served.stop.cancel();
    // What arrives meanwhile is answered.
    served.client.write_all(&query(2, "a.mesos")).await.unwrap();
    assert_eq!(id(&served.reply().await), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    (outside.reply)(Some(outside.query));
    assert_eq!(id(&served.reply().await), 1);
    assert_eq!(served.ended().await, 2);
    // With nothing in hand it ends at once, in the middle of a message, too; and one that keeps asking is no reason
    // to stay.
    let mut served = Served::start(4096);
    served.client.write_all(&[0, 40, 1]).await.unwrap();
    served.stop.cancel();
    assert_eq!(served.ended().await, 0);
    let mut served = Served::start(4096);
    served.stop.cancel();
    let mut asked = 0;
    while served.client.write_all(&query(asked, "a.mesos")).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        asked += 1;
    }
    assert!((10..100).contains(&asked), "{asked}");
    served.ended().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_idle_makes_room_and_who_is_owed_something_stays() {
    let mut served = Served::start(4096);
    served.client.write_all(&query(1, "one.example")).await.unwrap();
    let outside = served.outside.recv().await.unwrap();
    tokio::task::yield_now().await;
    assert!(served.clients.admit([127, 0, 0, 2].into()).is_err(), "it waits for a reply");
    (outside.reply)(Some(outside.query));
    assert_eq!(id(&served.reply().await), 1);
    tokio::task::yield_now().await;
    assert!(served.clients.admit([127, 0, 0, 2].into()).is_ok_and(|(_, made_room)| made_room));
    assert_eq!(served.ended().await, 0);
}
