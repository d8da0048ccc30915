//! The command line: help for everybody, and one clear message for bad input.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};

fn decnet(args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_decnet")).args(args).arg("--data-dir").arg(home.path()).output().unwrap()
}

fn refused(file: &str, suffix: &str, expect: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("fleet.{suffix}"));
    std::fs::write(&path, file).unwrap();
    let out = decnet(&["deploy", "--dry-run", "--config", path.to_str().unwrap()]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "one message: {said}");
    for part in expect {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

#[test]
fn bad_files_are_refused_with_file_line_key_and_what_is_allowed() {
    refused("[decky.a]\nservces = [\"ssh\"]\n", "toml", &["fleet.toml:2", "servces"]);
    refused("[decky.a]\nservices = [\"gopher\"]\n", "toml", &["fleet.toml:2", "gopher", "ssh"]);
    let clash = "[network]\nsubnet = \"10.1.0.0/24\"\n[decky.a]\nip = \"10.1.0.5\"\nservices = [\"ssh\"]\n[decky.b]\nip = \"10.1.0.5\"\nservices = [\"ssh\"]\n";
    refused(clash, "toml", &["fleet.toml:7", "10.1.0.5"]);
    refused("[a]\nservices = ssh\nbananas = 3\n", "ini", &["fleet.ini:3", "bananas"]);
    refused("[decky\n", "toml", &["fleet.toml:1"]);
}

#[test]
fn an_unknown_worker_and_a_bad_database_are_refused() {
    let out = decnet(&["worker", "nobody"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("bus, fleet, record"));
    let out = decnet(&["user", "list", "--database", "postgres://x"]);
    assert_eq!(out.status.code(), Some(2));
}

#[test]
fn a_plan_can_be_read_without_a_running_fleet() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fleet.ini");
    std::fs::write(&path, "[web]\nservices = ssh,http\namount = 3\n").unwrap();
    let out = decnet(&["deploy", "--dry-run", "--json", "--config", path.to_str().unwrap()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let plan: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(plan["deckies"].as_array().unwrap().len(), 3);
}

#[test]
fn every_command_explains_itself() {
    for command in [
        "up",
        "deploy",
        "teardown",
        "status",
        "decky",
        "reconcile",
        "services",
        "archetypes",
        "distros",
        "api",
        "worker",
        "user",
        "completions",
        "man",
    ] {
        let out = Command::new(env!("CARGO_BIN_EXE_decnet")).args([command, "--help"]).output().unwrap();
        assert!(out.status.success() && out.stdout.len() > 100, "{command}");
    }
    let out = Command::new(env!("CARGO_BIN_EXE_decnet")).args(["services", "--json"]).output().unwrap();
    let services: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(services.as_array().unwrap().iter().any(|s| s["name"] == "ssh"));
}

#[test]
fn accounts_are_made_listed_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_decnet")).args(args).arg("--data-dir").arg(home.path()).output().unwrap();
    assert!(run(&["user", "add", "ana", "--role", "admin"]).status.success());
    assert_eq!(run(&["user", "add", "ana"]).status.code(), Some(2), "a name is taken once");
    let listed: serde_json::Value = serde_json::from_slice(&run(&["user", "list", "--json"]).stdout).unwrap();
    assert_eq!(listed[0]["username"], "ana");
    assert_eq!(run(&["user", "remove", "ana"]).status.code(), Some(2), "the last admin stays");
    assert!(run(&["user", "add", "bo", "--role", "admin"]).status.success());
    assert!(run(&["user", "remove", "ana"]).status.success());
}

/// Runs a program of the host; `None` if it is not there.
fn host(program: &str, args: &[&str]) -> Option<Output> {
    match Command::new(program).args(args).output() {
        Ok(out) => Some(out),
        Err(e) => {
            eprintln!("skipped: {program} cannot be run ({e})");
            None
        }
    }
}

#[test]
fn a_service_is_installed_below_a_root_hardened_and_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    if host("systemd-sysusers", &["--version"]).is_none() {
        return;
    }
    let dry = decnet(&["init", "--root", root, "--per-worker", "--dry-run"]);
    assert!(dry.status.success());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a dry run writes nothing");
    for _ in 0..2 {
        let out = decnet(&["init", "--root", root, "--per-worker"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let at = |path: &str| dir.path().join(path);
    let read = |path: &str| std::fs::read_to_string(at(path)).unwrap();
    assert!(read("etc/passwd").contains("decnet:x:") && at("var/lib/decnet/run").is_dir() && at("etc/decnet/decnet.toml").is_file());
    let units: Vec<String> = std::fs::read_dir(at("etc/systemd/system"))
        .unwrap()
        .flatten()
        .map(|f| f.file_name().into_string().unwrap())
        .filter(|n| n.ends_with(".service"))
        .collect();
    assert!(units.len() >= 7 && units.contains(&"decnet-record.service".to_owned()), "{units:?}");
    let filled =
        |unit: &String| read(&format!("etc/systemd/system/{unit}")).split('@').skip(1).all(|rest| !rest.starts_with(char::is_uppercase));
    assert!(units.iter().all(filled), "every word is filled in");
    for unit in
        units.iter().filter(|unit| !["decnet-fleet.service", "decnet-sniffer.service", "decnet-prober.service"].contains(&unit.as_str()))
    {
        let path = at("etc/systemd/system").join(unit);
        let Some(out) = host("systemd-analyze", &["security", "--offline=true", "--no-pager", "--threshold=20", path.to_str().unwrap()])
        else {
            continue;
        };
        assert!(out.status.success(), "{unit}: {}", String::from_utf8_lossy(&out.stdout).lines().last().unwrap_or_default());
    }
    assert!(read("etc/systemd/system/decnet-fleet.service").contains("CapabilityBoundingSet=CAP_NET_ADMIN"));
    assert!(!read("etc/systemd/system/decnet-fleet.service").contains("docker"));
    // The other layout replaces this one.
    assert!(decnet(&["init", "--root", root, "--runtime", "docker"]).status.success());
    assert!(!at("etc/systemd/system/decnet-record.service").exists());
    assert!(read("etc/systemd/system/decnet.service").contains("SupplementaryGroups=docker"));
    assert!(decnet(&["deinit", "--root", root]).status.success());
    assert!(!at("etc/systemd/system/decnet.service").exists() && at("var/lib/decnet").is_dir() && at("etc/decnet/decnet.toml").is_file());
    assert!(decnet(&["deinit", "--root", root, "--purge"]).status.success());
    assert!(!at("var/lib/decnet").exists() && !read("etc/passwd").contains("decnet:"));
}

#[test]
fn names_that_a_unit_would_read_otherwise_are_refused() {
    for args in [["--user", "a b"], ["--group", "x;y"], ["--bin-dir", "relative"], ["--state-dir", "/var/../etc"]] {
        let out = decnet(&["init", "--root", "/nonexistent", args[0], args[1]]);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
    }
}
