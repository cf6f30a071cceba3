//! `mesos-dns watch`: changes of records, as they happen.
//!
//! Reads the events of `/v2/watch` and shows a line for each record that came or went. When the connection is lost it is made
//! again, and the server is told up to where we have heard; what happened meanwhile is shown then. Where the server no
//! longer knows that, it says so with a `reset`, and so do we: the lines before and behind do not join.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    StatusCode,
    body::Incoming,
    header::{ACCEPT, HeaderName},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};

use super::{
    api::Server,
    terminal::{BAD, FAINT, GOOD, ODD, painted, remark, show},
};
use crate::{
    args::{Common, Output, Watch},
    daemon::run_to_end,
};

/// The server says something at least every 15 seconds; it is gone if it does not in this time.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Longest wait before a connection is made again; the first is a tenth of a second.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Largest event that is read, in bytes: 256 records with the longest names and much data.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// Largest refusal that is read, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// Shows changes until it is interrupted or nobody reads any more.
///
/// # Errors
///
/// The server cannot be asked at all, or refuses.
pub fn run(options: &Watch, common: &Common) -> anyhow::Result<ExitCode> {
    let server = Server::find(options.url.as_deref(), &options.access, common)?;
    let mut watcher = Watcher {
        server,
        path: path(options),
        last: options.since.clone(),
        is_first: true,
        output: options.output,
    };
    run_to_end(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            ended = watcher.watch() => return ended,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if let Some(last) = &watcher.last {
            remark(&format!("heard up to {last}; go on with --since {last}"));
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The path with its filters.
fn path(options: &Watch) -> String {
    let filters = [
        ("name", &options.name),
        ("below", &options.below),
        ("type", &options.rtype),
        ("framework", &options.framework),
    ];
    let filters = filters.iter().filter_map(|(key, value)| {
        let value = utf8_percent_encode(value.as_deref()?, NON_ALPHANUMERIC);
        Some(format!("{key}={value}"))
    });
    let query = filters.collect::<Vec<_>>().join("&");
    if query.is_empty() { "/v2/watch".to_owned() } else { format!("/v2/watch?{query}") }
}

struct Watcher {
    server: Server,
    path: String,
    /// Up to where we have heard.
    last: Option<String>,
    /// Whether no connection was ever made.
    is_first: bool,
    output: Output,
}

/// Nobody reads what we write.
struct Closed;

impl Watcher {
    /// Follows the server over all its interruptions.
    async fn watch(&mut self) -> anyhow::Result<()> {
        let mut pause = RETRY_MAX / 300;
        loop {
            match self.connect().await {
                Ok(body) => {
                    if !self.is_first {
                        remark("connected again");
                    }
                    self.is_first = false;
                    pause = RETRY_MAX / 300;
                    match self.follow(body).await {
                        Ok(Closed) => return Ok(()),
                        Err(error) => remark(&format!("{error:#}; connecting again")),
                    }
                }
                Err(refused) if self.is_first || refused.is::<Refused>() => return Err(refused),
                Err(_) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    async fn connect(&self) -> anyhow::Result<Events> {
        let mut headers = vec![(ACCEPT, "text/event-stream")];
        if let Some(last) = &self.last {
            headers.push((HeaderName::from_static("last-event-id"), last));
        }
        let answer = self.server.open(&self.path, &headers).await?;
        let code = answer.response.status();
        if code == StatusCode::OK {
            let body = answer.response.into_body();
            return Ok(Events { body, buffer: Vec::new(), _connection: answer.connection });
        }
        let body = Limited::new(answer.response.into_body(), REFUSAL_BYTES_MAX).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let told = serde_json::from_slice(&body).unwrap_or_default();
        let error = self.server.refusal(code, &told);
        // What is busy or starting may have got better the next time.
        if code.is_client_error() { Err(error.context(Refused)) } else { Err(error) }
    }

    /// Shows events until the connection ends, which is the error, or nobody reads.
    async fn follow(&mut self, mut events: Events) -> anyhow::Result<Closed> {
        loop {
            let event = events.next().await?;
            // Shown first: who is interrupted in between sees it twice rather than never.
            let data: Value = match event.data.as_str() {
                "" => Value::Null,
                data => serde_json::from_str(data).context("an event is not understood")?,
            };
            if !self.tell(&event.kind, &data)? {
                return Ok(Closed);
            }
            if let Some(id) = event.id {
                self.last = Some(id);
            }
        }
    }

    /// Shows an event. `false`: nobody reads.
    fn tell(&self, kind: &str, data: &Value) -> anyhow::Result<bool> {
        let lines = match self.output {
            Output::Table => table(kind, data, &clock(SystemTime::now())),
            Output::Json => objects(kind, data),
        };
        if lines.is_empty() { Ok(true) } else { Ok(show(&lines)?) }
    }
}

/// The server wants something else of us: asking again would not help.
#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused;

//------------ Events ----------------------------------------------------------

/// A stream of server-sent events.
struct Events {
    body: Incoming,
    buffer: Vec<u8>,
    _connection: tokio::task::JoinSet<()>,
}

/// An event as it came; a comment has neither kind nor data.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    id: Option<String>,
    kind: String,
    data: String,
}

impl Events {
    async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|bytes| bytes == b"\n\n") {
                let event = Event::read(&String::from_utf8_lossy(&self.buffer[..end]));
                self.buffer.drain(..end + 2);
                return Ok(event);
            }
            if self.buffer.len() > EVENT_BYTES_MAX {
                bail!("an event is too large");
            }
            let frame = timeout(SILENCE_MAX, self.body.frame()).await.context("the server is silent")?;
            let frame = frame.context("the server closed the connection")?.context("the connection broke")?;
            let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
            self.buffer.extend_from_slice(&data);
        }
    }
}

impl Event {
    fn read(text: &str) -> Self {
        let mut event = Self::default();
        for line in text.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => event.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut event.kind),
                "data" => {
                    if !event.data.is_empty() {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                }
                _ => {}
            }
        }
        event
    }
}

//------------ What is shown ---------------------------------------------------

/// The lines of an event, for people.
fn table(kind: &str, data: &Value, time: &str) -> String {
    let time = painted(FAINT, time);
    let version = &data["version"];
    match kind {
        "here" => format!("{time} {}\n", painted(FAINT, &format!("watching from version {version}"))),
        "reset" => {
            let words = format!("what happened before version {version} is not known: starting anew from it");
            format!("{time} {}\n", painted(ODD, &words))
        }
        "change" => {
            let line = |style, sign: &str, record: &Value| {
                let member = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
                let (name, rtype, shown) = (member("name"), member("type"), member("data"));
                let what = format!("{sign} {name} {} {rtype} {shown}", record["ttl"]);
                format!("{time} {}\n", painted(style, &what))
            };
            let records = |list: &str| data[list].as_array().cloned().unwrap_or_default();
            let went = records("removed").iter().map(|record| line(BAD, "-", record)).collect::<String>();
            let came = records("added").iter().map(|record| line(GOOD, "+", record)).collect::<String>();
            went + &came
        }
        _ => String::new(),
    }
}

/// The same, an object on each line.
fn objects(kind: &str, data: &Value) -> String {
    let mut lines = String::new();
    let mut line = |value: Value| lines.push_str(&format!("{value}\n"));
    match kind {
        "here" | "reset" => {
            line(
                json!({"change": kind, "version": data["version"], "id": data["id"], "serial": data["serial"]}),
            );
        }
        "change" => {
            for list in ["removed", "added"] {
                for record in data[list].as_array().into_iter().flatten() {
                    let mut object =
                        json!({"change": list, "version": data["version"], "serial": data["serial"]});
                    if let (Some(into), Some(members)) = (object.as_object_mut(), record.as_object()) {
                        into.extend(members.clone());
                    }
                    line(object);
                }
            }
        }
        _ => {}
    }
    lines
}

/// The time of day, UTC.
fn clock(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{:02}:{:02}:{:02}Z", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_are_written() {
        let event =
            Event::read("id: 42-5f3a9c1e\nevent: change\ndata: {\"version\":42,\ndata: \"added\":[]}");
        let expected = Event {
            id: Some("42-5f3a9c1e".into()),
            kind: "change".into(),
            data: "{\"version\":42,\n\"added\":[]}".into(),
        };
        assert_eq!(event, expected);
        assert_eq!(Event::read(": alive"), Event::default());
        let kept = Event::read(": alive\nid: 7-1");
        assert_eq!((kept.id.as_deref(), kept.kind.as_str()), (Some("7-1"), ""));
    }

    #[test]
    fn a_line_for_each_record() {
        let record = json!({"name": "a.mesos.", "type": "A", "ttl": 5, "data": "10.0.0.7"});
        let data = json!({"version": 42, "serial": 9, "added": [record], "removed": []});
        let plain = anstream::adapter::strip_str(&table("change", &data, "12:00:00Z")).to_string();
        assert_eq!(plain, "12:00:00Z + a.mesos. 5 A 10.0.0.7\n");
        let object: Value = serde_json::from_str(&objects("change", &data)).unwrap();
        assert_eq!((&object["change"], &object["data"]), (&json!("added"), &json!("10.0.0.7")));
        assert!(table("reset", &data, "").contains("anew") && objects("reset", &data).contains("reset"));
        assert_eq!(table("", &Value::Null, ""), "");
        assert_eq!(clock(UNIX_EPOCH + Duration::from_secs(86400 + 3723)), "01:02:03Z");
    }
}
