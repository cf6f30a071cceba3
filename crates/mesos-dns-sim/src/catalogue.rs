//! What runs in the simulated cluster: services, named as real frameworks name theirs.
//!
//! Mesos prescribes no names, so each framework has its manner: Marathon reverses the path of an application,
//! Aurora joins role, environment and job with slashes, Chronos writes prose, SDK schedulers number their
//! pods and may themselves be named by a path. A place in the catalogue holds the same service under every
//! seed: only tasks, places and times are drawn. So the demonstration can promise names.

pub mod assorted;

use rand::RngExt;

use crate::life::Dice;

/// How a framework names its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// [Every kind of container](assorted), named as Marathon names things.
    Assorted,
    /// `role/env/job`, discovery `job.env.role`, visible in the whole cluster.
    Aurora,
    /// `ChronosTask:` and the job's title; no ports, no discovery; tasks end by themselves.
    Chronos,
    /// The application's path reversed: `/shop/web` is `web.shop`.
    Marathon,
    /// `node-0-server` in a framework whose name is a path; one service per task.
    Sdk,
}

/// Where the containers of a service have their network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Docker's bridge: an address that only its agent can reach; ports of the agent lead there.
    Bridge,
    /// A routed network: an address for each container, and an IPv6 one too if `dual_stack`.
    Container {
        /// Whether containers have IPv6 addresses besides.
        dual_stack: bool,
    },
    /// No network at all; the agent's address is shown.
    Detached,
    /// The agent's own addresses and ports, of Docker's containers, which say so.
    DockerHost,
    /// As [`Container`](Network::Container), of Docker's containers.
    DockerUser,
    /// The agent's own addresses and ports.
    Host,
    /// As [`Bridge`](Network::Bridge), by Mesos's own containerizer.
    Mapped,
    /// As [`Container`](Network::Container), which the pod asked for and not the container in it.
    Pod,
    /// As [`Container`](Network::Container), with IPv6 only.
    Six,
    /// Two routed networks, with an address on each.
    Two,
    /// An address for each container on a network without a name, as before there were names.
    Unnamed,
}

impl Network {
    /// Whether everybody reaches the container, at its own ports.
    pub fn is_routed(self) -> bool {
        match self {
            Self::Container { .. } | Self::DockerUser | Self::Pod | Self::Six | Self::Two | Self::Unnamed => {
                true
            }
            Self::Bridge | Self::Detached | Self::DockerHost | Self::Host | Self::Mapped => false,
        }
    }

    /// Whether its tasks are given ports of their agent: where nobody reaches the container, or it has no other.
    pub fn takes_ports(self) -> bool {
        !self.is_routed() && self != Self::Detached
    }

    /// Whether ports of the agent lead to those of the container.
    pub fn is_mapped(self) -> bool {
        matches!(self, Self::Bridge | Self::Mapped)
    }

    /// What its networks are called, in the order of its addresses; the last name is for all that follow.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Container { .. } | Self::DockerUser | Self::Pod | Self::Six => &["dcos"],
            Self::Mapped => &[assorted::MAPPED_NETWORK],
            Self::Two => &assorted::TWO_NETWORKS,
            Self::Bridge | Self::Detached | Self::DockerHost | Self::Host | Self::Unnamed => &[],
        }
    }
}

/// One port of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in `DiscoveryInfo`.
    pub name: &'static str,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// What the process binds inside its container; with [`Network::Host`] it binds the agent's port.
    pub container: u16,
}

/// A service: what its tasks have in common.
#[derive(Clone, Debug)]
pub struct Service {
    /// Index of its framework.
    pub framework: usize,
    /// Its place in the framework's catalogue.
    pub number: usize,
    /// How its framework names things.
    pub flavour: Flavour,
    /// `name` of each task.
    pub task_name: String,
    /// `discovery.name`, if the framework fills it in.
    pub discovery: Option<String>,
    /// The ports of each task.
    pub ports: &'static [Port],
    /// Where they are.
    pub network: Network,
    /// Whether Mesos checks the health of its tasks.
    pub health_checked: bool,
}

const fn port(name: &'static str, protocol: &'static str, container: u16) -> Port {
    Port { name, protocol, container }
}

const WEB: &[Port] = &[port("http", "tcp", 8080)];
const WEB_AND_METRICS: &[Port] = &[port("http", "tcp", 8080), port("metrics", "tcp", 9102)];
const SYSLOG: &[Port] = &[port("syslog", "udp", 514)];
const ADMIN: &[Port] = &[port("http", "tcp", 8080), port("admin", "tcp", 8081)];
const DATABASE: &[Port] = &[port("native-client", "tcp", 9042), port("jmx", "tcp", 7199)];

const APPS: [&str; 12] =
    ["web", "api", "search", "cart", "login", "mail", "images", "report", "feed", "rank", "price", "stock"];
const GROUPS: [&str; 8] = ["shop", "prod", "media", "data", "edge", "pay", "ops", "lab"];
const ROLES: [&str; 5] = ["www-data", "ads", "infra", "mobile", "core"];
const ENVIRONMENTS: [&str; 4] = ["prod", "staging", "test", "devel"];
const JOBS: [&str; 6] = ["hello", "timeline", "crawler", "gateway", "indexer", "ranker"];
const REPORTS: [&str; 5] = ["nightly report", "hourly roll-up", "clean caches", "send bills", "re-index"];
const PODS: [&str; 3] = ["node", "seed", "hello"];

impl Service {
    /// The service with this place in the catalogue of a framework; a place has one service, always.
    pub(crate) fn new(framework: usize, flavour: Flavour, number: usize) -> Self {
        let (task_name, discovery) = match flavour {
            Flavour::Assorted => {
                let ((kind, _), round) = (assorted::kind(number), numbered(number / assorted::COUNT));
                (format!("{kind}{round}.lab"), Some(format!("{kind}{round}.lab")))
            }
            Flavour::Aurora => {
                let (job, env, role) = triple(number, &JOBS, &ENVIRONMENTS, &ROLES);
                (format!("{role}/{env}/{job}"), Some(format!("{job}.{env}.{role}")))
            }
            Flavour::Chronos => {
                let (title, round) = (REPORTS[number % REPORTS.len()], number / REPORTS.len());
                (format!("ChronosTask:{title}{}", numbered(round)), None)
            }
            Flavour::Marathon => {
                let (app, group, _) = triple(number, &APPS, &GROUPS, &[""]);
                let path = format!("{app}.{group}");
                (path.clone(), Some(path))
            }
            Flavour::Sdk => {
                let (pod, index) = (PODS[number % PODS.len()], number / PODS.len());
                (format!("{pod}-{index}-server"), Some(format!("{pod}-{index}")))
            }
        };
        let ports: &[Port] = match flavour {
            Flavour::Chronos => &[],
            Flavour::Assorted => WEB_AND_METRICS,
            Flavour::Aurora => ADMIN,
            Flavour::Sdk => DATABASE,
            Flavour::Marathon if number % 12 == 5 => SYSLOG,
            Flavour::Marathon if number.is_multiple_of(3) => WEB_AND_METRICS,
            Flavour::Marathon => WEB,
        };
        let network = match flavour {
            Flavour::Assorted => assorted::kind(number).1,
            Flavour::Marathon if number.is_multiple_of(4) => Network::Container { dual_stack: true },
            Flavour::Marathon if number % 4 == 2 => Network::Bridge,
            Flavour::Sdk => Network::Container { dual_stack: false },
            _ => Network::Host,
        };
        let health_checked =
            matches!(flavour, Flavour::Assorted | Flavour::Marathon) && number.is_multiple_of(2);
        Self { framework, number, flavour, task_name, discovery, ports, network, health_checked }
    }

    /// What it tells of itself besides its names; most services tell nothing.
    pub fn told(&self) -> Option<assorted::Told> {
        (self.flavour == Flavour::Assorted).then(|| assorted::told(self.number))
    }

    /// A new task's id in the manner of the framework; `launched` counts the launches of the whole cluster.
    pub(crate) fn task_id(&self, launched: u64, dice: &mut Dice) -> String {
        let uuid = uuid(dice);
        match self.flavour {
            Flavour::Aurora => {
                let plain: String = self
                    .task_name
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
                    .collect();
                format!("{plain}-{}-{uuid}", launched % 10)
            }
            Flavour::Chronos => {
                let title = self.task_name.trim_start_matches("ChronosTask:");
                format!("ct:{}:0:{title}:", 1_700_000_000_000 + launched * 1_000)
            }
            Flavour::Assorted | Flavour::Marathon => {
                let mut path: Vec<&str> = self.task_name.split('.').collect();
                path.reverse();
                let path = path.join("_");
                match self.number % 3 {
                    _ if self.network == Network::Pod => format!("{path}.instance-{uuid}.server"),
                    0 => format!("{path}.instance-{uuid}._app.{}", 1 + launched % 3),
                    _ => format!("{path}.{uuid}"),
                }
            }
            Flavour::Sdk => {
                format!("{}__{}__{uuid}", SDK_NAME.trim_matches('/').replace('/', "."), self.task_name)
            }
        }
    }
}

/// Name of the SDK framework: a path, slashes and all.
pub(crate) const SDK_NAME: &str = "/data/cassandra";

/// A random UUID as text.
pub(crate) fn uuid(dice: &mut Dice) -> String {
    let hex = format!("{:032x}", dice.random::<u128>());
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// Walks three lists like the digits of a number; when all are used up, the first word gets a number.
fn triple<'a>(number: usize, a: &[&str], b: &[&'a str], c: &[&'a str]) -> (String, &'a str, &'a str) {
    let round = number / (a.len() * b.len() * c.len());
    let first = format!("{}{}", a[number % a.len()], numbered(round));
    (first, b[number / a.len() % b.len()], c[number / (a.len() * b.len()) % c.len()])
}

fn numbered(round: usize) -> String {
    if round == 0 { String::new() } else { format!("-{}", round + 1) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_framework_has_its_manner() {
        let mut dice = Dice::seed_from_u64(1);
        for (flavour, name, discovery, id_start) in [
            (Flavour::Marathon, "web.shop", Some("web.shop"), "shop_web.instance-"),
            (Flavour::Aurora, "www-data/prod/hello", Some("hello.prod.www-data"), "www-data-prod-hello-7-"),
            (Flavour::Chronos, "ChronosTask:nightly report", None, "ct:1700000007000:0:nightly report:"),
            (Flavour::Sdk, "node-0-server", Some("node-0"), "data.cassandra__node-0-server__"),
        ] {
            let service = Service::new(0, flavour, 0);
            assert_eq!(service.task_name, name);
            assert_eq!(service.discovery.as_deref(), discovery);
            let id = service.task_id(7, &mut dice);
            assert!(id.starts_with(id_start), "{id}");
        }
    }

    #[test]
    fn no_two_services_share_a_name() {
        for flavour in [Flavour::Assorted, Flavour::Aurora, Flavour::Chronos, Flavour::Marathon, Flavour::Sdk]
        {
            let names: HashSet<_> = (0..1000).map(|n| Service::new(0, flavour, n).task_name).collect();
            assert_eq!(names.len(), 1000, "{flavour:?}");
        }
    }
}
