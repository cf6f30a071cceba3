//! What becomes of a question, in words: the rules that `decide` told, and for other names the servers that are asked.

use super::{
    Known, Question,
    ask::{Answered, ask},
    told::{Explanation, Forward, Step, Verdict},
};
use crate::{
    answer::{Action, Rule},
    forward::{Decision, Refusal, message::Query as Forwarded, route::Route},
    wire::Name,
};

/// What becomes of it.
pub(super) fn verdict(answered: &Answered) -> Verdict {
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
pub(super) fn send_on(
    question: &Question,
    known: &Known<'_>,
    answered: &Answered,
    explanation: &mut Explanation,
) {
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
