//! A schedule in made-up time, without sockets: from the documents' bytes to the answers' bytes.
//!
//! Each replica is the core as the daemon wires it: [`Poll`] says whom to ask, the world's master writes its
//! document, the decoder reads it, [`Belief`] judges it, the zone takes the difference, and
//! [`decide`] answers. Only the wires are missing, and the time between two events.
//!
//! Questions are put right after each version is published. Just before the next one replaces it, those are put
//! again whose answers may have become wrong meanwhile: in between, one version answers alike.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use domain::base::Message;
use mesos_dns_core::{
    answer::{self, Action, Peer, Standing, Transport, UDP_PAYLOAD_BYTES_MAX, decide},
    cluster::{self, AddressSource, Document, Hosts, Masters},
    mesos::state::decode,
    records::{Policy, Rules},
    table::Seed,
    watch::{
        Master,
        believe::{self, AGREE_AFTER, Belief, Leadership, Registry, leads},
        poll::{self, Ask, Fetch, Leader, Outcome, Poll},
    },
    wire::Name,
    zone::{Serial, Snapshot, Soa, Zone},
};
use rand::{RngExt, SeedableRng};

use super::{
    history::{Client, History, Question, Seen, Sign, Source, Span, Witness},
    log::Bounds,
    schedule::Schedule,
    world::{BORN, Lie, Telling, World},
};
use crate::{
    client::Query,
    cluster::Cluster,
    life::Dice,
    master::Fault,
    memory::Memory,
    render::{self, Face},
};

/// Masters of a virtual world.
pub const MASTERS: u32 = 3;

/// Replicas that watch it.
const REPLICAS: usize = 2;

/// Longest time that a message is on its way.
const LATENCY_MAX: Duration = Duration::from_millis(25);

/// Time for one try.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What happened.
pub struct Ran {
    /// The world in the end, with all that was true.
    pub world: World,
    /// Everything that was answered.
    pub history: History,
    /// Versions that were published by all replicas.
    pub published: u64,
}

/// The bounds that hold here: a poll's period, and its messages with one redirect.
pub fn bounds(refresh: Duration, hold: Duration) -> Bounds {
    Bounds {
        fresh: refresh + LATENCY_MAX * 6,
        timeout: TIMEOUT,
        masters: MASTERS,
        agree: AGREE_AFTER,
        hold,
        start: LATENCY_MAX * 2,
        serial: Duration::from_secs(1),
    }
}

/// A world with masters that nobody can connect to.
pub fn world(refresh: Duration, hold: Duration) -> World {
    let face = |number: u32| Face {
        id: format!("master-{number}"),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 5050 + number as u16)),
        started: BORN,
    };
    World::new((0..MASTERS).map(face).collect(), bounds(refresh, hold), Telling::Documents)
}

/// Lets a schedule happen. `seed` draws what it leaves open: delays and the order of records.
pub fn run(mut world: World, schedule: &Schedule, seed: u64) -> Ran {
    let mut dice = Dice::seed_from_u64(seed);
    let mut asker = Asker::new(&world);
    let mut shown = Shown::new(&world);
    let mut replicas: Vec<Replica> =
        (0..REPLICAS).map(|number| Replica::new(number, &world, dice.random())).collect();
    let mut steps = schedule.steps.iter().copied().peekable();
    let mut now = Duration::ZERO;
    loop {
        let due = replicas.iter().map(Replica::next_due).chain(steps.peek().map(|(at, _)| Some(*at)));
        // What became due in the past is due now.
        now = due.chain([world.next_due()]).flatten().min().unwrap_or(schedule.end).max(now);
        if now >= schedule.end {
            break;
        }
        world.advance(now);
        while let Some((_, act)) = steps.next_if(|(at, _)| *at <= now) {
            world.perform(act, now);
        }
        for replica in &mut replicas {
            replica.advance(now, &world, &mut shown, &mut asker);
        }
    }
    world.advance(schedule.end);
    replicas.iter().for_each(|replica| asker.ask_late(replica, &world, schedule.end));
    let published = replicas.iter().map(|replica| replica.published).sum();
    Ran { world, history: asker.history, published }
}

//------------ Shown --------------------------------------------------------------

/// The documents of the present moment.
struct Shown {
    revision: u64,
    cluster: Cluster,
    memory: Memory,
    bytes: Option<Vec<u8>>,
    document: Option<Arc<Document>>,
}

impl Shown {
    fn new(world: &World) -> Self {
        let (cluster, memory) = match world.lie() {
            Some(Lie::Empty) => (Cluster::blank(BORN), Memory::default()),
            _ => (world.shown(), world.memory().clone()),
        };
        Self { revision: world.revision(), cluster, memory, bytes: None, document: None }
    }

    fn follow(&mut self, world: &World) {
        if self.revision != world.revision() {
            *self = Self::new(world);
        }
    }

    /// The bytes of the leader's document.
    fn bytes(&mut self, world: &World, leader: usize) -> &[u8] {
        self.follow(world);
        let view = world.view(leader, &self.cluster, &self.memory);
        self.bytes.get_or_insert_with(|| {
            let mut bytes = Vec::new();
            render::state(view, &mut bytes).expect("memory is written to");
            bytes
        })
    }

    /// The same, read. Equal bytes are read once.
    fn document(&mut self, world: &World, leader: usize) -> Arc<Document> {
        self.follow(world);
        if let Some(document) = &self.document {
            return document.clone();
        }
        let document =
            Arc::new(decode(self.bytes(world, leader)).expect("a master's document is well formed"));
        self.document = Some(document.clone());
        document
    }
}

//------------ Replica ------------------------------------------------------------

/// What became of a request.
enum Reply {
    Document(Arc<Document>),
    Elsewhere(Master),
    Failed,
}

/// A request on its way.
enum Running {
    There(Fetch, Duration),
    Back(Fetch, Duration, Reply),
}

/// One program that watches the masters and answers.
struct Replica {
    number: usize,
    start: Instant,
    dice: Dice,
    poll: Poll,
    belief: Belief,
    listed: Vec<Arc<str>>,
    policy: Policy,
    soa: Arc<Soa>,
    cluster: cluster::Cluster,
    zone: Zone,
    snapshot: Snapshot,
    serial: Serial,
    awaits_serial: bool,
    running: Option<Running>,
    published: u64,
}

impl Replica {
    fn new(number: usize, world: &World, seed: u64) -> Self {
        let name = |text| Name::parse(text).expect("a name");
        let start = Instant::now();
        let policy = policy();
        let soa = Arc::new(Soa {
            mname: name("ns1.mesos."),
            rname: name("root.ns1.mesos."),
            refresh: 60,
            retry: 600,
            expire: 86_400,
            minimum: 60,
            ttl: 60,
            weight: 1,
        });
        let addresses = world.stage().masters.iter().map(|seat| seat.face.address.to_string());
        let listed: Vec<Arc<str>> = addresses.map(Arc::from).collect();
        let masters = listed.iter().filter_map(|text| Master::parse(text)).collect();
        let mut poll = Poll::new(poll::Settings {
            refresh: world.log().bounds.fresh - LATENCY_MAX * 6,
            timeout: TIMEOUT,
        });
        poll.handle_masters(masters, Leader::Changed, start);
        let believe = believe::Settings { hold: world.log().bounds.hold, loss_percent: 30, loss_minimum: 20 };
        let mut zone = Zone::new(policy.apex.clone(), Name::parse(&policy.server_name).ok(), Seed(seed));
        zone.add_server(&policy);
        Self {
            number,
            start,
            dice: Dice::seed_from_u64(seed),
            poll,
            belief: Belief::new(believe),
            listed,
            snapshot: Snapshot::loading(policy.apex.clone(), soa.clone()),
            policy,
            soa,
            cluster: cluster::Cluster::default(),
            zone,
            serial: Serial(0),
            awaits_serial: false,
            running: None,
            published: 0,
        }
    }

    fn next_due(&self) -> Option<Duration> {
        let poll = match &self.running {
            Some(Running::There(_, due) | Running::Back(_, due, _)) => Some(*due),
            None => self.poll.poll_timeout().map(|at| at.saturating_duration_since(self.start)),
        };
        let serial = Duration::from_secs(u64::from(self.serial.0) + 1).saturating_sub(BORN);
        poll.into_iter().chain(self.awaits_serial.then_some(serial)).min()
    }

    fn advance(&mut self, now: Duration, world: &World, shown: &mut Shown, asker: &mut Asker) {
        if self.awaits_serial && unix_seconds(now) > self.serial.0 {
            self.publish(now, world, asker);
        }
        match self.running.take() {
            None => {
                let fetch = self.poll.poll_transmit(Ask::State, self.start + now);
                self.running = fetch.map(|fetch| Running::There(fetch, now + self.latency()));
            }
            Some(Running::There(fetch, due)) if due <= now => {
                let (reply, due) = self.answer(&fetch, now, world, shown);
                self.running = Some(Running::Back(fetch, due, reply));
            }
            Some(Running::Back(fetch, due, reply)) if due <= now => {
                let outcome = self.take(&fetch, reply, now, world, asker);
                self.poll.handle_outcome(outcome, self.start + now, self.dice.random());
            }
            waiting => self.running = waiting,
        }
    }

    fn latency(&mut self) -> Duration {
        LATENCY_MAX.mul_f64(self.dice.random())
    }

    /// What a master answers, and when that is here.
    fn answer(
        &mut self,
        fetch: &Fetch,
        now: Duration,
        world: &World,
        shown: &mut Shown,
    ) -> (Reply, Duration) {
        let stage = world.stage();
        let asked = fetch.master.to_string();
        let here = now + self.latency();
        let Some(asked) = stage.masters.iter().position(|seat| seat.face.address.to_string() == asked) else {
            return (Reply::Failed, here);
        };
        let seat = &stage.masters[asked];
        let leads = stage.leader == Some(asked);
        let reply = match (seat.is_alive, seat.fault, stage.leader) {
            (true, Fault::Silent | Fault::Drip { .. }, _) => {
                return (Reply::Failed, fetch.deadline.saturating_duration_since(self.start));
            }
            (true, Fault::Cut { after_bytes }, _) if leads => {
                let bytes = shown.bytes(world, asked);
                match decode(&bytes[..after_bytes.min(bytes.len())]) {
                    Ok(document) => Reply::Document(Arc::new(document)),
                    Err(_) => Reply::Failed,
                }
            }
            (true, Fault::None, _) if leads => Reply::Document(shown.document(world, asked)),
            (true, Fault::None | Fault::Cut { .. }, Some(leader)) => {
                let address = stage.masters[leader].face.address.to_string();
                Master::parse(&address).map_or(Reply::Failed, Reply::Elsewhere)
            }
            _ => Reply::Failed,
        };
        (reply, here)
    }

    fn take(
        &mut self,
        fetch: &Fetch,
        reply: Reply,
        now: Duration,
        world: &World,
        asker: &mut Asker,
    ) -> Outcome {
        let document = match reply {
            Reply::Failed => return Outcome::Failed,
            Reply::Elsewhere(leader) => return Outcome::Elsewhere(leader),
            Reply::Document(document) => document,
        };
        match leads(&document, &fetch.master) {
            Leadership::Answering => {}
            Leadership::Other(leader) => return Outcome::Elsewhere(leader),
            Leadership::Unknown => return Outcome::Failed,
        }
        let Ok(kept) = self.belief.judge(&self.cluster, &document, Registry::Unknown, self.start + now)
        else {
            return Outcome::Failed;
        };
        let again = kept.again;
        let mut document = Document::clone(&document);
        kept.restore(&mut document);
        let masters =
            Masters { leader: document.leader.as_deref().map(Arc::from), listed: self.listed.clone() };
        let (next, touched) =
            cluster::apply(&self.cluster, document, masters, Hosts::default(), self.zone_seed());
        self.zone.update(&self.policy, &self.cluster, &next, &touched);
        self.cluster = next;
        if self.zone.compile().is_changed || !self.snapshot.is_loaded() {
            self.publish(now, world, asker);
        }
        Outcome::Found { again }
    }

    fn zone_seed(&self) -> Seed {
        Seed(self.number as u64)
    }

    /// A new version: its serial is the time, or follows when the second is over.
    fn publish(&mut self, now: Duration, world: &World, asker: &mut Asker) {
        if self.snapshot.is_loaded() {
            asker.ask_late(self, world, now);
        }
        self.awaits_serial = unix_seconds(now) <= self.serial.0;
        if !self.awaits_serial {
            self.serial = Serial(unix_seconds(now));
        }
        self.snapshot = self.zone.snapshot(self.soa.clone(), self.serial);
        self.published += 1;
        asker.ask_all(self, world, now);
    }
}

fn policy() -> Policy {
    Policy {
        domain: "mesos".into(),
        apex: Name::parse("mesos.").expect("a name"),
        rules: Rules::Rfc1123,
        sources: vec![AddressSource::NetInfo, AddressSource::Mesos, AddressSource::Host],
        server_name: "ns1.mesos.".into(),
        server_addresses: vec![Ipv4Addr::LOCALHOST.into()],
    }
}

fn unix_seconds(now: Duration) -> u32 {
    (BORN + now).as_secs() as u32
}

//------------ Asker --------------------------------------------------------------

/// Puts all questions there are, as DNS messages.
struct Asker {
    questions: Vec<(Question, Vec<u8>)>,
    history: History,
    settings: answer::Settings,
    dice: Dice,
}

impl Asker {
    fn new(world: &World) -> Self {
        let message = |question: &Question| {
            let query = Query::new(&question.name, question.kind.rtype()).edns(1232);
            query.message(7).expect("a well formed name")
        };
        let questions = world.questions().map(|question| (question.clone(), message(question)));
        Self {
            questions: questions.collect(),
            history: History::default(),
            settings: answer::Settings {
                recursion_available: false,
                forwards: false,
                sets_truncated: true,
                query_allow: Vec::new(),
            },
            dice: Dice::seed_from_u64(0),
        }
    }

    /// Asks for everything that is there or was; of what never was, now and then.
    fn ask_all(&mut self, replica: &Replica, world: &World, now: Duration) {
        for question in 0..self.questions.len() {
            let versions = &world.log().timelines[question].versions;
            let is_there = versions.last().is_some_and(|version| !version.set.is_empty());
            if is_there || self.dice.random_ratio(1, 8) {
                self.ask(replica, question, now);
            }
        }
        self.note_sign(replica, now);
    }

    fn note_sign(&mut self, replica: &Replica, now: Duration) {
        if replica.snapshot.is_loaded() {
            let (serial, hash) = (replica.snapshot.serial(), Some(replica.snapshot.content_hash()));
            let witness = Witness { replica: replica.number, client: 0, source: Source::Http };
            self.history.note_sign(witness, Span { sent: now, received: now }, Sign { serial, hash });
        }
    }

    /// Asks again where something else is true than was told, before it is told.
    fn ask_late(&mut self, replica: &Replica, world: &World, now: Duration) {
        let client = Client { replica: replica.number, number: 0 };
        for question in 0..self.questions.len() {
            let told = self.history.latest(client, question).and_then(Seen::set);
            let true_now = world.log().timelines[question].versions.last();
            if told != true_now.map(|version| &version.set) {
                self.ask(replica, question, now);
            }
        }
        self.note_sign(replica, now);
    }

    fn ask(&mut self, replica: &Replica, question: usize, now: Duration) {
        let (asked, message) = &self.questions[question];
        let mut out = [0; UDP_PAYLOAD_BYTES_MAX];
        let peer = Peer { address: IpAddr::from(Ipv4Addr::LOCALHOST), transport: Transport::Udp };
        let dice = self.dice.random();
        let standing = Standing::default();
        let seen = match decide(message, &replica.snapshot, &standing, &self.settings, peer, dice, &mut out) {
            Action::Send { length, .. } => match Message::from_octets(&out[..length]) {
                Ok(message) => Seen::read(&message, asked.kind),
                Err(_) => Seen::Other("a short answer".into()),
            },
            Action::Drop(_) | Action::Forward => Seen::Silence,
        };
        let client = Client { replica: replica.number, number: 0 };
        self.history.note(client, question, Span { sent: now, received: now }, seen);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::schedule::DOCUMENT_BYTES, *};

    #[test]
    fn the_document_is_as_long_as_faults_that_cut_it_expect() {
        let world = world(Duration::from_secs(1), Duration::from_secs(600));
        let bytes = Shown::new(&world).bytes(&world, 0).len();
        assert!((DOCUMENT_BYTES..DOCUMENT_BYTES * 5 / 4).contains(&bytes), "{bytes}");
    }
}
