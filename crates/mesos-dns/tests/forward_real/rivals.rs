//! Resolvers as Debian packages them, in front of Knot's zones; on loopback, and without a way out of it.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::rival::{free_port, is_up};

/// The zones of the server behind them.
const ZONES: [&str; 2] = ["example.test", "signed.test"];

/// A kind of resolver.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    programs: &'static [&'static str],
    package: &'static str,
    /// Writes its files and gives its arguments.
    arguments: fn(Place<'_>) -> io::Result<Vec<String>>,
}

/// Where one runs: a folder for its files, its own address, and the server that it asks.
#[derive(Clone, Copy)]
struct Place<'a> {
    folder: &'a Path,
    own: SocketAddr,
    behind: SocketAddr,
    tls: Option<&'a Tls>,
}

/// A certificate and where it is shown.
pub(crate) struct Tls {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: std::path::PathBuf,
    pub(crate) key: std::path::PathBuf,
}

/// All kinds.
pub(crate) const KINDS: [Kind; 4] = [UNBOUND, BIND, DNSMASQ, KNOT_RESOLVER];

pub(crate) const UNBOUND: Kind = Kind {
    name: "Unbound",
    programs: &["unbound", "/usr/sbin/unbound"],
    package: "unbound",
    arguments: unbound,
};

const BIND: Kind =
    Kind { name: "BIND", programs: &["named", "/usr/sbin/named"], package: "bind9", arguments: bind };

const DNSMASQ: Kind = Kind {
    name: "dnsmasq",
    programs: &["dnsmasq", "/usr/sbin/dnsmasq"],
    package: "dnsmasq-base",
    arguments: dnsmasq,
};

pub(crate) const KNOT_RESOLVER: Kind = Kind {
    name: "Knot Resolver",
    programs: &["kresd", "/usr/sbin/kresd"],
    package: "knot-resolver",
    arguments: knot_resolver,
};

/// A running resolver; ends when dropped.
pub(crate) struct Resolver {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Resolver {
    /// Starts one that asks this server for all it knows; `None`, and a line that says so, where it is not installed.
    pub(crate) fn start(kind: Kind, behind: SocketAddr) -> Option<Self> {
        Self::start_with(kind, behind, None)
    }

    /// The same, over TLS as well.
    pub(crate) fn start_with(kind: Kind, behind: SocketAddr, tls: Option<&Tls>) -> Option<Self> {
        // Between our finding a port and its taking it somebody else may: then try another.
        for _ in 0..5 {
            match launch(kind, behind, tls) {
                Ok(Some(resolver)) => return Some(resolver),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    eprintln!("skipped: {} is not installed (apt-get install {})", kind.name, kind.package);
                    return None;
                }
                Err(error) => panic!("cannot start {}: {error}", kind.name),
            }
        }
        panic!("{} does not come up", kind.name)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn launch(kind: Kind, behind: SocketAddr, tls: Option<&Tls>) -> io::Result<Option<Resolver>> {
    let folder = tempfile::tempdir()?;
    let own = free_port();
    let arguments = (kind.arguments)(Place { folder: folder.path(), own, behind, tls })?;
    // Those that are not on the path of who is not root are named by their place.
    let mut last = io::ErrorKind::NotFound.into();
    for program in kind.programs {
        let mut command = Command::new(program);
        command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::null());
        // Their stories are of use to who looks for a fault.
        let log = fs::File::create(folder.path().join("log"))?;
        match command.stderr(log).spawn() {
            Ok(child) => {
                let mut resolver = Resolver { address: own, child, _folder: folder };
                let is_up = is_up(&mut resolver.child, own, b"\x07example\x04test\0")?;
                if !is_up {
                    let log = fs::read_to_string(resolver._folder.path().join("log"))?;
                    eprintln!("{} said: {log}", kind.name);
                }
                return Ok(is_up.then_some(resolver));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unbound(Place { folder, own, behind, tls }: Place<'_>) -> io::Result<Vec<String>> {
    let file = folder.join("unbound.conf");
    let (path, port) = (folder.display(), own.port());
    let mut text = format!(
        "server:\n  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  \
         directory: \"{path}\"\n  pidfile: \"{path}/pid\"\n  use-syslog: no\n  logfile: \"\"\n  num-threads: 1\n  \
         do-not-query-localhost: no\n  module-config: \"iterator\"\n  local-zone: \"test.\" nodefault\n  \
         access-control: 127.0.0.0/8 allow\n"
    );
    if let Some(Tls { address, certificate, key }) = tls {
        text += &format!(
            "  interface: 127.0.0.1@{}\n  tls-port: {}\n  tls-service-pem: \"{}\"\n  tls-service-key: \"{}\"\n",
            address.port(),
            address.port(),
            certificate.display(),
            key.display(),
        );
    }
    text += "remote-control:\n  control-enable: no\n";
    for zone in ZONES {
        text += &format!("stub-zone:\n  name: \"{zone}\"\n  stub-addr: 127.0.0.1@{}\n", behind.port());
    }
    // Whatever else it wants to know ends here, and not at the root servers.
    text += &format!("forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{}\n", behind.port());
    fs::write(&file, text)?;
    Ok(vec!["-d".to_owned(), "-c".to_owned(), file.display().to_string()])
}

fn bind(Place { folder, own, behind, .. }: Place<'_>) -> io::Result<Vec<String>> {
    let file = folder.join("named.conf");
    let (path, port, behind) = (folder.display(), own.port(), behind.port());
    let text = format!(
        "options {{\n  directory \"{path}\";\n  pid-file \"{path}/pid\";\n  session-keyfile \"{path}/session\";\n  \
         lock-file none;\n  listen-on port {port} {{ 127.0.0.1; }};\n  listen-on-v6 {{ none; }};\n  recursion yes;\n  \
         allow-query {{ 127.0.0.0/8; }};\n  dnssec-validation no;\n  empty-zones-enable no;\n  forward only;\n  \
         forwarders {{ 127.0.0.1 port {behind}; }};\n}};\ncontrols {{ }};\n"
    );
    fs::write(&file, text)?;
    Ok(["-g", "-n", "1", "-c", &file.display().to_string()].map(str::to_owned).into())
}

fn dnsmasq(Place { folder, own, behind, .. }: Place<'_>) -> io::Result<Vec<String>> {
    let user = Command::new("id").arg("-un").output()?.stdout;
    let user = String::from_utf8_lossy(&user).trim().to_owned();
    Ok(vec![
        "--keep-in-foreground".to_owned(),
        "--conf-file=/dev/null".to_owned(),
        "--no-resolv".to_owned(),
        "--no-hosts".to_owned(),
        "--log-facility=-".to_owned(),
        format!("--user={user}"),
        format!("--pid-file={}", folder.join("pid").display()),
        format!("--port={}", own.port()),
        "--listen-address=127.0.0.1".to_owned(),
        "--bind-interfaces".to_owned(),
        format!("--server=127.0.0.1#{}", behind.port()),
    ])
}

fn knot_resolver(Place { folder, own, behind, tls }: Place<'_>) -> io::Result<Vec<String>> {
    let file = folder.join("kresd.conf");
    let mut text = format!("net.ipv6 = false\nnet.listen('127.0.0.1', {}, {{ kind = 'dns' }})\n", own.port());
    if let Some(Tls { address, certificate, key }) = tls {
        text += &format!(
            "net.tls('{}', '{}')\nnet.listen('127.0.0.1', {}, {{ kind = 'tls' }})\n",
            certificate.display(),
            key.display(),
            address.port(),
        );
    }
    text += &format!(
        "trust_anchors.remove('.')\ncache.size = 10 * MB\npolicy.add(policy.all(policy.STUB('127.0.0.1@{}')))\n",
        behind.port()
    );
    fs::write(&file, text)?;
    Ok(["-n", "-c", &file.display().to_string(), &folder.display().to_string()].map(str::to_owned).into())
}
