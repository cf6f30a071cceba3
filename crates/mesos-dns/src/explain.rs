//! `mesos-dns explain`: why a question gets its answer.
//!
//! A running server is asked over HTTP and explains what it has. Of a state document the same is worked out here, by the
//! same functions, as a server with this configuration would serve it. Either way one value comes out, which is printed
//! as text or as JSON.

use std::{
    io,
    sync::{Arc, Weak},
};

use anyhow::Context;
use hyper::StatusCode;
use mesos_dns_core::{
    answer::{Secrets, Standing, State},
    config::Config,
    explain::{Known, Origin, Question, explain, page::Page, told::Explanation},
    forward,
    problems::{self, Problem},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    args::{Common, Explain, Output, print},
    commands::{
        api::{self, Server},
        print_json,
        terminal::Progress,
    },
    configuration,
    daemon::{rooms, run_to_end},
    dns::Shared,
    document::{self, Served},
    forward::Forwarder,
    problems::Shown,
};

/// Prints why a question gets its answer.
///
/// # Errors
///
/// The question is none; the server cannot be asked; the document cannot be read.
pub fn run(options: &Explain, common: &Common) -> anyhow::Result<()> {
    let (written, client) = (options.rtype.as_deref(), options.client.as_deref());
    let question = Question::read(&options.name, written, client, rand::random())?;
    let explanation = match &options.from {
        Some(source) if !api::is_url(source) => of_document(source, &question, common)?,
        source => of_server(source.as_deref(), options, common)?,
    };
    match options.output {
        Output::Table => print(io::stdout(), &Page(&explanation).to_string()),
        Output::Json => print_json(&explanation)?,
    }
    Ok(())
}

//------------ A running server ------------------------------------------------

fn of_server(url: Option<&str>, options: &Explain, common: &Common) -> anyhow::Result<Explanation> {
    let server = Server::find(url, &options.access, common)?;
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut path = format!("/v2/explain?name={}", escaped(&options.name));
    for (key, value) in [("type", &options.rtype), ("client", &options.client)] {
        if let Some(value) = value {
            path.push_str(&format!("&{key}={}", escaped(value)));
        }
    }
    let progress = Progress::start(format!("asking {server}"), "");
    let (code, told) = run_to_end(server.json(&path))?;
    drop(progress);
    if code != StatusCode::OK {
        return Err(server.refusal(code, &told));
    }
    read_back(told).with_context(|| format!("the explanation of {server} is not understood"))
}

fn read_back(told: Value) -> serde_json::Result<Explanation> {
    Explanation::deserialize(told)
}

//------------ A document ------------------------------------------------------

fn of_document(source: &str, question: &Question, common: &Common) -> anyhow::Result<Explanation> {
    let config = configuration::load_or_defaults(common.config.as_deref())?;
    crate::logging::start(common.verbosity, config.log_format);
    let served = document::serve(document::read(source, &config)?, &config);
    Ok(offline(&served, question, &config))
}

/// What a server with this configuration would say of what it serves.
fn offline(
    Served { cluster, policy, zone, at }: &Served,
    question: &Question,
    config: &Config,
) -> Explanation {
    let found = problems::find(cluster, policy);
    let problems: Vec<&Problem> = found.values().flat_map(|listed| &listed.problems).collect();
    explain(
        question,
        &Known {
            cluster,
            policy,
            zone,
            standing: &Standing { state: State::Live, age: None, version: 0, now: *at },
            settings: &rooms::answer(config, &Secrets::new(rand::random())),
            forward: &forward::Policy::new(rooms::forward(config)),
            origin: Origin::Document,
            steps: &[],
            oldest: 0,
            problems: &problems,
        },
    )
}

//------------ This process ----------------------------------------------------

/// Explains what this process answers, at the moment it is asked. It works for as long as the listing of all records would
/// take: not for a thread that others wait for.
pub struct Explainer {
    /// Ends with the workers, whatever is asked of us.
    pub(crate) shared: Weak<Shared>,
    pub(crate) forwarder: Arc<Forwarder>,
    pub(crate) problems: Shown,
    /// How the data come.
    pub(crate) origin: Box<dyn Fn() -> Origin<'static> + Send + Sync>,
}

impl Explainer {
    /// Explains the answer to a question; when the process ends, nothing any more.
    pub fn explain(&self, question: &Question) -> Explanation {
        let Some(shared) = self.shared.upgrade() else { return Explanation::default() };
        let Shared { board, settings, standing, .. } = &*shared;
        let published = board.load();
        let (oldest, steps) = board.steps(published.version);
        let counted = self.problems.load_full();
        let seen = counted.iter().flat_map(|counted| counted.kinds.values());
        let problems: Vec<&Problem> =
            seen.flat_map(|seen| seen.problems.iter().map(|(_, problem)| problem)).collect();
        let origin = match published.restored {
            Some(_) => Origin::SnapshotFile,
            None => (self.origin)(),
        };
        let known = Known {
            cluster: &published.cluster,
            policy: &published.policy,
            zone: &published.zone,
            standing: &standing.load(&published),
            settings: &settings.load(),
            forward: &self.forwarder.policy(),
            origin,
            steps: &steps,
            oldest,
            problems: &problems,
        };
        let mut explanation = explain(question, &known);
        for since in explanation.records.iter_mut().filter_map(|told| told.since.as_mut()) {
            if since.is_exact {
                since.by = board.causes(since.version).into_iter().map(str::to_owned).collect();
            }
        }
        explanation
    }
}
