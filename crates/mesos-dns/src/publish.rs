//! One writer, many readers: from updates of the cluster to the version that is served.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mesos_dns_core::{
    cluster::{Cluster, Document, Hosts},
    zone::Snapshot,
};
use tokio::sync::watch;

/// What readers see: one version of the zone and the cluster it was made from, never half of two.
pub struct Published {
    /// The compiled zone, also the source of every v1 body.
    pub zone: Arc<Snapshot>,
    /// The cluster the zone was made from.
    pub cluster: Cluster,
    /// Counts publications from 1; 0 is the empty start, before any data (`zone.is_loaded()` is false).
    pub version: u64,
}

/// Where readers find the current version.
pub struct Board {
    current: ArcSwap<Published>,
    version: watch::Sender<u64>,
}

impl Board {
    /// The current version. Hold it for one query or one whole transfer.
    pub fn load(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// Tells when a newer version was published.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

/// A fetched snapshot of the cluster, checked and complete.
pub struct Update {
    /// The leader's document.
    pub document: Document,
    /// The masters list in effect when it was fetched (behaviour spec section 2).
    pub listed: Vec<Arc<str>>,
    /// Addresses of every host name in the document and the list.
    pub hosts: Hosts,
}
