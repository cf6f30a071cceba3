//! What HTTP clients reach: the v1 API, health, metrics.

mod metrics;

pub use metrics::{HttpMetrics, Limit, RouteName};
