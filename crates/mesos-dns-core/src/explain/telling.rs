//! The records of a name, each with whose it is and why, and what would stand there but for a rule.

use std::net::IpAddr;

use super::{
    CONTRIBUTORS_MAX, DROPPED_MAX, Known, Question, RECORDS_MAX,
    ask::{Answered, Reply},
    listen::{Found, Wanted},
    step::{not_taken, of_found},
    subject::{self, Strangers, gather, is_wish},
    told::{Contributor, Dropped, Explanation, Since, Step, Told},
    type_text,
};
use crate::{
    records::{Data, Fitness, Preference, Record, Rule as Written},
    wire::{Name, ReverseName, rtype},
    zone::{self, Delta, Rdata, Share, Snapshot},
};

/// What is needed to tell the records of a name.
pub(super) struct Telling<'a> {
    pub(super) question: &'a Question,
    pub(super) known: &'a Known<'a>,
    pub(super) answered: &'a Answered,
    pub(super) name: &'a Name,
}

impl Telling<'_> {
    /// Tells them, and what would stand there but for a rule.
    pub(super) fn tell(&self, is_reverse: bool, explanation: &mut Explanation) {
        let strangers = Strangers::of(self.known);
        let address = ReverseName::read(self.question.name.view()).and_then(ReverseName::address);
        let wanted = match address.filter(|_| is_reverse) {
            Some(address) => Wanted::Address(address),
            None => Wanted::Name(self.name, self.qtype()),
        };
        let (found, beyond) = gather(self.known, &strangers, wanted);
        let mut records = match wanted {
            Wanted::Address(address) => self.of_address(address, &found),
            Wanted::Name(..) => self.of_name(&found),
        };
        self.add_others(&mut records);
        records.sort_by_key(|told| told.position.unwrap_or(usize::MAX));
        let mut dropped: Vec<Dropped> =
            found.iter().filter_map(|found| self.dropped(found, wanted)).collect();
        dropped.extend(self.not_needed());
        explanation.records_total = records.len();
        explanation.dropped_total = dropped.len().saturating_add(beyond);
        records.truncate(RECORDS_MAX);
        dropped.truncate(DROPPED_MAX);
        (explanation.records, explanation.dropped) = (records, dropped);
    }

    /// The type of the records that are told: of ANY, that of the set that was chosen.
    fn qtype(&self) -> u16 {
        let told = self.answered.reply.iter().flat_map(|reply| &reply.answers);
        match self.question.rtype {
            rtype::ANY => {
                told.map(|(rtype, ..)| *rtype).find(|rtype| *rtype != rtype::CNAME).unwrap_or(rtype::ANY)
            }
            rtype => rtype,
        }
    }

    fn of_name(&self, found: &[Found<'_>]) -> Vec<Told> {
        let Some(node) = self.known.zone.find(self.name.as_wire()) else { return Vec::new() };
        let ttl = node.ttl().unwrap_or(self.known.zone.soa().ttl);
        let records = node.records_of(self.qtype());
        records.iter().map(|rdata| self.told(rdata, ttl, found)).collect()
    }

    /// A record of a name.
    fn told(&self, rdata: &Rdata, ttl: u32, found: &[Found<'_>]) -> Told {
        let zone = self.known.zone;
        let text = rdata.to_text(zone.soa().weight);
        let (rtype, data) = text.split_once(' ').unwrap_or((&text, ""));
        let is_it = |record: &Record| Rdata::of(&record.data).as_ref() == Some(rdata);
        let theirs =
            |found: &&Found<'_>| found.record.as_ref().is_some_and(is_it) && self.is_contributed(found);
        let contributors: Vec<&Found<'_>> = found.iter().filter(theirs).collect();
        let mut told = Told {
            name: self.name.to_string(),
            rtype: rtype.to_owned(),
            data: data.to_owned(),
            ttl,
            position: self.position(rdata.rtype(), &wire(rdata, zone)),
            why: self.weighed(rdata.rtype()).into_iter().filter(|step| step.rule != ENOUGH).collect(),
            since: self.since(rdata),
            contributors_total: contributors.len(),
            contributors: Vec::new(),
        };
        told.why.push(self.ttl_step(ttl, found));
        if told.position.is_none() && self.answered.reply.as_ref().is_some_and(|reply| reply.is_truncated) {
            told.why.push(
                Step::new("truncated", "there is no room for it in a datagram").set_by("setTruncateBit"),
            );
        }
        let listed = contributors.into_iter().take(CONTRIBUTORS_MAX);
        told.contributors = listed.map(|found| self.contributor(found)).collect();
        if told.contributors.is_empty() && self.is_fixed() {
            told.contributors.push(Contributor { kind: "static".to_owned(), ..Contributor::default() });
            told.contributors_total = 1;
        }
        told
    }

    fn contributor(&self, found: &Found<'_>) -> Contributor {
        let (why, _) = of_found(found, self.known.policy);
        let not_taken = not_taken(found, self.known.policy);
        Contributor { why, not_taken, ..found.subject.contributor() }
    }

    /// Whether the zone counts it: no rule left it out.
    fn is_contributed(&self, found: &Found<'_>) -> bool {
        of_found(found, self.known.policy).1.is_empty()
            && found.record.as_ref().is_some_and(|record| self.known.zone.admits(record))
    }

    /// What the operator wrote down for the name.
    fn is_fixed(&self) -> bool {
        self.known.policy.extra.fixed.owners.contains_key(self.name)
    }

    /// What the zone decided about the records of this type.
    fn weighed(&self, rtype: u16) -> Vec<Step> {
        let Some(weighed) = self.known.zone.weighed(self.name, rtype) else { return Vec::new() };
        if let Some(fixed) = self.known.policy.extra.fixed.owners.get(self.name) {
            return match fixed.rule {
                Written::Override => vec![overridden()],
                Written::Fill if weighed.is_filled => {
                    vec![static_step(
                        "static-fill",
                        "the operator wrote down what stands there while the cluster has nothing",
                    )]
                }
                Written::Fill => Vec::new(),
            };
        }
        let value = || {
            let fit = weighed.all.saturating_sub(weighed.unfit);
            format!("{fit} of {} are healthy, {} % are enough", weighed.all, weighed.healthy_minimum)
        };
        let step = |rule, says| vec![Step::new(rule, says).by(value()).set_by("healthyMinimumPercent")];
        match weighed.share {
            Share::All => Vec::new(),
            Share::Enough => step(ENOUGH, "enough are healthy: what only unhealthy ones have is left out"),
            Share::TooFew => step("too-few-healthy", "too few are healthy: all are answered"),
            Share::None => step("none-healthy", "nobody is healthy: all are answered"),
        }
    }

    fn ttl_step(&self, ttl: u32, found: &[Found<'_>]) -> Step {
        let node = self.known.zone.find(self.name.as_wire());
        if node.and_then(zone::Node::ttl).is_none() {
            return Step::new("ttl", "the TTL of all records").by(ttl).set_by("ttl");
        }
        let asks =
            |found: &&Found<'_>| found.record.as_ref().is_some_and(|record| record.data == Data::Ttl(ttl));
        let asking = found.iter().filter(asks).find(|found| self.is_contributed(found));
        match asking.map(|found| found.subject) {
            Some(subject::Subject::Task { task, .. }) => {
                Step::new("ttl-label", "the shortest TTL that labels of tasks ask for here")
                    .by(format!("dns.ttl {ttl} of {}", task.id))
            }
            _ => static_step("ttl-static", "the shortest TTL that the operator wrote down here").by(ttl),
        }
    }

    /// The place of a record in the answer, from 1. Aliases are not counted.
    fn position(&self, rtype: u16, data: &[u8]) -> Option<usize> {
        let reply = self.answered.reply.as_ref()?;
        let own = reply.answers.iter().skip(self.answered.path.len());
        let at = own.into_iter().position(|(other, _, told)| (*other, &**told) == (rtype, data))?;
        at.checked_add(1)
    }

    fn since(&self, rdata: &Rdata) -> Option<Since> {
        let came = |step: &&zone::Step| match &*step.delta {
            Delta::Everything => false,
            Delta::Records(moves) => {
                moves.iter().any(|change| change.came && change.owner == *self.name && change.rdata == *rdata)
            }
        };
        let (known, steps) = (self.known, self.known.steps);
        match steps.iter().rev().find(came) {
            Some(step) => {
                let serial = step.mark.serial.map(|serial| serial.0);
                Some(Since { version: step.mark.version, serial, is_exact: true, by: Vec::new() })
            }
            None if known.standing.version == 0 => None,
            None => Some(Since { version: known.oldest, ..Since::default() }),
        }
    }

    /// Whose an address is.
    fn of_address(&self, address: IpAddr, found: &[Found<'_>]) -> Vec<Told> {
        let zone = self.known.zone;
        let Some(name) = zone.name_of(address) else { return Vec::new() };
        let wins = |found: &&Found<'_>| self.claims(found, address);
        let contributors: Vec<&Found<'_>> = found.iter().filter(wins).collect();
        let data = name.as_wire();
        let ttl = zone.soa().ttl;
        vec![Told {
            name: self.question.name.to_string(),
            rtype: "PTR".to_owned(),
            data: name.to_string(),
            ttl,
            position: self.position(rtype::PTR, data),
            why: vec![Step::new("ttl", "the TTL of all records").by(ttl).set_by("ttl")],
            since: None,
            contributors_total: contributors.len(),
            contributors: contributors
                .into_iter()
                .take(CONTRIBUTORS_MAX)
                .map(|found| self.contributor(found))
                .collect(),
        }]
    }

    /// Whether this is the claim that an address is told by.
    fn claims(&self, found: &Found<'_>, address: IpAddr) -> bool {
        let zone = self.known.zone;
        let Some(Record { owner, data: Data::Reverse(reverse), .. }) = &found.record else { return false };
        owner.name() == zone.name_of(address)
            && Some(reverse.rank) == zone.rank_of(address)
            && self.is_contributed(found)
    }

    /// What would stand there, if it does not.
    fn dropped(&self, found: &Found<'_>, wanted: Wanted<'_>) -> Option<Dropped> {
        if found.record.as_ref().is_some_and(is_wish) {
            return None;
        }
        let (why, mut but_for) = of_found(found, self.known.policy);
        but_for.extend(found.record.as_ref().and_then(|record| self.not_in_force(record, found, wanted)));
        if but_for.is_empty() {
            return None;
        }
        let weight = self.known.zone.soa().weight;
        let data = found.record.as_ref().and_then(|record| match &record.data {
            Data::Reverse(_) => Some(record.listed_name()),
            data => Rdata::of(data).map(|rdata| rdata.to_text(weight)),
        });
        let not_taken = not_taken(found, self.known.policy);
        Some(Dropped {
            data,
            but_for,
            candidate: Contributor { why, not_taken, ..found.subject.contributor() },
        })
    }

    /// What the operator wrote down, if the cluster has something at the name.
    fn not_needed(&self) -> Vec<Dropped> {
        let fixed = self.known.policy.extra.fixed.owners.get(self.name);
        let Some(fixed) = fixed.filter(|fixed| fixed.rule == Written::Fill) else {
            return Vec::new();
        };
        let qtype = self.qtype();
        if self.known.zone.weighed(self.name, qtype).is_none_or(|weighed| weighed.is_filled) {
            return Vec::new();
        }
        let says = "the cluster has something there, so what the operator wrote down does not stand";
        let of_type = fixed.data.iter().filter_map(Rdata::of).filter(|rdata| rdata.rtype() == qtype);
        let dropped = of_type.map(|rdata| Dropped {
            data: Some(rdata.to_text(self.known.zone.soa().weight)),
            but_for: vec![static_step("static-not-needed", says)],
            candidate: Contributor { kind: "static".to_owned(), ..Contributor::default() },
        });
        dropped.collect()
    }

    /// The rule of the zone by which a record that was made is not answered.
    fn not_in_force(&self, record: &Record, found: &Found<'_>, wanted: Wanted<'_>) -> Option<Step> {
        let zone = self.known.zone;
        if let Wanted::Address(address) = wanted {
            let says = "another one claims the address by a better right, or by the same and comes first";
            let winner = zone.name_of(address).map(ToString::to_string).unwrap_or_default();
            return (!self.claims(found, address)).then(|| Step::new("claim-outranked", says).by(winner));
        }
        if !zone.admits(record) {
            return Some(overridden());
        }
        if zone.is_in_force(record) || record.fitness == Fitness::Fit {
            return None;
        }
        let rtype = Rdata::of(&record.data)?.rtype();
        self.weighed(rtype).pop()
    }

    /// Adds what is told and no data of a node: what belongs to the zone itself.
    fn add_others(&self, records: &mut Vec<Told>) {
        let Some(Reply { answers, .. }) = &self.answered.reply else { return };
        let own = answers.iter().skip(self.answered.path.len()).zip(1_usize..);
        for ((rtype, ttl, data), position) in own {
            if records.iter().any(|told| told.position == Some(position)) {
                continue;
            }
            let soa = self.known.zone.soa();
            let (why, text) = match *rtype {
                rtype::SOA => {
                    (Step::new("soa", "the zone's own record").set_by("SOAMname, SOARname"), soa.to_string())
                }
                rtype::NS => (
                    Step::new("ns", "this server answers for the zone").set_by("SOAMname"),
                    soa.mname.to_string(),
                ),
                _ => {
                    let rdata = Rdata::Other { rtype: *rtype, rdata: data.as_slice().into() };
                    (Step::new("zone", "the zone's own record"), rdata.to_text(soa.weight))
                }
            };
            records.push(Told {
                name: self.name.to_string(),
                rtype: type_text(*rtype),
                data: text,
                ttl: *ttl,
                position: Some(position),
                why: vec![why],
                ..Told::default()
            });
        }
    }
}

/// The rule by which records are left out. It says nothing of those that stay.
const ENOUGH: &str = "enough-healthy";

fn static_step(rule: &str, says: &str) -> Step {
    Step::new(rule, says).set_by("records, zoneFiles")
}

/// Data as they stand in a reply.
fn wire(rdata: &Rdata, zone: &Snapshot) -> Vec<u8> {
    match rdata {
        Rdata::A(address) => address.octets().to_vec(),
        Rdata::Aaaa(address) => address.octets().to_vec(),
        Rdata::Srv { port, target, preference } => {
            let of_all = Preference::of_all(zone.soa().weight);
            let Preference { priority, weight } = preference.unwrap_or(of_all);
            let numbers = [priority, weight, *port].map(u16::to_be_bytes);
            [numbers.as_flattened(), target.as_wire()].concat()
        }
        Rdata::Other { rdata, .. } => rdata.to_vec(),
    }
}

fn overridden() -> Step {
    static_step("static-override", "the operator wrote down what stands there, whatever the cluster has")
}
