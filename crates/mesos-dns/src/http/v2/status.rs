//! How things stand, and what is configured.

use std::time::Duration;

use hyper::{
    Response,
    header::{CACHE_CONTROL, HeaderValue},
};
use mesos_dns_core::{answer, config::Row, watch::believe::Why};
use serde::Serialize;

use super::{
    super::{Api, Settings, Sources, reply::Reply},
    json,
};
use crate::publish::Published;

/// The body of `/v2/status`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    state: answer::State,
    ready: bool,
    reasons: &'a [String],
    leader: Leader<'a>,
    updates: Updates,
    /// Seconds since the masters last confirmed the data; `null` before they ever did.
    age_seconds: Option<f64>,
    /// Seconds since the leader last said anything, a heartbeat included.
    last_contact_seconds: Option<f64>,
    /// Seconds since the names last changed.
    last_change_seconds: Option<u64>,
    version: u64,
    id: String,
    serial: u32,
    content_hash: String,
    counts: Counts,
    held: Option<Held>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved_at: Option<u64>,
    zone: Zone<'a>,
    uptime_seconds: u64,
    program: &'a str,
    pid: u32,
    watchers: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Leader<'a> {
    address: Option<&'a str>,
    version: Option<String>,
    elected_time: Option<f64>,
    masters: Vec<&'a str>,
}

/// How changes are learnt at present.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Updates {
    Events,
    Poll,
}

#[derive(Serialize)]
struct Counts {
    tasks: usize,
    agents: usize,
    frameworks: usize,
    names: usize,
    records: u64,
}

#[derive(Serialize)]
struct Held {
    why: &'static str,
    tasks: usize,
    agents: usize,
}

/// What all records have in common.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Zone<'a> {
    domain: &'a str,
    /// As configured, with the dot at its end.
    mname: String,
    rname: String,
    refresh: u32,
    retry: u32,
    expire: u32,
    minimum: u32,
    ttl: u32,
    weight: u16,
    refresh_seconds: i64,
}

impl<'a> Zone<'a> {
    pub(super) fn of(published: &'a Published, settings: &Settings) -> Self {
        let soa = published.zone.soa();
        Self {
            domain: &published.policy.domain,
            mname: soa.mname.to_string(),
            rname: soa.rname.to_string(),
            refresh: soa.refresh,
            retry: soa.retry,
            expire: soa.expire,
            minimum: soa.minimum,
            ttl: soa.ttl,
            weight: soa.weight,
            refresh_seconds: settings.refresh_seconds,
        }
    }
}

/// The body of `/v2/config`.
#[derive(Serialize)]
struct Effective {
    file: String,
    keys: Vec<Key>,
}

/// A key with its value in force.
#[derive(Serialize)]
struct Key {
    key: &'static str,
    /// Secrets are masked.
    value: serde_json::Value,
    default: serde_json::Value,
    origin: String,
    unit: &'static str,
    /// Whether it has an effect in this version.
    effective: bool,
    meaning: String,
}

impl Api {
    /// `/v2/status`: there is an answer before there is any data.
    pub(super) fn status(&self) -> Response<Reply> {
        let (published, standing, sources) = (self.board.load(), (self.standing)(), (self.sources)());
        let settings = self.settings.load();
        let (cluster, zone) = (&published.cluster, &published.zone);
        let is_loaded = zone.is_loaded();
        let Sources { is_following, leader_version, last_contact } = sources;
        let serial = zone.serial();
        let body = Status {
            state: if is_loaded { standing.state } else { answer::State::Loading },
            ready: is_loaded,
            reasons: &standing.reasons,
            leader: Leader {
                address: cluster.masters.leader.as_deref(),
                version: Some(leader_version).filter(|version| !version.is_empty()),
                elected_time: published.reign.elected_time,
                masters: cluster.masters.listed.iter().map(|master| &**master).collect(),
            },
            updates: if is_following { Updates::Events } else { Updates::Poll },
            age_seconds: standing.age.map(rounded),
            last_contact_seconds: last_contact.map(rounded),
            last_change_seconds: is_loaded.then(|| seconds_since(serial)),
            version: published.version,
            id: self.v2.instance.tag(published.version).to_string(),
            serial,
            content_hash: format!("{:016x}", zone.content_hash()),
            counts: Counts {
                tasks: cluster.tasks.len(),
                agents: cluster.agents.len(),
                frameworks: cluster.frameworks.len(),
                names: zone.names(),
                records: zone.records(),
            },
            held: published.held.as_ref().map(|held| Held {
                why: match held.why {
                    Why::Empty => "empty",
                    Why::Loss => "loss",
                    Why::Recovering => "recovering",
                    Why::Settling => "settling",
                },
                tasks: held.tasks,
                agents: held.agents,
            }),
            saved_at: published.restored,
            zone: Zone::of(&published, &settings),
            uptime_seconds: self.started.elapsed().as_secs(),
            program: &settings.version,
            pid: std::process::id(),
            watchers: self.v2.watching(),
        };
        fresh(json(&body))
    }

    /// `/v2/config`.
    pub(super) fn effective_config(&self) -> Response<Reply> {
        let settings = self.settings.load();
        let known = mesos_dns_core::config::keys();
        let key = |row: &Row| {
            let about = known.iter().find(|key| key.canonical == row.canonical);
            let default = about.and_then(|key| serde_json::from_str(&key.default).ok());
            Key {
                key: row.spelling,
                value: row.value.clone(),
                default: default.unwrap_or_default(),
                origin: row.origin.to_string(),
                unit: row.unit,
                effective: row.is_in_force(),
                meaning: about.map(|key| key.meaning.clone()).unwrap_or_default(),
            }
        };
        let keys = settings.rows.iter().map(key).collect();
        fresh(json(&Effective { file: settings.file.clone(), keys }))
    }
}

/// It is another the next time.
fn fresh(mut response: Response<Reply>) -> Response<Reply> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Seconds to the millisecond.
fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Seconds since a serial was given: it is the Unix time of the change.
fn seconds_since(serial: u32) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_sub(serial.into())
}
