//! Why does a question get this answer?
//!
//! [`explain`] asks [`decide`](crate::answer::decide) as a client would and listens to what it decides; then it makes the
//! records of the whole cluster once more, with the functions that made the zone, and listens to these. So nothing is
//! decided in here, and an explanation cannot say anything else than the answer: only where a rule leaves something out,
//! the work goes on all the same, to see what there would be but for it (`records::trace`).
//!
//! It costs as much as making all records of the cluster. Nobody asks often; a caller keeps it off the threads that
//! answer, and one at a time.
//!
//! - `ask`: the question to `decide`, and its reply. `subject` and `listen`: whose records, and why they are made.
//! - `question`: what was asked. `step`: reasons in words. `near`: names that somebody may have meant.
//! - [`told`]: the explanation as a value; [`page`]: as text.

mod ask;
mod listen;
mod near;
pub mod page;
mod question;
mod step;
mod subject;
pub mod told;

use std::net::IpAddr;

use crate::{
    answer::{self, Action, Rule, Standing},
    cluster::Cluster,
    forward::{self, Decision, Refusal, message::Query as Forwarded, route::Route},
    problems::Problem,
    records::{Data, Policy, Preference, Record},
    wire::{Name, ReverseName, rtype},
    zone::{self, Delta, Rdata, Share, Snapshot},
};
use ask::{Answered, Reply, ask};
use listen::{Found, Wanted};
pub use question::QuestionError;
use step::{not_taken, of_found};
use subject::{Strangers, gather, is_wish};
use told::{Asked, Contributor, Dropped, Explanation, Forward, Since, Source, Step, Told, Trouble, Verdict};

/// Records that are listed; all are counted.
pub const RECORDS_MAX: usize = 100;

/// Contributors of one record that are listed; all are counted.
pub const CONTRIBUTORS_MAX: usize = 20;

/// What was left out, as far as it is listed; all of it is counted.
pub const DROPPED_MAX: usize = 100;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: Name,
    /// The type.
    pub rtype: u16,
    /// Who asks.
    pub client: IpAddr,
    /// A random number, which decides the order of the records.
    pub dice: u64,
}

/// All that an answer depends on: one version of everything.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// How names are made of it.
    pub policy: &'a Policy,
    /// The zone that was made so.
    pub zone: &'a Snapshot,
    /// How our view stands.
    pub standing: &'a Standing,
    /// What the operator chose about answering.
    pub settings: &'a answer::Settings,
    /// What the operator chose about other names.
    pub forward: &'a forward::Policy,
    /// From where the cluster is known.
    pub origin: Origin<'a>,
    /// The steps from older versions to this one, as far as they are kept.
    pub steps: &'a [zone::Step],
    /// The version that the first of them begins with.
    pub oldest: u64,
    /// What is wrong with names.
    pub problems: &'a [&'a Problem],
}

/// From where a cluster is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A state document that somebody has.
    Document,
    /// A master's stream of events.
    Events,
    /// Documents that a master is asked for.
    Poll,
    /// What an earlier process kept.
    SnapshotFile,
    /// Whatever this says.
    Said(&'a str),
}

/// Explains the answer to a question.
pub fn explain(question: &Question, known: &Known<'_>) -> Explanation {
    let answered = ask(question, known);
    let mut explanation = Explanation {
        question: Asked {
            name: question.name.to_string(),
            rtype: type_text(question.rtype),
            client: question.client.to_string(),
        },
        data: source(known),
        verdict: verdict(&answered),
        path: answered.path.clone(),
        order: answered.order.clone(),
        ..Explanation::default()
    };
    if matches!(answered.action, Action::Forward) {
        send_on(question, known, &answered, &mut explanation);
        return explanation;
    }
    let is_reverse = answered.rules.contains(&Rule::Reverse);
    let is_made =
        [Rule::Records, Rule::NoData, Rule::Missing].iter().any(|rule| answered.rules.contains(rule));
    if is_made {
        let last = answered.path.last().and_then(|alias| Name::parse(&alias.target).ok());
        let name = answered.found.clone().or(last).unwrap_or_else(|| question.name.clone());
        let telling = Telling { question, known, answered: &answered, name: &name };
        telling.tell(is_reverse, &mut explanation);
    }
    if answered.rules.contains(&Rule::Missing) && !is_reverse {
        explanation.nearest = near::nearest(&question.name, known.zone);
        explanation.near_misses = near::misses(&question.name, known);
    }
    explanation.problems = troubles(&question.name, known);
    explanation
}

fn source(known: &Known<'_>) -> Source {
    let origin = match known.origin {
        Origin::Document => "document",
        Origin::Events => "events",
        Origin::Poll => "poll",
        Origin::SnapshotFile => "snapshot-file",
        Origin::Said(said) => said,
    };
    Source {
        origin: origin.to_owned(),
        leader: known.cluster.masters.leader.as_deref().map(str::to_owned),
        state: known.standing.state.label().to_owned(),
        age_seconds: known.standing.age,
        version: known.standing.version,
        serial: known.zone.serial(),
    }
}

fn troubles(name: &Name, known: &Known<'_>) -> Vec<Trouble> {
    let text = name.to_string();
    let is_it = |other: &String| other.trim_end_matches('.').eq_ignore_ascii_case(text.trim_end_matches('.'));
    let touching = known.problems.iter().filter(|problem| problem.names.iter().any(is_it));
    let told = touching.map(|problem| Trouble {
        kind: problem.kind.name().to_owned(),
        reason: problem.kind.reason().to_owned(),
        names: problem.names.clone(),
    });
    told.take(RECORDS_MAX).collect()
}

//------------ The verdict -----------------------------------------------------

fn verdict(answered: &Answered) -> Verdict {
    let rcode = answered.reply.as_ref().map(|reply| reply.rcode);
    let is_answered = answered.reply.as_ref().is_some_and(|reply| !reply.answers.is_empty());
    let outcome = match (answered.action, rcode) {
        (Action::Forward, _) => "forwarded",
        (_, Some(0)) if is_answered => "answer",
        (_, Some(0)) => "no-data",
        (_, Some(3)) => "no-name",
        (_, Some(5)) => "refused",
        _ => "failed",
    };
    let rules = &answered.rules;
    // Having come to the name is no news where it has no such type.
    let is_news = |rule: &&Rule| !(**rule == Rule::Records && rules.contains(&Rule::NoData));
    Verdict {
        outcome: outcome.to_owned(),
        rcode: rcode.map(rcode_text),
        truncated: answered.reply.as_ref().is_some_and(|reply| reply.is_truncated),
        why: rules.iter().filter(is_news).map(|rule| of_rule(*rule)).collect(),
    }
}

fn of_rule(rule: Rule) -> Step {
    match rule {
        Rule::Denied => Step::new("client-denied", "this client may not ask").set_by("queryAllow"),
        Rule::Transfer => Step::new("transfer", "zones are not transferred"),
        Rule::Class => Step::new("class", "only the class IN is answered"),
        Rule::NotOurs => {
            let says = "the name is not in our domain, and other names are not forwarded";
            Step::new("not-ours", says).set_by("domain, externalon")
        }
        Rule::Forwarded => Step::new("forwarded", "the name is not in our domain: other servers are asked")
            .set_by("externalon"),
        Rule::Reverse => Step::new("reverse", "it is the name of an address that is ours to answer")
            .set_by("reversePrefixes"),
        Rule::Status => Step::new("status", "the name tells how this server stands"),
        Rule::NotLoaded => Step::new("not-loaded", "the state of the cluster has not been read yet"),
        Rule::Partial => {
            let says = "names may be missing: the leader waits for agents of which nothing is known here";
            Step::new("partial", says).set_by("holdSeconds")
        }
        Rule::Stale => Step::new("stale", "the masters are out of reach: the answer is from old data")
            .set_by("staleAfterSeconds"),
        Rule::Any => Step::new("any", "of all types one set is told (RFC 8482)"),
        Rule::AliasForwarded => {
            Step::new("alias-forwarded", "the alias leads out of the domain: other servers are asked")
                .set_by("externalon")
        }
        Rule::AliasOutside => {
            Step::new("alias-outside", "the alias leads out of the domain: the client may follow it")
        }
        Rule::AliasNowhere => Step::new("alias-nowhere", "the aliases lead in a circle, or too far"),
        Rule::Missing => Step::new("no-name", "nothing stands at this name, nor below it"),
        Rule::NoData => Step::new("no-data", "the name is there, and has no records of this type"),
        Rule::Records => Step::new("records", "the name is there"),
    }
}

/// Who is asked, and why.
fn send_on(question: &Question, known: &Known<'_>, answered: &Answered, explanation: &mut Explanation) {
    let target = answered.path.last().and_then(|alias| Name::parse(&alias.target).ok());
    let asked = target.unwrap_or_else(|| question.name.clone());
    let question = Question { name: asked.clone(), ..question.clone() };
    let message =
        if answered.path.is_empty() { answered.message.clone() } else { ask(&question, known).message };
    let verdict = &mut explanation.verdict;
    let Ok(query) = Forwarded::parse(&message) else { return };
    match known.forward.decide(&query, question.client) {
        Decision::Ask(group) => {
            let says = match &group.zone {
                Some(_) => Step::new("route-zone", "the longest suffix with servers of its own")
                    .set_by("zoneResolvers"),
                None => Step::new("route-default", "no suffix has servers of its own").set_by("resolvers"),
            };
            let zone = group.zone.as_ref().map(ToString::to_string);
            verdict.why.push(Step { value: zone.clone(), ..says });
            let servers = group.servers.iter().map(ToString::to_string).collect();
            explanation.forward = Some(Forward { name: asked.to_string(), zone, servers });
        }
        Decision::Local(_) => {
            verdict.outcome = "local".to_owned();
            let zone = match known.forward.route(&asked) {
                Route::Local(zone) => zone.apex().to_string(),
                Route::Own | Route::Servers(_) => asked.to_string(),
            };
            verdict
                .why
                .push(Step::new("route-local", "every resolver answers these names by itself").by(zone));
        }
        Decision::Refuse(refusal) => {
            verdict.outcome = "refused".to_owned();
            verdict.rcode = Some(rcode_text(5));
            verdict.why.push(of_refusal(refusal).by(question.client));
        }
    }
}

fn of_refusal(refusal: Refusal) -> Step {
    match refusal {
        Refusal::Client => {
            Step::new("recursion-denied", "names are not forwarded for this client").set_by("recursionAllow")
        }
        Refusal::Kind => Step::new("type-not-forwarded", "this type is not forwarded"),
        Refusal::NoRecursion => Step::new("no-recursion", "the query does not ask for recursion"),
        Refusal::NoServers => Step::new("no-servers", "there is no server to ask").set_by("resolvers"),
        Refusal::Off => Step::new("forwarding-off", "other names are not forwarded").set_by("externalon"),
        Refusal::OwnDomain => Step::new("own-domain", "names of our own never leave").set_by("domain"),
    }
}

//------------ The records -----------------------------------------------------

/// What is needed to tell the records of a name.
struct Telling<'a> {
    question: &'a Question,
    known: &'a Known<'a>,
    answered: &'a Answered,
    name: &'a Name,
}

impl Telling<'_> {
    fn tell(&self, is_reverse: bool, explanation: &mut Explanation) {
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
                crate::records::Rule::Override => vec![static_step(
                    "static-override",
                    "the operator wrote down what stands there, whatever the cluster has",
                )],
                crate::records::Rule::Fill if weighed.is_filled => {
                    vec![static_step(
                        "static-fill",
                        "the operator wrote down what stands there while the cluster has nothing",
                    )]
                }
                crate::records::Rule::Fill => Vec::new(),
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
        let Some(fixed) = fixed.filter(|fixed| fixed.rule == crate::records::Rule::Fill) else {
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
            return Some(static_step(
                "static-override",
                "the operator wrote down what stands there, whatever the cluster has",
            ));
        }
        if zone.is_in_force(record) || record.fitness == crate::records::Fitness::Fit {
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
            let of_all = Preference { priority: 0, weight: zone.soa().weight };
            let Preference { priority, weight } = preference.unwrap_or(of_all);
            let numbers = [priority, weight, *port].map(u16::to_be_bytes);
            [numbers.as_flattened(), target.as_wire()].concat()
        }
        Rdata::Other { rdata, .. } => rdata.to_vec(),
    }
}

/// A type as it is written.
pub fn type_text(rtype: u16) -> String {
    let known = TYPES.iter().find(|(number, _)| *number == rtype);
    known.map_or_else(|| format!("TYPE{rtype}"), |(_, text)| (*text).to_owned())
}

/// The type that a text means, `TYPE65` and numbers included; `None`: no such type is known.
pub fn type_of(text: &str) -> Option<u16> {
    let upper = text.to_ascii_uppercase();
    let known = TYPES.iter().find(|(_, text)| *text == upper).map(|(number, _)| *number);
    known.or_else(|| upper.strip_prefix("TYPE").unwrap_or(&upper).parse().ok())
}

const TYPES: [(u16, &str); 12] = [
    (rtype::A, "A"),
    (rtype::NS, "NS"),
    (rtype::CNAME, "CNAME"),
    (rtype::SOA, "SOA"),
    (rtype::PTR, "PTR"),
    (15, "MX"),
    (rtype::TXT, "TXT"),
    (rtype::AAAA, "AAAA"),
    (rtype::SRV, "SRV"),
    (65, "HTTPS"),
    (257, "CAA"),
    (rtype::ANY, "ANY"),
];

fn rcode_text(rcode: u16) -> String {
    match rcode {
        0 => "NOERROR".to_owned(),
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("RCODE{other}"),
    }
}
