#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::runner::Worker;
use model::Micros;
use parking_lot::Mutex;
use serde_json::Value;
use std::{collections::HashMap, net::SocketAddr};
use store::{AttackerRow, Store};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// What a server answers by path, and what it was sent.
#[derive(Default)]
struct Scene {
    answers: Mutex<HashMap<&'static str, Vec<u8>>>,
    heard: Mutex<Vec<String>>,
}

fn ok(body: &str) -> Vec<u8> {
    status("200 OK", body)
}

fn status(line: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

/// A server that answers by the first path that fits.
async fn server(scene: Arc<Scene>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move {
                let mut asked = Vec::new();
                let mut piece = [0; 4_096];
                while !asked.windows(4).any(|w| w == b"\r\n\r\n") {
                    match stream.read(&mut piece).await {
                        Ok(0) | Err(_) => return,
                        Ok(n) => asked.extend_from_slice(&piece[..n]),
                    }
                }
                let text = String::from_utf8_lossy(&asked).into_owned();
                let answer = {
                    let answers = scene.answers.lock();
                    answers.iter().find(|(path, _)| text.lines().next().is_some_and(|line| line.contains(*path))).map(|(_, a)| a.clone())
                };
                scene.heard.lock().push(text);
                let _gone = stream.write_all(&answer.unwrap_or_else(|| status("404 Not Found", "{}"))).await;
                let _gone = stream.shutdown().await;
            });
        }
    });
    address
}

struct World {
    cx: Cx,
    scene: Arc<Scene>,
    enricher: Enricher,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(keys: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&store::Config::Sqlite(dir.path().join("decnet.db"))).await.unwrap();
        let scene = Arc::new(Scene::default());
        let address = server(Arc::clone(&scene)).await;
        let key = keys.then(|| "s3cret-key".to_owned());
        let config = Config { url: Some(format!("http://{address}")), abuseipdb_key: key.clone(), threatfox_key: key, ..Config::default() };
        Self {
            cx: Cx { store, bus: bus::Bus::memory(), spools: dir.path().join("spool") },
            scene,
            enricher: Enricher::new(&config),
            _dir: dir,
        }
    }

    fn answer(&self, path: &'static str, answer: Vec<u8>) {
        self.scene.answers.lock().insert(path, answer);
    }

    async fn attacker(&self, uuid: &str, ip: &str) {
        let row = AttackerRow {
            uuid: uuid.into(),
            ip: ip.into(),
            last_seen: At(self.cx.now().plus(Duration::from_secs(9))),
            ..AttackerRow::default()
        };
        self.cx.store.save_attackers(&[row], ("profile_cursor", 1)).await.unwrap();
    }

    async fn pass(&mut self) -> IntelRow {
        // A new worker has no trouble to rest from.
        self.enricher.pass(&self.cx).await.unwrap();
        self.cx.store.intel("u1").await.unwrap().unwrap()
    }
}

const ABUSE: &str = r#"{"data":{"abuseConfidenceScore":SCORE,"totalReports":7,"countryCode":"NL"}}"#;

#[tokio::test]
async fn everybody_is_asked_and_the_strongest_word_wins() {
    let mut world = World::new(true).await;
    world.answer("/v3/community/", ok(r#"{"classification":"benign","name":"Scanner","noise":true}"#));
    world.answer("/api/v2/check", ok(&ABUSE.replace("SCORE", "74")));
    world.answer("/downloads/", ok(r#"[{"ip_address":"8.8.4.4","malware":"QakBot"},{"ip_address":"broken"}]"#));
    world.answer("/api/v1/", ok(r#"{"query_status":"no_result","data":"none"}"#));
    world.attacker("u1", "8.8.8.8").await;
    let mut said = world.cx.bus.subscribe(bus::topics::ATTACKER_INTEL_ENRICHED).await.unwrap();
    let row = world.pass().await;
    assert_eq!(row.aggregate_verdict.as_deref(), Some("suspicious"));
    let by = |name: &str| row.providers.iter().find(|p| p.provider == name).unwrap();
    assert_eq!((by("feodo").verdict.as_deref(), &by("feodo").fields["listed"]), (None, &Value::Bool(false)));
    assert_eq!((by("threatfox").verdict.as_deref(), by("threatfox").error.as_deref()), (None, None));
    assert_eq!(by("abuseipdb").fields["reports"], 7);
    assert_eq!(said.next().await.unwrap().payload["providers"].as_array().unwrap().len(), 4);
    for heard in world.scene.heard.lock().iter() {
        assert!(heard.contains("user-agent: curl/") && !heard.to_lowercase().contains("decnet"), "{heard}");
    }
    assert!(world.cx.store.unasked(world.cx.now(), 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn boundaries_of_the_score() {
    for (score, verdict) in [(0, "benign"), (24, "benign"), (25, "suspicious"), (74, "suspicious"), (75, "malicious"), (100, "malicious")] {
        let mut world = World::new(true).await;
        world.answer("/api/v2/check", ok(&ABUSE.replace("SCORE", &score.to_string())));
        world.attacker("u1", "8.8.8.8").await;
        let row = world.pass().await;
        assert_eq!(row.providers.iter().find(|p| p.provider == "abuseipdb").unwrap().verdict.as_deref(), Some(verdict), "{score}");
    }
}

#[tokio::test]
async fn an_outage_changes_nothing_and_is_not_kept() {
    let mut world = World::new(true).await;
    world.answer("/downloads/", ok(r#"[{"ip_address":"8.8.8.8","malware":"Emotet"}]"#));
    world.answer("/api/v2/check", ok(&ABUSE.replace("SCORE", "80")));
    world.answer("/api/v1/", status("500 Oops", ""));
    world.attacker("u1", "8.8.8.8").await;
    let first = world.pass().await;
    assert_eq!((first.aggregate_verdict.as_deref(), first.providers.len()), (Some("malicious"), 4));
    assert!(first.expires_at.0.since(first.cached_at.0) < Duration::from_secs(2 * 3_600), "somebody was missing");
    // Everything breaks in its own way; the words of before stand.
    world.answer("/downloads/", ok("not json"));
    world.answer("/api/v2/check", status("302 Found\r\nlocation: http://127.0.0.1:1/inside", ""));
    world.answer("/v3/community/", ok(&"x".repeat(2 << 20)));
    let config = world.cx.store.intel("u1").await.unwrap().unwrap();
    world.cx.store.save_intel(&IntelRow { expires_at: At(Micros(1)), providers: vec![], ..config }).await.unwrap();
    let address = world.scene.heard.lock()[0].lines().find_map(|l| l.strip_prefix("host: ").map(str::to_owned)).unwrap();
    let key = Some("k".to_owned());
    world.enricher = Enricher::new(&Config {
        url: Some(format!("http://{address}")),
        abuseipdb_key: key.clone(),
        threatfox_key: key,
        ..Config::default()
    });
    let second = world.pass().await;
    assert_eq!(second.aggregate_verdict.as_deref(), Some("malicious"));
    assert_eq!(second.cached_at, first.cached_at, "a round of errors is not kept as an answer");
    assert!(second.providers.iter().all(|p| p.error.is_some()), "{second:?}");
    let why = |name: &str| second.providers.iter().find(|p| p.provider == name).unwrap().error.clone().unwrap();
    assert_eq!(why("abuseipdb"), "answered 302");
    assert!(why("greynoise").contains("longer than"), "{}", why("greynoise"));
}

#[tokio::test]
async fn private_addresses_and_missing_keys() {
    let mut world = World::new(false).await;
    for (n, ip) in ["10.0.0.7", "127.0.0.1", "192.168.1.1", "fd00::1", "not an address"].into_iter().enumerate() {
        world.attacker(&format!("u{}", n + 1), ip).await;
    }
    let row = world.pass().await;
    assert_eq!((row.held_back.as_deref(), row.providers.len()), (Some("not an address of the internet"), 0));
    assert!(world.scene.heard.lock().is_empty(), "nothing was sent");
    let says = world.enricher.says().unwrap();
    assert!(says.contains("abuseipdb has no key") && says.contains("threatfox has no key"), "{says}");
    world.attacker("u9", "9.9.9.9").await;
    world.enricher.pass(&world.cx).await.unwrap();
    let found = world.cx.store.intel("u9").await.unwrap().unwrap();
    let greynoise = found.providers.iter().find(|p| p.provider == "greynoise").unwrap();
    assert_eq!((greynoise.verdict.as_deref(), greynoise.error.as_deref()), (Some("unknown"), None), "404 is an answer");
}

#[tokio::test]
async fn one_who_says_slow_down_is_left_alone() {
    let mut world = World::new(false).await;
    world.answer("/v3/community/", status("429 Too Many Requests\r\nretry-after: 900", ""));
    world.answer("/downloads/", ok("[]"));
    world.attacker("u1", "8.8.8.8").await;
    world.attacker("u2", "9.9.9.9").await;
    world.pass().await;
    let asked = world.scene.heard.lock().iter().filter(|h| h.contains("/v3/community/")).count();
    assert_eq!(asked, 1);
    world.enricher.pass(&world.cx).await.unwrap();
    assert!(world.enricher.says().unwrap().contains("greynoise: resting for"), "{:?}", world.enricher.says());
}
