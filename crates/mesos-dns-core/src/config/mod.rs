//! What the operator asked for: the JSON file, its defaults, its rules.
//!
//! ```text
//!  bytes --File::parse--> File (values over defaults) --Config::build--> Config (complete, typed)
//!                           |                             ^
//!                           +-- wants() ... the shell reads the files it names ... Surroundings
//! ```
//!
//! Nothing here opens a file: [`File::wants`] says what has to be read, the shell reads it and hands the outcome
//! in as [`Surroundings`]. So the whole of the rules, broken certificates and missing files included, is a pure
//! function, and `check` and a reload say the same as a start.
//!
//! - `keys`: the table of all keys. `file`: the JSON. `reference`: the table as documentation.
//! - `value`, `object`, `networks`, `json`: kinds of values, and JSON with places.
//! - `fixed`, `zone_file`, `gather`: static records, as written in the file, in zone files, and together. `aliases`:
//!   those of them that lead nowhere.
//! - `validate`, `address`, `api`, `servers`, `listeners`, `nearness`: the rules. [`Remark`]: what is said when one is broken.

mod address;
mod aliases;
mod api;
mod file;
mod fixed;
mod gather;
mod json;
mod keys;
mod listeners;
mod nearness;
mod networks;
mod object;
mod reference;
mod remark;
mod secret;
mod servers;
mod surroundings;
mod validate;
mod value;
mod words;
mod zone_file;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use serde::{Serialize, Serializer};

pub use api::token_lines;
pub use file::{FILE_BYTES_MAX, File};
pub use fixed::{Records, WrittenFile, WrittenRecord, ZoneFiles};
pub use gather::FIXED_RECORDS_MAX;
pub use keys::{Key, Origin, Row, Setting, Settings, Standing, keys};
pub use listeners::{Listener, Listeners, Protocol};
pub use object::{Credentials, Places, ZkUrl, Zone, Zones};
pub use reference::reference;
pub use remark::{Place, Problems, REMARKS_MAX, Remark, line};
pub use secret::{MASK, Secret};
pub use surroundings::{Surroundings, Unusable, Wants, ZoneFile};
pub use value::{Anything, Bytes, Given, Item, List, Prefixes, SECONDS_MAX, Seconds, Whole};
pub use words::Words;

pub use crate::{answer::Ranking, records::Health, watch::subscribe::Updates};
use crate::{
    answer::{Reversing, Secrets},
    cluster::{self, Visibility},
    forward::server::Server,
    mesos::zk_url,
    records::{Addresses, ExtraNames, Fixed},
    wire::Name,
};
use value::Word;

/// Budget of a forwarded query if `timeout` is 0.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Comparing oftener would be polling.
const RECONCILE_MIN: Duration = Duration::from_secs(1);

/// The configuration in force: complete and typed. Fields are named after their keys; a unit in such a name is
/// the file's, the type has its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Period of reading the state.
    pub refresh_seconds: Duration,
    /// Budget of one forwarded query, never zero.
    pub timeout: Duration,
    /// Limit of one read of the state, never zero.
    pub state_timeout_seconds: Duration,
    /// Ends the process if no leader was found since the start for so long; `None`: nothing does.
    pub zk_detection_timeout: Option<Duration>,
    /// Port of the HTTP API; 0: the system chooses.
    pub http_port: u16,
    /// TTL of all records of the domain, in seconds.
    pub ttl: u32,
    /// TTL of negative answers and minimum field of the SOA: `SOAMinttl` if the file sets it, else `ttl`.
    pub negative_ttl: u32,
    /// Weight of all SRV records.
    pub srv_record_default_weight: u16,
    /// SOA refresh in seconds.
    pub soa_refresh: u32,
    /// SOA retry in seconds.
    pub soa_retry: u32,
    /// SOA expire in seconds.
    pub soa_expire: u32,
    /// Name of this server: with a dot at its end, case as written.
    pub soa_mname: String,
    /// The same as a name: MNAME of the SOA, NS of the domain.
    pub primary: Name,
    /// Mail address of the SOA as a name: with a dot at its end, case as written.
    pub soa_rname: String,
    /// The same as a name: RNAME of the SOA.
    pub responsible: Name,
    /// The masters as written: each splits into host and port.
    pub masters: Vec<String>,
    /// Servers by zone; empty if forwarding is off. Zones may lie within each other, none within the domain.
    pub zone_resolvers: Vec<(Name, Vec<Server>)>,
    /// Servers for all other names; empty if forwarding is off or there are none.
    pub resolvers: Vec<Server>,
    /// How the addresses of tasks are chosen.
    pub addresses: Addresses,
    /// Where ZooKeeper knows the leader; `None`: the masters are a fixed list.
    pub zk: Option<zk_url::ZkUrl>,
    /// The served domain: lower-case, without a dot at its end.
    pub domain: String,
    /// The same as a name.
    pub apex: Name,
    /// Where DNS is served; never empty.
    pub listeners: Vec<Listener>,
    /// Address or host name the HTTP server binds; empty: all addresses.
    pub http_listener: String,
    /// The RA bit in answers for the domain.
    pub recurse_on: bool,
    /// Whether to serve DNS.
    pub dns_on: bool,
    /// Whether to serve HTTP.
    pub http_on: bool,
    /// Whether to forward.
    pub external_on: bool,
    /// Whether labels follow RFC 952.
    pub enforce_rfc952: bool,
    /// Whether cut answers say so.
    pub set_truncate_bit: bool,
    /// Whether lists of what is in the cluster are offered.
    pub enumeration_on: bool,
    /// Whether to speak HTTPS with masters.
    pub mesos_https_on: bool,
    /// PEM file of the authorities for masters; `None`: those of the system.
    pub ca_cert_file: Option<String>,
    /// PEM files of our certificate and its key; `None`: we show none.
    pub client_certificate: Option<ClientCertificate>,
    /// Who we are to the masters.
    pub mesos_authentication: Authentication,
    /// The file that [`Authentication::Iam`] was read from; `None`: there is none.
    pub iam_config_file: Option<String>,
    /// Whether certificates of masters are verified.
    pub mesos_tls_verify: bool,
    /// Name to verify masters against; `None`: the one ZooKeeper gives, else the host that is asked.
    pub mesos_server_name: Option<String>,
    /// Clients we forward for.
    pub recursion_allow: Vec<IpNet>,
    /// Bytes of memory for answers of other servers; 0: none are remembered.
    pub cache_size: u64,
    /// How long they may be given after their end; zero: not at all.
    pub serve_stale_seconds: Duration,
    /// Clients we answer at all.
    pub query_allow: Vec<IpNet>,
    /// Answers over UDP to one client network in a second; 0: no limit.
    pub rate_limit: u32,
    /// Clients without that limit.
    pub rate_limit_exempt: Vec<IpNet>,
    /// What cookies are made with; `None`: this process makes up a secret.
    pub cookie_secrets: Option<Secrets>,
    /// What we are called when asked who we are; empty: we do not say.
    pub nsid: String,
    /// Connections of DNS clients at once; `None`: as many as the system allows.
    pub tcp_connections: Option<usize>,
    /// Connections of one client, at least 1.
    pub tcp_per_client: usize,
    /// How long a connection may be idle: from a tenth of a second to 40 seconds.
    pub tcp_idle_seconds: Duration,
    /// Threads for UDP on each listener, at least 1.
    pub workers: usize,
    /// Whether each of them stays on one processor.
    pub pin_workers: bool,
    /// What becomes of unhealthy tasks, and of those that are being killed.
    pub health: Health,
    /// Share of healthy tasks of a name, in percent, below which the unhealthy ones are answered too.
    pub healthy_minimum_percent: u8,
    /// How changes are learnt.
    pub updates: Updates,
    /// Time between comparisons while events are followed, never zero.
    pub reconcile_seconds: Duration,
    /// Age from which data counts as stale.
    pub stale_after_seconds: Duration,
    /// Longest time to hold the records of what vanished.
    pub hold_seconds: Duration,
    /// Share of tasks, in percent, whose loss at once is not believed.
    pub mass_loss_percent: u8,
    /// Number of tasks whose loss at once is always believed, less one.
    pub mass_loss_minimum: usize,
    /// For which addresses we tell their names.
    pub reverse: Reversing,
    /// Which records come first.
    pub answers: Ranking,
    /// Most records in one answer; `None`: no limit.
    pub max_answers: Option<usize>,
    /// Where clients are, and agents that do not say it.
    pub places: Vec<(IpNet, Arc<cluster::Place>)>,
    /// Host names under which the HTTP API may be called, besides our own.
    pub http_allow_hosts: Vec<String>,
    /// Tokens that open the HTTP API; `None`: it is open.
    pub http_tokens: Option<Vec<Secret>>,
    /// PEM files of the certificate of the HTTP API and its key; `None`: it is served in the clear.
    pub http_certificate: Option<ClientCertificate>,
    /// Form of the log.
    pub log_format: LogFormat,
    /// File that keeps the last good cluster; `None`: it is kept nowhere.
    pub snapshot_file: Option<String>,
    /// Path of the admin socket; `None`: there is none.
    pub admin_socket: Option<String>,
    /// User to change to from root; `None`: the file says nothing.
    pub user: Option<String>,
    /// Group to change to from root; `None`: the file says nothing.
    pub group: Option<String>,
    /// Further names.
    pub extra_names: ExtraNames,
    /// Who has to be meant to see a service for it to be published.
    pub visibility: Visibility,
    /// Static records.
    pub fixed: Arc<Fixed>,
    /// What is odd about the file. Logged at each start.
    pub warnings: Vec<Remark>,
    settings: Settings,
    path: String,
}

/// PEM files of a certificate of ours, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and its chain.
    pub cert_file: String,
    /// Its private key.
    pub key_file: String,
}

/// How we authenticate with the masters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all.
    None,
    /// HTTP Basic; at least one of the two is not empty.
    Basic {
        /// User name.
        principal: String,
        /// Password.
        secret: Secret,
    },
    /// A token from a login service, signed for with our key; none is empty.
    Iam {
        /// Our name with the service.
        uid: String,
        /// RSA key as PEM text, not yet parsed.
        private_key: Secret,
        /// URL of the service, http or https.
        login_endpoint: String,
    },
}

/// How the addresses of tasks are chosen (`addresses`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRule {
    /// By the network that each asked for.
    Auto,
}

impl Word for AddressRule {
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto)];
}

impl Word for Health {
    const WORDS: &'static [(&'static str, Self)] =
        &[("ignore", Self::Ignore), ("prefer", Self::Prefer), ("require", Self::Require)];
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// One line of text each.
    Text,
}

impl Word for Updates {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("events", Self::Events), ("poll", Self::Poll)];
}

impl Word for Ranking {
    const WORDS: &'static [(&'static str, Self)] = &[("shuffle", Self::Shuffle), ("nearest", Self::Nearest)];
}

impl Word for LogFormat {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("json", Self::Json), ("text", Self::Text)];
}

impl Config {
    /// Checks the file against its rules and completes it.
    ///
    /// # Errors
    ///
    /// All rules that are broken, in the order of the original's checks: the first is the one it would report.
    pub fn build(file: File, around: &Surroundings) -> Result<Self, Problems> {
        let File { mut settings, mut warnings, path } = file;
        let mut problems = Vec::new();
        let heard = (
            hear(&mut problems, validate::service(&settings)),
            hear(&mut problems, validate::cluster(&settings)),
            hear(&mut problems, validate::masters(&settings)),
            hear(&mut problems, validate::forwarding(&mut settings, around)),
            hear(&mut problems, validate::cache_size(&settings)),
            hear(&mut problems, validate::ip_sources(&settings)),
            hear(&mut problems, validate::state_timeout(&settings)),
            hear(&mut problems, validate::domain(&mut settings)),
            hear(&mut problems, validate::soa_names(&mut settings)),
            hear(&mut problems, validate::certificates(&settings, around)),
            hear(&mut problems, validate::authentication(&settings, around)),
            hear(
                &mut problems,
                validate::listener(&settings).and_then(|one| listeners::listeners(&settings, around, one)),
            ),
            hear(&mut problems, validate::zk(&settings)),
            hear(&mut problems, validate::admin_socket(&settings).and(validate::accounts(&settings))),
            hear(&mut problems, listeners::cookies(&settings, around)),
            hear(&mut problems, listeners::nsid(&settings)),
            hear(&mut problems, listeners::idle(&settings)),
            hear(&mut problems, api::tokens(&settings, around)),
            hear(&mut problems, api::certificate(&settings, around)),
        );
        let fixed = gather::fixed(&settings, around).map_err(|remarks| problems.extend(remarks)).ok();
        problems.truncate(REMARKS_MAX);
        let (
            Some(()),
            Some(()),
            Some(masters),
            Some(forwarding),
            Some(cache_size),
            Some(ip_sources),
            Some(()),
            Some(apex),
            Some((primary, responsible)),
            Some(()),
            Some(mesos_authentication),
            Some(listeners),
            Some(zk),
            Some(()),
            Some(cookie_secrets),
            Some(()),
            Some(tcp_idle_seconds),
            Some(http_tokens),
            Some(http_certificate),
        ) = heard
        else {
            return Err(Problems { file: path, remarks: problems });
        };
        let Some((fixed, odd)) = fixed else { return Err(Problems { file: path, remarks: problems }) };
        if settings.workers.value.0 == 0 {
            let cores = i64::try_from(around.cores.max(1)).unwrap_or(1);
            settings.workers.derive(Whole(cores), "one per core");
        }
        warnings.extend(validate::oddities(&settings));
        warnings.extend(nearness::oddities(&settings));
        warnings.extend(odd);
        warnings.truncate(REMARKS_MAX);
        let reverse = nearness::reversing(&settings, &forwarding.zones);
        let s = &settings;
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let ttl = u32::try_from(s.ttl.value).unwrap_or(0);
        Ok(Self {
            refresh_seconds: seconds(s.refresh_seconds.value.0),
            timeout: Some(seconds(s.timeout.value)).filter(|time| !time.is_zero()).unwrap_or(FORWARD_TIMEOUT),
            state_timeout_seconds: seconds(s.state_timeout_seconds.value),
            zk_detection_timeout: Some(seconds(s.zk_detection_timeout.value))
                .filter(|limit| s.zk_detection_timeout.is_set() && zk.is_some() && !limit.is_zero()),
            http_port: port(s.http_port.value),
            ttl,
            negative_ttl: if s.soa_minttl.is_set() { s.soa_minttl.value } else { ttl },
            srv_record_default_weight: s.srv_record_default_weight.value,
            soa_refresh: s.soa_refresh.value,
            soa_retry: s.soa_retry.value,
            soa_expire: s.soa_expire.value,
            soa_mname: s.soa_mname.value.clone(),
            primary,
            soa_rname: s.soa_rname.value.clone(),
            responsible,
            masters,
            zone_resolvers: forwarding.zones,
            resolvers: forwarding.resolvers,
            addresses: match s.ip_sources.is_set() {
                true => Addresses::Sources(ip_sources),
                false => Addresses::Auto(s.networks.value.clone()),
            },
            zk,
            domain: s.domain.value.clone(),
            apex,
            listeners,
            http_listener: s.http_listener.value.clone(),
            recurse_on: s.recurse_on.value,
            dns_on: s.dns_on.value,
            http_on: s.http_on.value,
            external_on: s.external_on.value,
            enforce_rfc952: s.enforce_rfc952.value,
            set_truncate_bit: s.set_truncate_bit.value,
            enumeration_on: s.enumeration_on.value,
            mesos_https_on: s.mesos_https_on.value,
            ca_cert_file: some(&s.ca_cert_file.value),
            client_certificate: some(&s.cert_file.value)
                .map(|cert_file| ClientCertificate { cert_file, key_file: s.key_file.value.clone() }),
            mesos_authentication,
            iam_config_file: some(&s.iam_config_file.value),
            mesos_tls_verify: s.mesos_tls_verify.value,
            mesos_server_name: some(&s.mesos_server_name.value),
            recursion_allow: s.recursion_allow.value.0.clone(),
            cache_size,
            serve_stale_seconds: s.serve_stale_seconds.value.0,
            query_allow: s.query_allow.value.0.clone(),
            rate_limit: u32::try_from(s.rate_limit.value.0).unwrap_or(0),
            rate_limit_exempt: s.rate_limit_exempt.value.0.clone(),
            cookie_secrets,
            nsid: s.nsid.value.clone(),
            tcp_connections: usize::try_from(s.tcp_connections.value.0).ok().filter(|count| *count > 0),
            tcp_per_client: usize::try_from(s.tcp_per_client.value.0).unwrap_or(usize::MAX),
            tcp_idle_seconds,
            workers: usize::try_from(s.workers.value.0).unwrap_or(1),
            pin_workers: s.pin_workers.value,
            health: s.health.value,
            healthy_minimum_percent: u8::try_from(s.healthy_minimum_percent.value.0).unwrap_or(100),
            updates: s.updates.value,
            reconcile_seconds: s.reconcile_seconds.value.0.max(RECONCILE_MIN),
            stale_after_seconds: s.stale_after_seconds.value.0,
            hold_seconds: s.hold_seconds.value.0,
            mass_loss_percent: u8::try_from(s.mass_loss_percent.value.0).unwrap_or(100),
            mass_loss_minimum: usize::try_from(s.mass_loss_minimum.value.0).unwrap_or(usize::MAX),
            reverse,
            answers: nearness::ranking(s),
            max_answers: usize::try_from(s.max_answers.value.0).ok().filter(|most| *most > 0),
            places: s.places.value.0.clone(),
            http_allow_hosts: s.http_allow_hosts.value.texts(),
            http_tokens,
            http_certificate,
            log_format: s.log_format.value,
            snapshot_file: some(&s.snapshot_file.value),
            admin_socket: some(&s.admin_socket.value),
            user: some(&s.user.value).filter(|_| s.user.is_set()),
            group: some(&s.group.value).filter(|_| s.group.is_set()),
            extra_names: s.extra_names.value.0.iter().copied().collect(),
            visibility: s.visibility.value,
            fixed: Arc::new(fixed),
            warnings,
            settings,
            path,
        })
    }

    /// Absolute path of the file this was read from.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Every key with its effective value and where that comes from, secrets masked, in the order of the table.
    pub fn rows(&self) -> Vec<Row> {
        self.settings.rows()
    }

    /// Addresses of the server itself (behaviour spec section 4.6): those it listens on, or, listening on all, those
    /// of the machine but loopback, link-local ones included.
    pub fn own_addresses(&self, interfaces: &[IpAddr]) -> Vec<IpAddr> {
        let is_plain = |listener: &Listener| listener.protocol == Protocol::Dns;
        // Who looks for a name server looks for plain DNS.
        let has_plain = self.listeners.iter().any(is_plain);
        let mut own = Vec::new();
        for listener in self.listeners.iter().filter(|listener| is_plain(listener) || !has_plain) {
            match listener.address.ip() {
                IpAddr::V4(all) if all.is_unspecified() => {
                    own.extend(interfaces.iter().copied().filter(|address| !address.is_loopback()));
                }
                address => own.push(address),
            }
        }
        let mut seen = BTreeSet::new();
        own.retain(|address| seen.insert(*address));
        own
    }

    /// Whether other names go to the servers of the system, `/etc/resolv.conf`: the file names none.
    pub fn follows_system(&self) -> bool {
        matches!(self.settings.resolvers.origin, Origin::Derived(validate::RESOLV_CONF))
    }

    /// This configuration with the servers of another `/etc/resolv.conf`; `None` if they are the same. Only for one that
    /// [follows](Self::follows_system) the system.
    ///
    /// # Errors
    ///
    /// The text names a server that is none, or no server at all.
    pub fn with_system(&self, resolv_conf: &str, interfaces: &[IpAddr]) -> Result<Option<Self>, Remark> {
        let mut settings = self.settings.clone();
        let resolvers = validate::system(&mut settings, resolv_conf, interfaces)?;
        if resolvers.is_empty() && !self.resolvers.is_empty() {
            // No news but a fault: whoever writes that file may be halfway through.
            let what = "it names no server but this machine";
            return Err(Remark::new(what, "write a line with nameserver"));
        }
        let changes = resolvers != self.resolvers;
        Ok(changes.then(|| Self { resolvers, settings, ..self.clone() }))
    }

    /// The body of `/v1/config`: the original's keys in its order, with secrets masked.
    pub fn v1(&self, soa_serial: u32) -> V1Config {
        let rows = self.rows().into_iter().filter(|row| row.standing == Standing::Original);
        let member = |row: Row| match row.canonical {
            "SOASerial" => (row.canonical, soa_serial.into()),
            _ => (row.canonical, row.value),
        };
        V1Config(rows.map(member).collect())
    }
}

/// The members of `/v1/config` in their order; serialises as one object.
#[derive(Clone, Debug, PartialEq)]
pub struct V1Config(pub Vec<(&'static str, serde_json::Value)>);

impl Serialize for V1Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// Keeps the problem of one rule, so that the others are heard too.
fn hear<T>(problems: &mut Vec<Remark>, outcome: Result<T, Remark>) -> Option<T> {
    outcome.map_err(|remark| problems.push(remark)).ok()
}

/// Seconds of the original, which may be absurd, as a time that can be added to a clock.
fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0).min(SECONDS_MAX))
}

/// A port, which the table's range keeps within its type.
fn port(number: Whole<0, 65535>) -> u16 {
    u16::try_from(number.0).unwrap_or_default()
}

#[cfg(test)]
mod tests;
