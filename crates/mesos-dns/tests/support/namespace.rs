//! A network and files of the system's of our own: a test runs itself again in namespaces, where `/etc/resolv.conf` and
//! port 53 are ours to have. Where namespaces are refused, it says so.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// Set for the run inside.
const INSIDE: &str = "MESOS_DNS_TEST_INSIDE";

/// How the loopback interface, down in a new namespace, comes up.
const LOOPBACK_UP: [&str; 5] = ["ip", "link", "set", "lo", "up"];

/// Runs this test again inside, and reports what it said. `true` if we are there already.
///
/// What it needs there is tried first: a machine may refuse namespaces, or lack the program `ip`.
pub fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let ways: [&[&str]; 2] = [&["--net", "--mount"], &["--map-root-user", "--net", "--mount"]];
    let mut refusals = Vec::new();
    for way in ways {
        match run(Command::new("unshare").args(way).args(LOOPBACK_UP)) {
            Ok(tried) if tried.status.success() => {
                let mut again = Command::new("unshare");
                again.args(way).arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
                let ran = run(again.env(INSIDE, "1")).unwrap();
                eprint!("{}{}", text(&ran.stdout), text(&ran.stderr));
                assert!(ran.status.success() && text(&ran.stdout).contains("1 passed"), "failed inside");
                return false;
            }
            Ok(refused) => refusals.push(text(&refused.stderr)),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    eprintln!("skipped: no namespace with a network of its own here: {refusals:?}");
    false
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> std::io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Our files in the place of the system's, and the loopback interface up.
pub struct Place(pub TempDir);

impl Place {
    /// Puts them there.
    pub fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        let [ip, arguments @ ..] = LOOPBACK_UP;
        let up = run(Command::new(ip).args(arguments)).unwrap();
        assert!(up.status.success(), "{}", text(&up.stderr));
        place.put("nsswitch.conf", "hosts: files dns\n");
        place.put("hosts", "127.0.0.1 localhost\n");
        place.resolv_conf("nameserver 127.0.0.1\nsearch marathon.mesos\noptions timeout:10 attempts:1\n");
        place
    }

    /// What everything inside finds in `/etc/resolv.conf`.
    pub fn resolv_conf(&self, text: &str) {
        self.put("resolv.conf", text);
    }

    /// Changes what everything inside finds there from now on.
    pub fn rewrite_resolv_conf(&self, text: &str) {
        fs::write(self.0.path().join("resolv.conf"), text).unwrap();
    }

    fn put(&self, name: &str, text: &str) {
        let ours = self.0.path().join(name);
        fs::write(&ours, text).unwrap();
        // Where there is no such file, the C library has its own idea, which is the same.
        let Ok(theirs) = fs::canonicalize(Path::new("/etc").join(name)) else { return };
        let bound = run(Command::new("mount").arg("--bind").arg(&ours).arg(theirs)).unwrap();
        assert!(bound.status.success(), "{name}: {}", text_of(&bound));
    }
}

/// Both of what it printed.
pub(crate) fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}
