//! What the tests of several rooms stand on: one policy, one SOA, one ordinary task.
//!
//! A test that is about one of the values in here says so by setting it: `Soa { minimum: 3, ..soa() }`.

use crate::{
    cluster::{AddressSource, Agent, Endpoint, Host, Task, TaskState},
    records::{Addresses, Extra, Health, Policy, Rules},
    wire::Name,
    zone::Soa,
};

/// The naming policy of a server with the least of a configuration.
pub(crate) fn policy() -> Policy {
    Policy {
        domain: "mesos".into(),
        apex: name("mesos."),
        rules: Rules::Rfc1123,
        addresses: Addresses::Sources(vec![
            AddressSource::NetInfo,
            AddressSource::Mesos,
            AddressSource::Host,
        ]),
        health: Health::Ignore,
        places: Vec::new(),
        extra: Extra::default(),
        server_name: "ns1.mesos.".into(),
        server_addresses: vec!["10.0.0.9".parse().unwrap()],
    }
}

/// That server's SOA.
pub(crate) fn soa() -> Soa {
    Soa {
        mname: name("ns1.mesos."),
        rname: name("root.ns1.mesos."),
        refresh: 60,
        retry: 600,
        expire: 86400,
        minimum: 60,
        ttl: 60,
        weight: 1,
    }
}

/// A running task without ports and addresses of its own.
pub(crate) fn task(id: &str, name: &str, framework: &str, agent: &str) -> Task {
    Task {
        id: id.into(),
        name: name.into(),
        framework_id: framework.into(),
        agent_id: agent.into(),
        state: TaskState::Running,
        healthy: None,
        is_checked: false,
        container: None,
        labels: None,
        ports: [].into(),
        addresses: [].into(),
        discovery: None,
    }
}

/// An agent at an address, or a host name.
pub(crate) fn agent(id: &str, host: &str) -> Agent {
    let address = Some(Endpoint { host: Host::new(host), port: 5051 });
    Agent { id: id.into(), hostname: "node".into(), address, place: None }
}

/// A name that is one.
pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}
