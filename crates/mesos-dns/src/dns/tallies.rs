//! The counters of all threads, added up and shown when somebody asks for the metrics.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use mesos_dns_core::answer::{Reason, Transport};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::{
    DnsMetrics,
    counts::{ASKED, RCODES, SIZES, Sums, TIMES, rcode_of},
};
use crate::metrics::LegacyCounters;

/// The transports, and what they are called. Those that listen only if configured are shown once somebody asked.
const TRANSPORTS: [(Transport, &str, Shown); 4] = [
    (Transport::Udp, "udp", Shown::Always),
    (Transport::Tcp, "tcp", Shown::Always),
    (Transport::Tls, "tls", Shown::Used),
    (Transport::Https, "https", Shown::Used),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    Used,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Tallies {
    metrics: Arc<DnsMetrics>,
    legacy: Arc<LegacyCounters>,
    /// How much of it the counters of the original have been told.
    told: Mutex<Told>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Told {
    success: u64,
    negative: u64,
    forwarded: u64,
}

type Sets = Vec<(&'static str, Sums)>;

impl Tallies {
    pub(super) fn new(metrics: Arc<DnsMetrics>, legacy: Arc<LegacyCounters>) -> Self {
        Self { metrics, legacy, told: Mutex::default() }
    }

    /// Brings the counters of the original up to date: they are shown after these ones.
    fn tell_legacy(&self, sets: &Sets) {
        let of = |reason: Reason| sets.iter().map(|(_, sums)| sums.answers[reason as usize]).sum::<u64>();
        let now = Told {
            success: of(Reason::Success),
            negative: of(Reason::NoData) + of(Reason::NxDomain),
            forwarded: sets.iter().map(|(_, sums)| sums.forwarded).sum(),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *told, now);
        let (success, negative) =
            (now.success.saturating_sub(before.success), now.negative.saturating_sub(before.negative));
        self.legacy.mesos_requests.inc_by(success + negative);
        self.legacy.mesos_success.inc_by(success);
        self.legacy.mesos_nxdomain.inc_by(negative);
        self.legacy.non_mesos_requests.inc_by(now.forwarded.saturating_sub(before.forwarded));
    }
}

impl Collector for Tallies {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let sets = TRANSPORTS.map(|(transport, name, shown)| (name, shown, self.metrics.sums(transport)));
        let is_shown = |(_, shown, sums): &(_, Shown, Sums)| {
            *shown == Shown::Always || sums.queries.iter().flatten().any(|count| *count > 0)
        };
        let mut page = Page(encoder);
        queries(&mut page, &sets)?;
        let sets: Sets = sets.into_iter().filter(is_shown).map(|(name, _, sums)| (name, sums)).collect();
        self.tell_legacy(&sets);
        questions(&mut page, &sets)?;
        answers(&mut page, &sets)?;
        responses(&mut page, &sets)?;
        histograms(&mut page, &sets)?;
        for (name, help, number) in [
            (
                "truncated",
                "Replies from which answers were left out for want of space",
                sets.iter().map(|(_, sums)| sums.truncated).sum(),
            ),
            (
                "forwarded",
                "Queries for other names handed to the forwarder",
                sets.iter().map(|(_, sums)| sums.forwarded).sum(),
            ),
            (
                "dropped_responses",
                "Messages ignored because they are responses",
                sets.iter().map(|(_, sums)| sums.dropped_responses).sum(),
            ),
            (
                "dropped_short",
                "Messages ignored because they have no header",
                sets.iter().map(|(_, sums)| sums.dropped_short).sum(),
            ),
            (
                "rate_limited",
                "Answers beyond rateLimit that were not sent; those replaced by a small one are slipped or bad_cookie \
                 among the answers",
                sets.iter().map(|(_, sums)| sums.rate_limited).sum::<u64>(),
            ),
        ] {
            page.plain(name, help, number)?;
        }
        Ok(())
    }
}

fn queries(page: &mut Page<'_>, all: &[(&'static str, Shown, Sums)]) -> fmt::Result {
    let rows = all.iter().map(|(transport, _, sums)| {
        ([("transport", *transport)], sums.queries.iter().flatten().sum::<u64>())
    });
    page.counter("queries", "Messages received, whatever became of them", rows)
}

fn questions(page: &mut Page<'_>, sets: &Sets) -> fmt::Result {
    let rows = sets.iter().flat_map(|(transport, sums)| {
        let families = ["ipv4", "ipv6"].into_iter().zip(&sums.queries);
        families.flat_map(move |(family, counts)| {
            counts.iter().zip(ASKED).map(move |(count, (_, asked))| {
                ([("transport", *transport), ("family", family), ("type", asked)], *count)
            })
        })
    });
    let help = "The same messages by the family of the client's address and the type asked for; other: a type that is \
                not listed, none: no question that can be read";
    page.counter("questions", help, rows)
}

fn answers(page: &mut Page<'_>, sets: &Sets) -> fmt::Result {
    let rows = Reason::ALL.into_iter().map(|reason| {
        let number = sets.iter().map(|(_, sums)| sums.answers[reason as usize]).sum();
        ([("reason", reason.label())], number)
    });
    page.counter("answers", "Replies made here, by kind (below); those of the forwarder are not in it", rows)
}

fn responses(page: &mut Page<'_>, sets: &Sets) -> fmt::Result {
    let rows = sets.iter().flat_map(|(transport, sums)| {
        let mut ours = [0; RCODES.len()];
        for reason in Reason::ALL {
            ours[rcode_of(reason)] += sums.answers[reason as usize];
        }
        [("zone", ours), ("forwarded", sums.passed_on)].into_iter().flat_map(move |(source, counts)| {
            counts.into_iter().zip(RCODES).map(move |(count, (_, rcode))| {
                ([("transport", *transport), ("source", source), ("rcode", rcode)], count)
            })
        })
    });
    let help = "Replies to clients by response code: made here (zone), or those of the forwarder (forwarded)";
    page.counter("responses", help, rows)
}

fn histograms(page: &mut Page<'_>, sets: &Sets) -> fmt::Result {
    let times = sets.iter().map(|(transport, sums)| {
        let bounds = TIMES.map(|micros| f64::from(micros) / 1e6);
        ([("transport", *transport)], sums.nanoseconds as f64 / 1e9, rows(&bounds, &sums.times))
    });
    let help = "From the arrival of a batch of messages to all replies made at once being on their way, for each \
                message in it; what the forwarder answers later is in mesos_dns_forward_exchange_seconds";
    page.histogram(("answer", help, Unit::Seconds), times)?;
    let sizes = sets.iter().map(|(transport, sums)| {
        let bounds: [f64; SIZES] = std::array::from_fn(|power| f64::from(1_u32 << power));
        // No message is smaller than a header.
        let all = rows(&bounds, &sums.sizes);
        ([("transport", *transport)], sums.size_sum as f64, all[4..].to_vec())
    });
    page.histogram(("response", "Sizes of replies, those of the forwarder included", Unit::Bytes), sizes)
}

/// Upper bounds with their counts; what is beyond the last of them has none.
fn rows(bounds: &[f64], counts: &[u64]) -> Vec<(f64, u64)> {
    bounds.iter().copied().chain([f64::INFINITY]).zip(counts.iter().copied()).collect()
}

/// What is being shown.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn plain(&mut self, name: &str, help: &str, number: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, &format!("{help}."), None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, u64, f64>(&number, None)
    }

    fn counter<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, &format!("{help}."), None, MetricType::Counter)?;
        for (labels, number) in rows {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&number, None)?;
        }
        Ok(())
    }

    fn histogram<L: EncodeLabelSet>(
        &mut self,
        (name, help, unit): (&str, &str, Unit),
        rows: impl IntoIterator<Item = (L, f64, Vec<(f64, u64)>)>,
    ) -> fmt::Result {
        let mut metric =
            self.0.encode_descriptor(name, &format!("{help}."), Some(&unit), MetricType::Histogram)?;
        for (labels, sum, buckets) in rows {
            let count = buckets.iter().map(|(_, count)| count).sum();
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}
