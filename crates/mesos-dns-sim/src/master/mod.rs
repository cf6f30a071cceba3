//! Simulated masters: real HTTP on loopback ports, one cluster value behind all of them.
//!
//! One of them leads or none does; the others redirect to it as Mesos does. Everything else is set by whoever
//! holds the [`Masters`]: who leads, how much a new leader has learnt, who is dead, who misbehaves and how.
//! Dropping the handle ends all of it.

mod api;
mod body;
mod endpoints;
mod fault;
mod line;
mod stage;
mod stream;
mod trouble;

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use self::fault::seconds;
pub use self::{
    fault::{Detour, Fault},
    stage::BACKLOG_BYTES_MAX,
};
use self::{
    line::{End, Line},
    stage::{Seat, Stage},
};
pub use crate::profile::Profile;
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
#[derive(Clone, Debug)]
pub struct Settings {
    /// A port for each master; 0 lets the system choose.
    pub ports: Vec<u16>,
    /// User and password that state is shown to; everybody if absent.
    pub credentials: Option<(String, String)>,
    /// Which Mesos to be.
    pub profile: Profile,
    /// When streams have heartbeats.
    pub beat: Beat,
    /// Streams at once; one more ends the oldest.
    pub subscribers_max: usize,
}

/// When streams have heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Each time so much has passed, in real time.
    Every(Duration),
    /// When [`Masters::beat`] is called, whatever interval is announced.
    Told {
        /// What the snapshot says.
        announced: Duration,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ports: Vec::new(),
            credentials: None,
            profile: Profile::default(),
            beat: Beat::Every(Duration::from_secs(15)),
            subscribers_max: 1000,
        }
    }
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
    /// The `type` of the call, if it was one.
    pub call: Option<String>,
}

/// What the masters share.
struct Shared {
    stage: Mutex<Stage>,
    credentials: Option<(String, String)>,
    profile: Profile,
    beat: Beat,
}

/// Longest time between two looks whether an agent is to come back to a new leader.
const LEARNING_TICK: Duration = Duration::from_millis(20);

impl Masters {
    /// Starts masters on loopback, the first of them leading and knowing everything.
    pub async fn start(cluster: Cluster, settings: Settings) -> io::Result<Self> {
        let born = cluster.born;
        let stage = Stage::new(cluster, settings.profile, settings.subscribers_max);
        let shared = Arc::new(Shared {
            stage: Mutex::new(stage),
            credentials: settings.credentials,
            profile: settings.profile,
            beat: settings.beat,
        });
        let masters = Self { shared };
        for (index, port) in settings.ports.into_iter().enumerate() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let face = Face { id: master_id(index, 0), address: listener.local_addr()?, started: born };
            let fault = watch::Sender::new(Fault::None);
            let listening = Some(masters.listen(index, listener, fault.subscribe()));
            let fault_requests = None;
            let seat = Seat { face, fault, fault_requests, listening, requests: VecDeque::new() };
            masters.shared.stage().masters.push(seat);
        }
        Ok(masters)
    }

    /// How many masters there are, dead ones included.
    pub fn len(&self) -> usize {
        self.shared.stage().masters.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        self.shared.stage().cluster.clone()
    }

    /// Changes the cluster.
    pub fn change<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        self.shared.stage().change(change)
    }

    /// Makes a master the leader; it has learnt so much, and learns no more by itself. The streams of whoever led
    /// before end.
    pub fn elect(&self, master: usize, knowledge: Knowledge, now: Duration) {
        self.shared.stage().elect(Some(master), knowledge, now);
    }

    /// Makes a master the leader; agents come back to it at this rate in real time, from none to all.
    pub fn elect_slowly(&self, master: usize, agents_per_second: f64, now: Duration) {
        self.shared.stage().elect_slowly(master, agents_per_second, now);
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            while shared.upgrade().is_some_and(|shared| shared.stage().catch_up()) {
                tokio::time::sleep(LEARNING_TICK).await;
            }
        });
    }

    /// Sets what the leader knows, without another election. What it learns by that is told to its subscribers; one
    /// that is to know less than it does starts over, and its streams end.
    pub fn know(&self, knowledge: Knowledge) {
        self.shared.stage().know(knowledge);
    }

    /// Lets agents come back to the leader that waits for them, one after the other.
    pub fn agents_back(&self, agents: impl IntoIterator<Item = usize>) {
        self.shared.stage().agents_back(agents);
    }

    /// Agents that the leader waits for.
    pub fn awaited(&self) -> Vec<usize> {
        self.shared.stage().awaited()
    }

    /// Lets schedulers come back to the leader that waits for them.
    pub fn schedulers_back(&self, frameworks: impl IntoIterator<Item = usize>) {
        self.shared.stage().schedulers_back(frameworks);
    }

    /// Takes the lead from whoever has it; nobody leads.
    pub fn depose(&self, now: Duration) {
        self.shared.stage().elect(None, Knowledge::Nothing, now);
    }

    /// Streams at present.
    pub fn subscribers(&self) -> usize {
        self.shared.stage().subscribers()
    }

    /// Ends the oldest stream, as when somebody subscribes who is one too many.
    pub fn evict(&self) {
        self.shared.stage().evict();
    }

    /// Sends a heartbeat on all streams.
    pub fn beat(&self) {
        self.shared.stage().beat();
    }

    /// Makes a master misbehave, or behave again.
    pub fn fault(&self, master: usize, fault: Fault) {
        self.shared.stage().masters[master].misbehave(fault, None);
    }

    /// Makes a master misbehave for so many requests, and no longer.
    pub fn fault_for(&self, master: usize, fault: Fault, requests: u32) {
        self.shared.stage().masters[master].misbehave(fault, Some(requests));
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
        let fault = self.shared.stage().masters[master].fault.subscribe();
        let listening = self.listen(master, listener, fault);
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

    fn listen(
        &self,
        master: usize,
        listener: TcpListener,
        fault: watch::Receiver<Fault>,
    ) -> (DropGuard, JoinHandle<()>) {
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(self.shared.clone(), master, listener, fault, stop.clone()));
        (stop.drop_guard(), serving)
    }
}

impl Shared {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn misbehave(&mut self, fault: Fault, requests: Option<u32>) {
        self.fault_requests = requests;
        self.fault.send_replace(fault);
    }

    /// The fault for the next request, and those to come for a stream.
    fn next_fault(&mut self) -> (Fault, watch::Receiver<Fault>) {
        let fault = *self.fault.borrow();
        let Some(left) = self.fault_requests else { return (fault, self.fault.subscribe()) };
        self.fault_requests = left.checked_sub(1).filter(|left| *left > 0);
        if self.fault_requests.is_none() {
            self.fault.send_replace(Fault::None);
        }
        // Counted by requests, it stays with this one.
        (fault, watch::channel(fault).1)
    }
}

/// An id that no other start of a master has.
fn master_id(master: usize, start: u128) -> String {
    format!("9d4e2b7a-0000-4000-8000-{master:04x}{:08x}", start & 0xffff_ffff)
}

/// Accepts connections until told to stop; then the connections end with it.
async fn serve(
    shared: Arc<Shared>,
    master: usize,
    listener: TcpListener,
    mut fault: watch::Receiver<Fault>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let Ok(address) = listener.local_addr() else { return };
    let mut open = Some(listener);
    loop {
        let refuse = *fault.borrow_and_update() == Fault::Refuse;
        if refuse {
            open = None;
        } else if open.is_none() {
            // Somebody else may have the port now; the next change of the fault tries again.
            open = TcpListener::bind(address).await.ok();
        }
        let accept = async {
            match &open {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Ok(()) = fault.changed() => continue,
            accepted = accept => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else { continue };
        let shared = shared.clone();
        connections.spawn(async move {
            let end = End::default();
            let line = TokioIo::new(Line::new(stream, end.clone()));
            let service =
                service_fn(move |request| endpoints::answer(shared.clone(), master, end.clone(), request));
            // Clients may leave at any time.
            _ = http1::Builder::new().serve_connection(line, service).await;
        });
    }
    connections.shutdown().await;
}
