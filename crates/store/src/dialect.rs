//! Every difference in SQL text between the two backends, in one place.

use crate::db::{Arg, Db, Query};
use crate::words::Needle;
use std::fmt::Write as _;

/// A text index: the table of words, the table it covers, the counter that says how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) words: &'static str,
    pub(crate) rows: &'static str,
    pub(crate) upto: &'static str,
}

pub(crate) const LOGS: Index = Index { words: "log_words", rows: "logs", upto: "log_words_upto" };
pub(crate) const CREDENTIALS: Index = Index { words: "credential_words", rows: "credentials", upto: "credential_words_upto" };
pub(crate) const BOUNTIES: Index = Index { words: "bounty_words", rows: "bounty", upto: "bounty_words_upto" };

impl Db {
    /// `INSERT … ` that updates on a clash of `key`. In `set`, `NEW.column` is the value that was to be inserted.
    pub(crate) fn upsert(&self, insert: &str, key: &str, set: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("{insert} ON CONFLICT({key}) DO UPDATE SET {}", set.replace("NEW.", "excluded.")),
            Self::MySql(_) => format!("{insert} ON DUPLICATE KEY UPDATE {}", values_of_new(set)),
        }
    }

    /// `INSERT` that leaves an existing row alone.
    pub(crate) fn insert_new(&self) -> &'static str {
        if self.is_mysql() { "INSERT IGNORE INTO" } else { "INSERT OR IGNORE INTO" }
    }

    /// Names the index to walk, right after a table's name.
    pub(crate) fn by_index(&self, index: &'static str) -> String {
        if self.is_mysql() { format!("FORCE INDEX ({index})") } else { format!("INDEXED BY {index}") }
    }

    /// `SELECT id` of the rows of `index` that hold every needle, as a sub-query with its values. `bounds` narrows
    /// the id (inclusive); newest first when `limit` is given.
    pub(crate) fn ids_with(&self, index: Index, needles: &[Needle], bounds: (i64, i64), tail: &str) -> Query {
        let (low, high) = bounds;
        match self {
            Self::Sqlite(_) => {
                let words = index.words;
                let sql = format!("SELECT rowid AS id FROM {words} WHERE {words} MATCH ? AND rowid >= ? AND rowid <= ? {tail}");
                Query::new(sql).bind(match_expression(needles)).bind(low).bind(high)
            }
            Self::MySql(_) => {
                let mut sql = String::from("SELECT ");
                if needles.iter().any(|n| n.prefix) {
                    sql.push_str("DISTINCT ");
                }
                sql.push_str("w0.id AS id FROM ");
                let mut args: Vec<Arg> = Vec::new();
                let mut conditions = String::new();
                for (i, needle) in needles.iter().enumerate() {
                    let _ = match i {
                        0 => write!(sql, "{} w0", index.words),
                        _ => write!(sql, " STRAIGHT_JOIN {} w{i} ON w{i}.id = w0.id", index.words),
                    };
                    let _ = match needle.prefix {
                        true => write!(conditions, "w{i}.word >= ? AND w{i}.word < ? AND "),
                        false => write!(conditions, "w{i}.word = ? AND "),
                    };
                    args.push(Arg::Blob(needle.word.as_bytes().to_vec()));
                    if needle.prefix {
                        let mut end = needle.word.as_bytes().to_vec();
                        end.push(0xff);
                        args.push(Arg::Blob(end));
                    }
                }
                let tail = tail.replace("rowid", "w0.id");
                let _ = write!(sql, " WHERE {conditions}w0.id >= ? AND w0.id <= ? {tail}");
                Query::new(sql).bind_all(args).bind(low).bind(high)
            }
        }
    }

    /// Statements that put the words of one row after another into `index`.
    pub(crate) fn add_words(&self, index: Index, rows: Vec<(i64, Vec<String>)>) -> Vec<Query> {
        match self {
            Self::Sqlite(_) => rows
                .into_iter()
                .map(|(id, words)| {
                    Query::new(format!("INSERT INTO {}(rowid, words) VALUES (?, ?)", index.words)).bind(id).bind(words.join(" "))
                })
                .collect(),
            Self::MySql(_) => {
                let mut pairs: Vec<(String, i64)> =
                    rows.into_iter().flat_map(|(id, words)| words.into_iter().map(move |word| (word, id))).collect();
                pairs.sort_unstable();
                pairs
                    .chunks(1_000)
                    .map(|chunk| {
                        let mut sql = format!("INSERT IGNORE INTO {} (word, id) VALUES ", index.words);
                        sql.push_str(&"(?, ?), ".repeat(chunk.len()));
                        sql.truncate(sql.len().saturating_sub(2));
                        let args = chunk.iter().flat_map(|(word, id)| [Arg::Blob(word.as_bytes().to_vec()), Arg::Int(*id)]);
                        Query::new(sql).bind_all(args)
                    })
                    .collect()
            }
        }
    }

    /// Empties a text index.
    pub(crate) fn clear_words(&self, index: Index) -> Query {
        let words = index.words;
        match self {
            Self::Sqlite(_) => Query::new(format!("INSERT INTO {words}({words}) VALUES ('delete-all')")),
            Self::MySql(_) => Query::new(format!("DELETE FROM {words}")),
        }
    }
}

/// An FTS5 expression. Words hold letters, digits and `._:@-` only, so nothing in them can end the quotes.
fn match_expression(needles: &[Needle]) -> String {
    let mut text = String::new();
    for needle in needles {
        if !text.is_empty() {
            text.push_str(" AND ");
        }
        text.push('"');
        text.extend(needle.word.chars().filter(|c| *c != '"'));
        text.push('"');
        if needle.prefix {
            text.push('*');
        }
    }
    text
}

/// `NEW.x` becomes `VALUES(x)`.
fn values_of_new(set: &str) -> String {
    let mut out = String::with_capacity(set.len() + 16);
    for (i, part) in set.split("NEW.").enumerate() {
        if i == 0 {
            out.push_str(part);
            continue;
        }
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        out.push_str("VALUES(");
        out.push_str(name);
        out.push(')');
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_values_are_named_for_each_backend() {
        assert_eq!(values_of_new("a = NEW.a, n = n + NEW.n_2"), "a = VALUES(a), n = n + VALUES(n_2)");
    }
}
