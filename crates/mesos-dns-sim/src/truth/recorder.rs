//! Asks a program without end, over UDP, TCP and HTTP, and keeps the history.
//!
//! One recorder is one client: it puts its questions one after the other, whatever the transport, so what it is told
//! later may not be older. Several at once are several clients. One may ask for nothing but the leader, to see
//! when it changes.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::{
    base::{Message, iana::Rtype},
    rdata::AllRecordData,
};
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use tokio::{net::UdpSocket, task::JoinHandle, time::timeout};

use super::{
    history::{Client, Datum, History, Kind, Question, Seen, Set, Sign, Source, Span, Witness},
    world::LEADER_PORT,
};
use crate::{
    client::{self, Answer, Query},
    life::Dice,
};

/// Longest wait for an answer. After it there is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest pause between two questions.
const PAUSE_MAX: Duration = Duration::from_millis(4);

/// A pause this much longer than meant says that the machine stood still.
const STALL_MIN: Duration = Duration::from_millis(200);

/// A history that several write into.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<History>>);

/// Where a program answers.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// DNS, UDP and TCP.
    pub dns: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
}

/// Asks until it is dropped.
pub struct Recorder(JoinHandle<()>);

impl Recorder {
    /// Starts asking. All recorders of a trial share `clock` and `history`.
    pub fn start(
        client: Client,
        server: Server,
        questions: Arc<[Question]>,
        clock: Instant,
        history: Shared,
        seed: u64,
    ) -> Self {
        let dice = Dice::seed_from_u64(seed);
        let mut asker = Asker { client, server, questions, clock, history, dice, socket: None };
        Self(tokio::spawn(async move {
            loop {
                asker.ask_something().await;
                asker.pause().await;
            }
        }))
    }

    /// Starts asking for the leader alone, over UDP.
    pub fn watch_leader(
        client: Client,
        server: Server,
        questions: Arc<[Question]>,
        clock: Instant,
        history: Shared,
    ) -> Self {
        let dice = Dice::seed_from_u64(0);
        let mut asker = Asker { client, server, questions, clock, history, dice, socket: None };
        Self(tokio::spawn(async move {
            loop {
                asker.dns(LEADER_PORT, false).await;
                asker.pause().await;
            }
        }))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Shared {
    /// What was answered so far.
    pub fn lock(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Asker {
    client: Client,
    server: Server,
    questions: Arc<[Question]>,
    clock: Instant,
    history: Shared,
    dice: Dice,
    socket: Option<UdpSocket>,
}

impl Asker {
    async fn ask_something(&mut self) {
        let question = self.dice.random_range(0..self.questions.len());
        match self.dice.random_range(0..200) {
            0 => self.axfr().await,
            1..=4 => self.ready().await,
            5..=8 => self.soa().await,
            9..=16 => self.list(question).await,
            17..=24 => self.dns(question, true).await,
            _ => self.dns(question, false).await,
        }
    }

    async fn pause(&mut self) {
        let pause = PAUSE_MAX.mul_f64(self.dice.random());
        let sent = self.clock.elapsed();
        tokio::time::sleep(pause).await;
        let received = self.clock.elapsed();
        if received - sent > pause + STALL_MIN {
            self.history.lock().note_stall(Span { sent, received });
        }
    }

    fn note(&self, question: usize, sent: Duration, seen: Seen) {
        let span = Span { sent, received: self.clock.elapsed() };
        self.history.lock().note(self.client, question, span, seen);
    }

    fn note_sign(&self, source: Source, sent: Duration, sign: Sign) {
        let span = Span { sent, received: self.clock.elapsed() };
        // Others write of the same replica: each client is a witness that sees time go forward.
        let witness = Witness { replica: self.client.replica, client: self.client.number, source };
        self.history.lock().note_sign(witness, span, sign);
    }

    async fn dns(&mut self, question: usize, over_tcp: bool) {
        let Question { name, kind } = &self.questions[question];
        let query = Query::new(name, kind.rtype()).edns(1232);
        let (kind, sent) = (*kind, self.clock.elapsed());
        let answer = if over_tcp { self.tcp(&query).await } else { self.udp(&query).await };
        let seen = match answer {
            Ok(Answer(message)) => Seen::read(&message, kind),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Seen::Other(error.to_string()),
            Err(_) => Seen::Silence,
        };
        self.note(question, sent, seen);
    }

    async fn tcp(&self, query: &Query) -> io::Result<Answer> {
        timeout(PATIENCE, client::tcp(self.server.dns, query)).await?
    }

    /// Over one socket, as long as it lasts; answers to other questions are passed over.
    async fn udp(&mut self, query: &Query) -> io::Result<Answer> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let socket = UdpSocket::bind("127.0.0.1:0").await?;
                socket.connect(self.server.dns).await?;
                socket
            }
        };
        let id = self.dice.random();
        let message = query.message(id)?;
        let exchange = async {
            socket.send(&message).await?;
            let mut reply = [0; 2048];
            loop {
                let length = socket.recv(&mut reply).await?;
                let message = Message::from_octets(Bytes::copy_from_slice(&reply[..length]));
                let message = message.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                if message.header().id() == id {
                    return Ok(Answer(message));
                }
            }
        };
        let answer = timeout(PATIENCE, exchange).await?;
        self.socket = answer.is_ok().then_some(socket);
        answer
    }

    async fn soa(&mut self) {
        let sent = self.clock.elapsed();
        let Ok(Answer(message)) = self.udp(&Query::new("mesos", Rtype::SOA).edns(1232)).await else { return };
        let Ok(records) = message.answer() else { return };
        let serial = records.limit_to::<AllRecordData<_, _>>().find_map(|record| match record.ok()?.data() {
            AllRecordData::Soa(soa) => Some(soa.serial().into_int()),
            _ => None,
        });
        if let Some(serial) = serial {
            self.note_sign(Source::Dns, sent, Sign { serial, hash: None });
        }
    }

    async fn ready(&mut self) {
        let sent = self.clock.elapsed();
        let Some(Ready { ready: true, serial, content_hash }) = self.get("/ready").await.ok() else { return };
        if let Ok(hash) = u64::from_str_radix(&content_hash, 16) {
            self.note_sign(Source::Http, sent, Sign { serial, hash: Some(hash) });
        }
    }

    /// `/v1/hosts` or `/v1/services`.
    async fn list(&mut self, question: usize) {
        let (name, kind, sent) =
            (self.questions[question].name.clone(), self.questions[question].kind, self.clock.elapsed());
        let (path, is_port) = match kind {
            Kind::A | Kind::Aaaa => (format!("/v1/hosts/{name}"), false),
            Kind::Srv => (format!("/v1/services/{name}"), true),
        };
        let seen = match self.get::<Vec<Item>>(&path).await {
            Err(seen) => seen,
            Ok(items) => of_set(items.iter().filter_map(|item| item.datum(is_port, kind)).collect()),
        };
        self.note(question, sent, seen);
    }

    /// The whole zone: an answer to every question at once.
    async fn axfr(&mut self) {
        let sent = self.clock.elapsed();
        let axfr = self.get::<Axfr>("/v1/axfr").await;
        for question in 0..self.questions.len() {
            let Question { name, kind } = &self.questions[question];
            let seen = match &axfr {
                Err(seen) => seen.clone(),
                Ok(axfr) => axfr.records.of(&format!("{name}."), *kind),
            };
            self.note(question, sent, seen);
        }
    }

    /// A JSON body, or what else came.
    async fn get<T: for<'a> Deserialize<'a>>(&self, path: &str) -> Result<T, Seen> {
        let got = timeout(PATIENCE, client::http(self.server.http, path, &[])).await;
        let Ok(Ok(response)) = got else { return Err(Seen::Silence) };
        match response.status().as_u16() {
            200 => serde_json::from_slice(response.body())
                .map_err(|error| Seen::Other(format!("{path}: {error}"))),
            503 => Err(Seen::ServFail),
            other => Err(Seen::Other(format!("{path}: status {other}"))),
        }
    }
}

fn of_set(set: Set) -> Seen {
    if set.is_empty() { Seen::NoData } else { Seen::Data(set) }
}

/// The body of `/ready`, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    ready: bool,
    serial: u32,
    content_hash: String,
}

/// An item of `/v1/hosts` or `/v1/services`; all its members are empty where there is nothing.
#[derive(Deserialize)]
struct Item {
    ip: String,
    #[serde(default)]
    port: String,
}

impl Item {
    fn datum(&self, is_port: bool, kind: Kind) -> Option<Datum> {
        if is_port {
            return self.port.parse().ok().map(Datum::Port);
        }
        let address: IpAddr = self.ip.parse().ok()?;
        (address.is_ipv4() == (kind == Kind::A)).then_some(Datum::Address(address))
    }
}

/// The body of `/v1/axfr`, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Axfr {
    records: Tables,
}

/// Its records by name.
#[derive(Deserialize)]
struct Tables {
    #[serde(rename = "As")]
    a: BTreeMap<String, Vec<String>>,
    #[serde(rename = "AAAAs")]
    aaaa: BTreeMap<String, Vec<String>>,
    #[serde(rename = "SRVs")]
    srv: BTreeMap<String, Vec<String>>,
}

impl Tables {
    fn of(&self, name: &str, kind: Kind) -> Seen {
        let table = match kind {
            Kind::A => &self.a,
            Kind::Aaaa => &self.aaaa,
            Kind::Srv => &self.srv,
        };
        let values = table.get(name).into_iter().flatten();
        of_set(values.filter_map(|value| datum(value, kind)).collect())
    }
}

/// A value as `/v1/axfr` spells it: an address, or target and port.
fn datum(value: &str, kind: Kind) -> Option<Datum> {
    match kind {
        Kind::A | Kind::Aaaa => value.parse().ok().map(Datum::Address),
        Kind::Srv => value.rsplit_once(':')?.1.parse().ok().map(Datum::Port),
    }
}
