//! Readers under a busy writer: no version goes back, and none is half of two.
//!
//! Real threads, as the atomic pointer is a library's and no model checker sees into it. What could go wrong with our
//! use of it (a pointer read twice for one answer, a version told before it is there) shows here within some thousand
//! swaps (docs/decisions/0018).

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicBool, Ordering},
};

use mesos_dns_core::{
    records::{Owner, Record},
    table::Seed,
    zone::{Serial, Zone},
};

use super::*;
use crate::{
    dns::StandingCell,
    test_support::{policy, soa},
};

/// Versions that are shown, one after the other. With fewer, a version told too early is not always seen.
const VERSIONS: u64 = 20_000;

/// Readers at the same time.
const READERS: usize = 3;

/// A version that tells its number in three places: itself, its serial, and its only address.
fn published(version: u64, policy: &Arc<Policy>, soa: &Arc<Soa>) -> Published {
    let number = u32::try_from(version).unwrap();
    let mut zone = Zone::new(policy.apex.clone(), None, Seed(1));
    zone.add(&Record::new(&Owner::new("web.mesos."), IpAddr::from(Ipv4Addr::from_bits(number))));
    zone.compile();
    Published {
        zone: Arc::new(zone.snapshot(soa.clone(), Serial(number))),
        cluster: Cluster::default(),
        policy: policy.clone(),
        held: None,
        restored: None,
        reign: Arc::default(),
        skipped: Default::default(),
        version,
        posting: 0,
    }
}

/// Reads as a worker does, one pointer for a whole answer; tells how many versions it saw.
fn read(board: &Board, is_over: &AtomicBool) -> u64 {
    let (standing, told) = (StandingCell::default(), board.subscribe());
    let (mut seen, mut versions) = (0, 0);
    loop {
        let was_over = is_over.load(Ordering::Acquire);
        let announced = *told.borrow();
        let current = board.current().load();
        assert!(current.version >= announced, "{announced} was told, {} is there", current.version);
        assert!(current.version >= seen, "{} after {seen}", current.version);
        assert_eq!(standing.load(&current).version, current.version);
        if current.version > 0 {
            assert_eq!(u64::from(current.zone.serial()), current.version);
            let node = current.zone.find(b"\x03web\x05mesos\0").unwrap();
            assert_eq!(u64::from(node.a()[0].address.to_bits()), current.version);
        }
        versions += u64::from(current.version > seen);
        seen = current.version;
        if was_over {
            assert_eq!(seen, VERSIONS, "the last version is seen by whoever comes after it");
            return versions;
        }
    }
}

#[test]
fn no_reader_sees_a_version_go_back_or_half_of_two() {
    let (policy, soa) = (policy(), soa());
    let (board, is_over) = (Board::new(policy.clone(), soa.clone()), AtomicBool::new(false));
    let seen = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read(&board, &is_over))).collect();
        for version in 1..=VERSIONS {
            let before = board.post(published(version, &policy, &soa));
            assert_eq!(before.version, version - 1);
        }
        is_over.store(true, Ordering::Release);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
    });
    assert!(seen > 0, "no reader ran beside the writer");
}
