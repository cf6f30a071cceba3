//! Finds the leading master and keeps reading its state.
//!
//! - [`zookeeper`]: the session, and the members of the masters' group.
//! - [`master`]: one question to one master, over [`exchange`] and [`tls`], with the credentials of [`auth`].
//! - [`load`]: the body of an answer, on several threads.
//! - [`resolve`]: host names and their addresses.
//! - [`Contact`]: how all of this stands, for `/ready`.
//! - here: the loop that ties them to what the core decides.
//!
//! The loop lives on one promise: a failure changes nothing. Whatever goes wrong out there, the publisher
//! hears of it only as silence, and the operator once per change of the reason.

pub mod auth;
mod contact;
pub mod exchange;
pub mod load;
pub mod master;
pub mod metrics;
pub mod resolve;
pub mod tls;
pub mod zookeeper;

use std::{
    collections::HashMap,
    error::Error,
    pin::Pin,
    sync::{Arc, mpsc::Sender},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mesos_dns_core::{
    cluster::{Cluster, Document, Host, Masters, Skipped},
    mesos::{state::Limits, zk_url::ZkUrl},
    watch::{
        Master,
        believe::{self, Belief, Incomplete, Kept, Why},
        leader::{Detection, Group},
        poll::{self, Fetch, Leader, Outcome, Poll, Step},
    },
};
use tokio::{
    sync::{oneshot, watch},
    task::{JoinSet, spawn_blocking},
    time::{sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

pub use self::contact::Contact;
use self::{
    auth::Auth,
    master::{Client, FetchError, Reply},
    metrics::WatchMetrics,
    resolve::Resolver,
    tls::Tls,
    zookeeper::Sight,
};
use crate::publish::{Order, Update};

/// Longest wait for the publisher to take an update in. A million tasks take it some seconds.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(60);

/// When to look again if host names are still being looked up.
const NAMES_AGAIN: Duration = Duration::from_secs(2);

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
    /// How long and when to keep what a document does not show.
    pub believe: believe::Settings,
    /// How large a document may be.
    pub limits: Limits,
    /// HTTPS to the masters (`mesosHTTPSOn`), and how.
    pub tls: Option<tls::Settings>,
    /// Credentials for the masters.
    pub auth: auth::Settings,
}

/// A request on its way.
type Running = Pin<Box<dyn Future<Output = (Fetch, Result<Reply, FetchError>)> + Send>>;

/// The watcher. See the head of this file.
pub struct Watch {
    client: Arc<Client>,
    poll: Poll,
    belief: Belief,
    believe: believe::Settings,
    group: Group,
    detection: Detection,
    resolver: Resolver,
    metrics: Arc<WatchMetrics>,
    zookeeper: Option<ZkUrl>,
    /// Configured masters as written, which is how records compare them.
    configured: Vec<Arc<str>>,
    /// What the publisher believes in.
    cluster: Cluster,
    told: Told,
}

/// What was logged, so that only changes are.
#[derive(Default)]
struct Told {
    /// By master, why its last request failed.
    failures: HashMap<String, (metrics::Failure, Option<hyper::StatusCode>)>,
    leader: Option<Arc<str>>,
    held: Option<Why>,
    skipped: Skipped,
}

impl Watch {
    /// Reads every file the settings name. `cluster` is what the publisher believes in already.
    pub fn new(
        settings: &Settings,
        cluster: Cluster,
        metrics: Arc<WatchMetrics>,
    ) -> Result<Self, SetupError> {
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
            belief: Belief::new(settings.believe),
            believe: settings.believe,
            group: Group::new(masters),
            detection: Detection::new(detection, now),
            resolver: Resolver::new(metrics.clone()),
            metrics,
            zookeeper: settings.zookeeper.clone(),
            configured: settings.masters.clone(),
            cluster,
            told: Told::default(),
        })
    }

    /// Goes on from what another watcher knew of the masters' group: ZooKeeper may be away just now.
    #[must_use]
    pub fn knowing(mut self, group: &Group) -> Self {
        self.group.remember(group);
        if self.group.has_leader() {
            self.detection.handle_leader();
        }
        self.poll.handle_masters(self.group.candidates(), Leader::Changed, Instant::now());
        self
    }

    /// Runs until `shutdown`, or until there is no sense in going on.
    pub async fn run(
        mut self,
        publisher: Sender<Order>,
        contact: watch::Sender<Contact>,
        shutdown: CancellationToken,
    ) -> Result<(), WatchError> {
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            ended = self.watch(&publisher, &contact) => ended,
        }
    }

    async fn watch(
        &mut self,
        publisher: &Sender<Order>,
        contact: &watch::Sender<Contact>,
    ) -> Result<(), WatchError> {
        let (sender, mut sights) = watch::channel(Sight::default());
        let mut zookeeper = JoinSet::new();
        let mut running: Option<Running> = None;
        loop {
            self.start_zookeeper(&mut zookeeper, &sender);
            if running.is_none()
                && let Some(fetch) = self.poll.poll_transmit(Instant::now())
            {
                let client = self.client.clone();
                running = Some(Box::pin(async move {
                    let reply = client.fetch(&fetch).await;
                    (fetch, reply)
                }));
            }
            tokio::select! {
                () = at(self.detection.poll_timeout()) => return Err(WatchError::NoLeader),
                () = at(self.poll.poll_timeout()), if running.is_none() => {}
                Some(ended) = zookeeper.join_next() => self.tell_panic(ended),
                Ok(()) = sights.changed() => {
                    let sight = sights.borrow_and_update().clone();
                    if self.handle_sight(&sight, contact) == Leader::Changed {
                        running = None;
                    }
                }
                (fetch, reply) = finished(&mut running) => {
                    running = None;
                    self.handle_reply(&fetch, reply, publisher, contact).await?;
                }
            }
        }
    }

    /// Starts the session's task, also after it panicked.
    fn start_zookeeper(&self, tasks: &mut JoinSet<()>, sender: &watch::Sender<Sight>) {
        if let Some(url) = &self.zookeeper
            && tasks.is_empty()
        {
            tasks.spawn(zookeeper::run(url.clone(), sender.clone(), self.metrics.clone()));
        }
    }

    fn tell_panic(&self, ended: Result<(), tokio::task::JoinError>) {
        self.metrics.panics.inc();
        if let Err(error) = ended {
            error!(%error, "the zookeeper session broke down and is started anew");
        }
    }

    /// ZooKeeper shows something new.
    fn handle_sight(&mut self, sight: &Sight, contact: &watch::Sender<Contact>) -> Leader {
        let was_empty = self.group.is_empty();
        let leader = match &sight.members {
            Some(members) => self.group.handle_members(members.to_vec()),
            None => Leader::Same,
        };
        let is_empty = self.group.is_empty();
        contact.send_modify(|contact| {
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
        }
        self.poll.handle_masters(candidates, leader, Instant::now());
        leader
    }

    /// A request ended.
    async fn handle_reply(
        &mut self,
        fetch: &Fetch,
        reply: Result<Reply, FetchError>,
        publisher: &Sender<Order>,
        contact: &watch::Sender<Contact>,
    ) -> Result<(), WatchError> {
        let (outcome, error) = match reply {
            Ok(Reply::Document(document)) => match self.take(fetch, *document, publisher, contact).await? {
                Ok(again) => (Outcome::Found { again }, None),
                Err(incomplete) => (Outcome::Failed, Some(incomplete.into())),
            },
            Ok(Reply::Elsewhere(leader)) => {
                debug!(master = %fetch.master, %leader, "another master leads");
                let error = FetchError::SentOn { leader: leader.to_string() };
                (Outcome::Elsewhere(leader), Some(error))
            }
            Err(error) => (Outcome::Failed, Some(error)),
        };
        let step = self.poll.handle_outcome(outcome, Instant::now(), rand::random());
        match error {
            Some(FetchError::SentOn { .. }) if step == Step::Follow => _ = self.metrics.redirects.inc(),
            Some(error) => self.tell_failure(fetch, &error, step, contact),
            None => {}
        }
        Ok(())
    }

    /// The leader's document: compares, completes and hands it over. Tells when to look again, if soon.
    async fn take(
        &mut self,
        fetch: &Fetch,
        document: Document,
        publisher: &Sender<Order>,
        contact: &watch::Sender<Contact>,
    ) -> Result<Result<Option<Duration>, Incomplete>, WatchError> {
        let now = Instant::now();
        self.detection.handle_leader();
        let (mut document, kept) = match self.compare(document, now).await? {
            (document, Ok(kept)) => (document, kept),
            (_, Err(incomplete)) => return Ok(Err(incomplete)),
        };
        self.tell_document(fetch, &document, &kept);
        let (held, again) = (kept.why, kept.again);
        kept.restore(&mut document);

        let listed = if self.zookeeper.is_some() { self.group.listed() } else { self.configured.clone() };
        let masters = Masters { leader: document.leader.as_deref().map(Arc::from), listed };
        let resolved = self.resolver.resolve(host_names(&document, &masters)).await;
        let version = document.version.clone();
        let (applied, answer) = oneshot::channel();
        let update = Update { document, listed: masters.listed, hosts: resolved.hosts, applied };
        publisher.send(Order::Update(Box::new(update))).map_err(|_| WatchError::NoPublisher)?;
        match timeout(PUBLISH_TIMEOUT, answer).await {
            Ok(Ok(cluster)) => self.cluster = cluster,
            Ok(Err(_)) | Err(_) => warn!("the publisher did not take the update in"),
        }
        self.metrics.documents.inc();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.last_success_seconds.set(since_epoch.as_secs_f64());
        contact.send_modify(|contact| {
            contact.leader = Some(Arc::from(fetch.master.to_string()));
            contact.version = version;
            contact.last_success = Some(now);
            contact.failure = None;
            contact.held = held;
        });
        let waiting = resolved.waiting.then_some(NAMES_AGAIN);
        Ok(Ok(again.into_iter().chain(waiting).min()))
    }

    /// Compares a document with the cluster, on a thread that may take its time: there can be a million tasks.
    async fn compare(
        &mut self,
        document: Document,
        now: Instant,
    ) -> Result<(Document, Result<Kept, Incomplete>), WatchError> {
        let cluster = self.cluster.clone();
        let mut belief = std::mem::replace(&mut self.belief, Belief::new(self.believe));
        let compared = spawn_blocking(move || {
            let kept = belief.judge(&cluster, &document, now);
            (belief, document, kept)
        });
        let (belief, document, kept) = compared.await.map_err(|_| WatchError::Panicked)?;
        self.belief = belief;
        Ok((document, kept))
    }

    /// Logs what is new about a document.
    fn tell_document(&mut self, fetch: &Fetch, document: &Document, kept: &Kept) {
        self.metrics.count_skipped(&document.skipped);
        self.metrics.count_held(kept.why, kept.tasks.len());
        let leader: Arc<str> = Arc::from(fetch.master.to_string());
        let recovered = self.told.failures.remove(&*leader).is_some();
        if recovered || self.told.leader.as_ref() != Some(&leader) {
            let (agents, tasks) = (document.agents.len(), document.tasks.len());
            info!(%leader, version = document.version, agents, tasks, "reading the state");
            self.told.leader = Some(leader);
        }
        if kept.why != self.told.held {
            let (tasks, agents) = (kept.tasks.len(), kept.agents.len());
            match kept.why {
                Some(why) => warn!(?why, tasks, agents, "keeping what the state does not show"),
                None => info!("nothing is kept any more that the state does not show"),
            }
            self.told.held = kept.why;
        }
        if document.skipped != self.told.skipped {
            warn!(skipped = ?document.skipped, "parts of the state cannot be used");
            self.told.skipped = document.skipped;
        }
    }

    /// Logs and counts why a master was of no use. Only a whole round without success is a failure to others.
    fn tell_failure(
        &mut self,
        fetch: &Fetch,
        error: &FetchError,
        step: Step,
        contact: &watch::Sender<Contact>,
    ) {
        if matches!(error, FetchError::SentOn { .. }) {
            self.metrics.redirects_refused.inc();
        }
        let status = match error {
            FetchError::Status { status } => Some(*status),
            _ => None,
        };
        let reason = (error.reason(), status);
        let (master, error) = (fetch.master.to_string(), chain(error));
        if self.told.failures.insert(master.clone(), reason) == Some(reason) {
            debug!(master, error, "state not read");
        } else {
            warn!(master, error, "state not read");
        }
        if self.told.failures.len() > poll::CANDIDATES_MAX {
            self.told.failures.clear();
        }
        if step == Step::Failed {
            contact.send_modify(|contact| contact.failure = Some(format!("{master}: {error}")));
        }
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

/// Waits for the running request; for ever without one.
async fn finished(running: &mut Option<Running>) -> (Fetch, Result<Reply, FetchError>) {
    match running {
        Some(running) => running.await,
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
    /// A fault of ours, logged where it happened. Starting anew helps.
    #[error("comparing documents panicked")]
    Panicked,
}
