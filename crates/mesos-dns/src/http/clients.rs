//! How many connections each client has, so that none of them takes those of all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

/// How many connections each client has.
#[derive(Default)]
pub(super) struct Clients(std::sync::Mutex<HashMap<IpAddr, usize>>);

impl Clients {
    /// Counts one more connection of a client, unless it has its share.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, share: usize) -> Option<Visit> {
        let client = network(address);
        let mut counts = self.counts();
        let count = counts.entry(client).or_default();
        if *count >= share {
            return None;
        }
        *count += 1;
        Some(Visit { clients: Arc::clone(self), client })
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One connection of a client, until it is dropped.
pub(super) struct Visit {
    clients: Arc<Clients>,
    client: IpAddr,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut counts = self.clients.counts();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
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
    use super::*;

    #[test]
    fn clients_have_their_share() {
        let clients = Arc::new(Clients::default());
        let enter = |text: &str| clients.enter(text.parse().unwrap(), 2);
        let first = enter("10.0.0.1");
        let second = enter("::ffff:10.0.0.1");
        assert!(first.is_some() && second.is_some() && enter("10.0.0.1").is_none());
        let others = [enter("10.0.0.2"), enter("fd00::1"), enter("fd00::2"), enter("fd00:0:0:1::1")];
        assert!(others.iter().all(Option::is_some));
        assert!(enter("fd00::3").is_none());
        drop(second);
        assert!(enter("10.0.0.1").is_some());
        drop((first, others));
        assert!(clients.counts().is_empty());
    }
}
