//! What should exist, what the table says and what is there, brought apart in every way and together again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "trials")]

mod world;

use async_trait::async_trait;
use fleet::{DeckyState, DeployMode, Deployer, Edit, Face, FleetRow, FleetTable, MutateAsk, Strategy, Which, reconcile::Change};
use model::Micros;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io::Read,
    net::TcpStream,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};
use world::{Greeter, alone, catalogue, plan, settings, sh};

/// A table in memory that remembers what was told.
#[derive(Default)]
struct Rows {
    rows: Mutex<BTreeMap<(String, String), FleetRow>>,
    told: Mutex<Vec<String>>,
}

impl Rows {
    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock())
    }
    fn row(&self, name: &str) -> FleetRow {
        self.rows.lock()[&("local".to_owned(), name.to_owned())].clone()
    }
}

#[async_trait]
impl FleetTable for Rows {
    async fn rows(&self, host_uuid: &str) -> Result<Option<Vec<FleetRow>>, String> {
        Ok(Some(self.rows.lock().values().filter(|r| r.host_uuid == host_uuid).cloned().collect()))
    }
    async fn apply(&self, changes: &[Change]) -> Result<(), String> {
        let (mut rows, mut told) = (self.rows.lock(), self.told.lock());
        for change in changes {
            let key = |r: &FleetRow| (r.host_uuid.clone(), r.name.clone());
            match change {
                Change::Insert(r) => {
                    told.push(format!("+{} {}", r.name, r.state));
                    rows.insert(key(r), r.clone());
                }
                Change::State { row, previous_state } => {
                    told.push(format!("{} {previous_state}>{}", row.name, row.state));
                    rows.insert(key(row), row.clone());
                }
                Change::Refresh(r) => {
                    told.push(format!("~{}", r.name));
                    rows.insert(key(r), r.clone());
                }
                Change::Delete { host_uuid, name, previous_state } => {
                    told.push(format!("-{name} {previous_state}"));
                    rows.remove(&(host_uuid.clone(), name.clone()));
                }
            }
        }
        Ok(())
    }
    async fn seen(&self, _host_uuid: &str, _at: Micros) -> Result<(), String> {
        Ok(())
    }
}

fn open(dir: &Path, face: &Arc<Greeter>, rows: &Arc<Rows>, interface: Option<&str>) -> Deployer {
    let face: Arc<dyn Face> = Arc::clone(face) as Arc<dyn Face>;
    Deployer::assemble(settings(dir, interface), Arc::clone(rows) as Arc<dyn FleetTable>, catalogue(), Some(face)).unwrap()
}

fn link_of(dir: &Path, name: &str) -> String {
    let state: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("data/decnet-state.json")).unwrap()).unwrap();
    state["deckies"][name]["link"].as_str().unwrap().to_owned()
}

async fn answers(deployer: &Deployer, face: &Greeter) {
    for s in deployer.status().await {
        assert_eq!(s.state, DeckyState::Running, "{s:?}");
        let mut peer = TcpStream::connect((s.ips[0], s.services[0].ports[0])).unwrap();
        face.greet(&s.name, &s.services[0].name);
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("{} {}\n", s.name, s.services[0].name));
    }
}

const THREE: &str = "[a]\nservices=ssh,http\n[b]\narchetype=linux-server\nservices=ssh\n[c]\nservices=redis\n";

#[test]
fn everything_that_comes_apart_is_told_once_and_mended() {
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let (face, rows) = (Arc::new(Greeter::default()), Arc::new(Rows::default()));
        let foreign = FleetRow {
            host_uuid: "other".into(),
            name: "a".into(),
            services: vec![],
            decky_config: serde_json::Map::new(),
            decky_ip: None,
            state: "running".into(),
            last_error: None,
            last_seen: None,
            updated_at: Micros(1),
        };
        rows.rows.lock().insert(("other".into(), "a".into()), foreign.clone());
        let deployer = open(dir.path(), &face, &rows, None);
        deployer.deploy(&plan(THREE), DeployMode::default()).await.unwrap();
        assert_eq!(rows.told(), ["+a running", "+b running", "+c running"]);
        let first = deployer.status().await;
        // All is well: silence.
        let done = deployer.reconcile(false).await.unwrap();
        assert_eq!(
            (done.deckies, done.unchanged, done.running, done.inserted + done.deleted + done.changed + done.refreshed),
            (3, 3, 3, 0)
        );
        assert!(rows.told().is_empty());
        // The table forgets one, invents one and is wrong about one.
        rows.rows.lock().remove(&("local".into(), "a".into()));
        let invented = FleetRow { host_uuid: "local".into(), name: "z".into(), ..foreign.clone() };
        rows.rows.lock().insert(("local".into(), "z".into()), invented);
        rows.rows.lock().get_mut(&("local".to_owned(), "b".to_owned())).unwrap().state = "failed".into();
        let done = deployer.reconcile(false).await.unwrap();
        assert_eq!((done.inserted, done.deleted, done.changed, done.unchanged), (1, 1, 1, 1));
        assert_eq!(rows.told(), ["+a running", "b failed>running", "-z running"]);
        // A namespace goes, another's link goes, the third is unplugged.
        sh(&format!("ip netns del {}", link_of(dir.path(), "a")));
        sh(&format!("ip link del {}", link_of(dir.path(), "b")));
        sh(&format!("ip link set {} nomaster", link_of(dir.path(), "c")));
        let done = deployer.reconcile(false).await.unwrap();
        assert_eq!((done.changed, done.torn_down), (3, 3));
        assert_eq!(rows.told(), ["a running>torn_down", "b running>torn_down", "c running>torn_down"]);
        assert!(rows.row("a").last_error.unwrap().contains("is gone"));
        let done = deployer.reconcile(true).await.unwrap();
        assert_eq!((done.repaired.as_slice(), done.unrepaired.len()), (&["a", "b", "c"].map(String::from)[..], 0));
        assert_eq!(rows.told().len(), 3);
        answers(&deployer, &face).await;
        assert_eq!(deployer.status().await, first, "the same machines at the same addresses");
        // The whole bridge goes.
        let bridge = sh("ip -o link show type bridge").split(": ").nth(1).unwrap().to_owned();
        sh(&format!("ip link del {bridge}"));
        assert_eq!(deployer.reconcile(false).await.unwrap().torn_down, 3);
        assert_eq!(deployer.reconcile(true).await.unwrap().running, 3);
        answers(&deployer, &face).await;
        // What is ours and should not be there goes; what is not ours stays.
        let tag = bridge.trim_end_matches("br");
        sh(&format!(
            "ip netns add {tag}0000000 && ip link add {tag}1111111 type veth peer name xx && ip link add dn-zzzz0000000 type veth peer name yy"
        ));
        let mut removed = deployer.reconcile(true).await.unwrap().removed;
        removed.sort();
        assert_eq!(removed, [format!("stranded {tag}0000000"), format!("stranded {tag}1111111")]);
        assert!(sh("ip -o link").contains("dn-zzzz0000000"));
        assert_eq!(rows.rows.lock()[&("other".into(), "a".into())], foreign, "another host's row is nobody's business");
        deployer.teardown(Which::All).await.unwrap();
        assert!(rows.rows.lock().keys().all(|(host, _)| host == "other"));
        assert!(!sh("ip -o link").contains(tag));
    });
}

#[test]
fn an_interface_that_vanishes_and_an_address_that_was_taken_meanwhile() {
    alone(|| async {
        sh("ip link add lan type bridge && ip link set lan up");
        let lan = || {
            sh(
                "ip link add eth9 type veth peer name port9 && ip link set port9 master lan up && ip link set eth9 up && ip addr add 10.77.4.2/24 dev eth9",
            )
        };
        lan();
        let dir = tempfile::tempdir().unwrap();
        let (face, rows) = (Arc::new(Greeter::default()), Arc::new(Rows::default()));
        let deployer = open(dir.path(), &face, &rows, Some("eth9"));
        deployer
            .deploy(&plan("[a]\nip=10.77.4.40\nservices=ssh\n[b]\nip=10.77.4.41\nservices=http\n"), DeployMode::default())
            .await
            .unwrap();
        rows.told();
        sh("ip link del eth9");
        assert_eq!(deployer.reconcile(false).await.unwrap().torn_down, 2);
        assert_eq!(rows.told(), ["a running>torn_down", "b running>torn_down"]);
        assert!(deployer.reconcile(true).await.unwrap_err().to_string().contains("there is no interface eth9"));
        // It comes back, but somebody is now at one of the addresses.
        lan();
        sh("ip netns add guest9 && ip link add there netns guest9 type veth peer name port8 && ip link set port8 master lan up");
        sh("ip -n guest9 addr add 10.77.4.41/24 dev there && ip -n guest9 link set there up");
        sh(&format!("ip netns del {}", link_of(dir.path(), "b")));
        let done = deployer.reconcile(true).await.unwrap();
        assert_eq!(done.repaired, ["a"]);
        assert_eq!(done.unrepaired, [("b".to_owned(), "b: 10.77.4.41 is already the address of another host on the network".to_owned())]);
        assert_eq!(rows.told(), ["a torn_down>running", "b torn_down>failed"]);
        // He leaves, and the next pass makes it whole.
        sh("ip netns del guest9");
        sh("ip neigh flush all");
        // A namespace ends some time after it was deleted; until then its address is still taken.
        let patience = std::time::Instant::now();
        while deployer.reconcile(true).await.unwrap().running != 2 {
            assert!(patience.elapsed().as_secs() < 60, "he never left");
        }
        answers(&deployer, &face).await;
        deployer.teardown(Which::All).await.unwrap();
    });
}

#[test]
fn what_was_begun_by_a_process_that_was_killed_is_finished_by_the_next() {
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let (face, rows) = (Arc::new(Greeter::default()), Arc::new(Rows::default()));
        let path = dir.path().join("data/decnet-state.json");
        let deployer = open(dir.path(), &face, &rows, None);
        deployer.deploy(&plan(THREE), DeployMode::default()).await.unwrap();
        drop(deployer);
        face.forget_all();
        let edit = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            change(&mut state);
            std::fs::write(&path, serde_json::to_vec(&state).unwrap()).unwrap();
        };
        // Killed after the wish was noted and some of it was done.
        let wish = plan("[b]\narchetype=linux-server\nservices=ssh\n[d]\nservices=http\n[e]\nservices=ftp\n");
        edit(&|s| s["asked"] = serde_json::json!({"do": "deploy", "plan": wish, "mode": {"replace": true}}));
        sh(&format!("ip netns del {}", link_of(dir.path(), "a")));
        let deployer = open(dir.path(), &face, &rows, None);
        deployer.restore().await.unwrap();
        let tag = link_of(dir.path(), "b").get(..7).unwrap().to_owned();
        let names: Vec<String> = deployer.status().await.into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["b", "d", "e"]);
        answers(&deployer, &face).await;
        assert_eq!(sh("ip netns").lines().filter(|l| l.starts_with(&tag)).count(), 3);
        drop(deployer);
        face.forget_all();
        // Killed in the middle of a teardown: some namespaces are gone, the record still has all.
        edit(&|s| s["asked"] = serde_json::json!({"do": "teardown", "names": ["b", "d", "e"]}));
        sh(&format!("ip netns del {}", link_of(dir.path(), "d")));
        let deployer = open(dir.path(), &face, &rows, None);
        deployer.restore().await.unwrap();
        assert!(deployer.status().await.is_empty() && rows.rows.lock().is_empty());
        assert!(!sh("ip -o link; ip netns").contains(&tag));
        // The record is damaged: its copy is as good.
        deployer.deploy(&plan(THREE), DeployMode::default()).await.unwrap();
        let before = deployer.status().await;
        drop(deployer);
        face.forget_all();
        std::fs::write(&path, b"{\"schema\":2,\"host_uu").unwrap();
        let deployer = open(dir.path(), &face, &rows, None);
        deployer.restore().await.unwrap();
        assert_eq!(deployer.status().await, before);
        deployer.teardown(Which::All).await.unwrap();
    });
}

#[test]
fn one_decky_is_changed_and_its_visitors_notice_nothing() {
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let (face, rows) = (Arc::new(Greeter::default()), Arc::new(Rows::default()));
        let deployer = open(dir.path(), &face, &rows, None);
        deployer.deploy(&plan(THREE), DeployMode::default()).await.unwrap();
        rows.told();
        let ip = deployer.status().await[0].ips[0];
        let mut visitor = TcpStream::connect((ip, 22)).unwrap();
        let plays = face.plays.load(Ordering::Relaxed);
        let add = Edit::AddService { service: "redis".into(), knobs: BTreeMap::new() };
        assert_eq!(deployer.edit("a", &add).await.unwrap().changed, ["a"]);
        deployer.edit("a", &Edit::RemoveService { service: "http".into() }).await.unwrap();
        assert_eq!(face.plays.load(Ordering::Relaxed), plays + 2, "only this decky is played anew");
        assert_eq!(rows.told(), ["~a", "~a"]);
        assert_eq!(rows.row("a").services, ["ssh", "redis"]);
        assert!(TcpStream::connect((ip, 80)).is_err() && TcpStream::connect((ip, 6379)).is_ok());
        assert!(matches!(deployer.edit("nobody", &add).await, Err(fleet::Error::NoSuchDecky(_))));
        // While he is there it does not change; the wish is kept, also over a new start.
        let now = Micros::of(std::time::SystemTime::now());
        let ask = MutateAsk { names: vec!["a".into()], strategy: Some(Strategy::Drift) };
        let report = deployer.mutate(&ask, now).await.unwrap();
        assert_eq!((report.mutated.len(), report.postponed.as_slice()), (0, &[("a".to_owned(), 1)][..]), "{report:?}");
        face.greet("a", "ssh");
        let mut text = String::new();
        visitor.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a ssh\n");
        drop(visitor);
        face.forget_all();
        drop(deployer);
        let deployer = open(dir.path(), &face, &rows, None);
        deployer.restore().await.unwrap();
        let report = deployer.mutate(&MutateAsk::default(), now).await.unwrap();
        assert_eq!(
            report.mutated.iter().map(|m| (m.name.as_str(), m.strategy, m.trigger.as_str())).collect::<Vec<_>>(),
            [("a", Strategy::Drift, "operator")]
        );
        let booted = rows.row("a").decky_config["booted"].clone();
        assert!(now.0 - booted.as_i64().unwrap() < 700_000_000, "{booted}");
        // By the clock: only those with an interval whose time has come, one service more or less.
        deployer.edit("b", &Edit::MutateEvery { minutes: Some(30) }).await.unwrap();
        assert!(deployer.mutate(&MutateAsk::default(), now).await.unwrap().mutated.is_empty());
        let later = Micros(now.0 + 31 * 60_000_000);
        let report = deployer.mutate(&MutateAsk { strategy: Some(Strategy::Services), ..MutateAsk::default() }, later).await.unwrap();
        let one = &report.mutated[0];
        assert_eq!(
            (report.mutated.len(), one.name.as_str(), one.old_services.as_slice(), one.new_services.len()),
            (1, "b", &["ssh".to_owned()][..], 2)
        );
        assert!(deployer.mutate(&MutateAsk::default(), later).await.unwrap().mutated.is_empty());
        answers(&deployer, &face).await;
        deployer.teardown(Which::All).await.unwrap();
    });
}

#[test]
fn a_thousand_deckies_are_looked_at_quickly() {
    alone(|| async {
        let dir = tempfile::tempdir().unwrap();
        let (face, rows) = (Arc::new(Greeter::default()), Arc::new(Rows::default()));
        let deployer = open(dir.path(), &face, &rows, None);
        let text = (0..10).map(|n| format!("[g{n}]\nservices=ssh\namount=100\n")).collect::<String>();
        let report = deployer.deploy(&plan(&format!("[general]\nnet=10.96.0.0/20\n{text}")), DeployMode::default()).await.unwrap();
        assert_eq!((report.added.len(), report.failed.len()), (1000, 0), "{:?}", report.failed.first());
        let begun = Instant::now();
        let done = deployer.reconcile(false).await.unwrap();
        println!("1,000 deckies placed in {:?}; reconciled in {:?}", report.took, begun.elapsed());
        assert_eq!((done.running, done.unchanged), (1000, 1000));
        deployer.teardown(Which::All).await.unwrap();
    });
}
