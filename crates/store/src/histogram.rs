//! How many logs there were when.

use crate::{
    At, Bar, COUNTED_AT_MOST, LogQuery, LogRow, Result, Store,
    db::{Arg, Query},
    dialect,
    ids::pack,
    logs::{Facet, MOST_ROWS, Where, narrow},
    search::{Search, Term},
    text::{Counting, Find, Reach},
    time_index::{MINUTE, Span},
    words::Needle,
};
use model::Micros;
use std::collections::BTreeMap;

const DOING: &str = "drawing the histogram";

/// Counts by the time their bar begins.
#[derive(Debug)]
struct Bars {
    width: i64,
    counts: BTreeMap<i64, i64>,
}

/// The ids of the whole minutes of one bar.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    first: i64,
    last: i64,
    rows: i64,
}

impl Bars {
    fn add(&mut self, at: i64, count: i64) {
        if count > 0 {
            *self.counts.entry(self.begin(at)).or_insert(0) += count;
        }
    }

    fn begin(&self, at: i64) -> i64 {
        at.div_euclid(self.width).saturating_mul(self.width)
    }
}

impl Store {
    /// How many logs fell into each `bucket_seconds` (bars without any are left out), oldest first.
    pub async fn histogram(&self, query: &LogQuery, bucket_seconds: i64) -> Result<Vec<Bar>> {
        let width = bucket_seconds.clamp(1, 366 * 86_400).saturating_mul(1_000_000);
        let search = Search::parse(query.search.as_deref().unwrap_or_default());
        let span = Span { start: query.start, end: query.end };
        let mut bars = Bars { width, counts: BTreeMap::new() };
        match self.facet_filter(&search).await? {
            Some(facet) if width % MINUTE == 0 => self.sum(&mut bars, by_minutes(span, &facet)).await?,
            _ => {
                if let Some(needles) = search.needles() {
                    self.bars_of_search(&mut bars, &search, needles, span).await?;
                }
            }
        }
        Ok(bars.counts.into_iter().map(|(at, count)| Bar { time: At(Micros(at)), count }).collect())
    }

    /// Adds rows of (time, count).
    async fn sum(&self, bars: &mut Bars, queries: Vec<Query>) -> Result<()> {
        for mut row in self.db.read(DOING, queries).await?.into_iter().flatten() {
            bars.add(row.int(), row.int());
        }
        Ok(())
    }

    /// The histogram of a search that the sums cannot answer.
    async fn bars_of_search(&self, bars: &mut Bars, search: &Search, needles: Vec<Needle>, span: Span) -> Result<()> {
        let ids = self.ids_of(span).await?;
        let mut filter = Where::default();
        filter.and("l.id >= ?", ids.0);
        filter.and("l.id <= ?", ids.1);
        span.narrow(&mut filter.sql, &mut filter.args, "l.timestamp");
        let session = search.0.iter().find_map(|term| if let Term::Session(sid) = term { Some(sid) } else { None });
        match (search.0.as_slice(), session) {
            ([], _) => {}
            ([Term::Attacker(ip)], _) => filter.and("l.attacker_ip = ? AND l.attacker_ip <> ''", ip.as_str()),
            ([Term::Session(sid)], _) => filter.and("l.session_id = ?", pack(sid)),
            (_, Some(sid)) => {
                let page = self.in_session::<LogRow>(sid, search, filter, "ASC", COUNTED_AT_MOST, 0).await?;
                page.data.iter().for_each(|row| bars.add(row.timestamp.0.0, 1));
                return Ok(());
            }
            (_, None) => return self.bars_of_words(bars, search, needles, span, ids).await,
        }
        let sql = format!("SELECT l.timestamp - l.timestamp % ? AS bar, COUNT(*) FROM logs l WHERE 1 = 1{} GROUP BY bar", filter.sql);
        self.sum(bars, vec![Query::new(sql).bind(bars.width).bind_all(filter.args)]).await
    }

    async fn bars_of_words(&self, bars: &mut Bars, search: &Search, needles: Vec<Needle>, span: Span, ids: (i64, i64)) -> Result<()> {
        let reach = self.reach(DOING, dialect::LOGS).await?;
        let upto = reach.upto;
        if bars.width % MINUTE == 0 {
            self.bars_of_minutes(bars, &needles, span, reach).await?;
        } else {
            self.sum(bars, vec![self.bars_of_rows(&needles, (ids.0, ids.1.min(upto)), span, bars.width)]).await?;
        }
        let narrow = narrow(search);
        let find =
            Find { needles, narrow: (narrow.sql, narrow.args), ids, span, ascending: false, limit: MOST_ROWS, offset: 0, total: None };
        let (_, rows) = self.scan::<LogRow>(DOING, &find, (ids.0.max(upto.saturating_add(1)), ids.1), usize::MAX).await?;
        rows.iter().for_each(|row| bars.add(row.timestamp.0.0, 1));
        Ok(())
    }

    /// Counts indexed rows bar by bar. Where the minutes of a bar hold all ids between its first and its last, the index
    /// alone tells how many match, and a bar that is complete is counted once and remembered.
    async fn bars_of_minutes(&self, bars: &mut Bars, needles: &[Needle], span: Span, reach: Reach) -> Result<()> {
        let (inner, edges) = span.inner_and_edges();
        let sql = "SELECT minute * 60000000, first_id, last_id, count FROM log_minutes WHERE minute >= ? AND minute <= ?";
        let mut stretches: BTreeMap<i64, Stretch> = BTreeMap::new();
        for mut row in self.db.rows(DOING, Query::new(sql).bind(inner.0).bind(inner.1)).await? {
            let (at, first, last, rows) = (row.int(), row.int(), row.int(), row.int());
            let stretch = stretches.entry(bars.begin(at)).or_insert(Stretch { first, last, rows: 0 });
            stretch.first = stretch.first.min(first);
            stretch.last = stretch.last.max(last);
            stretch.rows += rows;
        }
        let (mut mixed, mut counted) = (Vec::new(), Vec::new());
        for (at, stretch) in stretches {
            let ids = (stretch.first, stretch.last.min(reach.upto));
            if ids.0 > ids.1 {
                continue;
            }
            if stretch.rows != stretch.last - stretch.first + 1 {
                // Rows of other times lie between: each is looked at.
                let whole = Span { start: Some(Micros(at)), end: Some(Micros(at.saturating_add(bars.width))) };
                let part = whole.within(Span { start: span.start, end: span.end }).without(&edges);
                mixed.push(self.bars_of_rows(needles, ids, part, bars.width));
                continue;
            }
            let key = Counting { words: dialect::LOGS.words, needles: needles.to_vec(), ids: (stretch.first, stretch.last) };
            match self.cache.counted(&key, reach) {
                Some((upto, count)) if upto >= stretch.last => bars.add(at, count),
                _ => counted.push((at, key, ids)),
            }
        }
        for minute in edges {
            let from = minute.saturating_mul(MINUTE);
            let edge = Span { start: Some(Micros(from)), end: Some(Micros(from.saturating_add(MINUTE))) };
            let (low, high) = self.ids_of(edge).await?;
            mixed.push(self.bars_of_rows(needles, (low, high.min(reach.upto)), edge.within(span), bars.width));
        }
        self.sum(bars, mixed).await?;
        let queries = counted.iter().map(|(_, _, ids)| {
            let ids = self.db.ids_with(dialect::LOGS, needles, *ids, "");
            Query { sql: format!("SELECT COUNT(*) FROM ({}) c", ids.sql).into(), ..ids }
        });
        let counts = self.db.read(DOING, queries.collect()).await?;
        for ((at, key, _), rows) in counted.into_iter().zip(counts) {
            let count = rows.into_iter().next().map_or(0, |mut row| row.int());
            bars.add(at, count);
            self.cache.count(key, reach, count);
        }
        Ok(())
    }

    /// Bars of indexed rows, each row looked at for its time.
    fn bars_of_rows(&self, needles: &[Needle], ids: (i64, i64), span: Span, width: i64) -> Query {
        let indexed = self.db.ids_with(dialect::LOGS, needles, ids, "");
        let join = if self.db.is_mysql() { "STRAIGHT_JOIN" } else { "CROSS JOIN" };
        let (mut time, mut args) = (String::new(), Vec::new());
        span.narrow(&mut time, &mut args, "l.timestamp");
        let sql = format!(
            "SELECT l.timestamp - l.timestamp % ? AS bar, COUNT(*) FROM ({}) w {join} logs l ON l.id = w.id{time} GROUP BY bar",
            indexed.sql
        );
        Query::new(sql).bind(width).bind_all(indexed.args).bind_all(args)
    }
}

/// Time and count of whole minutes from the sums, and of the two broken ones at the ends from the rows.
fn by_minutes(span: Span, facet: &Facet) -> Vec<Query> {
    let (inner, edges) = span.inner_and_edges();
    let table = if facet.sums.sql.is_empty() { "log_minutes" } else { "log_minute_facets" };
    let sql = format!(
        "SELECT l.minute * 60000000, SUM(l.count) FROM {table} l WHERE l.minute >= ? AND l.minute <= ?{} GROUP BY l.minute",
        facet.sums.sql
    );
    let mut queries = vec![Query::new(sql).bind(inner.0).bind(inner.1).bind_all(facet.sums.args.clone())];
    for minute in edges {
        let from = minute.saturating_mul(MINUTE);
        let mut sql = format!(
            "SELECT MIN(l.timestamp), COUNT(*) FROM logs l WHERE l.id >= (SELECT COALESCE(MIN(first_id), 1) FROM log_minutes WHERE minute = ?) \
             AND l.id <= (SELECT COALESCE(MAX(last_id), 0) FROM log_minutes WHERE minute = ?) AND l.timestamp >= ? AND l.timestamp < ?{}",
            facet.rows.sql
        );
        let mut args: Vec<Arg> = vec![minute.into(), minute.into(), from.into(), from.saturating_add(MINUTE).into()];
        args.extend(facet.rows.args.iter().cloned());
        span.narrow(&mut sql, &mut args, "l.timestamp");
        queries.push(Query::new(sql).bind_all(args));
    }
    queries
}
