//! What is asked: two mixtures, made from the zone, the same in each run.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use anyhow::ensure;
use domain::base::iana::Rtype;
use mesos_dns_sim::client::{Query, framed};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// Queries of a mixture; dnsperf begins again when it has asked them all.
const COUNT: usize = 100_000;

/// One mixture of queries.
pub(crate) struct Queries {
    pub(crate) title: &'static str,
    /// Messages as TCP carries them, for dnsperf.
    pub(crate) file: PathBuf,
    pub(crate) all: Vec<Query>,
}

/// Names that have records of a kind.
struct Names {
    addresses: Vec<String>,
    services: Vec<String>,
}

impl Queries {
    /// Both mixtures.
    pub(crate) fn of(zone: &Path, folder: &Path) -> anyhow::Result<[Self; 2]> {
        let names = Names::read(zone)?;
        ensure!(!names.addresses.is_empty() && !names.services.is_empty(), "the zone is empty");
        let mut dice = SmallRng::seed_from_u64(7);
        let plain = (0..COUNT).map(|_| plain(&names, &mut dice)).collect();
        let mixed = (0..COUNT).map(|_| mixed(&names, &mut dice)).collect();
        Ok([
            Self::write("plain queries", plain, folder.join("plain"))?,
            Self::write("mixed queries", mixed, folder.join("mixed"))?,
        ])
    }

    fn write(title: &'static str, all: Vec<Query>, file: PathBuf) -> io::Result<Self> {
        let mut out = io::BufWriter::new(fs::File::create(&file)?);
        for query in &all {
            out.write_all(&framed(&query.message(0)?))?;
        }
        out.flush()?;
        Ok(Self { title, file, all })
    }
}

/// The messages in a file as [`Queries::write`] writes it.
pub(crate) fn read(file: &Path) -> io::Result<Vec<Vec<u8>>> {
    let bytes = fs::read(file)?;
    let (mut rest, mut messages) = (&bytes[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (message, after) = after.split_at(after.len().min(u16::from_be_bytes(*length).into()));
        messages.push(message.to_vec());
        rest = after;
    }
    Ok(messages)
}

impl Names {
    fn read(zone: &Path) -> io::Result<Self> {
        let (mut addresses, mut services) = (BTreeSet::new(), BTreeSet::new());
        for line in BufReader::new(fs::File::open(zone)?).lines() {
            let line = line?;
            let mut words = line.split(' ');
            let (Some(owner), _, Some(kind)) = (words.next(), words.next(), words.next()) else { continue };
            let owners = match kind {
                "A" => &mut addresses,
                "SRV" => &mut services,
                _ => continue,
            };
            if !owners.contains(owner) {
                owners.insert(owner.to_owned());
            }
        }
        Ok(Self { addresses: addresses.into_iter().collect(), services: services.into_iter().collect() })
    }

    fn address(&self, dice: &mut SmallRng) -> &str {
        &self.addresses[dice.random_range(0..self.addresses.len())]
    }

    fn service(&self, dice: &mut SmallRng) -> &str {
        &self.services[dice.random_range(0..self.services.len())]
    }
}

/// Nine in ten for addresses, the rest for services; one in twenty for a name that is not there.
fn plain(names: &Names, dice: &mut SmallRng) -> Query {
    let (name, kind) = match dice.random_range(0..10) {
        0 => (names.service(dice), Rtype::SRV),
        _ => (names.address(dice), Rtype::A),
    };
    match dice.random_range(0..20) {
        0 => Query::new(format!("missing-{}.{name}", dice.random_range(0..10_000)), kind),
        _ => Query::new(name, kind),
    }
}

/// The same with AAAA among them; half with EDNS, half in capitals here and there (draft-vixie-dnsext-dns0x20).
fn mixed(names: &Names, dice: &mut SmallRng) -> Query {
    let (name, kind) = match dice.random_range(0..10) {
        0 | 1 => (names.service(dice), Rtype::SRV),
        2 | 3 => (names.address(dice), Rtype::AAAA),
        _ => (names.address(dice), Rtype::A),
    };
    let mut name = match dice.random_range(0..10) {
        0 => format!("missing-{}.{name}", dice.random_range(0..10_000)),
        _ => name.to_owned(),
    };
    if dice.random() {
        name = name
            .chars()
            .map(|letter| if dice.random() { letter.to_ascii_uppercase() } else { letter })
            .collect();
    }
    let query = Query::new(name, kind);
    if dice.random() { query.edns(1232) } else { query }
}
