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
    for command in ["up", "deploy", "teardown", "status", "decky", "reconcile", "services", "archetypes", "distros", "api", "worker", "user", "completions", "man"] {
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
