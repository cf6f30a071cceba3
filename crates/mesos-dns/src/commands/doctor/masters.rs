//! The masters: found, reached, in a mood to tell us what we need, and of the same time as we.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION},
};
use mesos_dns_core::{
    config::{Authentication, Config, Updates},
    mesos::state,
    mesos::zk_url::ZkUrl,
    watch::Master,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::Finding;
use crate::{
    daemon::rooms,
    watch::{
        auth::Auth,
        exchange::{self, Answer},
        metrics::WatchMetrics,
        tls::Tls,
        zookeeper::{self, Sight, State},
    },
};

/// Time to find the masters through ZooKeeper.
const ZOOKEEPER: Duration = Duration::from_secs(10);

/// Time for one master to begin its answer.
const ANSWER: Duration = Duration::from_secs(15);

/// Time for a state document.
const DOCUMENT: Duration = Duration::from_secs(120);

/// Largest state document that is read, in bytes.
const DOCUMENT_BYTES_MAX: usize = 1 << 30;

/// Most masters that are asked.
const MASTERS_MAX: usize = 9;

/// What two clocks may differ in, in seconds; the header tells whole ones.
const SKEW_MAX: f64 = 5.0;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let settings = rooms::watch(config);
    let mut findings = Vec::new();
    let masters = match &config.zk {
        Some(url) => {
            let (finding, masters) = group(url.clone()).await;
            findings.push(finding);
            masters
        }
        None => config.masters.iter().filter_map(|master| Master::parse(master)).collect(),
    };
    let metrics = Arc::new(WatchMetrics::default());
    let tls = match settings.tls.as_ref().map(Tls::new).transpose() {
        Ok(tls) => tls,
        Err(error) => {
            findings.push(Finding::fail("TLS", error.to_string(), "mend the files of certificates"));
            return findings;
        }
    };
    let auth = match Auth::new(&settings.auth, tls.clone(), metrics) {
        Ok(auth) => auth,
        Err(error) => {
            let told = format!("{:#}", anyhow::Error::from(error));
            findings.push(Finding::fail("credentials", told, "mend mesosCredentials or IAMConfigFile"));
            return findings;
        }
    };
    let looker = Looker { config, tls, auth };
    let mut has_led = false;
    for master in masters.iter().take(MASTERS_MAX) {
        let seen = looker.look(master).await;
        has_led |= seen.leads;
        findings.extend(seen.findings);
    }
    if !has_led && !masters.is_empty() {
        let mend =
            "wait for an election, or see why the masters do not elect one: /master/redirect, their logs";
        findings.push(Finding::fail("leader", "no master that answers leads", mend));
    }
    findings
}

/// The masters as ZooKeeper knows them.
async fn group(url: ZkUrl) -> (Finding, Vec<Master>) {
    let check = "ZooKeeper";
    let servers: Vec<String> = url.servers.iter().map(ToString::to_string).collect();
    let (servers, path) = (servers.join(", "), url.path.clone());
    let (sender, mut sight) = watch::channel(Sight::default());
    let seen = async {
        tokio::select! {
            () = zookeeper::run(url, sender, Arc::new(WatchMetrics::default())) => {}
            _ = sight.wait_for(|sight| sight.state != State::Away) => {}
            () = sleep(ZOOKEEPER) => {}
        }
        sight.borrow().clone()
    };
    let seen = seen.await;
    let masters: Vec<Master> = seen
        .members
        .iter()
        .flat_map(|members| members.iter())
        .filter_map(|member| member.info.as_ref())
        .map(Master::from)
        .collect();
    let finding = match (seen.state, masters.len()) {
        (State::Away, _) => Finding::fail(
            check,
            format!("no session with {servers}"),
            "see whether it runs and a firewall lets port 2181 pass; the log with -v=1 tells more",
        ),
        (State::NoGroup, _) => Finding::fail(
            check,
            format!("{servers} answers, but has no {path}"),
            "give the path that the masters have behind --zk",
        ),
        (State::Watching, 0) => Finding::fail(
            check,
            format!("no master is registered at {path}"),
            "start the masters; or let this user read their nodes",
        ),
        (State::Watching, count) => Finding::ok(check, format!("{servers} knows {count} masters")),
    };
    (finding, masters)
}

struct Looker<'a> {
    config: &'a Config,
    tls: Option<Tls>,
    auth: Auth,
}

/// What was seen of a master.
#[derive(Default)]
struct Seen {
    findings: Vec<Finding>,
    /// Whether it leads.
    leads: bool,
}

impl Looker<'_> {
    async fn look(&self, master: &Master) -> Seen {
        let check = format!("master {master}");
        let request = Request::get("/master/state").body(Full::default());
        let answer = match self.ask(master, request).await {
            Ok(answer) => answer,
            Err(reason) => {
                let scheme = if self.config.mesos_https_on { "https" } else { "http" };
                let mend =
                    format!("see whether it runs and speaks {scheme} (mesosHTTPSOn), and what firewalls do");
                return Seen { findings: vec![Finding::fail(check, reason, mend)], leads: false };
            }
        };
        let clock = skew(answer.response.headers(), SystemTime::now()).map(|skew| clock(master, skew));
        let status = answer.response.status();
        let mut seen = Seen::default();
        match status {
            StatusCode::OK => {
                seen.leads = true;
                seen.findings.push(document(check, answer).await);
                if self.config.updates != Updates::Poll {
                    seen.findings.extend(self.events(master).await);
                }
            }
            status if status.is_redirection() => {
                let to = answer.response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                let told = format!("answers, does not lead and points to {}", to.unwrap_or("nobody"));
                seen.findings.push(Finding::ok(check, told));
            }
            status => seen.findings.push(self.refused(check, status, "GET /master/state")),
        }
        seen.findings.extend(clock);
        seen
    }

    /// Whether the leader sends us events; without them it is asked every `refreshSeconds`.
    async fn events(&self, master: &Master) -> Option<Finding> {
        let check = format!("events of {master}");
        let request = Request::post("/api/v1").header(ACCEPT, "application/json");
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(Bytes::from_static(br#"{"type":"SUBSCRIBE"}"#)));
        Some(match self.ask(master, request).await.map(|answer| answer.response.status()) {
            Ok(StatusCode::OK) => Finding::ok(check, "the operator API sends them"),
            Ok(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
                self.refused(check, status, "SUBSCRIBE of POST /api/v1")
            }
            Ok(status) => Finding::warn(
                check,
                format!("the operator API answers {status} to SUBSCRIBE"),
                "changes are learnt by polling then; \"updates\": \"poll\" asks for nothing else",
            ),
            Err(reason) => Finding::warn(check, reason, "changes are learnt by polling then"),
        })
    }

    /// Which permission is missing.
    fn refused(&self, check: String, status: StatusCode, what: &str) -> Finding {
        let told = format!("answers {status} to {what}");
        let mend = match (status, &self.config.mesos_authentication) {
            (StatusCode::UNAUTHORIZED, Authentication::None) => {
                "it wants credentials: set mesosAuthentication and mesosCredentials to a principal of its --credentials"
            }
            (StatusCode::UNAUTHORIZED, Authentication::Basic { .. }) => {
                "principal or secret of mesosCredentials are not those of its --credentials"
            }
            (StatusCode::UNAUTHORIZED, Authentication::Iam { .. }) => {
                "it does not take the token of the service account: see IAMConfigFile"
            }
            (StatusCode::FORBIDDEN, _) => {
                "the principal lacks a permission: let its ACLs give VIEW_FRAMEWORK, VIEW_TASK, VIEW_EXECUTOR and \
                 VIEW_ROLE (view_frameworks, view_tasks, view_executors, view_roles)"
            }
            _ => "see the log of the master",
        };
        Finding::fail(check, told, mend)
    }

    async fn ask(
        &self,
        master: &Master,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<Answer, String> {
        let mut request = request.map_err(|error| error.to_string())?;
        let asked = async {
            let header: Option<HeaderValue> = self.auth.header().await?;
            if let Some(header) = header {
                request.headers_mut().insert(AUTHORIZATION, header);
            }
            anyhow::Ok(exchange::send(master, self.tls.as_ref(), request).await?)
        };
        match timeout(ANSWER, asked).await {
            Ok(answer) => answer.map_err(|error| format!("{error:#}")),
            Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
        }
    }
}

/// What the leader lets us see of the cluster.
async fn document(check: String, answer: Answer) -> Finding {
    let _connection = answer.connection;
    let body = Limited::new(answer.response.into_body(), DOCUMENT_BYTES_MAX).collect();
    let body = match timeout(DOCUMENT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => {
            return Finding::fail(check, format!("its state broke off: {error}"), "see its log");
        }
        Err(_) => {
            let told = format!("its state took longer than {} s", DOCUMENT.as_secs());
            return Finding::fail(check, told, "raise stateTimeoutSeconds, or see why it is so slow");
        }
    };
    match state::decode(&body) {
        Ok(document) => {
            let told = format!(
                "leads; we see {} tasks, {} agents, {} frameworks",
                document.tasks.len(),
                document.agents.len(),
                document.frameworks.len()
            );
            match body.windows(8).any(|bytes| bytes == b"\"flags\":") {
                true => Finding::ok(check, told),
                // An authorizer takes away what one may not see, and says nothing.
                false => Finding::warn(
                    check,
                    format!("{told}, but not its flags"),
                    "an authorizer hides things from us: see that the principal has VIEW_FRAMEWORK, VIEW_TASK, \
                     VIEW_EXECUTOR and VIEW_ROLE, else tasks are missing without a word",
                ),
            }
        }
        Err(error) => {
            Finding::fail(check, format!("its state is not understood: {error}"), "is this a master?")
        }
    }
}

/// By how many seconds the clock of whoever sent these headers is before ours.
fn skew(headers: &HeaderMap, now: SystemTime) -> Option<f64> {
    let there = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(match there.duration_since(now) {
        Ok(ahead) => ahead.as_secs_f64(),
        Err(behind) => -behind.duration().as_secs_f64(),
    })
}

fn clock(master: &Master, skew: f64) -> Finding {
    let check = format!("clock of {master}");
    // The header has the second that has begun.
    match skew.abs() <= SKEW_MAX {
        true => Finding::ok(check, "the same as ours, to a few seconds"),
        false => Finding::warn(
            check,
            format!("{:.0} s {} ours", skew.abs(), if skew > 0.0 { "before" } else { "behind" }),
            "have both follow NTP: ages of tasks and the life of tokens are reckoned with them",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn clocks_are_compared_by_the_header() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let master = Master::parse("10.0.0.1:5050").unwrap();
        for (date, verdict, part) in [
            ("Sun, 06 Nov 1994 08:49:36 GMT", Verdict::Ok, "the same"),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Verdict::Warn, "60 s before"),
            ("Sun, 06 Nov 1994 07:49:37 GMT", Verdict::Warn, "3600 s behind"),
        ] {
            let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static(date))]);
            let finding = clock(&master, skew(&headers, now).unwrap());
            assert!(finding.verdict == verdict && finding.told.contains(part), "{date}: {finding:?}");
        }
        assert_eq!(skew(&HeaderMap::new(), now), None);
    }
}
