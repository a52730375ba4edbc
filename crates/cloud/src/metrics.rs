//! Counters for Prometheus, in a registry of the server's own.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// What the server counts. Labels are route patterns and statuses, never identifiers.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    turned_away: Counter,
    items_added: Counter,
    items_removed: Counter,
    rows_scored: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: Verb,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

/// A method, or anything else as one label: a stranger must not be able to invent labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Verb {
    Get,
    Post,
    Delete,
    Other,
}

impl EncodeLabelValue for Verb {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Other => "other",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("pmirs"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(request_histogram),
            turned_away: Counter::default(),
            items_added: Counter::default(),
            items_removed: Counter::default(),
            rows_scored: Counter::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register("request_seconds", "Time from request to answer", metrics.seconds.clone());
        registry.register(
            "requests_turned_away",
            "Requests refused for their rate, size or duration",
            metrics.turned_away.clone(),
        );
        registry.register("items_added", "Items stored", metrics.items_added.clone());
        registry.register("items_removed", "Items removed", metrics.items_removed.clone());
        registry.register("rows_scored", "Veiled vectors scored by searches", metrics.rows_scored.clone());
        metrics
    }

    pub(crate) fn request(&self, route: &str, method: &http::Method, status: u16, took: Duration) {
        let method = match *method {
            http::Method::GET => Verb::Get,
            http::Method::POST => Verb::Post,
            http::Method::DELETE => Verb::Delete,
            _ => Verb::Other,
        };
        let route = route.to_owned();
        self.requests.get_or_create(&RequestLabels { route: route.clone(), method, status }).inc();
        self.seconds.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
    }

    pub(crate) fn turned_away(&self) {
        self.turned_away.inc();
    }

    pub(crate) fn added(&self, items: usize) {
        self.items_added.inc_by(items as u64);
    }

    pub(crate) fn removed(&self, items: usize) {
        self.items_removed.inc_by(items as u64);
    }

    pub(crate) fn scored(&self, rows: u64) {
        self.rows_scored.inc_by(rows);
    }

    /// The OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// From 0.1 ms to 13 s.
fn request_histogram() -> Histogram {
    Histogram::new(exponential_buckets(1e-4, 2.0, 18))
}
