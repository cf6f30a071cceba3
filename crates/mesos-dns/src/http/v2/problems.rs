//! `/v2/problems`: what is wrong with the names of the cluster.

use std::{collections::BTreeMap, io, sync::Arc};

use hyper::{Method, Response, StatusCode};
use mesos_dns_core::{
    cluster::Skipped,
    problems::{Kind, Owner},
    views,
};
use serde::Serialize;

use super::{
    super::{
        Api,
        refusal::Refusal,
        reply::{JSON, Reply, reply, whole},
    },
    query::Query,
};
use crate::problems::Counted;

/// The body of `/v2/problems`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problems<'a> {
    version: u64,
    counted_at: u64,
    kinds: BTreeMap<&'static str, Number>,
    skipped: SkippedParts,
    problems: Vec<Entry<'a>>,
}

/// How many there are of a kind, and how many of them are listed.
#[derive(Serialize)]
struct Number {
    total: u64,
    listed: usize,
}

#[derive(Serialize)]
struct Entry<'a> {
    kind: &'static str,
    reason: &'static str,
    /// Unix time in seconds.
    since: u64,
    owners: &'a [Owner],
    names: &'a [String],
    tasks: u64,
}

/// What could not be used of the last document of the master, by what it is a part of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SkippedParts {
    agents: u64,
    agent_addresses: u64,
    frameworks: u64,
    framework_addresses: u64,
    tasks: u64,
    port_ranges: u64,
    task_addresses: u64,
    port_mappings: u64,
    labels: u64,
    over_limit: u64,
}

impl Api {
    /// `/v2/problems`: of all kinds, or of this one.
    pub(super) fn problems(&self, method: &Method, query: &Query) -> Result<Response<Reply>, Refusal> {
        let names = Kind::ALL.map(Kind::name).join(", ");
        let wanted = query.parsed("kind", format!("one of {names}"), Kind::named)?;
        let counted = self.problems.load_full().ok_or(Refusal::Loading)?;
        if method == Method::HEAD {
            return Ok(whole(StatusCode::OK, JSON, ""));
        }
        let body = self.stream(move |chunks| print(chunks, &counted, wanted))?;
        Ok(reply(StatusCode::OK, JSON, body))
    }
}

fn print(out: &mut impl io::Write, counted: &Arc<Counted>, wanted: Option<Kind>) -> io::Result<()> {
    let shown = || counted.kinds.iter().filter(|(kind, _)| wanted.is_none_or(|wanted| wanted == **kind));
    let numbers =
        shown().map(|(kind, seen)| (kind.name(), Number { total: seen.total, listed: seen.problems.len() }));
    let entries = shown().flat_map(|(kind, seen)| {
        seen.problems.iter().map(|(since, problem)| Entry {
            kind: kind.name(),
            reason: kind.reason(),
            since: *since,
            owners: &problem.owners,
            names: &problem.names,
            tasks: problem.tasks,
        })
    });
    let body = Problems {
        version: counted.version,
        counted_at: counted.at,
        kinds: numbers.collect(),
        skipped: counted.skipped.into(),
        problems: entries.collect(),
    };
    views::print(out, &body)
}

impl From<Skipped> for SkippedParts {
    fn from(skipped: Skipped) -> Self {
        let Skipped { agents, agent_addresses, frameworks, framework_addresses, tasks, .. } = skipped;
        let Skipped { port_ranges, task_addresses, port_mappings, labels, over_limit, .. } = skipped;
        Self {
            agents,
            agent_addresses,
            frameworks,
            framework_addresses,
            tasks,
            port_ranges,
            task_addresses,
            port_mappings,
            labels,
            over_limit,
        }
    }
}
