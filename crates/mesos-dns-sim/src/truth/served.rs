//! What a replica in made-up time knows and serves: the work of the daemon's publisher.

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use mesos_dns_core::{
    cluster::{AddressSource, Change, Cluster, Document, Hosts, Masters, Subject, Touched},
    records::{Addresses, Health, Policy, Rules},
    table::Seed,
    watch::{
        believe::{self, Incomplete},
        knowledge::{Knowledge, Origin},
    },
    wire::Name,
    zone::{Serial, Snapshot, Soa, Zone},
};

use super::{
    asker::Asker,
    world::{BORN, World},
};

/// See the head of this file.
pub(super) struct Served {
    /// Whose it is.
    pub(super) number: usize,
    pub(super) snapshot: Snapshot,
    /// Versions so far.
    pub(super) published: u64,
    start: Instant,
    knowledge: Knowledge,
    zone: Zone,
    /// What the zone was made from.
    cluster: Cluster,
    policy: Policy,
    soa: Arc<Soa>,
    serial: Serial,
    awaits_serial: bool,
}

/// Who asks, and what is true meanwhile.
pub(super) struct Audience<'a> {
    pub(super) world: &'a World,
    pub(super) asker: &'a mut Asker,
    pub(super) now: Duration,
}

/// What a file that says nothing of `healthyMinimumPercent` means.
const HEALTHY_MINIMUM_PERCENT: u8 = 1;

impl Served {
    pub(super) fn new(number: usize, start: Instant, believe: believe::Settings, seed: Seed) -> Self {
        let name = |text| Name::parse(text).expect("a name");
        let policy = policy();
        let soa = Arc::new(Soa {
            mname: name("ns1.mesos."),
            rname: name("root.ns1.mesos."),
            refresh: 60,
            retry: 600,
            expire: 86_400,
            minimum: 60,
            ttl: 60,
            weight: 1,
        });
        let zone = Zone::of(&policy, HEALTHY_MINIMUM_PERCENT, seed);
        Self {
            number,
            snapshot: Snapshot::loading(policy.apex.clone(), soa.clone()),
            published: 0,
            start,
            knowledge: Knowledge::new(believe, seed),
            zone,
            cluster: Cluster::default(),
            policy,
            soa,
            serial: Serial(0),
            awaits_serial: false,
        }
    }

    /// When [`work`](Self::work) has something to do.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let held = self.knowledge.poll_timeout().map(|at| at.saturating_duration_since(self.start));
        let serial = Duration::from_secs(u64::from(self.serial.0) + 1).saturating_sub(BORN);
        held.into_iter().chain(self.awaits_serial.then_some(serial)).min()
    }

    /// Does what is due.
    pub(super) fn work(&mut self, to: &mut Audience<'_>) {
        let now = self.start + to.now;
        if self.knowledge.poll_timeout().is_some_and(|due| due <= now) {
            self.knowledge.handle_timeout(now);
            self.flush(to);
        }
        if self.awaits_serial && unix_seconds(to.now) > self.serial.0 {
            self.publish(to);
        }
    }

    /// A document to compare with is being asked for.
    pub(super) fn expect_comparison(&mut self) {
        self.knowledge.expect_comparison();
    }

    /// What events say. Tells whether something was odd.
    pub(super) fn change(&mut self, changes: Vec<Change>, to: &mut Audience<'_>) -> bool {
        let now = self.start + to.now;
        let subjects = changes.into_iter().map(|change| self.knowledge.handle_change(change, now));
        let is_odd = subjects.fold(false, |odd, subject| odd | (subject == Subject::Unknown));
        self.flush(to);
        is_odd
    }

    /// Another master leads.
    pub(super) fn lead(&mut self, masters: Masters, to: &mut Audience<'_>) {
        self.knowledge.handle_masters(masters);
        self.flush(to);
    }

    /// The leader's document. Tells when to look again, if soon.
    pub(super) fn take(
        &mut self,
        document: Document,
        masters: Masters,
        origin: Origin,
        to: &mut Audience<'_>,
    ) -> Result<Option<Duration>, Incomplete> {
        // What events said before comes before.
        self.flush(to);
        let now = self.start + to.now;
        let verdict = self.knowledge.handle_document(document, masters, Hosts::default(), origin, now)?;
        let is_changed = self.follow(&verdict.touched);
        if is_changed || !self.snapshot.is_loaded() {
            self.publish(to);
        }
        Ok(verdict.again)
    }

    fn flush(&mut self, to: &mut Audience<'_>) {
        let touched = self.knowledge.take();
        if self.follow(&touched) && self.snapshot.is_loaded() {
            self.publish(to);
        }
    }

    /// Brings the zone to what is known now. Tells whether records came or went.
    fn follow(&mut self, touched: &Touched) -> bool {
        if touched.is_empty() {
            return false;
        }
        let next = self.knowledge.cluster().clone();
        self.zone.update(&self.policy, &self.cluster, &next, touched);
        self.cluster = next;
        self.zone.compile().is_changed
    }

    /// A new version: its serial is the time, or follows when the second is over.
    fn publish(&mut self, to: &mut Audience<'_>) {
        if self.snapshot.is_loaded() {
            to.asker.ask_late(self, to.world, to.now);
        }
        self.awaits_serial = unix_seconds(to.now) <= self.serial.0;
        if !self.awaits_serial {
            self.serial = Serial(unix_seconds(to.now));
        }
        let snapshot = self.zone.snapshot(self.soa.clone(), self.serial);
        self.snapshot = snapshot.partial(self.knowledge.is_partial());
        self.published += 1;
        to.asker.ask_all(self, to.world, to.now);
    }
}

fn policy() -> Policy {
    Policy {
        domain: "mesos".into(),
        apex: Name::parse("mesos.").expect("a name"),
        rules: Rules::Rfc1123,
        addresses: Addresses::Sources(vec![
            AddressSource::NetInfo,
            AddressSource::Mesos,
            AddressSource::Host,
        ]),
        health: Health::Prefer,
        places: Vec::new(),
        extra: mesos_dns_core::records::Extra::default(),
        server_name: "ns1.mesos.".into(),
        server_addresses: vec![Ipv4Addr::LOCALHOST.into()],
    }
}

fn unix_seconds(now: Duration) -> u32 {
    (BORN + now).as_secs() as u32
}
