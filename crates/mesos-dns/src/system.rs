//! The system around the process: signals, the service manager, threads, descriptors, and who holds a port.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    process::{Resource, Rlimit, getpid, getpriority_process, getrlimit, setpriority_process, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

//------------ Signals -------------------------------------------------------

/// The signals we act on. Once this exists they no longer end the process by themselves.
pub struct Signals {
    hang_up: Signal,
    interrupt: Signal,
    terminate: Signal,
    user: Signal,
}

/// How often each thing was asked for by a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// SIGUSR1: nothing is to be held any more.
    pub releases: u64,
    /// SIGHUP: the configuration is to be read again.
    pub reloads: u64,
}

impl Signals {
    /// Starts listening. Call it within the runtime, before anything that a signal should end orderly.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// Passes signals on until one ends the process: SIGHUP and SIGUSR1 raise a number in `asked`, SIGTERM and
    /// SIGINT cancel `shutdown`. Ends as well when somebody else cancels it.
    pub async fn relay(mut self, asked: watch::Sender<Asked>, shutdown: CancellationToken) {
        loop {
            let name = tokio::select! {
                _ = self.hang_up.recv() => {
                    info!("reload asked for");
                    asked.send_modify(|asked| asked.reloads += 1);
                    continue;
                }
                _ = self.user.recv() => {
                    asked.send_modify(|asked| asked.releases += 1);
                    continue;
                }
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
                () = shutdown.cancelled() => return,
            };
            info!(signal = name, "stopping");
            shutdown.cancel();
            return;
        }
    }
}

//------------ Service manager -----------------------------------------------

/// Tells the service manager, if there is one, that we serve.
pub fn tell_ready() {
    tell(&[NotifyState::Ready]);
}

/// Tells the service manager that the configuration is being read again; [`tell_ready`] ends it.
pub fn tell_reloading() {
    // The manager matches the message with its own clock (sd_notify(3)).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Tells the service manager that we are about to end.
pub fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Shows one line about us in the manager's status.
pub fn tell_status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        debug!(error = %cause, "service manager not reached");
    }
}

/// Shows the service manager that we are alive, if it asked for that (`WatchdogSec`), until told to stop.
///
/// It runs as a task of the runtime, so a runtime that hangs is noticed; `is_alive` speaks for the rest.
pub async fn feed_watchdog(is_alive: impl Fn() -> bool, shutdown: CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled().filter(|period| !period.is_zero()) else { return };
    let mut ticks = interval(period / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_alive = true;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let is_alive = is_alive();
        if is_alive {
            tell(&[NotifyState::Watchdog]);
        } else if was_alive {
            warn!("watchdog is no longer fed: a part does not respond");
        }
        was_alive = is_alive;
    }
}

//------------ Threads -------------------------------------------------------

/// How far a thread stands behind those that answer datagrams, where there are not enough processors for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// It answers, too, or is waited for by those who ask over TCP and HTTP.
    Second,
    /// It has much to do at once, and what it does shows a little later.
    Last,
}

/// Gives the thread that calls this a rank; threads that it starts begin with the same one.
///
/// Needs no privilege. Where it is refused, the work is done all the same.
pub fn step_back(rank: Rank) {
    let steps = match rank {
        Rank::Second => 5,
        Rank::Last => 10,
    };
    // The process's number is that of its first thread, which stays where the operator put it. No number is the
    // thread that calls.
    let first = getpriority_process(Some(getpid())).unwrap_or(0);
    _ = setpriority_process(None, first.saturating_add(steps));
}

/// Keeps the thread that calls this on one of the processors that it may use: the one with this number among them,
/// counted round.
pub fn pin(number: usize) -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let processors: Vec<usize> =
        (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)).collect();
    let Some(chosen) = number.checked_rem(processors.len()) else { return Ok(()) };
    let mut only = CpuSet::new();
    only.set(processors[chosen]);
    Ok(sched_setaffinity(None, &only)?)
}

//------------ Descriptors ---------------------------------------------------

/// How many file descriptors we may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// The limit we were started with.
    pub before: u64,
    /// The limit now in force; work is scaled to it.
    pub now: u64,
}

/// Raises the limit of open files as far as we are allowed without privileges.
pub fn raise_descriptors() -> Descriptors {
    let limit = getrlimit(Resource::Nofile);
    // No limit is more than we could ever use.
    let before = limit.current.unwrap_or(u64::MAX);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(cause) => {
            warn!(error = %cause, limit = before, "cannot raise the limit of open files");
            before
        }
    };
    Descriptors { before, now }
}

//------------ Holder --------------------------------------------------------

/// The transports a port can be held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Listening sockets.
    Tcp,
    /// Bound sockets.
    Udp,
}

/// The process that holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// The name of its program, without arguments: those may hold secrets.
    pub command: String,
}

impl Holder {
    /// The process with this id; its name is empty if that is not to be seen.
    pub fn of(pid: u32) -> Self {
        Self { pid, command: command(&Path::new("/proc").join(pid.to_string())) }
    }
}

/// How long looking for a holder may take: a machine can have very many processes.
const SEARCH_MAX: Duration = Duration::from_secs(2);

/// Finds out who holds a local port, on whatever address. `None` if nobody does, or if the process
/// belongs to somebody whose descriptors we may not see.
pub fn holder(port: u16, protocol: Protocol) -> Option<Holder> {
    let inodes = inodes(port, protocol);
    if inodes.is_empty() {
        return None;
    }
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let deadline = Instant::now() + SEARCH_MAX;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .take_while(|_| Instant::now() < deadline)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .find(|(_, process)| holds(process, &links))
        .map(|(pid, process)| Holder { pid, command: command(&process) })
}

fn command(process: &Path) -> String {
    fs::read_to_string(process.join("comm")).unwrap_or_default().trim_end().to_owned()
}

fn holds(process: &Path, links: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().filter_map(|descriptor| fs::read_link(descriptor.path()).ok()).any(|target| {
        let target = target.to_str().unwrap_or_default();
        links.iter().any(|link| link == target)
    })
}

/// The inodes of the sockets on a port, from the kernel's tables (proc(5)).
fn inodes(port: u16, protocol: Protocol) -> Vec<u64> {
    let (tables, state) = match protocol {
        Protocol::Tcp => (["/proc/net/tcp", "/proc/net/tcp6"], TCP_LISTEN),
        Protocol::Udp => (["/proc/net/udp", "/proc/net/udp6"], UDP_UNCONNECTED),
    };
    let rows = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
    rows.flat_map(|text| text.lines().filter_map(|row| inode(row, port, state)).collect::<Vec<_>>()).collect()
}

/// `TCP_LISTEN` of the kernel, as its tables spell it.
const TCP_LISTEN: &str = "0A";
/// `TCP_CLOSE`: what a UDP socket that is not connected says.
const UDP_UNCONNECTED: &str = "07";

/// The inode in a row of a socket table, if the row is of this port and state.
fn inode(row: &str, port: u16, state: &str) -> Option<u64> {
    let mut columns = row.split_ascii_whitespace();
    let (_, local_port) = columns.nth(1)?.rsplit_once(':')?;
    let is_it = u16::from_str_radix(local_port, 16).ok()? == port && columns.nth(1)? == state;
    // Queues, timer, retransmits, user and timeout stand between state and inode.
    columns.nth(5)?.parse().ok().filter(|_| is_it)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, UdpSocket},
        os::unix::net::UnixDatagram,
        process::Command,
    };

    use super::*;

    #[test]
    fn rows_of_the_socket_tables() {
        let tcp = "   1: 0100007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 \
                   23456 1 0000000000000000 100 0 0 10 0";
        assert_eq!(inode(tcp, 53, TCP_LISTEN), Some(23456));
        assert_eq!(inode(tcp, 54, TCP_LISTEN), None);
        assert_eq!(inode(&tcp.replace(" 0A ", " 01 "), 53, TCP_LISTEN), None);
        let udp = "  99: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 \
                   00000000:00000000 00:00000000 00000000   101        0 789 2 0000000000000000 0";
        assert_eq!(inode(udp, 5353, UDP_UNCONNECTED), Some(789));
        let heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(inode(heading, 53, TCP_LISTEN), None);
        assert_eq!(inode("", 53, TCP_LISTEN), None);
    }

    #[test]
    fn a_pinned_thread_stays_where_it_is() {
        let may = || {
            let allowed = sched_getaffinity(None).unwrap();
            (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)).collect::<Vec<_>>()
        };
        let all = may();
        for number in 0..=all.len() {
            let mine = std::thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    pin(number).unwrap();
                    may()
                });
                thread.join().unwrap()
            });
            assert_eq!(mine, [all[number % all.len()]]);
        }
        assert_eq!(may(), all, "other threads do as before");
    }

    #[test]
    fn we_hold_our_own_ports() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let us = fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned();
        let us = Holder { pid: std::process::id(), command: us };
        assert_eq!(holder(tcp.local_addr().unwrap().port(), Protocol::Tcp).as_ref(), Some(&us));
        assert_eq!(holder(udp.local_addr().unwrap().port(), Protocol::Udp).as_ref(), Some(&us));
        let freed = tcp.local_addr().unwrap().port();
        drop(tcp);
        assert_ne!(holder(freed, Protocol::Tcp), Some(us));
    }

    #[test]
    fn the_limit_of_open_files_rises() {
        let raised = raise_descriptors();
        assert!(raised.now >= raised.before, "{raised:?}");
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), raised.now);
    }

    #[tokio::test]
    async fn signals_are_passed_on() {
        let signals = Signals::new().unwrap();
        let (asked, mut heard) = watch::channel(Asked::default());
        let shutdown = CancellationToken::new();
        let relay = tokio::spawn(signals.relay(asked, shutdown.clone()));
        let ourselves = rustix::process::getpid();
        rustix::process::kill_process(ourselves, rustix::process::Signal::HUP).unwrap();
        heard.changed().await.unwrap();
        assert_eq!(*heard.borrow_and_update(), Asked { reloads: 1, releases: 0 });
        rustix::process::kill_process(ourselves, rustix::process::Signal::USR1).unwrap();
        heard.changed().await.unwrap();
        assert_eq!(*heard.borrow(), Asked { reloads: 1, releases: 1 });
        assert!(!shutdown.is_cancelled());
        rustix::process::kill_process(ourselves, rustix::process::Signal::TERM).unwrap();
        relay.await.unwrap();
        assert!(shutdown.is_cancelled());
    }

    /// Runs itself again as a service would be run, and listens as the manager would.
    #[tokio::test]
    async fn the_service_manager_is_told() {
        if std::env::var_os("NOTIFY_SOCKET").is_some() {
            tell_reloading();
            tell_ready();
            let shutdown = CancellationToken::new();
            let fed = std::cell::Cell::new(0);
            let is_alive = || {
                fed.set(fed.get() + 1);
                if fed.get() == 3 {
                    shutdown.cancel();
                }
                true
            };
            feed_watchdog(is_alive, shutdown.clone()).await;
            tell_status("42 tasks");
            tell_stopping();
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut service = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "system::tests::the_service_manager_is_told"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "20000")
            .env_remove("WATCHDOG_PID")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut heard = String::new();
        while !heard.contains("STOPPING=1") {
            let mut datagram = [0; 256];
            let length = manager.recv(&mut datagram).unwrap();
            heard.push_str(std::str::from_utf8(&datagram[..length]).unwrap());
        }
        assert!(service.wait().unwrap().success());
        let keys: Vec<&str> = heard.lines().map(|line| line.split('=').next().unwrap()).collect();
        let watchdog = ["WATCHDOG"; 3];
        let expected =
            [&["RELOADING", "MONOTONIC_USEC", "READY"][..], &watchdog, &["STATUS", "STOPPING"]].concat();
        assert_eq!(keys, expected, "{heard}");
    }
}
