//! What the operator of this machine can ask of the process, over a Unix socket that nobody else can open.
//!
//! `GET /status` says how things stand; `POST /release` vouches for the leader, so that nothing is held any more
//! which it does not show; `POST /flush` forgets answers of other servers: of one name (`?name=`), of a name and all
//! below it (`?below=`), or of all (`?all`). There are few clients and all of them are trusted, so there are few connections, one
//! request each, and no `Host` to check: no browser reaches a Unix socket.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::{Method, Request, Response, StatusCode, body::Body, service::service_fn};
use hyper_util::rt::TokioIo;
use mesos_dns_core::{
    forward::selection::Selection,
    views,
    watch::{believe::Why, knowledge::Held},
    wire::Name,
};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use tokio::{
    net::UnixStream,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    health::{Ready, Standing},
    listener::{ACCEPT_PAUSE, Limits, builder},
    refusal::Refusal,
    reply::{JSON, Reply, whole},
    socket::PrivateSocket,
};
use crate::{
    args::VERSION,
    publish::{Board, NotTaken, Order, Orders},
};

/// Connections at a time; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 16;

/// Longest time for one connection, its answer included.
const CONNECTION: Duration = Duration::from_secs(30);

/// How long a release waits for the document with which it takes effect. The leader is asked at once.
const RELEASE_WAIT: Duration = Duration::from_secs(5);

/// How long answers in hand may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(1);

/// Everything that is needed to answer.
pub struct Admin {
    board: Arc<Board>,
    standing: Box<dyn Fn() -> Standing + Send + Sync>,
    orders: Orders,
    flush: Box<dyn Fn(&Selection) -> u64 + Send + Sync>,
}

/// Who asks, as the kernel says.
#[derive(Clone, Copy, Debug)]
struct Peer {
    pid: Option<i32>,
    uid: u32,
}

/// The body of `/status`: that of `/ready`, and what there is of everything.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(flatten)]
    ready: Ready<'a>,
    held: Option<Kept>,
    tasks: usize,
    agents: usize,
    frameworks: usize,
    names: usize,
    records: u64,
    pid: u32,
    program: &'static str,
}

/// The body of `/release`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Released {
    /// What was held before.
    held: Option<Kept>,
    /// What is held now.
    still_held: Option<Kept>,
    outcome: &'static str,
}

/// The body of `/flush`.
#[derive(Serialize)]
struct Flushed {
    /// How many answers were forgotten, of each name and type.
    flushed: u64,
}

/// What is held, and why.
#[derive(Serialize)]
struct Kept {
    why: &'static str,
    tasks: usize,
    agents: usize,
}

impl From<&Held> for Kept {
    fn from(held: &Held) -> Self {
        let why = match held.why {
            Why::Empty => "empty",
            Why::Loss => "loss",
            Why::Recovering => "recovering",
            Why::Settling => "settling",
        };
        Self { why, tasks: held.tasks, agents: held.agents }
    }
}

/// Serves until told to stop, then finishes the answers in hand and takes the socket away.
///
/// Returns an error only if the socket cannot be taken over by the runtime.
pub async fn serve(socket: PrivateSocket, admin: Arc<Admin>, shutdown: CancellationToken) -> io::Result<()> {
    let PrivateSocket { listener, place } = socket;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = async {
                let slot = slots.clone().acquire_owned().await;
                (slot, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (slot, Ok((stream, _))) => {
                let admin = admin.clone();
                connections.spawn(async move {
                    let _held = slot;
                    if timeout(CONNECTION, converse(stream, admin)).await.is_err() {
                        debug!("an admin connection took too long");
                    }
                });
            }
            (_, Err(error)) => {
                debug!(%error, "cannot accept an admin connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((listener, place));
    let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
    Ok(())
}

/// One connection: one request, one answer.
async fn converse(stream: UnixStream, admin: Arc<Admin>) {
    let Ok(credentials) = stream.peer_cred() else { return };
    let peer = Peer { pid: credentials.pid(), uid: credentials.uid() };
    let service = service_fn(move |request| {
        let admin = admin.clone();
        async move { Ok::<_, Infallible>(admin.respond(&request, peer).await) }
    });
    let mut http = builder(&Limits::default());
    if let Err(error) = http.keep_alive(false).serve_connection(TokioIo::new(stream), service).await {
        debug!(%error, "admin connection ended early");
    }
}

impl Admin {
    /// Answers from this board; orders go to its publisher, and `flush` forgets answers of other servers.
    pub fn new(
        board: Arc<Board>,
        standing: impl Fn() -> Standing + Send + Sync + 'static,
        orders: Orders,
        flush: impl Fn(&Selection) -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { board, standing: Box::new(standing), orders, flush: Box::new(flush) }
    }

    async fn respond<B: Body>(&self, request: &Request<B>, peer: Peer) -> Response<Reply> {
        let path = request.uri().path();
        let allowed = match path {
            "/flush" | "/release" => Method::POST,
            "/status" => Method::GET,
            _ => return Refusal::NotFound.response(),
        };
        if *request.method() != allowed {
            let allowed = if allowed == Method::POST { "POST" } else { "GET" };
            return Refusal::MethodNotAllowed(allowed).response();
        }
        match path {
            "/flush" => self.flush(request.uri().query().unwrap_or_default(), peer),
            "/release" => self.release(peer).await.unwrap_or_else(|_| Refusal::Broken.response()),
            _ => self.status(),
        }
    }

    /// Forgets answers of other servers.
    fn flush(&self, query: &str, peer: Peer) -> Response<Reply> {
        let Some(selection) = selection(query) else { return Refusal::BadRequest.response() };
        let flushed = (self.flush)(&selection);
        info!(
            uid = peer.uid,
            pid = peer.pid,
            %selection,
            flushed,
            "flush asked for through the admin socket"
        );
        whole(StatusCode::OK, JSON, views::text(&Flushed { flushed }))
    }

    fn status(&self) -> Response<Reply> {
        let (published, standing) = (self.board.load(), (self.standing)());
        let (cluster, zone) = (&published.cluster, &published.zone);
        let body = Status {
            ready: Ready::new(&published, &standing),
            held: published.held.as_ref().map(Kept::from),
            tasks: cluster.tasks.len(),
            agents: cluster.agents.len(),
            frameworks: cluster.frameworks.len(),
            names: zone.names(),
            records: zone.records(),
            pid: std::process::id(),
            program: VERSION,
        };
        whole(StatusCode::OK, JSON, views::text(&body))
    }

    /// Vouches for the leader, and waits a little for that to take effect.
    async fn release(&self, peer: Peer) -> Result<Response<Reply>, NotTaken> {
        warn!(uid = peer.uid, pid = peer.pid, "release asked for through the admin socket");
        let mut versions = self.board.subscribe();
        let before = self.board.load().held.clone();
        self.orders.send(Order::Release).await?;
        let dropped = async { while self.board.load().held.is_some() && versions.changed().await.is_ok() {} };
        let _ = timeout(RELEASE_WAIT, dropped).await;
        let after = self.board.load().held.clone();
        let outcome = match (&before, &after) {
            (None, _) => "nothing was held; the leader's next document is believed as it stands",
            (Some(_), None) => "what was held is dropped",
            (Some(_), Some(_)) => "what is held is dropped with the leader's next document",
        };
        let [held, still_held] = [before, after].map(|held| held.as_ref().map(Kept::from));
        Ok(whole(StatusCode::OK, JSON, views::text(&Released { held, still_held, outcome })))
    }
}

/// Reads what is to be forgotten: one of `all`, `below=NAME`, `name=NAME`.
fn selection(query: &str) -> Option<Selection> {
    if query == "all" {
        return Some(Selection::All);
    }
    let (word, name) = query.split_once('=')?;
    let name = Name::parse(&percent_decode_str(name).decode_utf8().ok()?).ok()?;
    match word {
        "below" => Some(Selection::Below(name)),
        "name" => Some(Selection::Name(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_forgotten() {
        let name = |text| Name::parse(text).unwrap();
        for (query, expected) in [
            ("all", Some(Selection::All)),
            ("name=www.Example.com", Some(Selection::Name(name("www.example.com")))),
            ("below=example.com.", Some(Selection::Below(name("example.com")))),
            ("below=.", Some(Selection::Below(name(".")))),
            (r"name=a%5C.b%26c.example", Some(Selection::Name(name(r"a\.b&c.example")))),
            ("", None),
            ("all=1", None),
            ("name=", None),
            ("name=a..b", None),
            ("name=%ff", None),
            ("type=A", None),
        ] {
            assert_eq!(selection(query), expected, "{query}");
        }
    }
}
