//! Loading the configuration: the files around `mesos_dns_core::config`.
//!
//! The core says what it needs read and judges what came of it; here are the paths, the reading with a limit, the
//! machine's addresses, and OpenSSL's opinion of certificates. A start, a reload, `check` and the demonstration
//! all come through here.

use std::{
    fs::File as OpenFile,
    io::{self, Read},
    net::IpAddr,
    path::{Component, Path, PathBuf},
};

use mesos_dns_core::config::{
    Config, FILE_BYTES_MAX, File, Problems, Surroundings, Unusable, Wants, ZoneFile, line,
};
use openssl::{error::ErrorStack, pkey::PKey, x509::X509};
use tracing::{info, warn};

use crate::dns::Identity;

/// Largest certificate, key, secret or `resolv.conf` that is read, in bytes; the system's bundle of authorities has
/// a quarter of it.
const SMALL_FILE_BYTES_MAX: u64 = 1 << 20;

/// Largest zone file that is read, in bytes: as many records as may be given fit, each with a long name.
const ZONE_FILE_BYTES_MAX: u64 = 16 << 20;

/// Where the system says which servers it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What commands go by where no configuration is given: everything but the cluster is default.
const DEFAULTS: &[u8] = br#"{"masters": ["127.0.0.1:5050"], "externalon": false, "httpon": false}"#;

/// Reads, checks and completes the configuration file that `-config` names.
///
/// # Errors
///
/// [`LoadError::Missing`] and [`LoadError::Bad`] are the operator's to mend; nothing has been started or changed.
pub fn load(given: &str) -> Result<Config, LoadError> {
    let path = absolute(given).map_err(|source| LoadError::Missing { path: PathBuf::from(given), source })?;
    let bytes =
        read(&path, FILE_BYTES_MAX).map_err(|source| LoadError::Missing { path: path.clone(), source })?;
    from_bytes(&path.to_string_lossy(), &bytes)
}

/// The files that the configuration file `-config` names, besides itself: all that it wants read.
pub(crate) fn files(given: &str) -> io::Result<Vec<PathBuf>> {
    let path = absolute(given)?;
    let bytes = read(&path, FILE_BYTES_MAX)?;
    let file = File::parse(&path.to_string_lossy(), &bytes).map_err(io::Error::other)?;
    let Wants {
        resolv_conf: _,
        ca_cert_file,
        cert_file,
        key_file,
        iam_config_file,
        secret_file,
        cookie_secret_file,
        http_tokens_file,
        identities,
        zone_files,
    } = file.wants();
    let single = [
        ca_cert_file,
        cert_file,
        key_file,
        iam_config_file,
        secret_file,
        cookie_secret_file,
        http_tokens_file,
    ];
    let pairs = identities.into_iter().flat_map(|(cert, key)| [cert, key]);
    let all = single.into_iter().flatten().chain(pairs).chain(zone_files).map(PathBuf::from);
    Ok(std::iter::once(path).chain(all).collect())
}

/// The same of the file that a command names; without one, what holds by default.
///
/// # Errors
///
/// As [`load`].
pub(crate) fn load_or_defaults(given: Option<&str>) -> Result<Config, LoadError> {
    given.map_or_else(defaults, load)
}

/// What holds without a file, for commands that only need to know where to look.
///
/// # Errors
///
/// [`LoadError::Bad`], if this machine does not suit the defaults.
pub(crate) fn defaults() -> Result<Config, LoadError> {
    from_bytes("built-in defaults", DEFAULTS)
}

/// Checks and completes a configuration that is already in memory; `path` is what messages call it.
///
/// # Errors
///
/// [`LoadError::Bad`].
pub fn from_bytes(path: &str, bytes: &[u8]) -> Result<Config, LoadError> {
    let file = File::parse(path, bytes)?;
    let surroundings = look_around(&file.wants());
    Ok(Config::build(file, &surroundings)?)
}

/// Logs what is odd about a configuration, and, one by one, what is in force.
pub fn log(config: &Config) {
    for warning in &config.warnings {
        warn!("{}", line(config.path(), warning));
    }
    info!(path = config.path(), "configuration loaded");
    for row in config.rows().iter().filter(|row| row.is_in_force()) {
        info!(key = row.spelling, value = %row.value, from = %row.origin, "setting");
    }
}

/// Addresses of this machine's interfaces, loopback included; none if the system does not say.
pub fn interface_addresses() -> Vec<IpAddr> {
    match getifaddrs::getifaddrs() {
        Ok(interfaces) => interfaces.filter_map(|interface| interface.address.ip_addr()).collect(),
        Err(error) => {
            warn!(%error, "cannot list interface addresses");
            Vec::new()
        }
    }
}

/// The system's file of servers as it is now, or why it cannot be read.
pub(crate) fn resolv_conf() -> Result<String, String> {
    read_text(RESOLV_CONF)
}

//------------ Paths -----------------------------------------------------------

/// The path that `-config` means: the first `~/` is the home directory, the rest is relative to where we are.
fn absolute(given: &str) -> io::Result<PathBuf> {
    let home = ["USERPROFILE", "HOME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|dir| !dir.is_empty()));
    let expanded = given.replacen("~/", &format!("{}/", home.as_deref().unwrap_or(".")), 1);
    Ok(clean(&std::env::current_dir()?.join(expanded)))
}

/// A path without `.` and `..`, which are resolved as text: the path is also shown, and links are not followed in
/// what is shown.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned
}

/// Reads a whole file that must not exceed a size.
fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    OpenFile::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
        let reason = format!("larger than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

//------------ Surroundings ----------------------------------------------------

/// Reads what the configuration wants read.
fn look_around(wants: &Wants<'_>) -> Surroundings {
    let text = |path: Option<&str>| path.map_or(Err("not wanted".to_owned()), read_text);
    Surroundings {
        resolv_conf: text(Some(RESOLV_CONF).filter(|_| wants.resolv_conf)),
        interfaces: interface_addresses(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        authorities: wants.ca_cert_file.map_or(Ok(()), check_authorities),
        identity: wants.cert_file.zip(wants.key_file).map_or(Ok(()), |(cert, key)| check_identity(cert, key)),
        iam: text(wants.iam_config_file),
        secret: text(wants.secret_file),
        cookie_secret: text(wants.cookie_secret_file),
        http_tokens: text(wants.http_tokens_file),
        unusable: wants.identities.iter().filter_map(|(cert, key)| unusable(cert, key)).collect(),
        zone_files: wants.zone_files.iter().map(|file| zone_file(file)).collect(),
    }
}

/// A small file as text, or the reason for people; nothing of the contents is in the reason.
fn read_text(path: &str) -> Result<String, String> {
    let bytes = read(Path::new(path), SMALL_FILE_BYTES_MAX).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// A zone file as it is now.
fn zone_file(file: &str) -> ZoneFile {
    let text = read(Path::new(file), ZONE_FILE_BYTES_MAX).map_err(|error| error.to_string());
    ZoneFile { file: file.to_owned(), text }
}

/// Whether a file holds certificates of authorities.
fn check_authorities(path: &str) -> Result<(), String> {
    let pem = read(Path::new(path), SMALL_FILE_BYTES_MAX)
        .map_err(|error| format!("CACertFile open failed: {path}: {error}"))?;
    match X509::stack_from_pem(&pem) {
        Ok(certificates) if certificates.is_empty() => {
            Err(format!("CACertFile parsing failed: {path}: no PEM certificate in it"))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("CACertFile parsing failed: {path}: {}", reason(&error))),
    }
}

/// Whether a certificate and a key load and belong together.
fn check_identity(cert_file: &str, key_file: &str) -> Result<(), String> {
    let open = |path: &str| {
        read(Path::new(path), SMALL_FILE_BYTES_MAX).map_err(|error| format!("cannot read {path}: {error}"))
    };
    let (cert_pem, key_pem) = (open(cert_file)?, open(key_file)?);
    let chain = X509::stack_from_pem(&cert_pem)
        .map_err(|error| format!("cannot use {cert_file}: {}", reason(&error)))?;
    let certificate = chain.first().ok_or_else(|| format!("no PEM certificate in {cert_file}"))?;
    // With a pass phrase, OpenSSL would ask the terminal for it and wait: refuse instead.
    let key = PKey::private_key_from_pem_callback(&key_pem, |_| Ok(0))
        .map_err(|error| format!("cannot use {key_file}: {}", reason(&error)))?;
    let public =
        certificate.public_key().map_err(|error| format!("cannot use {cert_file}: {}", reason(&error)))?;
    if public.public_eq(&key) { Ok(()) } else { Err(format!("{key_file} is not the key of {cert_file}")) }
}

/// Why a listener's certificate and key cannot be used, if so. The library that will use them says.
fn unusable(cert_file: &str, key_file: &str) -> Option<Unusable> {
    let error = Identity::for_tls(Path::new(cert_file), Path::new(key_file)).err()?;
    let reason = format!("{:#}", anyhow::Error::from(error));
    Some(Unusable { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), reason })
}

/// OpenSSL's reason in a few words.
fn reason(error: &ErrorStack) -> String {
    let first = error.errors().iter().find_map(|error| error.reason());
    first.unwrap_or("no usable PEM in it").to_ascii_lowercase()
}

//------------ Errors ----------------------------------------------------------

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file itself could not be read.
    #[error("{} configuration file: {path:?} (name one with -config=FILE; `mesos-dns demo` needs none)", what(.source))]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// Why it could not be read.
        source: io::Error,
    },
    /// It was read and refused.
    #[error(transparent)]
    Bad(#[from] Problems),
}

/// What is wrong with a file that could not be read.
fn what(cause: &io::Error) -> &'static str {
    if cause.kind() == io::ErrorKind::PermissionDenied { "unreadable" } else { "missing" }
}

impl LoadError {
    /// One line for each thing to mend.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Missing { source, .. } => vec![format!("{self}: {source}")],
            Self::Bad(problems) => problems.lines().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_be_read_is_not_missing() {
        let told = |kind: io::ErrorKind| {
            LoadError::Missing { path: "/etc/x.json".into(), source: kind.into() }.to_string()
        };
        assert!(told(io::ErrorKind::NotFound).starts_with("missing configuration file: \"/etc/x.json\""));
        assert!(told(io::ErrorKind::PermissionDenied).starts_with("unreadable configuration file: "));
    }

    #[test]
    fn paths_are_cleaned_as_text() {
        for (path, cleaned) in [
            ("/etc/./mesos//config.json", "/etc/mesos/config.json"),
            ("/etc/mesos/../config.json", "/etc/config.json"),
            ("/../../config.json", "/config.json"),
            ("/etc/", "/etc"),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(cleaned), "{path}");
        }
    }

    #[test]
    fn files_have_a_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, [b'x'; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap().len(), 10);
        assert_eq!(read(&path, 9).unwrap_err().to_string(), "larger than 9 bytes");
        assert!(read(Path::new("/dev/zero"), 1000).is_err());
    }
}
