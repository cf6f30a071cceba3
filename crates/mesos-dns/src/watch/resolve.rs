//! Host names and their addresses, looked up ahead of time.
//!
//! Agents, schedulers and masters may be named by host name. The system's resolver is asked for those names
//! in the background, a few at a time; what it said last is what everybody gets at once. A name that was
//! never asked for is waited for, but not long: what comes later is in the next update. A name that fails
//! keeps the addresses it had.
//!
//! Why the system's resolver: it knows the hosts file, the search list and whatever else the operator set up.
//! It blocks a thread and cannot be stopped; so the number of threads in it is limited until it lets go of
//! them, whoever still waits.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use mesos_dns_core::cluster::Hosts;
use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::{Instant, timeout, timeout_at},
};

use super::metrics::WatchMetrics;

/// Most names looked up; of more, the first ones. Agents by far the most: one name each.
pub const NAMES_MAX: usize = 1 << 16;

/// Most look-ups at once.
pub const LOOKUPS_MAX: usize = 16;

/// Time for one look-up.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for names that were never looked up.
pub const NEW_NAMES_WAIT: Duration = Duration::from_secs(1);

/// A name is looked up again when its addresses are as old as this.
pub const REFRESH_AFTER: Duration = Duration::from_secs(60);

/// The same for a name whose last look-up failed.
pub const RETRY_AFTER: Duration = Duration::from_secs(15);

/// Most addresses of one name.
pub const ADDRESSES_MAX: usize = 64;

/// Asks for the addresses of a name; may block.
type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// What a look-up of a name gave; `None` if it failed.
type Found = (Arc<str>, Option<Box<[IpAddr]>>);

/// Names and what is known of them.
pub struct Resolver {
    lookup: Lookup,
    names: HashMap<Arc<str>, Known>,
    running: JoinSet<Found>,
    permits: Arc<Semaphore>,
    metrics: Arc<WatchMetrics>,
    /// Counts calls of [`Resolver::resolve`]; names that a call does not mention are forgotten.
    round: u64,
}

#[derive(Default)]
struct Known {
    addresses: Box<[IpAddr]>,
    /// When to look up again; `None` while that is going on.
    due: Option<Instant>,
    round: u64,
}

/// What is known of the names asked for.
pub struct Resolved {
    /// Their addresses.
    pub hosts: Hosts,
    /// Whether the first look-up of some name still goes on.
    pub waiting: bool,
}

impl Resolver {
    /// Asks the system.
    pub fn new(metrics: Arc<WatchMetrics>) -> Self {
        Self::with(Arc::new(ask_system), metrics)
    }

    fn with(lookup: Lookup, metrics: Arc<WatchMetrics>) -> Self {
        let permits = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self { lookup, names: HashMap::new(), running: JoinSet::new(), permits, metrics, round: 0 }
    }

    /// The addresses of these names, the important ones first. Takes up to [`NEW_NAMES_WAIT`].
    pub async fn resolve(&mut self, names: impl IntoIterator<Item = Arc<str>>) -> Resolved {
        self.round += 1;
        let new = self.start(names);
        let round = self.round;
        self.names.retain(|_, known| known.round == round);
        self.wait_for(new).await
    }

    /// The addresses of these names too: those of before are not forgotten.
    pub async fn resolve_more(&mut self, names: impl IntoIterator<Item = Arc<str>>) -> Hosts {
        let new = self.start(names);
        self.wait_for(new).await.hosts
    }

    /// Waits a little for so many names that were never looked up before.
    async fn wait_for(&mut self, mut new: usize) -> Resolved {
        let limit = Instant::now() + NEW_NAMES_WAIT;
        while new > 0 {
            let Ok(Some(done)) = timeout_at(limit, self.running.join_next()).await else { break };
            new -= usize::from(self.handle_done(done.ok()));
        }
        let mut hosts = Hosts::default();
        for (name, known) in self.names.iter().filter(|(_, known)| !known.addresses.is_empty()) {
            hosts.insert(name.clone(), known.addresses.clone());
        }
        Resolved { hosts, waiting: new > 0 }
    }

    /// Starts what is due, counts the names never looked up before.
    fn start(&mut self, names: impl IntoIterator<Item = Arc<str>>) -> usize {
        while let Some(done) = self.running.try_join_next() {
            self.handle_done(done.ok());
        }
        let now = Instant::now();
        let mut new = 0;
        for name in names {
            if self.names.len() >= NAMES_MAX && !self.names.contains_key(&name) {
                self.metrics.names_ignored.inc();
                continue;
            }
            let known = self.names.entry(name.clone()).or_insert_with(|| {
                new += 1;
                Known { due: Some(now), ..Known::default() }
            });
            known.round = self.round;
            if known.due.is_some_and(|due| due <= now) {
                known.due = None;
                let (lookup, permits) = (self.lookup.clone(), self.permits.clone());
                self.running.spawn(async move { (name.clone(), look_up(lookup, permits, name).await) });
                self.metrics.lookups.inc();
            }
        }
        new
    }

    /// Takes in a look-up that ended; tells whether it was the first one of a name that is still wanted.
    fn handle_done(&mut self, done: Option<Found>) -> bool {
        let Some((name, found)) = done else { return false };
        if found.is_none() {
            self.metrics.lookup_failures.inc();
        }
        let Some(known) = self.names.get_mut(&name) else { return false };
        let pause = if found.is_some() { REFRESH_AFTER } else { RETRY_AFTER };
        let first = known.addresses.is_empty();
        known.due = Some(Instant::now() + pause);
        if let Some(addresses) = found {
            known.addresses = addresses;
        }
        first
    }
}

/// One look-up, its addresses in a fixed order: resolvers turn them around, and that is no change.
async fn look_up(lookup: Lookup, permits: Arc<Semaphore>, name: Arc<str>) -> Option<Box<[IpAddr]>> {
    let permit = permits.acquire_owned().await.ok()?;
    let asked = spawn_blocking(move || {
        let found = lookup(&name);
        drop(permit);
        found
    });
    let mut addresses = timeout(LOOKUP_TIMEOUT, asked).await.ok()?.ok()?.ok()?;
    addresses.iter_mut().for_each(|address| *address = address.to_canonical());
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    (!addresses.is_empty()).then_some(addresses.into())
}

fn ask_system(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use mesos_dns_core::cluster::Host;

    use super::*;

    fn resolver(lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Resolver {
        Resolver::with(Arc::new(lookup), Arc::default())
    }

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn addresses(resolved: &Resolved, name: &str) -> Vec<String> {
        resolved.hosts.addresses(&Host::Name(name.into())).iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn finds_localhost() {
        let mut resolver = Resolver::new(Arc::default());
        let resolved = resolver.resolve(names(&["localhost"])).await;
        assert!(addresses(&resolved, "localhost").contains(&"127.0.0.1".to_owned()));
        assert!(!resolved.waiting);
    }

    #[tokio::test(start_paused = true)]
    async fn asks_again_only_after_a_while() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let mut resolver = resolver(move |_| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let mut found: Vec<IpAddr> =
                vec!["10.0.0.2".parse().unwrap(), "::ffff:10.0.0.1".parse().unwrap()];
            found.rotate_left(number % 2);
            Ok(found)
        });
        let first = resolver.resolve(names(&["a", "a"])).await;
        assert_eq!(addresses(&first, "a"), ["10.0.0.1", "10.0.0.2"]);
        resolver.resolve(names(&["a"])).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(REFRESH_AFTER).await;
        let again = resolver.resolve(names(&["a"])).await;
        assert_eq!(again.hosts, first.hosts, "what is known is given at once, in the same order");
        while asked.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_keeps_the_last_good_addresses() {
        let answers =
            Mutex::new(vec![Err(io::ErrorKind::TimedOut.into()), Ok(vec!["10.0.0.1".parse().unwrap()])]);
        let metrics: Arc<WatchMetrics> = Arc::default();
        let mut resolver =
            Resolver::with(Arc::new(move |_| answers.lock().unwrap().pop().unwrap()), metrics.clone());
        resolver.resolve(names(&["a"])).await;
        tokio::time::advance(REFRESH_AFTER).await;
        resolver.resolve(names(&["a"])).await;
        while metrics.lookup_failures.get() == 0 {
            let resolved = resolver.resolve(names(&["a"])).await;
            assert_eq!(addresses(&resolved, "a"), ["10.0.0.1"]);
            tokio::task::yield_now().await;
        }
        assert_eq!(addresses(&resolver.resolve(names(&["a"])).await, "a"), ["10.0.0.1"]);
    }

    #[tokio::test]
    async fn a_slow_name_holds_up_nobody_for_long() {
        let (release, hold) = mpsc::channel::<()>();
        let hold = Mutex::new(hold);
        let mut resolver = resolver(move |name| {
            if name == "slow" {
                _ = hold.lock().unwrap().recv();
            }
            Ok(vec!["10.0.0.1".parse().unwrap()])
        });
        let resolved = resolver.resolve(names(&["slow", "quick"])).await;
        assert!(resolved.waiting);
        assert_eq!(addresses(&resolved, "quick"), ["10.0.0.1"]);
        assert!(addresses(&resolved, "slow").is_empty());
        drop(release);
        loop {
            let resolved = resolver.resolve(names(&["slow", "quick"])).await;
            if addresses(&resolved, "slow") == ["10.0.0.1"] {
                break;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn only_so_many_at_once() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now_inside, most_inside) = (now.clone(), most.clone());
        let mut resolver = resolver(move |_| {
            most_inside.fetch_max(now_inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            now_inside.fetch_sub(1, Ordering::SeqCst);
            Ok(vec!["10.0.0.1".parse().unwrap()])
        });
        let many: Vec<Arc<str>> = (0..200).map(|number| Arc::from(format!("n{number}"))).collect();
        let resolved = resolver.resolve(many.clone()).await;
        assert!(many.iter().all(|name| addresses(&resolved, name) == ["10.0.0.1"]));
        assert!(most.load(Ordering::SeqCst) <= LOOKUPS_MAX);
    }

    #[tokio::test]
    async fn names_no_longer_mentioned_are_forgotten() {
        let mut resolver = resolver(|_| Ok(vec!["10.0.0.1".parse().unwrap()]));
        resolver.resolve(names(&["a", "b"])).await;
        let resolved = resolver.resolve(names(&["b"])).await;
        assert!(addresses(&resolved, "a").is_empty() && resolver.names.len() == 1);
    }
}
