//! Counts requests by route, method and status. The handles are kept: looking them up by their labels costs more than
//! many an answer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};
use parking_lot::RwLock;

/// Handles by route. Routes, methods and statuses are few: bounded by the program's own text, but for methods.
#[derive(Default)]
pub(crate) struct Tallies(RwLock<HashMap<Box<str>, Arc<Route>>>);

/// Methods and statuses remembered of one route.
const MOST: usize = 64;

struct Route {
    seconds: Histogram,
    counters: RwLock<Vec<(Method, StatusCode, Counter)>>,
}

impl Tallies {
    /// One request was answered.
    pub(crate) fn count(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let tally = self.route(route);
        tally.seconds.record(took.as_secs_f64());
        if let Some((_, _, counter)) = tally.counters.read().iter().find(|(m, s, _)| m == method && *s == status) {
            counter.increment(1);
            return;
        }
        let labels = [("route", route.to_owned()), ("method", method.to_string()), ("status", status.as_u16().to_string())];
        let counter = metrics::counter!("decnet_api_requests_total", &labels);
        counter.increment(1);
        let mut counters = tally.counters.write();
        if counters.len() < MOST {
            counters.push((method.clone(), status, counter));
        }
    }

    fn route(&self, route: &str) -> Arc<Route> {
        if let Some(tally) = self.0.read().get(route) {
            return Arc::clone(tally);
        }
        let seconds = metrics::histogram!("decnet_api_request_seconds", "route" => route.to_owned());
        let tally = Arc::new(Route { seconds, counters: RwLock::default() });
        Arc::clone(self.0.write().entry(route.into()).or_insert(tally))
    }
}
