//! The house itself: which room may depend on which, and that every list is current.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Normal dependencies of each room, by package name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let out =
        Command::new(cargo).args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).current_dir(root()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let names = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null());
            (package["name"].as_str().unwrap().to_owned(), names.map(|d| d["name"].as_str().unwrap().to_owned()).collect())
        })
        .collect()
}

const ROOMS: &[&str] =
    &["api", "bus", "decnet", "decoys", "fingerprint", "fleet", "insight", "lures", "model", "spool", "store", "trials", "wire", "workers"];

#[test]
fn rooms_depend_in_one_direction() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("api", &["bus", "model", "store"][..]),
        ("bus", &["model"]),
        ("decoys", &["lures", "model", "spool", "wire"]),
        ("fingerprint", &["model", "wire"]),
        ("fleet", &["decoys", "model"]),
        ("insight", &["model"]),
        ("lures", &["model"]),
        ("model", &[]),
        ("spool", &["model"]),
        ("store", &["model"]),
        ("wire", &[]),
        ("workers", &["bus", "fingerprint", "fleet", "insight", "lures", "model", "spool", "store", "wire"]),
    ]);
    let found = dependencies();
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ROOMS, "a room was added: say here what it may depend on");
    for (room, rooms) in allowed {
        for dependency in found[room].iter().filter(|d| ROOMS.contains(&d.as_str())) {
            assert!(rooms.contains(&dependency.as_str()), "{room} may not depend on {dependency}");
        }
    }
}

#[test]
fn pure_rooms_stay_pure() {
    let found = dependencies();
    for room in ["insight", "lures", "model", "wire", "fingerprint"] {
        for banned in ["tokio", "sqlx", "rusqlite", "nix", "libc", "rand", "axum", "reqwest", "tracing"] {
            assert!(!found[room].contains(banned), "{room} may not use {banned}");
        }
    }
}

#[test]
fn only_the_store_knows_sql() {
    for (room, used) in dependencies() {
        for sql in ["sqlx", "rusqlite"] {
            assert!(room == "store" || !used.contains(sql), "{room} uses {sql}");
        }
    }
}

#[test]
fn the_face_cannot_reach_database_or_network_clients() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let out = Command::new(cargo)
        .args(["tree", "-p", "decoys", "-e", "normal", "--prefix", "none", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let linked: BTreeSet<String> =
        String::from_utf8_lossy(&out.stdout).lines().filter_map(|l| l.split_whitespace().next().map(str::to_owned)).collect();
    for banned in ["store", "bus", "api", "workers", "fleet", "sqlx", "rusqlite", "reqwest", "hyper", "bollard", "async-nats", "rtnetlink"]
    {
        assert!(!linked.contains(banned), "decoy links {banned}");
    }
}

#[test]
fn decoys_stand_in_order_and_have_transcripts_and_fuzz_targets() {
    let names: Vec<_> = decoys::ALL.iter().map(|d| d.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    for name in names {
        let dir = root().join("crates/decoys/tests/transcripts").join(name);
        let some = std::fs::read_dir(&dir).is_ok_and(|mut files| files.next().is_some());
        assert!(some, "{name} has no transcripts in {}", dir.display());
        let target = root().join(format!("fuzz/targets/decoy_{name}.rs"));
        let text = std::fs::read_to_string(&target).unwrap_or_else(|_| panic!("{name} has no fuzz target {}", target.display()));
        assert!(text.contains(&format!("\"{name}\"")), "{} plays another decoy", target.display());
    }
}

#[test]
fn every_fuzz_target_is_listed_and_plays_something_that_exists() {
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for file in std::fs::read_dir(root().join("fuzz/targets")).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".rs").unwrap();
        assert!(manifest.contains(&format!("path = \"targets/{file}\"")), "fuzz/Cargo.toml does not list {file}");
        if let Some(decoy) = name.strip_prefix("decoy_") {
            assert!(decoys::find(decoy).is_some(), "{file} plays a decoy that does not exist");
        }
    }
    for line in manifest.lines().filter_map(|l| l.strip_prefix("path = \"targets/")) {
        let file = line.trim_end_matches('"');
        assert!(root().join("fuzz/targets").join(file).is_file(), "fuzz/Cargo.toml lists {file}, which does not exist");
    }
}

#[test]
fn every_room_says_what_it_is_and_what_it_never_does() {
    for room in ROOMS.iter().filter(|r| **r != "decnet") {
        let path = root().join("crates").join(room).join("src/lib.rs");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! ") && text.contains("Never here"), "{} does not open with what it is and never does", path.display());
    }
}
