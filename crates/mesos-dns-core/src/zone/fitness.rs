//! Which records are in force: the fit ones, while enough are.
//!
//! The decision is made for each owner and type from counted contributions alone, so it is the same whatever came
//! first. `docs/decisions/0020-fit-and-unfit-per-name.md` says why there.

use super::{
    rare::Other,
    set::{Counted, Item, count_of},
    sets::{Sets, Slices},
};
use crate::wire::rtype;

/// How many of the contributors of one owner's records of one type are fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    All,
    /// So many that what only unfit ones have is left out.
    Enough,
    /// Fewer than that, so that all is in force.
    TooFew,
    /// Nobody.
    None,
}

impl Share {
    /// Enough are at least `minimum` percent of all, and at least one.
    pub(super) fn of(all: i64, unfit: i64, minimum: u8) -> Self {
        let fit = all.saturating_sub(unfit);
        if unfit <= 0 {
            Self::All
        } else if fit <= 0 {
            Self::None
        } else if fit.saturating_mul(100) >= all.saturating_mul(minimum.into()) {
            Self::Enough
        } else {
            Self::TooFew
        }
    }
}

/// Whether records that only unfit contributors have are left out, of the records of one type at one owner.
pub(super) fn leaves_out(all: i64, unfit: i64, minimum: u8) -> bool {
    Share::of(all, unfit, minimum) == Share::Enough
}

pub(super) fn total<T: Counted>(set: &[T]) -> i64 {
    set.iter().fold(0, |sum, item| sum.saturating_add(item.count().into()))
}

/// Moves the records out that only unfit contributors have.
fn leave_out<T: Item>(all: &mut Vec<T>, unfit: &[T], back: &mut Vec<T>) {
    back.extend(all.extract_if(.., |item| count_of(unfit, item) >= item.count()));
}

impl Sets {
    /// Moves out what is not in force, and returns it.
    pub(super) fn hold_back(&mut self, unfit: Slices<'_>, minimum: u8) -> Self {
        let mut back = Self::default();
        if leaves_out(total(&self.a), total(unfit.a), minimum) {
            leave_out(&mut self.a, unfit.a, &mut back.a);
        }
        if leaves_out(total(&self.aaaa), total(unfit.aaaa), minimum) {
            leave_out(&mut self.aaaa, unfit.aaaa, &mut back.aaaa);
        }
        let services = total(&self.srv).saturating_add(total(&self.preferred));
        if leaves_out(services, total(unfit.srv).saturating_add(total(unfit.preferred)), minimum) {
            leave_out(&mut self.srv, unfit.srv, &mut back.srv);
            leave_out(&mut self.preferred, unfit.preferred, &mut back.preferred);
        }
        for unfit in unfit.others.chunk_by(|one, other| one.rtype == other.rtype) {
            let rtype = unfit.first().map_or(0, |first| first.rtype);
            if leaves_out(total(super::rare::of_type(&self.others, rtype)), total(unfit), minimum) {
                leave_out(&mut self.others, unfit, &mut back.others);
            }
        }
        self.hold_back_aliases(&mut back);
        back
    }

    /// An alias stands alone (RFC 2181 section 10.1): beside other records it is not in force, and of several only
    /// the first is.
    fn hold_back_aliases(&mut self, back: &mut Self) {
        let is_alias = |other: &Other| other.rtype == rtype::CNAME;
        if !self.others.iter().any(is_alias) {
            return;
        }
        let has_others = !self.others.iter().all(is_alias);
        let has_common = !(self.a.is_empty() && self.aaaa.is_empty() && self.srv.is_empty());
        let mut keeps_one = !has_others && !has_common && self.preferred.is_empty();
        let held = |other: &mut Other| is_alias(other) && !std::mem::take(&mut keeps_one);
        back.others.extend(self.others.extract_if(.., held));
        back.others.sort_unstable_by(Other::compare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_ones_while_enough_are() {
        for (fit, unfit, minimum, expected) in [
            (0, 0, 1, false),
            (3, 0, 100, false),
            (0, 3, 0, false),
            (1, 99, 0, true),
            (1, 99, 1, true),
            (1, 100, 1, false),
            (1, 1, 50, true),
            (1, 1, 51, false),
            (9, 1, 90, true),
            (9, 1, 91, false),
            (99, 1, 100, false),
        ] {
            assert_eq!(leaves_out(fit + unfit, unfit, minimum), expected, "{fit} {unfit} {minimum}");
        }
    }
}
