//! The tests of `../it` once more, on MariaDB: one server for the whole program, a database for each test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests")]

#[path = "../it/auth.rs"]
mod auth;
#[path = "../it/export.rs"]
mod export;
#[path = "../it/rbac.rs"]
mod rbac;
#[path = "../it/reads.rs"]
mod reads;
#[path = "../../../store/tests/store/server.rs"]
mod server;
#[path = "../it/stream.rs"]
mod stream;
#[path = "../it/world.rs"]
mod world;

mod database {
    use crate::server::Server;
    use std::{
        path::Path,
        sync::{
            Mutex, OnceLock,
            atomic::{AtomicU32, Ordering},
        },
    };

    /// A new database.
    pub(crate) async fn fresh(_: &Path) -> store::Config {
        static SERVER: OnceLock<Mutex<Server>> = OnceLock::new();
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("api_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let socket = SERVER.get_or_init(|| Mutex::new(Server::start())).lock().unwrap().create(&name);
        store::Config::MySql(format!("mysql://root@localhost/{name}?socket={}", socket.display()))
    }
}
