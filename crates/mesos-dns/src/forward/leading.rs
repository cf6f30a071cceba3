//! Chains of aliases that cross the border of our domain, followed to their end.
//!
//! Stub resolvers follow no aliases: they take a reply with nothing but a CNAME record for an end without an answer. So
//! where our own zone leads to a name outside, or a server to one of ours, the client gets behind that what it would
//! have got for asking on, and so forth, as often as the chain crosses. Each step takes the way of any other query, and
//! has its limits; our own names stay here. A circle ends where it closes, with what there is of it.

use std::sync::Arc;

use mesos_dns_core::{
    forward::{
        Decision, Transport, Truncation,
        admission::Limit,
        asker::Asker,
        believe::{joined, leads_out},
        entry::{Entry, Manner, Telling},
        key::Key,
        message::{Ede, Query, Rcode},
    },
    wire::Name,
};
use tokio::time::Instant;

use super::{Active, Client, Forwarder, Outcome, telling::unready};

/// Most replies that one answer is put together from, our own zone's and those of servers. Each crossing takes one; a
/// longer chain ends there, as one does for a client that follows no further.
const PARTS_MAX: usize = 8;

/// What stands at a name on the way: the whole reply, and the name on the other side of the border that it leads to.
type Part = (Vec<u8>, Option<Name>);

/// A query on its way.
pub(super) struct Journey<'a> {
    pub(super) active: &'a Arc<Active>,
    pub(super) query: &'a Query<'a>,
    pub(super) client: &'a Client,
    /// When all steps together have to be done.
    pub(super) deadline: Instant,
}

impl Forwarder {
    /// The whole reply to a query for a name of our domain, which leads out of it; or did, when it was sent here, and our
    /// zone says what there is now. `None` if the name is no such, or our zone cannot be asked.
    pub(super) async fn lead_out(&self, journey: &Journey<'_>) -> Option<(Outcome, Vec<u8>)> {
        let key = Key::of(journey.query);
        if !key.name.is_within(&journey.active.policy.settings().domain) {
            return None;
        }
        let ours = self.ours(journey, &key)?;
        Some(self.follow(journey, key, ours).await)
    }

    /// The whole reply to a query, of which a server's answer leads to a name of ours.
    pub(super) async fn lead_in(
        &self,
        journey: &Journey<'_>,
        (entry, manner): (&Entry, Manner),
    ) -> (Outcome, Vec<u8>) {
        let key = Key::of(journey.query);
        match self.part(&Asker::of(journey.query), entry, manner) {
            Some(part) => self.follow(journey, key, part).await,
            None => self.tell(journey, &unready(journey.active, &key), Manner::Current),
        }
    }

    /// Follows a chain from its first part on.
    async fn follow(&self, journey: &Journey<'_>, key: Key, (first, mut next): Part) -> (Outcome, Vec<u8>) {
        let (mut parts, mut met) = (vec![first], vec![key.name.clone()]);
        while let Some(name) = next.take().filter(|name| parts.len() < PARTS_MAX && !met.contains(name)) {
            let at = Key { name: name.clone(), ..key.clone() };
            met.push(name);
            let part = if journey.active.policy.is_ours(&at.name) {
                self.ours(journey, &at)
            } else {
                match self.theirs(journey, &at).await {
                    Ok(part) => part,
                    Err(limit) => {
                        self.desk.metrics.limited(limit);
                        let reply = journey.query.reply(Rcode::SERVFAIL, Ede::Other);
                        return (Outcome::Limited, reply);
                    }
                }
            };
            let Some((reply, leads)) = part else {
                return self.tell(journey, &unready(journey.active, &key), Manner::Current);
            };
            parts.push(reply);
            next = leads;
        }
        let entry = joined(&key, parts, Instant::now().into_std());
        self.tell(journey, &entry.unwrap_or_else(|| unready(journey.active, &key)), Manner::Current)
    }

    /// What our own zone says of a name.
    fn ours(&self, journey: &Journey<'_>, at: &Key) -> Option<Part> {
        let reply = self.own_zone.get()?(&at.query(journey.query.id, &at.question(), true))?;
        let next = leads_out(at, reply.clone(), &journey.active.policy.settings().domain);
        Some((reply, next))
    }

    /// What servers say of a name.
    async fn theirs(&self, journey: &Journey<'_>, at: &Key) -> Result<Option<Part>, Limit> {
        let Journey { active, query, client, deadline } = *journey;
        let asked = at.query(query.id, &at.question(), true);
        let Ok(asked) = Query::parse(&asked) else { return Ok(None) };
        match active.policy.decide(&asked, client.address.ip()) {
            Decision::Ask(group) => {
                let on = Journey { active, query: &asked, client, deadline };
                let (entry, manner) = self.know(&on, group).await?;
                Ok(self.part(&Asker::of(&asked), &entry, manner))
            }
            Decision::Local(reply) => Ok(Some((reply, None))),
            // The alias is all there is for this client.
            Decision::Refuse(_) => Ok(Some((asked.reply(Rcode::NOERROR, Ede::Other), None))),
        }
    }

    /// An answer of servers as a part of another.
    fn part(&self, asker: &Asker<'_>, entry: &Entry, manner: Manner) -> Option<Part> {
        let telling = Telling {
            now: Instant::now().into_std(),
            manner,
            transport: Transport::Tcp,
            truncation: Truncation::Flagged,
            options: &[],
            turn: rand::random(),
        };
        Some((super::telling::written(entry, asker, &telling)?, entry.leads_to_us().cloned()))
    }
}
