//! Laws: what another implementation wrote is read as it was meant, and what does not fit is cut between records.

use std::sync::LazyLock;

use domain::base::{MessageBuilder, Name, Rtype, opt::UnknownOptData};
use proptest::{collection::vec, prelude::*};

use super::{strict::strict, *};
use crate::wire::Query;

/// A message with one question and an OPT record, written by the `domain` crate.
fn written(
    labels: &[Vec<u8>],
    qtype: u16,
    (size, dnssec_ok): (u16, bool),
    options: &[(u16, Vec<u8>)],
) -> Option<Vec<u8>> {
    let mut wire: Vec<u8> =
        labels.iter().flat_map(|label| [&[label.len() as u8][..], label].concat()).collect();
    wire.push(0);
    let name = Name::from_octets(wire).ok()?;
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_id(0x4711);
    let mut message = message.question();
    message.push((name, Rtype::from_int(qtype))).ok()?;
    let mut message = message.additional();
    let pushed = message.opt(|opt| {
        opt.set_udp_payload_size(size);
        opt.set_dnssec_ok(dnssec_ok);
        for (code, data) in options {
            opt.push(&UnknownOptData::new((*code).into(), data).unwrap())?;
        }
        Ok(())
    });
    pushed.ok()?;
    Some(message.finish())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_query_is_read_as_it_was_written(
        labels in vec(vec(any::<u8>(), 1..=63), 0..5),
        qtype: u16,
        size: u16,
        dnssec_ok: bool,
        options in vec((0_u16..20, vec(any::<u8>(), 0..45)), 0..6),
    ) {
        let Some(message) = written(&labels, qtype, (size, dnssec_ok), &options) else { return Ok(()) };
        let first = options.iter().find(|(code, _)| *code == 10).map(|(_, data)| data);
        let is_good = first.is_none_or(|data| matches!(data.len(), 8 | 16..=40));
        let Ok(query) = Query::read(&message) else {
            prop_assert!(!is_good);
            return Ok(());
        };
        prop_assert!(is_good);
        let folded: Vec<u8> = labels.concat().to_ascii_lowercase();
        let read = Name::from_octets(query.name.as_wire()).unwrap();
        let read: Vec<u8> = read.iter().flat_map(|label| label.as_slice().to_vec()).collect();
        prop_assert_eq!((query.id, query.qtype, query.class, read), (0x4711, qtype, 1, folded));
        let edns = query.edns.unwrap();
        prop_assert_eq!((edns.udp_payload_bytes, edns.dnssec_ok, edns.version), (size, dnssec_ok, 0));
        let has = |code| options.iter().any(|(other, _)| *other == code);
        prop_assert_eq!(
            (edns.wants_nsid, edns.wants_keepalive, edns.wants_padding),
            (has(3), has(11), has(12))
        );
        let cookie = edns.cookie.map(|cookie| [&cookie.client[..], cookie.server].concat());
        prop_assert_eq!(cookie.as_ref(), first);
    }

    /// Whatever is in OPT and whatever the size: within the limit, strict, whole records; all of them, or TC and as
    /// many as fit.
    #[test]
    fn what_does_not_fit_is_cut_between_records(
        name in prop::sample::select(vec!["big.mesos", "_big._tcp.mesos", "web.marathon.mesos"]),
        size: u16,
        nsid in vec(any::<u8>(), 0..=NSID_BYTES_MAX),
        cookie in prop::option::of(prop_oneof![vec(any::<u8>(), 8), vec(any::<u8>(), 16..=40)]),
        state in 0_usize..4,
        dice: u64,
    ) {
        let labels: Vec<Vec<u8>> = name.split('.').map(|label| label.into()).collect();
        let qtype = if name.starts_with('_') { rtype::SRV } else { rtype::A };
        let mut options = vec![(3, Vec::new())];
        options.extend(cookie.map(|data| (10, data)));
        let message = written(&labels, qtype, (size, false), &options).unwrap();
        let settings = Settings { nsid, ..SETTINGS };
        let standing = Standing { state: State::ALL[state], ..LIVE };
        let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
        static ZONE: LazyLock<Snapshot> = LazyLock::new(zone);
        let count = |limit: usize, transport| {
            let mut out = vec![0; limit];
            let peer = Peer { transport, ..peer };
            let Action::Send { length, is_truncated, .. } =
                decide(&message, &ZONE, &standing, &settings, peer, dice, &mut out)
            else {
                panic!("no reply");
            };
            strict(&out[..length], &message, limit).unwrap();
            let answers = u16::from_be_bytes([out[6], out[7]]);
            (answers, is_truncated, out[2] & 2 != 0, length)
        };
        let (all, ..) = count(TCP_PAYLOAD_BYTES_MAX, Transport::Tcp);
        let limit = usize::from(size).clamp(512, 1232);
        let (some, is_truncated, tc, length) = count(1232, Transport::Udp);
        prop_assert!(length <= limit);
        prop_assert_eq!((is_truncated, tc), (some < all, some < all));
        // The longest record of these sets has 33 bytes, and what an extended error takes is set aside.
        prop_assert!(some == all || length + 33 + 6 > limit, "{} of {}", length, limit);
    }
}
