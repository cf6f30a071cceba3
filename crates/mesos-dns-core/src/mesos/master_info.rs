//! What a master's node in ZooKeeper says: where to reach it, and by which name.
//!
//! The same message exists as JSON (since Mesos 0.24) and as protobuf (before), and each holds the address up to
//! four times. The best that is usable counts: `address`, else the number `ip`, else `pid`, else the host name.
//! A node that cannot be read costs only itself; the next-lowest member is asked (robustness Z6).

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr},
};

use super::{
    json::{JsonError, Reader, Wanted},
    members::Format,
    pid::Pid,
    protobuf::{self, ProtobufError},
};
use crate::cluster::{Endpoint, Host};

/// Largest node that is read. Real ones have a few hundred bytes; ZooKeeper itself allows a mebibyte.
pub const NODE_BYTES_MAX: usize = 64 << 10;

/// Port of a master whose node names none.
pub const PORT_DEFAULT: u16 = 5050;

/// A master, as it announced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterInfo {
    /// Changes at each start of the master.
    pub id: String,
    /// Where to connect to.
    pub endpoint: Endpoint,
    /// Host name to verify its certificate against, where that holds no address; `None` if it gave none.
    pub hostname: Option<String>,
    /// Mesos version, for example `1.11.0`; `None` before 0.23.
    pub version: Option<String>,
}

/// Why a node is of no use.
#[derive(Debug, thiserror::Error)]
pub enum MasterInfoError {
    /// A node without data.
    #[error("master node is empty")]
    Empty,
    /// Larger than [`NODE_BYTES_MAX`].
    #[error("master node has {bytes} bytes, more than {NODE_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON, or a member of the wrong type.
    #[error("master node is not a MasterInfo in JSON")]
    Json(#[source] JsonError),
    /// Not protobuf, or a field of the wrong type.
    #[error("master node is not a MasterInfo in protobuf")]
    Protobuf(#[source] ProtobufError),
    /// Protobuf in which a field is missing that the definition requires.
    #[error("master node lacks the required field {field}")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// Neither `address`, `ip`, `pid` nor `hostname` can be used.
    #[error("master node names no address")]
    NoAddress,
}

impl MasterInfo {
    /// Reads a node's data.
    pub fn decode(format: Format, data: &[u8]) -> Result<Self, MasterInfoError> {
        match data.len() {
            0 => return Err(MasterInfoError::Empty),
            bytes if bytes > NODE_BYTES_MAX => return Err(MasterInfoError::TooLarge { bytes }),
            _ => (),
        }
        let message = match format {
            Format::Json => Message::from_json(data).map_err(MasterInfoError::Json)?,
            Format::Protobuf => Message::from_protobuf(data)?,
        };
        message.evaluate()
    }
}

//------------ Message -------------------------------------------------------

/// The message as written. Numbers are doubles, as in all of Mesos's JSON.
#[derive(Default)]
struct Message<'a> {
    id: Option<Cow<'a, str>>,
    ip: Option<f64>,
    port: Option<f64>,
    pid: Cow<'a, str>,
    hostname: Cow<'a, str>,
    version: Cow<'a, str>,
    address: Address<'a>,
}

#[derive(Default)]
struct Address<'a> {
    hostname: Cow<'a, str>,
    ip: Cow<'a, str>,
    port: Option<f64>,
}

impl<'a> Message<'a> {
    fn from_json(data: &'a [u8]) -> Result<Self, JsonError> {
        let mut message = Self::default();
        let mut reader = Reader::new(data);
        reader.object(|name, reader| {
            match name {
                b"address" => message.address = Address::from_json(reader)?,
                b"hostname" => message.hostname = reader.text()?,
                b"id" => message.id = Some(reader.text()?),
                b"ip" => message.ip = reader.number()?,
                b"pid" => message.pid = reader.text()?,
                b"port" => message.port = reader.number()?,
                b"version" => message.version = reader.text()?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        reader.end()?;
        Ok(message)
    }

    fn from_protobuf(data: &'a [u8]) -> Result<Self, MasterInfoError> {
        let mut message = Self::default();
        for field in protobuf::fields(data) {
            message.field(field.map_err(MasterInfoError::Protobuf)?)?;
        }
        require(&message.id, "id")?;
        require(&message.ip, "ip")?;
        require(&message.port, "port")?;
        Ok(message)
    }

    fn field(&mut self, field: protobuf::Field<'a>) -> Result<(), MasterInfoError> {
        let known = match field.number {
            1 => field.text().map(|text| self.id = Some(text)),
            2 => field.number().map(|number| self.ip = Some(number.into())),
            3 => field.number().map(|number| self.port = Some(number.into())),
            4 => field.text().map(|text| self.pid = text),
            5 => field.text().map(|text| self.hostname = text),
            6 => field.text().map(|text| self.version = text),
            7 => return self.address.merge_protobuf(field.bytes().map_err(MasterInfoError::Protobuf)?),
            _ => Ok(()),
        };
        known.map_err(MasterInfoError::Protobuf)
    }

    fn evaluate(self) -> Result<MasterInfo, MasterInfoError> {
        let endpoint = self.endpoint().ok_or(MasterInfoError::NoAddress)?;
        Ok(MasterInfo {
            hostname: self.name().map(str::to_owned),
            version: filled(&self.version).map(str::to_owned),
            id: self.id.unwrap_or_default().into_owned(),
            endpoint,
        })
    }

    fn name(&self) -> Option<&str> {
        filled(&self.address.hostname).or_else(|| filled(&self.hostname))
    }

    /// The first usable address in the order that the head of this file gives.
    fn endpoint(&self) -> Option<Endpoint> {
        let port = self.port.and_then(usable_port);
        let any_port = self.address.port.and_then(usable_port).or(port).unwrap_or(PORT_DEFAULT);
        let by_address = || {
            let ip = usable_ip(self.address.ip.trim().parse().ok()?)?;
            Some(Endpoint { host: Host::Address(ip), port: any_port })
        };
        let by_number = || {
            // The first octet is the least significant byte: network byte order read by a little-endian host.
            let ip = usable_ip(Ipv4Addr::from(whole(self.ip?)?.to_le_bytes()).into())?;
            Some(Endpoint { host: Host::Address(ip), port: port.unwrap_or(any_port) })
        };
        let by_pid = || Pid::parse(&self.pid).map(|pid| pid.endpoint());
        let by_name = || Some(Endpoint { host: Host::new(self.name()?), port: any_port });
        by_address().or_else(by_number).or_else(by_pid).or_else(by_name)
    }
}

impl<'a> Address<'a> {
    fn from_json(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut address = Self::default();
        reader.object(|name, reader| {
            match name {
                b"hostname" => address.hostname = reader.text()?,
                b"ip" => address.ip = reader.text()?,
                b"port" => address.port = reader.number()?,
                _ => return Ok(Wanted::No),
            }
            Ok(Wanted::Yes)
        })?;
        Ok(address)
    }

    /// A message that is repeated is merged, field by field.
    fn merge_protobuf(&mut self, data: &'a [u8]) -> Result<(), MasterInfoError> {
        for field in protobuf::fields(data) {
            let field = field.map_err(MasterInfoError::Protobuf)?;
            let known = match field.number {
                1 => field.text().map(|text| self.hostname = text),
                2 => field.text().map(|text| self.ip = text),
                3 => field.number().map(|number| self.port = Some(number.into())),
                _ => Ok(()),
            };
            known.map_err(MasterInfoError::Protobuf)?;
        }
        require(&self.port, "address.port")
    }
}

fn require<T>(field: &Option<T>, name: &'static str) -> Result<(), MasterInfoError> {
    field.as_ref().map(|_| ()).ok_or(MasterInfoError::Missing { field: name })
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// A number of 32 bits without a fraction.
fn whole(number: f64) -> Option<u32> {
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    fits.then_some(number as u32)
}

fn usable_port(port: f64) -> Option<u16> {
    whole(port).and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0)
}

fn usable_ip(ip: IpAddr) -> Option<IpAddr> {
    Some(ip.to_canonical()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A master of 1.11, as it writes itself.
    const MODERN: &str = r#"{"address":{"hostname":"m1.example.com","ip":"10.0.5.224","port":5050},
        "capabilities":[{"type":"AGENT_UPDATE"}],"domain":{"fault_domain":{"region":{"name":"eu"}}},
        "hostname":"old.example.com","id":"5b8f1e0c","ip":3758424074,"pid":"master@10.0.5.224:5050","port":5050,
        "version":"1.11.0"}"#;

    /// Field 1 `A`, field 2 10.0.0.1, field 3 5051, field 4 a pid, field 5 a name, field 9 unknown.
    const OLD: &[u8] =
        b"\x0a\x01A\x10\x8a\x80\x80\x08\x18\xbb\x27\x22\x14master@10.0.0.9:5052\x2a\x02m1\x4a\x01x";

    fn show(endpoint: &Endpoint) -> String {
        match &endpoint.host {
            Host::Address(IpAddr::V6(ip)) => format!("[{ip}]:{}", endpoint.port),
            Host::Address(ip) => format!("{ip}:{}", endpoint.port),
            Host::Name(name) => format!("{name}:{}", endpoint.port),
        }
    }

    fn check(json: &str, expected: &str) {
        let found = MasterInfo::decode(Format::Json, json.as_bytes());
        assert_eq!(
            found.map(|info| show(&info.endpoint)).map_err(|error| error.to_string()),
            Ok(expected.to_owned()),
            "{json}"
        );
    }

    fn check_refused(format: Format, data: &[u8], expected: &str) {
        let error = MasterInfo::decode(format, data).expect_err("bad node");
        assert_eq!(error.to_string(), expected, "{}", String::from_utf8_lossy(data));
    }

    #[test]
    fn modern() {
        let info = MasterInfo::decode(Format::Json, MODERN.as_bytes()).expect("well formed");
        assert_eq!(info.id, "5b8f1e0c");
        assert_eq!(show(&info.endpoint), "10.0.5.224:5050");
        assert_eq!(info.hostname.as_deref(), Some("m1.example.com"));
        assert_eq!(info.version.as_deref(), Some("1.11.0"));
    }

    #[test]
    fn best_address_counts() {
        check(
            r#"{"ip":16777226,"port":5050,"address":{"hostname":"m1","ip":"10.0.0.1","port":5050}}"#,
            "10.0.0.1:5050",
        );
        check(r#"{"id":"A","ip":16777226,"port":5051}"#, "10.0.0.1:5051");
        check(r#"{"id":"A","ip":16777226.0}"#, "10.0.0.1:5050");
        check(r#"{"id":"A","address":{"ip":"fd00::1","port":5050}}"#, "[fd00::1]:5050");
        check(r#"{"id":"A","address":{"ip":"::ffff:10.0.0.1","port":5e3}}"#, "10.0.0.1:5000");
        check(r#"{"ip":16777226,"port":5051,"address":{"hostname":"m1","port":5052}}"#, "10.0.0.1:5051");
        check(
            r#"{"ip":0,"pid":"master@10.0.0.9:5053","address":{"ip":"nonsense","port":5052}}"#,
            "10.0.0.9:5053",
        );
        check(r#"{"hostname":"m2","address":{"hostname":"m1","port":5052}}"#, "m1:5052");
        check(r#"{"Hostname":"m2","PORT":5054,"address":null}"#, "m2:5054");
        check(r#"{"address":{"ip":"10.0.0.1","port":65536},"port":0}"#, "10.0.0.1:5050");
        check(r#"{"ip":1,"ip":16777226,"port":null}"#, "10.0.0.1:5050");
    }

    #[test]
    fn protobuf() {
        let info = MasterInfo::decode(Format::Protobuf, OLD).expect("well formed");
        assert_eq!((&*info.id, &*show(&info.endpoint)), ("A", "10.0.0.1:5051"));
        assert_eq!((info.hostname.as_deref(), info.version), (Some("m1"), None));
        let with_address = [OLD, b"\x3a\x0f\x12\x0a10.0.0.200\x18\x07".as_slice()].concat();
        check_refused(Format::Protobuf, &with_address, "master node is not a MasterInfo in protobuf");
        let with_address = [OLD, b"\x3a\x0e\x12\x0a10.0.0.200\x18\x07".as_slice()].concat();
        let info = MasterInfo::decode(Format::Protobuf, &with_address).expect("well formed");
        assert_eq!(show(&info.endpoint), "10.0.0.200:7");
    }

    #[test]
    fn refused() {
        check_refused(Format::Json, b"", "master node is empty");
        check_refused(Format::Json, b"\0\0", "master node is not a MasterInfo in JSON");
        check_refused(Format::Json, b"[]", "master node is not a MasterInfo in JSON");
        check_refused(Format::Json, b"null", "master node names no address");
        check_refused(Format::Json, br#"{"id":5,"ip":16777226}"#, "master node is not a MasterInfo in JSON");
        check_refused(Format::Json, br#"{"ip":"10.0.0.1"}"#, "master node is not a MasterInfo in JSON");
        check_refused(Format::Json, br#"{"ip":-1}"#, "master node names no address");
        check_refused(Format::Json, br#"{"address":[]}"#, "master node is not a MasterInfo in JSON");
        check_refused(Format::Json, br#"{"address":{"port":5050}}"#, "master node names no address");
        check_refused(Format::Json, OLD, "master node is not a MasterInfo in JSON");
        check_refused(Format::Json, &vec![b' '; 1 << 20], "master node has 1048576 bytes, more than 65536");
        check_refused(Format::Protobuf, MODERN.as_bytes(), "master node is not a MasterInfo in protobuf");
        check_refused(Format::Protobuf, b"\x0a\x01A\x18\x05", "master node lacks the required field ip");
        check_refused(
            Format::Protobuf,
            &[OLD, b"\x3a\x00".as_slice()].concat(),
            "master node lacks the required field address.port",
        );
    }

    #[test]
    fn cut_nodes_are_refused() {
        for length in 0..MODERN.len() {
            let cut = MODERN.as_bytes().get(..length).expect("in range");
            assert!(MasterInfo::decode(Format::Json, cut).is_err(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(data: Vec<u8>, json: bool) {
            let format = if json { Format::Json } else { Format::Protobuf };
            _ = MasterInfo::decode(format, &data);
        }
    }
}
