//! Until when a certificate is good, and saying so in time: clients turn away from one that has ended, all at once.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    error::ErrorStack,
    x509::X509,
};
use rustls::pki_types::CertificateDer;
use tracing::{error, warn};

use super::DnsMetrics;

/// How long before its end a certificate is warned of, in seconds: a week, or a quarter of its life if that is less.
/// What renews certificates by itself does so with a third of their life left.
const WARNING_SECONDS: i64 = 7 * DAY_SECONDS;
const WARNING_SHARE: i64 = 4;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// When a chain is good, in seconds of Unix time: as long as all its certificates are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    from: i64,
    until: i64,
}

/// How far a certificate is from its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    #[default]
    Good,
    EndsSoon,
    Ended,
}

impl Validity {
    /// `None` if a certificate cannot be read. The library that shows them to clients looks at no dates.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let each = chain.iter().map(|certificate| {
            let certificate = X509::from_der(certificate)?;
            let (from, until) = (unix(certificate.not_before())?, unix(certificate.not_after())?);
            Ok(Self { from, until })
        });
        let each: Vec<Self> = each.collect::<Result<_, ErrorStack>>().ok()?;
        each.into_iter()
            .reduce(|all, one| Self { from: all.from.max(one.from), until: all.until.min(one.until) })
    }

    /// How it stands at a moment of Unix time.
    fn stage(self, now: i64) -> Stage {
        let warning = WARNING_SECONDS.min(self.until.saturating_sub(self.from) / WARNING_SHARE);
        match self.until.saturating_sub(now) {
            ..0 => Stage::Ended,
            left if left < warning => Stage::EndsSoon,
            _ => Stage::Good,
        }
    }

    /// Shows the end of a listener's certificate. What is not as it was told before is told.
    pub(super) fn tell(self, listener: SocketAddr, told: &mut Stage, metrics: &DnsMetrics) {
        metrics.certificate_end(listener).set(self.until);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let stage = self.stage(now);
        if std::mem::replace(told, stage) == stage {
            return;
        }
        let days = self.until.saturating_sub(now) / DAY_SECONDS;
        match stage {
            Stage::Good => {}
            Stage::EndsSoon => warn!(%listener, days, end = self.until, "a certificate ends soon"),
            Stage::Ended => error!(%listener, end = self.until, "a certificate has ended: clients refuse it"),
        }
    }
}

/// A time as seconds of Unix time.
fn unix(time: &Asn1TimeRef) -> Result<i64, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    Ok(i64::from(since.days) * DAY_SECONDS + i64::from(since.secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_before_or_a_quarter_of_its_life() {
        let check = |life_days: i64, left_seconds: i64, stage: Stage| {
            let validity = Validity { from: 1_000_000, until: 1_000_000 + life_days * DAY_SECONDS };
            assert_eq!(validity.stage(validity.until - left_seconds), stage, "{life_days} {left_seconds}");
        };
        check(90, 7 * DAY_SECONDS, Stage::Good);
        check(90, 7 * DAY_SECONDS - 1, Stage::EndsSoon);
        check(90, 0, Stage::EndsSoon);
        check(90, -1, Stage::Ended);
        check(90, -1000 * DAY_SECONDS, Stage::Ended);
        // One of six days, renewed when two are left.
        check(6, 2 * DAY_SECONDS, Stage::Good);
        check(6, DAY_SECONDS, Stage::EndsSoon);
    }

    #[test]
    fn times_before_and_far_behind_1970() {
        for seconds in [0, 1, 1_700_000_000, -1, -86_401, 253_402_300_799] {
            assert_eq!(unix(&Asn1Time::from_unix(seconds).unwrap()).unwrap(), seconds);
        }
    }
}
