//! The rules between the values: what the original checks, in its order, with its texts where it has one.
//!
//! Each rule reads settings and gives the typed value that it vouches for. [`Config::build`](super::Config::build)
//! calls them in order and reports all that fail; what a rule learns from another it asks again instead of
//! relying on that one having passed.

use std::net::{IpAddr, SocketAddr};

use super::{
    Authentication, Surroundings,
    address::masters as read_masters,
    json::Source,
    keys::Settings,
    object::Zone,
    remark::{Place, Remark, quote},
    secret::Secret,
    servers::{resolvers as read_resolvers, system_resolvers},
    value::List,
};
use crate::{cluster::AddressSource, forward::server::Server, mesos::zk_url::ZkUrl, wire::Name};

/// Values of `IPSources`.
const SOURCES: [(&str, AddressSource); 4] = [
    ("host", AddressSource::Host),
    ("docker", AddressSource::Docker),
    ("mesos", AddressSource::Mesos),
    ("netinfo", AddressSource::NetInfo),
];

/// Where the servers come from if the file names none.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Something must be served.
pub(super) fn service(settings: &Settings) -> Result<(), Remark> {
    if settings.dns_on.value || settings.http_on.value {
        return Ok(());
    }
    let what = "service validation failed: either DNS or HTTP server should be on";
    Err(Remark::new(what, "set dnson or httpon to true").about("dnson").at(settings.dns_on.place()))
}

/// The cluster must be known: the only thing without a default.
pub(super) fn cluster(settings: &Settings) -> Result<(), Remark> {
    if !settings.masters.value.items().is_empty() || !settings.zk.value.0.is_empty() {
        return Ok(());
    }
    let what = "service validation failed: specify Mesos masters or Zookeeper in config.json";
    Err(Remark::new(what, r#"add "masters": ["10.0.0.1:5050"] or "zk": "zk://10.0.0.1:2181/mesos""#))
}

/// The list of masters, as written.
pub(super) fn masters(settings: &Settings) -> Result<Vec<String>, Remark> {
    read_masters(settings.masters.value.items()).map_err(|remark| remark.about("masters"))
}

//------------ Forwarding ------------------------------------------------------

/// Where queries for other names go.
#[derive(Default)]
pub(super) struct Forwarding {
    /// For names in no zone.
    pub(super) resolvers: Vec<Server>,
    /// For names in a zone.
    pub(super) zones: Vec<(Name, Vec<Server>)>,
}

/// The servers for other names. With forwarding off neither key is looked at. An empty list of resolvers becomes
/// the system's, in the settings too.
pub(super) fn forwarding(settings: &mut Settings, around: &Surroundings) -> Result<Forwarding, Remark> {
    if !settings.external_on.value {
        return Ok(Forwarding::default());
    }
    if settings.resolvers.value.items().is_empty() {
        let text = around.resolv_conf.as_ref().map_err(|reason| {
            let what = format!("cannot read {RESOLV_CONF}: {reason}");
            Remark::new(what, "list servers in resolvers, or set externalon to false").about("resolvers")
        })?;
        let system = system_resolvers(text, &around.interfaces);
        settings.resolvers.derive(List(Some(system)), RESOLV_CONF);
    }
    let resolvers = read_resolvers(settings.resolvers.value.items())
        .map_err(|remark| remark.about("resolvers").or_at(settings.resolvers.place()))?;
    Ok(Forwarding { resolvers, zones: zones(settings)? })
}

/// The system's servers as another text of its file has them, in the settings too.
pub(super) fn system(
    settings: &mut Settings,
    resolv_conf: &str,
    interfaces: &[IpAddr],
) -> Result<Vec<Server>, Remark> {
    let items = system_resolvers(resolv_conf, interfaces);
    let servers = read_resolvers(&items)?;
    settings.resolvers.derive(List(Some(items)), RESOLV_CONF);
    Ok(servers)
}

/// The zones, folded to lower case in the settings too: names are compared without regard to case.
fn zones(settings: &mut Settings) -> Result<Vec<(Name, Vec<Server>)>, Remark> {
    let domain = settings.domain.value.to_ascii_lowercase();
    let Some(written) = settings.zone_resolvers.value.0.take() else {
        return Ok(Vec::new());
    };
    let mut folded = std::collections::BTreeMap::new();
    let mut servers = Vec::new();
    for (name, zone) in written {
        let about = |remark: Remark| remark.or_at(zone.place).about("zoneResolvers");
        let name = name.to_ascii_lowercase();
        servers.push(zone_servers(&name, &zone, &domain).map_err(about)?);
        if folded.contains_key(&name) {
            let what = format!("zone {} is given twice, in different case", quote(&name));
            return Err(about(Remark::new(what, "join the two lists")));
        }
        folded.insert(name, zone);
    }
    settings.zone_resolvers.value.0 = Some(folded);
    Ok(servers)
}

/// Checks one zone. Zones within zones are fine, the longest match counts; only the domain is ours alone.
fn zone_servers(name: &str, zone: &Zone, domain: &str) -> Result<(Name, Vec<Server>), Remark> {
    let items = zone.servers.items();
    if items.is_empty() {
        let what = format!("field ZoneResolver {} is empty", quote(name));
        return Err(Remark::new(what, "list at least one server, or remove the zone"));
    }
    let apex = domain_name(name)?;
    let servers = read_resolvers(items)?;
    if name == domain {
        let what = format!("can't specify ZoneResolver for Mesos domain ({domain})");
        return Err(Remark::new(what, "remove the zone, or serve another domain"));
    }
    if name.strip_suffix(domain).is_some_and(|front| front.ends_with('.')) {
        let what = format!("ambiguous zone resolvers: .{name} is masked by .{domain}");
        return Err(Remark::new(what, "names below the domain are answered here: remove the zone"));
    }
    Ok((apex, servers))
}

/// Smallest cache, in bytes: less would hold some hundred answers, and not even one of the largest.
const CACHE_BYTES_MIN: u64 = 1 << 20;

/// Memory for remembered answers: none, or enough to be of use.
pub(super) fn cache_size(settings: &Settings) -> Result<u64, Remark> {
    match settings.cache_size.value.0 {
        bytes @ (0 | CACHE_BYTES_MIN..) => Ok(bytes),
        bytes => Err(Remark::new(
            format!("{bytes} bytes are too few"),
            "write at least \"1MiB\", or 0 for no cache",
        )
        .about("cacheSize")
        .at(settings.cache_size.place())),
    }
}

//------------ Names -----------------------------------------------------------

/// The domain, folded to lower case in the settings too.
pub(super) fn domain(settings: &mut Settings) -> Result<Name, Remark> {
    let place = settings.domain.place();
    settings.domain.value.make_ascii_lowercase();
    domain_name(&settings.domain.value).map_err(|remark| remark.about("domain").at(place))
}

/// Reads a domain name of letters, digits and hyphens, without a dot at either end.
fn domain_name(text: &str) -> Result<Name, Remark> {
    let plain = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let what = format!("{} is not a valid domain name", quote(text));
    if !text.split('.').all(plain) {
        let mend = "write labels of letters, digits and hyphens with dots between them, none at the ends";
        return Err(Remark::new(what, mend));
    }
    Name::parse(text).map_err(|error| Remark::new(format!("{what}: {error}"), "shorten it"))
}

/// Names of the SOA, mended in the settings too: `@` is a dot in the second, one dot at the end.
pub(super) fn soa_names(settings: &mut Settings) -> Result<(Name, Name), Remark> {
    settings.soa_mname.value = absolute(&settings.soa_mname.value);
    settings.soa_rname.value = absolute(&settings.soa_rname.value.replace('@', "."));
    let read = |text: &str, key: &str, place: Option<Place>| {
        Name::parse(text).map_err(|error| {
            let what = format!("{} is no name that DNS can carry: {error}", quote(text));
            Remark::new(what, "write a name such as ns1.mesos").about(key).at(place)
        })
    };
    Ok((
        read(&settings.soa_mname.value, "SOAMname", settings.soa_mname.place())?,
        read(&settings.soa_rname.value, "SOARname", settings.soa_rname.place())?,
    ))
}

/// A name with exactly one dot at its end.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// Address sources of tasks, in order.
pub(super) fn ip_sources(settings: &Settings) -> Result<Vec<AddressSource>, Remark> {
    let wrong = |what: String, mend: &str, place| {
        Remark::new(format!("IPSources validation failed: {what}"), mend).about("IPSources").at(place)
    };
    let items = settings.ip_sources.value.items();
    if items.is_empty() {
        let mend = "list at least one of netinfo, mesos, docker, host, or remove the key";
        return Err(wrong("empty ip sources".to_owned(), mend, settings.ip_sources.place()));
    }
    let mut sources = Vec::new();
    for item in items {
        let known = SOURCES.iter().find(|(word, _)| *word == item.text).map(|(_, source)| *source);
        let source = known.ok_or_else(|| {
            let what = format!("invalid ip source {}", quote(&item.text));
            wrong(what, "write netinfo, mesos, docker or host, in lower case", item.place)
        })?;
        if sources.contains(&source) {
            let what = format!("duplicate ip source specified: {}", quote(&item.text));
            return Err(wrong(what, "remove one of them", item.place));
        }
        sources.push(source);
    }
    Ok(sources)
}

/// The address of the DNS server. A host name would leave the server without address records.
pub(super) fn listener(settings: &Settings) -> Result<SocketAddr, Remark> {
    let text = &settings.listener.value;
    let port = u16::try_from(settings.port.value.0).unwrap_or_default();
    text.parse().map(|address: IpAddr| SocketAddr::new(address, port)).map_err(|_| {
        let mend = "write 0.0.0.0 for all IPv4 addresses, :: for all, or one address of this machine";
        Remark::new(format!("{} is no IP address", quote(text)), mend)
            .about("listener")
            .at(settings.listener.place())
    })
}

/// Longest path of a Unix socket, in bytes (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The path of the admin socket must be one that a socket can have.
pub(super) fn admin_socket(settings: &Settings) -> Result<(), Remark> {
    let (path, place) = (settings.admin_socket.value.as_str(), settings.admin_socket.place());
    let wrong = |what: &str, mend: &str| Err(Remark::new(what, mend).about("adminSocket").at(place));
    if path.len() > SOCKET_PATH_BYTES_MAX {
        return wrong("is too long for a socket", "write a path of at most 107 bytes");
    }
    if path.contains('\0') {
        return wrong("holds a NUL character", "write a path");
    }
    if !path.is_empty() && path == settings.snapshot_file.value {
        return wrong("is the snapshotFile too", "write two different paths");
    }
    Ok(())
}

/// Nobody may ask us to stay root.
pub(super) fn accounts(settings: &Settings) -> Result<(), Remark> {
    for (key, setting) in [("user", &settings.user), ("group", &settings.group)] {
        if setting.value == "root" || setting.value.parse() == Ok(0_u32) {
            let mend = "name another, or leave it out; ports are opened before root is given up";
            return Err(Remark::new("cannot be root", mend).about(key).at(setting.place()));
        }
    }
    Ok(())
}

//------------ The way to the masters ------------------------------------------

/// The limit of one fetch must be positive.
pub(super) fn state_timeout(settings: &Settings) -> Result<(), Remark> {
    match settings.state_timeout_seconds.value {
        1.. => Ok(()),
        wrong => Err(Remark::new(format!("Invalid HTTP Timeout: {wrong}"), "write at least 1")
            .about("stateTimeoutSeconds")
            .at(settings.state_timeout_seconds.place())),
    }
}

/// The ZooKeeper URL, if there is one.
pub(super) fn zk(settings: &Settings) -> Result<Option<ZkUrl>, Remark> {
    let url = settings.zk.value.0.as_str();
    if url.is_empty() {
        return Ok(None);
    }
    let wrong = |what: &str| {
        let mend = "write \"zk://10.0.0.1:2181,10.0.0.2:2181/mesos\"";
        let what = format!("failed to create master detector: {what}");
        Remark::new(what, mend).about("zk").at(settings.zk.place())
    };
    let zk = ZkUrl::parse(url).map_err(|error| wrong(&error.to_string()))?;
    if zk.credentials.is_none() && zk.path.contains('@') {
        // What looks like a path may be the rest of a password, and paths are shown.
        return Err(wrong("zk has a slash before its @ (a password cannot hold a slash)"));
    }
    Ok(Some(zk))
}

/// Certificates: both halves of ours or none, and each file must have loaded.
pub(super) fn certificates(settings: &Settings, around: &Surroundings) -> Result<(), Remark> {
    let (certificate, key) = (&settings.cert_file, &settings.key_file);
    let wrong = |what: &str, mend: &str, about: &str, place| {
        Err(Remark::new(what, mend).about(about.to_owned()).at(place))
    };
    match (certificate.value.is_empty(), key.value.is_empty()) {
        (false, true) => {
            return wrong("Missing private key", "set keyFile too", "certFile", certificate.place());
        }
        (true, false) => return wrong("Missing certificate", "set certFile too", "keyFile", key.place()),
        _ => {}
    }
    if let Err(reason) = &around.identity {
        return wrong(reason, "give a PEM certificate and its PEM key", "certFile", certificate.place());
    }
    if let Err(reason) = &around.authorities {
        let mend = "give a PEM file with at least one certificate";
        return wrong(reason, mend, "caCertFile", settings.ca_cert_file.place());
    }
    Ok(())
}

/// Who we are to the masters.
pub(super) fn authentication(settings: &Settings, around: &Surroundings) -> Result<Authentication, Remark> {
    let mode = &settings.mesos_authentication;
    let wrong =
        |what: &str, mend: &str| Err(Remark::new(what, mend).about("mesosAuthentication").at(mode.place()));
    let iam = iam(settings, around)?;
    match (mode.value.as_str(), iam) {
        ("", _) => Ok(Authentication::None),
        ("basic", _) => basic(settings, around),
        ("iam", Some(Authentication::Iam { uid, private_key, login_endpoint })) => {
            if uid.is_empty() || private_key.is_empty() || login_endpoint.is_empty() {
                let mend = "the file of IAMConfigFile needs uid, private_key and login_endpoint";
                return wrong("invalid HTTP IAM configuration", mend);
            }
            Ok(Authentication::Iam { uid, private_key, login_endpoint })
        }
        ("iam", _) => {
            wrong("missing configuration for specified authentication mechanism", "set IAMConfigFile")
        }
        (other, _) => wrong(
            &format!("unregistered factory requested: {}", quote(other)),
            "write \"basic\" or \"iam\", in lower case, or remove the key",
        ),
    }
}

/// Basic credentials; the secret may come from a file.
fn basic(settings: &Settings, around: &Surroundings) -> Result<Authentication, Remark> {
    let credentials = &settings.mesos_credentials.value;
    let wrong = |what: &str, mend: &str| {
        Err(Remark::new(what, mend).about("mesosCredentials").at(settings.mesos_credentials.place()))
    };
    let secret = match (&around.secret, credentials.secret_file.is_empty()) {
        (_, true) => credentials.secret.clone(),
        _ if !credentials.secret.is_empty() => {
            return wrong("both secret and secretFile are given", "remove one of them");
        }
        (Ok(text), _) => Secret::new(text.trim_end_matches(['\r', '\n'])),
        (Err(reason), _) => {
            let what = format!("cannot read secretFile {}: {reason}", quote(&credentials.secret_file));
            return wrong(&what, "give a file that this user may read");
        }
    };
    if credentials.principal.is_empty() && secret.is_empty() {
        let mend = r#"set "mesosCredentials": {"principal": "…", "secretFile": "…"}"#;
        return wrong("invalid HTTP Basic configuration: neither principal nor secret is set", mend);
    }
    Ok(Authentication::Basic { principal: credentials.principal.clone(), secret })
}

/// The IAM file, which must load and parse whenever it is named.
fn iam(settings: &Settings, around: &Surroundings) -> Result<Option<Authentication>, Remark> {
    let path = &settings.iam_config_file;
    if path.value.is_empty() {
        return Ok(None);
    }
    let wrong = |reason: &str, mend: &str| {
        let what = format!("cannot use {}: {reason}", quote(&path.value));
        Remark::new(what, mend).about("IAMConfigFile").at(path.place())
    };
    let text = around.iam.as_ref().map_err(|reason| wrong(reason, "give a file that this user may read"))?;
    let shape = "it must be one JSON object with the texts uid, private_key and login_endpoint";
    let source = Source::new(text);
    let members = source.json().members().map_err(|_| wrong("it is no JSON object", shape))?;
    let member = |name: &str| {
        let last = members.iter().rev().find(|member| member.key.eq_ignore_ascii_case(name));
        match last.map(|member| (member.value.is_null(), member.value.text())) {
            None | Some((true, _)) => Ok(String::new()),
            Some((_, Some(text))) => Ok(text),
            Some((_, None)) => Err(wrong(&format!("{name} is no text"), shape)),
        }
    };
    let login_endpoint = member("login_endpoint")?;
    if !login_endpoint.is_empty() && !is_url(&login_endpoint) {
        return Err(wrong("login_endpoint is no URL", "write https://host/path"));
    }
    let private_key = Secret::new(member("private_key")?);
    Ok(Some(Authentication::Iam { uid: member("uid")?, private_key, login_endpoint }))
}

/// Whether a text is an http or https URL with a host.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
        && !text.contains(char::is_whitespace)
}

/// What is allowed, yet probably not meant.
pub(super) fn oddities(settings: &Settings) -> Vec<Remark> {
    let mut warnings = Vec::new();
    let mut warn = |odd: bool, key: &str, place: Option<Place>, what: &str, mend: &str| {
        if odd {
            warnings.push(Remark::new(what, mend).about(key.to_owned()).at(place));
        }
    };
    let unused = settings.mesos_authentication.value.is_empty();
    let credentials = &settings.mesos_credentials;
    warn(
        unused && !credentials.value.principal.is_empty(),
        "mesosCredentials",
        credentials.place(),
        "credentials are given, but mesosAuthentication is not",
        "set mesosAuthentication to \"basic\" to use them",
    );
    warn(
        unused && !settings.iam_config_file.value.is_empty(),
        "IAMConfigFile",
        settings.iam_config_file.place(),
        "an IAM file is given, but mesosAuthentication is not",
        "set mesosAuthentication to \"iam\" to use it",
    );
    warn(
        settings.mesos_https_on.value && !settings.mesos_tls_verify.value,
        "mesosTLSVerify",
        settings.mesos_tls_verify.place(),
        "certificates of masters are not verified",
        "anybody between us and a master can change what it says: set caCertFile and remove this key",
    );
    warn(
        settings.health.value != super::Health::Prefer && settings.healthy_minimum_percent.is_set(),
        "healthyMinimumPercent",
        settings.healthy_minimum_percent.place(),
        "has no effect unless health is \"prefer\"",
        "remove it",
    );
    for (is_set, key, place) in [
        (settings.addresses.is_set(), "addresses", settings.addresses.place()),
        (settings.networks.is_set(), "networks", settings.networks.place()),
    ] {
        warn(
            is_set && settings.ip_sources.is_set(),
            key,
            place,
            "has no effect beside IPSources",
            "remove one of them; without IPSources each task is answered with the address that works for its network",
        );
    }
    for (key, place) in [("listener", settings.listener.place()), ("port", settings.port.place())] {
        warn(
            settings.listeners.value.0.is_some() && place.is_some(),
            key,
            place,
            "has no effect beside listeners",
            "remove it",
        );
    }
    warn(settings.ttl.value < 0, "ttl", settings.ttl.place(), "is negative", "clients read such a TTL as 0");
    warn(
        settings.timeout.value < 0,
        "timeout",
        settings.timeout.place(),
        "is negative",
        "5 seconds are used",
    );
    warn(
        settings.zk_detection_timeout.is_set() && settings.zk.value.0.is_empty(),
        "zkDetectionTimeout",
        settings.zk_detection_timeout.place(),
        "has no effect without zk",
        "remove it",
    );
    warnings
}
