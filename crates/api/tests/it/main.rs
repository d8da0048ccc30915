//! The API from outside: real HTTP on a port of its own, a real database, a bus, and a clock the tests turn.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests")]

mod auth;
mod document;
mod export;
mod front;
mod rbac;
mod reads;
mod stream;
mod world;

mod database {
    //! A file for each test.
    pub(crate) async fn fresh(dir: &std::path::Path) -> store::Config {
        store::Config::Sqlite(dir.join("decnet.db"))
    }
}
