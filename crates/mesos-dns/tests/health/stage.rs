//! A simulated cluster with one service whose instances do as they are told.

use domain::base::iana::Rtype;
use mesos_dns_core::records::{agent_suffix, task_hash};
use mesos_dns_sim::{
    catalogue::{Flavour, Network, Port, Service},
    clock::now,
    cluster::State,
    life::{Life, Settings as Ordinary},
    master::{Masters, Settings},
};
use serde_json::{Value, json};

use super::daemon::Daemon;

const PORTS: &[Port] = &[Port { name: "http", protocol: "tcp", container: 8080 }];

/// See the head of this file.
pub(super) struct Stage {
    masters: Masters,
    life: Life,
    service: usize,
}

/// One instance, and how it shows in answers.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    launch: u64,
    /// The address that it has alone.
    pub(super) address: String,
    /// The name that it has alone.
    pub(super) own: String,
}

impl Instance {
    /// What leads to it under a shared name.
    pub(super) fn datum(&self, rtype: Rtype) -> String {
        if rtype == Rtype::A { self.address.clone() } else { self.own.clone() }
    }
}

impl Stage {
    /// Starts one master, of a cluster in which nothing else runs.
    pub(super) async fn start() -> Self {
        let (life, mut cluster) = Life::new(Ordinary { seed: 1, tasks: 0, churn: 0.0 }, now());
        let service = cluster.services.len();
        let web = Service {
            framework: 0,
            number: 0,
            flavour: Flavour::Marathon,
            task_name: "web".into(),
            discovery: Some("web".into()),
            ports: PORTS,
            network: Network::Container { dual_stack: false },
            health_checked: true,
        };
        cluster.services = cluster.services.iter().cloned().chain([web]).collect();
        cluster.record();
        let masters =
            Masters::start(cluster, Settings { ports: vec![0], ..Settings::default() }).await.unwrap();
        Self { masters, life, service }
    }

    /// The program, once it has read the state.
    pub(super) async fn followed(&self, mut members: Value) -> Daemon {
        members["masters"] = json!([self.masters.address(0).to_string()]);
        let daemon = Daemon::start(members);
        daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
        daemon
    }

    /// Starts an instance, and perhaps its check has a result at once.
    pub(super) fn launch(&mut self, healthy: Option<bool>) -> Instance {
        let (life, service) = (&mut self.life, self.service);
        self.masters.change(|cluster| {
            let launch = life.start(cluster, service, None, now()).unwrap();
            cluster.report(launch, State::Starting, None, now());
            let task = cluster.report(launch, State::Running, None, now()).unwrap();
            if healthy.is_some() {
                cluster.report(launch, State::Running, healthy, now());
            }
            let suffix = agent_suffix(&cluster.agent(&task).id);
            let hash = String::from_utf8(task_hash(&task.id).to_vec()).unwrap();
            let own = format!("web-{hash}-{suffix}.marathon.mesos");
            Instance { launch, address: task.addresses[0].to_string(), own }
        })
    }

    /// Its check has a result.
    pub(super) fn check(&mut self, instance: &Instance, healthy: bool) {
        self.report(instance, State::Running, Some(healthy));
    }

    /// It is being killed, and lives on.
    pub(super) fn kill(&mut self, instance: &Instance) {
        self.report(instance, State::Killing, Some(true));
    }

    /// It is dead.
    pub(super) fn end(&mut self, instance: &Instance) {
        self.report(instance, State::Killed, None);
    }

    fn report(&self, instance: &Instance, state: State, healthy: Option<bool>) {
        self.masters.change(|cluster| cluster.report(instance.launch, state, healthy, now()));
    }
}
