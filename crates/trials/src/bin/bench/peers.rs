//! The genuine servers of the distribution, where they are installed: what the same visit costs them, in the same run.

use crate::process;
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use trials::world::family;

/// A server on loopback that ends with this.
pub(crate) struct Peer {
    child: Child,
    pub(crate) at: SocketAddr,
    pub(crate) dir: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Peer {
    /// `redis-server` without persistence.
    pub(crate) fn redis() -> Option<Self> {
        let program = program("redis-server")?;
        Self::start(|port, _| {
            let mut command = Command::new(&program);
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning"]);
            command
        })
    }

    /// `nginx`, one process, a page of its own, no access log.
    pub(crate) fn nginx() -> Option<Self> {
        let program = program("nginx")?;
        Self::start(|port, dir| {
            fs::write(dir.join("index.html"), "<html><body>It works!</body></html>\n").unwrap();
            let here = dir.display();
            let text = format!(
                "daemon off; master_process off; pid {here}/pid; error_log {here}/error.log;\nevents {{ worker_connections 1024; }}\n\
                 http {{ access_log off; client_body_temp_path {here}; proxy_temp_path {here}; fastcgi_temp_path {here}; uwsgi_temp_path {here}; \
                 scgi_temp_path {here}; server {{ listen 127.0.0.1:{port}; root {here}; }} }}\n"
            );
            fs::write(dir.join("nginx.conf"), text).unwrap();
            let mut command = Command::new(&program);
            command.arg("-c").arg(dir.join("nginx.conf")).arg("-p").arg(dir).arg("-e").arg(dir.join("error.log"));
            command
        })
    }

    /// `sshd` that lets root in with the key `dir/key`; only root can run it.
    pub(crate) fn sshd() -> Option<Self> {
        let program = program("sshd").filter(|_| nix::unistd::geteuid().is_root())?;
        fs::create_dir_all("/run/sshd").ok()?;
        Self::start(|port, dir| {
            for name in ["host", "key"] {
                let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join(name)).status();
                assert!(made.is_ok_and(|status| status.success()), "ssh-keygen failed");
            }
            fs::copy(dir.join("key.pub"), dir.join("authorized")).unwrap();
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
            let here = dir.display();
            let mut command = Command::new(&program);
            command.args(["-D", "-e", "-f", "/dev/null", "-p", &port.to_string(), "-h"]).arg(dir.join("host"));
            for option in [
                "ListenAddress=127.0.0.1",
                "UsePAM=no",
                "StrictModes=no",
                "PermitRootLogin=prohibit-password",
                "MaxStartups=100",
                "LogLevel=ERROR",
            ] {
                command.args(["-o", option]);
            }
            command.args(["-o", &format!("PidFile={here}/pid"), "-o", &format!("AuthorizedKeysFile={here}/authorized")]);
            command
        })
    }

    fn start(command: impl FnOnce(u16, &Path) -> Command) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = command(at.port(), dir.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let peer = Self { child, at, dir };
        let started = Instant::now();
        while std::net::TcpStream::connect(at).is_err() {
            if started.elapsed() > Duration::from_secs(10) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(peer)
    }

    /// Time on a CPU so far in milliseconds: of its processes, and of those that ended (to the kernel's tick of 10 ms).
    pub(crate) fn cpu_ms(&self) -> f64 {
        let pid = i32::try_from(self.child.id()).unwrap();
        let living: f64 = family(pid).into_iter().map(process::cpu_exact_ms).sum();
        living + process::cpu_of_ended_ms(pid)
    }
}

fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin"].iter().map(|dir| Path::new(dir).join(name)).find(|path| path.is_file())
}
