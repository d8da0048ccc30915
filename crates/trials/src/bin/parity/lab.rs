//! The two hosts: a decky with the service, and a genuine server that is called and peopled the same.

use crate::script::Script;
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    net::{IpAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Where a server answers, and who may come in.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub ip: IpAddr,
    pub port: u16,
    pub host: String,
    pub fqdn: String,
    pub user: String,
    pub password: String,
    pub root_password: String,
}

impl Place {
    /// The words a probe may use in braces.
    pub(crate) fn words(&self) -> [(&'static str, String); 8] {
        [
            ("{user}", self.user.clone()),
            ("{password}", self.password.clone()),
            ("{root_password}", self.root_password.clone()),
            ("{host}", self.host.clone()),
            ("{fqdn}", self.fqdn.clone()),
            ("{domain}", self.fqdn.split_once('.').map_or_else(String::new, |(_, d)| d.to_owned())),
            ("{ip}", self.ip.to_string()),
            ("{port}", self.port.to_string()),
        ]
    }
}

/// Deckies for each service, of which the one with the genuine server's version is taken.
const CANDIDATES: u8 = 40;

/// A running product with a decky for each service.
pub(crate) struct Decoys {
    child: Child,
    home: tempfile::TempDir,
    ready: Value,
    doors: Vec<(String, u16)>,
}

impl Decoys {
    pub(crate) fn up(scripts: &[Script]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let mut config = String::from("[network]\ninterface = \"private\"\n");
        for script in scripts {
            let name = &script.service;
            let mut services = vec![format!("{name:?}")];
            services.extend(script.beside.iter().map(|s| format!("{s:?}")));
            let _ =
                write!(config, "[decky.parity-{name}]\namount = {CANDIDATES}\nservices = [{}]\ndistro = \"debian\"\n", services.join(", "));
            if let Some(archetype) = &script.archetype {
                let _ = writeln!(config, "archetype = {archetype:?}");
            }
            if !script.knobs.is_empty() {
                let _ = writeln!(config, "[decky.parity-{name}.{name}]");
                for (knob, value) in &script.knobs {
                    let _ = writeln!(config, "{knob} = {value:?}");
                }
            }
        }
        let config = config.replacen("interface = \"private\"\n", "", 1).replacen("[network]\n", "", 1);
        let file = home.path().join("fleet.toml");
        std::fs::write(&file, config).unwrap();
        let decnet = std::env::current_exe().unwrap().parent().unwrap().join("decnet");
        let mut child = Command::new(&decnet)
            .args(["up", "--no-lab", "--json", "--runtime", "native", "--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let deployed = Command::new(&decnet).arg("deploy").arg("--config").arg(&file).arg("--data-dir").arg(home.path()).output().unwrap();
        assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
        let ready = serde_json::from_slice(&std::fs::read(home.path().join("decnet-state.json")).unwrap()).unwrap();
        let doors = scripts.iter().map(|s| (s.service.clone(), s.port)).collect();
        Self { child, home, ready, doors }
    }

    /// The decky of this service whose product and version come nearest to what the genuine server is.
    pub(crate) fn of(&self, service: &str, genuine: &str) -> Place {
        let deckies = self.ready["deckies"].as_object().unwrap();
        let nearest = deckies.iter().filter(|(name, _)| name.starts_with(&format!("parity-{service}-"))).max_by_key(|(_, decky)| {
            let software = decky["persona"]["services"].as_array().into_iter().flatten().find(|s| s["name"] == service);
            let software = software.map_or(&Value::Null, |s| &s["software"]);
            let of = |key: &str| software[key].as_str().filter(|t| !t.is_empty());
            let product = of("product").is_some_and(|p| genuine.to_lowercase().contains(&p.to_lowercase()));
            let version = of("version").is_some_and(|v| genuine.contains(v));
            // Debian-2+deb12u10 of 1:9.2p1-2+deb12u10.
            let package = of("package").is_some_and(|p| genuine.ends_with(p.trim_start_matches(|c: char| !c.is_ascii_digit())));
            u8::from(product) * 4 + u8::from(version) * 2 + u8::from(package)
        });
        let persona = &nearest.unwrap_or_else(|| panic!("no decky for {service}")).1["persona"];
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let accounts = persona["accounts"].as_array().cloned().unwrap_or_default();
        let person = accounts.get(1).cloned().unwrap_or_default();
        let ip = text(&persona["ipv4"]).parse().unwrap_or_else(|e| panic!("{service}: {e}: {persona:#}"));
        let place = Place {
            ip,
            port: self.doors.iter().find(|(s, _)| s == service).unwrap().1,
            host: text(&persona["hostname"]),
            fqdn: format!("{}.{}", text(&persona["hostname"]), text(&persona["domain"])),
            user: text(&person["name"]),
            password: text(&person["password"]),
            root_password: text(&accounts[0]["password"]),
        };
        assert!(answers(&place, Duration::from_secs(30)), "the decoy does not answer: {place:?}");
        place
    }
}

impl Drop for Decoys {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = Command::new(std::env::current_exe().unwrap().parent().unwrap().join("decnet"))
            .args(["teardown", "--all", "--data-dir"])
            .arg(self.home.path())
            .output();
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A host of namespaces whose files are this machine's under an overlay, with one genuine server.
pub(crate) struct Genuine {
    child: Child,
    root: tempfile::TempDir,
    space: String,
    place: Place,
}

impl Genuine {
    pub(crate) fn start(script: &Path, like: &Place) -> Self {
        static COUNT: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let id = std::process::id();
        let space = format!("dg{id}-{number}");
        let (outer, inner) = (format!("dg{number}o{id}"), format!("dg{number}i{id}"));
        let subnet = format!("10.{}.{}", 200 + number, id % 250);
        run("ip", &["netns", "add", &space]);
        run("ip", &["link", "add", &outer, "type", "veth", "peer", "name", &inner, "netns", &space]);
        run("ip", &["addr", "add", &format!("{subnet}.1/24"), "dev", &outer]);
        run("ip", &["link", "set", &outer, "up"]);
        run("ip", &["-n", &space, "addr", "add", &format!("{subnet}.2/24"), "dev", &inner]);
        run("ip", &["-n", &space, "link", "set", &inner, "name", "eth0", "up"]);
        run("ip", &["-n", &space, "link", "set", "lo", "up"]);
        let root = tempfile::tempdir().unwrap();
        let place = Place { ip: format!("{subnet}.2").parse().unwrap(), ..like.clone() };
        std::fs::copy(script, root.path().join("serve")).unwrap_or_else(|e| panic!("{}: {e}", script.display()));
        let inside = r#"
            set -e
            cd "$ROOT"; mkdir -p t; mount -t tmpfs none "$ROOT/t"; mkdir -p t/u t/w t/m
            mount -t overlay overlay -o "lowerdir=/,upperdir=$ROOT/t/u,workdir=$ROOT/t/w" t/m
            mount -t proc proc t/m/proc; mount --rbind /dev t/m/dev; mount --rbind /sys t/m/sys
            mount -t tmpfs none t/m/run; mount -t tmpfs none t/m/tmp -o mode=1777
            hostname "$HOST"
            printf '127.0.0.1 localhost\n%s %s %s\n' "$IP" "$FQDN" "$HOST" > t/m/etc/hosts
            printf '%s\n' "$HOST" > t/m/etc/hostname
            printf '%s\n' "$FQDN" > t/m/etc/mailname
            printf 'hosts: files\npasswd: files\ngroup: files\nshadow: files\n' > t/m/etc/nsswitch.conf
            cp serve t/m/tmp/serve
            chroot t/m useradd -m -s /bin/bash "$USERNAME" 2>/dev/null || true
            printf '%s:%s\nroot:%s\n' "$USERNAME" "$PASSWORD" "$ROOT_PASSWORD" | chroot t/m chpasswd
            chroot t/m /bin/bash /tmp/serve &
            wait
        "#;
        let child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &space,
                "unshare",
                "--mount",
                "--uts",
                "--ipc",
                "--pid",
                "--fork",
                "--kill-child=KILL",
                "/bin/bash",
                "-c",
                inside,
            ])
            .env("ROOT", root.path())
            .env("HOST", &place.host)
            .env("FQDN", &place.fqdn)
            .env("IP", place.ip.to_string())
            .env("USERNAME", &place.user)
            .env("PASSWORD", &place.password)
            .env("ROOT_PASSWORD", &place.root_password)
            .env("LIKE_IP", like.ip.to_string())
            .env("LIKE_PORT", like.port.to_string())
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(root.path().join("log")).unwrap())
            .stderr(std::fs::File::create(root.path().join("errors")).unwrap())
            .spawn()
            .unwrap();
        let mut genuine = Self { child, root, space, place };
        let started = Instant::now();
        let mut up = false;
        while !up && started.elapsed() < Duration::from_secs(60) && genuine.child.try_wait().unwrap().is_none() {
            up = answers(&genuine.place, Duration::from_millis(200));
        }
        if !up {
            let said = std::fs::read_to_string(genuine.root.path().join("errors")).unwrap_or_default();
            panic!("{} does not answer on {}:{}: {said}", script.display(), genuine.place.ip, genuine.place.port);
        }
        genuine
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for Genuine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = Command::new("ip").args(["netns", "del", &self.space]).output();
    }
}

/// What the starting script says first, by its first line alone: product and version.
pub(crate) fn version(script: &Path) -> String {
    let text = std::fs::read_to_string(script).unwrap_or_else(|e| panic!("{}: {e}", script.display()));
    let output = Command::new("bash").args(["-c", text.lines().next().unwrap_or_default()]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn answers(place: &Place, patience: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < patience {
        if TcpStream::connect_timeout(&(place.ip, place.port).into(), Duration::from_millis(500)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}
