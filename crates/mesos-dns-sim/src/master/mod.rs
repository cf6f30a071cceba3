//! Simulated masters: real HTTP on loopback ports, one cluster value behind all of them.
//!
//! One of them leads or none does; the others redirect to it as Mesos does. Everything else is set by whoever
//! holds the [`Masters`]: who leads, how much a new leader has learnt, who is dead, who misbehaves and how.
//! Dropping the handle ends all of it.

mod body;
mod endpoints;

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    cluster::Cluster,
    render::{Face, Knowledge},
};

/// Requests remembered per master, the newest.
pub const REQUESTS_MAX: usize = 1_000;

/// Masters and the cluster they manage.
pub struct Masters {
    shared: Arc<Shared>,
}

/// How to start masters.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A port for each master; 0 lets the system choose.
    pub ports: Vec<u16>,
    /// User and password that state is shown to; everybody if absent.
    pub credentials: Option<(String, String)>,
    /// Which Mesos to be.
    pub profile: Profile,
}

/// Which Mesos the masters are, as far as a reader must care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// 1.11: `/state`; standbys redirect.
    #[default]
    Current,
    /// Up to 0.24: `/state.json` alone; standbys answer with their own, empty, state.
    Old,
}

/// What a master does wrong, to every request that it can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Closes the connection after so many bytes of the body.
    Cut {
        /// Bytes of the body that still arrive.
        after_bytes: usize,
    },
    /// Sends the body one byte at a time.
    Drip {
        /// Time between two bytes.
        every: Duration,
    },
    /// Answers 200 with a page, as a proxy in the way would.
    Html,
    /// Accepts the connection, reads the request, never answers.
    Silent,
    /// Answers 503.
    Unavailable,
}

/// What somebody asked of a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query.
    pub target: String,
    /// The `Authorization` header, if there was one.
    pub authorization: Option<String>,
    /// The `Accept-Encoding` header, if there was one.
    pub accept_encoding: Option<String>,
}

/// What the masters share.
struct Shared {
    cluster: RwLock<Arc<Cluster>>,
    stage: Mutex<Stage>,
    credentials: Option<(String, String)>,
    profile: Profile,
}

/// Who plays which part.
struct Stage {
    masters: Vec<Seat>,
    leader: Option<usize>,
    elected: Duration,
    learning: Learning,
}

/// One master.
struct Seat {
    face: Face,
    fault: Fault,
    /// `None` while it is dead.
    listening: Option<(DropGuard, JoinHandle<()>)>,
    requests: VecDeque<Request>,
}

/// How a leader's knowledge grows.
#[derive(Clone, Copy, Debug)]
enum Learning {
    Fixed(Knowledge),
    /// Agents come back at a rate, then the schedulers.
    Rate {
        since: Instant,
        agents_per_second: f64,
    },
}

impl Masters {
    /// Starts masters on loopback, the first of them leading and knowing everything.
    pub async fn start(cluster: Cluster, settings: Settings) -> io::Result<Self> {
        let born = cluster.born;
        let stage = Stage {
            masters: Vec::new(),
            leader: Some(0),
            elected: born,
            learning: Learning::Fixed(Knowledge::Everything),
        };
        let shared = Arc::new(Shared {
            cluster: RwLock::new(Arc::new(cluster)),
            stage: Mutex::new(stage),
            credentials: settings.credentials,
            profile: settings.profile,
        });
        let masters = Self { shared };
        for (index, port) in settings.ports.into_iter().enumerate() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let face = Face { id: master_id(index, 0), address: listener.local_addr()?, started: born };
            let listening = Some(masters.listen(index, listener));
            let seat = Seat { face, fault: Fault::None, listening, requests: VecDeque::new() };
            masters.shared.stage().masters.push(seat);
        }
        Ok(masters)
    }

    /// Where a master listens, or listened.
    pub fn address(&self, master: usize) -> SocketAddr {
        self.face(master).address
    }

    /// A master as it shows itself.
    pub fn face(&self, master: usize) -> Face {
        self.shared.stage().masters[master].face.clone()
    }

    /// The master that leads.
    pub fn leader(&self) -> Option<usize> {
        self.shared.stage().leader
    }

    /// The cluster as it is now.
    pub fn cluster(&self) -> Arc<Cluster> {
        self.shared.cluster()
    }

    /// Changes the cluster.
    pub fn change<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        let mut cluster = self.shared.cluster.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut cluster))
    }

    /// Makes a master the leader; it has learnt so much, and learns no more by itself.
    pub fn elect(&self, master: usize, knowledge: Knowledge, now: Duration) {
        self.shared.stage().elect(Some(master), Learning::Fixed(knowledge), now);
    }

    /// Makes a master the leader; agents come back to it at this rate, from none to all.
    pub fn elect_slowly(&self, master: usize, agents_per_second: f64, now: Duration) {
        let learning = Learning::Rate { since: Instant::now(), agents_per_second };
        self.shared.stage().elect(Some(master), learning, now);
    }

    /// Sets what the leader knows, without another election.
    pub fn know(&self, knowledge: Knowledge) {
        self.shared.stage().learning = Learning::Fixed(knowledge);
    }

    /// Takes the lead from whoever has it; nobody leads.
    pub fn depose(&self, now: Duration) {
        self.shared.stage().elect(None, Learning::Fixed(Knowledge::Nothing), now);
    }

    /// Makes a master misbehave, or behave again.
    pub fn fault(&self, master: usize, fault: Fault) {
        self.shared.stage().masters[master].fault = fault;
    }

    /// Kills a master: its port refuses, its connections are reset. Standbys go on naming it as leader until
    /// another is elected, as real ones do until ZooKeeper tells them. Returns once the port is free.
    pub async fn kill(&self, master: usize) {
        let listening = self.shared.stage().masters[master].listening.take();
        if let Some((guard, serving)) = listening {
            drop(guard);
            _ = serving.await;
        }
    }

    /// Starts a killed master again on its port, with a new id.
    pub async fn revive(&self, master: usize, now: Duration) -> io::Result<()> {
        let listener = TcpListener::bind(self.address(master)).await?;
        let listening = self.listen(master, listener);
        let mut stage = self.shared.stage();
        let seat = &mut stage.masters[master];
        seat.listening = Some(listening);
        seat.face.id = master_id(master, now.as_millis());
        seat.face.started = now;
        Ok(())
    }

    /// The newest requests a master was asked, oldest first.
    pub fn requests(&self, master: usize) -> Vec<Request> {
        self.shared.stage().masters[master].requests.iter().cloned().collect()
    }

    fn listen(&self, master: usize, listener: TcpListener) -> (DropGuard, JoinHandle<()>) {
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(self.shared.clone(), master, listener, stop.clone()));
        (stop.drop_guard(), serving)
    }
}

impl Shared {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cluster(&self) -> Arc<Cluster> {
        self.cluster.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Stage {
    fn elect(&mut self, leader: Option<usize>, learning: Learning, now: Duration) {
        self.leader = leader;
        self.learning = learning;
        self.elected = now;
    }

    fn knowledge(&self, agents: usize) -> Knowledge {
        match self.learning {
            Learning::Fixed(knowledge) => knowledge,
            Learning::Rate { since, agents_per_second } => {
                let back = (since.elapsed().as_secs_f64() * agents_per_second) as usize;
                if back > agents { Knowledge::Everything } else { Knowledge::Agents(back) }
            }
        }
    }
}

/// An id that no other start of a master has.
fn master_id(master: usize, start: u128) -> String {
    format!("9d4e2b7a-0000-4000-8000-{master:04x}{:08x}", start & 0xffff_ffff)
}

/// Accepts connections until told to stop; then the connections end with it.
async fn serve(shared: Arc<Shared>, master: usize, listener: TcpListener, stop: CancellationToken) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else { continue };
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| endpoints::answer(shared.clone(), master, request));
            // Clients may leave at any time.
            _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
    connections.shutdown().await;
}
