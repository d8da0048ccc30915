//! The export, with what attackers would put into it.

use crate::world::{World, log, logs};

const HOSTILE: &[&str] = &["=cmd|' /C calc'!A0", "a\"b,c\r\nd", "x]\" y=\"z", "\u{1b}[2J\0", "<script>alert(1)</script>", "back\\slash"];

#[tokio::test]
async fn hostile_text_harms_no_format() {
    let world = World::new().await;
    let token = world.viewer().await;
    let rows = HOSTILE.iter().enumerate().map(|(n, text)| log(n as u64, "command", text)).collect();
    world.record(logs(rows)).await;

    let csv = world.get(&token, "/logs/export?format=csv").await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert!(csv.header("content-disposition").contains(".csv"));
    assert_eq!(csv.text.lines().count(), 1 + HOSTILE.len(), "{}", csv.text);
    assert!(csv.text.contains(",\"'=cmd|' /C calc'!A0\",") || csv.text.contains(",\"'=cmd"), "{}", csv.text);

    let json = world.get(&token, "/logs/export?format=json").await;
    let said: Vec<String> = json
        .text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["fields"]["command"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, HOSTILE);

    let syslog = world.get(&token, "/logs/export?format=syslog").await;
    assert_eq!(syslog.text.lines().count(), HOSTILE.len());
    assert!(
        syslog
            .text
            .lines()
            .all(|line| line.starts_with("<134>1 2026-11-18T11:06:4") && line.contains(" web-01 ssh - command [relay@55555 "))
    );
    assert!(syslog.text.contains(r#"command="x\]\" y=\"z""#), "{}", syslog.text);
    assert!(!csv.text.contains('\u{1b}') && !json.text.contains('\u{1b}') && !syslog.text.contains('\u{1b}'));
}

#[tokio::test]
async fn long_exports_are_whole_and_in_order() {
    let world = World::new().await;
    let token = world.viewer().await;
    for part in 0..5 {
        world.record(logs((0..500).map(|n| log(part * 500 + n, if n % 5 == 0 { "command" } else { "connect" }, "x")).collect())).await;
    }
    let ids = async |query: &str| -> Vec<i64> {
        let answer = world.get(&token, &format!("/logs/export?format=json{query}")).await;
        answer.text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids("").await, (1..=2500).collect::<Vec<_>>());
    assert_eq!(ids("&limit=1234").await, (1..=1234).collect::<Vec<_>>());
    assert_eq!(ids("&search=event:command").await, (0..500).map(|n| n * 5 + 1).collect::<Vec<_>>());
    world.get(&token, "/logs/export?format=exe").await.problem(422);
    world.get(&token, "/logs/export").await.problem(422);
}
