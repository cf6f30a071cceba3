//! What the rules make of one query: which of them hold for it, and what they come to together.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{
    fault::{Fault, Forgery, Section},
    made::hash,
    query::Asked,
    scene::{Rule, SceneError},
    store::{self, Record},
};

/// How one query is met.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) silent: bool,
    pub(super) end: End,
    pub(super) delay: Duration,
    /// Beyond the first.
    pub(super) copies: usize,
    pub(super) cut: Option<usize>,
    pub(super) drip: Option<Duration>,
    pub(super) forgeries: Vec<(Forgery, usize)>,
    /// Whether nothing follows the forgeries.
    pub(super) alone: bool,
    pub(super) folded: bool,
    pub(super) truncated: Option<usize>,
    pub(super) oversized: bool,
    /// The code, and whether nothing comes with it.
    pub(super) rcode: Option<(u8, bool)>,
    pub(super) no_edns: bool,
    pub(super) ttl: Option<u32>,
    pub(super) added: Vec<(Section, Record)>,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Stays,
    Closed,
    Reset,
}

/// The rules in force.
#[derive(Debug)]
pub(super) struct Rules {
    seed: u64,
    all: Vec<Ready>,
}

/// A rule, and how many queries it held for so far.
#[derive(Debug)]
struct Ready {
    rule: Rule,
    names: Names,
    /// What [`Fault::Added`] adds.
    records: Vec<Record>,
    held: AtomicU64,
}

/// Which names a rule is about, in wire form and lower case.
#[derive(Debug)]
enum Names {
    All,
    Below(Vec<u8>),
    One(Vec<u8>),
}

impl Rules {
    pub(super) fn new(seed: u64, rules: &[Rule]) -> Result<Self, SceneError> {
        let ready = |rule: &Rule| {
            let names = match rule.name.as_str() {
                "*" => Names::All,
                name => match name.strip_prefix("*.") {
                    Some(zone) => Names::Below(store::wire(zone)?),
                    None => Names::One(store::wire(name)?),
                },
            };
            let records = match &rule.fault {
                Fault::Added { records, .. } => store::parse("", records)?,
                _ => Vec::new(),
            };
            Ok(Ready { rule: rule.clone(), names, records, held: AtomicU64::new(0) })
        };
        Ok(Self { seed, all: rules.iter().map(ready).collect::<Result<_, _>>()? })
    }

    /// How this query is met; `name` is in lower case.
    pub(super) fn plan(&self, asked: &Asked, name: &[u8]) -> Plan {
        let mut plan = Plan::default();
        for (index, ready) in self.all.iter().enumerate() {
            if ready.holds(asked, name) && ready.strikes(self.seed ^ (index as u64) << 32) {
                plan.suffer(ready, self.seed);
            }
        }
        plan
    }
}

impl Ready {
    fn holds(&self, asked: &Asked, name: &[u8]) -> bool {
        let is_named = match &self.names {
            Names::All => true,
            Names::One(one) => one == name,
            Names::Below(zone) => is_below(name, zone),
        };
        is_named
            && self.rule.transport.is_none_or(|transport| transport == asked.transport)
            && self.rule.edns.is_none_or(|edns| edns == asked.edns.is_some())
    }

    /// Whether it is this query's turn.
    fn strikes(&self, seed: u64) -> bool {
        let Rule { after, times, share, .. } = self.rule;
        let number = self.held.fetch_add(1, Ordering::Relaxed);
        let Some(since) = number.checked_sub(after) else { return false };
        times.is_none_or(|times| since < times) && (share >= 1.0 || dice(seed ^ number) < share)
    }
}

impl Plan {
    fn suffer(&mut self, ready: &Ready, seed: u64) {
        match &ready.rule.fault {
            Fault::Silent => self.silent = true,
            Fault::Delayed { by, spread } => {
                let number = ready.held.load(Ordering::Relaxed);
                self.delay += *by + spread.mul_f64(dice(seed.rotate_left(17) ^ number));
            }
            Fault::Doubled { times } => self.copies = times.saturating_sub(1),
            Fault::Closed => self.end = End::Closed,
            Fault::Reset => self.end = End::Reset,
            Fault::Cut { bytes } => self.cut = Some(*bytes),
            Fault::Dripped { every } => self.drip = Some(*every),
            Fault::Forged { how, times, alone } => {
                self.forgeries.push((*how, *times));
                self.alone |= alone;
            }
            Fault::Folded => self.folded = true,
            Fault::Truncated { records } => self.truncated = Some(*records),
            Fault::Oversized => self.oversized = true,
            Fault::Rcode { code, bare } => self.rcode = Some((*code, *bare)),
            Fault::NoEdns => self.no_edns = true,
            Fault::Ttl { is } => self.ttl = Some(*is),
            Fault::Added { section, .. } => {
                self.added.extend(ready.records.iter().map(|record| (*section, record.clone())));
            }
        }
    }
}

/// Whether a name is below another, both in wire form.
fn is_below(mut name: &[u8], zone: &[u8]) -> bool {
    while let Some(length) = name.first().filter(|length| **length > 0) {
        name = name.get(usize::from(*length) + 1..).unwrap_or_default();
        if name == zone {
            return true;
        }
    }
    false
}

/// A number from 0 to 1 that follows from another (splitmix64), so that the n-th query always meets the same.
fn dice(number: u64) -> f64 {
    let mut x = hash(&number.to_be_bytes()).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use domain::base::iana::Rtype;

    use super::{super::query::Transport, *};
    use crate::client::Query;

    fn asked(name: &str) -> Asked {
        let query = Query::new(name, Rtype::A).message(1).unwrap();
        Asked::read(&query, ([127, 0, 0, 1], 4000).into(), Transport::Udp).unwrap()
    }

    fn silenced(rules: &Rules, name: &str) -> bool {
        let asked = asked(name);
        rules.plan(&asked, &asked.folded()).silent
    }

    #[test]
    fn rules_hold_for_their_names() {
        let rules = |name: &str| Rules::new(1, &[Rule::of(name, Fault::Silent)]).unwrap();
        for (name, asked, holds) in [
            ("*", "a.test", true),
            ("*.test", "a.b.TEST", true),
            ("*.test", "test", false),
            ("*.test", "a.atest", false),
            ("A.test", "a.TEST", true),
            ("a.test", "b.a.test", false),
        ] {
            assert_eq!(silenced(&rules(name), asked), holds, "{name} {asked}");
        }
    }

    #[test]
    fn a_rule_waits_strikes_and_stops() {
        let rule = Rule { after: 2, times: Some(3), ..Rule::always(Fault::Silent) };
        let rules = Rules::new(1, &[rule]).unwrap();
        let struck: Vec<bool> = (0..7).map(|_| silenced(&rules, "a.test")).collect();
        assert_eq!(struck, [false, false, true, true, true, false, false]);
    }

    #[test]
    fn a_share_is_a_share_and_the_same_each_time() {
        let run = |seed| {
            let rule = Rule { share: 0.1, ..Rule::always(Fault::Silent) };
            let rules = Rules::new(seed, &[rule]).unwrap();
            (0..10_000).map(|_| silenced(&rules, "a.test")).collect::<Vec<bool>>()
        };
        let struck = run(1);
        let count = struck.iter().filter(|struck| **struck).count();
        assert!((850..1150).contains(&count), "{count}");
        assert_eq!(struck, run(1));
        assert_ne!(struck, run(2));
    }
}
