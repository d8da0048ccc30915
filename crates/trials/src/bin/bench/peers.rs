//! The genuine servers of the distribution, measured beside the decoys: in the same network namespace, with the same
//! client, every process they start counted.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A genuine server that runs until this is dropped.
pub(crate) struct Peer {
    /// Product and version.
    pub(crate) name: String,
    pub(crate) at: SocketAddr,
    /// What it needs, and for ssh the visitor's key.
    pub(crate) dir: tempfile::TempDir,
    child: Child,
    group: Group,
}

/// Ports of no service of a decky.
const FIRST_PORT: u16 = 26_300;

impl Peer {
    /// The genuine server for `service` beside the decky at `beside`. `None`: it is not installed, there is none here,
    /// or its processor time cannot be told.
    pub(crate) fn of(service: &str, beside: SocketAddr) -> Option<Self> {
        let dir = tempfile::tempdir().ok()?;
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let user = fs::metadata(dir.path()).ok().map(|m| std::os::unix::fs::MetadataExt::uid(&m));
        let (port, package, args): (u16, &str, Vec<String>) = match service {
            "redis" => {
                let port = FIRST_PORT;
                let args = format!(
                    "redis-server --port {port} --bind {} --protected-mode no --daemonize no --logfile {}",
                    beside.ip(),
                    path("log")
                );
                (port, "redis-server", [words(&args), vec!["--save".into(), String::new(), "--dir".into(), path("")]].concat())
            }
            "http" => {
                let port = FIRST_PORT + 1;
                open(dir.path());
                fs::create_dir(path("www")).ok()?;
                open(Path::new(&path("www")));
                fs::write(path("www/index.html"), "<!DOCTYPE html>\n".repeat(100)).ok()?;
                fs::write(path("conf"), apache(&path(""), beside, port)).ok()?;
                (port, "apache2", words(&format!("apache2 -D FOREGROUND -f {}", path("conf"))))
            }
            // A command of the server itself: what the shell of whoever measures reads at its start is not part of it.
            "ssh" => {
                let port = FIRST_PORT + 2;
                for key in ["host", "visitor"] {
                    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path(key)]).status().ok()?;
                    made.success().then_some(())?;
                }
                if user == Some(0) {
                    fs::create_dir_all("/run/sshd").ok()?;
                }
                let config = format!(
                    "Port {port}\nListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nStrictModes no\nPermitRootLogin yes\nUsePAM no\nSubsystem sftp internal-sftp\n",
                    beside.ip(),
                    path("host"),
                    path("visitor.pub"),
                    path("pid")
                );
                fs::write(path("conf"), config).ok()?;
                (port, "openssh-server", words(&format!("/usr/sbin/sshd -D -e -f {}", path("conf"))))
            }
            _ => return None,
        };
        let version =
            Command::new("dpkg-query").args(["-W", "-f", "${Package} ${Version}", package]).output().ok().filter(|o| o.status.success())?;
        let group = Group::new(service)?;
        // A shell that puts itself into the group and becomes the server, so that nothing it starts is missed.
        let mut command = match namespace(beside) {
            Some(namespace) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net={}", namespace.display())).args(["--", "sh"]);
                command
            }
            None => Command::new("sh"),
        };
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(group.0.join("cgroup.procs")).args(&args);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let peer =
            Self { name: String::from_utf8_lossy(&version.stdout).into_owned(), at: SocketAddr::new(beside.ip(), port), dir, child, group };
        let started = Instant::now();
        while std::net::TcpStream::connect_timeout(&peer.at, Duration::from_secs(1)).is_err() {
            if started.elapsed() > Duration::from_secs(10) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(peer)
    }

    /// Time on a CPU so far in milliseconds, of all its processes.
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.group.cpu_ms().unwrap_or(f64::NAN)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        _ = self.child.wait();
        self.group.end();
    }
}

/// A control group of one's own, version 1 or 2.
struct Group(PathBuf);

impl Group {
    fn new(name: &str) -> Option<Self> {
        let group = ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup"].into_iter().find_map(|root| {
            let path = Path::new(root).join(format!("bench-{name}-{}", std::process::id()));
            fs::create_dir(&path).ok().map(|()| Self(path))
        })?;
        if group.cpu_ms().is_none() {
            group.end();
            return None;
        }
        Some(group)
    }

    fn cpu_ms(&self) -> Option<f64> {
        if let Ok(text) = fs::read_to_string(self.0.join("cpuacct.usage")) {
            return text.trim().parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e6);
        }
        let text = fs::read_to_string(self.0.join("cpu.stat")).ok()?;
        let line = text.lines().find_map(|l| l.strip_prefix("usage_usec "))?;
        line.parse::<f64>().ok().map(|microseconds| microseconds / 1e3)
    }

    /// Its processes have gone or are going.
    fn end(&self) {
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The named network namespace in which `at` is.
fn namespace(at: SocketAddr) -> Option<PathBuf> {
    fs::read_dir("/run/netns").ok()?.flatten().map(|e| e.path()).find(|path| {
        let shown = Command::new("ip").arg("-n").arg(path.file_name().unwrap_or_default()).args(["-o", "addr"]).output();
        shown.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains(&format!(" {}/", at.ip())))
    })
}

/// What the distribution's package sets, as far as it matters for one static page.
fn apache(dir: &str, at: SocketAddr, port: u16) -> String {
    let modules =
        ["mpm_event", "authz_core", "mime", "dir"].map(|m| format!("LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n")).concat();
    format!(
        "{modules}ServerName localhost\nServerRoot {dir}\nPidFile {dir}/pid\nErrorLog {dir}/error.log\nListen {}:{port}\nUser nobody\nGroup nogroup\n\
         LogFormat \"%h %l %u %t \\\"%r\\\" %>s %O \\\"%{{Referer}}i\\\" \\\"%{{User-Agent}}i\\\"\" combined\nCustomLog {dir}/access.log combined\n\
         TypesConfig /etc/mime.types\nDocumentRoot {dir}/www\nDirectoryIndex index.html\n<Directory {dir}/www>\nRequire all granted\n</Directory>\n",
        at.ip()
    )
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Others may walk through it.
fn open(path: &Path) {
    _ = fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755));
}
