//! What the operator was told, so that only changes are.

use std::{collections::HashMap, sync::Arc};

use mesos_dns_core::{
    cluster::{Document, Skipped},
    mesos::operator::Support,
    watch::{
        knowledge::Origin,
        poll::{self, Fetch, Step},
        subscribe::{End, GivesUp, STREAM_AGAIN},
    },
};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use super::{
    Contact, chain,
    contact::remark,
    master::FetchError,
    metrics::{Failure, WatchMetrics},
};

/// See the head of this file.
pub(super) struct Told {
    metrics: Arc<WatchMetrics>,
    /// By master, why its last request failed.
    failures: HashMap<String, (Failure, Option<hyper::StatusCode>)>,
    leader: Option<Arc<str>>,
    skipped: Skipped,
    remark: Option<&'static str>,
}

impl Told {
    /// Nothing yet.
    pub(super) fn new(metrics: Arc<WatchMetrics>) -> Self {
        Self { metrics, failures: HashMap::new(), leader: None, skipped: Skipped::default(), remark: None }
    }

    /// Logs what is new about a document.
    pub(super) fn document(&mut self, fetch: &Fetch, document: &Document, origin: Origin) {
        self.metrics.count_skipped(&document.skipped);
        let leader: Arc<str> = Arc::from(fetch.master.to_string());
        let recovered = self.failures.remove(&*leader).is_some();
        if recovered || self.leader.as_ref() != Some(&leader) {
            let (agents, tasks) = (document.agents.len(), document.tasks.len());
            let awaited = document.recovered_agents.len();
            info!(%leader, version = document.version, agents, awaited, tasks, "reading the state");
            self.leader = Some(leader);
        }
        if document.skipped != self.skipped {
            warn!(skipped = ?document.skipped, ?origin, "parts of the state cannot be used");
            self.skipped = document.skipped;
        }
        let remark = remark(document);
        if remark != self.remark {
            if let Some(remark) = remark {
                warn!("{remark}");
            }
            self.remark = remark;
        }
    }

    /// Logs and counts why a master was of no use. Only a whole round without success is a failure to others.
    pub(super) fn failure(
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
        if self.failures.insert(master.clone(), reason) == Some(reason) {
            debug!(master, error, "state not read");
        } else {
            warn!(master, error, "state not read");
        }
        if self.failures.len() > poll::CANDIDATES_MAX {
            self.failures.clear();
        }
        if step == Step::Failed {
            self.metrics.handle_failure();
            contact.send_modify(|contact| contact.failure = Some(format!("{master}: {error}")));
        }
    }

    /// A stream began.
    pub(super) fn stream(&self, fetch: &Fetch, support: Support) {
        info!(leader = %fetch.master, ?support, "following the stream of events");
    }

    /// A stream ended.
    pub(super) fn end(&self, end: End, gives_up: GivesUp) {
        match end {
            End::Dropped => debug!("the stream of events is given up"),
            End::Closed => info!("the stream of events ended"),
            End::Malformed => warn!("what came is no stream of events; it is begun anew"),
            End::Overrun => warn!("events came faster than they could be taken in; the stream is begun anew"),
            End::Silent => warn!("the stream of events fell silent; it is begun anew"),
        }
        if gives_up == GivesUp::Yes {
            let seconds = STREAM_AGAIN.as_secs();
            warn!(seconds, "streams of events keep ending; the state is polled for a while");
        }
    }

    /// The session's task panicked.
    pub(super) fn panic(&self, ended: Result<(), tokio::task::JoinError>) {
        self.metrics.panics.inc();
        if let Err(error) = ended {
            error!(%error, "the zookeeper session broke down and is started anew");
        }
    }
}
