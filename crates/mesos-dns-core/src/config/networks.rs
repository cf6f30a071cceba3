//! The key `networks`: from where the addresses of which networks can be reached.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use serde_json::{Map, Value as Shown};

use super::{
    json::{Json, Member},
    remark::{Remark, quote},
    value::{Value, Word, mismatch},
};
use crate::records::{Networks, Reach};

/// Most networks that can be declared: each is looked through for every task.
const NETWORKS_MAX: usize = 1000;

impl Word for Reach {
    const WORDS: &'static [(&'static str, Self)] = &[("routable", Self::Routable), ("local", Self::Local)];
}

/// Merged where the key is repeated, like the other objects; of a network that is there twice the last word counts.
impl Value for Networks {
    const NULL_IS_EMPTY: bool = true;

    fn kind() -> String {
        format!("object: network or prefix to {}", Reach::kind())
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        if json.is_null() {
            *self = Self::default();
            return Ok(());
        }
        if json.kind() != "an object" {
            let mend = "write {\"calico\": \"routable\", \"172.17.0.0/16\": \"local\"}".to_owned();
            return Err(Remark { mend, ..mismatch("an object", json) });
        }
        for member in json.members()? {
            let mut reach = Reach::Local;
            reach.read(member.value)?;
            match prefix(&member)? {
                Some(prefix) => say(&mut self.prefixes, prefix, reach),
                None => say(&mut self.names, Arc::from(&*member.key), reach),
            }
            if self.prefixes.len().saturating_add(self.names.len()) > NETWORKS_MAX {
                let what = format!("more than {NETWORKS_MAX} networks are declared");
                return Err(Remark::new(what, "write fewer and shorter prefixes").at(member.place));
            }
        }
        Ok(())
    }

    fn shown(&self) -> Shown {
        let names = self.names.iter().map(|(name, reach)| (name.to_string(), *reach));
        let prefixes = self.prefixes.iter().map(|(prefix, reach)| (prefix.to_string(), *reach));
        let members = names.chain(prefixes).map(|(network, reach)| (network, reach.shown()));
        Shown::Object(members.collect::<Map<_, _>>())
    }
}

fn say<K: PartialEq>(all: &mut Vec<(K, Reach)>, network: K, reach: Reach) {
    all.retain(|(known, _)| *known != network);
    all.push((network, reach));
}

/// The prefix that a key is; `None` if it is the name of a network. An address alone is a prefix of full length.
fn prefix(member: &Member<'_>) -> Result<Option<IpNet>, Remark> {
    let text = &*member.key;
    let wrong =
        |what: &str, mend: String| Err(Remark::new(format!("{} {what}", quote(text)), mend).at(member.place));
    let prefix = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(prefix), _) => prefix,
        (_, Ok(address)) => IpNet::from(address),
        _ if text.is_empty() => {
            return wrong("is no network", "write the name that tasks ask for, or a prefix".to_owned());
        }
        _ if is_nearly_prefix(text) => {
            return wrong("is no prefix", "write it as \"10.0.0.0/8\" or \"fd00::/8\"".to_owned());
        }
        _ => return Ok(None),
    };
    if prefix.trunc() != prefix {
        return wrong("has bits set behind the prefix", format!("write \"{}\"", prefix.trunc()));
    }
    Ok(Some(prefix))
}

/// Whether a text that is no prefix was meant to be one: nobody names a network like that.
fn is_nearly_prefix(text: &str) -> bool {
    let of_address = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:".contains(&byte));
    text.split_once('/').is_some_and(|(front, back)| {
        of_address(front) && back.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::json::Source;

    fn read(text: &str) -> Result<String, String> {
        let mut networks = Networks::default();
        let outcome = networks.read(Source::new(text).json());
        outcome.map(|()| networks.shown().to_string()).map_err(|remark| {
            let place = remark.place.map(|place| place.to_string()).unwrap_or_default();
            format!("{place}: {remark}")
        })
    }

    #[test]
    fn names_and_prefixes() {
        for (text, shown) in [
            ("{}", "{}"),
            ("null", "{}"),
            (
                r#"{"calico": "routable", "mesos-bridge": "local", "10.0.0.0/8": "routable", "fd00::/8": "local"}"#,
                r#"{"10.0.0.0/8":"routable","calico":"routable","fd00::/8":"local","mesos-bridge":"local"}"#,
            ),
            (r#"{"192.0.2.1": "local"}"#, r#"{"192.0.2.1/32":"local"}"#),
            (r#"{"a": "local", "a": "routable"}"#, r#"{"a":"routable"}"#),
            (r#"{"team/net": "local", "10.net": "local"}"#, r#"{"10.net":"local","team/net":"local"}"#),
        ] {
            assert_eq!(read(text).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_and_where() {
        for (text, told) in [
            (
                r#"["calico"]"#,
                r#"1:1: expected an object, found a list; write {"calico": "routable", "172.17.0.0/16": "local"}"#,
            ),
            (
                r#"{"calico": true}"#,
                r#"1:12: expected text: "routable" or "local", found true or false; put it in double quotes"#,
            ),
            ("{\n \"calico\": \"Local\"}", r#"2:12: "Local" is not known; write "routable" or "local""#),
            (
                r#"{"10.0.0.1/8": "local"}"#,
                r#"1:2: "10.0.0.1/8" has bits set behind the prefix; write "10.0.0.0/8""#,
            ),
            (
                r#"{"10.0.0.0/33": "local"}"#,
                r#"1:2: "10.0.0.0/33" is no prefix; write it as "10.0.0.0/8" or "fd00::/8""#,
            ),
            (r#"{"": "local"}"#, r#"1:2: "" is no network; write the name that tasks ask for, or a prefix"#),
        ] {
            assert_eq!(read(text), Err(told.to_owned()), "{text}");
        }
        let many: Vec<String> = (0..=NETWORKS_MAX).map(|n| format!("\"n{n}\": \"local\"")).collect();
        let told = read(&format!("{{{}}}", many.join(","))).unwrap_err();
        assert!(
            told.ends_with("more than 1000 networks are declared; write fewer and shorter prefixes"),
            "{told}"
        );
    }
}
