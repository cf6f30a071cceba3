//! Every record that HTTP lists, asked for over DNS and looked up over HTTP.

use std::{collections::BTreeSet, net::SocketAddr};

use domain::base::iana::{Rcode, Rtype};
use mesos_dns_sim::client::{self, Query};
use serde_json::Value;

use crate::daemon::Daemon;

/// The body of `/v1/axfr`.
pub(crate) async fn axfr(daemon: &Daemon) -> Value {
    daemon.json("/v1/axfr").await
}

/// What DNS answers over TCP, as `/v1/axfr` writes it, sorted; `None` if there is no such name.
pub(crate) async fn answers(server: SocketAddr, name: &str, rtype: Rtype) -> Option<Vec<String>> {
    let answer = client::tcp(server, &Query::new(name, rtype)).await.unwrap();
    if answer.rcode() == Rcode::NXDOMAIN {
        return None;
    }
    assert_eq!(answer.rcode(), Rcode::NOERROR, "{name} {rtype}");
    let lines = answer.answers().unwrap();
    let mut values: Vec<String> = lines
        .iter()
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            match fields.as_slice() {
                [_, _, _, "SRV", _, _, port, target] => format!("{target}.:{port}").replace("..", "."),
                [.., address] => (*address).to_owned(),
                [] => unreachable!("a record has fields"),
            }
        })
        .collect();
    values.sort();
    Some(values)
}

/// Whether a name is HTTP's alone: DNS has no such labels, or it was made of an empty task name.
fn is_listed_only(name: &str) -> bool {
    let labels = name.trim_end_matches('.').split('.');
    let has_wrong_label = labels.clone().any(|label| label.is_empty() || label.len() > 63);
    has_wrong_label || name.len() > 254 || name.starts_with('-') || name.starts_with("_._")
}

/// Compares every record of `/v1/axfr` with DNS, and every name with `/v1/hosts` and `/v1/services`; tells how
/// many records there were.
pub(crate) async fn compare(daemon: &Daemon) -> usize {
    let zone = axfr(daemon).await;
    let mut records = 0;
    for (table, rtype) in [("As", Rtype::A), ("AAAAs", Rtype::AAAA), ("SRVs", Rtype::SRV)] {
        for (name, listed) in zone["Records"][table].as_object().unwrap() {
            let lower = |value: &Value| value.as_str().unwrap().to_lowercase();
            let mut listed: Vec<String> = listed.as_array().unwrap().iter().map(lower).collect();
            listed.sort();
            if is_listed_only(name) {
                continue;
            }
            let found = answers(daemon.dns, name, rtype).await.unwrap_or_default();
            let found: BTreeSet<String> = found.iter().map(|value| value.to_lowercase()).collect();
            assert_eq!(found, listed.iter().cloned().collect(), "{name} {rtype}");
            records += listed.len();
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                // HTTP looks up lower-case names, and these are kept as they were written, as ever.
                continue;
            }
            let (path, key) = if rtype == Rtype::SRV { ("services", "port") } else { ("hosts", "ip") };
            let rows = daemon.json(&format!("/v1/{path}/{name}")).await;
            let shown: BTreeSet<String> =
                rows.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap().to_owned()).collect();
            for value in &listed {
                let value = if rtype == Rtype::SRV { value.rsplit(':').next().unwrap() } else { value };
                assert!(shown.contains(value), "{name}: {value} not in {shown:?}");
            }
        }
    }
    records
}
