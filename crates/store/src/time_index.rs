//! From a span of time to a span of ids, by the per-minute sums: no index on `logs.timestamp` is needed.

use crate::{Result, Store, db::Query};
use model::Micros;

/// Microseconds of one minute.
pub(crate) const MINUTE: i64 = 60_000_000;

/// A half-open span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Option<Micros>,
    pub(crate) end: Option<Micros>,
}

impl Span {
    pub(crate) fn is_all(self) -> bool {
        self.start.is_none() && self.end.is_none()
    }

    fn low(self) -> i64 {
        self.start.map_or(i64::MIN, |at| at.0)
    }

    fn high(self) -> i64 {
        self.end.map_or(i64::MAX, |at| at.0)
    }

    /// First and last minute that can hold a row.
    pub(crate) fn minutes(self) -> (i64, i64) {
        (self.low().div_euclid(MINUTE), self.high().saturating_sub(1).div_euclid(MINUTE))
    }

    /// The minutes that lie wholly inside (first, last), and those at the ends that do not.
    pub(crate) fn inner_and_edges(self) -> ((i64, i64), Vec<i64>) {
        let (mut first, mut last) = self.minutes();
        let mut edges = Vec::new();
        if self.start.is_some() && self.low().rem_euclid(MINUTE) != 0 {
            edges.push(first);
            first = first.saturating_add(1);
        }
        if self.end.is_some() && self.high().rem_euclid(MINUTE) != 0 && !edges.contains(&last) {
            edges.push(last);
            last = last.saturating_sub(1);
        }
        ((first, last), edges)
    }

    /// The part of both.
    pub(crate) fn within(self, other: Self) -> Self {
        let start = [self.start, other.start].into_iter().flatten().max();
        let end = [self.end, other.end].into_iter().flatten().min();
        Self { start, end }
    }

    /// Without the minutes at its ends that are counted by themselves.
    pub(crate) fn without(self, edges: &[i64]) -> Self {
        edges.iter().fold(self, |span, minute| {
            let (from, to) = (Micros(minute.saturating_mul(MINUTE)), Micros(minute.saturating_add(1).saturating_mul(MINUTE)));
            match (span.start, span.end) {
                (Some(start), Some(end)) if start >= from && start < to => Self { start: Some(to), end: Some(end) },
                (Some(start), Some(end)) if end > from && end <= to => Self { start: Some(start), end: Some(from) },
                _ => span,
            }
        })
    }

    /// ` AND timestamp >= ? AND timestamp < ?`, as far as asked.
    pub(crate) fn narrow(self, sql: &mut String, query: &mut Vec<crate::db::Arg>, column: &str) {
        if let Some(start) = self.start {
            sql.push_str(&format!(" AND {column} >= ?"));
            query.push(start.into());
        }
        if let Some(end) = self.end {
            sql.push_str(&format!(" AND {column} < ?"));
            query.push(end.into());
        }
    }
}

impl Store {
    /// Ids between which every row of the span lies (inclusive); empty spans give `(1, 0)`.
    pub(crate) async fn ids_of(&self, span: Span) -> Result<(i64, i64)> {
        if span.is_all() {
            return Ok((0, i64::MAX));
        }
        let (first, last) = span.minutes();
        let query =
            Query::new("SELECT MIN(first_id), MAX(last_id) FROM log_minutes WHERE minute >= ? AND minute <= ?").bind(first).bind(last);
        let row = self.db.row("finding a time", query).await?;
        Ok(row.and_then(|mut row| Some((row.opt_int()?, row.opt_int()?))).unwrap_or((1, 0)))
    }

    /// How many rows the span holds, exactly: whole minutes from the sums, the two at its ends row by row.
    pub(crate) async fn count_in(&self, span: Span) -> Result<i64> {
        let doing = "counting logs";
        if span.is_all() {
            return self.db.number(doing, Query::new("SELECT value FROM counters WHERE name = 'logs'")).await;
        }
        let (inner, edges) = span.inner_and_edges();
        let mut queries =
            vec![Query::new("SELECT SUM(count) FROM log_minutes WHERE minute >= ? AND minute <= ?").bind(inner.0).bind(inner.1)];
        for minute in edges {
            let mut sql = String::from(
                "SELECT COUNT(*) FROM logs WHERE id >= (SELECT COALESCE(MIN(first_id), 1) FROM log_minutes WHERE minute = ?) \
                 AND id <= (SELECT COALESCE(MAX(last_id), 0) FROM log_minutes WHERE minute = ?) AND timestamp >= ? AND timestamp < ?",
            );
            let from = minute.saturating_mul(MINUTE);
            let mut args = vec![minute.into(), minute.into(), from.into(), from.saturating_add(MINUTE).into()];
            span.narrow(&mut sql, &mut args, "timestamp");
            queries.push(Query::new(sql).bind_all(args));
        }
        let sums = self.db.read(doing, queries).await?;
        Ok(sums.into_iter().flatten().map(|mut row| row.int()).sum())
    }
}
