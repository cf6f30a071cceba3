//! The dashboard in a real browser: what people do with it, what tenants try with their names, who may not read.
//!
//! Chromium and chromedriver are Debian's (`chromium`, `chromium-driver`); `scripts/install.sh test-all` installs them, and
//! axe-core, which looks for what some people cannot use. `UPDATE_SCREENSHOTS=1` writes the pictures of the manual.

#[path = "support/browser.rs"]
mod browser;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http_peer.rs"]
mod http_peer;
#[path = "support/master.rs"]
mod master;

use std::fs;

use browser::{Browser, axe};
use daemon::Daemon;
use domain::base::iana::Rtype;
use master::{Master, ordinary};
use mesos_dns_sim::{
    client::{self, Query},
    clock,
    life::{self, Life},
    master::{Masters, Settings},
    render::Knowledge,
};
use serde_json::{Value, json};

/// Every view, with an explanation in one of them.
const VIEWS: [&str; 8] = [
    "overview",
    "services",
    "tasks",
    "records",
    "explain?name=web.shop.marathon.mesos&type=A",
    "problems",
    "traffic",
    "configuration",
];

async fn page(browser: &Browser, daemon: &Daemon, place: &str) {
    browser.open(&format!("http://{}/#/{place}", daemon.http)).await;
}

/// Nothing was complained of but what the test did itself.
async fn is_content(browser: &Browser, except: &[&str]) {
    let complaints = browser.complaints().await;
    let odd: Vec<_> =
        complaints.iter().filter(|line| !except.iter().any(|known| line.contains(known))).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_find_what_they_look_for_and_see_a_leader_fail() {
    let Some(browser) = Browser::start().await else { return };
    let (_, cluster) = Life::new(life::Settings { seed: 3, tasks: 300, churn: 0.0 }, clock::now());
    let two = Settings { ports: vec![0, 0], ..Settings::default() };
    let masters = Masters::start(cluster, two).await.unwrap();
    let listed = [0, 1].map(|master| masters.address(master).to_string());
    let daemon = Daemon::start(json!({ "masters": listed }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    browser.looks(1280, "light").await;
    page(&browser, &daemon, "overview").await;
    browser.shows("#state", "Live").await;
    browser.shows("#leader", &listed[0]).await;

    for _ in 0..40 {
        client::udp(daemon.dns, &Query::new("web.shop.marathon.mesos", Rtype::A)).await.unwrap();
    }
    browser
        .until(
            "answers in the chart",
            "/[1-9].* from the cluster/.test(document.querySelector('.chart')?.ariaLabel)",
        )
        .await;
    every_view_serves_everybody(&browser).await;

    // Services: a filter on the server, instances below the row, from a name to its explanation.
    browser.looks(1280, "dark").await;
    browser.click("//nav/a[starts-with(., 'Services')]").await;
    browser.click("//label[starts-with(., 'Name')]/input").await;
    browser.types("web.sh").await;
    browser
        .until("one service", "document.querySelectorAll('table.services > tbody > tr').length === 1")
        .await;
    browser.until("a place that can be kept", "location.hash === '#/services?name=web.sh'").await;
    browser.click("//button[normalize-space() = 'web.shop']").await;
    browser.shows(".below", "shop_web.").await;
    browser.picture("dashboard-services").await;
    browser.click("//a[. = 'web.shop.marathon.mesos.']").await;
    browser.shows(".outcome", "There is an answer.").await;
    browser.click("(//details)[1]/summary").await;
    browser.shows("details[open]", "the task runs").await;
    browser.picture("dashboard-explain").await;

    // Search by keys alone.
    browser.press("/").await;
    browser.types("_http._api.pr").await;
    browser.shows("#found", "_http._api.prod._tcp.marathon.mesos.").await;
    browser.picture("dashboard-search").await;
    browser.press("ArrowDown").await;
    browser.press("ArrowUp").await;
    browser.press("Enter").await;
    browser.shows(".asked", "_http._api.prod._tcp.marathon.mesos. SRV").await;

    // The leader fails, live.
    browser.click("//nav/a[starts-with(., 'Overview')]").await;
    masters.kill(0).await;
    masters.elect(1, Knowledge::Agents(0), clock::now());
    browser.shows("#state", "Holding").await;
    browser.shows("#told", "Holding").await;
    browser.picture("dashboard-failover").await;
    masters.know(Knowledge::Everything);
    browser.shows("#leader", &listed[1]).await;
    browser.shows("#state", "Live").await;
    browser.shows("#told", &listed[1]).await;
    is_content(&browser, &[]).await;

    drop(daemon);
    browser.shows("#alarm", "No connection to the server").await;
    browser.shows("#state", "No connection").await;
    browser.picture("dashboard-lost").await;
}

/// All views, light and dark, wide and narrow: nothing stands beside the page, and axe-core finds nothing.
async fn every_view_serves_everybody(browser: &Browser) {
    if axe().is_none() {
        println!("skipped: no axe-core here; scripts/install.sh test-all installs it");
    }
    for (width, theme) in [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")] {
        browser.looks(width, theme).await;
        for view in VIEWS {
            browser.run(&format!("location.hash = '#/{view}'")).await;
            let name = view.split('?').next().unwrap();
            let arrived = format!(
                "document.title.toLowerCase().startsWith({name:?}) && !document.querySelector('main').innerText.includes('Reading…')"
            );
            browser.until(view, &arrived).await;
            let is_inside = browser.run("return document.documentElement.scrollWidth <= innerWidth").await;
            assert_eq!(is_inside, true, "{view} {width}");
            if let Some(barriers) = browser.barriers().await {
                assert_eq!(barriers, json!([]), "{view} {width} {theme}");
            }
            if name == "overview" {
                browser.picture(&format!("dashboard-{width}-{theme}")).await;
            }
        }
    }
}

/// Names that would be markup, script or the end of an attribute anywhere they are not text.
const HOSTILE: [&str; 4] = [
    "<script>window.harmed=1</script>",
    "\"><img src=x onerror=\"window.harmed=1\">",
    "'onfocus='window.harmed=1' autofocus='",
    "${window.harmed=1}</td><svg/onload=window.harmed=1>",
];

fn hostile() -> Value {
    let mut document = ordinary();
    let framework = &mut document["frameworks"][0];
    for (task, name) in framework["tasks"].as_array_mut().unwrap().iter_mut().zip(HOSTILE) {
        task["name"] = json!(name);
        task["id"] = json!(format!("id-{name}"));
        task["labels"] = json!([{ "key": "dns.alias", "value": name }]);
    }
    framework["name"] = json!(HOSTILE[1]);
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_tenants_are_text() {
    let Some(browser) = Browser::start().await else { return };
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::following(master.address()).await;
    page(&browser, &daemon, "overview").await;
    browser.shows("footer", "changes are followed").await;
    master.shows(&hostile());
    browser.until("a change", "document.querySelectorAll('table.changes tr').length > 4").await;
    for (view, shown) in [
        ("services", HOSTILE[0]),
        ("tasks", HOSTILE[2]),
        ("problems", HOSTILE[0]),
        ("records?name=script", "scriptwindow"),
        ("explain?name=%3Cscript%3Ewindow.harmed%3D1%3C%2Fscript%3E.mesos", ""),
    ] {
        browser.run(&format!("location.hash = '#/{view}'")).await;
        browser.shows("main", shown).await;
        browser.until(view, "!document.querySelector('main').innerText.includes('Reading…')").await;
    }
    browser.press("/").await;
    browser.types("<script").await;
    browser.shows("#found", HOSTILE[0]).await;
    browser.press("Escape").await;
    browser
        .run(&format!("location.hash = '#/services?' + new URLSearchParams({{ name: {:?} }})", HOSTILE[0]))
        .await;
    browser.until("its filter", "document.querySelector('main input')?.value.includes('<script>')").await;
    browser.click("//button[contains(., 'script')]").await;
    browser.shows(".below", "id-<script>").await;
    let made = "document.querySelectorAll('body script, body img, [onfocus], [onload], [onerror], [autofocus]').length";
    assert_eq!(browser.run(&format!("return [window.harmed ?? null, {made}]")).await, json!([null, 0]));
    // The question with a name that is none is refused, as the test wants it.
    is_content(&browser, &["/v2/explain?name=", "/v2/problems"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_and_lists_can_be_off() {
    let Some(browser) = Browser::start().await else { return };
    let folder = daemon::folder();
    let file = folder.path().join("tokens");
    fs::write(&file, "the-token-of-today\n").unwrap();
    let master = Master::start(&ordinary()).await;
    let daemon = Daemon::start(json!({
        "masters": [master.address().to_string()], "httpTokensFile": file.to_str().unwrap(), "enumerationOn": false,
    }));
    daemon.until_ready("loaded", |ready| ready["ready"] == true).await;
    page(&browser, &daemon, "overview").await;
    browser.shows("#token", "A token is needed").await;
    browser.types("another-token-of-today").await;
    browser.press("Enter").await;
    browser.shows("#token", "does not know this token").await;
    browser.types("the-token-of-today").await;
    browser.press("Enter").await;
    browser.shows("#state", "Live").await;
    browser.shows("footer", "lists are off").await;
    for view in ["services", "tasks", "records", "explain", "problems"] {
        browser.run(&format!("location.hash = '#/{view}'")).await;
        browser.shows("main", "\"enumerationOn\": false").await;
        browser.shows("main", "Switched off").await;
    }
    browser.run("location.hash = '#/configuration'").await;
    browser.shows("main", "enumerationOn").await;
    let kept = browser.run("return [localStorage.length, sessionStorage.length, document.cookie]").await;
    assert_eq!(kept, json!([0, 1, ""]));
    browser.run("location.hash = '#/overview'; location.reload()").await;
    browser.shows("#state", "Live").await;
    is_content(&browser, &["401 (Unauthorized)", "404 (Not Found)"]).await;
}
