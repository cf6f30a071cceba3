//! One event stream: the snapshot, then what happens, in RecordIO (`mesos-api.md` sections 5.1, 5.4, 5.7).
//!
//! The stream's own task takes what the stage has for it and frames it. The snapshot is written twice, to be
//! measured and to be sent, and never held. The task waits for its client; the stage waits for nobody.

use std::{
    io::{self, BufWriter},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};
use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    Beat, Fault, body,
    body::{PIECE_BYTES, PIECES_MAX, Piece, Pieces},
    line::End,
    stage::{Item, Scene, Subscription},
    trouble,
};
use crate::{
    cluster::{Report, State, Task},
    memory::Event,
    render::v1::{self, Raw},
};

/// Size of the `data` that an executor put into an update, before it became base64.
const BIG_DATA_BYTES: usize = 4 * 1024 * 1024;

/// 200 with an endless body.
pub(super) fn respond(
    scene: Scene,
    subscription: Subscription,
    beat: Beat,
    faults: watch::Receiver<Fault>,
    end: End,
) -> Response<Body> {
    let (out, pieces) = mpsc::channel(PIECES_MAX);
    let crash = subscription.crash.clone();
    let seen = faults.clone();
    tokio::spawn(async move {
        let fault = *faults.borrow();
        let teller = Teller {
            scene: Arc::new(scene),
            subscription,
            beat,
            fault,
            faults,
            out,
            left: None,
            held: Vec::new(),
        };
        // It fails when the client is gone or the stream has come to its end.
        _ = teller.run().await;
    });
    let mut response = Response::new(Body::new(Pieces(trouble::pass(pieces, seen, end, crash))));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

struct Teller {
    scene: Arc<Scene>,
    subscription: Subscription,
    beat: Beat,
    fault: Fault,
    faults: watch::Receiver<Fault>,
    out: mpsc::Sender<Piece>,
    /// Events until a fault comes into force.
    left: Option<usize>,
    /// Events about agents and frameworks that are told late.
    held: Vec<Bytes>,
}

/// Why a stream ends; nobody asks for details.
struct Ended;

type Told = Result<(), Ended>;

impl Teller {
    async fn run(mut self) -> Told {
        let profile = self.scene.view().profile;
        if profile.beats_first() {
            self.record(&v1::heartbeat()).await?;
        }
        if self.fault != Fault::NoSubscribed {
            self.snapshot().await?;
        }
        if profile.beats_at_once() {
            self.heartbeat().await?;
        }
        self.misbehave().await?;
        let every = self.beat.interval();
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let real = matches!(self.beat, Beat::Every(_)) && profile.has_heartbeat();
            tokio::select! {
                biased;
                () = self.out.closed() => return Err(Ended),
                // Once nobody can change the faults any more, they stay as they are.
                Ok(()) = self.faults.changed() => self.look().await?,
                item = self.subscription.items.recv() => {
                    self.look().await?;
                    self.item(item.ok_or(Ended)?).await?;
                }
                _ = ticks.tick(), if real => self.heartbeat().await?,
            }
        }
    }

    /// Writes the snapshot.
    async fn snapshot(&mut self) -> Told {
        let (scene, announced) = (self.scene.clone(), self.beat.interval());
        let render = move |out: &mut dyn io::Write| v1::subscribed(scene.view(), announced, out);
        let measuring = render.clone();
        let length = tokio::task::spawn_blocking(move || body::length(&measuring)).await;
        let Ok(Ok(length)) = length else { return Err(Ended) };
        self.number(length).await?;
        let out = self.out.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut out = BufWriter::with_capacity(PIECE_BYTES, body::Sender(out));
            render(&mut out).and_then(|()| io::Write::flush(&mut out))
        });
        written.await.ok().and_then(Result::ok).ok_or(Ended)
    }

    async fn item(&mut self, item: Item) -> Told {
        let (raw, text) = match item {
            Item::Beat => return self.heartbeat().await,
            Item::Event(raw, text) => (raw, text),
        };
        self.subscription.took(text.len());
        if self.fault == Fault::TaskFirst && raw == Raw::Surroundings {
            self.held.push(text);
            return Ok(());
        }
        self.record(&text).await?;
        self.release().await
    }

    async fn heartbeat(&mut self) -> Told {
        self.release().await?;
        if self.fault == Fault::NoHeartbeat || !self.scene.view().profile.has_heartbeat() {
            return Ok(());
        }
        self.piece(framed(&v1::heartbeat())).await
    }

    async fn release(&mut self) -> Told {
        for late in std::mem::take(&mut self.held) {
            self.record(&late).await?;
        }
        Ok(())
    }

    /// Takes notice of another fault.
    async fn look(&mut self) -> Told {
        let fault = *self.faults.borrow_and_update();
        if fault == self.fault {
            return Ok(());
        }
        self.fault = fault;
        self.misbehave().await
    }

    /// Does once what the fault asks for.
    async fn misbehave(&mut self) -> Told {
        let profile = self.scene.view().profile;
        self.left = None;
        match self.fault {
            Fault::CloseAfter { events: 0 } => return Err(Ended),
            Fault::CloseAfter { events } => self.left = Some(events),
            Fault::CutRecord { after_events } => self.left = Some(after_events),
            Fault::UnknownEvent => {
                let text = json!({"type": "TASK_ASTONISHED", "task_astonished": {"by": [1, null, "x"]}});
                self.record(text.to_string().as_bytes()).await?;
            }
            Fault::BigData => {
                let data = BASE64.encode(&vec![b'.'; BIG_DATA_BYTES]);
                if let Some(text) = self.some_update(Some(&data)) {
                    self.record(&text).await?;
                }
            }
            Fault::TerminalTask => {
                let ended = self.some_task().map(|task| Event::TaskAdded(Arc::new(ended(task))));
                let cluster = self.scene.view().cluster;
                if let Some((_, text)) = ended.and_then(|event| v1::event(cluster, &event, profile)) {
                    self.record(&text).await?;
                }
            }
            Fault::Flood { events } => {
                let Some(text) = self.some_update(None) else { return Ok(()) };
                for _ in 0..events {
                    self.record(&text).await?;
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn some_task(&self) -> Option<&Arc<Task>> {
        let mut tasks = self.scene.view().cluster.tasks.values();
        tasks.find(|task| task.state == State::Running)
    }

    /// An update that says of a running task what is known already.
    fn some_update(&self, data: Option<&str>) -> Option<Vec<u8>> {
        let task = self.some_task()?.clone();
        let view = self.scene.view();
        let status = task.statuses.last()?.clone();
        let report = Report { before: task.state, last_told: Some(status.state), task, status };
        Some(v1::text(&v1::updated(view.cluster, &report, data, view.profile), view.profile))
    }

    /// Sends one event.
    async fn record(&mut self, text: &[u8]) -> Told {
        match (self.fault, &mut self.left) {
            (Fault::CutRecord { .. }, Some(0)) => {
                let half = framed(text);
                self.piece(half.slice(..half.len() / 2)).await?;
                return Err(Ended);
            }
            (_, Some(left)) => *left -= 1,
            _ => (),
        }
        self.number(text.len()).await?;
        if self.fault == Fault::SplitNumber {
            let (first, second) = text.split_at(text.len() / 2);
            self.piece(Bytes::copy_from_slice(first)).await?;
            self.piece(Bytes::copy_from_slice(second)).await?;
        } else {
            self.piece(Bytes::copy_from_slice(text)).await?;
        }
        match (self.fault, self.left) {
            (Fault::CloseAfter { .. }, Some(0)) => Err(Ended),
            _ => Ok(()),
        }
    }

    /// Sends the length that stands before a record.
    async fn number(&mut self, length: usize) -> Told {
        let number = match self.fault {
            Fault::BadNumber => "12x34\n".to_owned(),
            Fault::TooLong => "4398046511104\n".to_owned(),
            Fault::ZeroRecord => format!("0\n{length}\n"),
            _ => format!("{length}\n"),
        };
        if self.fault == Fault::SplitNumber {
            for digit in number.bytes() {
                self.piece(Bytes::from(vec![digit])).await?;
            }
            return Ok(());
        }
        self.piece(number.into()).await
    }

    async fn piece(&self, piece: Bytes) -> Told {
        self.out.send(Ok(piece)).await.map_err(|_| Ended)
    }
}

/// A task like this one that has failed.
fn ended(task: &Arc<Task>) -> Task {
    let mut ended = Task::clone(task);
    ended.id.push_str(".ended");
    ended.state = State::Failed;
    if let Some(last) = ended.statuses.last_mut() {
        last.state = State::Failed;
    }
    ended
}

/// A record.
fn framed(text: &[u8]) -> Bytes {
    [format!("{}\n", text.len()).as_bytes(), text].concat().into()
}

impl Beat {
    /// What is announced, and kept unless heartbeats come when told.
    pub(super) fn interval(self) -> Duration {
        match self {
            Self::Every(interval) | Self::Told { announced: interval } => interval,
        }
    }
}
