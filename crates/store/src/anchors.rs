//! Pages far down a sorted list of attackers. An offset is walked row by row from the top; with every so-manieth row of the
//! order remembered for a moment, only the steps from the nearest of them are.

use crate::{
    Result, Store,
    db::{Arg, Query},
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Rows from one remembered row to the next.
const STEP: i64 = 500;
/// How long they are remembered: meanwhile another process may have moved rows.
const LIFE: Duration = Duration::from_secs(1);

/// Remembered rows by the column that sorts.
pub(crate) type Anchors = HashMap<&'static str, Marks>;

#[derive(Debug)]
pub(crate) struct Marks {
    made: Instant,
    /// What this process had written then.
    written: u64,
    /// Value and id of rows number `STEP - 1`, `2 * STEP - 1`, …
    rows: Vec<(i64, i64)>,
    /// Whether the list ends before the next of them.
    whole: bool,
}

/// Where to begin a walk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    /// ` AND …`: only rows after the remembered one.
    pub(crate) sql: String,
    pub(crate) args: Vec<Arg>,
    /// How many of those come before the page.
    pub(crate) offset: i64,
}

impl Store {
    /// The nearest beginning before row `offset` of the attackers by `column`, greatest first, equal ones by id.
    pub(crate) async fn start(&self, column: &'static str, index: &'static str, offset: i64) -> Result<Start> {
        let steps = offset / STEP;
        if steps == 0 {
            return Ok(Start { offset, ..Start::default() });
        }
        let wanted = usize::try_from(steps).unwrap_or(usize::MAX);
        let mut anchors = self.cache.anchors.lock().await;
        let written = self.cache.written();
        let marks = anchors.entry(column).or_insert_with(|| Marks::new(written));
        if marks.written != written || marks.made.elapsed() >= LIFE {
            *marks = Marks::new(written);
        }
        while marks.rows.len() < wanted && !marks.whole {
            let mut after = Start::default();
            if let Some(last) = marks.rows.last() {
                self.after(&mut after, column, *last);
            }
            let sql = format!(
                "SELECT a.{column}, a.id FROM attackers a {} WHERE 1 = 1{} ORDER BY a.{column} DESC, a.id DESC LIMIT 1 OFFSET {}",
                self.db.by_index(index),
                after.sql,
                STEP - 1
            );
            match self.db.row("finding a page", Query::new(sql).bind_all(after.args)).await? {
                Some(mut row) => marks.rows.push((row.int(), row.int())),
                None => marks.whole = true,
            }
        }
        let used = wanted.min(marks.rows.len());
        let mut start = Start { offset: offset - i64::try_from(used).unwrap_or(0) * STEP, ..Start::default() };
        if let Some(mark) = used.checked_sub(1).and_then(|at| marks.rows.get(at)) {
            self.after(&mut start, column, *mark);
        }
        Ok(start)
    }

    fn after(&self, start: &mut Start, column: &str, (value, id): (i64, i64)) {
        if self.db.is_mysql() {
            start.sql = format!(" AND a.{column} <= ? AND (a.{column} < ? OR a.id < ?)");
            start.args = vec![value.into(), value.into(), id.into()];
        } else {
            start.sql = format!(" AND (a.{column}, a.id) < (?, ?)");
            start.args = vec![value.into(), id.into()];
        }
    }
}

impl Marks {
    fn new(written: u64) -> Self {
        Self { made: Instant::now(), written, rows: Vec::new(), whole: false }
    }
}
