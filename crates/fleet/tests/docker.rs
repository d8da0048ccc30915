//! The docker runtime against a real engine of its own, started here and ended here. No image is pulled: there is no registry.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "trials")]

mod world;

use fleet::{Catalogue, DeckyState, DeployMode, Deployer, Edit, NoTable, Plan, RuntimeKind, Settings, Which};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{IpAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use world::{alone, build_decoy, settings, sh};

/// An engine with everything it has in one directory; ends with this value.
struct Engine {
    dir: PathBuf,
    child: Child,
}

impl Engine {
    fn start(dir: &Path) -> Option<Self> {
        if Command::new("dockerd").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: dockerd is not installed (Debian: docker.io)");
            return None;
        }
        let at = |name: &str| dir.join(name).display().to_string();
        let child = Command::new("dockerd")
            .args([
                "--data-root",
                &at("data"),
                "--exec-root",
                &at("exec"),
                "-H",
                &format!("unix://{}", at("docker.sock")),
                "-p",
                &at("pid"),
            ])
            .args(["--bridge=none", "--iptables=false", "--storage-driver=vfs"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let engine = Self { dir: dir.to_owned(), child };
        let begun = Instant::now();
        while !engine.try_docker("version") {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", std::fs::read_to_string(dir.join("log")).unwrap());
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(engine)
    }
    fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }
    fn try_docker(&self, command: &str) -> bool {
        Command::new("sh")
            .arg("-c")
            .arg(format!("docker -H unix://{} {command}", self.socket().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }
    fn docker(&self, command: &str) -> String {
        sh(&format!("docker -H unix://{} {command}", self.socket().display()))
    }
    fn end(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _asked = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ended = self.child.wait();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end();
    }
}

fn ping(ip: IpAddr) -> std::io::Result<u8> {
    let mut peer = TcpStream::connect_timeout(&(ip, 6379).into(), Duration::from_secs(3))?;
    peer.set_read_timeout(Some(Duration::from_secs(10)))?;
    peer.write_all(b"PING\r\n")?;
    let mut byte = [0];
    peer.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Asks from a thread of its own, so that the runtime goes on meanwhile.
async fn answers(ip: IpAddr) {
    let here = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
    let work = std::thread::spawn(move || {
        nix::sched::setns(here, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        ping(ip)
    });
    while !work.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(work.join().unwrap().unwrap(), b'+' | b'-'));
}

async fn until(deployer: &Deployer, what: &str, done: impl Fn(&[fleet::DeckyStatus]) -> bool) {
    let begun = Instant::now();
    loop {
        let status = deployer.status().await;
        if done(&status) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} never came to be: {status:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn containers_stand_and_answer_as_native_deckies_do() {
    build_decoy();
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        }
        let Some(mut engine) = Engine::start(dir.path()) else { return };
        let open = || {
            let settings = Settings { runtime: RuntimeKind::Docker, docker: dir.path().join("docker.sock"), ..settings(dir.path(), None) };
            Deployer::open(settings, Arc::new(NoTable)).unwrap()
        };
        let deployer = open();
        let plan = Plan::parse("[a]\nservices=redis,ssh\n[b]\nservices=redis\n", Path::new("t.ini"), Catalogue::live()).unwrap();
        let report = deployer.deploy(&plan, DeployMode::default()).await.unwrap();
        assert_eq!((report.added.len(), report.failed.as_slice()), (2, &[][..]), "{}", engine.docker("ps -a"));
        println!("2 deckies with 3 services: {report}");
        let status = deployer.status().await;
        assert!(status.iter().all(|s| s.state == DeckyState::Running), "{status:?}");
        for s in &status {
            answers(s.ips[0]).await;
            answers(s.ips[1]).await;
        }
        let seen = sh("ip neigh show");
        assert!(status.iter().all(|s| seen.contains(&s.mac)), "{seen}");
        // What holds the containers.
        let names = engine.docker("ps --format '{{.Names}}'");
        assert_eq!(names.lines().count(), 5, "{names}");
        for name in names.lines() {
            let is: serde_json::Value = serde_json::from_str(&engine.docker(&format!("inspect {name}"))).unwrap();
            let host = &is[0]["HostConfig"];
            assert_eq!(
                (host["ReadonlyRootfs"].as_bool(), host["CapDrop"][0].as_str(), host["SecurityOpt"][0].as_str()),
                (Some(true), Some("ALL"), Some("no-new-privileges"))
            );
            assert!(host["Memory"].as_u64().unwrap() > 0 && host["PidsLimit"].as_u64().unwrap() > 0 && host["Privileged"] == false);
            assert_ne!(is[0]["Config"]["User"], "");
            assert!(is[0]["Config"]["Labels"]["decnet.fleet"].is_string());
            let network = host["NetworkMode"].as_str().unwrap();
            assert!(network == "none" || network.starts_with("container:"), "{network}");
        }
        // Nothing can be spoken to from inside.
        let neighbour = status[1].ips[0].to_string();
        let out = deployer.exec("a", ["ping", "-c1", "-W1", &neighbour].map(str::to_owned).to_vec()).await.unwrap();
        assert_ne!(out.status, Some(0));
        // One service more, one less; the others are not touched.
        let before = engine.docker("ps --format '{{.Names}} {{.ID}}'");
        deployer.edit("b", &Edit::AddService { service: "ftp".into(), knobs: BTreeMap::new() }).await.unwrap();
        let after = engine.docker("ps --format '{{.Names}} {{.ID}}'");
        assert!(before.lines().all(|line| after.contains(line)) && after.lines().count() == 6, "{before}{after}");
        deployer.edit("b", &Edit::RemoveService { service: "ftp".into() }).await.unwrap();
        assert_eq!(engine.docker("ps -q").lines().count(), 5);
        // A service container dies: it is made again on the same sockets, and nobody was refused.
        let redis = names.lines().find(|n| n.ends_with("-redis")).unwrap();
        engine.docker(&format!("kill {redis}"));
        answers(status[0].ips[0]).await;
        answers(status[1].ips[0]).await;
        until(&deployer, "health", |all| all.iter().all(|s| s.state == DeckyState::Running)).await;
        // A base container goes: torn down, and mended.
        let base = names.lines().find(|n| !n.contains("-redis") && !n.contains("-ssh") && redis.starts_with(*n)).unwrap();
        engine.docker(&format!("rm -f {base}"));
        until(&deployer, "loss", |all| all.iter().any(|s| s.state == DeckyState::TornDown)).await;
        let done = deployer.reconcile(true).await.unwrap();
        assert_eq!((done.repaired.len(), done.unrepaired.as_slice()), (1, &[][..]), "{done:?}");
        answers(status[0].ips[0]).await;
        answers(status[1].ips[0]).await;
        // Without the engine nothing is known, so nothing is said; when it is back everything is made again.
        engine.end();
        assert!(deployer.status().await.iter().all(|s| s.state == DeckyState::Unknown));
        let _left = std::fs::remove_file(dir.path().join("pid"));
        let engine = Engine::start(dir.path()).unwrap();
        let done = deployer.reconcile(true).await.unwrap();
        assert_eq!(done.unrepaired, [], "{done:?}");
        until(&deployer, "health", |all| all.iter().all(|s| s.state == DeckyState::Running)).await;
        for s in deployer.status().await {
            answers(s.ips[0]).await;
        }
        // Gone without a trace.
        deployer.teardown(Which::All).await.unwrap();
        deployer.shutdown().await;
        assert_eq!(engine.docker("ps -aq"), "");
        assert!(!sh("ip -o link").contains("dn-"));
    });
}
