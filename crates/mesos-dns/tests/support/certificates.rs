//! Certificates for tests: an authority made on the spot, and what it signs.

#![allow(dead_code, unreachable_pub, reason = "each test that shares this file uses its part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Builder, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};

/// One key for everything: making one takes longer than all the rest. RSA, as Mesos's cipher list wants it.
static KEY: LazyLock<PKey<Private>> = LazyLock::new(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Valid {
    /// Until tomorrow.
    Now,
    /// For an hour more.
    EndsSoon,
    /// Until yesterday.
    Expired,
}

/// A certificate authority.
pub struct Authority {
    certificate: X509,
}

impl Authority {
    /// A new one, signed by itself.
    pub fn new(name: &str) -> Self {
        let mut builder = builder(name, Valid::Now);
        let issuer = common_name(name);
        builder.set_issuer_name(&issuer).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        Self { certificate: signed(builder) }
    }

    /// An authority below this one.
    pub fn below(&self, name: &str) -> Self {
        let mut builder = builder(name, Valid::Now);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        Self { certificate: signed(builder) }
    }

    /// Writes its certificate.
    pub fn write(&self, path: PathBuf) -> PathBuf {
        fs::write(&path, self.certificate.to_pem().unwrap()).unwrap();
        path
    }

    /// A certificate for these names and addresses, and its key: two files in `directory`.
    pub fn issue(&self, directory: &Path, names: &[&str], valid: Valid) -> (PathBuf, PathBuf) {
        let mut builder = builder("a master", valid);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        if !names.is_empty() {
            let mut alternatives = SubjectAlternativeName::new();
            for name in names {
                match name.parse::<std::net::IpAddr>() {
                    Ok(_) => alternatives.ip(name),
                    Err(_) => alternatives.dns(name),
                };
            }
            let context = builder.x509v3_context(Some(&self.certificate), None);
            let extension = alternatives.build(&context).unwrap();
            builder.append_extension(extension).unwrap();
        }
        let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
        fs::write(&certificate, signed(builder).to_pem().unwrap()).unwrap();
        fs::write(&key, KEY.private_key_to_pem_pkcs8().unwrap()).unwrap();
        (certificate, key)
    }
}

/// The key of every certificate here, as PEM.
pub fn private_key_pem() -> String {
    String::from_utf8(KEY.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

/// Its public half.
pub fn public_key() -> PKey<openssl::pkey::Public> {
    PKey::public_key_from_pem(&KEY.public_key_to_pem().unwrap()).unwrap()
}

fn builder(name: &str, valid: Valid) -> X509Builder {
    let day = 24 * 60 * 60;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let (from, to) = match valid {
        Valid::Now => (now - day, now + day),
        Valid::EndsSoon => (now - 2 * day, now + day / 24),
        Valid::Expired => (now - 2 * day, now - day),
    };
    let mut builder = X509::builder().unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&common_name(name)).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(from).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(to).unwrap()).unwrap();
    builder.set_pubkey(&KEY).unwrap();
    builder
}

fn common_name(name: &str) -> openssl::x509::X509Name {
    let mut builder = X509NameBuilder::new().unwrap();
    builder.append_entry_by_text("CN", name).unwrap();
    builder.build()
}

fn signed(mut builder: X509Builder) -> X509 {
    builder.sign(&KEY, MessageDigest::sha256()).unwrap();
    builder.build()
}
