//! Queries by dice: well-formed ones of every kind, most of them about names that are there or nearly.

use mesos_dns_core::wire::{NAME_BYTES_MAX, Name, rtype};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// A query and how it travels.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// In wire form, its letters in any case.
    pub(crate) name: Vec<u8>,
    pub(crate) qtype: u16,
    pub(crate) class: u16,
    /// The second header word.
    pub(crate) flags: u16,
    pub(crate) edns: Option<Edns>,
    pub(crate) is_tcp: bool,
}

/// What stands in its OPT record.
#[derive(Clone, Debug)]
pub(crate) struct Edns {
    pub(crate) payload_bytes: u16,
    pub(crate) version: u8,
    pub(crate) flags: u16,
    pub(crate) options: Vec<u8>,
}

/// Types that somebody somewhere treats in a way of its own.
const TYPES: [u16; 36] = [
    0, 1, 2, 3, 5, 6, 10, 12, 13, 15, 16, 24, 25, 28, 33, 35, 39, 41, 43, 46, 47, 48, 50, 51, 52, 64, 65, 99,
    249, 250, 251, 252, 253, 254, 255, 257,
];

/// Labels that are odd: wildcards, dots and blanks inside, octets that are no text, the longest.
const LABELS: [&[u8]; 14] = [
    b"*",
    b"_tcp",
    b"_udp",
    b"slave",
    b"web",
    b"a.b",
    b"a b",
    b"\\",
    b"\0",
    b"\xff\xfe",
    b"@",
    b"xn--bcher-kva",
    b"-",
    &[b'x'; 63],
];

/// Names that are not below the apex, some of them nearly.
const OUTSIDE: [&str; 8] =
    [".", "org", "xmesos", "mesos.org", "www.example.com", "1.0.0.10.in-addr.arpa", "mesosx", "localhost"];

/// A source of questions about one zone.
pub(crate) struct Questions {
    dice: StdRng,
    apex: Vec<u8>,
    records: Vec<(Vec<u8>, u16)>,
}

impl Questions {
    /// About the zone with this apex, and records of these owners and types; what comes follows from the seed.
    pub(crate) fn new(seed: u64, apex: &Name, records: &[(Name, u16)]) -> Self {
        Self {
            dice: StdRng::seed_from_u64(seed),
            apex: apex.as_wire().to_vec(),
            records: records.iter().map(|(name, rtype)| (name.as_wire().to_vec(), *rtype)).collect(),
        }
    }

    /// The next.
    pub(crate) fn roll(&mut self) -> Question {
        let is_tcp = self.in_hundred(20);
        let (mut name, qtype) = if self.in_hundred(25) { self.record() } else { (self.name(), self.qtype()) };
        if self.in_hundred(50) {
            self.spell(&mut name);
        }
        Question {
            name,
            qtype,
            class: self.class(),
            flags: self.flags(),
            edns: self.in_hundred(60).then(|| self.edns()),
            is_tcp,
        }
    }

    fn in_hundred(&mut self, percent: u32) -> bool {
        self.dice.random_range(0..100) < percent
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.dice.random_range(0..all.len())].clone()
    }

    /// Owner and type of a record that is there.
    fn record(&mut self) -> (Vec<u8>, u16) {
        self.records[self.dice.random_range(0..self.records.len())].clone()
    }

    fn name(&mut self) -> Vec<u8> {
        let owner = self.record().0;
        let name = match self.dice.random_range(0..100) {
            0..45 => owner,
            // Its parents, of which many hold nothing.
            45..55 => (0..self.dice.random_range(1..4)).fold(owner, |name, _| parent(&name)),
            55..65 => prepended(&self.label(), &owner),
            65..73 => prepended(&self.label(), &parent(&owner)),
            73..80 => prepended(&self.label(), &self.apex.clone()),
            80..88 => {
                let outside = Name::parse(self.one_of(&OUTSIDE)).unwrap().as_wire().to_vec();
                if self.in_hundred(50) { prepended(&self.label(), &outside) } else { outside }
            }
            88..92 => self.longest(),
            92..94 => Name::parse("_status.mesos").unwrap().as_wire().to_vec(),
            _ => self.apex.clone(),
        };
        if name.len() <= NAME_BYTES_MAX { name } else { self.apex.clone() }
    }

    fn label(&mut self) -> Vec<u8> {
        if self.in_hundred(50) {
            return self.one_of(&LABELS).to_vec();
        }
        (0..self.dice.random_range(1..20)).map(|_| self.dice.random()).collect()
    }

    /// A name of 255 octets, or nearly.
    fn longest(&mut self) -> Vec<u8> {
        let mut name = self.record().0;
        loop {
            let space = (NAME_BYTES_MAX - name.len()).saturating_sub(1).min(63);
            if space == 0 {
                return name;
            }
            let length = if self.in_hundred(80) { space } else { self.dice.random_range(1..=space) };
            name = prepended(&vec![b'l'; length], &name);
        }
    }

    /// Each letter as it comes (RFC 4343, and what resolvers do against forgers).
    fn spell(&mut self, name: &mut [u8]) {
        for octet in name.iter_mut().filter(|octet| octet.is_ascii_alphabetic()) {
            *octet ^= if self.dice.random() { 0x20 } else { 0 };
        }
    }

    fn qtype(&mut self) -> u16 {
        match self.dice.random_range(0..100) {
            0..25 => rtype::A,
            25..35 => rtype::AAAA,
            35..55 => rtype::SRV,
            55..60 => rtype::SOA,
            60..65 => rtype::NS,
            65..70 => rtype::ANY,
            70..94 => self.one_of(&TYPES),
            _ => self.dice.random(),
        }
    }

    fn class(&mut self) -> u16 {
        match self.dice.random_range(0..100) {
            0..92 => 1,
            92..98 => self.one_of(&[0, 2, 3, 4, 254, 255]),
            _ => self.dice.random(),
        }
    }

    fn flags(&mut self) -> u16 {
        let mut flags = 0;
        for (flag, percent) in
            [(0x0100, 50), (0x0010, 10), (0x0020, 10), (0x0040, 3), (0x0400, 2), (0x0200, 2), (0x0080, 2)]
        {
            if self.in_hundred(percent) {
                flags |= flag;
            }
        }
        if self.in_hundred(3) {
            flags |= self.dice.random_range(1..16) << 11;
        }
        if self.in_hundred(1) {
            flags |= self.dice.random_range(1..16);
        }
        flags
    }

    fn edns(&mut self) -> Edns {
        let payload_bytes = match self.in_hundred(90) {
            true => self.one_of(&[0, 511, 512, 513, 700, 1231, 1232, 1233, 4096, 65535]),
            false => self.dice.random(),
        };
        let version = if self.in_hundred(92) { 0 } else { self.one_of(&[1, 2, 100, 255]) };
        let mut flags = if self.in_hundred(30) { 0x8000 } else { 0 };
        if self.in_hundred(5) {
            flags |= self.dice.random_range(0..0x8000);
        }
        let mut options = Vec::new();
        if self.in_hundred(40) {
            for _ in 0..self.dice.random_range(1..4) {
                options.extend(self.option());
            }
        }
        Edns { payload_bytes, version, flags, options }
    }

    fn option(&mut self) -> Vec<u8> {
        let (code, data) = match self.dice.random_range(0..8) {
            0 | 1 => (3, Vec::new()),
            2 => (8, b"\0\x01\x18\0\xc0\0\x02".to_vec()),
            3 => (9, Vec::new()),
            4 => (11, Vec::new()),
            5 => (12, vec![0; self.dice.random_range(0..40)]),
            6 => (26946, vec![7; self.dice.random_range(0..200)]),
            _ => (self.dice.random_range(20..=u16::MAX), self.label()),
        };
        [&u16::to_be_bytes(code)[..], &(data.len() as u16).to_be_bytes(), &data].concat()
    }
}

fn prepended(label: &[u8], name: &[u8]) -> Vec<u8> {
    [&[label.len() as u8], label, name].concat()
}

fn parent(name: &[u8]) -> Vec<u8> {
    match name[0] {
        0 => name.to_vec(),
        length => name[usize::from(length) + 1..].to_vec(),
    }
}

impl Question {
    /// The message with this id.
    pub(crate) fn message(&self, id: u16) -> Vec<u8> {
        let mut message = id.to_be_bytes().to_vec();
        let additional = u16::from(self.edns.is_some());
        for word in [self.flags, 1, 0, 0, additional] {
            message.extend(word.to_be_bytes());
        }
        message.extend(&self.name);
        message.extend([self.qtype, self.class].iter().flat_map(|word| word.to_be_bytes()));
        if let Some(edns) = &self.edns {
            message.extend(b"\0\0\x29");
            message.extend(edns.payload_bytes.to_be_bytes());
            message.extend([0, edns.version]);
            message.extend(edns.flags.to_be_bytes());
            message.extend((edns.options.len() as u16).to_be_bytes());
            message.extend(&edns.options);
        }
        message
    }

    /// How long a datagram that answers it may be.
    pub(crate) fn datagram_bytes_max(&self) -> usize {
        self.edns.as_ref().map_or(512, |edns| edns.payload_bytes.clamp(512, 1232)).into()
    }

    /// Its operation code.
    pub(crate) fn opcode(&self) -> u16 {
        self.flags >> 11 & 15
    }

    /// How often it has an option of this code.
    pub(crate) fn options(&self, code: u16) -> usize {
        let mut rest = self.edns.as_ref().map_or(&[][..], |edns| &edns.options);
        let mut count = 0;
        while let [c0, c1, l0, l1, behind @ ..] = rest {
            count += usize::from(u16::from_be_bytes([*c0, *c1]) == code);
            rest = &behind[usize::from(u16::from_be_bytes([*l0, *l1]))..];
        }
        count
    }

    /// The name, lower-case, in wire form.
    pub(crate) fn folded(&self) -> Vec<u8> {
        self.name.to_ascii_lowercase()
    }
}
