//! Free-text search: a lazily filled index of words, and a scan of the few rows it has not taken in yet. Both decide by
//! [`Words`], so it makes no difference to a result which of them found a row.

use crate::{
    COUNTED_AT_MOST, Error, Result, Store,
    db::{Arg, Query, Row},
    dialect::{self, Index},
    time_index::Span,
    words::{Needle, Words},
};

/// Rows of the scan that are fetched at once.
const CHUNK: i64 = 500;
/// Rows scanned for the sake of the total once the page is full.
const SCANNED_FOR_TOTAL: i64 = 20_000;
/// Bytes of words written in one transaction at most, roughly.
const INDEXED_AT_ONCE: i64 = 5_000;

/// A row that is found by its words.
pub(crate) trait Indexed: Sized + Send + 'static {
    const INDEX: Index;
    /// Columns in the order [`Self::read`] takes them, each with the alias `l`.
    const COLUMNS: &'static str;
    fn read(row: Row) -> Self;
    fn id(&self) -> i64;
    fn words(&self) -> Words;
}

/// What is asked of an indexed table.
#[derive(Debug)]
pub(crate) struct Find {
    /// Never empty.
    pub(crate) needles: Vec<Needle>,
    /// Conditions on columns that only spare work: everything they say is in the needles too. ` AND l.service = ?`
    pub(crate) narrow: (String, Vec<Arg>),
    /// First and last id.
    pub(crate) ids: (i64, i64),
    pub(crate) span: Span,
    /// Oldest first.
    pub(crate) ascending: bool,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
    /// The total, if it is known otherwise.
    pub(crate) total: Option<i64>,
}

impl Store {
    /// Brings the free-text index nearer to the newest row; how many rows it took in (0 = up to date).
    pub async fn index_text(&self, at_most: i64) -> Result<i64> {
        let mut done = self.index_rows::<crate::LogRow>(at_most).await?;
        done += self.index_rows::<crate::CredentialRow>(at_most - done).await?;
        done += self.index_rows::<crate::BountyRow>(at_most - done).await?;
        Ok(done)
    }

    async fn index_rows<T: Indexed>(&self, at_most: i64) -> Result<i64> {
        let doing = "indexing text";
        if at_most <= 0 {
            return Ok(0);
        }
        let index = T::INDEX;
        let upto = self.reach(doing, index).await?.upto;
        let sql = format!("SELECT {} FROM {} l WHERE l.id > ? ORDER BY l.id LIMIT ?", T::COLUMNS, index.rows);
        let rows = self.db.rows(doing, Query::new(sql).bind(upto).bind(at_most.min(INDEXED_AT_ONCE))).await?;
        let count = i64::try_from(rows.len()).unwrap_or(0);
        if count == 0 {
            return Ok(0);
        }
        let words = tokio::task::spawn_blocking(move || {
            rows.into_iter()
                .map(|row| {
                    let row = T::read(row);
                    (row.id(), row.words().into_sorted())
                })
                .collect::<Vec<_>>()
        });
        let words = words.await.map_err(|e| Error::Broken { doing, why: e.to_string() })?;
        let newest = words.last().map_or(upto, |(id, _)| *id);
        // Of two indexers at once only one moves the counter; the other gives up and comes again.
        let moved = "UPDATE counters SET value = ? WHERE name = ? AND value = ?";
        let mut statements = vec![Query::new(moved).bind(newest).bind(index.upto).bind(upto).must_change()];
        statements.append(&mut self.db.add_words(index, words));
        self.db.write(doing, statements).await?;
        Ok(count)
    }

    /// Rows that hold every needle, and how many there are (counted up to [`COUNTED_AT_MOST`]).
    pub(crate) async fn find<T: Indexed>(&self, doing: &'static str, find: Find) -> Result<(i64, Vec<T>)> {
        let (low, high) = find.ids;
        let reach = self.reach(doing, T::INDEX).await?;
        let upto = reach.upto;
        let want = usize::try_from(find.offset.saturating_add(find.limit)).unwrap_or(usize::MAX);
        let mut tail: Vec<T> = Vec::new();
        let mut in_tail = 0;
        if high > upto && !find.ascending {
            (in_tail, tail) = self.scan::<T>(doing, &find, (low.max(upto + 1), high), want).await?;
        }
        let mut rows: Vec<T>;
        let indexed = (low, high.min(upto));
        let mut in_index = 0;
        if find.ascending {
            rows = if low <= upto { self.indexed::<T>(doing, &find, indexed, find.limit, find.offset).await? } else { Vec::new() };
            if low <= upto && (find.total.is_none() || rows.is_empty()) {
                in_index = self.count_indexed::<T>(doing, &find, indexed, reach).await?;
            }
            let got = i64::try_from(rows.len()).unwrap_or(0);
            let skip = (find.offset - in_index).max(0);
            let scanned = (low.max(upto + 1), high);
            (in_tail, tail) = self.scan::<T>(doing, &find, scanned, usize::try_from(skip + find.limit - got).unwrap_or(0)).await?;
            rows.extend(tail.into_iter().skip(usize::try_from(skip).unwrap_or(0)).take(usize::try_from(find.limit - got).unwrap_or(0)));
        } else {
            let held = i64::try_from(tail.len()).unwrap_or(0);
            rows = tail
                .into_iter()
                .skip(usize::try_from(find.offset).unwrap_or(usize::MAX))
                .take(usize::try_from(find.limit).unwrap_or(0))
                .collect();
            let missing = find.limit - i64::try_from(rows.len()).unwrap_or(0);
            if missing > 0 && low <= upto {
                rows.append(&mut self.indexed::<T>(doing, &find, indexed, missing, (find.offset - held).max(0)).await?);
            }
            if find.total.is_none() && low <= upto {
                in_index = self.count_indexed::<T>(doing, &find, indexed, reach).await?;
            }
        }
        Ok((find.total.unwrap_or_else(|| (in_tail + in_index).min(COUNTED_AT_MOST)), rows))
    }

    /// Rows by the index.
    async fn indexed<T: Indexed>(&self, doing: &'static str, find: &Find, ids: (i64, i64), limit: i64, offset: i64) -> Result<Vec<T>> {
        let order = if find.ascending { "ASC" } else { "DESC" };
        let query = if find.span.is_all() {
            let inner = self.db.ids_with(T::INDEX, &find.needles, ids, &format!("ORDER BY rowid {order} LIMIT ? OFFSET ?"));
            Query { sql: self.joined::<T>(&inner.sql, "", order).into(), ..inner }.bind(limit).bind(offset)
        } else {
            let inner = self.db.ids_with(T::INDEX, &find.needles, ids, &format!("ORDER BY rowid {order}"));
            let (mut narrow, mut args) = (String::new(), Vec::new());
            find.span.narrow(&mut narrow, &mut args, "l.timestamp");
            let sql = format!("{} LIMIT ? OFFSET ?", self.joined::<T>(&inner.sql, &narrow, order));
            Query { sql: sql.into(), ..inner }.bind_all(args).bind(limit).bind(offset)
        };
        Ok(self.db.rows(doing, query).await?.into_iter().map(T::read).collect())
    }

    fn joined<T: Indexed>(&self, ids: &str, narrow: &str, order: &str) -> String {
        let join = if self.db.is_mysql() { "STRAIGHT_JOIN" } else { "CROSS JOIN" };
        format!("SELECT {} FROM ({ids}) w {join} {} l ON l.id = w.id{narrow} ORDER BY w.id {order}", T::COLUMNS, T::INDEX.rows)
    }

    /// How many rows of the index match. A count over the whole index is remembered: as the index only grows, later only
    /// what was added is counted.
    async fn count_indexed<T: Indexed>(&self, doing: &'static str, find: &Find, ids: (i64, i64), reach: Reach) -> Result<i64> {
        if !find.span.is_all() || ids != (0, reach.upto) {
            return self.count_words::<T>(doing, find, ids).await;
        }
        let key = Counting { words: T::INDEX.words, needles: find.needles.clone(), ids: (0, i64::MAX) };
        let known = self.cache.counted(&key, reach);
        let (from, known) = known.map_or((0, 0), |(upto, count)| (upto.saturating_add(1), count));
        let count = if known >= COUNTED_AT_MOST || from > reach.upto {
            known
        } else {
            (known + self.count_words::<T>(doing, find, (from, reach.upto)).await?).min(COUNTED_AT_MOST)
        };
        self.cache.count(key, reach, count);
        Ok(count)
    }

    async fn count_words<T: Indexed>(&self, doing: &'static str, find: &Find, ids: (i64, i64)) -> Result<i64> {
        let query = if find.span.is_all() {
            let inner = self.db.ids_with(T::INDEX, &find.needles, ids, "LIMIT ?");
            Query { sql: format!("SELECT COUNT(*) FROM ({}) c", inner.sql).into(), ..inner }.bind(COUNTED_AT_MOST)
        } else {
            let inner = self.db.ids_with(T::INDEX, &find.needles, ids, "");
            let join = if self.db.is_mysql() { "STRAIGHT_JOIN" } else { "CROSS JOIN" };
            let (mut narrow, mut args) = (String::new(), Vec::new());
            find.span.narrow(&mut narrow, &mut args, "l.timestamp");
            let sql = format!(
                "SELECT COUNT(*) FROM (SELECT 1 FROM ({}) w {join} {} l ON l.id = w.id{narrow} LIMIT ?) c",
                inner.sql,
                T::INDEX.rows
            );
            Query { sql: sql.into(), ..inner }.bind_all(args).bind(COUNTED_AT_MOST)
        };
        self.db.number(doing, query).await
    }

    /// How far an index reaches now.
    pub(crate) async fn reach(&self, doing: &'static str, index: Index) -> Result<Reach> {
        let query = Query::new("SELECT name, value FROM counters WHERE name = ? OR name = 'purges'").bind(index.upto);
        let mut reach = Reach::default();
        for mut row in self.db.rows(doing, query).await? {
            match (row.text().as_str(), row.int()) {
                ("purges", purges) => reach.purges = purges,
                (_, upto) => reach.upto = upto,
            }
        }
        Ok(reach)
    }

    /// Looks at rows one by one: how many match, and the first `want` of them in the order that was asked for.
    pub(crate) async fn scan<T: Indexed>(&self, doing: &'static str, find: &Find, ids: (i64, i64), want: usize) -> Result<(i64, Vec<T>)> {
        let (mut low, mut high) = ids;
        let (mut count, mut looked_at, mut rows) = (0_i64, 0_i64, Vec::new());
        let order = if find.ascending { "ASC" } else { "DESC" };
        let (mut narrow, mut narrow_args) = find.narrow.clone();
        find.span.narrow(&mut narrow, &mut narrow_args, "l.timestamp");
        let sql =
            format!("SELECT {} FROM {} l WHERE l.id >= ? AND l.id <= ?{narrow} ORDER BY l.id {order} LIMIT ?", T::COLUMNS, T::INDEX.rows);
        while low <= high {
            let query = Query::new(sql.clone()).bind(low).bind(high).bind_all(narrow_args.iter().cloned()).bind(CHUNK);
            let chunk = self.db.rows(doing, query).await?;
            let got = i64::try_from(chunk.len()).unwrap_or(0);
            for row in chunk {
                let row = T::read(row);
                if find.ascending {
                    low = row.id().saturating_add(1);
                } else {
                    high = row.id().saturating_sub(1);
                }
                if row.words().hold(&find.needles) {
                    count += 1;
                    if rows.len() < want {
                        rows.push(row);
                    }
                }
            }
            looked_at += got;
            let full = rows.len() >= want;
            if got < CHUNK || (full && (find.total.is_some() || count >= COUNTED_AT_MOST || looked_at >= SCANNED_FOR_TOTAL)) {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok((count, rows))
    }
}

/// How far an index reaches, and how often everything was deleted before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) upto: i64,
    pub(crate) purges: i64,
}

/// What was counted in an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Counting {
    pub(crate) words: &'static str,
    pub(crate) needles: Vec<Needle>,
    /// The part of the index, or all of it however far it reaches.
    pub(crate) ids: (i64, i64),
}

/// Every index there is.
pub(crate) const ALL: [Index; 3] = [dialect::LOGS, dialect::CREDENTIALS, dialect::BOUNTIES];
