//! Finds the leading master and learns from it what happens.
//!
//! - [`zookeeper`]: the session, and the members of the masters' group.
//! - [`master`]: one question to one master, over [`exchange`] and [`tls`], with the credentials of [`auth`].
//! - [`load`] and [`decoding`]: the body of an answer, on several threads.
//! - [`stream`]: a stream of events; [`reader`] reads it in a task of its own.
//! - [`resolve`]: host names and their addresses.
//! - [`Contact`]: how all of this stands, for `/ready`.
//! - here: the loop that ties them to what the core decides. `answers` and `streams` are its parts; `told` says
//!   things to the operator.
//!
//! The loop lives on one promise: a failure changes nothing. Whatever goes wrong out there, the publisher
//! hears of it only as silence, and the operator once per change of the reason.

mod answers;
pub mod auth;
mod contact;
pub mod decoding;
pub mod exchange;
pub mod load;
pub mod master;
pub mod metrics;
pub mod reader;
pub mod resolve;
pub mod stream;
mod streams;
pub mod tls;
mod told;
pub mod zookeeper;

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use mesos_dns_core::{
    cluster::{Document, Host, Masters},
    mesos::{state::Limits, zk_url::ZkUrl},
    watch::{
        Master,
        leader::{Detection, Group},
        poll::{self, Ask, Fetch, Leader, Poll},
        subscribe::{self, End, Subscription},
    },
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::contact::{Contact, Source};
use self::{
    auth::Auth,
    master::{Client, FetchError, Reply},
    metrics::WatchMetrics,
    reader::{Notice, Reader},
    resolve::Resolver,
    stream::Schedulers,
    tls::Tls,
    told::Told,
    zookeeper::Sight,
};
use crate::publish::{Doubts, NotTaken, Order, Orders};

/// How long a document to compare with waits until it is taken in. Events whose outcome it shows already may still be on
/// their way, and what they touch is to be left as they say: a task that just began would be staging again.
const ON_THEIR_WAY: Duration = Duration::from_secs(1);

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where ZooKeeper knows the masters (`zk`).
    pub zookeeper: Option<ZkUrl>,
    /// Configured masters, `host:port` as written (`masters`).
    pub masters: Vec<Arc<str>>,
    /// How long to wait for the first leader before giving up (`zkDetectionTimeout`); `None` for ever. Set it
    /// only if the file does.
    pub detection_timeout: Option<Duration>,
    /// The polling period (`refreshSeconds`) and the time for one try (`stateTimeoutSeconds`).
    pub poll: poll::Settings,
    /// Whether to use streams of events (`updates`), and how often to compare them with the state.
    pub subscribe: subscribe::Settings,
    /// How large a document may be.
    pub limits: Limits,
    /// HTTPS to the masters (`mesosHTTPSOn`), and how.
    pub tls: Option<tls::Settings>,
    /// Credentials for the masters.
    pub auth: auth::Settings,
}

/// A request on its way.
type Running = Pin<Box<dyn Future<Output = (Fetch, Result<Reply, FetchError>)> + Send>>;

/// A summary on its way.
type Asking = Pin<Box<dyn Future<Output = Result<Schedulers, FetchError>> + Send>>;

/// The watcher. See the head of this file.
pub struct Watch {
    client: Arc<Client>,
    poll: Poll,
    subscription: Subscription,
    group: Group,
    detection: Detection,
    resolver: Resolver,
    metrics: Arc<WatchMetrics>,
    /// The time between two polls.
    refresh: Duration,
    zookeeper: Option<ZkUrl>,
    /// Configured masters as written, which is how records compare them.
    configured: Vec<Arc<str>>,
    /// The leader as the last document or ZooKeeper names it.
    leader: Option<Arc<str>>,
    told: Told,
}

/// What the loop waits for, besides what the core says is due.
#[derive(Default)]
struct Waiting {
    request: Option<Running>,
    summary: Option<Asking>,
    /// Frameworks subscribed since the last summary was asked for.
    wants_summary: bool,
    reader: Option<Reader>,
}

/// The way out: to the publisher and to whoever asks how we stand.
struct Out<'a> {
    orders: &'a Orders,
    contact: &'a watch::Sender<Contact>,
}

impl Watch {
    /// Reads every file the settings name.
    pub fn new(settings: &Settings, metrics: Arc<WatchMetrics>) -> Result<Self, SetupError> {
        let tls = settings.tls.as_ref().map(Tls::new).transpose()?;
        let auth = Auth::new(&settings.auth, tls.clone(), metrics.clone())?;
        let masters = settings
            .masters
            .iter()
            .map(|text| Master::parse(text).ok_or_else(|| SetupError::Master { text: text.clone() }));
        let masters: Vec<Master> = masters.collect::<Result<_, _>>()?;
        let now = Instant::now();
        let detection = settings.detection_timeout.filter(|_| settings.zookeeper.is_some());
        let mut poll = Poll::new(settings.poll);
        poll.handle_masters(masters.clone(), Leader::Changed, now);
        Ok(Self {
            client: Arc::new(Client::new(tls, auth, settings.limits, metrics.clone())),
            poll,
            subscription: Subscription::new(settings.subscribe),
            group: Group::new(masters),
            detection: Detection::new(detection, now),
            resolver: Resolver::new(metrics.clone()),
            told: Told::new(metrics.clone()),
            metrics,
            refresh: settings.poll.refresh,
            zookeeper: settings.zookeeper.clone(),
            configured: settings.masters.clone(),
            leader: None,
        })
    }

    /// Goes on from what another watcher knew of the masters: ZooKeeper may be away just now.
    #[must_use]
    pub fn knowing(mut self, known: &Contact) -> Self {
        self.group.remember(&known.group);
        if self.group.has_leader() {
            self.detection.handle_leader();
        }
        self.poll.handle_masters(self.group.candidates(), Leader::Changed, Instant::now());
        self
    }

    /// Runs until `shutdown`, or until there is no sense in going on. `doubts` are the publisher's.
    pub async fn run(
        mut self,
        orders: Orders,
        doubts: watch::Receiver<Doubts>,
        contact: watch::Sender<Contact>,
        shutdown: CancellationToken,
    ) -> Result<(), WatchError> {
        let out = Out { orders: &orders, contact: &contact };
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            ended = self.watch(&out, doubts) => ended,
        }
    }

    async fn watch(&mut self, out: &Out<'_>, mut doubts: watch::Receiver<Doubts>) -> Result<(), WatchError> {
        let (sender, mut sights) = watch::channel(Sight::default());
        let mut zookeeper = JoinSet::new();
        let mut waiting = Waiting::default();
        let mut known = *doubts.borrow_and_update();
        self.metrics.handle_start();
        loop {
            self.start_zookeeper(&mut zookeeper, &sender);
            self.begin_request(&mut waiting, out).await?;
            let due = self.next_due(waiting.request.is_none());
            tokio::select! {
                () = at(self.detection.poll_timeout()) => return Err(WatchError::NoLeader),
                () = at(due) => self.watch_over(&mut waiting, out),
                Some(ended) = zookeeper.join_next() => self.told.panic(ended),
                Ok(()) = sights.changed() => {
                    let sight = sights.borrow_and_update().clone();
                    self.handle_sight(&sight, &mut waiting, out).await?;
                }
                (fetch, reply) = running(&mut waiting.request) => {
                    waiting.request = None;
                    self.handle_reply(&fetch, reply, &mut waiting, out).await?;
                }
                schedulers = running(&mut waiting.summary) => {
                    waiting.summary = None;
                    self.handle_summary(schedulers, out).await?;
                }
                heard = hear(&mut waiting.reader) => match heard {
                    Ok(notice) => self.handle_notice(notice, &mut waiting, out).await?,
                    Err(end) => self.end_stream(end, &mut waiting, out),
                },
                Ok(()) = doubts.changed() => {
                    let now = *doubts.borrow_and_update();
                    self.handle_doubts(std::mem::replace(&mut known, now), now, &mut waiting, out);
                }
            }
        }
    }

    /// When something is due that nobody tells us of.
    fn next_due(&self, is_idle: bool) -> Option<Instant> {
        let poll = self.poll.poll_timeout().filter(|_| is_idle);
        // While a request runs, a comparison waits for its end; silence does not.
        [poll, self.subscription.poll_timeout(is_idle)].into_iter().flatten().min()
    }

    /// Makes the request that is due, if any: one at a time.
    async fn begin_request(&mut self, waiting: &mut Waiting, out: &Out<'_>) -> Result<(), WatchError> {
        let now = Instant::now();
        if waiting.request.is_none() {
            let wanted = self.subscription.wanted(now);
            let fetch = self.poll.poll_transmit(wanted, now).or_else(|| self.subscription.poll_compare(now));
            if let Some(fetch) = fetch {
                if fetch.ask == Ask::Comparison {
                    out.send(Order::Comparing).await?;
                }
                waiting.request = Some(self.request(fetch));
            }
        }
        if waiting.wants_summary
            && waiting.summary.is_none()
            && let Some(fetch) = self.subscription.summary(now)
        {
            waiting.wants_summary = false;
            let client = self.client.clone();
            waiting.summary = Some(Box::pin(async move { client.schedulers(&fetch).await }));
        }
        Ok(())
    }

    fn request(&self, fetch: Fetch) -> Running {
        let (client, settings) = (self.client.clone(), self.subscription.settings());
        Box::pin(async move {
            let reply = client.fetch(&fetch, |support| subscribe::accepts(settings, support)).await;
            if fetch.ask == Ask::Comparison {
                sleep(ON_THEIR_WAY).await;
            }
            (fetch, reply)
        })
    }

    /// Ends a stream that was silent for too long.
    fn watch_over(&mut self, waiting: &mut Waiting, out: &Out<'_>) {
        if self.subscription.poll_silence(Instant::now()) {
            self.end_stream(End::Silent, waiting, out);
        }
    }

    //--- ZooKeeper

    /// Starts the session's task, also after it panicked.
    fn start_zookeeper(&self, tasks: &mut JoinSet<()>, sender: &watch::Sender<Sight>) {
        if let Some(url) = &self.zookeeper
            && tasks.is_empty()
        {
            tasks.spawn(zookeeper::run(url.clone(), sender.clone(), self.metrics.clone()));
        }
    }

    /// ZooKeeper shows something new.
    async fn handle_sight(
        &mut self,
        sight: &Sight,
        waiting: &mut Waiting,
        out: &Out<'_>,
    ) -> Result<(), WatchError> {
        let was_empty = self.group.is_empty();
        let leader = match &sight.members {
            Some(members) => self.group.handle_members(members.to_vec()),
            None => Leader::Same,
        };
        let is_empty = self.group.is_empty();
        out.contact.send_modify(|contact| {
            contact.zookeeper = Some(sight.state);
            contact.group.clone_from(&self.group);
        });
        if is_empty && !was_empty {
            warn!("zookeeper lists no masters; the last leader is kept");
        }
        if self.group.has_leader() {
            self.detection.handle_leader();
        }
        let candidates = self.group.candidates();
        if leader == Leader::Changed {
            self.metrics.leader_changes.inc();
            let listed: Vec<String> = candidates.iter().map(ToString::to_string).collect();
            info!(leader = listed.first(), masters = ?listed, "zookeeper shows a new leader");
            self.follow_leader(candidates.first(), waiting, out);
        }
        self.poll.handle_masters(candidates, leader, Instant::now());
        self.tell_masters(out).await
    }

    /// Another master leads: what is under way with the former one is of no use.
    fn follow_leader(&mut self, leader: Option<&Master>, waiting: &mut Waiting, out: &Out<'_>) {
        waiting.request = None;
        self.subscription.handle_leader();
        if self.subscription.master().is_some() {
            self.end_stream(End::Dropped, waiting, out);
        }
        if self.leader.is_some() {
            self.leader = leader.map(|leader| Arc::from(leader.to_string()));
        }
    }

    /// Who leads and which masters there are is known at once, whatever the new leader itself has to say yet.
    async fn tell_masters(&self, out: &Out<'_>) -> Result<(), WatchError> {
        let Some(leader) = &self.leader else { return Ok(()) };
        let masters = Masters { leader: Some(leader.clone()), listed: self.listed() };
        out.send(Order::Masters(masters)).await
    }

    fn listed(&self) -> Vec<Arc<str>> {
        if self.zookeeper.is_some() { self.group.listed() } else { self.configured.clone() }
    }
}

impl Out<'_> {
    async fn send(&self, order: Order) -> Result<(), WatchError> {
        self.orders.send(order).await.map_err(|_: NotTaken| WatchError::NoPublisher)
    }
}

/// Every host name of an update, those of the masters first.
pub(crate) fn host_names(document: &Document, masters: &Masters) -> Vec<Arc<str>> {
    let agents = document.agents.iter().filter_map(|agent| agent.address.as_ref().map(|at| at.host.clone()));
    let frameworks = document.frameworks.iter().filter_map(|framework| framework.host.clone());
    let hosts = masters.hosts().chain(agents).chain(frameworks);
    let names = hosts.filter_map(|host| match host {
        Host::Name(name) => Some(name),
        Host::Address(_) => None,
    });
    names.collect()
}

/// Sleeps until a moment; for ever without one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for what is running; for ever if nothing is.
async fn running<T>(running: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

/// Waits for what a stream says; for ever without one.
async fn hear(reader: &mut Option<Reader>) -> Result<Notice, End> {
    match reader {
        Some(reader) => reader.next().await,
        None => std::future::pending().await,
    }
}

/// An error and its causes, as one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

//------------ Errors -------------------------------------------------------------

/// Why the watcher cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An entry of `masters` is not `host:port`.
    #[error("not a master's host:port: {text:?}")]
    Master {
        /// As written.
        text: Arc<str>,
    },
    /// A certificate or key.
    #[error("TLS to the masters")]
    Tls(#[from] tls::SetupError),
    /// The credentials.
    #[error("credentials for the masters")]
    Auth(#[from] auth::SetupError),
}

/// Why the watcher ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// No leader within `zkDetectionTimeout` of the start.
    #[error("master detection timed out (zkDetectionTimeout)")]
    NoLeader,
    /// Nobody takes updates any more.
    #[error("the publisher is gone")]
    NoPublisher,
}
