//! A world of one's own: a network namespace that nothing else is in, and a face that answers in the test.
#![allow(dead_code, reason = "each trial uses a part of it")]

use async_trait::async_trait;
use decoys::{Decoy, Door as Wanted, Speaks};
use fleet::{Catalogue, Deployer, Error, Face, Health, NoTable, Plan, RuntimeKind, Settings, runtime::Door};
use model::{DeckyId, Persona};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    io::Write,
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

fn never(_: &decoys::Visit) -> Box<dyn decoys::Dialogue> {
    unreachable!("the trial answers itself")
}

macro_rules! decoy {
    ($id:ident, $name:literal, $port:literal) => {
        static $id: Decoy = Decoy { name: $name, title: "", knobs: &[], speaks: &[Speaks::Stream(&[Wanted::Plain($port)], never)] };
    };
}
decoy!(FTP, "ftp", 21);
decoy!(HTTP, "http", 80);
decoy!(HTTPS, "https", 443);
decoy!(MYSQL, "mysql", 3306);
decoy!(REDIS, "redis", 6379);
decoy!(SMTP, "smtp", 25);
decoy!(SSH, "ssh", 22);
decoy!(TELNET, "telnet", 23);
pub(crate) static DECOYS: &[&Decoy] = &[&FTP, &HTTP, &HTTPS, &MYSQL, &REDIS, &SMTP, &SSH, &TELNET];

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::of(DECOYS)
}

/// Runs `trial` in a fresh network namespace with its loopback up; says why if it cannot.
pub(crate) fn alone<F: Future<Output = ()>>(trial: impl FnOnce() -> F + Send + 'static) {
    let run = std::thread::spawn(move || {
        if let Err(e) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
            eprintln!("skipped: network namespaces need root ({e})");
            return;
        }
        sh("ip link set lo up");
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(trial());
    });
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs a command in the world and gives what it printed.
#[track_caller]
pub(crate) fn sh(command: &str) -> String {
    let out = std::process::Command::new("sh").arg("-c").arg(command).output().unwrap();
    assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

pub(crate) fn settings(dir: &Path, interface: Option<&str>) -> Settings {
    Settings {
        data_dir: dir.join("data"),
        run_dir: dir.join("run"),
        decoy_binary: decoy(),
        runtime: RuntimeKind::Native,
        interface: interface.map(str::to_owned),
        host_uuid: "local".into(),
        secret: [42; 32],
        docker: "/var/run/docker.sock".into(),
    }
}

/// The `decoy` program of this build, beside the trials.
pub(crate) fn decoy() -> std::path::PathBuf {
    let here = std::env::current_exe().unwrap();
    here.parent().unwrap().parent().unwrap().join("decoy")
}

/// Builds the program if it is not there: a trial of this crate alone does not.
pub(crate) fn build_decoy() {
    if !decoy().is_file() {
        let built = std::process::Command::new(env!("CARGO")).args(["build", "-q", "-p", "decoys", "--bin", "decoy"]).status().unwrap();
        assert!(built.success());
    }
}

pub(crate) fn deployer(settings: Settings, face: &Arc<Greeter>) -> Deployer {
    let face: Arc<dyn Face> = Arc::clone(face) as Arc<dyn Face>;
    Deployer::assemble(settings, Arc::new(NoTable), catalogue(), Some(face)).unwrap()
}

pub(crate) fn plan(text: &str) -> Plan {
    Plan::parse(text, Path::new("trial.ini"), catalogue()).unwrap()
}

/// Answers every connection with `<decky> <service>\n` and closes.
#[derive(Default)]
pub(crate) struct Greeter {
    pub(crate) plays: AtomicUsize,
    doors: Mutex<HashMap<DeckyId, Vec<Arc<Door>>>>,
}

#[async_trait]
impl Face for Greeter {
    async fn play(&self, persona: Arc<Persona>, doors: Vec<Arc<Door>>) -> Result<(), Error> {
        self.plays.fetch_add(1, Ordering::Relaxed);
        self.doors.lock().insert(persona.decky.clone(), doors);
        Ok(())
    }
    async fn forget(&self, decky: &DeckyId) -> Result<(), Error> {
        self.doors.lock().remove(decky);
        Ok(())
    }
    async fn health(&self) -> Health {
        Health { alive: true, ..Health::default() }
    }
    async fn stop(&self) {
        self.doors.lock().clear();
    }
}

impl Greeter {
    /// Lets go of all sockets, as a killed process would.
    pub(crate) fn forget_all(&self) {
        self.doors.lock().clear();
    }

    /// Accepts one connection at the door and greets.
    pub(crate) fn greet(&self, decky: &str, service: &str) {
        let doors = self.doors.lock();
        let door = doors[&DeckyId::local(decky)].iter().find(|d| d.handed.service == service).unwrap();
        let listener = TcpListener::from(door.fd().try_clone_to_owned().unwrap());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        let mut peer = loop {
            match listener.accept() {
                Ok((peer, _)) => break peer,
                Err(e) => assert!(std::time::Instant::now() < deadline, "nobody came to {decky} {service}: {e}"),
            }
            std::thread::yield_now();
        };
        peer.set_nonblocking(false).unwrap();
        writeln!(peer, "{decky} {service}").unwrap();
    }
}
