//! One exchange for all who ask the same.
//!
//! The first asker of a key begins a flight, others join it, and all get what it brings. A flight belongs to
//! nobody: it goes on when the askers have gone away, and its result is still good for a cache. When it is
//! over it is forgotten here.
//!
//! A flight knows how the questions are spelled that went out for it. One that comes in with just that spelling
//! is our own come back, through servers that forward in a circle: it must not join, or it would wait for itself.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use mesos_dns_core::forward::{entry, key::Key, spelling};
use tokio::sync::watch;

/// The flights under way.
#[derive(Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<Key, UnderWay>>,
}

/// A flight as it is seen from the ground.
struct UnderWay {
    landing: watch::Receiver<Option<Arc<entry::Entry>>>,
    /// The question as the first asker spelled it, and as it went out so far.
    first: Vec<u8>,
    spelled: Vec<Vec<u8>>,
}

/// How somebody who asks gets an answer.
pub(super) enum Boarding {
    /// A flight for this key is under way.
    Joined(Passenger),
    /// This is what a flight sent out.
    Loop,
    /// Here is one to be flown.
    New(Flight, Passenger),
}

/// Somebody who waits for a flight to land.
pub(super) struct Passenger(watch::Receiver<Option<Arc<entry::Entry>>>);

/// A flight, for whoever flies it. Dropped before it has landed, it has failed.
pub(super) struct Flight {
    flights: Arc<Flights>,
    key: Key,
    landing: watch::Sender<Option<Arc<entry::Entry>>>,
}

impl Flights {
    /// Joins the flight for this key, or makes one. `question` is how it is spelled in the query.
    pub(super) fn board(self: &Arc<Self>, key: &Key, question: &[u8]) -> Boarding {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.entry(key.clone()) {
            Entry::Occupied(flight) if flight.get().spelled.iter().any(|sent| sent == question) => {
                Boarding::Loop
            }
            Entry::Occupied(flight) => Boarding::Joined(Passenger(flight.get().landing.clone())),
            Entry::Vacant(place) => {
                let (landing, waiting) = watch::channel(None);
                let passenger = Passenger(waiting.clone());
                place.insert(UnderWay { landing: waiting, first: question.to_vec(), spelled: Vec::new() });
                Boarding::New(Flight { flights: self.clone(), key: key.clone(), landing }, passenger)
            }
        }
    }
}

impl Flight {
    /// What is asked.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// A question went out in this spelling.
    pub(super) fn carries(&self, question: &[u8]) {
        let mut under_way = self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get_mut(&self.key)
            && spelling::is_telling(question, &flight.first)
        {
            flight.spelled.push(question.to_vec());
        }
    }

    /// Lands: everybody on board gets this.
    pub(super) fn land(self, entry: Arc<entry::Entry>) {
        self.landing.send_replace(Some(entry));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Passenger {
    /// What the flight brought; `None` if it failed.
    pub(super) async fn arrive(mut self) -> Option<Arc<entry::Entry>> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

#[cfg(test)]
mod tests {
    use mesos_dns_core::{
        forward::{
            believe::believe,
            message::{Ede, Rcode},
            resolved::Resolved,
        },
        wire::Name,
    };
    use tokio::time::Instant;

    use super::*;

    fn key(name: &str) -> Key {
        let name = Name::parse(name).unwrap();
        Key { name, qtype: 1, qclass: 1, dnssec_ok: false, checking_disabled: false }
    }

    fn begin(flights: &Arc<Flights>, name: &str) -> (Flight, Passenger) {
        match flights.board(&key(name), &key(name).question()) {
            Boarding::New(flight, passenger) => (flight, passenger),
            _ => panic!("{name} is under way"),
        }
    }

    fn join(flights: &Arc<Flights>, name: &str) -> Passenger {
        match flights.board(&key(name), &key(name).question()) {
            Boarding::Joined(passenger) => passenger,
            _ => panic!("{name} is not under way"),
        }
    }

    #[tokio::test]
    async fn all_who_ask_the_same_get_the_same() {
        let flights = Arc::new(Flights::default());
        let (flight, first) = begin(&flights, "a.b");
        let second = join(&flights, "A.B");
        let (other, _) = begin(&flights, "c.b");
        drop(first);
        let third = join(&flights, "a.b");
        let failed = Resolved::Code(Rcode::NXDOMAIN, Ede::Other);
        let own = Name::parse("mesos").unwrap();
        flight.land(Arc::new(believe(&key("a.b"), &failed, &own, Instant::now().into_std())));
        let (second, third) = (second.arrive().await.unwrap(), third.arrive().await.unwrap());
        assert!(Arc::ptr_eq(&second, &third) && second.rcode() == Rcode::NXDOMAIN);
        let (_again, _) = begin(&flights, "a.b");
        let waiting = join(&flights, "c.b");
        drop(other);
        assert!(waiting.arrive().await.is_none(), "one that never lands is told to all");
        drop(begin(&flights, "c.b"));
    }

    #[test]
    fn what_comes_back_does_not_board() {
        let flights = Arc::new(Flights::default());
        let asked = key("www.example.com");
        let spelled = |text: &[u8]| [text, &[0, 1, 0, 1]].concat();
        let first = spelled(b"\x03wWw\x07example\x03com\0");
        let Boarding::New(flight, _) = flights.board(&asked, &first) else { panic!("nothing is under way") };
        let sent = spelled(b"\x03wwW\x07Example\x03com\0");
        let board = |question: &[u8]| matches!(flights.board(&asked, question), Boarding::Loop);
        assert!(!board(&sent));
        flight.carries(&first);
        flight.carries(&sent);
        flight.carries(&asked.question());
        assert!(board(&sent));
        assert!(!board(&first), "the first asker asks again");
        assert!(!board(&asked.question()), "anybody asks like this");
        drop(flight);
        assert!(!board(&sent));
    }
}
