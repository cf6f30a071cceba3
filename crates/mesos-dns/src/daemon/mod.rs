//! All the wiring, top to bottom; the only room that knows every part.
//!
//! ```text
//!   Watch --Update--> Publisher (a thread) --swap--> Board --> UDP workers (threads), TCP, HTTP
//!                                                                 | Outside
//!                                                                 +--> Forwarder
//! ```
//!
//! Sockets are opened first and nothing is served halfway: a port that is taken ends the start with a
//! message. Then root is given up, if we had it. After that only a signal ends the process, or the one time limit that the file can set.

mod descriptors;
mod handed;
mod outside;
pub(crate) mod privileges;
mod restore;
pub(crate) mod rooms;
mod sockets;
pub(crate) mod standing;
mod system_servers;

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use anyhow::Context;
use arc_swap::ArcSwap;
use mesos_dns_core::{
    answer::{RateLimiter, Secrets},
    config::{Config, Row},
    table::Seed,
    watch::leader::Group,
};
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    args::Common,
    configuration,
    dns::{self, Clients, Exit, Identity, OUTSIDE_WAITING_MAX, Shared, Sockets},
    explain::Explainer,
    forward::{Forwarder, own_addresses},
    http::{self, Admin, Api},
    logging,
    metrics::Metrics,
    problems::{Counter, Shown},
    publish::{Board, Doubts, Order, Orders, Publisher},
    snapshot::{Keeper, SnapshotFile},
    system::{self, Asked, Descriptors, Rank, Signals, step_back},
    watch::{Contact, Watch, WatchError},
};
use handed::Handed;
use sockets::Opened;
use standing::{Seen, StaleAfter, View};
use system_servers::SystemServers;

/// How long answers in hand may take when the process is told to stop. With what the workers take before, it
/// ends within five seconds.
const DRAIN: Duration = Duration::from_secs(4);

/// How long clients are kept waiting for the saved cluster at the start. It takes 200 ms for ten thousand tasks; clients
/// ask somebody else after two seconds or more.
const RESTORE_WAIT: Duration = Duration::from_millis(1500);

/// Pause before a watcher that broke down is started anew: whatever broke it may still be there.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// How a configuration is read again, for a reload.
pub type Reload = dyn Fn() -> anyhow::Result<Config> + Send + Sync;

/// Where a started daemon can be reached.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// DNS, over UDP and TCP; empty if it is off.
    pub dns: Vec<SocketAddr>,
    /// HTTP; `None` if it is off.
    pub http: Option<SocketAddr>,
}

/// Reads the configuration and serves until a signal ends it.
///
/// # Errors
///
/// The configuration is bad, or what [`serve`] says.
pub fn run(common: &Common) -> anyhow::Result<()> {
    let path = common.config_path().to_owned();
    let config = configuration::load(&path)?;
    logging::start(common.verbosity, config.log_format);
    configuration::log(&config);
    let descriptors = system::raise_descriptors();
    let opened = Opened::new(&config, Handed::take()?)?;
    privileges::give_up_root(&config)?;
    let reload = Box::new(move || Ok(configuration::load(&path)?));
    let until = CancellationToken::new();
    run_to_end(serve_at(opened, descriptors, config, reload, until, |_, _| ()))
}

/// Runs work on a runtime of its own, the one for everything but datagrams and publishing.
///
/// Nothing outlives the work but calls of the system's resolver, which wait for servers that may never answer
/// and cannot be stopped: nobody waits for them.
///
/// # Errors
///
/// There is no runtime to be had, or the work fails.
pub fn run_to_end<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_name("io")
        .on_thread_start(|| step_back(Rank::Second))
        .build();
    let runtime = runtime.context("cannot start the runtime")?;
    let ended = runtime.block_on(work);
    runtime.shutdown_background();
    ended
}

/// Serves a configuration until `shutdown` is cancelled or a signal ends it.
///
/// `started` is told where we can be reached once every socket is bound, and the board to look at.
///
/// # Errors
///
/// A port that cannot be bound, a file that cannot be read, or the detection time limit of the
/// configuration reached without any leader ever found.
pub async fn serve(
    config: Config,
    reload: Box<Reload>,
    shutdown: CancellationToken,
    started: impl FnOnce(Addresses, Arc<Board>),
) -> anyhow::Result<()> {
    let descriptors = system::raise_descriptors();
    let opened = Opened::new(&config, Handed::default())?;
    serve_at(opened, descriptors, config, reload, shutdown, started).await
}

/// The same with sockets that are open.
async fn serve_at(
    opened: Opened,
    descriptors: Descriptors,
    config: Config,
    reload: Box<Reload>,
    shutdown: CancellationToken,
    started: impl FnOnce(Addresses, Arc<Board>),
) -> anyhow::Result<()> {
    let signals = Signals::new().context("cannot listen for signals")?;
    let mut daemon = Daemon::start(opened, config, descriptors.now, shutdown.clone())?;
    started(daemon.addresses.clone(), daemon.board.clone());
    info!(dns = ?daemon.addresses.dns, http = ?daemon.addresses.http, ?descriptors, "serving");
    system::tell_ready();
    let (asks, mut asked) = watch::channel(Asked::default());
    let relay = tokio::spawn(signals.relay(asks, shutdown.clone()));
    let mut done = Asked::default();
    let mut looks = tokio::time::interval(system_servers::LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = loop {
        tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            ended = daemon.watched() => break ended,
            _ = looks.tick(), if daemon.config.follows_system() => daemon.follow_system(),
            Ok(()) = asked.changed() => {
                let before = std::mem::replace(&mut done, *asked.borrow_and_update());
                if before.releases != done.releases {
                    daemon.release().await;
                }
                if before.reloads != done.reloads {
                    daemon.reload(&*reload);
                }
            }
        }
    };
    system::tell_stopping();
    shutdown.cancel();
    daemon.stop().await;
    let _ = relay.await;
    info!("stopped");
    ended
}

/// Everything that runs.
struct Daemon {
    config: Config,
    /// What the process was started with, key by key.
    started: Vec<Row>,
    /// Whether the system asks other servers by now.
    system_servers: SystemServers,
    /// How many file descriptors there are.
    descriptors: u64,
    clients: Arc<Clients>,
    /// Who we are on the encrypted listeners.
    identities: Vec<(SocketAddr, Arc<Identity>)>,
    /// What cookies are made with unless the file names a secret: the same until the end, over reloads too.
    secrets: Secrets,
    addresses: Addresses,
    board: Arc<Board>,
    metrics: Metrics,
    shared: Arc<Shared>,
    forwarder: Arc<Forwarder>,
    api: Arc<Api>,
    orders: Orders,
    doubts: watch::Receiver<Doubts>,
    publisher: thread::JoinHandle<()>,
    keeper: Option<Keeping>,
    workers: dns::Workers,
    seen: Arc<ArcSwap<Seen>>,
    watching: Watching,
    /// TCP, HTTP, the dispatcher of forwarded queries.
    servers: JoinSet<anyhow::Result<()>>,
    shutdown: CancellationToken,
}

/// What writes the snapshot file. It ends after the publisher.
struct Keeping {
    task: tokio::task::JoinHandle<()>,
    finished: CancellationToken,
}

impl Keeping {
    fn start(file: SnapshotFile, board: &Arc<Board>, metrics: &Metrics) -> Self {
        let finished = CancellationToken::new();
        let keeper = Keeper::new(file, board.clone(), metrics.snapshot.clone());
        Self { task: tokio::spawn(keeper.run(finished.clone())), finished }
    }
}

/// The running watcher. A reload replaces it.
struct Watching {
    task: tokio::task::JoinHandle<Result<(), WatchError>>,
    stop: CancellationToken,
}

impl Daemon {
    fn start(
        opened: Opened,
        config: Config,
        descriptors: u64,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let (started, interfaces) = (config.rows(), configuration::interface_addresses());
        let Opened { dns: sockets, http: http_socket, admin: admin_socket } = opened;
        let http_identity = sockets::http_identity(&config)?;
        let addresses = Addresses {
            dns: sockets.iter().map(|(sockets, _)| sockets.address).collect(),
            http: http_socket.as_ref().map(|listener| listener.local_addr()).transpose()?,
        };
        let (metrics, registry) = Metrics::new();
        let settings = rooms::publish(&config, &interfaces);
        let board = Arc::new(Board::new(settings.policy.clone(), settings.soa.clone()));
        let seed = Seed(rand::random());
        let mut publisher = Publisher::new(board.clone(), metrics.publish.clone(), settings, seed);
        let doubts = publisher.doubts();
        let (orders, taken) = Orders::channel();
        let file = config.snapshot_file.as_ref().map(SnapshotFile::at);
        let keeper = file.clone().map(|file| Keeping::start(file, &board, &metrics));
        let masters = config.masters.clone();
        let (restored, is_restored) = std::sync::mpsc::channel();
        let publisher = thread::Builder::new().name("publish".into()).spawn(move || {
            step_back(Rank::Last);
            if let Some(saved) = file.and_then(|file| restore::read(&file, &masters)) {
                publisher.restore(saved);
            }
            drop(restored);
            publisher.run(&taken);
        })?;
        let (waiting, queries) = mpsc::channel(OUTSIDE_WAITING_MAX);
        let own = own_addresses(&addresses.dns, &interfaces);
        let forwarder = Arc::new(Forwarder::new(
            rooms::forward(&config),
            &own,
            metrics.forward.clone(),
            metrics.legacy.clone(),
        ));
        let secrets = Secrets::new(rand::random());
        let shared = Arc::new(Shared {
            board: board.clone(),
            settings: ArcSwap::from_pointee(rooms::answer(&config, &secrets)),
            standing: Arc::default(),
            limiter: RateLimiter::new(rand::random()),
            exit: Exit::new(outside::Remembered(forwarder.clone()), waiting),
            metrics: metrics.dns.clone(),
        });
        forwarder.ask_own_zone_by({
            // The workers end when nobody can ask any more, so the forwarder must not keep what they share.
            let shared = Arc::downgrade(&shared);
            move |query| dns::own_answer(query, &*shared.upgrade()?)
        });
        let (watching, seen) =
            start_watch(&config, Contact::default(), Duration::ZERO, &board, &metrics, (&orders, &doubts))?;
        let seen = Arc::new(ArcSwap::from_pointee(seen));
        let view = View { board: board.clone(), seen: seen.clone() };
        let problems = Shown::default();
        let counter = Counter::new(board.clone(), problems.clone(), metrics.problems.clone());
        let api = Api::new(
            rooms::http(&config, &started),
            board.clone(),
            {
                let view = view.clone();
                move || view.look()
            },
            metrics.http.clone(),
            metrics.legacy.clone(),
            registry,
        );
        let explainer = Explainer {
            shared: Arc::downgrade(&shared),
            forwarder: forwarder.clone(),
            problems: problems.clone(),
            origin: Box::new({
                let view = view.clone();
                move || view.origin()
            }),
        };
        let http_limits = descriptors::of_http(descriptors);
        let api = api
            .showing(problems)
            .explaining(Arc::new(move |question| explainer.explain(question)))
            .with_watchers(descriptors::of_watchers(&http_limits))
            .asking({
                let view = view.clone();
                move || view.sources()
            });
        let api = Arc::new(api);
        let mut servers = JoinSet::new();
        servers.spawn({
            let counted = counter.run(shutdown.clone());
            async move {
                counted.await;
                Ok(())
            }
        });
        servers.spawn(outside::dispatch(queries, forwarder.clone()));
        servers.spawn({
            let told = view.clone().tell(shared.standing.clone(), metrics.standing.clone(), shutdown.clone());
            async move {
                told.await;
                Ok(())
            }
        });
        // Until then, what is asked waits in the sockets; without the saved cluster it could only be refused.
        let _: Result<(), _> = is_restored.recv_timeout(RESTORE_WAIT);
        let clients = Arc::new(Clients::new(descriptors::of_dns(&config, descriptors), &shutdown));
        let (mut udp, mut identities) = (Vec::new(), Vec::new());
        for (Sockets { udp: datagrams, tcp, address }, carrier) in sockets {
            udp.extend(datagrams);
            identities.extend(carrier.identity().map(|identity| (address, identity.clone())));
            for listener in tcp {
                let (carrier, shared, clients, shutdown) =
                    (carrier.clone(), shared.clone(), clients.clone(), shutdown.clone());
                servers.spawn(async move {
                    Ok(dns::serve_tcp(listener, carrier, shared, clients, shutdown).await?)
                });
            }
        }
        if let (Some(address), Some(identity)) = (addresses.http, &http_identity) {
            identities.push((address, identity.clone()));
        }
        servers.spawn({
            let watched = dns::watch_identities(identities.clone(), metrics.dns.clone(), shutdown.clone());
            async move {
                watched.await;
                Ok(())
            }
        });
        let workers = dns::serve_udp(udp, config.pin_workers, &shared)?;
        if let Some(listener) = http_socket {
            let (api, shutdown) = (api.clone(), shutdown.clone());
            servers.spawn(async move {
                Ok(http::serve(listener, http_identity, api, http_limits, shutdown).await?)
            });
        }
        if let Some(socket) = admin_socket {
            let flush = {
                let forwarder = forwarder.clone();
                move |selection: &_| forwarder.flush(selection)
            };
            let admin = Admin::new(board.clone(), move || view.look(), orders.clone(), flush);
            let served = http::admin::serve(socket, Arc::new(admin), shutdown.clone());
            servers.spawn(async move { Ok(served.await?) });
        }
        servers.spawn({
            let shutdown = shutdown.clone();
            async move {
                system::feed_watchdog(|| true, shutdown).await;
                Ok(())
            }
        });
        Ok(Self {
            config,
            started,
            system_servers: SystemServers::default(),
            descriptors,
            clients,
            identities,
            secrets,
            addresses,
            board,
            metrics,
            shared,
            forwarder,
            api,
            orders,
            doubts,
            publisher,
            keeper,
            workers,
            seen,
            watching,
            servers,
            shutdown,
        })
    }

    /// Ends when the watcher gives up.
    ///
    /// A watcher that panics is counted and started anew: what it held is published or will be read again.
    async fn watched(&mut self) -> anyhow::Result<()> {
        loop {
            match (&mut self.watching.task).await {
                Err(panic) => error!(%panic, "the watcher broke down and is started anew"),
                Ok(ended) => return Ok(ended?),
            }
            self.metrics.watch.panics.inc();
            let known = self.seen.load().contact.borrow().clone();
            let (watching, seen) = start_watch(
                &self.config,
                known,
                RESTART_PAUSE,
                &self.board,
                &self.metrics,
                (&self.orders, &self.doubts),
            )?;
            self.watching = watching;
            self.seen.store(Arc::new(seen));
        }
    }

    /// The operator vouches for the leader, by a signal.
    async fn release(&self) {
        warn!(signal = "SIGUSR1", "release asked for");
        // If the publisher is gone, so is what was held.
        let _ = self.orders.send(Order::Release).await;
    }

    /// Asks the servers that the system names now.
    fn follow_system(&mut self) {
        let Some(config) = self.system_servers.look(&self.config) else { return };
        let own = own_addresses(&self.addresses.dns, &configuration::interface_addresses());
        self.forwarder.replace(rooms::forward(&config), &own);
        self.api.reload(rooms::http(&config, &self.started));
        self.config = config;
    }

    /// Reads the configuration again and puts it in force, as a whole or not at all.
    fn reload(&mut self, read: &Reload) {
        system::tell_reloading();
        let taken_over = read().and_then(|config| self.take_over(config));
        self.metrics.reloads.reloaded(taken_over.is_ok());
        match taken_over {
            Ok(()) => {
                info!(file = self.config.path(), "configuration reloaded");
            }
            Err(error) => {
                error!(
                    error = format!("{error:#}"),
                    "reload failed, the former configuration stays in force"
                );
            }
        }
        system::tell_ready();
    }

    fn take_over(&mut self, config: Config) -> anyhow::Result<()> {
        for key in rooms::waiting_for_a_restart(&self.started, &config) {
            warn!(key, "this key changes only with a restart");
        }
        let interfaces = configuration::interface_addresses();
        // What can fail comes first.
        // The data stay, and with them their age and whatever was odd about them.
        let known = self.seen.load().contact.borrow().clone();
        // Another ZooKeeper may vouch for other masters, and only they may see our credentials.
        let group = if config.zk == self.config.zk { known.group } else { Group::default() };
        let known = Contact { zookeeper: None, group, ..known };
        let (watching, seen) = start_watch(
            &config,
            known,
            Duration::ZERO,
            &self.board,
            &self.metrics,
            (&self.orders, &self.doubts),
        )?;
        let settings = Order::Settings(Box::new(rooms::publish(&config, &interfaces)));
        self.orders.send_blocking(settings)?;
        self.shared.settings.store(Arc::new(rooms::answer(&config, &self.secrets)));
        self.clients.limit(descriptors::of_dns(&config, self.descriptors));
        // The configuration was judged with the files as they are now; the listeners are those of the start.
        for (listener, identity) in &self.identities {
            identity.refresh(*listener, &self.metrics.dns);
        }
        let own = own_addresses(&self.addresses.dns, &interfaces);
        self.forwarder.replace(rooms::forward(&config), &own);
        self.api.reload(rooms::http(&config, &self.started));
        std::mem::replace(&mut self.watching, watching).stop.cancel();
        self.seen.store(Arc::new(seen));
        self.config = config;
        Ok(())
    }

    /// Stops accepting, lets answers in hand finish, and joins everything.
    async fn stop(mut self) {
        self.shutdown.cancel();
        self.watching.stop.cancel();
        let workers = self.workers;
        let _ = tokio::task::spawn_blocking(move || workers.stop()).await;
        // Only now can nobody hand queries to the dispatcher any more but connections, which end by themselves.
        drop(self.shared);
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(ended) = self.servers.join_next().await {
                if let Err(error) = ended.map_err(anyhow::Error::from).and_then(|ended| ended) {
                    error!(error = format!("{error:#}"), "a server ended badly");
                }
            }
        });
        if drained.await.is_err() {
            warn!("some answers did not end in time");
        }
        let _ = self.orders.send(Order::Stop).await;
        let publisher = self.publisher;
        let _ = tokio::task::spawn_blocking(move || publisher.join()).await;
        if let Some(keeping) = self.keeper {
            keeping.finished.cancel();
            let _ = keeping.task.await;
        }
    }
}

/// Starts a watcher that goes on from what is published, and from what is known of the masters.
fn start_watch(
    config: &Config,
    known: Contact,
    pause: Duration,
    board: &Board,
    metrics: &Metrics,
    (orders, doubts): (&Orders, &watch::Receiver<Doubts>),
) -> anyhow::Result<(Watching, Seen)> {
    let mut settings = rooms::watch(config);
    let published = board.load();
    if published.zone.is_loaded() && published.restored.is_none() {
        // A leader was found once: from then on its absence ends nothing.
        settings.detection_timeout = None;
    }
    let watcher = Watch::new(&settings, metrics.watch.clone())?.knowing(&known);
    let (contact, told) = watch::channel(known);
    let stop = CancellationToken::new();
    let (orders, doubts) = (orders.clone(), doubts.clone());
    let task = tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::select! {
                () = tokio::time::sleep(pause) => watcher.run(orders, doubts, contact, stop).await,
                () = stop.cancelled() => Ok(()),
            }
        }
    });
    // Polled data are as old as the period even when all is well.
    let events = config.stale_after_seconds;
    let stale_after = StaleAfter { events, polls: events.saturating_add(config.refresh_seconds) };
    Ok((Watching { task, stop }, Seen { contact: told, stale_after }))
}
