//! From a name of ours that is an alias of one that is not, to what servers say of that one.
//!
//! Stub resolvers follow no aliases: they take a reply with nothing but a CNAME record for an end without an answer. So
//! the client gets the alias from our own zone, and behind it what it would have got for asking on. The way is that of
//! every other query, as are its limits; our own names stay here.

use std::sync::Arc;

use mesos_dns_core::forward::{
    Decision, Transport,
    asker::Asker,
    believe::{continued, leads_out},
    entry::{Manner, Telling},
    key::Key,
    message::{Ede, Query, Rcode},
};
use tokio::time::Instant;

use super::{Active, Client, Forwarder, Outcome};

impl Forwarder {
    /// The whole reply to a query for such a name, and what it is; `None` if the name is no such.
    pub(super) async fn lead_out(
        &self,
        active: &Arc<Active>,
        query: &Query<'_>,
        client: &Client,
    ) -> Option<(Outcome, Vec<u8>)> {
        let domain = &active.policy.settings().domain;
        if !query.question.name.is_within(domain) {
            return None;
        }
        let key = Key::of(query);
        let ours = self.own_zone.get()?(&key.query(query.id, &key.question(), true))?;
        let name = leads_out(&key, ours.clone(), domain)?;
        let outside = Key { name, ..key.clone() };
        let asked = outside.query(query.id, &outside.question(), true);
        let asked = Query::parse(&asked).ok()?;
        let whole = Client { transport: Transport::Tcp, options: Vec::new(), ..client.clone() };
        let theirs = match active.policy.decide(&asked, client.address.ip()) {
            Decision::Ask(group) => match Box::pin(self.know(active, group, &asked, &whole)).await {
                Ok((_, reply)) => reply,
                Err(limit) => {
                    self.desk.metrics.limited(limit);
                    return Some((Outcome::Limited, query.reply(Rcode::SERVFAIL, Ede::Other)));
                }
            },
            Decision::Local(reply) => reply,
            // The alias is all there is for this client.
            Decision::Refuse(_) => asked.reply(Rcode::NOERROR, Ede::Other),
        };
        let now = Instant::now().into_std();
        let entry = continued(&key, ours, theirs, now)?;
        let telling = Telling {
            now,
            manner: Manner::Current,
            transport: client.transport,
            truncation: active.policy.truncation(),
            options: &client.options,
            turn: rand::random(),
        };
        let asker = Asker::of(query);
        let mut out = vec![0; asker.reply_bytes_max(telling.transport)];
        let length = entry.write(&asker, &telling, &mut out)?;
        out.truncate(length);
        Some((self.outcome(&entry), out))
    }
}
