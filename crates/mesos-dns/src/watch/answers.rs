//! What masters answer: taken in, followed, or told to the operator.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mesos_dns_core::{
    cluster::{Document, Masters},
    watch::{
        believe::Incomplete,
        knowledge::Origin,
        poll::{Ask, Fetch, Outcome, Step},
    },
};
use tokio::{sync::oneshot, time::timeout};
use tracing::{debug, warn};

use super::{
    Out, Source, Waiting, Watch, WatchError, contact, host_names,
    master::{FetchError, Reply},
};
use crate::publish::{Order, Report, Taken};

/// Longest wait for the publisher to take an update in. A million tasks take it some seconds.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(60);

/// When to look again if host names are still being looked up.
const NAMES_AGAIN: Duration = Duration::from_secs(2);

impl Watch {
    /// A request ended.
    pub(super) async fn handle_reply(
        &mut self,
        fetch: &Fetch,
        reply: Result<Reply, FetchError>,
        waiting: &mut Waiting,
        out: &Out<'_>,
    ) -> Result<(), WatchError> {
        if fetch.ask == Ask::Comparison {
            return self.handle_comparison(fetch, reply, out).await;
        }
        let (outcome, error) = match reply {
            Ok(Reply::Document(document)) => match self.take(fetch, *document, Origin::Polled, out).await? {
                Ok(again) => (Outcome::Found { again }, None),
                Err(incomplete) => (Outcome::Failed, Some(incomplete.into())),
            },
            Ok(Reply::Subscribed(subscribed)) => {
                match self.begin_stream(fetch, *subscribed, waiting, out).await? {
                    Ok(()) => (Outcome::Streaming, None),
                    Err(incomplete) => (Outcome::Failed, Some(incomplete.into())),
                }
            }
            Ok(Reply::NoStream(why)) => {
                self.refuse_stream(fetch, &why);
                (Outcome::NoStream, None)
            }
            Ok(Reply::Elsewhere(leader)) => {
                debug!(master = %fetch.master, %leader, "another master leads");
                let error = FetchError::SentOn { leader: leader.to_string() };
                (Outcome::Elsewhere(leader), Some(error))
            }
            Err(error) => (error.outcome(), Some(error)),
        };
        let step = self.poll.handle_outcome(outcome, Instant::now(), rand::random());
        if step == Step::Failed && fetch.ask == Ask::Stream {
            self.subscription.handle_failed(Instant::now());
        }
        match error {
            Some(FetchError::SentOn { .. }) if step == Step::Follow => _ = self.metrics.redirects.inc(),
            Some(error) => self.told.failure(fetch, &error, step, out.contact),
            None => {}
        }
        Ok(())
    }

    /// A document to compare with came, or did not.
    async fn handle_comparison(
        &mut self,
        fetch: &Fetch,
        reply: Result<Reply, FetchError>,
        out: &Out<'_>,
    ) -> Result<(), WatchError> {
        self.poll.handle_comparison(Instant::now());
        let taken = match reply {
            Ok(Reply::Document(document)) => {
                self.take(fetch, *document, Origin::Compared, out).await?.map_err(FetchError::from)
            }
            Ok(Reply::Elsewhere(leader)) => Err(FetchError::SentOn { leader: leader.to_string() }),
            Ok(Reply::NoStream(_) | Reply::Subscribed(_)) => Ok(None),
            Err(error) => Err(error),
        };
        self.subscription.handle_compared(Instant::now(), rand::random());
        match taken {
            Ok(Some(again)) => self.subscription.handle_again(again, Instant::now()),
            Ok(None) => {}
            // The stream goes on; the next comparison comes in its time.
            Err(error) => self.told.failure(fetch, &error, Step::Next, out.contact),
        }
        Ok(())
    }

    /// The leader's document: completes it and hands it over. Tells when to look again, if soon.
    pub(super) async fn take(
        &mut self,
        fetch: &Fetch,
        document: Document,
        origin: Origin,
        out: &Out<'_>,
    ) -> Result<Result<Option<Duration>, Incomplete>, WatchError> {
        let now = Instant::now();
        self.detection.handle_leader();
        self.told.document(fetch, &document, origin);
        let listed = self.listed();
        let masters = Masters { leader: document.leader.as_deref().map(Arc::from), listed };
        let resolved = self.resolver.resolve(host_names(&document, &masters)).await;
        let remark = contact::remark(&document);
        let (version, leader) = (document.version.clone(), masters.leader.clone());
        let (taken, answer) = oneshot::channel();
        let report = Report { document, listed: masters.listed, hosts: resolved.hosts, origin, taken };
        out.send(Order::Report(Box::new(report))).await?;
        let taken = match timeout(PUBLISH_TIMEOUT, answer).await {
            Ok(Ok(Ok(taken))) => taken,
            Ok(Ok(Err(incomplete))) => return Ok(Err(incomplete)),
            Ok(Err(_)) | Err(_) => {
                warn!("the publisher did not take the update in");
                Taken { again: None }
            }
        };
        self.leader = leader;
        self.metrics.handle_document((origin == Origin::Polled).then_some(self.refresh));
        let source = if origin == Origin::Polled { Source::Polls } else { Source::Events };
        out.contact.send_modify(|contact| {
            contact.leader = Some(Arc::from(fetch.master.to_string()));
            if !version.is_empty() {
                contact.version = version;
            }
            contact.last_success = Some(now);
            contact.failure = None;
            contact.remark = remark;
            contact.source = source;
        });
        let waiting = resolved.waiting.then_some(NAMES_AGAIN);
        Ok(Ok(taken.again.into_iter().chain(waiting).min()))
    }
}
