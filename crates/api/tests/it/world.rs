//! A whole API to ask.

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use api::{Config, Cx};
use bus::Bus;
use model::Micros;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use store::{AttackerRow, Batch, NewArtifact, NewBounty, NewCredential, NewLog, Position, Recorded, SessionChange, Store, UserRow};
use tokio::{net::TcpListener, sync::oneshot};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const T0: Micros = Micros(1_795_000_000_000_000);

pub(crate) struct World {
    pub store: Store,
    pub bus: Bus,
    pub base: String,
    pub client: Client,
    pub dir: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    spool: Arc<AtomicI64>,
    _stop: oneshot::Sender<()>,
}

fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| api::auth::password::hash(PASSWORD).unwrap())
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The answer is a problem of this status, well formed.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let value = self.json();
        assert_eq!(value["status"], status);
        assert!(value["title"].is_string() && value["type"].is_string() && value["detail"].is_string(), "{value}");
        value
    }

    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }
}

/// Anything that can be sent.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer { status: response.status(), headers: response.headers().clone(), text: response.text().await.unwrap() }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Without a cache, unless `change` says otherwise.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&crate::database::fresh(dir.path()).await).await.unwrap();
        let bus = Bus::memory();
        let clock = Arc::new(AtomicI64::new(T0.0));
        let mut config = Config {
            transcripts: dir.path().join("transcripts"),
            artifacts: dir.path().join("artifacts"),
            cache_life: Duration::ZERO,
            ..Config::default()
        };
        std::fs::create_dir_all(config.transcripts.join("web-01")).unwrap();
        std::fs::create_dir_all(&config.artifacts).unwrap();
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let ticking = Arc::clone(&clock);
        let cx =
            Cx { config, clock: Arc::new(move || Micros(ticking.load(Ordering::Relaxed))), ..Cx::new(store.clone(), bus.clone(), [9; 32]) };
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(api::serve(listener, cx, async move {
            let _ = stopped.await;
        }));
        // The client is built with TLS, which wants its arithmetic chosen; only the first choice of a process counts.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        Self { store, bus, base, client, dir, clock, spool: Arc::default(), _stop: stop }
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub(crate) fn path(&self, inner: &str) -> PathBuf {
        self.dir.path().join(inner)
    }

    // --- accounts

    /// Adds an account with [`PASSWORD`]; gives its uuid.
    pub(crate) async fn user(&self, name: &str, role: &str, must_change: bool) -> String {
        let uuid = format!("00000000-0000-7000-8000-{:0>12}", name.len() * 1000 + usize::from(name.as_bytes()[0]));
        let row = UserRow { uuid: uuid.clone(), username: name.into(), role: role.into(), must_change_password: must_change };
        self.store.add_user(&row, hash()).await.unwrap();
        uuid
    }

    pub(crate) async fn login(&self, name: &str, password: &str) -> Answer {
        send(self.call(Method::POST, "/auth/login").json(&json!({ "username": name, "password": password }))).await
    }

    pub(crate) async fn token(&self, name: &str) -> String {
        let answer = self.login(name, PASSWORD).await;
        answer.ok()["access_token"].as_str().unwrap().to_owned()
    }

    /// Adds the account `admin` and signs it in.
    pub(crate) async fn admin(&self) -> String {
        self.user("admin", "admin", false).await;
        self.token("admin").await
    }

    /// Adds the account `viewer` and signs it in.
    pub(crate) async fn viewer(&self) -> String {
        self.user("viewer", "viewer", false).await;
        self.token("viewer").await
    }

    // --- asking

    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/api/v1{path}", self.base))
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        send(self.call(Method::GET, path).bearer_auth(token)).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        send(self.call(Method::POST, path).bearer_auth(token).json(&body)).await
    }

    pub(crate) async fn put(&self, token: &str, path: &str, body: Value) -> Answer {
        send(self.call(Method::PUT, path).bearer_auth(token).json(&body)).await
    }

    pub(crate) async fn delete(&self, token: &str, path: &str) -> Answer {
        send(self.call(Method::DELETE, path).bearer_auth(token)).await
    }

    // --- what is recorded

    /// Records a batch as the recorder does; gives the ids of its logs.
    pub(crate) async fn record(&self, batch: Batch) -> (i64, i64) {
        let n = self.spool.fetch_add(1, Ordering::Relaxed) as u64;
        let batch = Batch {
            spool: "test".into(),
            from: if n == 0 { Position::default() } else { Position { segment: 0, offset: n } },
            to: Position { segment: 0, offset: n + 1 },
            ..batch
        };
        match self.store.record(&batch).await.unwrap() {
            Recorded::Now { first_log, last_log } => (first_log, last_log),
            other => panic!("{other:?}"),
        }
    }

    /// Records, and says so on the bus.
    pub(crate) async fn record_and_say(&self, batch: Batch) -> (i64, i64) {
        let (first, last) = self.record(batch).await;
        let payload = json!({ "first_id": first, "last_id": last, "count": last - first + 1 });
        self.bus.publish(bus::topics::SYSTEM_LOG, payload).await.unwrap();
        (first, last)
    }

    /// A few of everything.
    pub(crate) async fn full(&self) -> &Self {
        let logs = (0..30).map(|n| log(n, if n % 2 == 0 { "command" } else { "connect" }, &format!("event {n}"))).collect();
        let sha = "ab".repeat(32);
        std::fs::create_dir_all(self.path("artifacts/sha256/ab")).unwrap();
        std::fs::write(self.path("artifacts/sha256/ab").join(&sha), b"\x7fELF hostile").unwrap();
        std::fs::write(
            self.path("transcripts/web-01/s1.cast"),
            "{\"version\":2,\"width\":80,\"height\":24}\n[0.1,\"o\",\"$ \"]\n[1.5,\"i\",\"id\\r\"]\n[1.6,\"o\",\"uid=0\\r\\n\"]\n",
        )
        .unwrap();
        self.record(Batch {
            logs,
            credentials: vec![NewCredential {
                at: T0,
                attacker_ip: "192.0.2.7".into(),
                decky_name: "local:web-01".into(),
                service: "ssh".into(),
                principal: Some("root".into()),
                secret_kind: "plaintext".into(),
                secret_sha256: "cd".repeat(32),
                secret_b64: "aHVudGVyMg==".into(),
                secret_printable: "hunter2".into(),
                outcome: "failure".into(),
                fields: "{}".into(),
            }],
            bounties: vec![NewBounty {
                at: T0,
                decky: "local:web-01".into(),
                service: "ssh".into(),
                attacker_ip: "192.0.2.7".into(),
                bounty_type: "fingerprint".into(),
                payload: "{\"kind\":\"hassh\",\"value\":\"x\"}".into(),
            }],
            artifacts: vec![NewArtifact {
                event_uuid: uuid(900),
                at: T0,
                sha256: sha,
                size: 12,
                decky: "local:web-01".into(),
                service: "ssh".into(),
                attacker_ip: "192.0.2.7".into(),
                session_id: Some(SID.into()),
                path: "/tmp/x".into(),
                way: "upload".into(),
                whole: true,
            }],
            sessions: vec![SessionChange {
                sid: SID.into(),
                decky: "local:web-01".into(),
                service: "ssh".into(),
                attacker_ip: "192.0.2.7".into(),
                first_at: T0,
                ended_at: Some(T0.plus(Duration::from_secs(60))),
                duration_us: Some(60_000_000),
                recording: Some("s1.cast".into()),
                logged_in: true,
                ..SessionChange::default()
            }],
            ..Batch::default()
        })
        .await;
        let attacker = AttackerRow {
            uuid: ATTACKER.into(),
            ip: "192.0.2.7".into(),
            event_count: 30,
            services: vec!["ssh".into()],
            deckies: vec!["local:web-01".into()],
            ..AttackerRow::default()
        };
        self.store.save_attackers(&[attacker], ("test", 1)).await.unwrap();
        self
    }
}

pub(crate) const SID: &str = "0190a0a0-0000-7000-8000-000000000001";
pub(crate) const ATTACKER: &str = "0190a0a0-0000-7000-8000-0000000000aa";

pub(crate) fn uuid(n: u64) -> String {
    format!("0190a0a0-0000-7000-8000-{n:012x}")
}

/// A log row of 192.0.2.7 at web-01, a second after the one before.
pub(crate) fn log(n: u64, event_type: &str, msg: &str) -> NewLog {
    NewLog {
        event_uuid: uuid(n),
        at: T0.plus(Duration::from_secs(n)),
        decky: "local:web-01".into(),
        service: "ssh".into(),
        event_type: event_type.into(),
        attacker_ip: "192.0.2.7".into(),
        src_port: Some(4444),
        dst_port: Some(22),
        session_id: Some(SID.into()),
        fields: json!({ "command": msg }).to_string(),
        msg: msg.into(),
    }
}

pub(crate) fn logs(logs: Vec<NewLog>) -> Batch {
    Batch { logs, ..Batch::default() }
}
