//! SQLite: one writer connection on a thread of its own, a few reader connections on theirs.

use crate::{
    Error, Result,
    db::{Arg, Cell, Query, Row},
    schema,
};
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, types::ValueRef};
use std::{collections::VecDeque, path::Path, sync::Arc, thread};
use tokio::sync::oneshot;

/// Reader threads; each holds a connection and a page cache of at most [`READER_CACHE_KIB`].
const READERS: usize = 4;
const READER_CACHE_KIB: i64 = 16 * 1024;
const WRITER_CACHE_KIB: i64 = 64 * 1024;
/// Part of the file that is read through the page cache of the system without copying, in bytes.
const MMAP: i64 = 1 << 30;
/// Pages the write-ahead log may hold before they are moved to the main file.
const CHECKPOINT_PAGES: i64 = 8_192;

#[derive(Debug)]
pub(crate) struct Sqlite {
    writer: Lane,
    readers: Lane,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let mut writer = connect(&path, WRITER_CACHE_KIB)?;
            schema::migrate_sqlite(&mut writer)?;
            let readers = (0..READERS)
                .map(|_| {
                    let reader = connect(&path, READER_CACHE_KIB)?;
                    reader.pragma_update(None, "query_only", true).map_err(|e| broken("opening", &e))?;
                    reader.pragma_update(None, "mmap_size", MMAP).map_err(|e| broken("opening", &e))?;
                    Ok(reader)
                })
                .collect::<Result<Vec<_>>>()?;
            Ok((writer, readers))
        });
        let (writer, readers) = opened.await.map_err(|e| Error::Broken { doing: "opening", why: e.to_string() })??;
        Ok(Self { writer: Lane::start("store-write", vec![writer])?, readers: Lane::start("store-read", readers)? })
    }

    /// Runs `work` on the writer connection.
    pub(crate) async fn on_writer<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.run(doing, work).await
    }

    pub(crate) async fn read(&self, doing: &'static str, queries: Vec<Query>) -> Result<Vec<Vec<Row>>> {
        self.readers
            .run(doing, move |connection| {
                if queries.len() < 2 {
                    return queries.iter().map(|query| fetch(connection, query)).collect();
                }
                let snapshot = connection.transaction()?;
                let rows = queries.iter().map(|query| fetch(&snapshot, query)).collect();
                snapshot.commit()?;
                rows
            })
            .await
    }

    pub(crate) async fn write(&self, doing: &'static str, queries: Vec<Query>) -> Result<Vec<u64>> {
        self.on_writer(doing, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut changed = Vec::with_capacity(queries.len());
            for query in &queries {
                let mut statement = transaction.prepare_cached(&query.sql)?;
                let rows = statement.execute(rusqlite::params_from_iter(&query.args))?;
                if rows == 0 && query.must_change {
                    return Ok(Vec::new());
                }
                changed.push(u64::try_from(rows).unwrap_or(0));
            }
            transaction.commit()?;
            Ok(changed)
        })
        .await
    }
}

fn connect(path: &Path, cache_kib: i64) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(30))?;
        connection.set_prepared_statement_cache_capacity(128);
        // Measured against 4 and 8 KiB: fewer pages to find, split and checksum. Only a new file obeys.
        connection.pragma_update(None, "page_size", 16_384)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "cache_size", -cache_kib)?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
        connection.pragma_update_and_check(None, "journal_size_limit", 256 << 20, |_| Ok(()))?;
        Ok(connection)
    };
    open().map_err(|e| broken("opening", &e))
}

/// Runs one query and takes all its rows.
pub(crate) fn fetch(connection: &Connection, query: &Query) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(&query.sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(&query.args))?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Vec::with_capacity(columns);
        for i in 0..columns {
            cells.push(match row.get_ref(i)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(value) => Cell::Int(value),
                ValueRef::Real(value) => Cell::Bytes(value.to_string().into_bytes()),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
            });
        }
        out.push(Row::new(cells));
    }
    Ok(out)
}

impl rusqlite::ToSql for Arg {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What an error of SQLite means to callers.
pub(crate) fn broken(doing: &'static str, error: &rusqlite::Error) -> Error {
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full { doing, why },
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::OutOfMemory,
        ) => Error::Unavailable { doing, why },
        Some(ErrorCode::ConstraintViolation) => Error::Taken { what: "a unique value" },
        _ => Error::Broken { doing, why },
    }
}

// === Lane: threads that each own a connection and take work from one queue

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

#[derive(Debug)]
struct Lane(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    waiting: VecDeque<Work>,
    open: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.state.lock().waiting.len()).finish_non_exhaustive()
    }
}

impl Lane {
    fn start(name: &str, connections: Vec<Connection>) -> Result<Self> {
        let queue = Arc::new(Queue { state: Mutex::new(State { waiting: VecDeque::new(), open: true }), wake: Condvar::new() });
        for mut connection in connections {
            let queue = Arc::clone(&queue);
            let run = move || {
                while let Some(work) = queue.take() {
                    work(&mut connection);
                }
            };
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(run)
                .map_err(|e| Error::Unavailable { doing: "starting a thread", why: e.to_string() })?;
        }
        Ok(Self(queue))
    }

    /// Hands `work` to the next free thread and waits. Work whose caller is gone before it began is skipped.
    async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Work = Box::new(move |connection| {
            if !answer.is_closed() {
                let _ = answer.send(work(connection).map_err(|e| broken(doing, &e)));
            }
        });
        self.0.state.lock().waiting.push_back(job);
        self.0.wake.notify_one();
        answered.await.unwrap_or_else(|_| Err(Error::Unavailable { doing, why: "the database thread stopped".into() }))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.0.state.lock().open = false;
        self.0.wake.notify_all();
    }
}

impl Queue {
    fn take(&self) -> Option<Work> {
        let mut state = self.state.lock();
        loop {
            if let Some(work) = state.waiting.pop_front() {
                return Some(work);
            }
            if !state.open {
                return None;
            }
            self.wake.wait(&mut state);
        }
    }
}
