//! Where names stand in the data of a record.
//!
//! Two need to know: who checks a reply (a name must be one, and must end where the data does), and who writes
//! records anew (a name may be a pointer into the message it came from). Types that are not here hold no
//! compressed names and are passed on unseen (RFC 3597 sections 3 and 4).

use super::walk::{Cursor, Record};

/// Octets, then names, then octets: what the data of some types consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    before: Before,
    names: u8,
    /// Octets behind the names; `None` for as many as there are.
    behind: Option<usize>,
    /// Whether the names may be compressed when they are written (RFC 3597 section 4: the types of RFC 1035).
    pub(crate) compresses: bool,
}

/// What stands in front of the names.
#[derive(Clone, Copy, Debug)]
enum Before {
    Octets(usize),
    /// Four octets and three strings, each with its length in front.
    Naptr,
}

/// A piece of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Octets(&'a [u8]),
    /// A whole name as it is spelled.
    Name(Vec<u8>),
}

impl Layout {
    /// The layout of a type, if it has names that may be compressed in messages of others.
    pub(crate) fn of(rtype: u16) -> Option<Self> {
        let (before, names, behind) = match rtype {
            // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME.
            2..=5 | 7..=9 | 12 | 39 => (0, 1, Some(0)),
            // SOA.
            6 => (0, 2, Some(20)),
            // MINFO, RP.
            14 | 17 => (0, 2, Some(0)),
            // MX, AFSDB, RT, KX.
            15 | 18 | 21 | 36 => (2, 1, Some(0)),
            // SIG.
            24 => (18, 1, None),
            // PX.
            26 => (2, 2, Some(0)),
            // NXT.
            30 => (0, 1, None),
            // SRV.
            33 => (6, 1, Some(0)),
            // NAPTR.
            35 => {
                return Some(Self { before: Before::Naptr, names: 1, behind: Some(0), compresses: false });
            }
            _ => return None,
        };
        let compresses = matches!(rtype, 2..=9 | 12 | 14 | 15);
        Some(Self { before: Before::Octets(before), names, behind, compresses })
    }

    /// Takes the data of a record apart. `None` if it is not what the type says.
    pub(crate) fn pieces<'a>(&self, message: &'a [u8], record: &Record<'_>) -> Option<Vec<Piece<'a>>> {
        let mut data = Cursor { bytes: message, at: record.data_start };
        let before = match self.before {
            Before::Octets(count) => count,
            Before::Naptr => naptr_front(data)?,
        };
        let mut pieces = vec![Piece::Octets(data.take(before)?)];
        for _ in 0..self.names {
            pieces.push(Piece::Name(data.spelled()?));
        }
        let behind = match self.behind {
            Some(count) => count,
            None => record.end.checked_sub(data.at)?,
        };
        pieces.push(Piece::Octets(data.take(behind)?));
        (data.at == record.end).then_some(pieces)
    }

    /// Whether the data of a record is what the type says.
    pub(crate) fn fits(&self, message: &[u8], record: &Record<'_>) -> bool {
        let mut data = Cursor { bytes: message, at: record.data_start };
        let mut walk = || {
            let before = match self.before {
                Before::Octets(count) => count,
                Before::Naptr => naptr_front(data)?,
            };
            data.take(before)?;
            for _ in 0..self.names {
                data.name()?;
            }
            match self.behind {
                Some(count) => data.take(count)?,
                None => data.take(record.end.checked_sub(data.at)?)?,
            };
            (data.at == record.end).then_some(())
        };
        walk().is_some()
    }
}

/// How many octets stand in front of the name of a NAPTR record.
fn naptr_front(mut data: Cursor<'_>) -> Option<usize> {
    let start = data.at;
    data.take(4)?;
    for _ in 0..3 {
        let length = usize::from(*data.take(1)?.first()?);
        data.take(length)?;
    }
    data.at.checked_sub(start)
}
