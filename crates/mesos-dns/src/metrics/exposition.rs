//! The metrics as text: OpenMetrics, or the older format of Prometheus for whoever asks for that and no more.
//!
//! The two differ in what counters and infos are called in the lines about them, and in that the older has no units
//! and no end. Tools that read no OpenMetrics are still many; `promtool check metrics` is one of them.

use std::fmt::{self, Write};

use prometheus_client::{encoding::text::encode, registry::Registry};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// <https://openmetrics.io>; every Prometheus since 2.5 reads it.
    OpenMetrics,
    /// That of Prometheus before, version 0.0.4.
    Plain,
}

impl Format {
    /// The one to use for whoever accepts this (`Accept`).
    pub fn accepted(accept: &str) -> Self {
        let is_plain = accept.contains("text/plain") && !accept.contains("application/openmetrics-text");
        if is_plain { Self::Plain } else { Self::OpenMetrics }
    }

    /// What it is called in HTTP.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes everything that is registered.
///
/// # Errors
///
/// A metric cannot be shown.
pub fn exposition(registry: &Registry, format: Format) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    match format {
        Format::OpenMetrics => Ok(text),
        Format::Plain => plain(&text),
    }
}

/// The older format of the same. The meaning of a metric comes before its type, on which its name depends.
fn plain(text: &str) -> Result<String, fmt::Error> {
    let mut plain = String::with_capacity(text.len());
    let mut help = "";
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", _, meaning] => help = meaning,
            ["#", "TYPE", name, kind] => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    kind => ("", kind),
                };
                writeln!(plain, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}")?;
            }
            ["#", ..] => {}
            _ => writeln!(plain, "{line}")?,
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        metrics::{counter::Counter, gauge::Gauge, info::Info},
        registry::Unit,
    };

    use super::*;

    #[test]
    fn both_formats() {
        let mut registry = Registry::default();
        registry.register("things", "All things", Counter::<u64>::default());
        registry.register("build", "Which one", Info::new([("version", "1")]));
        registry.register_with_unit("size", "How large", Unit::Bytes, Gauge::<i64>::default());
        let open = exposition(&registry, Format::OpenMetrics).unwrap();
        assert!(
            open.contains("# TYPE things counter\nthings_total 0\n") && open.ends_with("# EOF\n"),
            "{open}"
        );
        assert_eq!(
            exposition(&registry, Format::Plain).unwrap(),
            "# HELP things_total All things.\n# TYPE things_total counter\nthings_total 0\n\
             # HELP build_info Which one.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n\
             # HELP size_bytes How large.\n# TYPE size_bytes gauge\nsize_bytes 0\n"
        );
    }

    #[test]
    fn who_gets_which() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        assert_eq!(Format::accepted("*/*"), Format::OpenMetrics);
        assert_eq!(Format::accepted(""), Format::OpenMetrics);
        assert_eq!(Format::accepted("text/plain"), Format::Plain);
        assert_eq!(Format::accepted("text/plain;version=0.0.4;q=1,*/*;q=0.1"), Format::Plain);
    }
}
