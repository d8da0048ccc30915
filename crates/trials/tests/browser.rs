//! The dashboard of the shipped program in a real browser, after real visitors.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::process::Command;
use trials::{
    hostile,
    visitor::Visitor,
    world::{World, client},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_sound_after_real_visitors() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    assert!(web.join("node_modules").is_dir(), "web/node_modules is missing: make web");
    let world = World::up(&[]).await;
    let (ip, port, _) = world.find("http");
    let hostile = "<img src=x onerror=alert(1)>\u{202e}\u{1}";
    for path in ["/", "/wp-login.php", "/.env?<script>alert(1)</script>"] {
        client("curl", &["-s", "-A", hostile, &format!("http://{ip}:{port}{path}")], b"").await;
    }
    let (ip, port, name) = world.find("ssh");
    let (user, password) = world.account(&name);
    let port = port.to_string();
    let login = format!("{user}@{ip}");
    let ssh = [
        "-p",
        &password,
        "ssh",
        "-tt",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
        "-p",
        &port,
        &login,
    ];
    client("sshpass", &ssh, b"cd /tmp\necho '<b>x</b>' > left\ncat left\nexit\n").await;
    let visitor = Visitor::beside(&world);
    hostile::visit(&world, &visitor).await;
    world.until("/sessions?recorded=true", |s| s["total"].as_i64() >= Some(1)).await;
    // By hand: pictures of every page in every look, into this folder.
    let shots = std::env::var_os("DECNET_TRIAL_SHOTS");
    let run = Command::new("node")
        .arg("test/e2e/run.mjs")
        .current_dir(&web)
        .env("DECNET_URL", &world.url)
        .env("DECNET_ADMIN_PASSWORD", world.password())
        .env("DECNET_ONLY", if shots.is_some() { "pages,keys,hostile,live,doing" } else { "keys,hostile,live" })
        .env("DECNET_SHOTS", shots.map_or_else(|| world.home().join("shots"), PathBuf::from))
        .kill_on_drop(true)
        .output();
    let out = tokio::time::timeout(Duration::from_secs(1200), run).await.expect("the browser hangs").unwrap();
    assert!(out.status.success(), "{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(world.stop().await);
}
