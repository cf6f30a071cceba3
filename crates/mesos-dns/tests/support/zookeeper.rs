//! A real ZooKeeper server on loopback, from Debian's package `zookeeper`.
//!
//! It starts in about a second, keeps its data over a restart, and ends with the test. Where the package is
//! missing, [`ZooKeeper::start`] says so and the test is skipped.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use zookeeper_client::{Acls, Client, CreateMode};

/// Where Debian puts it. Its manifest names the other archives it needs.
const JAR: &str = "/usr/share/java/zookeeper.jar";

/// Longest time to wait for the server to answer; machines that build at the same time are slow.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a free port may turn out to be taken by somebody else meanwhile.
const PORT_TRIES: usize = 5;

/// The longest session it grants: short, so that tests see sessions expire.
pub const SESSION: Duration = Duration::from_secs(3);

/// A server. Killed when dropped.
pub struct ZooKeeper {
    directory: TempDir,
    port: u16,
    process: Option<Child>,
}

impl ZooKeeper {
    /// Starts a server with no data. `None`, and a line that says so, where there is no ZooKeeper.
    pub fn start() -> Option<Self> {
        if !Path::new(JAR).exists() {
            eprintln!("skipped: {JAR} is not installed (apt-get install zookeeper)");
            return None;
        }
        for _ in 0..PORT_TRIES {
            let (directory, port) = (TempDir::new().unwrap(), free_port());
            let mut server = Self { directory, port, process: None };
            if server.try_launch() {
                return Some(server);
            }
        }
        panic!("zookeeper does not start");
    }

    /// `zk://…` for a path on this server.
    pub fn url(&self, path: &str) -> String {
        format!("zk://{}{path}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Kills the server; its data stay.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts it again on the same port with the same data.
    pub fn start_again(&mut self) {
        assert!(self.try_launch(), "zookeeper does not start again");
    }

    /// Starts it again on the same port with the same data, as if the sessions that had nodes in a group had expired
    /// meanwhile: they would within [`SESSION`], one after the other, and show members that are not there.
    pub async fn start_again_without(&mut self, group: &str) {
        // Where nobody looks.
        let port = std::mem::replace(&mut self.port, free_port());
        self.start_again();
        let client = self.client().await;
        for node in client.list_children(group).await.unwrap() {
            // Some may expire in this very moment.
            _ = client.delete(&format!("{group}/{node}"), None).await;
        }
        drop(client);
        self.stop();
        self.port = port;
        self.start_again();
    }

    /// A client of its own, to play the masters' part.
    pub async fn client(&self) -> Client {
        let limit = Instant::now() + START_TIMEOUT;
        loop {
            let connector = Client::connector().with_session_timeout(SESSION);
            match connector.connect(&self.address().to_string()).await {
                Ok(client) => return client,
                // A server that answers may still be too busy to begin a session in time.
                Err(error) => assert!(Instant::now() < limit, "zookeeper takes no client: {error}"),
            }
        }
    }

    /// Launches the process and waits until it answers; false if it ends instead.
    fn try_launch(&mut self) -> bool {
        let data = self.directory.path().join("data");
        let configuration = self.directory.path().join("zoo.cfg");
        let text = format!(
            "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\ntickTime=500\nminSessionTimeout=1000\n\
             maxSessionTimeout={}\nadmin.enableServer=false\n4lw.commands.whitelist=ruok\n",
            data.display(),
            self.port,
            SESSION.as_millis(),
        );
        fs::write(&configuration, text).unwrap();
        let mut process = Command::new("java")
            .args(["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", JAR])
            .arg("org.apache.zookeeper.server.ZooKeeperServerMain")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let limit = Instant::now() + START_TIMEOUT;
        let up = loop {
            if process.try_wait().unwrap().is_some() {
                break false;
            }
            if self.answers() {
                break true;
            }
            assert!(Instant::now() < limit, "zookeeper does not answer");
            std::thread::sleep(Duration::from_millis(20));
        };
        self.process = Some(process);
        up
    }

    /// Whether it says `imok`.
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address())?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"ruok")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer == "imok")
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that is free at this moment.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Creates a node that stays.
pub async fn create(client: &Client, path: &str, data: &[u8]) {
    client.create(path, data, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await.unwrap();
}

/// A master's node as Mesos has written it since 0.24.
pub fn json_info(id: &str, port: u16, hostname: &str) -> Vec<u8> {
    format!(
        r#"{{"address":{{"hostname":"{hostname}","ip":"127.0.0.1","port":{port}}},"hostname":"{hostname}",
            "id":"{id}","ip":16777343,"pid":"master@127.0.0.1:{port}","port":{port},"version":"1.11.0"}}"#
    )
    .into_bytes()
}
