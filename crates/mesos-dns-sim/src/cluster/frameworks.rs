//! Frameworks, and what can happen to one (`mesos-api.md` section 5.6).

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use super::{CLUSTER_ID, Cluster, Fact, Reason, SHARES, State};
use crate::catalogue::{Flavour, SDK_NAME, Service};

/// A framework, without its tasks.
#[derive(Clone, Debug)]
pub struct Framework {
    /// Framework id, `…-0001`.
    pub id: String,
    /// Its name, free text.
    pub name: String,
    /// Its manner of naming.
    pub flavour: Flavour,
    /// Address of its scheduler.
    pub address: Ipv4Addr,
    /// Port of its scheduler; schedulers on the HTTP API have none, and no `pid`.
    pub port: Option<u16>,
    /// Whether its scheduler is connected; its tasks run all the same.
    pub connected: bool,
    /// Whether it was torn down.
    pub torn_down: bool,
    /// When it subscribed first.
    pub registered: Duration,
}

impl Cluster {
    /// A scheduler of this manner subscribes for the first time, with so many services to run; returns the
    /// framework's index. Its services come behind all others.
    pub fn add_framework(&mut self, name: &str, flavour: Flavour, services: usize, now: Duration) -> usize {
        let at = self.frameworks.len();
        let framework = Framework::new(at, name, flavour, now);
        self.frameworks = self.frameworks.iter().cloned().chain([framework.clone()]).collect();
        let more = (0..services).map(|number| Service::new(at, flavour, number));
        self.services = self.services.iter().cloned().chain(more).collect();
        self.log.note(|| Fact::FrameworkJoined { at, framework });
        at
    }

    /// A framework gets one more service, with names of one's own; returns the service's index.
    pub fn add_service(&mut self, framework: usize, name: &str, discovery: Option<&str>) -> usize {
        let at = self.services.len();
        let number = self.services.iter().filter(|service| service.framework == framework).count();
        let service = Service {
            task_name: name.to_owned(),
            discovery: discovery.map(ToOwned::to_owned),
            ..Service::new(framework, self.frameworks[framework].flavour, number)
        };
        self.services = self.services.iter().cloned().chain([service]).collect();
        at
    }

    /// A scheduler subscribes again and calls its framework otherwise: all names of its tasks change.
    pub fn rename_framework(&mut self, at: usize, name: &str) {
        if !self.frameworks[at].torn_down {
            self.framework_mut(at).name = name.to_owned();
            self.reconnect_framework(at);
        }
    }

    /// A scheduler subscribes again, from another place.
    pub fn move_scheduler(&mut self, at: usize, address: Ipv4Addr, port: u16) {
        if !self.frameworks[at].torn_down {
            let framework = self.framework_mut(at);
            (framework.address, framework.port) = (address, Some(port));
            self.reconnect_framework(at);
        }
    }

    /// A scheduler disconnects. No stream tells, and the tasks run on.
    pub fn disconnect_framework(&mut self, at: usize) {
        self.framework_mut(at).connected = false;
    }

    /// A scheduler subscribes again.
    pub fn reconnect_framework(&mut self, at: usize) {
        if !self.frameworks[at].torn_down {
            let framework = self.framework_mut(at);
            framework.connected = true;
            let framework = framework.clone();
            self.log.note(|| Fact::FrameworkChanged { at, framework });
        }
    }

    /// A framework is torn down: all its tasks are killed, those out of reach too.
    pub fn tear_down(&mut self, at: usize, now: Duration) {
        if self.frameworks[at].torn_down {
            return;
        }
        for launch in self.launches(|task| self.services[task.service].framework == at) {
            self.decree(launch, State::Killed, Reason::FrameworkRemoved, now);
        }
        let framework = self.framework_mut(at);
        (framework.connected, framework.torn_down) = (false, true);
        let framework = framework.clone();
        self.log.note(|| Fact::FrameworkLeft { at, framework });
    }

    fn framework_mut(&mut self, at: usize) -> &mut Framework {
        &mut Arc::make_mut(&mut self.frameworks)[at]
    }
}

impl Framework {
    fn new(at: usize, name: &str, flavour: Flavour, registered: Duration) -> Self {
        Self {
            id: format!("{CLUSTER_ID}-{at:04}"),
            name: name.to_owned(),
            flavour,
            address: Ipv4Addr::new(10, 0, 0, 10 + at as u8),
            port: (flavour != Flavour::Sdk).then_some(15_100 + at as u16),
            connected: true,
            torn_down: false,
            registered,
        }
    }
}

/// The frameworks that a cluster starts with.
pub(super) fn first(born: Duration) -> Vec<Framework> {
    let names = ["marathon", "Aurora", SDK_NAME, "chronos"];
    let places = SHARES.iter().zip(names);
    places.map(|((at, flavour, _), name)| Framework::new(*at, name, *flavour, born)).collect()
}
