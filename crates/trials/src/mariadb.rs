//! A private MariaDB server of the distribution, for trials and measurements.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// A server with a data directory of its own that ends with this.
#[derive(Debug)]
pub struct Server {
    _dir: tempfile::TempDir,
    child: Child,
    socket: PathBuf,
    databases: AtomicU32,
}

impl Server {
    /// Starts one. `None`: the package `mariadb-server` is not installed.
    pub fn start() -> Option<Self> {
        let program = ["/usr/sbin/mariadbd", "/usr/sbin/mysqld"].iter().map(Path::new).find(|p| p.is_file())?;
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let user: &[&str] = if nix::unistd::geteuid().is_root() { &["--user=root"] } else { &[] };
        let made = Command::new("mariadb-install-db")
            .args(user)
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let socket = dir.path().join("db.sock");
        let child = Command::new(program)
            .arg("--no-defaults")
            .args(user)
            .args(["--skip-networking", "--innodb-flush-log-at-trx-commit=2", "--max-allowed-packet=64M"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--pid-file={}", dir.path().join("pid").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { _dir: dir, child, socket, databases: AtomicU32::new(0) };
        let started = Instant::now();
        while !server.sql("SELECT 1") {
            assert!(started.elapsed() < Duration::from_secs(60), "mariadbd does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    /// A new empty database.
    pub fn database(&self) -> store::Config {
        store::Config::MySql(self.database_url())
    }

    /// A new empty database, as a URL.
    pub fn database_url(&self) -> String {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        assert!(self.sql(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")));
        format!("mysql://root@localhost/{name}?socket={}", self.socket.display())
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn sql(&self, statement: &str) -> bool {
        let out = Command::new("mariadb").args(["--no-defaults", "-uroot", "-S"]).arg(&self.socket).args(["-e", statement]).output();
        out.is_ok_and(|o| o.status.success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
