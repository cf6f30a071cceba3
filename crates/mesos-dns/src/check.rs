//! `mesos-dns check`: is this file good, and what does it mean?
//!
//! Works offline: it reads the file and the files it names, opens no port and asks nobody. A good file is shown
//! with every value in force and where it comes from, then in a few sentences what the server would do; of a bad
//! one every problem is told. Secrets are masked.

use std::{fmt::Write, io, process::ExitCode};

use mesos_dns_core::{
    config::{Authentication, Config, Listener, Protocol, line},
    forward::server::Server,
    records::{Addresses, Reach},
};
use serde_json::{Value, json};

use crate::{
    args::{Check, Common, EXIT_BAD_CONFIGURATION, Output, print},
    commands::print_json,
    configuration::{self, LoadError},
};

/// Checks a file. Status 0 if a server could start with it, 3 if not.
///
/// # Errors
///
/// The result cannot be written.
pub fn run(options: &Check, common: &Common) -> anyhow::Result<ExitCode> {
    let loaded = configuration::load(options.file.as_deref().unwrap_or(common.config_path()));
    match options.output {
        Output::Json => print_json(&object(&loaded))?,
        Output::Table => match &loaded {
            Ok(config) => print(io::stdout(), &report(config)),
            Err(error) => {
                let lines: String = error.lines().iter().map(|line| format!("error: {line}\n")).collect();
                print(io::stderr(), &lines);
            }
        },
    }
    Ok(match loaded {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(EXIT_BAD_CONFIGURATION),
    })
}

/// The same for programs.
fn object(loaded: &Result<Config, LoadError>) -> Value {
    let config = match loaded {
        Ok(config) => config,
        Err(error) => return json!({"good": false, "errors": error.lines()}),
    };
    let warnings: Vec<String> =
        config.warnings.iter().map(|warning| line(config.path(), warning).to_string()).collect();
    let rows = config.rows();
    let settings: Vec<Value> = rows
        .iter()
        .filter(|row| row.is_in_force())
        .map(|row| {
            json!({
                "key": row.spelling, "value": row.value, "unit": row.unit, "origin": row.origin.to_string(),
            })
        })
        .collect();
    json!({"good": true, "file": config.path(), "warnings": warnings, "settings": settings})
}

/// All about a good configuration.
fn report(config: &Config) -> String {
    let mut text = format!("{} is good.\n", config.path());
    for warning in &config.warnings {
        let _ = writeln!(text, "warning: {}", line(config.path(), warning));
    }
    text.push_str("\nIn force:\n\n");
    for row in config.rows().iter().filter(|row| row.is_in_force()) {
        let (origin, unit) = (row.origin.to_string(), row.unit);
        let _ = writeln!(text, "  {:<24}{origin:<25}{} {unit}", row.spelling, row.value);
    }
    text.push_str("\nWhat that means:\n\n");
    for (what, effect) in effects(config) {
        let _ = writeln!(text, "  {what:<24}{effect}");
    }
    text
}

/// What follows from several values, or from one in a way that is easily misread.
fn effects(config: &Config) -> Vec<(&'static str, String)> {
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs_f64());
    let on = |is_on: bool, text: String| if is_on { text } else { "off".to_owned() };
    vec![
        ("DNS", on(config.dns_on, listeners(config))),
        ("answers over UDP", rate_limit(config)),
        ("connections", connections(config)),
        ("HTTP", on(config.http_on, format!("on {:?}, port {}", config.http_listener, config.http_port))),
        ("leader found through", leader(config)),
        ("connection to masters", connection(config)),
        (
            "records live for",
            format!("{} s; that a name is not there, for {} s", config.ttl, config.negative_ttl),
        ),
        ("addresses of tasks", addresses(config)),
        ("other names", on(config.external_on, forwarding(config))),
        ("a query may take", seconds(config.timeout)),
        (
            "without any leader",
            match config.zk_detection_timeout {
                Some(limit) => format!("the process ends {} after its start", seconds(limit)),
                None => "the process waits, for as long as it takes".to_owned(),
            },
        ),
    ]
}

/// Where DNS is served.
fn listeners(config: &Config) -> String {
    let one = |listener: &Listener| {
        let carried = match listener.protocol {
            Protocol::Dns => "UDP and TCP",
            Protocol::Https => "HTTPS",
            Protocol::Tls => "TLS",
        };
        format!("{carried} on {}, port {}", listener.address.ip(), listener.address.port())
    };
    config.listeners.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// How many clients may be connected, and for how long.
fn connections(config: &Config) -> String {
    let most = config
        .tcp_connections
        .map_or("as many as files may be open".to_owned(), |most| format!("{most} in all"));
    let idle = config.tcp_idle_seconds.as_secs_f64();
    format!("{most}, {} of one client, idle for {idle} s", config.tcp_per_client)
}

/// How much clients are sent.
fn rate_limit(config: &Config) -> String {
    if config.rate_limit == 0 {
        return "without a limit".to_owned();
    }
    let exempt: Vec<String> = config.rate_limit_exempt.iter().map(ToString::to_string).collect();
    let but = if exempt.is_empty() { String::new() } else { format!("; no limit in {}", exempt.join(", ")) };
    format!("at most {} in a second to each /24 or /56{but}", config.rate_limit)
}

/// Where the leader is learnt from.
fn leader(config: &Config) -> String {
    match &config.zk {
        Some(zk) => {
            let servers: Vec<String> = zk.servers.iter().map(ToString::to_string).collect();
            let user = if zk.credentials.is_some() { ", with a user" } else { "" };
            format!("ZooKeeper at {}, path {}{user}", servers.join(", "), zk.path)
        }
        None => format!("the masters listed: {}", config.masters.join(", ")),
    }
}

/// How masters are spoken with.
fn connection(config: &Config) -> String {
    let user = match &config.mesos_authentication {
        Authentication::None => "without authentication".to_owned(),
        Authentication::Basic { principal, .. } => format!("HTTP Basic as {principal:?}"),
        Authentication::Iam { uid, login_endpoint, .. } => {
            format!("IAM as {uid:?} through {login_endpoint:?}")
        }
    };
    let trust = match &config.ca_cert_file {
        _ if !config.mesos_https_on => "HTTP, not encrypted".to_owned(),
        _ if !config.mesos_tls_verify => "HTTPS, certificates NOT verified".to_owned(),
        Some(file) => format!("HTTPS, verified by {file}"),
        None => "HTTPS, verified by the system's authorities".to_owned(),
    };
    format!("{trust}; {user}")
}

/// How the addresses of tasks are chosen.
fn addresses(config: &Config) -> String {
    let networks = match &config.addresses {
        Addresses::Auto(networks) => networks,
        Addresses::Sources(_) => {
            return "from the IPSources in their order, ports as they are listed".to_owned();
        }
    };
    let mut text = "by the network each asked for: its own if it can be reached, else its agent's".to_owned();
    let declared = [(Reach::Routable, "can be reached"), (Reach::Local, "cannot be reached")];
    for (reach, what) in declared {
        let names =
            networks.names.iter().filter(|(_, said)| *said == reach).map(|(name, _)| format!("{name:?}"));
        let prefixes = networks.prefixes.iter().filter(|(_, said)| *said == reach);
        let all: Vec<String> = names.chain(prefixes.map(|(prefix, _)| prefix.to_string())).collect();
        if !all.is_empty() {
            let _ = write!(text, "; {what}: {}", all.join(", "));
        }
    }
    text
}

/// Where other names go, and for whom.
fn forwarding(config: &Config) -> String {
    if config.resolvers.is_empty() && config.zone_resolvers.is_empty() {
        return "refused, as there is no server to ask".to_owned();
    }
    let join = |servers: &[Server]| servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut text = format!("forwarded to {}", join(&config.resolvers));
    if config.follows_system() {
        text.push_str(", as long as /etc/resolv.conf says so");
    }
    for (zone, servers) in &config.zone_resolvers {
        let _ = write!(text, "; {zone} to {}", join(servers));
    }
    let clients: Vec<String> = config.recursion_allow.iter().map(ToString::to_string).collect();
    let _ = write!(text, "; for clients in {}", clients.join(", "));
    text
}
