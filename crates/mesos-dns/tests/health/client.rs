//! A client that asks without end and remembers what it was told and when.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use domain::base::iana::{Rcode, Rtype};
use mesos_dns_sim::client::{self, Query};
use tokio::task::JoinHandle;

use super::{
    SHARED,
    daemon::{LOOK, PATIENCE},
    stage::Instance,
};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(1);

/// A pause this much longer than meant says that the machine stood still.
const STALL_MIN: Duration = Duration::from_millis(50);

/// Asks until it is dropped.
pub(super) struct Client {
    shared: Arc<Mutex<Shared>>,
    asking: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    questions: Vec<(String, Rtype)>,
    history: History,
    /// Times in which nobody ran.
    stalls: Vec<(Instant, Instant)>,
}

/// All answers, in the order in which they came.
#[derive(Clone, Default)]
pub(super) struct History(Vec<Told>);

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// What was asked for.
    pub(super) name: String,
    /// And of which type.
    pub(super) rtype: Rtype,
    /// Before anything was sent.
    pub(super) sent: Instant,
    /// After everything had come.
    pub(super) received: Instant,
    /// Whether the name exists.
    pub(super) exists: bool,
    /// Addresses, or targets.
    pub(super) data: BTreeSet<String>,
}

impl Client {
    /// Starts asking, as soon as there are questions.
    pub(super) fn start(server: SocketAddr) -> Self {
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let asking = tokio::spawn(ask_on(server, shared.clone()));
        Self { shared, asking }
    }

    /// One more question, from now on.
    pub(super) fn ask(&self, name: &str, rtype: Rtype) {
        self.shared.lock().unwrap().questions.push((name.to_owned(), rtype));
    }

    /// What it was told so far.
    pub(super) fn history(&self) -> History {
        self.shared.lock().unwrap().history.clone()
    }

    /// For how long between these moments nobody ran.
    pub(super) fn stalled(&self, from: Instant, until: Instant) -> Duration {
        let shared = self.shared.lock().unwrap();
        let within = shared.stalls.iter().filter(|(begin, end)| *begin < until && *end > from);
        within.map(|(begin, end)| *end - *begin).sum()
    }

    /// Waits until it was told this.
    pub(super) async fn until(&self, what: &str, is: impl Fn(&History) -> bool) {
        let started = Instant::now();
        while !is(&self.shared.lock().unwrap().history) {
            if started.elapsed() > PATIENCE {
                let history = self.history();
                let told: Vec<_> = SHARED.iter().map(|(name, _)| history.runs(name)).collect();
                panic!("never told {what}: {told:?}");
            }
            assert!(!self.asking.is_finished(), "the client gave up");
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl History {
    /// All answers.
    pub(super) fn all(&self) -> &[Told] {
        &self.0
    }

    /// Those about a name.
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = &Told> {
        self.0.iter().filter(move |told| told.name == name)
    }

    /// The newest data of a name; `None` if there is no such name, or it was not asked for yet.
    pub(super) fn latest(&self, name: &str) -> Option<&BTreeSet<String>> {
        let newest = self.0.iter().rev().find(|told| told.name == name)?;
        newest.exists.then_some(&newest.data)
    }

    /// Whether, as it was told last, exactly these instances are there.
    pub(super) fn is_told(&self, instances: &[Instance]) -> bool {
        SHARED.iter().all(|(name, rtype)| {
            let expected: BTreeSet<String> = instances.iter().map(|one| one.datum(*rtype)).collect();
            self.latest(name) == Some(&expected)
        })
    }

    /// The data of a name, each once for all equal answers in a row.
    pub(super) fn runs(&self, name: &str) -> Vec<BTreeSet<String>> {
        let mut runs: Vec<_> = self.of(name).map(|told| told.data.clone()).collect();
        runs.dedup();
        runs
    }
}

async fn ask_on(server: SocketAddr, shared: Arc<Mutex<Shared>>) {
    for round in 0.. {
        let paused = Instant::now();
        tokio::time::sleep(PAUSE).await;
        let question = {
            let mut shared = shared.lock().unwrap();
            if paused.elapsed() > PAUSE + STALL_MIN {
                shared.stalls.push((paused, Instant::now()));
            }
            let count = shared.questions.len().max(1);
            shared.questions.get(round % count).cloned()
        };
        let Some((name, rtype)) = question else { continue };
        let sent = Instant::now();
        let answer = client::udp(server, &Query::new(&name, rtype)).await.unwrap();
        let received = Instant::now();
        let exists = match answer.rcode() {
            Rcode::NOERROR => true,
            Rcode::NXDOMAIN => false,
            other => panic!("{name}: {other}"),
        };
        let last = |line: String| line.rsplit(' ').next().unwrap_or_default().to_owned();
        let data = answer.answers().unwrap().into_iter().map(last).collect();
        shared.lock().unwrap().history.0.push(Told { name, rtype, sent, received, exists, data });
    }
}
