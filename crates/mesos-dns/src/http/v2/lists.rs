//! Lists of what is in the cluster and in the zone.

use std::{io::Write, sync::Arc};

use hyper::{
    Request, Response, StatusCode,
    header::{CACHE_CONTROL, ETAG, HeaderValue, VARY},
};
use mesos_dns_core::{
    views::v2::{
        self as views, AgentFilter, FrameworkFilter, Health, LabelFilter, Page, Pattern, RecordFilter, State,
        TaskFilter, Type, Version,
    },
    wire::Name,
};
use serde::Serialize;

use super::{
    super::{
        Api,
        accept::preferred,
        refusal::Refusal,
        reply::{JSON, NDJSON, Reply, reply, whole},
    },
    page::{self, Sent},
    query::Query,
    text,
};
use crate::publish::Published;

/// One thing as it is sent.
#[derive(Serialize)]
struct One<'a, T> {
    version: u64,
    id: &'a str,
    serial: u32,
    item: &'a T,
}

/// What a list is made from, and what its head says.
pub(super) struct Source<'a> {
    view: Version<'a>,
    version: u64,
    id: String,
    serial: u32,
}

impl Source<'_> {
    fn page<T: Serialize>(&self, page: &Page<T>) -> Vec<u8> {
        let next = page.next.as_deref().map(page::cursor);
        text(&Sent { version: self.version, id: &self.id, serial: self.serial, next, page })
    }

    fn one<T: Serialize>(&self, item: &T) -> Vec<u8> {
        text(&One { version: self.version, id: &self.id, serial: self.serial, item })
    }
}

/// The first line of a stream of records: all that is needed to make a zone of the rest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    version: u64,
    id: String,
    serial: u32,
    zone: super::status::Zone<'a>,
}

impl Api {
    /// Answers with what `make` makes of the present version, unless the client has it already.
    pub(super) async fn list<B>(
        &self,
        request: &Request<B>,
        query: Query,
        make: impl FnOnce(&Source<'_>, &Query) -> Result<Vec<u8>, Refusal> + Send + 'static,
    ) -> Result<Response<Reply>, Refusal> {
        let _turn = self.list_turn().await?;
        let published = self.loaded()?;
        let entity = self.v2.instance.entity(&published);
        if page::is_known(request.headers(), &entity) {
            let mut response = Response::new(Reply::Whole(None));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(tagged(response, &entity));
        }
        let id = self.v2.instance.tag(published.version).to_string();
        let made = tokio::task::spawn_blocking(move || {
            let (view, version, serial) = (published.view(), published.version, published.zone.serial());
            make(&Source { view, version, id, serial }, &query)
        });
        let made = made.await.map_err(|_| {
            self.metrics.panics.inc();
            Refusal::Broken
        })?;
        Ok(tagged(whole(StatusCode::OK, JSON, made?), &entity))
    }

    /// What is published, once there is anything.
    pub(super) fn loaded(&self) -> Result<Arc<Published>, Refusal> {
        let published = self.board.load();
        if published.zone.is_loaded() { Ok(published) } else { Err(Refusal::Loading) }
    }

    /// `/v2/records`: a page, or all of them, one on each line.
    pub(super) async fn records<B>(
        &self,
        request: &Request<B>,
        query: Query,
    ) -> Result<Response<Reply>, Refusal> {
        if preferred(request.headers(), super::V2::Records.kinds()) != Some("application/x-ndjson") {
            return self.list(request, query, records).await.map(varied);
        }
        if query.text("limit").or(query.text("cursor")).is_some() {
            return Err(Refusal::Invalid(
                "limit and cursor are for pages: a stream of lines has none".into(),
            ));
        }
        let (published, filter) = (self.loaded()?, record_filter(&query)?);
        let id = self.v2.instance.tag(published.version).to_string();
        let settings = self.settings.load_full();
        if request.method() == hyper::Method::HEAD {
            return Ok(varied(whole(StatusCode::OK, NDJSON, "")));
        }
        let body = self.stream(move |chunks| {
            let (version, serial) = (published.version, published.zone.serial());
            let zone = super::status::Zone::of(&published, &settings);
            serde_json::to_writer(&mut *chunks, &Head { version, id, serial, zone })?;
            chunks.write_all(b"\n")?;
            views::write_records(published.view(), &filter, chunks)
        })?;
        Ok(varied(reply(StatusCode::OK, NDJSON, body)))
    }
}

impl Published {
    /// All of it, for views.
    pub(in super::super) fn view(&self) -> Version<'_> {
        Version { zone: &self.zone, cluster: &self.cluster, policy: &self.policy }
    }
}

fn tagged(mut response: Response<Reply>, entity: &str) -> Response<Reply> {
    if let Ok(value) = HeaderValue::from_str(entity) {
        response.headers_mut().insert(ETAG, value);
    }
    // Who keeps it asks each time whether it is still so.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn varied(mut response: Response<Reply>) -> Response<Reply> {
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

//------------ Lists ---------------------------------------------------------

/// Where a page begins, as `N` parts.
fn place<const N: usize>(query: &Query) -> Result<Option<[String; N]>, Refusal> {
    query.parsed("cursor", "what \"next\" of the page before says", page::parts)
}

/// `/v2/agents`.
pub(super) fn agents(source: &Source<'_>, query: &Query) -> Result<Vec<u8>, Refusal> {
    let filter = AgentFilter {
        name: query.text("name").map(Pattern::new),
        zone: query.text("zone").map(str::to_owned),
        region: query.text("region").map(str::to_owned),
    };
    let after = place::<1>(query)?;
    let after = after.as_ref().map(|[id]| &**id);
    Ok(source.page(&views::agents(source.view, &filter, after, query.limit()?)))
}

/// `/v2/frameworks`.
pub(super) fn frameworks(source: &Source<'_>, query: &Query) -> Result<Vec<u8>, Refusal> {
    let filter = FrameworkFilter { name: query.text("name").map(Pattern::new) };
    let after = place::<1>(query)?;
    let after = after.as_ref().map(|[id]| &**id);
    Ok(source.page(&views::frameworks(source.view, &filter, after, query.limit()?)))
}

/// `/v2/services`.
pub(super) fn services(source: &Source<'_>, query: &Query) -> Result<Vec<u8>, Refusal> {
    let (filter, after) = (task_filter(query)?, place::<2>(query)?);
    let after = after.as_ref().map(|[framework, name]| (&**framework, &**name));
    Ok(source.page(&views::services(source.view, &filter, after, query.limit()?)))
}

/// `/v2/tasks`.
pub(super) fn tasks(source: &Source<'_>, query: &Query) -> Result<Vec<u8>, Refusal> {
    let (filter, after) = (task_filter(query)?, place::<2>(query)?);
    let after = after.as_ref().map(|[framework, id]| (&**framework, &**id));
    Ok(source.page(&views::tasks(source.view, &filter, after, query.limit()?)))
}

/// `/v2/tasks/{id}`: the task, if there is one of this id.
pub(super) fn task(source: &Source<'_>, query: &Query, id: &str) -> Result<Vec<u8>, Refusal> {
    let framework = query.text("framework").map(Pattern::new);
    let found = views::framework_ids_of(source.view, id, framework.as_ref());
    match found.as_slice() {
        [] => Err(Refusal::NoSuch(format!("there is no task {id:?}"))),
        [framework] => {
            let item = views::task(source.view, framework, id);
            item.map(|item| source.one(&item)).ok_or(Refusal::Broken)
        }
        several => {
            let several = several.join(", ");
            Err(Refusal::Invalid(format!(
                "there is a task {id:?} in several frameworks: add framework=, {several}"
            )))
        }
    }
}

/// `/v2/records`, a page.
fn records(source: &Source<'_>, query: &Query) -> Result<Vec<u8>, Refusal> {
    let filter = record_filter(query)?;
    let after = query.parsed("cursor", "what \"next\" of the page before says", |text| {
        let [name, told] = page::parts(text)?;
        Some((Name::parse(&name).ok()?, told.parse().ok()?))
    })?;
    let after = after.as_ref().map(|(name, told)| (name, *told));
    Ok(source.page(&views::records(source.view, &filter, after, query.limit()?)))
}

/// Which records a request wants.
pub(super) fn record_filter(query: &Query) -> Result<RecordFilter, Refusal> {
    let types = Type::names().collect::<Vec<_>>().join(", ");
    Ok(RecordFilter {
        name: query.text("name").map(Pattern::of_name),
        below: query.parsed("below", "a name", |text| Name::parse(text).ok())?,
        rtype: query.parsed("type", format!("one of {types}, or TYPE with its number"), Type::parse)?,
    })
}

/// Which tasks a request wants.
pub(super) fn task_filter(query: &Query) -> Result<TaskFilter, Refusal> {
    let named = |names: &[&str]| format!("one of {}", names.join(", "));
    let health = Health::ALL.map(Health::name);
    let states = State::ALL.map(State::name);
    let text = |name| query.text(name).map(str::to_owned);
    Ok(TaskFilter {
        framework: query.text("framework").map(Pattern::new),
        name: query.text("name").map(Pattern::new),
        agent: query.text("agent").map(Pattern::new),
        labels: query.all("label").map(label).collect::<Result<_, _>>()?,
        zone: text("zone"),
        region: text("region"),
        health: query.parsed("health", named(&health), |text| {
            Health::ALL.into_iter().find(|health| health.name() == text)
        })?,
        state: query.parsed("state", named(&states), |text| {
            State::ALL.into_iter().find(|state| state.name() == text)
        })?,
    })
}

/// `key` or `key:value`.
fn label(text: &str) -> Result<LabelFilter, Refusal> {
    let (key, value) = match text.split_once(':') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    if LabelFilter::KEYS.contains(&key) {
        return Ok(LabelFilter { key: key.to_owned(), value });
    }
    let kept = LabelFilter::KEYS.join(", ");
    Err(Refusal::Invalid(format!(
        "label={text:?} is of no use: of the labels of tasks only these are kept: {kept}"
    )))
}
