//! Whether the answers that are counted are right: every thousandth, beside Knot's for the same zone.

use std::net::{Ipv4Addr, SocketAddr};

use domain::base::iana::Rcode;
use mesos_dns_sim::client::{self, Answer, Query};
use tokio::runtime;

use crate::{
    queries::Queries,
    servers::{KNOT, Server, Servers},
};

/// Each which query is compared.
const EACH: usize = 1000;

/// What clients make of an answer.
type Meaning = (Rcode, bool, Vec<String>);

/// How many answers were compared, and what differs; nothing is compared where there is no Knot.
pub(crate) fn compare(servers: &Servers, queries: &Queries) -> anyhow::Result<(usize, Vec<String>)> {
    let Some(knot) = servers.named(KNOT) else { return Ok((0, Vec::new())) };
    let ours = servers.ours()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut compared, mut differing) = (0, Vec::new());
        for query in queries.all.iter().step_by(EACH) {
            let (ours, theirs) = (meaning(ours, query).await?, meaning(knot, query).await?);
            compared += 1;
            if ours != theirs {
                differing.push(format!("{query:?}: {ours:?}, Knot {theirs:?}"));
            }
        }
        Ok((compared, differing))
    })
}

/// Asks over UDP, and over TCP where the answer does not fit, as clients do.
async fn meaning(server: &Server, query: &Query) -> anyhow::Result<Meaning> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    let mut answer = client::udp(address, query).await?;
    if answer.0.header().tc() {
        answer = client::tcp(address, query).await?;
    }
    let Answer(message) = &answer;
    // How owners are spelled is the question's business, in which order records stand nobody's.
    let mut records: Vec<String> =
        answer.answers()?.iter().map(|record| record.to_ascii_lowercase()).collect();
    records.sort_unstable();
    Ok((answer.rcode(), message.header().aa(), records))
}
