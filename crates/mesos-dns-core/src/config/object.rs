//! The keys that hold more than one value: `zoneResolvers`, `places`, `mesosCredentials` and `zk`.
//!
//! Objects are merged where a key is repeated, as the original does; all other values are replaced.

use std::{collections::BTreeMap, fmt, sync::Arc};

use ipnet::IpNet;

use serde_json::{Map, Value as Shown};

use super::{
    json::Json,
    remark::{Place, Remark, quote},
    secret::{MASK, Secret, mask_user},
    value::{Item, List, Prefixes, Value, mismatch},
};
use crate::cluster;

/// The servers of each zone, as written. `None` is `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones(pub Option<BTreeMap<String, Zone>>);

/// The servers of one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Where the zone stands in the file.
    pub place: Place,
    /// Its servers.
    pub servers: List,
}

impl Default for Zones {
    fn default() -> Self {
        Self(Some(BTreeMap::new()))
    }
}

impl Value for Zones {
    const NULL_IS_EMPTY: bool = true;

    fn kind() -> String {
        "object: zone to list of text".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        if json.is_null() {
            self.0 = None;
            return Ok(());
        }
        if json.kind() != "an object" {
            let wrong = mismatch("an object", json);
            return Err(Remark { mend: "write {\"corp.example\": [\"10.1.0.53\"]}".to_owned(), ..wrong });
        }
        let zones = self.0.get_or_insert_default();
        for member in json.members()? {
            let mut servers = List::default();
            servers.read(member.value)?;
            zones.insert(member.key.into_owned(), Zone { place: member.place, servers });
        }
        Ok(())
    }

    fn shown(&self) -> Shown {
        let Some(zones) = &self.0 else {
            return Shown::Null;
        };
        let shown: Map<_, _> =
            zones.iter().map(|(name, zone)| (name.clone(), zone.servers.shown())).collect();
        Shown::Object(shown)
    }
}

/// Where addresses are, by prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(pub Vec<(IpNet, Arc<cluster::Place>)>);

impl Value for Places {
    fn kind() -> String {
        "object: prefix to \"region/zone\"".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        if json.kind() != "an object" {
            let wrong = mismatch("an object", json);
            return Err(Remark { mend: "write {\"10.1.0.0/16\": \"region/zone\"}".to_owned(), ..wrong });
        }
        for member in json.members()? {
            let item = Item { text: member.key.into_owned(), place: Some(member.place) };
            let prefix = Prefixes::parse(&item)?;
            let text = member.value.text().ok_or_else(|| mismatch("text", member.value))?;
            let parts = text.split_once('/').filter(|(region, zone)| !region.is_empty() && !zone.is_empty());
            let Some((region, zone)) = parts else {
                let what = format!("{} is no place", quote(&text));
                return Err(Remark::new(what, "write \"region/zone\"").at(member.value.place()));
            };
            let place = Arc::new(cluster::Place { region: region.into(), zone: zone.into() });
            self.0.retain(|(other, _)| *other != prefix);
            self.0.push((prefix, place));
        }
        Ok(())
    }

    fn shown(&self) -> Shown {
        let text = |place: &cluster::Place| Shown::from(format!("{}/{}", place.region, place.zone));
        Shown::Object(self.0.iter().map(|(prefix, place)| (prefix.to_string(), text(place))).collect())
    }
}

/// Who we are to the masters, for HTTP Basic authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `principal`.
    pub principal: String,
    /// `secret`.
    pub secret: Secret,
    /// `secretFile`: a file that holds the secret instead; empty for none.
    pub secret_file: String,
}

impl Value for Credentials {
    const MEMBERS: &'static [&'static str] = &["principal", "secret", "secretFile"];

    fn kind() -> String {
        "object: principal, secret or secretFile".to_owned()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        if json.kind() != "an object" {
            let wrong = mismatch("an object", json);
            return Err(Remark { mend: "write {\"principal\": …, \"secret\": …}".to_owned(), ..wrong });
        }
        for member in json.members()?.into_iter().filter(|member| !member.value.is_null()) {
            match member.key.to_ascii_lowercase().as_str() {
                "principal" => self.principal.read(member.value)?,
                "secret" => self.secret.read(member.value)?,
                "secretfile" => self.secret_file.read(member.value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn shown(&self) -> Shown {
        let secret = if self.secret.is_empty() && self.secret_file.is_empty() { "" } else { MASK };
        let members = [("Principal", self.principal.as_str()), ("Secret", secret)];
        Shown::Object(members.into_iter().map(|(key, text)| (key.to_owned(), Shown::from(text))).collect())
    }
}

impl Value for Secret {
    fn kind() -> String {
        String::kind()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        let mut text = String::new();
        text.read(json)?;
        *self = Self::new(text);
        Ok(())
    }

    fn shown(&self) -> Shown {
        Shown::from(self.to_string())
    }
}

/// The ZooKeeper URL as written; its user part is a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ZkUrl(pub String);

impl fmt::Debug for ZkUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZkUrl({:?})", mask_user(&self.0))
    }
}

impl Value for ZkUrl {
    fn kind() -> String {
        String::kind()
    }

    fn read(&mut self, json: Json<'_>) -> Result<(), Remark> {
        self.0.read(json)
    }

    fn shown(&self) -> Shown {
        Shown::from(mask_user(&self.0))
    }
}
