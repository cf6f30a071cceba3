//! Answers that do not fit.

use super::*;

#[test]
fn truncation_keeps_whole_records() {
    for (name, qtype) in [("big.mesos", rtype::A), ("_big._tcp.mesos", rtype::SRV)] {
        for (edns, limit) in
            [(None, 512), (Some((100, 0)), 512), (Some((900, 0)), 900), (Some((65535, 0)), 1232)]
        {
            let (action, out) = ask(&query(name, qtype, edns), Transport::Udp, 9);
            let reply = Message::from_octets(&out[..]).unwrap();
            let count = reply
                .answer()
                .unwrap()
                .map(|record| record.unwrap().rtype())
                .inspect(|found| assert_eq!(found.to_int(), qtype))
                .count();
            let fits_all = count == 60;
            assert!(out.len() <= limit, "{name} {edns:?}");
            assert_eq!(reply.header().tc(), !fits_all, "{name} {edns:?}");
            assert_eq!(matches!(action, Action::Send { is_truncated: true, .. }), !fits_all);
            assert_eq!(reply.opt().is_some(), edns.is_some());
            let each = if qtype == rtype::A { 16 } else { 33 };
            assert!(
                fits_all || out.len() + each + 17 > limit,
                "{name} {edns:?}: space wasted, {} of {limit}",
                out.len()
            );
        }
        let (_, out) = ask(&query(name, qtype, None), Transport::Tcp, 9);
        let reply = Message::from_octets(&out[..]).unwrap();
        assert_eq!((reply.header().tc(), reply.answer().unwrap().count()), (false, 60));
    }
    // ANY over UDP stays small.
    let (_, out) = ask(&query("big.mesos", rtype::ANY, Some((1232, 0))), Transport::Udp, 1);
    assert!(out.len() <= 512);
}

#[test]
fn truncation_gives_every_record_its_turn() {
    let mut seen = BTreeSet::new();
    let mut firsts = BTreeSet::new();
    for dice in 0..400 {
        let (_, out) = ask(&query("big.mesos", rtype::A, None), Transport::Udp, dice);
        let reply = Message::from_octets(&out[..]).unwrap();
        let addresses: Vec<String> = reply
            .answer()
            .unwrap()
            .limit_to::<domain::rdata::A>()
            .map(|record| record.unwrap().data().to_string())
            .collect();
        firsts.insert(addresses[0].clone());
        seen.extend(addresses);
    }
    assert_eq!((seen.len(), firsts.len()), (60, 60));
}
