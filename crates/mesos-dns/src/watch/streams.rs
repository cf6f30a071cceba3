//! Streams of events: begun, watched over, ended.

use std::time::{Duration, Instant};

use mesos_dns_core::{
    cluster::{Change, Host},
    watch::{
        believe::Incomplete,
        knowledge::Origin,
        poll::Fetch,
        subscribe::{End, GivesUp, HEARTBEAT},
    },
};
use tracing::{debug, warn};

use super::{
    Out, Source, Waiting, Watch, WatchError, chain,
    master::FetchError,
    reader::{Notice, Reader},
    stream::{NoStream, Schedulers, Subscribed},
};
use crate::publish::{Doubts, Order};

impl Watch {
    /// The state with which a stream begins was read: takes it in, then lets the events come.
    pub(super) async fn begin_stream(
        &mut self,
        fetch: &Fetch,
        subscribed: Subscribed,
        waiting: &mut Waiting,
        out: &Out<'_>,
    ) -> Result<Result<(), Incomplete>, WatchError> {
        let Subscribed { document, support, events } = subscribed;
        let again = match self.take(fetch, document, Origin::Subscribed, out).await? {
            Ok(again) => again,
            Err(incomplete) => return Ok(Err(incomplete)),
        };
        let now = Instant::now();
        self.subscription.handle_begin(fetch, support, events.heartbeat(), now, rand::random());
        if let Some(again) = again {
            self.subscription.handle_again(again, now);
        }
        self.metrics.begin_stream(events.heartbeat().unwrap_or(HEARTBEAT));
        self.told.stream(fetch, support);
        waiting.reader = Some(Reader::start(events, out.orders.clone(), self.metrics.clone()));
        waiting.wants_summary = false;
        Ok(Ok(()))
    }

    /// The stream said something that has to be acted on.
    pub(super) async fn handle_notice(
        &mut self,
        notice: Notice,
        waiting: &mut Waiting,
        out: &Out<'_>,
    ) -> Result<(), WatchError> {
        match notice {
            Notice::Alive(at) => {
                self.subscription.handle_alive(at);
                out.contact.send_modify(|contact| contact.last_success = Some(at));
            }
            Notice::Frameworks => waiting.wants_summary = true,
            Notice::Names(names) => {
                let hosts = self.resolver.resolve_more(names).await;
                out.send(Order::Hosts(hosts)).await?;
            }
            Notice::Odd => self.subscription.handle_suspicion(Instant::now()),
        }
        Ok(())
    }

    /// The summary tells where schedulers are.
    pub(super) async fn handle_summary(
        &mut self,
        schedulers: Result<Schedulers, FetchError>,
        out: &Out<'_>,
    ) -> Result<(), WatchError> {
        let schedulers = match schedulers {
            Ok(schedulers) => schedulers,
            Err(error) => {
                debug!(error = chain(&error), "the master's summary cannot be read");
                // The next comparison tells it, too.
                self.subscription.handle_suspicion(Instant::now());
                return Ok(());
            }
        };
        let names = schedulers.values().filter_map(|(host, _)| match host {
            Some(Host::Name(name)) => Some(name.clone()),
            _ => None,
        });
        let hosts = self.resolver.resolve_more(names.collect::<Vec<_>>()).await;
        let places = schedulers.into_iter().map(|(id, (host, port))| Change::FrameworkAt { id, host, port });
        out.send(Order::Hosts(hosts)).await?;
        out.send(Order::Changes(places.collect(), None)).await
    }

    /// The publisher met something that only the state can settle.
    pub(super) fn handle_doubts(
        &mut self,
        before: Doubts,
        now: Doubts,
        waiting: &mut Waiting,
        out: &Out<'_>,
    ) {
        if before.lost != now.lost {
            self.end_stream(End::Overrun, waiting, out);
        }
        if before.odd != now.odd {
            self.subscription.handle_suspicion(Instant::now());
        }
        if before.released != now.released {
            self.subscription.handle_again(Duration::ZERO, Instant::now());
            self.poll.handle_wish(Instant::now());
        }
    }

    /// The stream is over, or to be ended.
    pub(super) fn end_stream(&mut self, end: End, waiting: &mut Waiting, out: &Out<'_>) {
        waiting.reader = None;
        waiting.summary = None;
        let now = Instant::now();
        let Some((life, gives_up)) = self.subscription.handle_end(end, now) else { return };
        // A comparison with what nobody goes on telling is of no use.
        waiting.request = None;
        self.poll.handle_stream_end(life, now, rand::random());
        self.metrics.count_end(end);
        self.told.end(end, gives_up);
        if gives_up == GivesUp::Yes {
            out.contact.send_modify(|contact| contact.source = Source::Polls);
        }
    }

    pub(super) fn refuse_stream(&mut self, fetch: &Fetch, why: &NoStream) {
        self.metrics.streams_refused.inc();
        if self.subscription.handle_refused(Instant::now()) {
            warn!(master = %fetch.master, %why, "no stream of events; the state is polled");
        }
    }
}
