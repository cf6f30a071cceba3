//! Every key there is: the one table behind the parser, the check, the search for the nearest key and
//! `docs/configuration.md`.
//!
//! A row is a field of [`Settings`] with its type, its default, its name as `/v1/config` spells it, its name as
//! files usually spell it, its standing, its unit, and, as its comment, what it means. The first block is the
//! original's, in the order of `/v1/config`. A new key is one row here and its use in
//! [`Config`](super::Config).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    AddressRule, Health, LogFormat, Ranking, Updates,
    fixed::{Records, ZoneFiles},
    json::Json,
    listeners::Listeners,
    object::{Credentials, Places, ZkUrl, Zones},
    remark::{Place, Remark},
    value::{Anything, Bytes, Given, List, Prefixes, Seconds, Value, Whole},
    words::Words,
};
use crate::{
    cluster::Visibility,
    forward::private_networks,
    records::{ExtraName, Networks},
};

/// What is known of a key, for people.
#[derive(Clone, Debug)]
pub struct Key {
    /// As `/v1/config` spells it; for keys the original does not have, as the reference does.
    pub canonical: &'static str,
    /// As configuration files usually spell it. Case does not matter in a file.
    pub spelling: &'static str,
    /// Whether it has an effect.
    pub standing: Standing,
    /// Unit of the value; empty if it has none.
    pub unit: &'static str,
    /// What it means, in one or two sentences.
    pub meaning: String,
    /// What a value looks like, with its range.
    pub kind: String,
    /// The default as JSON.
    pub default: String,
    /// Members of the object that are known; empty for all but `mesosCredentials`.
    pub members: &'static [&'static str],
}

/// Whether a key has an effect in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A key of the original Mesos-DNS, in force; shown by `/v1/config`.
    Original,
    /// A key of ours, in force.
    Ours,
    /// Recognised, but its feature is not built: a file that sets it earns a warning.
    Later,
    /// Found in old files; has not had an effect for years, in the original either.
    Ignored,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file, here.
    File(Place),
    /// Worked out from something else, named here.
    Derived(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => write!(f, "file, line {}", place.line),
            Self::Derived(from) => f.write_str(from),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// In the original's own terms: seconds are numbers, addresses are text.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// Whether the file sets it.
    pub fn is_set(&self) -> bool {
        matches!(self.origin, Origin::File(_))
    }

    /// Where the file sets it.
    pub(super) fn place(&self) -> Option<Place> {
        match self.origin {
            Origin::File(place) => Some(place),
            _ => None,
        }
    }

    /// Puts a worked-out value in its place.
    pub(super) fn derive(&mut self, value: T, from: &'static str) {
        *self = Self { value, origin: Origin::Derived(from) };
    }
}

/// Takes the file's value; `null` leaves what was there, where it has no meaning of its own.
fn read<T: Value>(setting: &mut Setting<T>, json: Json<'_>) -> Result<(), Remark> {
    if json.is_null() && !T::NULL_IS_EMPTY {
        return Ok(());
    }
    setting.value.read(json)?;
    setting.origin = Origin::File(json.place());
    Ok(())
}

/// A setting for people: its key, its value as JSON with secrets masked, and where it comes from.
#[derive(Clone, Debug)]
pub struct Row {
    /// As `/v1/config` spells it.
    pub canonical: &'static str,
    /// As files usually spell it.
    pub spelling: &'static str,
    /// Whether it has an effect.
    pub standing: Standing,
    /// Unit of the value; empty if it has none.
    pub unit: &'static str,
    /// The effective value, secrets masked.
    pub value: serde_json::Value,
    /// Where it comes from.
    pub origin: Origin,
}

impl Row {
    /// Whether the value has an effect in this version.
    pub fn is_in_force(&self) -> bool {
        matches!(self.standing, Standing::Original | Standing::Ours)
    }
}

/// Makes [`Settings`] and [`keys`] from the table, so that the two cannot disagree.
macro_rules! keys {
    ($(
        $(#[doc = $meaning:literal])+
        $field:ident: $type:ty = $default:expr, $canonical:literal, $spelling:literal, $standing:ident $(, $unit:literal)?;
    )*) => {
        /// Every setting: the file's value where it has one, else the default.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings {
            $( $(#[doc = $meaning])+ pub $field: Setting<$type>, )*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $( $field: Setting { value: $default, origin: Origin::Default }, )* }
            }
        }

        impl Settings {
            /// Reads the value of a key, spelled as in the table; `None` if there is no such key.
            pub(super) fn read(&mut self, canonical: &str, json: Json<'_>) -> Option<Result<(), Remark>> {
                match canonical {
                    $( $canonical => Some(read(&mut self.$field, json)), )*
                    _ => None,
                }
            }

            /// All settings in the order of the table.
            pub fn rows(&self) -> Vec<Row> {
                vec![$( Row {
                    canonical: $canonical,
                    spelling: $spelling,
                    standing: Standing::$standing,
                    unit: concat!($($unit)?),
                    value: self.$field.value.shown(),
                    origin: self.$field.origin,
                }, )*]
            }
        }

        /// The table, for people and for the search by name.
        pub fn keys() -> Vec<Key> {
            vec![$( Key {
                canonical: $canonical,
                spelling: $spelling,
                standing: Standing::$standing,
                unit: concat!($($unit)?),
                meaning: concat!($($meaning),+).trim().to_owned(),
                kind: <$type as Value>::kind(),
                default: <$type as Value>::shown(&$default).to_string(),
                members: <$type as Value>::MEMBERS,
            }, )*]
        }
    };
}

keys! {
    /// Time between two reads of the cluster's state.
    refresh_seconds: Whole<1, { i64::MAX }> = Whole(60), "RefreshSeconds", "refreshSeconds", Original, "s";
    /// Port of the DNS server, UDP and TCP. 0 lets the system choose.
    port: Whole<0, 65535> = Whole(53), "Port", "port", Original;
    /// Budget of one forwarded query, all tries together. 0 means 5.
    timeout: i64 = 5, "Timeout", "timeout", Original, "s";
    /// Longest time one read of the state may take, from connecting to the end of the body. At least 1.
    state_timeout_seconds: i64 = 300, "StateTimeoutSeconds", "stateTimeoutSeconds", Original, "s";
    /// Ends the process if no leading master has been found through ZooKeeper for so long since the start;
    /// only if the file sets it, and never if 0.
    zk_detection_timeout: i64 = 30, "ZkDetectionTimeout", "zkDetectionTimeout", Original, "s";
    /// Port of the HTTP API. 0 lets the system choose.
    http_port: Whole<0, 65535> = Whole(8123), "HttpPort", "httpport", Original;
    /// TTL of every record of the domain. A negative one is served as 0.
    ttl: i32 = 5, "TTL", "ttl", Original, "s";
    /// Weight of all SRV records; their priority is 0.
    srv_record_default_weight: u16 = 1, "SRVRecordDefaultWeight", "srvRecordDefaultWeight", Original;
    /// Has no effect in a file: the serial is made from the time of the last change.
    soa_serial: u32 = 0, "SOASerial", "SOASerial", Original;
    /// SOA refresh.
    soa_refresh: u32 = 60, "SOARefresh", "SOARefresh", Original, "s";
    /// SOA retry.
    soa_retry: u32 = 600, "SOARetry", "SOARetry", Original, "s";
    /// SOA expire.
    soa_expire: u32 = 86400, "SOAExpire", "SOAExpire", Original, "s";
    /// How long a client may remember that a name does not exist. Used only if the file sets it; else it is
    /// the TTL.
    soa_minttl: u32 = 60, "SOAMinttl", "SOAMinttl", Original, "s";
    /// Name of this server: in SOA and NS, and owner of its own address records.
    soa_mname: String = "ns1.mesos".to_owned(), "SOAMname", "SOAMname", Original;
    /// Mail address of who is responsible, for the SOA; an @ is fine.
    soa_rname: String = "root.ns1.mesos".to_owned(), "SOARname", "SOARname", Original;
    /// The masters as host:port. Needed unless `zk` is set.
    masters: List = List(None), "Masters", "masters", Original;
    /// Servers for the names below a zone, written like those of `resolvers`; the longest matching zone counts.
    zone_resolvers: Zones = Zones::default(), "ZoneResolvers", "zoneResolvers", Original;
    /// Servers for all other names, each as IP or IP:port, or tls://IP#name or tls://IP:port#name for one that is asked
    /// over TLS and whose certificate must be for that name. An empty list means those of /etc/resolv.conf that can
    /// be used, without this machine itself; it is followed when it changes.
    resolvers: List = List::of(["8.8.8.8"]), "Resolvers", "resolvers", Original;
    /// Where addresses of tasks are taken from, best first: netinfo, mesos, docker, host. Used only if the file sets it;
    /// else `addresses` decides.
    ip_sources: List = List::of(["netinfo", "mesos", "host"]), "IPSources", "IPSources", Original;
    /// Where ZooKeeper knows the leading master: zk://user:password@host1:port,host2:port/path. User and
    /// password are optional, the port is 2181 by default.
    zk: ZkUrl = ZkUrl::default(), "Zk", "zk", Original;
    /// The domain that is served.
    domain: String = "mesos".to_owned(), "Domain", "domain", Original;
    /// Changes only what `/v1/config` shows as path of the file.
    file: String = String::new(), "File", "file", Original;
    /// IP address the DNS server listens on; also decides the address records of the server itself.
    listener: String = "0.0.0.0".to_owned(), "Listener", "listener", Original;
    /// Address the HTTP API listens on.
    http_listener: String = "0.0.0.0".to_owned(), "HTTPListener", "httplistener", Original;
    /// Whether answers for the domain say that recursion is available. Does not control forwarding.
    recurse_on: bool = true, "RecurseOn", "recurseon", Original;
    /// Whether to serve DNS.
    dns_on: bool = true, "DnsOn", "dnson", Original;
    /// Whether to serve HTTP.
    http_on: bool = true, "HttpOn", "httpon", Original;
    /// Whether to forward queries for other names; if not, they are refused.
    external_on: bool = true, "ExternalOn", "externalon", Original;
    /// Whether labels follow RFC 952: 24 characters, no digit in front.
    enforce_rfc952: bool = false, "EnforceRFC952", "enforceRFC952", Original;
    /// Whether a cut answer says that it was cut.
    set_truncate_bit: bool = true, "SetTruncateBit", "setTruncateBit", Original;
    /// Whether the HTTP API lists what is in the cluster: `/v1/enumerate`, `/v1/axfr`, and all of `/v2/` but `status`,
    /// `config` and `openapi.json`.
    enumeration_on: bool = true, "EnumerationOn", "enumerationOn", Original;
    /// Whether to speak HTTPS with the masters.
    mesos_https_on: bool = false, "MesosHTTPSOn", "mesosHTTPSOn", Original;
    /// PEM file with the authorities that may vouch for masters; empty means those of the system.
    ca_cert_file: String = String::new(), "CACertFile", "caCertFile", Original;
    /// PEM file with our certificate for the masters, and its chain.
    cert_file: String = String::new(), "CertFile", "certFile", Original;
    /// PEM file with the private key of `certFile`.
    key_file: String = String::new(), "KeyFile", "keyFile", Original;
    /// Who we are to the masters, for `mesosAuthentication` "basic". The secret can be in a file of its own:
    /// `secretFile`.
    mesos_credentials: Credentials = Credentials::default(), "MesosCredentials", "mesosCredentials", Original;
    /// JSON file with uid, private_key and login_endpoint, for `mesosAuthentication` "iam".
    iam_config_file: String = String::new(), "IAMConfigFile", "IAMConfigFile", Original;
    /// How to authenticate with the masters: empty, "basic" or "iam".
    mesos_authentication: String = String::new(), "MesosAuthentication", "mesosAuthentication", Original;

    /// Whether certificates of masters are verified. Turning it off is logged at each start.
    mesos_tls_verify: bool = true, "mesosTLSVerify", "mesosTLSVerify", Ours;
    /// Name that certificates of masters are verified against; empty means the one ZooKeeper gives, else the
    /// host that is asked.
    mesos_server_name: String = String::new(), "mesosServerName", "mesosServerName", Ours;
    /// Clients for whom other names are forwarded.
    recursion_allow: Prefixes = private(), "recursionAllow", "recursionAllow", Ours;
    /// Memory for answers of other servers, from 1 MiB; each is given again until its TTL ends. 0: nothing is
    /// remembered, failures included: each question for a name whose servers are dead waits for them anew.
    cache_size: Bytes = Bytes(64 << 20), "cacheSize", "cacheSize", Ours, "bytes";
    /// How long such an answer may be given after its end, with a TTL of 30, while no server answers. 0: never.
    serve_stale_seconds: Seconds = Seconds::new(86400), "serveStaleSeconds", "serveStaleSeconds", Ours, "s";
    /// Clients that may ask at all.
    query_allow: Prefixes = everybody(), "queryAllow", "queryAllow", Ours;
    /// Answers over UDP that one client network (/24, /56) is sent in a second; of those beyond it every second one
    /// (every sixteenth in a flood) is replaced by a small one that leads to TCP or to a cookie, the others are
    /// dropped. 0 means no limit.
    rate_limit: Whole<0, 1_000_000> = Whole(200), "rateLimit", "rateLimit", Ours, "answers/s";
    /// Clients without that limit.
    rate_limit_exempt: Prefixes = private(), "rateLimitExempt", "rateLimitExempt", Ours;
    /// File with the secret of DNS cookies, shared by replicas: 32 hexadecimal digits; in a second line the secret
    /// from before, whose cookies are still good. Read again at a reload. Empty: a secret made up at the start.
    cookie_secret_file: String = String::new(), "cookieSecretFile", "cookieSecretFile", Ours;
    /// What this server is called when a client asks for it (NSID), at most 64 bytes. Empty: it does not say.
    nsid: String = String::new(), "nsid", "nsid", Ours;
    /// Where DNS is served, in place of `listener` and `port`: address, port, protocol. The protocol is "dns" (UDP and
    /// TCP, port 53), "tls" (port 853) or "https" (port 443, path /dns-query); these two need a certificate with its
    /// chain and its key, as PEM files, which are read again when they change.
    listeners: Listeners = Listeners(None), "listeners", "listeners", Ours;
    /// Most connections of DNS clients at once, over TCP, TLS and HTTPS together. Beyond it the one that has been idle
    /// longest is closed for each new one. 0 means as many as file descriptors allow, at most 10,000.
    tcp_connections: Whole<0, 1_000_000> = Whole(0), "tcpConnections", "tcpConnections", Ours;
    /// Most of them of one client: an IPv4 address, or an IPv6 network of 64 bits.
    tcp_per_client: Whole<1, 1_000_000> = Whole(64), "tcpPerClient", "tcpPerClient", Ours;
    /// Time after which an idle one is closed, from 0.1 to 40.
    tcp_idle_seconds: Seconds = Seconds::new(10), "tcpIdleSeconds", "tcpIdleSeconds", Ours, "s";
    /// Threads that answer UDP on each listener; 0 means one per core.
    workers: Whole<0, 1024> = Whole(0), "workers", "workers", Ours;
    /// Whether each of these threads stays on one processor of those that the process may use. Of use where the
    /// processors have nothing else to do.
    pin_workers: bool = false, "pinWorkers", "pinWorkers", Ours;
    /// How the addresses of a task are chosen: "auto" by the network it asked for, docs/addresses.md. Where the file sets
    /// `IPSources`, these decide alone, as in the original.
    addresses: AddressRule = AddressRule::Auto, "addresses", "addresses", Ours;
    /// From where containers can be reached, for "auto": for a network by its name or for addresses by their prefix, the
    /// longest counts. "routable": from everywhere, so that their own addresses are answered. "local": only from their
    /// hosts, so that these are. Without a word, Docker's bridge and networks with port mappings are local.
    networks: Networks = Networks::default(), "networks", "networks", Ours;
    /// What becomes of tasks that fail their health check, and of tasks that are being killed. "prefer": unhealthy ones
    /// are left out of the names they share while at least `healthyMinimumPercent` of those are healthy; if not, all are
    /// answered. "require": they are left out always, and so are tasks whose check has not passed yet. With both, a
    /// task that is being killed leaves those names at once, and its own stays until it ends. "ignore": health does not
    /// matter, and only running tasks have names, as in the original.
    health: Health = Health::Prefer, "health", "health", Ours;
    /// With "prefer", the share of healthy tasks below which the unhealthy ones of a name are answered too. One healthy
    /// task always has to be there; 0 and 1 ask for no more, 100 for all of them.
    healthy_minimum_percent: Whole<0, 100> = Whole(1), "healthyMinimumPercent", "healthyMinimumPercent", Ours, "%";
    /// How changes are learnt: "events" from the master's stream of events, "poll" by asking for the state every
    /// `refreshSeconds`, "auto" by events where the master is Mesos 1.5 or newer and lets us, else by asking.
    updates: Updates = Updates::Auto, "updates", "updates", Ours;
    /// Time between two comparisons with the whole state while events are followed, less up to a tenth by chance.
    reconcile_seconds: Seconds = Seconds::new(300), "reconcileSeconds", "reconcileSeconds", Ours, "s";
    /// Without contact to a master for so long, the data counts as stale.
    stale_after_seconds: Seconds = Seconds::new(30), "staleAfterSeconds", "staleAfterSeconds", Ours, "s";
    /// Longest time the records of a lost agent or of a vanished cluster are held.
    hold_seconds: Seconds = Seconds::new(600), "holdSeconds", "holdSeconds", Ours, "s";
    /// A state that lacks more than this share of the tasks before it is held until a second one agrees.
    mass_loss_percent: Whole<0, 100> = Whole(30), "massLossPercent", "massLossPercent", Ours, "%";
    /// A loss of fewer tasks than this is never held.
    mass_loss_minimum: Whole<0, 1_000_000_000> = Whole(20), "massLossMinimum", "massLossMinimum", Ours, "tasks";
    /// Further names under which the HTTP API may be called, each whole or as *.suffix; others are refused,
    /// against DNS rebinding.
    http_allow_hosts: List = List::of::<String>([]), "httpAllowHosts", "httpAllowHosts", Ours;
    /// File with the tokens that open the HTTP API: one in a line, of at least 16 characters; empty lines and such that
    /// begin with # do not count. Clients send one as `Authorization: Bearer`. `/health`, `/ready` and
    /// `/v2/openapi.json` need none. Read again at a reload. Empty: everybody may read.
    http_tokens_file: String = String::new(), "httpTokensFile", "httpTokensFile", Ours;
    /// PEM file with the certificate of the HTTP API, and its chain: with it, the API is served over HTTPS alone. Read
    /// again when it changes.
    http_cert_file: String = String::new(), "httpCertFile", "httpCertFile", Ours;
    /// PEM file with the private key of `httpCertFile`.
    http_key_file: String = String::new(), "httpKeyFile", "httpKeyFile", Ours;
    /// Form of the log: "auto" is text on a terminal and JSON elsewhere.
    log_format: LogFormat = LogFormat::Auto, "logFormat", "logFormat", Ours;
    /// File that keeps the last good cluster over a restart: names are answered from it, marked as stale, until a
    /// master has spoken. It is replaced as a whole, so its directory must be writable. Empty: none.
    snapshot_file: String = String::new(), "snapshotFile", "snapshotFile", Ours;
    /// Path of a Unix socket for `mesos-dns status`, `release` and `flush`, which only this user and root can
    /// open. Empty: none.
    admin_socket: String = String::new(), "adminSocket", "adminSocket", Ours;
    /// User to run as once the ports are open, by name or number, where the program is started as root. It is never root.
    /// Without this key: `mesos-dns` where there is such a user, else a number that nobody has.
    user: String = "mesos-dns".to_owned(), "user", "user", Ours;
    /// Group to run as, likewise. Without this key: the user's own.
    group: String = "mesos-dns".to_owned(), "group", "group", Ours;

    /// Networks whose addresses are turned into names by this server alone. An empty list: none. Without it: the private
    /// addresses of agents, masters and containers that have a name; all other names of addresses are forwarded.
    reverse_prefixes: Given<Prefixes> = Given(None), "reversePrefixes", "reversePrefixes", Ours;
    /// Which records of an answer come first: "shuffle": each equally often; "nearest": those on the client's agent, then
    /// those in its zone, then in its region, as far as they can bear it.
    answers: Ranking = Ranking::Shuffle, "answers", "answers", Ours;
    /// Most records in one answer: the first ones; 0 means no limit.
    max_answers: Whole<0, 65535> = Whole(0), "maxAnswers", "maxAnswers", Ours, "records";
    /// Where clients, and agents that do not say it (`domain.fault_domain`), are: prefixes and "region/zone".
    places: Places = Places(Vec::new()), "places", "places", Ours;
    /// Key of a newer Mesos-DNS: false is `reversePrefixes` [].
    reverse_dns_on: bool = true, "ReverseDNSOn", "reversednson", Ours;
    /// Key of a newer Mesos-DNS: true is `answers` "nearest".
    resolv_subnet_first: bool = false, "ResolvSubnetFirst", "ResolvSubnetFirst", Ours;
    /// Further names: "agents" by host name and id, "places" (the instances in a zone or region), "ports" in the
    /// shape of RFC 2782, "text" with what there is to know of an instance, "browse" for DNS-SD (docs/names.md).
    extra_names: Words<ExtraName> = Words(Vec::new()), "extraNames", "extraNames", Ours;
    /// Who has to be meant to see a service (DiscoveryInfo), or one of its ports, for it to be published. Tasks without
    /// discovery information are not concerned.
    visibility: Visibility = Visibility::Framework, "visibility", "visibility", Ours;
    /// Static records. Names are relative to the domain unless they end with a dot. Rule "fill": while the cluster has
    /// nothing at the name; "override": in place of what it has.
    records: Records = Records(Vec::new()), "records", "records", Ours;
    /// Zone files with static records of any type, read again at a reload. Names are relative to the domain unless the
    /// file says otherwise; SOA and NS of the domain itself are left out.
    zone_files: ZoneFiles = ZoneFiles(Vec::new()), "zoneFiles", "zoneFiles", Ours;

    /// Directory with secrets, one per file.
    secrets_dir: String = String::new(), "secretsDir", "secretsDir", Later;

    /// Name server of the domain, before `SOAMname`.
    ns: Anything = Anything(false), "ns", "ns", Ignored;
    /// Mail address, before `SOARname`.
    email: Anything = Anything(false), "email", "email", Ignored;
    /// Name of the server, before `SOAMname`.
    mname: Anything = Anything(false), "mname", "mname", Ignored;
}

/// The ranges whose clients are ours.
fn private() -> Prefixes {
    Prefixes(private_networks().to_vec())
}

/// Everybody.
fn everybody() -> Prefixes {
    Prefixes(vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::json::Source;

    #[test]
    fn the_table_is_sound() {
        let keys = keys();
        for key in &keys {
            assert!(key.canonical.eq_ignore_ascii_case(key.spelling), "{}", key.canonical);
            assert!(key.meaning.ends_with('.'), "{}", key.canonical);
            let twins = keys.iter().filter(|other| other.canonical.eq_ignore_ascii_case(key.canonical));
            assert_eq!(twins.count(), 1, "{}", key.canonical);
        }
        assert_eq!(keys.iter().filter(|key| key.standing == Standing::Original).count(), 38);
        assert_eq!(everybody().shown().to_string(), r#"["0.0.0.0/0","::/0"]"#);
    }

    #[test]
    fn every_default_can_be_read_back() {
        let defaults = Settings::default();
        for (key, row) in keys().iter().zip(defaults.rows()) {
            if row.value.is_null() || key.canonical == "MesosCredentials" {
                continue;
            }
            let text = row.value.to_string();
            let mut settings = Settings::default();
            let outcome = settings.read(key.canonical, Source::new(&text).json());
            assert_eq!(outcome, Some(Ok(())), "{}", key.canonical);
            let read = settings.rows().into_iter().find(|other| other.canonical == key.canonical);
            assert_eq!(read.map(|row| row.value), Some(row.value), "{}", key.canonical);
        }
    }
}
