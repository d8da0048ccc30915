//! A private MariaDB server of the distribution, for trials and measurements.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

const PROGRAMS: [&str; 2] = ["/usr/sbin/mariadbd", "/usr/sbin/mysqld"];

/// A server with a data directory of its own that ends with this.
#[derive(Debug)]
pub struct Server {
    dir: tempfile::TempDir,
    child: Child,
    socket: PathBuf,
    databases: AtomicU32,
}

impl Server {
    /// Starts one. `None`: the package `mariadb-server` is not installed.
    pub fn start() -> Option<Self> {
        PROGRAMS.iter().map(Path::new).find(|p| p.is_file())?;
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let made = Command::new("mariadb-install-db")
            .args(user())
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let socket = dir.path().join("db.sock");
        let child = run(dir.path());
        let server = Self { dir, child, socket, databases: AtomicU32::new(0) };
        server.comes_up();
        Some(server)
    }

    /// Stops it as its init system would.
    pub fn stop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after [`Server::stop`].
    pub fn start_again(&mut self) {
        self.child = run(self.dir.path());
        self.comes_up();
    }

    fn comes_up(&self) {
        let started = Instant::now();
        while self.ask("SELECT 1").is_none() {
            assert!(started.elapsed() < Duration::from_secs(60), "mariadbd does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A new empty database.
    pub fn database(&self) -> store::Config {
        store::Config::MySql(self.database_url())
    }

    /// A new empty database, as a URL.
    pub fn database_url(&self) -> String {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::Relaxed));
        assert!(self.ask(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).is_some());
        format!("mysql://root@localhost/{name}?socket={}", self.socket.display())
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What a statement answers, columns apart by tabs; `None` if it fails.
    pub fn ask(&self, statement: &str) -> Option<String> {
        let out = Command::new("mariadb").args(["--no-defaults", "-uroot", "-NB", "-S"]).arg(&self.socket).args(["-e", statement]).output();
        out.ok().filter(|o| o.status.success()).map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
    }
}

/// Starts the program over the directory `dir`.
fn run(dir: &Path) -> Child {
    let program = PROGRAMS.iter().map(Path::new).find(|p| p.is_file()).expect("it was there before");
    Command::new(program)
        .arg("--no-defaults")
        .args(user())
        .args(["--skip-networking", "--innodb-flush-log-at-trx-commit=2", "--max-allowed-packet=64M"])
        .arg(format!("--datadir={}", dir.join("data").display()))
        .arg(format!("--socket={}", dir.join("db.sock").display()))
        .arg(format!("--pid-file={}", dir.join("pid").display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn user() -> &'static [&'static str] {
    if nix::unistd::geteuid().is_root() { &["--user=root"] } else { &[] }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
