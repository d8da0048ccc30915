//! Lists, pages, files; how they are cached and what they refuse.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::world::{ATTACKER, SID, World, log, logs, send};

#[tokio::test]
async fn every_list_is_a_page() {
    let world = World::new().await;
    let token = world.viewer().await;
    world.full().await;
    let lists = [
        ("/logs", 30),
        ("/attackers", 1),
        ("/credentials", 1),
        ("/bounty", 1),
        ("/sessions", 1),
        ("/artifacts", 1),
        ("/deckies", 0),
        (&format!("/sessions/{SID}/events"), 30),
        (&format!("/attackers/{ATTACKER}/commands"), 15),
        (&format!("/attackers/{ATTACKER}/events"), 30),
        (&format!("/attackers/{ATTACKER}/timeline"), 30),
        (&format!("/attackers/{ATTACKER}/sessions"), 1),
        (&format!("/attackers/{ATTACKER}/credentials"), 1),
        (&format!("/attackers/{ATTACKER}/artifacts"), 1),
        (&format!("/attackers/{ATTACKER}/fingerprints"), 1),
    ];
    for (path, total) in lists {
        let page = world.get(&token, path).await.ok();
        assert_eq!(
            (page["total"].as_i64(), page["limit"].as_i64(), page["offset"].as_i64()),
            (Some(total), Some(50), Some(0)),
            "{path} {page}"
        );
        assert_eq!(page["data"].as_array().unwrap().len() as i64, total, "{path}");
        let page = world.get(&token, &format!("{path}?limit=1&offset=3")).await.ok();
        assert_eq!(page["data"].as_array().unwrap().len() as i64, i64::from(total > 3), "{path}");
        for bad in ["limit=0", "limit=1001", "limit=x", "offset=-1", "offset=2147483648", "nosuch=1"] {
            world.get(&token, &format!("{path}?{bad}")).await.problem(422);
        }
        world.get(&token, &format!("{path}?limit=&offset=undefined")).await.ok();
    }
    let page = world.get(&token, "/logs?limit=2").await.ok();
    assert!(page["data"][0]["id"].as_i64() > page["data"][1]["id"].as_i64(), "newest first");
    let moment = &world.get(&token, &format!("/attackers/{ATTACKER}/timeline")).await.ok()["data"][0];
    assert!(matches!(moment["kind"].as_str(), Some("contact" | "command")), "{moment}");
    assert_eq!(world.get(&token, &format!("/attackers/{ATTACKER}")).await.ok()["ip"], "192.0.2.7");
    assert_eq!(world.get(&token, &format!("/sessions/{SID}")).await.ok()["logged_in"], true);
    for path in ["/attackers/nosuch", "/attackers/nosuch/commands", "/sessions/nosuch", "/deckies/nosuch", "/transcripts/web-01/nosuch"] {
        world.get(&token, path).await.problem(404);
    }
}

#[tokio::test]
async fn logs_are_searched_and_bounded_in_time() {
    let world = World::new().await;
    let token = world.viewer().await;
    world.full().await;
    let total = async |query: &str| world.get(&token, &format!("/logs?{query}")).await.ok()["total"].as_i64().unwrap();
    assert_eq!(total("search=event:command").await, 15);
    assert_eq!(total("search=service:ftp").await, 0);
    assert_eq!(total("start_time=2026-11-18T11:06:50Z&end_time=2026-11-18T11:06:54Z").await, 4);
    assert_eq!(total("start_time=2026-11-18T12:06:50%2B01:00&end_time=2026-11-18T12:06:54+01:00").await, 4);
    world.get(&token, "/logs?start_time=yesterday").await.problem(422);
    world.get(&token, &format!("/logs?search={}", "x".repeat(513))).await.problem(422);
}

#[tokio::test]
async fn the_histogram_has_a_bar_for_every_interval() {
    let world = World::new().await;
    let token = world.viewer().await;
    world.full().await;
    let made = world.get(&token, "/logs/histogram").await.ok();
    let bars = made["data"].as_array().unwrap();
    assert_eq!(made["bucket_seconds"], 1800);
    assert_eq!(bars.iter().map(|b| b["count"].as_i64().unwrap()).sum::<i64>(), 10, "{made}");
    let made =
        world.get(&token, "/logs/histogram?interval_minutes=1&start_time=2026-11-18T11:00:00Z&end_time=2026-11-18T11:10:00Z").await.ok();
    let counts: Vec<_> = made["data"].as_array().unwrap().iter().map(|b| b["count"].as_i64().unwrap()).collect();
    assert_eq!(counts, [0, 0, 0, 0, 0, 0, 20, 10, 0, 0], "{made}");
    world.get(&token, "/logs/histogram?interval_minutes=0").await.problem(422);
    world.get(&token, "/logs/histogram?start_time=2026-01-01T00:00:00Z&end_time=2025-01-01T00:00:00Z").await.problem(422);
    world.get(&token, "/logs/histogram?interval_minutes=1&start_time=2020-01-01T00:00:00Z").await.problem(422);
}

#[tokio::test]
async fn recordings_are_paged_and_downloaded() {
    let world = World::new().await;
    let token = world.viewer().await;
    world.full().await;
    for decky in ["web-01", "local:web-01"] {
        let page = world.get(&token, &format!("/transcripts/{decky}/{SID}?limit=2")).await.ok();
        assert_eq!((page["total"].as_i64(), page["has_more"].as_bool(), page["service"].as_str()), (Some(3), Some(true), Some("ssh")));
        assert_eq!(page["events"], json!([[0.1, "o", "$ "], [1.5, "i", "id\r"]]));
        assert_eq!(page["header"]["width"], 80);
    }
    let page = world.get(&token, &format!("/transcripts/web-01/{SID}?offset=2")).await.ok();
    assert_eq!((page["has_more"].as_bool(), page["events"].as_array().unwrap().len()), (Some(false), 1));
    let cast = world.get(&token, &format!("/transcripts/web-01/{SID}/cast")).await;
    assert!(cast.text.starts_with("{\"version\":2") && cast.text.lines().count() == 4);
    assert!(cast.header("content-disposition").starts_with("attachment"));
    world.get(&token, &format!("/transcripts/web-02/{SID}")).await.problem(404);
    world.get(&token, &format!("/transcripts/..%2F..%2Fetc/{SID}")).await.problem(404);
    world.get(&token, &format!("/transcripts/web-01/{SID}?limit=5001")).await.problem(422);
    std::fs::remove_file(world.path("transcripts/web-01/s1.cast")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", world.path("transcripts/web-01/s1.cast")).unwrap();
    world.get(&token, &format!("/transcripts/web-01/{SID}/cast")).await.problem(404);
}

#[tokio::test]
async fn captured_files_are_given_to_admins_as_inert_attachments() {
    let world = World::new().await;
    let token = world.admin().await;
    world.full().await;
    let sha = "ab".repeat(32);
    let file = world.get(&token, &format!("/artifacts/{sha}/download")).await;
    assert_eq!(file.text, "\u{7f}ELF hostile");
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{sha}\""));
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(file.header("content-security-policy"), "sandbox; default-src 'none'");
    world.get(&token, &format!("/artifacts/{}/download", "cd".repeat(32))).await.problem(404);
    world.get(&token, "/artifacts/..%2F..%2Fetc%2Fpasswd/download").await.problem(422);
    std::fs::remove_file(world.path("artifacts/sha256/ab").join(&sha)).unwrap();
    world.get(&token, &format!("/artifacts/{sha}/download")).await.problem(404);
}

#[tokio::test]
async fn unchanged_answers_cost_no_bytes_and_changes_show_at_once() {
    let world = World::with(|c| {
        c.cache_life = Duration::from_secs(60);
        c.cache_calm = Duration::ZERO;
    })
    .await;
    let token = world.viewer().await;
    world.full().await;
    let first = world.get(&token, "/logs").await;
    let tag = first.header("etag").to_owned();
    let again = async |tag: &str| send(world.call(Method::GET, "/logs").bearer_auth(&token).header("if-none-match", tag)).await;
    let same = again(&tag).await;
    assert_eq!((same.status.as_u16(), same.text.as_str(), same.header("etag")), (304, "", tag.as_str()));
    let zipped = world.call(Method::GET, "/logs").bearer_auth(&token).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(zipped.headers()["content-encoding"], "gzip");
    assert!(zipped.bytes().await.unwrap().len() < first.text.len() / 3);
    world.record_and_say(logs(vec![log(100, "command", "new")])).await;
    for _ in 0..200 {
        let answer = again(&tag).await;
        if answer.status == 200 {
            assert_eq!(answer.ok()["total"], 31);
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the new row is not shown");
}

#[tokio::test]
async fn a_purge_forgets_what_attackers_left_and_nothing_else() {
    let world = World::with(|c| c.cache_life = Duration::from_secs(60)).await;
    let token = world.admin().await;
    world.full().await;
    assert_eq!(world.get(&token, "/logs").await.ok()["total"], 30);
    world.delete(&token, "/config/reinit").await.problem(422);
    world.delete(&token, "/config/reinit?confirm=yes").await.problem(422);
    let purged = world.delete(&token, "/config/reinit?confirm=purge").await.ok();
    assert_eq!(purged["deleted"]["logs"], 30, "{purged}");
    assert_eq!(world.get(&token, "/logs").await.ok()["total"], 0);
    assert_eq!(world.get(&token, "/config/users").await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn health_and_workers_say_what_is() {
    let world = World::new().await;
    let token = world.admin().await;
    let health = world.get(&token, "/health").await.ok();
    assert_eq!(health["components"]["database"]["status"], "ok", "{health}");
    assert_eq!(health["components"]["worker:record"]["status"], "absent");
    let list = world.get(&token, "/workers").await.ok();
    let names: Vec<_> = list["workers"].as_array().unwrap().iter().map(|w| w["name"].as_str().unwrap()).collect();
    assert_eq!(names, bus::registry::KNOWN);

    let mut orders = world.bus.subscribe("system.*.control").await.unwrap();
    let answer = world.post(&token, "/workers/profile/stop", json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({ "accepted": true, "worker": "profile", "action": "stop" })));
    let order = orders.next().await.unwrap();
    assert_eq!((order.subject.as_str(), &order.payload), ("system.profile.control", &json!({ "action": "stop", "requested_by": "admin" })));
    world.post(&token, "/workers/nosuch/stop", json!({})).await.problem(404);
    world.post(&token, "/workers/api/stop", json!({})).await.problem(409);
    let all = world.post(&token, "/workers/start-all", json!({})).await.ok();
    assert_eq!(all["started"].as_array().unwrap().len(), names.len());

    let beat = json!({ "worker": "record", "pid": 1, "state": "running", "restarts": 0, "errors": 0, "lag": 50_000, "done": 1 });
    // The registry listens in the background; heartbeats come again and again.
    for _ in 0..200 {
        world.bus.publish("system.record.health", beat.clone()).await.unwrap();
        let list = world.get(&token, "/workers").await.ok();
        let record = list["workers"].as_array().unwrap().iter().find(|w| w["name"] == "record").unwrap().clone();
        if record["status"] != "unknown" {
            assert_eq!(record["lag"], 50_000);
            return;
        }
    }
    panic!("the heartbeat is not shown");
}
