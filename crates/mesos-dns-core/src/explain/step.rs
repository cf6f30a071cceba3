//! A reason in words, with the value it stands on and the key that governs it.

use std::net::IpAddr;

use super::{
    listen::{Considered, Found, Note},
    subject::Subject,
    told::Step,
};
use crate::{
    cluster::{AddressSource, Host, Task, TaskState, Visibility},
    records::{AddressWhy, Addresses, Data, ExtraName, Naming, OnHost, Policy, PortWhy, Presence, Sign, Why},
};

/// The reasons of a record: those by which it is there, and those that left it out.
pub(super) fn of_found(found: &Found<'_>, policy: &Policy) -> (Vec<Step>, Vec<Step>) {
    let (mut why, mut but_for) = (Vec::new(), Vec::new());
    if let Subject::Task { task, is_orphan: true, .. } = found.subject {
        but_for.push(
            Step::new("agent-unknown", "the task's agent is not known: it has no names").by(&task.agent_id),
        );
    }
    let is_service =
        found.record.as_ref().is_none_or(|record| matches!(record.data, Data::Srv { .. } | Data::Ttl(_)));
    let is_of_framework = found.notes.iter().any(|note| note.why == Why::OfFramework);
    let decides = |note: &&Note| match note.why {
        Why::OfFramework => false,
        Why::Naming(_) => !is_of_framework,
        Why::Port(..) => is_service,
        _ => true,
    };
    for note in found.notes.iter().filter(decides) {
        let step = of_note(note, found, policy);
        // Of an agent without an address nothing is left out, and still there is nothing to answer.
        let leaves_out = note.leaves_out || note.why == Why::AgentWithoutAddress;
        if leaves_out { but_for.push(step) } else { why.push(step) }
    }
    if found.notes.is_empty() {
        why.extend(of_subject(found.subject));
    }
    (why, but_for)
}

/// The addresses that were considered for the task's own name, and not taken.
pub(super) fn not_taken(found: &Found<'_>, policy: &Policy) -> Vec<Step> {
    let is_own = |note: &Note| matches!(note.why, Why::Address(_) | Why::WithoutAddress);
    if !found.notes.iter().any(is_own) {
        return Vec::new();
    }
    let considered = found.considered.iter().filter(|considered| !considered.why.is_taken());
    considered.map(|considered| address(considered, policy)).collect()
}

fn of_note(note: &Note, found: &Found<'_>, policy: &Policy) -> Step {
    let (task, framework) = match found.subject {
        Subject::Task { task, framework, .. } => (Some(task), Some(framework)),
        Subject::Framework(framework) => (None, Some(framework)),
        Subject::Agent(_) | Subject::Masters | Subject::Server => (None, None),
    };
    let framework_name = framework.map(|framework| &*framework.name).unwrap_or_default();
    let service = task.map(|task| &**task.service_name()).unwrap_or_default();
    match note.why {
        Why::Presence(why) => task.map_or_else(Step::default, |task| presence(why, task)),
        Why::ReservedFramework => {
            let says =
                "the framework's name gives a label directly below the domain that is this server's own";
            Step::new("reserved-framework", says).by(quoted(framework_name))
        }
        Why::ReservedName => {
            let says =
                "the name has a label that stands only before further names: only its form as a label counts";
            Step::new("reserved-name", says).by(quoted(service))
        }
        Why::ReservedOwner => {
            let says = "only a framework's own record may begin with `_framework`";
            Step::new("reserved-owner", says).by(quoted(service))
        }
        Why::Hidden => {
            let says = "the service is not meant to be seen by enough others";
            let meant = task.and_then(|task| task.discovery.as_deref()).map(|discovery| discovery.visibility);
            Step::new("hidden", says).by(meant.map_or("", visibility)).set_by("visibility")
        }
        Why::HiddenPort => {
            let says = "the port is not meant to be seen by enough others";
            Step::new("hidden-port", says).by(visibility(policy.extra.visibility)).set_by("visibility")
        }
        Why::Naming(naming) => naming_step(naming, service, task),
        Why::Address(chosen) => {
            let found = found.considered.iter().find(|other| other.address == chosen && other.why.is_taken());
            found.map_or_else(
                || Step::new("address", "it is the task's").by(chosen),
                |found| address(found, policy),
            )
        }
        Why::AgentAddress(chosen) => {
            Step::new("agent-address", "it is the address of the agent, from its pid").by(chosen)
        }
        Why::AgentWithoutAddress => {
            let says = "the agent's address is not known: its pid is missing, or its host does not resolve";
            Step::new("agent-without-address", says)
        }
        Why::WithoutAddress => {
            let says = "the task has no address that can be published";
            Step::new("without-address", says).set_by(addresses_key(policy))
        }
        Why::OnNetwork(chosen) => {
            Step::new("network-name", "the task has this address on that network").by(chosen)
        }
        Why::ResourcePort(port) => {
            Step::new("resource-port", "the port was given to the task (resources.ports)").by(port)
        }
        Why::Port(port, why) => port_step(port, why, policy),
        Why::ImpossiblePort(port) => Step::new("impossible-port", "no port has this number").by(port),
        Why::Extra(name) => {
            Step::new("extra-name", "the operator wants such names").by(extra(name)).set_by("extraNames")
        }
        Why::Preference => {
            let labels = task.and_then(|task| task.labels.as_deref());
            let number = |number: Option<u16>| number.map_or("-".to_owned(), |number| number.to_string());
            let value = labels.map(|labels| {
                format!("dns.priority {}, dns.weight {}", number(labels.priority), number(labels.weight))
            });
            let says = "a label of the task asks for this priority or weight";
            Step::new("preference-label", says).by(value.unwrap_or_default())
        }
        Why::Unencodable => {
            Step::new("unencodable", "DNS cannot carry a name in it; only the HTTP API shows it")
        }
        Why::Claim(address) => Step::new("claim", "it says that the address is its own").by(address),
        Why::Scheduler => {
            let host = framework.and_then(|framework| framework.host.as_ref()).map(|host| match host {
                Host::Address(address) => address.to_string(),
                Host::Name(name) => name.to_string(),
            });
            Step::new("scheduler", "it is where the framework's scheduler is").by(host.unwrap_or_default())
        }
        Why::OfFramework => Step::new("of-framework", "it is one for all services of the framework"),
        Why::AgentPort(port) => Step::new("agent-port", "it is the port of the agent, from its pid").by(port),
    }
}

/// What contributes without being asked why.
fn of_subject(subject: Subject<'_>) -> Option<Step> {
    match subject {
        Subject::Masters => Some(Step::new("master", "it is an address of a master").set_by("zk, masters")),
        Subject::Server => {
            Some(Step::new("server", "it is an address of this server").set_by("SOAMname, listener"))
        }
        Subject::Task { .. } | Subject::Framework(_) | Subject::Agent(_) => None,
    }
}

fn presence(why: Presence, task: &Task) -> Step {
    let (rule, says) = match why {
        Presence::Running => ("running", "the task runs, and its health does not speak against it"),
        Presence::Unhealthy => {
            ("unhealthy", "the task's health check fails: it counts only where too few others are healthy")
        }
        Presence::KillingAlone => {
            ("killing", "the task is being killed: until it ends it has only the name that is its alone")
        }
        Presence::UnhealthyAlone => {
            ("unhealthy-alone", "the task's health check fails: it has only the name that is its alone")
        }
        Presence::UncheckedAlone => (
            "unchecked-alone",
            "the task's health check has not passed yet: it has only the name that is its alone",
        ),
        Presence::Killing => ("killed", "the task is being killed, and has no names from then on"),
        Presence::NotRunning => ("not-running", "only tasks that run have names"),
    };
    let step = Step::new(rule, says).by(state(task));
    if why == Presence::NotRunning { step } else { step.set_by("health") }
}

/// State and health of a task.
fn state(task: &Task) -> String {
    let state = match task.state {
        TaskState::Killing => "TASK_KILLING",
        TaskState::Other => "another state",
        TaskState::Running => "TASK_RUNNING",
        TaskState::Staging => "TASK_STAGING",
        TaskState::Starting => "TASK_STARTING",
        TaskState::Unreachable => "TASK_UNREACHABLE",
    };
    let health = match (task.healthy, task.is_checked) {
        (Some(true), _) => "healthy",
        (Some(false), _) => "unhealthy",
        (None, true) => "no result of its check yet",
        (None, false) => "no result of a check",
    };
    format!("{state}, {health}")
}

fn naming_step(naming: Naming, service: &str, task: Option<&Task>) -> Step {
    match naming {
        Naming::Raw => Step::new("name-as-is", "the name of its DiscoveryInfo, as it is").by(quoted(service)),
        Naming::Label => {
            Step::new("name-as-label", "its name, made a label").by(quoted(service)).set_by("enforceRFC952")
        }
        Naming::Alias => {
            let aliases = task.and_then(|task| task.labels.as_deref()).map(|labels| labels.aliases.join(","));
            Step::new("alias-label", "a label of the task asks for this name")
                .by(format!("dns.alias {}", aliases.unwrap_or_default()))
        }
    }
}

fn address(Considered { address, source, why }: &Considered, policy: &Policy) -> Step {
    let (rule, says) = match why {
        AddressWhy::Impossible => ("address-impossible", "nothing that others could mean has this address"),
        AddressWhy::OfAgent => ("address-of-agent", "on a bridge it is the agent's and not the task's"),
        AddressWhy::Outranked => ("address-outranked", "addresses stand at a place that counts more"),
        AddressWhy::Source => ("address-source", "its place is the first of those listed that has any"),
        AddressWhy::NetworkSaid(_) => {
            ("network-declared", "the operator says from where this network can be reached")
        }
        AddressWhy::PrefixSaid(_) => {
            ("prefix-declared", "the operator says from where this prefix can be reached")
        }
        AddressWhy::Bridge => ("address-on-bridge", "only its host can reach an address on a bridge"),
        AddressWhy::Mapped => (
            "address-mapped",
            "ports of the host are mapped to it, so it is taken for one that only its host can reach",
        ),
        AddressWhy::Reachable => {
            ("address-reachable", "it is the task's own, on a network that is taken for reachable")
        }
        AddressWhy::OnHost(OnHost::Said) => ("host-network", "the task asked for the network of its host"),
        AddressWhy::OnHost(OnHost::NamesNone) => {
            ("host-for-want", "the task names no address of its own: it uses the network of its host")
        }
        AddressWhy::OnHost(OnHost::NamesAgents) => {
            ("host-named", "the task names its agent's address: it uses the network of its host")
        }
        AddressWhy::InsteadOfOwn => {
            ("host-instead", "no address of the task's own can be reached: its host's stands for it")
        }
    };
    let key = match why {
        AddressWhy::NetworkSaid(_) | AddressWhy::PrefixSaid(_) | AddressWhy::Reachable => "networks",
        AddressWhy::Bridge | AddressWhy::Mapped | AddressWhy::InsteadOfOwn => "networks",
        _ => addresses_key(policy),
    };
    Step::new(rule, says).by(placed(*address, *source)).set_by(key)
}

fn placed(address: IpAddr, source: AddressSource) -> String {
    let place = match source {
        AddressSource::Docker => "docker",
        AddressSource::Host => "host",
        AddressSource::Mesos => "mesos",
        AddressSource::NetInfo => "netinfo",
    };
    format!("{address} ({place})")
}

fn port_step(port: u16, why: PortWhy, policy: &Policy) -> Step {
    let (rule, says, sign) = match why {
        PortWhy::AsListed => ("port-as-listed", "ports are taken as they are listed", None),
        PortWhy::OnHost => {
            ("port-on-host", "the task uses the network of its host: its ports are the host's", None)
        }
        PortWhy::Unknown => (
            "port-unknown",
            "nothing tells whose port it is: it is taken for one at the task's addresses",
            None,
        ),
        PortWhy::OfAgent(sign) => ("port-of-agent", "it is the host's, so it leads to the agent", Some(sign)),
        PortWhy::OfContainer(sign) => {
            ("port-of-container", "it is the container's, so it leads to the task's own address", Some(sign))
        }
        PortWhy::OfHost(sign) => {
            ("port-of-host", "it is the host's, to which the task's name leads", Some(sign))
        }
        PortWhy::Mapped(sign) => {
            ("port-mapped", "it is the container's, and a port of the host is mapped to it", Some(sign))
        }
        PortWhy::OnNetwork(sign) => (
            "port-on-network",
            "it is the container's, and open only on the network of that name",
            Some(sign),
        ),
        PortWhy::Unreachable(sign) => {
            ("port-unreachable", "it is the container's, of which no address is known", Some(sign))
        }
    };
    let sign = match sign {
        None => "",
        Some(Sign::Label) => ", by the port's label network-scope",
        Some(Sign::Resources) => ", by resources.ports",
        Some(Sign::Mapping) => ", by a port mapping",
    };
    Step::new(rule, says).by(format!("{port}{sign}")).set_by(addresses_key(policy))
}

fn addresses_key(policy: &Policy) -> &'static str {
    match policy.addresses {
        Addresses::Auto(_) => "addresses",
        Addresses::Sources(_) => "IPSources",
    }
}

fn visibility(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Framework => "framework",
        Visibility::Cluster => "cluster",
        Visibility::External => "external",
    }
}

fn extra(name: ExtraName) -> &'static str {
    match name {
        ExtraName::Agents => "agents",
        ExtraName::Browse => "browse",
        ExtraName::Places => "places",
        ExtraName::Ports => "ports",
        ExtraName::Text => "text",
    }
}

/// A name as somebody wrote it, so that spaces are seen.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}
