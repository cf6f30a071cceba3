//! A real Chromium without a window, driven by chromedriver (W3C WebDriver). Ended when dropped.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use data_encoding::BASE64;
use mesos_dns_sim::client;
use serde_json::{Value, json};

use crate::daemon::{LOOK, PATIENCE};

/// The member by which WebDriver tells elements apart.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The browser with one tab.
pub struct Browser {
    driver: Child,
    at: SocketAddr,
    session: String,
}

impl Browser {
    /// Starts one; `None` where there is none, which it says.
    pub async fn start() -> Option<Self> {
        for program in ["chromium", "chromedriver"] {
            let found =
                Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if let Err(error) = found {
                println!("skipped: {program}: {error}; scripts/install.sh test-all installs it");
                return None;
            }
        }
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("chromedriver says its port")));
        std::thread::spawn(move || lines.for_each(drop));
        let mut browser = Self { driver, at, session: String::new() };
        // Tests may run as root and in containers, where Chromium's own sandbox cannot; it only ever meets our page.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ];
        let options = json!({ "args": arguments });
        let wanted = json!({
            "browserName": "chrome", "goog:loggingPrefs": { "browser": "ALL" }, "goog:chromeOptions": options,
        });
        let session = browser.post("/session", &json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.attempt(path, body).await.unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    async fn attempt(&self, path: &str, body: &Value) -> Result<Value, String> {
        let kind = [("content-type", "application/json")];
        let sent = client::post(self.at, path, &kind, &body.to_string()).await;
        let response = sent.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(response.body()).map_err(|error| error.to_string())?;
        if response.status().is_success() {
            Ok(answer["value"].clone())
        } else {
            Err(answer["value"].to_string())
        }
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post(
            &format!("{}/goog/cdp/execute", self.session),
            &json!({ "cmd": command, "params": parameters }),
        )
        .await
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        self.post(&format!("{}/url", self.session), &json!({ "url": url })).await;
    }

    /// So wide, and light or dark.
    pub async fn looks(&self, width: u32, theme: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// What a function with this body returns on the page.
    pub async fn run(&self, body: &str) -> Value {
        self.post(&format!("{}/execute/sync", self.session), &json!({ "script": body, "args": [] })).await
    }

    /// What a promise becomes on the page.
    pub async fn settle(&self, promise: &str) -> Value {
        let body =
            format!("const done = arguments[0]; ({promise}).then(done, (error) => done(String(error)));");
        self.post(&format!("{}/execute/async", self.session), &json!({ "script": body, "args": [] })).await
    }

    /// Waits until an expression is true on the page.
    pub async fn until(&self, what: &str, expression: &str) {
        let started = Instant::now();
        while self.run(&format!("return !!({expression})")).await != true {
            if started.elapsed() > PATIENCE {
                panic!("never {what}; the page says: {}", self.text("body").await);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The text that people see of the first element like this.
    pub async fn text(&self, selector: &str) -> String {
        let found = self.run(&format!("return document.querySelector({selector:?})?.innerText ?? ''")).await;
        found.as_str().unwrap().to_owned()
    }

    /// Waits until the first element like this has this text.
    pub async fn shows(&self, selector: &str, text: &str) {
        let what = format!("{text:?} in {selector}");
        self.until(&what, &format!("document.querySelector({selector:?})?.innerText.includes({text:?})"))
            .await;
    }

    /// Clicks with the mouse on what this path (XPath) leads to, once it is there.
    pub async fn click(&self, path: &str) {
        let started = Instant::now();
        loop {
            match self.try_click(path).await {
                Ok(()) => return,
                // A list that is drawn anew has other elements a moment later.
                Err(error) if started.elapsed() > PATIENCE => panic!("{path}: {error}"),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn try_click(&self, path: &str) -> Result<(), String> {
        let wanted = json!({ "using": "xpath", "value": path });
        let found = self.attempt(&format!("{}/element", self.session), &wanted).await?;
        let element = found[ELEMENT].as_str().unwrap_or_default();
        self.attempt(&format!("{}/element/{element}/click", self.session), &json!({})).await.map(drop)
    }

    /// Types a text, and keys by the names of the DevTools protocol, where the focus is.
    pub async fn types(&self, text: &str) {
        for character in text.chars() {
            self.key(&character.to_string(), Some(character)).await;
        }
    }

    /// Presses a key: `Enter`, `ArrowDown`.
    pub async fn press(&self, key: &str) {
        self.key(key, (key == "Enter").then_some('\r')).await;
    }

    async fn key(&self, key: &str, text: Option<char>) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "ArrowUp" => 38,
            "ArrowDown" => 40,
            _ => 0,
        };
        let mut down = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code });
        if let Some(text) = text {
            down["text"] = json!(text.to_string());
        }
        self.devtools("Input.dispatchKeyEvent", down).await;
        self.devtools(
            "Input.dispatchKeyEvent",
            json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code }),
        )
        .await;
    }

    /// What the page complained of since the last time: errors, and what its policy kept from happening.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.post(&format!("{}/se/log", self.session), &json!({ "type": "browser" })).await;
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Writes what is to be seen, if `UPDATE_SCREENSHOTS` asks for that.
    pub async fn picture(&self, name: &str) {
        if env::var_os("UPDATE_SCREENSHOTS").is_none() {
            return;
        }
        let taken = self.devtools("Page.captureScreenshot", json!({ "format": "png" })).await;
        let bytes = BASE64.decode(taken["data"].as_str().unwrap().as_bytes()).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manual/src/images");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// What axe-core finds on the page that some people cannot use; `None` where axe-core is not installed.
    pub async fn barriers(&self) -> Option<Value> {
        let script = fs::read_to_string(axe()?).unwrap();
        self.run(&script).await;
        let check = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => \
                     violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html + node.failureSummary)]))";
        Some(self.settle(check).await)
    }
}

/// Where axe-core is, if it is anywhere.
pub fn axe() -> Option<PathBuf> {
    let home = |name: &str, below: &str| env::var_os(name).map(|path| PathBuf::from(path).join(below));
    let cache = home("XDG_CACHE_HOME", "").or_else(|| home("HOME", ".cache"));
    cache.map(|cache| cache.join("mesos-dns/axe-core/axe.min.js")).filter(|path| path.exists())
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when it is told to go, and not when it is killed.
        if let Ok(mut stream) = TcpStream::connect(self.at) {
            _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            _ = stream.write_all(format!("GET /shutdown HTTP/1.1\r\nHost: {}\r\n\r\n", self.at).as_bytes());
            _ = stream.read(&mut [0; 256]);
        }
        let started = Instant::now();
        while matches!(self.driver.try_wait(), Ok(None)) && started.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(LOOK);
        }
        _ = self.driver.kill();
        _ = self.driver.wait();
    }
}
