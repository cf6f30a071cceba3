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
//! - `ask`: the question to `decide`, and its reply. `verdict`: what becomes of it.
//! - `telling`: the records of the name. `subject` and `listen`: whose they are, and why they are made.
//! - `question`: what was asked. `step`: reasons in words. `near`: names that somebody may have meant.
//! - [`told`]: the explanation as a value; [`page`]: as text.

mod ask;
mod listen;
mod near;
pub mod page;
mod question;
mod step;
mod subject;
mod telling;
pub mod told;
mod verdict;

use std::net::IpAddr;

use crate::{
    answer::{self, Action, Rule, Standing},
    cluster::Cluster,
    forward,
    problems::Problem,
    records::Policy,
    wire::{Name, rtype},
    zone::{self, Snapshot},
};
use ask::ask;
pub use question::QuestionError;
use telling::Telling;
use told::{Asked, Explanation, Source, Trouble};
use verdict::{send_on, verdict};

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
