//! The ZooKeeper session, and what can be seen through it. The only file that knows the client library.
//!
//! One session after the other: connect, list the group's node with a watch on its children, read the
//! members, wait for the watch, again. Everything is read anew with each session and after each change;
//! there are a handful of nodes of a few hundred bytes. Host names of the servers are looked up with every
//! connection, so servers may move.
//!
//! Nothing in here knows who leads: the members go to [`leader`](mesos_dns_core::watch::leader). That
//! ZooKeeper is away says nothing about the cluster, so losing the session tells nobody to forget anything.

use std::{collections::HashSet, sync::Arc, time::Duration};

use mesos_dns_core::{
    mesos::{
        master_info::MasterInfo,
        members::{self, members},
        zk_url::ZkUrl,
    },
    watch::{
        leader::{MEMBERS_MAX, Member},
        poll::backoff,
    },
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{info, warn};
use zookeeper_client::{Client, Error, EventType, OneshotWatcher, SessionState};

use super::metrics::WatchMetrics;

/// Session timeout asked for, as Mesos itself does. A silent server is given up after two fifths of it.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for the answer to one request, reconnecting included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Least time from one listing to the next, however often the group changes.
pub const LIST_PAUSE: Duration = Duration::from_millis(100);

/// When to read again although nothing changed, if a node could not be read.
pub const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What was last seen.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// How things stand with ZooKeeper now.
    pub state: State,
    /// The group's members; `None` before they were read for the first time.
    pub members: Option<Arc<[Member]>>,
}

/// How things stand with ZooKeeper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No session.
    #[default]
    Away,
    /// A session, but the group's node does not exist: a cluster that has not started.
    NoGroup,
    /// A session, and the group was read.
    Watching,
}

/// Keeps a session and reports what it sees, until dropped.
pub async fn run(url: ZkUrl, sight: watch::Sender<Sight>, metrics: Arc<WatchMetrics>) {
    let mut failures = 0;
    let mut told = None;
    loop {
        let mut session =
            Session { url: &url, sight: &sight, metrics: &metrics, bad: HashSet::new(), told: None };
        let (error, began) = session.run().await;
        sight.send_modify(|sight| sight.state = State::Away);
        if began {
            metrics.sessions_lost.inc();
            (failures, told) = (0, None);
        }
        if told.as_ref() != Some(&error) {
            warn!(%error, "no zookeeper session");
            told = Some(error);
        }
        sleep(backoff(failures, rand::random())).await;
        failures = failures.saturating_add(1);
    }
}

/// One session.
struct Session<'a> {
    url: &'a ZkUrl,
    sight: &'a watch::Sender<Sight>,
    metrics: &'a WatchMetrics,
    /// Nodes that could not be used, as far as they were logged.
    bad: HashSet<String>,
    /// The last failure of a request, as far as it was logged.
    told: Option<Error>,
}

impl Session<'_> {
    /// Runs it to its end; tells why it ended and whether it had begun.
    async fn run(&mut self) -> (Error, bool) {
        let client = match self.connect().await {
            Ok(client) => client,
            Err(error) => return (error, false),
        };
        self.metrics.sessions.inc();
        info!(session = %client.session_id(), "zookeeper session begun");
        loop {
            let began = Instant::now();
            let error = match self.look(&client).await {
                Ok(()) => None,
                Err(error) if is_final(&error, &client) => return (error, true),
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                // The library reconnects by itself, and the request is simply made again.
                if self.told.as_ref() != Some(&error) {
                    warn!(%error, path = self.url.path, "zookeeper request failed");
                    self.told = Some(error);
                }
                sleep(backoff(0, rand::random())).await;
            }
            sleep_until(began + LIST_PAUSE).await;
        }
    }

    async fn connect(&self) -> Result<Client, Error> {
        let servers: Vec<String> = self.url.servers.iter().map(ToString::to_string).collect();
        let mut connector = Client::connector().with_session_timeout(SESSION_TIMEOUT).with_fail_eagerly();
        if let Some(credentials) = &self.url.credentials {
            let pair = format!("{}:{}", credentials.user, credentials.password);
            connector = connector.with_auth("digest", pair.as_bytes());
        }
        answer(connector.connect(&servers.join(","))).await
    }

    /// Looks at the group once, reports it, and waits until it is worth another look.
    async fn look(&mut self, client: &Client) -> Result<(), Error> {
        let path = &self.url.path;
        let (children, changed) = match answer(client.list_and_watch_children(path)).await {
            Err(Error::NoNode) => return self.wait_for_group(client).await,
            listed => listed?,
        };
        let members = self.read(client, &children).await?;
        self.told = None;
        let complete = members.iter().all(|member| member.info.is_some());
        self.sight.send_modify(|sight| {
            *sight = Sight { state: State::Watching, members: Some(members.into()) };
        });
        if complete {
            return wait(changed).await;
        }
        timeout(RETRY_AFTER, wait(changed)).await.unwrap_or(Ok(()))
    }

    async fn wait_for_group(&mut self, client: &Client) -> Result<(), Error> {
        let (stat, changed) = answer(client.check_and_watch_stat(&self.url.path)).await?;
        if stat.is_some() {
            return Ok(());
        }
        if self.sight.borrow().state != State::NoGroup {
            warn!(path = self.url.path, "zookeeper has no such node; waiting for the first master");
        }
        self.sight.send_modify(|sight| sight.state = State::NoGroup);
        wait(changed).await
    }

    async fn read(&mut self, client: &Client, children: &[String]) -> Result<Vec<Member>, Error> {
        let found = members(children.iter().map(String::as_str));
        self.bad.retain(|node| children.contains(node));
        if found.len() > MEMBERS_MAX {
            self.metrics.members_ignored.inc_by((found.len() - MEMBERS_MAX) as u64);
        }
        let mut read = Vec::new();
        for member in found.into_iter().take(MEMBERS_MAX) {
            let info = self.read_member(client, &member).await?;
            read.push(Member { sequence: member.sequence, info });
        }
        Ok(read)
    }

    /// What a node says; `None` if it is gone, forbidden or nonsense.
    async fn read_member(
        &mut self,
        client: &Client,
        member: &members::Member<'_>,
    ) -> Result<Option<MasterInfo>, Error> {
        let path = format!("{}/{}", self.url.path.trim_end_matches('/'), member.node);
        let data = match answer(client.get_data(&path)).await {
            Ok((data, _)) => data,
            // Its master left since it was listed; the watch tells.
            Err(Error::NoNode) => return Ok(None),
            Err(error @ Error::NoAuth) => {
                self.tell_bad(member.node, &error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match MasterInfo::decode(member.format, &data) {
            Ok(info) => Ok(Some(info)),
            Err(error) => {
                self.tell_bad(member.node, &error);
                Ok(None)
            }
        }
    }

    fn tell_bad(&mut self, node: &str, error: &dyn std::error::Error) {
        if self.bad.insert(node.to_owned()) {
            self.metrics.bad_nodes.inc();
            warn!(node, error = super::chain(error), "master's node is of no use");
        }
    }
}

/// Waits for a watch. An error means that the session is over.
async fn wait(watcher: OneshotWatcher) -> Result<(), Error> {
    let event = watcher.changed().await;
    match (event.event_type, event.session_state) {
        (EventType::Session, SessionState::AuthFailed) => Err(Error::AuthFailed),
        (EventType::Session, SessionState::Closed) => Err(Error::ClientClosed),
        (EventType::Session, SessionState::Expired) => Err(Error::SessionExpired),
        _ => Ok(()),
    }
}

/// Waits for an answer, but not forever.
async fn answer<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(REQUEST_TIMEOUT, asked).await.unwrap_or(Err(Error::Timeout))
}

fn is_final(error: &Error, client: &Client) -> bool {
    let ends =
        matches!(error, Error::SessionExpired | Error::AuthFailed | Error::ClientClosed | Error::Timeout);
    ends || matches!(client.state(), SessionState::AuthFailed | SessionState::Closed | SessionState::Expired)
}
