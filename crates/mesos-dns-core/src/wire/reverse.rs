//! Names of addresses: `4.3.2.10.in-addr.arpa` (RFC 1035 section 3.5) and its sibling in `ip6.arpa` (RFC 3596).
//!
//! They are read from the right, label by label, strictly: a label that no program writes (`04`, `256`, `1f`) belongs
//! to no address, so it ends what the name stands for. Prefixes can end within a label, zones cannot. [`ReverseZones`]
//! says where the zones of a prefix are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{NameView, is_within};

/// `in-addr.arpa.`
const V4_SUFFIX: &[u8] = b"\x07in-addr\x04arpa\0";

/// `ip6.arpa.`
const V6_SUFFIX: &[u8] = b"\x03ip6\x04arpa\0";

/// Labels of a whole address: octets, or half octets.
const V4_LABELS: usize = 4;
const V6_LABELS: usize = 32;

/// Bits that one label stands for.
const V4_STEP: u8 = 8;
const V6_STEP: u8 = 4;

/// What a name below `in-addr.arpa` or `ip6.arpa` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReverseName {
    network: IpNet,
    has_more: bool,
}

impl ReverseName {
    /// Reads a lower-case name; `None` if it is no name of addresses.
    pub fn read(name: NameView<'_>) -> Option<Self> {
        let wire = name.as_wire();
        let labels = || name.labels().count().saturating_sub(2);
        if is_within(wire, V4_SUFFIX) {
            let (octets, used) = digits::<V4_LABELS>(name, labels(), octet);
            let network = net(Ipv4Addr::from(octets).into(), used, V4_STEP)?;
            return Some(Self { network, has_more: labels() > used });
        }
        if is_within(wire, V6_SUFFIX) {
            let (nibbles, used) = digits::<V6_LABELS>(name, labels(), nibble);
            let bits = nibbles.iter().fold(0_u128, |bits, nibble| bits << 4 | u128::from(*nibble));
            let network = net(Ipv6Addr::from_bits(bits).into(), used, V6_STEP)?;
            return Some(Self { network, has_more: labels() > used });
        }
        None
    }

    /// The addresses whose names are this one or stand below it.
    pub fn network(self) -> IpNet {
        self.network
    }

    /// Whether it has labels further left that stand for nothing.
    pub fn has_more(self) -> bool {
        self.has_more
    }

    /// The address, if it is the name of one and no more.
    pub fn address(self) -> Option<IpAddr> {
        let is_whole = self.network.prefix_len() == self.network.max_prefix_len();
        (is_whole && !self.has_more).then(|| self.network.addr())
    }
}

/// How many octets of the wire form of a name below `in-addr.arpa` or `ip6.arpa` are that of the name for the first
/// `bits` of its address.
pub fn reverse_tail_bytes(name: NameView<'_>, bits: u8) -> usize {
    let step = if is_within(name.as_wire(), V4_SUFFIX) { V4_STEP } else { V6_STEP };
    let labels = usize::from(bits.checked_div(step).unwrap_or(0)).saturating_add(2);
    let skipped = name.labels().count().saturating_sub(labels);
    let front = name.labels().take(skipped);
    let front = front.fold(0_usize, |sum, label| sum.saturating_add(label.len()).saturating_add(1));
    name.as_wire().len().saturating_sub(front)
}

/// The digits of an address in its own order, and how many of them the name has, counted from the right. `labels` is
/// how many it has in front of the suffix.
fn digits<const N: usize>(
    name: NameView<'_>,
    labels: usize,
    read: fn(&[u8]) -> Option<u8>,
) -> ([u8; N], usize) {
    let mut found = [None; N];
    for (place, label) in name.labels().take(labels).enumerate() {
        let depth = labels.saturating_sub(place).saturating_sub(1);
        if let Some(space) = found.get_mut(depth) {
            *space = read(label);
        }
    }
    let used = found.iter().take_while(|digit| digit.is_some()).count();
    let mut digits = [0; N];
    for (space, digit) in digits.iter_mut().zip(found).take(used) {
        *space = digit.unwrap_or_default();
    }
    (digits, used)
}

fn net(address: IpAddr, labels: usize, step: u8) -> Option<IpNet> {
    let bits = u8::try_from(labels).ok()?.saturating_mul(step);
    IpNet::new(address, bits).ok()
}

/// A decimal octet as everybody writes it: no zero in front.
fn octet(label: &[u8]) -> Option<u8> {
    let is_plain = matches!(label, [b'0'] | [b'1'..=b'9'] | [b'1'..=b'9', _] | [b'1'..=b'9', _, _]);
    let mut number = 0_u16;
    for digit in label {
        let value = digit.checked_sub(b'0').filter(|value| *value < 10)?;
        number = number.saturating_mul(10).saturating_add(u16::from(value));
    }
    u8::try_from(number).ok().filter(|_| is_plain)
}

/// A half octet in lower-case hexadecimal.
fn nibble(label: &[u8]) -> Option<u8> {
    match label {
        [digit @ b'0'..=b'9'] => digit.checked_sub(b'0'),
        [digit @ b'a'..=b'f'] => digit.checked_sub(b'a').and_then(|value| value.checked_add(10)),
        _ => None,
    }
}

//------------ ReverseZones --------------------------------------------------

/// Which names of addresses are answered by this server alone, whatever it knows of them.
///
/// A prefix that ends with a label is one zone. One that ends within a label is several, one label longer; of a part
/// of a /24 each address is a zone of its own. So no name is ours that stands above addresses of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReverseZones {
    ours: Vec<IpNet>,
    others: Vec<IpNet>,
}

impl ReverseZones {
    /// The zones of these prefixes, less what was given to others. Where both fit, the longer one counts.
    pub const fn new(ours: Vec<IpNet>, others: Vec<IpNet>) -> Self {
        Self { ours, others }
    }

    /// The apex of the zone that a name belongs to, as the bits it stands for; `None` if the name is not ours.
    pub fn apex_bits(&self, name: ReverseName) -> Option<u8> {
        let network = name.network;
        let least = self.bits_of_others(network).unwrap_or(0);
        let ours = self.ours.iter().filter(|ours| ours.contains(&network) && ours.prefix_len() >= least);
        let step = if network.addr().is_ipv4() { V4_STEP } else { V6_STEP };
        let apexes = ours.map(|ours| ours.prefix_len().div_ceil(step).saturating_mul(step));
        apexes.filter(|bits| *bits <= network.prefix_len()).min()
    }

    /// Whether the operator sent these names elsewhere.
    pub fn is_elsewhere(&self, name: ReverseName) -> bool {
        self.bits_of_others(name.network).is_some()
    }

    fn bits_of_others(&self, network: IpNet) -> Option<u8> {
        self.others.iter().filter(|other| other.contains(&network)).map(IpNet::prefix_len).max()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Name;

    fn read(text: &str) -> Option<ReverseName> {
        ReverseName::read(Name::parse(text).unwrap().view())
    }

    /// The name of an address, written by somebody else's rule.
    pub(crate) fn name_of(address: IpAddr) -> String {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
            }
            IpAddr::V6(address) => {
                let hex = format!("{:032x}", address.to_bits());
                hex.chars().rev().map(|digit| format!("{digit}.")).collect::<String>() + "ip6.arpa."
            }
        }
    }

    #[test]
    fn what_names_stand_for() {
        for (text, network, has_more) in [
            ("in-addr.arpa", "0.0.0.0/0", false),
            ("10.IN-ADDR.arpa", "10.0.0.0/8", false),
            ("2.0.10.in-addr.arpa", "10.0.2.0/24", false),
            ("0.2.0.10.in-addr.arpa", "10.0.2.0/32", false),
            ("255.255.255.255.in-addr.arpa", "255.255.255.255/32", false),
            ("x.1.2.0.10.in-addr.arpa", "10.0.2.1/32", true),
            // No way to write an octet: what is right of it counts.
            ("01.2.0.10.in-addr.arpa", "10.0.2.0/24", true),
            ("1.256.0.10.in-addr.arpa", "10.0.0.0/16", true),
            ("1.2.00.10.in-addr.arpa", "10.0.0.0/8", true),
            ("1.2.3.+1.in-addr.arpa", "0.0.0.0/0", true),
            ("1.2.3.1234.in-addr.arpa", "0.0.0.0/0", true),
            // RFC 2317 puts such labels there.
            ("5.0/25.2.0.10.in-addr.arpa", "10.0.2.0/24", true),
            ("ip6.arpa", "::/0", false),
            ("F.d.ip6.arpa", "df00::/8", false),
            ("0f.d.ip6.arpa", "d000::/4", true),
            ("g.f.d.ip6.arpa", "df00::/8", true),
        ] {
            let found = read(text).unwrap();
            assert_eq!((found.network(), found.has_more()), (network.parse().unwrap(), has_more), "{text}");
        }
        for text in [".", "arpa", "mesos", "xin-addr.arpa", "in-addr.arpa.mesos", "ip6", "1.2.3.4"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn zones_of_prefixes() {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
        let zones = ReverseZones::new(
            nets(&["10.0.0.0/8", "10.9.0.0/16", "172.16.0.0/12", "192.0.2.64/26", "10.7.7.0/24"]),
            nets(&["10.7.0.0/16", "10.9.0.0/16", "127.0.0.0/8"]),
        );
        for (text, bits) in [
            // Above a prefix others speak.
            ("in-addr.arpa", None),
            ("10.in-addr.arpa", Some(8)),
            // The outermost of two.
            ("1.2.9.10.in-addr.arpa", Some(16)),
            ("1.2.3.10.in-addr.arpa", Some(8)),
            // Sent elsewhere, but for a part.
            ("1.2.7.10.in-addr.arpa", None),
            ("7.10.in-addr.arpa", None),
            ("1.7.7.10.in-addr.arpa", Some(24)),
            // Ends within a label: sixteen zones, and not the one above them.
            ("172.in-addr.arpa", None),
            ("16.172.in-addr.arpa", Some(16)),
            ("1.2.31.172.in-addr.arpa", Some(16)),
            ("32.172.in-addr.arpa", None),
            ("2.0.192.in-addr.arpa", None),
            ("63.2.0.192.in-addr.arpa", None),
            ("64.2.0.192.in-addr.arpa", Some(32)),
            ("x.127.2.0.192.in-addr.arpa", Some(32)),
            ("128.2.0.192.in-addr.arpa", None),
            ("1.0.0.127.in-addr.arpa", None),
        ] {
            assert_eq!(zones.apex_bits(read(text).unwrap()), bits, "{text}");
        }
        let v6 = ReverseZones::new(nets(&["fd00:1::/33"]), Vec::new());
        for (text, bits) in [
            ("1.0.0.0.0.0.d.f.ip6.arpa", None),
            ("7.1.0.0.0.0.0.d.f.ip6.arpa", Some(36)),
            ("8.1.0.0.0.0.0.d.f.ip6.arpa", None),
            ("f.7.1.0.0.0.0.0.d.f.ip6.arpa", Some(36)),
        ] {
            assert_eq!(v6.apex_bits(read(text).unwrap()), bits, "{text}");
        }
        let whole = ReverseZones::new(nets(&["0.0.0.0/0"]), nets(&["127.0.0.0/8"]));
        assert_eq!(whole.apex_bits(read("in-addr.arpa").unwrap()), Some(0));
        assert_eq!(whole.apex_bits(read("1.0.0.127.in-addr.arpa").unwrap()), None);
    }

    proptest! {
        /// Every address has one name, and from that name comes the address.
        #[test]
        fn names_lead_back(v4 in any::<u32>(), v6 in any::<u128>()) {
            for address in [IpAddr::from(v4.to_be_bytes()), Ipv6Addr::from_bits(v6).into()] {
                let name = name_of(address);
                prop_assert_eq!(read(&name).unwrap().address(), Some(address));
                let below = read(&format!("x.{name}")).unwrap();
                prop_assert_eq!((below.address(), below.network().addr()), (None, address));
            }
        }

        /// What is cut off in front leaves the name of the network.
        #[test]
        fn tails_are_names_of_networks(v4 in any::<[u8; 4]>(), labels in 0_u8..=4, more in "([a-z]{1,9}\\.){0,3}") {
            let address = IpAddr::from(v4);
            let name = Name::parse(&format!("{more}{}", name_of(address))).unwrap();
            let bytes = reverse_tail_bytes(name.view(), labels * 8);
            let wire = name.as_wire();
            let tail = Name::from_wire(&wire[wire.len() - bytes..]).unwrap();
            let found = ReverseName::read(tail.view()).unwrap();
            prop_assert_eq!(found.network(), IpNet::new(address, labels * 8).unwrap().trunc());
            prop_assert!(!found.has_more());
        }
    }
}
