//! What attackers write reaches the databases and the exports unharmed, and does no harm there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use serde_json::Value;
use sha2::{Digest, Sha256};
use trials::{hostile, mariadb, visitor::Visitor, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_kept_and_exported_unharmed_and_unharming() {
    check(World::up(&[]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_kept_and_exported_unharmed_and_unharming_in_mariadb() {
    let server = mariadb::Server::start().expect("mariadb-server is not installed: scripts/setup test installs it");
    let url = server.database_url();
    check(World::up(&["--database", &url]).await).await;
}

async fn check(world: World) {
    let visitor = Visitor::beside(&world);
    hostile::visit(&world, &visitor).await;
    let has = |rows: &Value, f: &dyn Fn(&Value) -> bool| rows["data"].as_array().unwrap().iter().any(f);

    // Byte for byte, where bytes are kept.
    let credentials = world.until("/credentials?service=redis", |c| c["total"].as_i64() >= Some(1)).await;
    let stored = credentials["data"][0]["secret_b64"].as_str().unwrap();
    assert_eq!(decode(stored), hostile::TEXT, "a secret is kept byte for byte");
    assert_eq!(credentials["data"][0]["secret_sha256"], hex::encode(Sha256::digest(hostile::TEXT)));
    let ftp = world.until("/credentials?service=ftp", |c| c["total"].as_i64() >= Some(1)).await;
    assert!(has(&ftp, &|r| decode(r["secret_b64"].as_str().unwrap()) == hostile::one_line()), "{ftp:#}");
    let long = hex::encode(Sha256::digest(hostile::long()));
    world.until("/artifacts?limit=100", |a| has(a, &|r| r["sha256"] == long.as_str() && r["service"] == "ssh")).await;
    assert_eq!(world.get_bytes(&format!("/artifacts/{long}/download")).await, hostile::long());
    world.until("/artifacts?limit=100", |a| has(a, &|r| r["way"] == "mail")).await;

    // As text everywhere else.
    let readable = String::from_utf8_lossy(hostile::TEXT).into_owned();
    let kept = "<script>document.title='owned'</script>";
    world
        .until("/logs?search=service:redis%20event:command&limit=100", |l| {
            has(l, &|r| r["fields"]["command"].as_str().unwrap().contains("<script>"))
        })
        .await;
    world
        .until("/logs?search=service:redis%20event:command&limit=100", |l| {
            has(l, &|r| r["fields"]["command"].as_str().unwrap().len() >= 60_000)
        })
        .await;
    world
        .until("/logs?search=service:http%20event:request&limit=100", |l| {
            has(l, &|r| r["fields"]["user_agent"].as_str().is_some_and(|a| a.contains(kept)))
        })
        .await;
    world.until("/logs?search=service:mysql&limit=100", |l| has(l, &|r| r["fields"].to_string().contains("document.title"))).await;
    world.until("/logs?search=service:smtp%20event:message_stored", |l| l["total"].as_i64() >= Some(1)).await;
    world
        .until("/logs?search=service:ssh%20event:command&limit=100", |l| {
            has(l, &|r| r["fields"]["command"].as_str().unwrap().contains("owned"))
        })
        .await;
    assert!(readable.contains(kept));

    // Nobody comes any more: every form of export holds every row, and a row is a row.
    let total = settled(&world).await;
    let export =
        async |format: &str| String::from_utf8(world.get_bytes(&format!("/logs/export?format={format}")).await).expect("exports are UTF-8");
    let quiet = |text: &str| !text.chars().any(|c| c.is_control() && !matches!(c, '\r' | '\n'));
    let json = export("json").await;
    assert_eq!(json.lines().count(), total);
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(quiet(&json) && rows.iter().all(|r| r["event_uuid"].is_string()), "control characters in json");
    let csv = export("csv").await;
    let records = hostile::csv(&csv);
    assert_eq!(records.len(), total + 1, "a record was forged");
    assert!(quiet(&csv) && records.iter().all(|r| r.len() == 12), "cells were forged");
    for cell in records.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t']), "a cell would run: {}", &cell[..cell.len().min(60)]);
    }
    let syslog = export("syslog").await;
    assert_eq!(syslog.lines().count(), total, "a line was forged");
    assert!(quiet(&syslog) && syslog.lines().all(|l| l.starts_with('<')));
    for line in syslog.lines() {
        // RFC 5424: what is in a value ends with an unescaped quote.
        assert!(!line.contains("> forged decnet") || line.contains("\\]") || line.contains("\\\""), "{}", &line[..line.len().min(200)]);
    }
    // Nor did anything get out in what it logs itself.
    let log = world.log();
    assert!(!log.contains('\u{1b}') && !log.contains('\0') && !log.lines().any(|l| l.starts_with("<13>1")), "its own log:\n{log}");
    assert!(world.stop().await);
}

/// The number of rows once it stays the same.
async fn settled(world: &World) -> usize {
    world.until("/sessions?limit=200", |s| s["data"].as_array().unwrap().iter().all(|s| !s["ended_at"].is_null())).await;
    let stats = world.get("/stats").await;
    usize::try_from(stats["total_logs"].as_u64().unwrap()).unwrap()
}

fn decode(base64: &str) -> Vec<u8> {
    let value = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut out = Vec::new();
    for four in base64.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0_u32, |bits, b| bits << 6 | u32::from(value(*b))) << (6 * (4 - four.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    out
}
