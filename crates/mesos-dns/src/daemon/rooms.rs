//! From the configuration to the settings of each room.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use anyhow::Context;
use mesos_dns_core::{
    answer,
    config::{Authentication, Config, Row},
    forward,
    mesos::state::Limits,
    records::{Extra, Policy, Rules},
    views,
    watch::{believe, poll, subscribe},
    zone::Soa,
};

use crate::{
    args::VERSION,
    http, publish,
    watch::{self, auth, tls},
};

/// How names are made.
pub(crate) fn policy(config: &Config, interfaces: &[IpAddr]) -> Policy {
    Policy {
        domain: config.domain.clone(),
        apex: config.apex.clone(),
        rules: if config.enforce_rfc952 { Rules::Rfc952 } else { Rules::Rfc1123 },
        addresses: config.addresses.clone(),
        health: config.health,
        places: config.places.clone(),
        extra: Extra {
            names: config.extra_names,
            visibility: config.visibility,
            weight: config.srv_record_default_weight,
            fixed: config.fixed.clone(),
        },
        server_name: config.soa_mname.clone(),
        server_addresses: config.own_addresses(interfaces),
    }
}

/// SOA, NS, and what all records carry.
pub(crate) fn soa(config: &Config) -> Soa {
    Soa {
        mname: config.primary.clone(),
        rname: config.responsible.clone(),
        refresh: config.soa_refresh,
        retry: config.soa_retry,
        expire: config.soa_expire,
        minimum: config.negative_ttl,
        ttl: config.ttl,
        weight: config.srv_record_default_weight,
    }
}

/// Names, SOA, and what to believe.
pub(crate) fn publish(config: &Config, interfaces: &[IpAddr]) -> publish::Settings {
    publish::Settings {
        policy: Arc::new(policy(config, interfaces)),
        soa: Arc::new(soa(config)),
        healthy_minimum_percent: config.healthy_minimum_percent,
        believe: believe::Settings {
            hold: config.hold_seconds,
            loss_percent: config.mass_loss_percent,
            loss_minimum: config.mass_loss_minimum,
        },
    }
}

/// What to answer, and to whom. `secrets` is what this process makes cookies with if it shares no secret.
pub(crate) fn answer(config: &Config, secrets: &answer::Secrets) -> answer::Settings {
    let rate_limit =
        answer::RateLimit { per_second: config.rate_limit, exempt: config.rate_limit_exempt.clone() };
    answer::Settings {
        recursion_available: config.recurse_on,
        forwards: config.external_on,
        sets_truncated: config.set_truncate_bit,
        recursion_allow: config.recursion_allow.clone(),
        query_allow: config.query_allow.clone(),
        cookies: Some(config.cookie_secrets.clone().unwrap_or_else(|| secrets.clone())),
        nsid: config.nsid.clone().into_bytes(),
        idle: config.tcp_idle_seconds,
        rate_limit: Some(rate_limit).filter(|limit| limit.per_second > 0),
        reverse: config.reverse.clone(),
        selection: answer::Selection {
            ranking: config.answers,
            most: config.max_answers,
            places: config.places.clone(),
        },
    }
}

pub(crate) fn forward(config: &Config) -> forward::Settings {
    forward::Settings {
        external_on: config.external_on,
        domain: config.apex.clone(),
        reverse: config.reverse.zones(),
        resolvers: config.resolvers.clone(),
        zones: config.zone_resolvers.clone(),
        budget: config.timeout,
        recursion_allow: config.recursion_allow.clone(),
        truncation: if config.set_truncate_bit {
            forward::Truncation::Flagged
        } else {
            forward::Truncation::Silent
        },
        cache_bytes: config.cache_size,
        stale_max: config.serve_stale_seconds,
    }
}

/// The cluster, and how to reach it.
pub(crate) fn watch(config: &Config) -> watch::Settings {
    let tls = config.mesos_https_on.then(|| tls::Settings {
        ca_file: config.ca_cert_file.as_ref().map(Into::into),
        client: config.client_certificate.as_ref().map(|files| tls::ClientFiles {
            certificate: files.cert_file.clone().into(),
            key: files.key_file.clone().into(),
        }),
        insecure: !config.mesos_tls_verify,
        server_name: config.mesos_server_name.as_deref().map(Arc::from),
    });
    watch::Settings {
        zookeeper: config.zk.clone(),
        masters: config.masters.iter().map(|master| Arc::from(master.as_str())).collect(),
        detection_timeout: config.zk_detection_timeout,
        poll: poll::Settings { refresh: config.refresh_seconds, timeout: config.state_timeout_seconds },
        subscribe: subscribe::Settings {
            updates: config.updates,
            compare: config.reconcile_seconds,
            timeout: config.state_timeout_seconds,
        },
        limits: Limits::default(),
        tls,
        auth: credentials(config),
    }
}

fn credentials(config: &Config) -> auth::Settings {
    match &config.mesos_authentication {
        Authentication::None => auth::Settings::None,
        Authentication::Basic { principal, secret } => {
            auth::Settings::Basic { principal: principal.clone(), secret: secret.reveal().to_owned() }
        }
        Authentication::Iam { uid, private_key, login_endpoint } => auth::Settings::Iam {
            uid: uid.clone(),
            private_key: private_key.reveal().to_owned(),
            login_endpoint: login_endpoint.clone(),
        },
    }
}

/// `started`: what the process was started with, key by key.
pub(super) fn http(config: &Config, started: &[Row]) -> http::Settings {
    let shown = config.clone();
    http::Settings {
        version: VERSION.to_owned(),
        mailbox: config.soa_rname.clone(),
        refresh_seconds: i64::try_from(config.refresh_seconds.as_secs()).unwrap_or(i64::MAX),
        is_enumeration_on: config.enumeration_on,
        allowed_hosts: config.http_allow_hosts.clone(),
        file: config.path().to_owned(),
        rows: in_force(config, started),
        tokens: http::Tokens::new(config.http_tokens.as_deref()),
        config: Box::new(move |serial| views::text(&shown.v1(serial))),
    }
}

/// Where the HTTP server listens. A host name is looked up; an empty one means every address.
pub(super) fn http_address(config: &Config) -> anyhow::Result<SocketAddr> {
    let (host, port) = (config.http_listener.as_str(), config.http_port);
    if host.is_empty() {
        return Ok(SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port));
    }
    let mut found = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("\"httplistener\": cannot look up {host:?}"))?;
    found.next().with_context(|| format!("\"httplistener\": {host:?} has no address"))
}

/// Keys that a running process cannot change.
const FIXED: [&str; 16] = [
    "listener",
    "port",
    "listeners",
    "httplistener",
    "httpport",
    "httpCertFile",
    "httpKeyFile",
    "dnson",
    "httpon",
    "workers",
    "pinWorkers",
    "adminSocket",
    "snapshotFile",
    "logFormat",
    "user",
    "group",
];

/// Those of the keys that a running process cannot change which the new file has otherwise than that of the start.
pub(super) fn waiting_for_a_restart(started: &[Row], after: &Config) -> Vec<&'static str> {
    let rows = started.iter().zip(after.rows());
    let changed = rows.filter(|(started, after)| started.value != after.value);
    changed.map(|(started, _)| started.spelling).filter(|key| FIXED.contains(key)).collect()
}

/// Every key with the value that holds: what a running process cannot change is as it was at the start.
fn in_force(config: &Config, started: &[Row]) -> Vec<Row> {
    let held = |row: &Row| started.iter().find(|started| started.spelling == row.spelling).cloned();
    let rows = config.rows().into_iter();
    rows.map(|row| if FIXED.contains(&row.spelling) { held(&row).unwrap_or(row) } else { row }).collect()
}
