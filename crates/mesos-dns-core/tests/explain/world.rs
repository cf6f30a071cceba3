//! A cluster with all that decides what is answered of it, any part of which can be changed.

#![allow(unreachable_pub, reason = "a part of one test")]

use std::sync::Arc;

use mesos_dns_core::{
    answer::{self, Standing, State},
    cluster::{self, Cluster, Document, Hosts, Masters},
    explain::{Known, Origin, Question, explain, told::Explanation},
    forward::{self, Truncation},
    records::Policy,
    table::Seed,
    wire::{Name, rtype},
    zone::{Serial, Snapshot, Soa, Zone},
};

/// Types that are asked for.
pub const TYPES: [u16; 5] = [rtype::A, rtype::AAAA, rtype::SRV, rtype::TXT, rtype::PTR];

/// See the head of this file.
#[derive(Clone)]
pub struct World {
    pub document: Document,
    pub masters: Masters,
    pub hosts: Hosts,
    pub policy: Policy,
    pub settings: answer::Settings,
    pub soa: Soa,
    pub healthy_minimum: u8,
}

/// A world of which the zone was made.
pub struct Made {
    pub cluster: Cluster,
    pub policy: Policy,
    pub zone: Snapshot,
    settings: answer::Settings,
    forward: forward::Policy,
}

impl World {
    pub fn made(&self) -> Made {
        let (document, masters, hosts) = (self.document.clone(), self.masters.clone(), self.hosts.clone());
        let (cluster, touched) = cluster::apply(&Cluster::default(), document, masters, hosts, Seed(1));
        let policy = self.policy.clone();
        let mut zone = Zone::new(policy.apex.clone(), None, Seed(2)).with_fixed(&policy.extra.fixed);
        zone.set_healthy_minimum(self.healthy_minimum);
        zone.add_server(&policy);
        zone.update(&policy, &Cluster::default(), &cluster, &touched);
        zone.compile();
        let zone = zone.snapshot(Arc::new(self.soa.clone()), Serial(1));
        let forward = forward::Policy::new(forward::Settings {
            external_on: self.settings.forwards,
            domain: policy.apex.clone(),
            reverse: self.settings.reverse.zones(),
            resolvers: Vec::new(),
            zones: Vec::new(),
            budget: std::time::Duration::from_secs(5),
            recursion_allow: self.settings.recursion_allow.clone(),
            truncation: Truncation::Flagged,
            cache_bytes: 0,
            stale_max: std::time::Duration::ZERO,
        });
        Made { cluster, policy, zone, settings: self.settings.clone(), forward }
    }
}

impl Made {
    pub fn explain(&self, name: &Name, rtype: u16) -> Explanation {
        let question = Question { name: name.clone(), rtype, client: [127, 0, 0, 1].into(), dice: 7 };
        explain(
            &question,
            &Known {
                cluster: &self.cluster,
                policy: &self.policy,
                zone: &self.zone,
                standing: &Standing { state: State::Live, ..Standing::default() },
                settings: &self.settings,
                forward: &self.forward,
                origin: Origin::Document,
                steps: &[],
                oldest: 0,
                problems: &[],
            },
        )
    }

    /// Every name, in order.
    pub fn names(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self.zone.nodes().map(|node| node.name().to_name()).collect();
        names.sort();
        names
    }
}
