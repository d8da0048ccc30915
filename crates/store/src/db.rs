//! The thin layer over both backends: a statement with its values, a row of cells.

use crate::{At, Result, mysql::MySql, sqlite::Sqlite};
use model::Micros;
use serde_json::value::RawValue;
use std::{borrow::Cow, vec};

/// The backend in use.
#[derive(Debug)]
pub(crate) enum Db {
    Sqlite(Sqlite),
    MySql(MySql),
}

/// A value to bind.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// One statement. The text is made of constants of this crate only; everything else is bound.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) sql: Cow<'static, str>,
    pub(crate) args: Vec<Arg>,
    /// Whether the whole transaction is given up if this changes no row.
    pub(crate) must_change: bool,
}

impl Query {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), args: Vec::new(), must_change: false }
    }

    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Arg>) -> Self {
        self.args.push(value.into());
        self
    }

    #[must_use]
    pub(crate) fn must_change(mut self) -> Self {
        self.must_change = true;
        self
    }

    #[must_use]
    pub(crate) fn bind_all(mut self, values: impl IntoIterator<Item = Arg>) -> Self {
        self.args.extend(values);
        self
    }
}

/// A stored value. Text arrives as its bytes: both backends tell binary from text by declaration only.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Bytes(Vec<u8>),
}

/// A row, read from the left: each call takes the next column.
#[derive(Debug)]
pub(crate) struct Row(vec::IntoIter<Cell>);

impl Row {
    pub(crate) fn new(cells: Vec<Cell>) -> Self {
        Self(cells.into_iter())
    }

    fn next(&mut self) -> Cell {
        self.0.next().unwrap_or(Cell::Null)
    }

    pub(crate) fn opt_int(&mut self) -> Option<i64> {
        match self.next() {
            Cell::Int(value) => Some(value),
            // MySQL sums are decimals, which travel as text.
            Cell::Bytes(bytes) => std::str::from_utf8(&bytes).ok()?.parse().ok(),
            Cell::Null => None,
        }
    }

    pub(crate) fn int(&mut self) -> i64 {
        self.opt_int().unwrap_or(0)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.int() != 0
    }

    pub(crate) fn at(&mut self) -> At {
        At(Micros(self.int()))
    }

    pub(crate) fn opt_at(&mut self) -> Option<At> {
        self.opt_int().map(|at| At(Micros(at)))
    }

    pub(crate) fn opt_bytes(&mut self) -> Option<Vec<u8>> {
        match self.next() {
            Cell::Bytes(bytes) => Some(bytes),
            Cell::Int(value) => Some(value.to_string().into_bytes()),
            Cell::Null => None,
        }
    }

    pub(crate) fn opt_text(&mut self) -> Option<String> {
        self.opt_bytes().map(|bytes| String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    pub(crate) fn text(&mut self) -> String {
        self.opt_text().unwrap_or_default()
    }

    /// A JSON value; what does not parse (it cannot have come from here) reads as the default.
    pub(crate) fn json<T: serde::de::DeserializeOwned + Default>(&mut self) -> T {
        self.opt_bytes().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// A JSON object as the text it is; what is not JSON (it cannot have come from here) reads as an empty one.
    pub(crate) fn json_text(&mut self) -> Box<RawValue> {
        let raw = RawValue::from_string(self.text()).or_else(|_| RawValue::from_string("{}".to_owned()));
        raw.unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    /// An id stored by [`crate::ids::pack`].
    pub(crate) fn opt_id(&mut self) -> Option<String> {
        self.opt_bytes().map(|bytes| crate::ids::unpack(&bytes))
    }

    pub(crate) fn id(&mut self) -> String {
        self.opt_id().unwrap_or_default()
    }
}

impl Db {
    /// Runs the queries against one snapshot, in order.
    pub(crate) async fn read(&self, doing: &'static str, queries: Vec<Query>) -> Result<Vec<Vec<Row>>> {
        match self {
            Self::Sqlite(db) => db.read(doing, queries).await,
            Self::MySql(db) => db.read(doing, queries).await,
        }
    }

    /// The rows of one query.
    pub(crate) async fn rows(&self, doing: &'static str, query: Query) -> Result<Vec<Row>> {
        Ok(self.read(doing, vec![query]).await?.pop().unwrap_or_default())
    }

    /// The first row of one query.
    pub(crate) async fn row(&self, doing: &'static str, query: Query) -> Result<Option<Row>> {
        Ok(self.rows(doing, query).await?.into_iter().next())
    }

    /// The first column of the first row as a number, 0 if there is none.
    pub(crate) async fn number(&self, doing: &'static str, query: Query) -> Result<i64> {
        Ok(self.row(doing, query).await?.map_or(0, |mut row| row.int()))
    }

    /// Runs the statements in one transaction; how many rows each changed (MySQL counts an updating upsert twice).
    /// Empty if a statement that must change something did not: then nothing is written.
    pub(crate) async fn write(&self, doing: &'static str, queries: Vec<Query>) -> Result<Vec<u64>> {
        match self {
            Self::Sqlite(db) => db.write(doing, queries).await,
            Self::MySql(db) => db.write(doing, queries).await,
        }
    }

    pub(crate) fn is_mysql(&self) -> bool {
        matches!(self, Self::MySql(_))
    }
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
impl From<u32> for Arg {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<u16> for Arg {
    fn from(value: u16) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<u64> for Arg {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
impl From<bool> for Arg {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<Micros> for Arg {
    fn from(value: Micros) -> Self {
        Self::Int(value.0)
    }
}
impl From<At> for Arg {
    fn from(value: At) -> Self {
        Self::Int(value.0.0)
    }
}
impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<String> for Arg {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<Vec<u8>> for Arg {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}
impl<T: Into<Self>> From<Option<T>> for Arg {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// `?, ?, ?`
pub(crate) fn marks(count: usize) -> String {
    let mut text = "?, ".repeat(count);
    text.truncate(text.len().saturating_sub(2));
    text
}

/// The first `most` characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    match text.char_indices().nth(most) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_counts_characters_and_never_splits_one() {
        for (text, most, expect) in [("abc", 5, "abc"), ("abc", 2, "ab"), ("äöü", 2, "äö"), ("äöü", 3, "äöü"), ("", 0, ""), ("a", 0, "")]
        {
            assert_eq!(cut(text, most), expect);
        }
    }
}
