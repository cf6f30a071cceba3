//! What stays and what goes when there is too much.

use mesos_dns_core::{
    forward::{
        believe::believe,
        message::{Ede, Rcode},
        reply::Reply,
        resolved::Resolved,
    },
    wire::Name,
};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn key(name: &str) -> Key {
    Key { name: Name::parse(name).unwrap(), qtype: 1, qclass: 1, dnssec_ok: false, checking_disabled: false }
}

/// An answer with so many addresses.
fn answer(key: &Key, addresses: u8, now: Instant) -> Entry {
    let mut message = key.query(7, &key.question(), false);
    message[2] |= 0x80;
    message[7] = addresses;
    for last in 0..addresses {
        message.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\xc0\0\x02");
        message.push(last);
    }
    let reply = Resolved::Reply(Reply::parse(message).unwrap());
    believe(key, &reply, &Name::parse("mesos").unwrap(), now)
}

fn failure(key: &Key, now: Instant) -> Entry {
    let dead = Resolved::Code(Rcode::SERVFAIL, Ede::NoReachableAuthority);
    believe(key, &dead, &Name::parse("mesos").unwrap(), now)
}

struct Subject {
    cache: Cache,
    metrics: Arc<CacheMetrics>,
    now: Instant,
}

impl Subject {
    fn new(bytes: u64) -> Self {
        let metrics = Arc::new(CacheMetrics::default());
        Self { cache: Cache::new(bytes, metrics.clone()), metrics, now: Instant::now() }
    }

    fn put(&self, name: &str) {
        let key = key(name);
        self.cache.store(&key, answer(&key, 1, self.now), DAY, self.cache.era());
    }

    fn has(&self, name: &str) -> bool {
        matches!(self.cache.find(key(name).view(), self.now, DAY), Found::Tell { .. })
    }

    /// As a server would: told from memory, else asked and remembered.
    fn ask(&self, name: &str) -> bool {
        let known = self.has(name);
        if !known {
            self.put(name);
        }
        known
    }
}

fn popular() -> Vec<String> {
    (0..200).map(|n| format!("www{n}.popular.example")).collect()
}

fn random(n: u32) -> String {
    format!("x{:08x}.flood.example", n.wrapping_mul(2_654_435_761))
}

#[test]
fn popular_names_survive_a_flood() {
    let bytes = 1 << 20;
    let (subject, popular) = (Subject::new(bytes), popular());
    for _ in 0..3 {
        popular.iter().for_each(|name| _ = subject.ask(name));
    }
    // A million names. Half of the popular ones are asked for every hundred thousand, the others not at all.
    for n in 0_u32..1_000_000 {
        subject.put(&random(n));
        if n % 1000 == 0 {
            assert!(subject.ask(&popular[(n / 1000 % 100) as usize]), "{n}");
        }
    }
    assert!(popular.iter().all(|name| subject.has(name)));
    let (entries, weight) = subject.cache.size();
    assert!(weight <= bytes && entries as u64 > bytes / 1024, "{entries} {weight}");
    assert!(subject.metrics.evictions.get() > 900_000, "{}", subject.metrics.evictions.get());
    assert_eq!(subject.metrics.entries.get(), entries as i64);
    assert_eq!(subject.metrics.bytes.get(), weight as i64);
}

#[test]
fn names_become_popular_in_a_flood() {
    let (subject, popular) = (Subject::new(1 << 20), popular());
    let mut lost = 0;
    for n in 0_u32..200_000 {
        subject.put(&random(n));
        // Each of them once in a thousand: before it is pushed out and its place in the list of those that were.
        if n > 10_000 && n % 5 == 0 {
            let known = subject.ask(&popular[(n / 5 % 200) as usize]);
            lost += usize::from(!known && n > 20_000);
        }
    }
    assert_eq!(lost, 0, "of 36,000 questions");
}

#[test]
fn bytes_are_what_counts() {
    let subject = Subject::new(4 << 20);
    for n in 0..10_000 {
        let key = key(&format!("n{n}.example"));
        subject.cache.store(&key, answer(&key, 255, subject.now), DAY, subject.cache.era());
    }
    let (entries, weight) = subject.cache.size();
    // 255 addresses are 4 KiB, and where they end another KiB.
    assert!((600..1000).contains(&entries) && weight <= 4 << 20, "{entries} {weight}");
    assert!(subject.cache.resize(1 << 20));
    let (fewer, weight) = subject.cache.size();
    assert!((150..250).contains(&fewer) && weight <= 1 << 20, "{fewer} {weight}");
    assert!(!subject.cache.resize(0), "to switch it off takes another one");
}

#[test]
fn the_weight_is_the_memory() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    let before = resident();
    let bytes = 16 << 20;
    let subject = Subject::new(bytes);
    for n in 0_u32..150_000 {
        subject.put(&random(n));
    }
    let taken = resident() - before;
    assert!(subject.cache.size().1 > bytes * 9 / 10);
    assert!(taken < bytes * 5 / 4, "{taken} bytes for {bytes}");
}

#[test]
fn questions_are_kept_apart() {
    let subject = Subject::new(1 << 20);
    let plain = key("www.example.com");
    let others = [
        Key { qtype: 28, ..plain.clone() },
        Key { qclass: 3, ..plain.clone() },
        Key { dnssec_ok: true, ..plain.clone() },
        Key { checking_disabled: true, ..plain.clone() },
    ];
    subject.put("WWW.Example.com");
    assert!(subject.has("www.example.com"));
    for other in &others {
        assert!(matches!(subject.cache.find(other.view(), subject.now, DAY), Found::Ask(None)), "{other:?}");
        let failed = subject.cache.store(other, failure(other, subject.now), DAY, subject.cache.era());
        assert!(failed.is_failure());
    }
    assert!(subject.has("www.example.com"));
    assert_eq!(subject.cache.size().0, 5);
    assert_eq!(subject.metrics.misses.get(), 4);
}

#[test]
fn what_is_not_kept_takes_the_place_of_what_was() {
    let subject = Subject::new(1 << 20);
    subject.put("www.example.com");
    let key = key("www.example.com");
    let nothing = answer(&key, 0, subject.now);
    assert!(nothing.lifetime().is_zero(), "nothing there, and no SOA");
    subject.cache.store(&key, nothing, DAY, subject.cache.era());
    assert!(!subject.has("www.example.com"));
    assert_eq!((subject.cache.size().0, subject.metrics.evictions.get()), (0, 0));
    // Again and again in its own place: nothing is let go.
    (0..10).for_each(|_| subject.put("www.example.com"));
    assert_eq!((subject.cache.size().0, subject.metrics.evictions.get()), (1, 0));
}

#[test]
fn flushed_by_name_and_by_suffix() {
    let subject = Subject::new(1 << 20);
    let names = ["example.com", "a.example.com", "b.a.example.com", "xexample.com", "example.org"];
    names.iter().for_each(|name| subject.put(name));
    let name = |text| Name::parse(text).unwrap();
    assert_eq!(subject.cache.flush(&Selection::Name(name("nobody.example.com"))), 0);
    assert_eq!(subject.cache.flush(&Selection::Name(name("A.Example.com"))), 1);
    assert_eq!(subject.cache.flush(&Selection::Below(name("example.com"))), 2);
    assert!(subject.has("xexample.com") && subject.has("example.org") && !subject.has("example.com"));
    assert_eq!(subject.cache.flush(&Selection::All), 2);
    assert_eq!((subject.cache.size(), subject.metrics.flushed.get()), ((0, 0), 5));
}

#[test]
fn without_a_cache() {
    let subject = Subject::new(0);
    subject.put("www.example.com");
    assert!(!subject.has("www.example.com"));
    assert!(subject.cache.resize(0) && !subject.cache.resize(1 << 20));
    assert_eq!((subject.cache.size(), subject.cache.flush(&Selection::All)), ((0, 0), 0));
}
