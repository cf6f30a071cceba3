//! What a client is told about a name that servers know: from memory or from an exchange. Where that leads on is
//! followed by `leading`.
//!
//! ```text
//!  remembered, fresh ------------------------------------------> told; if it ages and is popular, asked for anew
//!  remembered, its time over -- exchange -- answer ------------> told
//!                                  | failure, or 1.8 s pass ---> told as stale; the exchange goes on
//!                                  |  (0.1 s while all servers are ill)
//!  failed a moment ago ----------------------------------------> told as stale, or that it failed
//!  nothing --------------------- exchange ---------------------> told, and remembered
//! ```

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use mesos_dns_core::{
    forward::{
        admission::Limit,
        asker::{Asker, key_of_wire},
        believe::believe,
        entry::{Entry, Manner, Telling},
        held::Found,
        key::Key,
        message::{Ede, Rcode},
        resolved::Resolved,
        route::Group,
    },
    wire,
};
use tokio::time::{Instant, timeout};

use super::{Active, Boarding, Forwarder, Outcome, leading::Journey};

/// How long a client waits for servers when there is a stale answer (RFC 8767 section 5, "client response timer").
/// Most clients ask again, or somebody else, after two seconds or more.
const STALE_AFTER: Duration = Duration::from_millis(1800);

/// The same while all servers that could be asked are ill: one that is well again has said so by then, and there is
/// nobody else to wait for.
const STALE_AFTER_ILL: Duration = Duration::from_millis(100);

/// Largest message there is.
const MESSAGE_BYTES_MAX: usize = 65_535;

/// How our own zone is asked: it takes a query and gives the whole reply, as over TCP.
pub(super) type OwnZone = OnceLock<Box<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>>;

impl Forwarder {
    /// Says how our own zone is asked: servers may answer with a name that leads there. Only the first call counts.
    pub fn ask_own_zone_by(&self, ask: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) {
        // Whoever comes second is told nothing, as said.
        let _ = self.own_zone.set(Box::new(ask));
    }

    /// Writes the reply to a query at once if it is remembered to its end; tells its length. Waits for nothing and
    /// allocates nothing: for threads that answer datagrams. `None`: hand the query to [`Forwarder::answer`], which
    /// asks.
    ///
    /// `telling` says when, how and with which options of this hop; its manner and what a cut reply says are set here.
    pub fn recall(
        &self,
        query: &wire::Query<'_>,
        client: IpAddr,
        telling: &Telling<'_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let (active, asker) = (self.active.load(), Asker::of_wire(query));
        if !active.policy.may_recall(client, asker.flags.recursion_desired()) {
            return None;
        }
        let stale_max = active.policy.settings().stale_max;
        let (entry, manner) = active.cache.recall(key_of_wire(query), telling.now, stale_max)?;
        let truncation = active.policy.truncation();
        let length = entry.write(&asker, &Telling { manner, truncation, ..*telling }, out)?;
        self.desk.metrics.queries.inc();
        self.desk.metrics.replied(self.outcome(&entry));
        Some(length)
    }

    /// What is known about a question, asking servers if need be.
    pub(super) async fn know(
        &self,
        journey: &Journey<'_>,
        group: &Group,
    ) -> Result<(Arc<Entry>, Manner), Limit> {
        let (active, key, now) = (journey.active, Key::of(journey.query), Instant::now().into_std());
        match active.cache.find(key.view(), now, active.policy.settings().stale_max) {
            Found::Tell { entry, manner, refresh } => {
                if refresh {
                    self.refresh(active, group, &key);
                }
                Ok((entry, manner))
            }
            Found::Ask(stale) => self.ask(journey, group, &key, stale).await,
        }
    }

    /// Asks servers; tells the stale answer if they fail or take their time.
    async fn ask(
        &self,
        &Journey { active, query, client, deadline }: &Journey<'_>,
        group: &Group,
        key: &Key,
        stale: Option<Arc<Entry>>,
    ) -> Result<(Arc<Entry>, Manner), Limit> {
        let budget = deadline.saturating_duration_since(Instant::now());
        let patience = match stale {
            None => budget,
            Some(_) if active.all_ill(group) => STALE_AFTER_ILL,
            Some(_) => STALE_AFTER,
        };
        let patience = patience.min(budget);
        let arrived = match self.board(active, group, key, query.question.octets, client) {
            Ok((passenger, _place)) => timeout(patience, passenger.arrive()).await.ok().flatten(),
            // Our own query come back must not bring a stale answer, which would then be taken for a server's.
            Err(limit) if stale.is_none() || limit == Limit::Loop => return Err(limit),
            Err(limit) => {
                self.desk.metrics.limited(limit);
                None
            }
        };
        match (arrived, stale) {
            (Some(entry), _) if !entry.is_failure() => Ok((entry, Manner::Current)),
            (_, Some(stale)) => {
                self.desk.metrics.cache.stale();
                Ok((stale, Manner::Stale))
            }
            (Some(failure), None) => Ok((failure, Manner::Current)),
            (None, None) => Ok((Arc::new(broken(active, key)), Manner::Current)),
        }
    }

    /// Asks anew for what is remembered and popular, unless that is under way or too much of it is.
    fn refresh(&self, active: &Arc<Active>, group: &Group, key: &Key) {
        let Ok(place) = self.refreshes.clone().try_acquire_owned() else { return };
        if let Boarding::New(flight, passenger) = active.flights.board(key, &key.question())
            && self.fly(active, group, flight, None).is_ok()
        {
            self.desk.metrics.cache.refreshes.inc();
            tokio::spawn(async move {
                passenger.arrive().await;
                drop(place);
            });
        }
    }

    /// The reply for this client, and what it is.
    pub(super) fn tell(
        &self,
        &Journey { active, query, client, .. }: &Journey<'_>,
        entry: &Entry,
        manner: Manner,
    ) -> (Outcome, Vec<u8>) {
        let telling = Telling {
            now: Instant::now().into_std(),
            manner,
            transport: client.transport,
            truncation: active.policy.truncation(),
            options: &client.options,
            turn: rand::random(),
        };
        let reply = written(entry, &Asker::of(query), &telling);
        // What does not even fit its question into a message was no query.
        (self.outcome(entry), reply.unwrap_or_else(|| query.reply(Rcode::SERVFAIL, Ede::Other)))
    }
}

/// An answer as a message.
pub(super) fn written(entry: &Entry, asker: &Asker<'_>, telling: &Telling<'_>) -> Option<Vec<u8>> {
    let mut out = vec![0; asker.reply_bytes_max(telling.transport).min(MESSAGE_BYTES_MAX)];
    let length = entry.write(asker, telling, &mut out)?;
    out.truncate(length);
    Some(out)
}

/// An exchange broke down without saying anything.
fn broken(active: &Active, key: &Key) -> Entry {
    failed(active, key, Ede::Other)
}

/// Our own zone cannot be asked.
pub(super) fn unready(active: &Active, key: &Key) -> Entry {
    failed(active, key, Ede::NotReady)
}

fn failed(active: &Active, key: &Key, why: Ede) -> Entry {
    let (failed, now) = (Resolved::Code(Rcode::SERVFAIL, why), Instant::now().into_std());
    believe(key, &failed, &active.policy.settings().domain, now)
}
