//! A state document, and what a server with this configuration would serve of it: for commands that need no server.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use mesos_dns_core::{
    cluster::{self, Cluster, Document, Hosts, Masters},
    config::Config,
    mesos::state::{self, Saved},
    records::Policy,
    table::Seed,
    zone::{Serial, Snapshot, Zone},
};

use crate::{configuration, daemon::rooms};

/// A document, with the masters and host names that belong to it.
pub(crate) type Whole = (Document, Masters, Hosts);

/// What would be served.
pub(crate) struct Served {
    /// What runs.
    pub(crate) cluster: Cluster,
    /// How names are made of it.
    pub(crate) policy: Policy,
    /// The names. The serial is the time at which they were made.
    pub(crate) zone: Snapshot,
    /// That time, since 1970.
    pub(crate) at: Duration,
}

/// A state document on disk, or what a process kept.
///
/// # Errors
///
/// It cannot be read, or is neither.
pub(crate) fn read(source: &str, config: &Config) -> anyhow::Result<Whole> {
    let bytes = fs::read(source).with_context(|| format!("cannot read {source:?}"))?;
    if let Ok(Saved { document, listed, hosts, .. }) = state::decode_saved(&bytes) {
        let leader = document.leader.as_deref().map(Arc::from);
        return Ok((document, Masters { leader, listed }, hosts));
    }
    let document = state::decode(&bytes)
        .with_context(|| format!("{} is not a state document", Path::new(source).display()))?;
    let masters = masters(&document, config);
    Ok((document, masters, Hosts::default()))
}

/// The leader as the document names it, alone: who else is a master is not in the document.
pub(crate) fn masters(document: &Document, config: &Config) -> Masters {
    let leader = document.leader.as_deref().map(Arc::from);
    let is_configured =
        config.masters.iter().any(|master| Some(master.as_str()) == document.leader.as_deref());
    let listed = if is_configured {
        config.masters.iter().map(|master| Arc::from(master.as_str())).collect()
    } else {
        Vec::new()
    };
    Masters { leader, listed }
}

/// Makes what a server with this configuration would serve.
pub(crate) fn serve((document, masters, hosts): Whole, config: &Config) -> Served {
    let policy = rooms::policy(config, &configuration::interface_addresses());
    let seed = Seed(rand::random());
    let (cluster, touched) = cluster::apply(&Cluster::default(), document, masters, hosts, seed);
    let mut zone = Zone::of(&policy, config.healthy_minimum_percent, seed);
    zone.update(&policy, &Cluster::default(), &cluster, &touched);
    zone.compile();
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let serial = Serial(u32::try_from(at.as_secs()).unwrap_or(u32::MAX));
    let zone = zone.snapshot(Arc::new(rooms::soa(config)), serial);
    Served { cluster, policy, zone, at }
}
