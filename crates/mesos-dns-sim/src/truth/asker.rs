//! Puts all questions there are to what a replica in made-up time serves, as DNS messages.
//!
//! Questions are put right after each version is published. Just before the next one replaces it, those are put
//! again whose answers may have become wrong meanwhile: in between, one version answers alike.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use domain::base::Message;
use mesos_dns_core::answer::{self, Action, Peer, Standing, Transport, UDP_PAYLOAD_BYTES_MAX, decide};
use rand::{RngExt, SeedableRng};

use super::{
    history::{Client, History, Question, Seen, Sign, Source, Span, Witness},
    served::Served,
    world::World,
};
use crate::{client::Query, life::Dice};

/// Puts all questions there are, as DNS messages.
pub(super) struct Asker {
    questions: Vec<(Question, Vec<u8>)>,
    pub(super) history: History,
    settings: answer::Settings,
    dice: Dice,
}

impl Asker {
    pub(super) fn new(world: &World) -> Self {
        let message = |question: &Question| {
            let query = Query::new(&question.name, question.kind.rtype()).edns(1232);
            query.message(7).expect("a well formed name")
        };
        let questions = world.questions().map(|question| (question.clone(), message(question)));
        Self {
            questions: questions.collect(),
            history: History::default(),
            settings: answer::Settings {
                recursion_available: false,
                forwards: false,
                sets_truncated: true,
                recursion_allow: Vec::new(),
                query_allow: Vec::new(),
                ..answer::Settings::default()
            },
            dice: Dice::seed_from_u64(0),
        }
    }

    /// Asks for everything of which something else is true than was told; of the rest, and of what never was, now and
    /// then.
    pub(super) fn ask_all(&mut self, served: &Served, world: &World, now: Duration) {
        for question in 0..self.questions.len() {
            let versions = &world.log().timelines[question].versions;
            let true_now = versions.last().map(|version| &version.set);
            let client = Client { replica: served.number, number: 0 };
            let is_new = self.history.latest(client, question).and_then(Seen::set) != true_now;
            let often = if true_now.is_some_and(|set| !set.is_empty()) { 3 } else { 8 };
            if is_new || self.dice.random_ratio(1, often) {
                self.ask(served, question, now);
            }
        }
        self.note_sign(served, now);
    }

    fn note_sign(&mut self, served: &Served, now: Duration) {
        if served.snapshot.is_loaded() {
            let (serial, hash) = (served.snapshot.serial(), Some(served.snapshot.content_hash()));
            let witness = Witness { replica: served.number, client: 0, source: Source::Http };
            self.history.note_sign(witness, Span { sent: now, received: now }, Sign { serial, hash });
        }
    }

    /// Asks again where something else is true than was told, before it is told.
    pub(super) fn ask_late(&mut self, served: &Served, world: &World, now: Duration) {
        let client = Client { replica: served.number, number: 0 };
        for question in 0..self.questions.len() {
            let told = self.history.latest(client, question).and_then(Seen::set);
            let true_now = world.log().timelines[question].versions.last();
            if told != true_now.map(|version| &version.set) {
                self.ask(served, question, now);
            }
        }
        self.note_sign(served, now);
    }

    fn ask(&mut self, served: &Served, question: usize, now: Duration) {
        let (asked, message) = &self.questions[question];
        let mut out = [0; UDP_PAYLOAD_BYTES_MAX];
        let peer = Peer { address: IpAddr::from(Ipv4Addr::LOCALHOST), transport: Transport::Udp };
        let dice = self.dice.random();
        let standing = Standing::default();
        let seen = match decide(message, &served.snapshot, &standing, &self.settings, peer, dice, &mut out) {
            Action::Send { length, .. } => match Message::from_octets(&out[..length]) {
                Ok(message) => Seen::read(&message, asked.kind),
                Err(_) => Seen::Other("a short answer".into()),
            },
            Action::Drop(_) | Action::Forward => Seen::Silence,
        };
        let client = Client { replica: served.number, number: 0 };
        self.history.note(client, question, Span { sent: now, received: now }, seen);
    }
}
