//! EDNS: the compliance tests of ISC (ednscomp, RFC 8906 section 8), and each option that we know.
//!
//! A row is a query, byte for byte, and what the reply must be; the names of the rows are those of ISC's tests where it
//! has one.

use domain::base::opt::{AllOptData, UnknownOptData};

use super::*;

/// A query: its flags, whether it has a question, and the records behind it.
fn message(flags: u16, question: Option<(&str, u16)>, additional: &[&[u8]]) -> Vec<u8> {
    let mut message = match question {
        Some((name, qtype)) => query(name, qtype, None),
        None => vec![0xab, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    };
    message[2..4].copy_from_slice(&flags.to_be_bytes());
    message[11] = additional.len() as u8;
    message.extend(additional.concat());
    message
}

/// An OPT record.
fn opt(size: u16, version: u8, flags: u16, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (code, value) in options {
        data.extend(code.to_be_bytes());
        data.extend((value.len() as u16).to_be_bytes());
        data.extend(*value);
    }
    let mut record = vec![0, 0, 41];
    record.extend(size.to_be_bytes());
    record.extend([0, version]);
    record.extend(flags.to_be_bytes());
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

/// A reply in one line: code, flags of the header, records per section without OPT, OPT with its options.
fn seen(message: &[u8], transport: Transport, settings: &Settings) -> String {
    let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport };
    let action = decide(message, &zone(), &LIVE, settings, peer, 5, &mut out);
    let Action::Send { length, .. } = action else { return format!("{action:?}") };
    let reply = Message::from_octets(&out[..length]).unwrap();
    assert_eq!((reply.header().id(), reply.header().qr()), (0xabcd, true));
    assert!(!reply.header().z() && !reply.header().ad(), "reserved bits are clear, and we verify nothing");
    let header = reply.header();
    let mut line = reply.opt_rcode().to_string();
    for (name, is_set) in [
        ("aa", header.aa()),
        ("tc", header.tc()),
        ("rd", header.rd()),
        ("ra", header.ra()),
        ("cd", header.cd()),
    ] {
        if is_set {
            line.push(' ');
            line.push_str(name);
        }
    }
    let counts = reply.header_counts();
    let opt = reply.opt();
    let others = counts.arcount() - u16::from(opt.is_some());
    line.push_str(&format!(" {}/{}/{}/{others}", counts.qdcount(), counts.ancount(), counts.nscount()));
    if let Some(opt) = opt {
        let dnssec_ok = if opt.dnssec_ok() { " do" } else { "" };
        line.push_str(&format!(" opt{} {}{dnssec_ok}", opt.version(), opt.udp_payload_size()));
        for option in opt.opt().iter::<AllOptData<_, _>>() {
            line.push_str(match option.unwrap() {
                AllOptData::Cookie(_) => " cookie",
                AllOptData::Nsid(_) => " nsid",
                AllOptData::TcpKeepalive(_) => " keepalive",
                AllOptData::Padding(_) => " padding",
                AllOptData::ExtendedError(_) => " ede",
                other => panic!("{other:?}"),
            });
        }
    }
    line
}

/// The groups EDNS, FULL, COMMON and TYPE, as they are sent: without RD, for the SOA of the zone unless told
/// otherwise.
#[test]
fn isc_compliance_tests() {
    let soa = Some(("mesos", rtype::SOA));
    let plain: &[(u16, &[u8])] = &[];
    let cookie: &[u8] = b"\x01\x02\x03\x04\x05\x06\x07\x08";
    let list: &[(u16, &[u8])] = &[(3, b""), (8, b"\0\x01\0\0"), (9, b""), (10, cookie)];
    let bind: &[(u16, &[u8])] = &[(10, cookie)];
    let udp = Transport::Udp;
    let ra_off = Settings { recursion_available: false, ..SETTINGS };
    for (test, message, transport, expected) in [
        ("dns", message(0, soa, &[]), udp, "NOERROR aa 1/1/0/0"),
        ("tcp", message(0, soa, &[]), Transport::Tcp, "NOERROR aa 1/1/0/0"),
        ("rd", message(0x0100, soa, &[]), udp, "NOERROR aa rd 1/1/0/0"),
        ("ad", message(0x0020, soa, &[]), udp, "NOERROR aa 1/1/0/0"),
        ("cd", message(0x0010, soa, &[]), udp, "NOERROR aa 1/1/0/0"),
        ("zflag", message(0x0040, soa, &[]), udp, "NOERROR aa 1/1/0/0"),
        ("edns", message(0, soa, &[&opt(4096, 0, 0, plain)]), udp, "NOERROR aa 1/1/0/0 opt0 1232"),
        ("edns@512", message(0, soa, &[&opt(512, 0, 0, plain)]), udp, "NOERROR aa 1/1/0/0 opt0 1232"),
        (
            "ednstcp",
            message(0, soa, &[&opt(512, 0, 0, plain)]),
            Transport::Tcp,
            "NOERROR aa 1/1/0/0 opt0 1232",
        ),
        ("do", message(0, soa, &[&opt(4096, 0, 0x8000, plain)]), udp, "NOERROR aa 1/1/0/0 opt0 1232 do"),
        ("ednsflags", message(0, soa, &[&opt(4096, 0, 0x0080, plain)]), udp, "NOERROR aa 1/1/0/0 opt0 1232"),
        (
            "all flags",
            message(0, soa, &[&opt(4096, 0, 0xffff, plain)]),
            udp,
            "NOERROR aa 1/1/0/0 opt0 1232 do",
        ),
        ("ednsopt", message(0, soa, &[&opt(4096, 0, 0, &[(100, b"")])]), udp, "NOERROR aa 1/1/0/0 opt0 1232"),
        ("optlist", message(0, soa, &[&opt(4096, 0, 0, list)]), udp, "NOERROR aa 1/1/0/0 opt0 1232 cookie"),
        ("edns1", message(0, soa, &[&opt(4096, 1, 0, plain)]), udp, "BADVERS 1/0/0/0 opt0 1232"),
        ("edns1opt", message(0, soa, &[&opt(4096, 1, 0, &[(100, b"")])]), udp, "BADVERS 1/0/0/0 opt0 1232"),
        ("edns1flags", message(0, soa, &[&opt(4096, 1, 0x0080, plain)]), udp, "BADVERS 1/0/0/0 opt0 1232"),
        ("edns1do", message(0, soa, &[&opt(4096, 1, 0x8000, plain)]), udp, "BADVERS 1/0/0/0 opt0 1232 do"),
        ("edns100", message(0, soa, &[&opt(4096, 100, 0, plain)]), udp, "BADVERS 1/0/0/0 opt0 1232"),
        ("edns255", message(0, soa, &[&opt(4096, 255, 0, plain)]), udp, "BADVERS 1/0/0/0 opt0 1232"),
        (
            "bind11",
            message(0x0020, soa, &[&opt(4096, 0, 0x8000, bind)]),
            udp,
            "NOERROR aa 1/1/0/0 opt0 1232 do cookie",
        ),
        (
            "docookie, size 0",
            message(0, soa, &[&opt(0, 0, 0, bind)]),
            udp,
            "NOERROR aa 1/1/0/0 opt0 1232 cookie",
        ),
        ("opcode", message(0x7800, None, &[]), udp, "NOTIMP 0/0/0/0"),
        ("opcodeflg", message(0x7ff0, None, &[]), udp, "NOTIMP 0/0/0/0"),
        ("opcode with OPT", message(0x7800, soa, &[&opt(4096, 0, 0, plain)]), udp, "NOTIMP 0/0/0/0"),
        (
            "signed",
            message(0, Some(("mesos", 48)), &[&opt(4096, 0, 0x8000, plain)]),
            udp,
            "NOERROR aa 1/0/1/0 opt0 1232 do",
        ),
        (
            "type666",
            message(0, Some(("mesos", 666)), &[&opt(4096, 0, 0, plain)]),
            udp,
            "NOERROR aa 1/0/1/0 opt0 1232",
        ),
    ] {
        assert_eq!(seen(&message, transport, &ra_off), expected, "{test}");
    }
    // TYPE: every type that has been given out, and the borders: data, or none, never another code.
    for qtype in (1..=65).chain(99..=109).chain(249..=261).chain([32768, 32769, 65280, 65534, 65535]) {
        let expected = match qtype {
            rtype::NS => "NOERROR aa 1/1/0/1",
            rtype::SOA | rtype::ANY => "NOERROR aa 1/1/0/0",
            rtype::OPT => "FORMERR 1/0/0/0",
            rtype::AXFR | rtype::IXFR => "REFUSED 1/0/0/0",
            _ => "NOERROR aa 1/0/1/0",
        };
        assert_eq!(seen(&message(0, Some(("mesos", qtype)), &[]), udp, &ra_off), expected, "TYPE{qtype}");
        let absent = match qtype {
            rtype::OPT | rtype::AXFR | rtype::IXFR => expected,
            _ => "NXDOMAIN aa 1/0/1/0",
        };
        assert_eq!(seen(&message(0, Some(("no.mesos", qtype)), &[]), udp, &ra_off), absent, "TYPE{qtype}");
    }
}

#[test]
fn a_malformed_opt_is_a_format_error() {
    let soa = Some(("mesos", rtype::SOA));
    let good = opt(1232, 0, 0, &[(3, b"")]);
    let formerr = "FORMERR 0/0/0/0";
    let check = |what: &str, message: Vec<u8>| {
        for transport in [Transport::Udp, Transport::Tcp] {
            assert_eq!(seen(&message, transport, &SETTINGS), formerr, "{what}");
        }
    };
    check("two", message(0, soa, &[&good, &good]));
    check("two versions", message(0, soa, &[&good, &opt(1232, 1, 0, &[])]));
    check("owner is a name", message(0, soa, &[&[&b"\x01a"[..], &good].concat()]));
    check("owner is a pointer", message(0, soa, &[&[&b"\xc0\x0c"[..], &good[1..]].concat()]));
    for cut in 1..good.len() {
        check("cut", message(0, soa, &[&good[..cut]]));
    }
    let mut short = good.clone();
    short[10] -= 1;
    check("shorter than its option", message(0, soa, &[&short]));
    let mut long = good.clone();
    long[10] += 1;
    check("longer than the message", message(0, soa, &[&long]));
    let mut option = opt(1232, 0, 0, &[(65001, b"abc")]);
    let end = option.len();
    option[end - 4] = 4;
    check("option longer than the record", message(0, soa, &[&option]));
    for section in [7, 9] {
        let mut elsewhere = message(0, soa, &[&good]);
        elsewhere.swap(section, 11);
        check("in another section", elsewhere);
    }
    for length in (0..8).chain(9..16).chain([41, 100]) {
        check("cookie", message(0, soa, &[&opt(1232, 0, 0, &[(10, &vec![1; length])])]));
    }
}

/// The data of one option of a reply; `None` if it is not there.
fn option(message: &[u8], transport: Transport, settings: &Settings, code: u16) -> Option<Vec<u8>> {
    let mut out = vec![0; TCP_PAYLOAD_BYTES_MAX];
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport };
    let Action::Send { length, .. } = decide(message, &zone(), &LIVE, settings, peer, 5, &mut out) else {
        panic!("no reply");
    };
    let reply = Message::from_octets(&out[..length]).unwrap();
    let opt = reply.opt()?;
    let mut found = opt.opt().iter::<UnknownOptData<_>>().map(Result::unwrap);
    found.find(|option| option.code().to_int() == code).map(|option| option.as_slice().to_vec())
}

#[test]
fn cookies_are_given_out_and_known_again() {
    let ask = |cookie: &[u8]| {
        let message = message(0x0100, Some(("web.marathon.mesos", 1)), &[&opt(1232, 0, 0, &[(10, cookie)])]);
        assert!(seen(&message, Transport::Udp, &SETTINGS).starts_with("NOERROR aa rd ra 1/2/0/0 "));
        option(&message, Transport::Udp, &SETTINGS, 10).unwrap()
    };
    let told = ask(b"cookies!");
    // RFC 9018 section 4: version 1, three reserved octets, the time, a hash.
    assert_eq!((told.len(), &told[..12]), (24, &b"cookies!\x01\0\0\0"[..]));
    assert_eq!(told[12..16], 1_700_000_000_u32.to_be_bytes());
    assert_eq!(ask(&told), told, "a good one stays");
    let mut wrong = told.clone();
    wrong[20] ^= 1;
    assert_eq!(ask(&wrong), told, "a wrong one is answered, with a good one");
    assert_eq!(ask(&[&told[..8], &[9; 32]].concat()), told, "so is one of another form");
    // Every kind of reply brings one.
    for (name, qtype) in [("nope.mesos", 1), ("mesos", 1), ("mesos", 252), ("big.mesos", 1)] {
        let message = message(0x0100, Some((name, qtype)), &[&opt(512, 0, 0, &[(10, b"cookies!")])]);
        assert_eq!(option(&message, Transport::Udp, &SETTINGS, 10), Some(told.clone()), "{name} {qtype}");
    }
    let off = Settings { cookies: None, ..SETTINGS };
    let message = message(0x0100, Some(("mesos", 6)), &[&opt(1232, 0, 0, &[(10, b"cookies!")])]);
    assert_eq!(option(&message, Transport::Udp, &off, 10), None);
}

#[test]
fn only_a_cookie() {
    let ask = |cookie: &[u8]| {
        let message = message(0, None, &[&opt(1232, 0, 0, &[(10, cookie)])]);
        (seen(&message, Transport::Udp, &SETTINGS), option(&message, Transport::Udp, &SETTINGS, 10).unwrap())
    };
    let (line, told) = ask(b"cookies!");
    assert_eq!(line, "NOERROR 0/0/0/0 opt0 1232 cookie");
    assert_eq!(ask(&told).0, "NOERROR 0/0/0/0 opt0 1232 cookie");
    assert_eq!(ask(&[&told[..8], &[9; 16]].concat()).0, "BADCOOKIE 0/0/0/0 opt0 1232 cookie");
    // Without a cookie there is nothing to say.
    let bare = message(0, None, &[&opt(1232, 0, 0, &[])]);
    assert_eq!(seen(&bare, Transport::Udp, &SETTINGS), "FORMERR 0/0/0/0");
}

#[test]
fn nsid_keepalive_and_padding_where_they_belong() {
    let settings = Settings { nsid: b"ns1.example".to_vec(), ..SETTINGS };
    let all: &[(u16, &[u8])] = &[(3, b""), (11, b""), (12, b"\0\0\0")];
    let asking = message(0, Some(("mesos", 6)), &[&opt(1232, 0, 0, all)]);
    let silent = message(0, Some(("mesos", 6)), &[&opt(1232, 0, 0, &[])]);
    let without = message(0, Some(("mesos", 6)), &[]);
    for (transport, options) in [
        (Transport::Udp, " nsid"),
        (Transport::Tcp, " nsid keepalive"),
        (Transport::Tls, " nsid keepalive padding"),
        (Transport::Https, " nsid padding"),
    ] {
        let expected = format!("NOERROR aa ra 1/1/0/0 opt0 1232{options}");
        assert_eq!(seen(&asking, transport, &settings), expected);
        assert_eq!(seen(&silent, transport, &settings), "NOERROR aa ra 1/1/0/0 opt0 1232");
        assert_eq!(seen(&without, transport, &settings), "NOERROR aa ra 1/1/0/0");
    }
    assert_eq!(option(&asking, Transport::Udp, &settings, 3).unwrap(), b"ns1.example");
    assert_eq!(option(&asking, Transport::Udp, &SETTINGS, 3), None, "no name, none told");
    // Ten seconds, in tenths.
    assert_eq!(option(&asking, Transport::Tcp, &settings, 11).unwrap(), [0, 100]);
    // Padded replies have few lengths, and no more than they may have.
    for name in ["mesos", "web.marathon.mesos", "big.mesos", "nope.mesos"] {
        let padded = message(0, Some((name, 1)), &[&opt(1232, 0, 0, all)]);
        let (action, _) = ask(&padded, Transport::Tls, 1);
        let Action::Send { length, .. } = action else { panic!("{action:?}") };
        assert!(length % 468 == 0, "{name}: {length}");
        let mut out = [0; 700];
        let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Tls };
        let action = decide(&padded, &zone(), &LIVE, &SETTINGS, peer, 1, &mut out);
        let Action::Send { length, .. } = action else { panic!("{action:?}") };
        assert!(length == 468 || length == 700, "{name}: {length}");
    }
}

/// With every option at its longest and the longest question, a reply still fits.
#[test]
fn the_longest_reply_fits_512_bytes() {
    let settings = Settings { nsid: vec![b'x'; NSID_BYTES_MAX], ..SETTINGS };
    let label = "x".repeat(63);
    let long = format!("{label}.{label}.{label}.{}.mesos", "x".repeat(55));
    let all: &[(u16, &[u8])] = &[(3, b""), (10, &[7; 40])];
    for name in [long.as_str(), "big.mesos"] {
        let message = message(0, Some((name, 1)), &[&opt(512, 0, 0, all)]);
        let mut out = [0; 1232];
        let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
        let standing = Standing { state: State::Stale, ..LIVE };
        let action = decide(&message, &zone(), &standing, &settings, peer, 1, &mut out);
        let Action::Send { length, .. } = action else { panic!("{action:?}") };
        assert!(length <= 512, "{name}: {length}");
        let reply = Message::from_octets(&out[..length]).unwrap();
        assert_eq!(reply.opt().unwrap().opt().iter::<AllOptData<_, _>>().count(), 3, "{name}");
    }
}

/// A forwarded reply carries what a reply of ours would.
#[test]
fn options_for_the_forwarder() {
    let settings = Settings { nsid: b"ns1".to_vec(), ..SETTINGS };
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Tcp };
    let now = LIVE.now.as_secs() as u32;
    let all: &[(u16, &[u8])] = &[(3, b""), (10, b"cookies!"), (11, b"")];
    let message_with = message(0x0100, Some(("example.org", 1)), &[&opt(1232, 0, 0, all)]);
    let hop = |message: &[u8], peer| Hop::new(&Query::read(message).unwrap(), &settings, peer, now);
    let Hop { options: written, is_padded } = hop(&message_with, peer);
    assert!(!is_padded);
    let ours = message(0x0100, Some(("mesos", 6)), &[&opt(1232, 0, 0, all)]);
    let (mut at, mut codes) = (&written[..], Vec::new());
    while let Some(([c0, c1, l0, l1], rest)) = at.split_first_chunk() {
        let (value, rest) = rest.split_at(usize::from(u16::from_be_bytes([*l0, *l1])));
        let code = u16::from_be_bytes([*c0, *c1]);
        assert_eq!(option(&ours, Transport::Tcp, &settings, code).as_deref(), Some(value), "{code}");
        codes.push(code);
        at = rest;
    }
    assert_eq!(codes, [10, 3, 11]);
    let plain = message(0x0100, Some(("example.org", 1)), &[]);
    assert_eq!(hop(&plain, peer), Hop::default());
    // Only what is encrypted is padded, and only for those who ask.
    let padding = message(0x0100, Some(("example.org", 1)), &[&opt(1232, 0, 0, &[(12, b"")])]);
    for (transport, message, is_padded) in [
        (Transport::Tls, &padding, true),
        (Transport::Https, &padding, true),
        (Transport::Tcp, &padding, false),
        (Transport::Udp, &padding, false),
        (Transport::Tls, &message_with, false),
    ] {
        let hop = hop(message, Peer { transport, ..peer });
        assert_eq!(hop.is_padded, is_padded, "{transport:?}");
    }
}
