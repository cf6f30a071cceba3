//! Who is connected: a seat for each connection, over TCP, TLS and HTTPS together.
//!
//! A client has its share of seats and is refused more. If all seats are taken, the connection that has been idle
//! longest makes room for the next one (RFC 7766 section 6.2.3 lets a server close whom it likes): so idle ones can
//! be kept as long as there is room, and a flood of connections costs those that use theirs nothing. Whom we still
//! owe an answer is never sent away.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Connections that were told to leave and are still there, at most: beyond it newcomers are refused, or a flood could
/// have more descriptors open than there are seats.
const LEAVING_MAX: usize = 64;

/// In place of the time since when a connection is idle: we owe it something.
const BUSY: u64 = u64::MAX;

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at once.
    pub connections: usize,
    /// Of one IPv4 address, or one IPv6 network of 64 bits.
    pub per_client: usize,
}

/// All seats.
pub struct Clients {
    connections: AtomicUsize,
    per_client: AtomicUsize,
    /// Times are told as milliseconds since this.
    epoch: Instant,
    stop: CancellationToken,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    open: usize,
    leaving: usize,
    by_client: HashMap<IpAddr, usize>,
    /// By the time since when they are idle, as far as is known here: it may be later by now, never earlier.
    waiting: BTreeMap<(u64, u64), Arc<Seat>>,
    next: u64,
}

struct Seat {
    client: IpAddr,
    number: u64,
    /// The time under which it stands in the table. Changed under the table's lock only.
    noted: AtomicU64,
    /// Milliseconds since the epoch, or [`BUSY`]. The connection writes it without a lock.
    idle_since: AtomicU64,
    /// Whether it had to make room.
    is_evicted: AtomicBool,
    leave: CancellationToken,
}

/// Why somebody gets no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken, and we owe everybody an answer.
    Connections,
    /// The client has its share.
    PerClient,
}

impl Clients {
    /// No connections yet. All are told to leave when `stop` is cancelled.
    pub fn new(limits: ConnectionLimits, stop: &CancellationToken) -> Self {
        Self {
            connections: AtomicUsize::new(limits.connections),
            per_client: AtomicUsize::new(limits.per_client),
            epoch: Instant::now(),
            stop: stop.clone(),
            table: Mutex::default(),
        }
    }

    /// Puts other limits in force. Nobody is sent away for it: room is made when somebody wants it.
    pub fn limit(&self, limits: ConnectionLimits) {
        self.connections.store(limits.connections, Ordering::Relaxed);
        self.per_client.store(limits.per_client, Ordering::Relaxed);
    }

    /// A seat for one more connection of this address. Tells whether somebody else had to make room.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<(Visit, bool), Full> {
        let client = network(address);
        let mut table = self.table();
        if table.by_client.get(&client).is_some_and(|own| *own >= self.per_client.load(Ordering::Relaxed)) {
            return Err(Full::PerClient);
        }
        let staying = table.open.saturating_sub(table.leaving);
        let is_full = staying >= self.connections.load(Ordering::Relaxed);
        if is_full && !self.evict(&mut table) {
            return Err(Full::Connections);
        }
        table.open += 1;
        *table.by_client.entry(client).or_default() += 1;
        table.next += 1;
        let now = self.now();
        let seat = Arc::new(Seat {
            client,
            number: table.next,
            noted: AtomicU64::new(now),
            idle_since: AtomicU64::new(now),
            is_evicted: AtomicBool::new(false),
            leave: self.stop.child_token(),
        });
        table.waiting.insert((now, seat.number), seat.clone());
        Ok((Visit { clients: self.clone(), seat }, is_full))
    }

    /// Makes room without anybody waiting for it: the system has no more descriptors. Tells whether there was
    /// somebody to send away.
    pub(super) fn make_room(&self) -> bool {
        self.evict(&mut self.table())
    }

    /// Tells the connection that has been idle longest to leave.
    ///
    /// The first in the table is looked at; if it was active since, it is put where it belongs and the next one
    /// is looked at. So activity costs a connection no lock, and each of its moments at most one step here.
    fn evict(&self, table: &mut Table) -> bool {
        if table.leaving >= LEAVING_MAX {
            return false;
        }
        let now = self.now();
        let mut busy = Vec::new();
        let found = loop {
            let Some(((noted, number), seat)) = table.waiting.pop_first() else { break None };
            match seat.idle_since.load(Ordering::Relaxed) {
                BUSY => busy.push(seat),
                since if since > noted => {
                    seat.noted.store(since, Ordering::Relaxed);
                    table.waiting.insert((since, number), seat);
                }
                _ => break Some(seat),
            }
        };
        // They will be idle from now on at the earliest.
        for seat in busy {
            seat.noted.store(now, Ordering::Relaxed);
            table.waiting.insert((now, seat.number), seat);
        }
        let Some(seat) = found else { return false };
        table.leaving += 1;
        seat.is_evicted.store(true, Ordering::Relaxed);
        seat.leave.cancel();
        true
    }

    fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    fn at(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.epoch).as_millis()).unwrap_or(BUSY - 1)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A taken seat, until it is dropped.
pub(super) struct Visit {
    clients: Arc<Clients>,
    seat: Arc<Seat>,
}

impl Visit {
    /// The connection is idle since then: it may have to make room.
    pub(super) fn idle(&self, since: Instant) {
        self.seat.idle_since.store(self.clients.at(since), Ordering::Relaxed);
    }

    /// We owe it something.
    pub(super) fn busy(&self) {
        self.seat.idle_since.store(BUSY, Ordering::Relaxed);
    }

    /// Cancelled when the connection has to go: to make room, or because the server stops.
    pub(super) fn leave(&self) -> &CancellationToken {
        &self.seat.leave
    }

    /// Whether it has to go to make room.
    pub(super) fn is_evicted(&self) -> bool {
        self.seat.is_evicted.load(Ordering::Relaxed)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut table = self.clients.table();
        table.open -= 1;
        if self.is_evicted() {
            table.leaving -= 1;
        } else {
            let noted = self.seat.noted.load(Ordering::Relaxed);
            table.waiting.remove(&(noted, self.seat.number));
        }
        if let Some(own) = table.by_client.get_mut(&self.seat.client) {
            *own -= 1;
            if *own == 0 {
                table.by_client.remove(&self.seat.client);
            }
        }
    }
}

/// Whom an address belongs to: an IPv6 host has 64 bits of addresses to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn clients(connections: usize, per_client: usize) -> Arc<Clients> {
        Arc::new(Clients::new(ConnectionLimits { connections, per_client }, &CancellationToken::new()))
    }

    fn client(number: u8) -> IpAddr {
        [10, 0, 0, number].into()
    }

    fn is_leaving(visit: &Visit) -> bool {
        visit.leave().is_cancelled()
    }

    #[test]
    fn clients_have_their_share() {
        let clients = clients(9, 2);
        let enter = |text: &str| clients.admit(text.parse().unwrap()).map(|(visit, _)| visit);
        let first = enter("10.0.0.1");
        let second = enter("::ffff:10.0.0.1");
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(enter("10.0.0.1").err(), Some(Full::PerClient));
        let others = [enter("10.0.0.2"), enter("fd00::1"), enter("fd00::2"), enter("fd00:0:0:1::1")];
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(enter("fd00::3").err(), Some(Full::PerClient));
        drop(second);
        assert!(enter("10.0.0.1").is_ok());
        drop((first, others));
        let table = clients.table();
        assert!(table.by_client.is_empty() && table.waiting.is_empty() && table.open == 0);
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let clients = clients(3, 9);
        let start = clients.epoch;
        let visits: Vec<Visit> = (0..3).map(|number| clients.admit(client(number)).unwrap().0).collect();
        // The first two were active since; the first of them longer ago.
        visits[1].idle(start + Duration::from_secs(7));
        visits[0].idle(start + Duration::from_secs(8));
        let (next, made_room) = clients.admit(client(3)).unwrap();
        assert!(made_room);
        assert_eq!(visits.iter().map(is_leaving).collect::<Vec<_>>(), [false, false, true]);
        next.busy();
        let _another = clients.admit(client(4)).unwrap();
        assert_eq!(visits.iter().map(is_leaving).collect::<Vec<_>>(), [false, true, true]);
        assert!(visits[1].is_evicted() && !visits[0].is_evicted());
        drop(visits);
        // Two left; those that stay are the busy one and the newest.
        let (_third, made_room) = clients.admit(client(5)).unwrap();
        assert!(!made_room && !is_leaving(&next));
    }

    #[test]
    fn who_is_owed_something_stays() {
        let clients = clients(2, 9);
        let visits = [0, 1].map(|number| clients.admit(client(number)).unwrap().0);
        visits.iter().for_each(Visit::busy);
        assert_eq!(clients.admit(client(2)).err(), Some(Full::Connections));
        assert!(!clients.make_room());
        // Idle again, and found although it was put back as busy.
        visits[1].idle(clients.epoch + Duration::from_secs(1));
        assert!(clients.admit(client(2)).is_ok());
        assert!(is_leaving(&visits[1]) && !is_leaving(&visits[0]));
    }

    #[test]
    fn a_flood_waits_for_those_who_leave() {
        let clients = clients(100, 1000);
        let mut visits = Vec::new();
        while let Ok((visit, _)) = clients.admit(client(1)) {
            visits.push(visit);
        }
        assert_eq!(visits.len(), 100 + LEAVING_MAX);
        assert_eq!(visits.iter().filter(|visit| is_leaving(visit)).count(), LEAVING_MAX);
        visits.retain(|visit| !is_leaving(visit));
        assert!(clients.admit(client(1)).is_ok_and(|(_, made_room)| made_room));
    }

    #[test]
    fn the_end_is_for_everybody() {
        let stop = CancellationToken::new();
        let limits = ConnectionLimits { connections: 2, per_client: 2 };
        let clients = Arc::new(Clients::new(limits, &stop));
        let (visit, _) = clients.admit(client(1)).unwrap();
        clients.limit(ConnectionLimits { connections: 1, per_client: 1 });
        assert_eq!(clients.admit(client(1)).err(), Some(Full::PerClient));
        assert!(!is_leaving(&visit));
        stop.cancel();
        assert!(is_leaving(&visit) && !visit.is_evicted());
    }
}
