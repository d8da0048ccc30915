//! A MariaDB server for the tests of one program. Stands by itself: other rooms' tests include this file.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

/// A MariaDB server with a directory of its own. A shell holds it: when the pipe to that shell closes, because this
/// program ended in whatever way, it ends the server it started and removes the directory.
pub(crate) struct Server {
    pub(crate) socket: PathBuf,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _shell: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        let daemon = program(&["mariadbd", "mysqld"]);
        let install = program(&["mariadb-install-db", "mysql_install_db"]);
        let client = program(&["mariadb", "mysql"]);
        let dir = TempDir::new().unwrap().keep();
        let script = r#"
            dir=$1; daemon=$2; install=$3; client=$4; pid=
            mine=; [ "$(id -u)" = 0 ] && mine=--user=root
            start() {
                "$daemon" --no-defaults $mine --datadir="$dir/data" --socket="$dir/s" --pid-file="$dir/pid" --skip-networking \
                    --innodb-flush-log-at-trx-commit=2 --innodb-buffer-pool-size=128M --max-connections=500 >>"$dir/log" 2>&1 </dev/null &
                pid=$!
                for i in $(seq 600); do [ -S "$dir/s" ] && return; kill -0 $pid || break; sleep 0.1; done
                cat "$dir/log" >&2; exit 1
            }
            stop() { [ -n "$pid" ] && kill $pid && wait $pid; pid=; }
            "$install" --no-defaults $mine --datadir="$dir/data" --auth-root-authentication-method=normal --skip-test-db >"$dir/log" 2>&1 \
                || { cat "$dir/log" >&2; exit 1; }
            create() { "$client" --no-defaults --user=root --socket="$dir/s" -e "CREATE DATABASE $1 CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"; }
            start; echo ready
            while read -r order name; do "$order" $name; echo ready; done
            stop; rm -rf "$dir"
        "#;
        let mut shell = Command::new("/bin/sh")
            .args(["-c", script, "server"])
            .args([dir.as_os_str(), daemon.as_os_str(), install.as_os_str(), client.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, answers) = (shell.stdin.take().unwrap(), BufReader::new(shell.stdout.take().unwrap()));
        let mut server = Self { socket: dir.join("s"), orders, answers, _shell: shell };
        server.await_ready();
        server
    }

    /// Makes an empty database; the socket to reach it by.
    #[allow(dead_code, reason = "not every program that includes this file needs it")]
    pub(crate) fn create(&mut self, name: &str) -> PathBuf {
        self.order(&format!("create {name}"));
        self.socket.clone()
    }

    /// `stop` or `start`.
    #[allow(dead_code, reason = "as above")]
    pub(crate) fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
        self.await_ready();
    }

    fn await_ready(&mut self) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "the MariaDB server did not start");
    }
}

fn program(names: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    dirs.flat_map(|dir| names.iter().map(move |name| dir.join(name)))
        .find(|file| Path::is_file(file))
        .unwrap_or_else(|| panic!("{} not found: install a server first (Debian: apt-get install mariadb-server)", names[0]))
}
