//! Does any message at all bring the server down? `mutate_queries SECONDS [SEED]`
//!
//! Mutated queries, as many as the time allows, are answered the way the server does it: 64 together, and then each by
//! `decide`, over settings, transports and states of the data that change from batch to batch. No coverage steers
//! this, as it does libFuzzer (`make fuzz`): its worth is the number. The course of a run follows from its seed.
//!
//! It ends with 1 and the message in hexadecimal if one of these is broken:
//!
//! - Nothing panics. Built by `make fuzz-loop`, that includes every overflow and every debug assertion.
//! - No answer takes longer than 10 ms, when tried again, too: the first time, another process may have been in the way.
//! - Where both give an answer, [`Many`] and [`decide`] give the same.
//! - One reply in 64 is read to its last byte by another implementation.
//! - Memory does not grow.

#[path = "../src/answer/tests/dice.rs"]
mod dice;
#[path = "../src/answer/tests/mutate.rs"]
mod mutate;
#[path = "../src/answer/tests/seeds.rs"]
mod seeds;
#[path = "../src/answer/tests/strict.rs"]
mod strict;

use std::{
    env, fs,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use dice::Dice;
use mesos_dns_core::{
    answer::{
        Action, Many, Peer, RateLimit, RateLimiter, Secrets, Settings, Standing, State,
        TCP_PAYLOAD_BYTES_MAX, Transport, UDP_PAYLOAD_BYTES_MAX, decide,
    },
    records::{Data, Owner, Record},
    table::Seed,
    wire::Name,
    zone::{Serial, Snapshot, Soa, Zone},
};
use mutate::mutate;
use seeds::seeds;
use strict::strict;

/// Messages that are answered together.
const BATCH: usize = 64;

/// Longest time for one answer. It takes some hundred nanoseconds, and a full TCP answer some microseconds.
const SLOW: Duration = Duration::from_millis(10);

/// How often a slow answer is tried again before it is called slow.
const AGAIN: usize = 5;

/// Most bytes by which memory may grow once everything has been used.
const GROWTH_BYTES_MAX: u64 = 4 << 20;

/// Batches before memory is first looked at.
const WARM_UP: u64 = 2_000;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1).map(|text| text.parse().expect("a number"));
    let seconds: u64 = arguments.next().expect("usage: mutate_queries SECONDS [SEED]");
    let seed = arguments.next().unwrap_or(0x5eed);
    let world = World::new();
    // Seeds of neighbouring numbers, and 0, would give poor dice.
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut sums = Sums::default();
    let (begin, mut resident) = (Instant::now(), 0);
    let mut batches = 0_u64;
    while begin.elapsed() < Duration::from_secs(seconds) {
        let batch = Batch::roll(&world, &mut dice);
        if let Err(what) = batch.run(&world, &mut sums) {
            eprintln!("seed {seed}, batch {batches}: {what}");
            return ExitCode::FAILURE;
        }
        batches += 1;
        if batches == WARM_UP {
            resident = resident_bytes();
        }
    }
    let took = begin.elapsed();
    let grown = resident_bytes().saturating_sub(resident);
    let Sums { messages, together, replies, strict, retried, slowest } = sums;
    println!(
        "seed {seed}: {messages} messages in {:.0} s, {:.0}/s; {together} answered together too, {replies} replies, \
         {strict} of them read by another implementation; slowest {slowest:?}, {retried} tried again; {grown} bytes \
         more resident",
        took.as_secs_f64(),
        messages as f64 / took.as_secs_f64(),
    );
    if batches > WARM_UP && grown > GROWTH_BYTES_MAX {
        eprintln!("memory grew");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What is the same in all batches.
struct World {
    /// Queries in order, to be mutated.
    seeds: Vec<Vec<u8>>,
    /// With everything, with less than there is, and before there is anything.
    zones: [Snapshot; 3],
    settings: [Settings; 5],
    limiter: RateLimiter,
}

#[derive(Default)]
struct Sums {
    messages: u64,
    together: u64,
    replies: u64,
    strict: u64,
    retried: u64,
    slowest: Duration,
}

impl World {
    fn new() -> Self {
        let plain = Settings { sets_truncated: true, idle: Duration::from_secs(10), ..Settings::default() };
        let told = Settings {
            recursion_available: true,
            forwards: true,
            cookies: Some(Secrets::new([4; 16])),
            nsid: b"ns1".to_vec(),
            ..plain.clone()
        };
        let few = vec!["192.0.2.0/25".parse().expect("a network")];
        let rate_limit = Some(RateLimit { per_second: 2, exempt: Vec::new() });
        let settings = [
            Settings { query_allow: few, ..told.clone() },
            Settings { nsid: vec![b'n'; 64], sets_truncated: false, ..told.clone() },
            Settings { rate_limit, ..told.clone() },
            told,
            plain,
        ];
        let zones = [zone(), zone().partial(true), Snapshot::loading(name("mesos."), soa().into())];
        Self { seeds: seeds(), zones, settings, limiter: RateLimiter::new([1; 16]) }
    }
}

/// Messages that arrive together, and who gets them.
struct Batch<'a> {
    messages: Vec<Vec<u8>>,
    zone: &'a Snapshot,
    settings: &'a Settings,
    standing: Standing,
    peer: Peer,
    dice: u64,
}

impl<'a> Batch<'a> {
    fn roll(world: &'a World, dice: &mut Dice) -> Self {
        let messages = (0..BATCH).map(|_| {
            let mut message = world.seeds[dice.roll(world.seeds.len())].clone();
            mutate(&mut message, &world.seeds, dice);
            message
        });
        let messages = messages.collect();
        // What is there most of the time is there most of the time.
        let zone = &world.zones[[0, 0, 0, 0, 0, 0, 1, 2][dice.roll(8)]];
        let transports = [Transport::Udp, Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https];
        let now = Duration::from_millis(1_700_000_000_000 + dice.roll(1 << 30) as u64);
        Self {
            messages,
            zone,
            settings: &world.settings[dice.roll(world.settings.len())],
            standing: Standing {
                state: State::ALL[dice.roll(4)],
                age: Some(dice.roll(99) as u32),
                version: 41,
                now,
            },
            peer: Peer {
                address: IpAddr::from([192, 0, 2, dice.roll(256) as u8]),
                transport: transports[dice.roll(transports.len())],
            },
            dice: dice.roll(usize::MAX) as u64,
        }
    }

    fn run(&self, world: &World, sums: &mut Sums) -> Result<(), String> {
        let mut alone = vec![0; TCP_PAYLOAD_BYTES_MAX];
        let together = catch_unwind(AssertUnwindSafe(|| self.together()));
        let together = together.map_err(|_| format!("panic in a batch of\n{}", self.all()))?;
        let mut clock = Instant::now();
        for (number, message) in self.messages.iter().enumerate() {
            let failed = |what: &str| format!("{what}\n{}\n{:?}", hex(message), self.peer);
            let decided = catch_unwind(AssertUnwindSafe(|| self.decide(world, message, &mut alone)));
            let action = decided.map_err(|_| failed("panic"))?;
            let now = Instant::now();
            let mut took = now - clock;
            clock = now;
            if took > SLOW {
                sums.retried += 1;
                took = (0..AGAIN).map(|_| self.time(world, message, &mut alone)).min().unwrap_or(took);
                clock = Instant::now();
                if took > SLOW {
                    return Err(failed(&format!("took {took:?}")));
                }
            }
            sums.slowest = sums.slowest.max(took);
            sums.messages += 1;
            let reply = if let Action::Send { length, .. } = action { &alone[..length] } else { &[] };
            sums.replies += u64::from(!reply.is_empty());
            if let Some(other) = together.get(number).and_then(Option::as_ref) {
                sums.together += 1;
                if self.settings.rate_limit.is_none() && other != reply {
                    return Err(failed(&format!("two answers\n{}\n{}", hex(other), hex(reply))));
                }
            }
            if number == 0 && !reply.is_empty() {
                sums.strict += 1;
                strict(reply, message, self.limit())
                    .map_err(|what| failed(&format!("{what}: {}", hex(reply))))?;
            }
        }
        Ok(())
    }

    /// The replies to those that can be answered together.
    fn together(&self) -> Vec<Option<Vec<u8>>> {
        if self.peer.transport != Transport::Udp {
            return Vec::new();
        }
        let mut many = Many::new(self.zone, &self.standing, self.settings);
        let tickets: Vec<_> =
            self.messages.iter().map(|message| many.read(message, self.peer.address)).collect();
        many.find();
        let mut out = [0; UDP_PAYLOAD_BYTES_MAX];
        let pairs = tickets.iter().zip(&self.messages);
        let replies =
            pairs.map(|(ticket, message)| match many.write((*ticket)?, message, self.dice, &mut out)? {
                Action::Send { length, .. } => Some(out[..length].to_vec()),
                Action::Drop(_) | Action::Forward => Some(Vec::new()),
            });
        replies.collect()
    }

    fn decide(&self, world: &World, message: &[u8], out: &mut [u8]) -> Action {
        let out = &mut out[..self.limit()];
        let Self { zone, settings, standing, peer, dice, .. } = self;
        let action = decide(message, zone, standing, settings, *peer, *dice, out);
        world.limiter.restrain(action, message, settings, *peer, standing.now, out)
    }

    fn time(&self, world: &World, message: &[u8], out: &mut [u8]) -> Duration {
        let begin = Instant::now();
        self.decide(world, message, out);
        begin.elapsed()
    }

    fn limit(&self) -> usize {
        if self.peer.transport == Transport::Udp { UDP_PAYLOAD_BYTES_MAX } else { TCP_PAYLOAD_BYTES_MAX }
    }

    fn all(&self) -> String {
        self.messages.iter().map(|message| hex(message) + "\n").collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn soa() -> Soa {
    let (mname, rname) = (name("ns1.mesos."), name("root.ns1.mesos."));
    Soa { mname, rname, refresh: 60, retry: 600, expire: 86400, minimum: 5, ttl: 5, weight: 1 }
}

/// The names that the seeds ask for.
fn zone() -> Snapshot {
    let mut zone = Zone::new(name("mesos."), None, Seed(1));
    let mut add = |owner: &str, data: Data| zone.add(&Record::from_parts(Owner::new(owner), data));
    let address = |text: &str| Data::from(text.parse::<IpAddr>().expect("an address"));
    for text in ["10.0.0.1", "10.0.0.2", "fd00::1"] {
        add("web.marathon.mesos.", address(text));
    }
    for n in 0..60_u8 {
        let target = format!("big-{n}.mesos.");
        add("big.mesos.", address(&format!("10.1.0.{n}")));
        add(&target, address(&format!("10.1.0.{n}")));
        add("_big._tcp.mesos.", Data::service(1000 + u16::from(n), Owner::new(&target)));
    }
    zone.compile();
    zone.snapshot(soa().into(), Serial(77))
}

/// Memory in use.
fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|field| field.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}
