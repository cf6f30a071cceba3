//! Where a query becomes replies, whichever way it came: look it up, let the rules act, write.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use super::{
    forge::{Source, forge},
    log::Log,
    plan::{End, Plan, Rules},
    query::Asked,
    reply,
    scene::{Rule, Scene, SceneError},
    store::Store,
};

/// One server's data, shared by all that receive for it.
#[derive(Debug)]
pub(super) struct Desk {
    store: Store,
    rules: RwLock<Arc<Rules>>,
    seed: u64,
    udp_bytes_max: usize,
    pub(super) log: Log,
}

/// What is sent for one query.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// In this order.
    pub(super) says: Vec<Say>,
    /// What becomes of the connection behind them.
    pub(super) end: End,
}

/// One message to send.
#[derive(Debug)]
pub(super) struct Say {
    pub(super) bytes: Vec<u8>,
    /// How much later.
    pub(super) delay: Duration,
    /// Over UDP: from where.
    pub(super) from: Source,
    /// Over a connection: what it says of the length, if it is not true.
    pub(super) promised: usize,
    /// Over a connection: the pause between two octets.
    pub(super) drip: Option<Duration>,
}

impl Desk {
    pub(super) fn new(scene: &Scene, keep: usize) -> Result<Self, SceneError> {
        Ok(Self {
            store: Store::new(&scene.zones)?,
            rules: RwLock::new(Arc::new(Rules::new(scene.seed, &scene.rules)?)),
            seed: scene.seed,
            udp_bytes_max: scene.udp_bytes_max,
            log: Log::keeping(keep),
        })
    }

    /// Puts other rules in force; they count from the beginning.
    pub(super) fn rule(&self, rules: &[Rule]) -> Result<(), SceneError> {
        let rules = Arc::new(Rules::new(self.seed, rules)?);
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    /// What is sent for this query.
    pub(super) fn answer(&self, asked: &Asked) -> Outcome {
        self.log.note(asked);
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner).clone();
        let name = asked.folded();
        let plan = rules.plan(asked, &name);
        if plan.end != End::Stays || plan.silent {
            return Outcome { says: Vec::new(), end: plan.end };
        }
        let found = self.store.find(&name, asked.qtype);
        let right = reply::write(asked, &found, &plan, self.udp_bytes_max);
        self.say(asked, right, &plan)
    }

    fn say(&self, asked: &Asked, right: Vec<u8>, plan: &Plan) -> Outcome {
        let say = |bytes: Vec<u8>, from| Say {
            promised: bytes.len(),
            bytes,
            delay: plan.delay,
            from,
            drip: plan.drip,
        };
        let mut says = Vec::with_capacity(1);
        for (how, times) in &plan.forgeries {
            says.extend(
                (0..*times).map(|number| forge(asked, *how, number)).map(|(bytes, from)| say(bytes, from)),
            );
        }
        if plan.alone {
            return Outcome { says, end: End::Stays };
        }
        let mut last = say(right, Source::Own);
        last.bytes.truncate(plan.cut.unwrap_or(usize::MAX));
        for _ in 0..plan.copies {
            says.push(Say { bytes: last.bytes.clone(), ..last });
        }
        says.push(last);
        let end = if plan.cut.is_some() { End::Closed } else { End::Stays };
        Outcome { says, end }
    }
}
