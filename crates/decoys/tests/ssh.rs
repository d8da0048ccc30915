//! The ssh decoy on the stage, visited by the system's own clients.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::{
    control::{Handed, Kind},
    stage::{Places, Stage, limits::Limits, rehearse},
};
use model::{Event, FileWay, Outcome, Saw};
use spool::{Follower, Position};
use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A decky on loopback and a folder for the clients' files.
struct World {
    dir: tempfile::TempDir,
    _stage: Stage,
    port: u16,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        let places = Places {
            spool: place("spool/0"),
            artifacts: place("artifacts"),
            transcripts: place("transcripts"),
            state: place("state"),
            seeds: Default::default(),
        };
        let stage = Stage::open(&places, Limits::default()).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let doors = [Handed { service: "ssh".into(), kind: Kind::Plain, port }];
        stage.play(rehearse::persona(), &doors, vec![OwnedFd::from(socket)]).unwrap();
        let ask = place("ask");
        fs::write(&ask, "#!/bin/sh\necho \"$SECRET\"\n").unwrap();
        fs::set_permissions(&ask, fs::Permissions::from_mode(0o700)).unwrap();
        Self { dir, _stage: stage, port }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a client of OpenSSH as `deploy`. The password comes through its askpass interface.
    fn run(&self, program: &str, options: &[&str], arguments: &[&str], stdin: &[u8]) -> Output {
        self.run_as(program, "deploy123", options, arguments, stdin)
    }

    fn run_as(&self, program: &str, password: &str, options: &[&str], arguments: &[&str], stdin: &[u8]) -> Output {
        let port = if program == "ssh" { "-p" } else { "-P" };
        let mut child = Command::new(program)
            .args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .args(["-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1", "-o", "IdentityFile=none"])
            .args(options)
            .args([port, &self.port.to_string()])
            .args(arguments)
            .env("SSH_ASKPASS", self.path("ask"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("SECRET", password)
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        child.wait_with_output().unwrap()
    }

    fn events(&self) -> Vec<Event> {
        Follower::open(self.path("spool/0"), Position::default()).unwrap().next_batch(10_000, 1 << 24).unwrap().events
    }
}

/// Whether the clients are there; a machine without them has nothing to compare with.
fn clients() -> bool {
    ["/usr/bin/ssh", "/usr/bin/scp", "/usr/bin/sftp"].iter().all(|p| Path::new(p).exists())
}

fn good(output: &Output) {
    assert!(output.status.success(), "{}{}", output.stdout.escape_ascii(), output.stderr.escape_ascii());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_the_client_has_in_common_works() {
    if !clients() {
        return;
    }
    let world = World::new();
    let log = |options: &[&str]| {
        let mut all = vec!["-o", "BatchMode=no", "-b", "-"];
        for option in options {
            all.extend(["-o", option]);
        }
        let output = world.run("sftp", &all, &["deploy@127.0.0.1"], b"pwd\n");
        good(&output);
        assert!(String::from_utf8_lossy(&output.stdout).contains("/home/deploy"), "{options:?}");
    };
    for kex in [
        "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group14-sha256",
    ] {
        log(&[&format!("KexAlgorithms={kex}")]);
    }
    for key in ["rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256", "ssh-ed25519"] {
        log(&[&format!("HostKeyAlgorithms={key}"), "Compression=yes"]);
    }
    for cipher in ["chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-gcm@openssh.com"] {
        log(&[&format!("Ciphers={cipher}"), "MACs=umac-64@openssh.com"]);
    }
    for mac in ["umac-128-etm@openssh.com", "hmac-sha2-512", "hmac-sha1-etm@openssh.com"] {
        log(&["Ciphers=aes192-ctr", &format!("MACs={mac}")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_survive_the_way_there_and_back() {
    if !clients() {
        return;
    }
    let world = World::new();
    let big: Vec<u8> = (0..3_000_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    fs::write(world.path("big"), &big).unwrap();
    good(&world.run("scp", &["-O"], &["big", "deploy@127.0.0.1:old"], b""));
    good(&world.run("scp", &["-O"], &["deploy@127.0.0.1:old", "back-old"], b""));
    good(&world.run("scp", &["-s"], &["big", "deploy@127.0.0.1:new"], b""));
    good(&world.run("scp", &["-s", "-o", "RekeyLimit=1M"], &["deploy@127.0.0.1:new", "back-new"], b""));
    assert_eq!(fs::read(world.path("back-old")).unwrap(), big);
    assert_eq!(fs::read(world.path("back-new")).unwrap(), big);
    let batch = b"mkdir d\nput big d/x\nrename d/x d/y\nls -l d\nchmod 600 d/y\nget d/y back-sftp\nrm d/y\nrmdir d\n-get /etc/shadow\n";
    let output = world.run("sftp", &["-o", "BatchMode=no", "-b", "-"], &["deploy@127.0.0.1"], batch);
    good(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"));
    assert_eq!(fs::read(world.path("back-sftp")).unwrap(), big);
    let kept = world
        .events()
        .iter()
        .filter(|e| matches!(&e.saw, Saw::FileCaptured { way: FileWay::Upload, size: 3_000_000, whole: true, .. }))
        .count();
    assert_eq!(kept, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_and_its_status_comes_back() {
    if !clients() {
        return;
    }
    let world = World::new();
    let output = world.run("ssh", &[], &["deploy@127.0.0.1", "echo \"$HOSTNAME\"; echo oops >&2; exit 7"], b"");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"files02\n"[..], &b"oops\n"[..]));
    let output = world.run("ssh", &["-tt"], &["deploy@127.0.0.1"], b"echo $((6*7))\nexit\n");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("\r42\r\n") || String::from_utf8_lossy(&output.stdout).contains("\n42\r\n"),
        "{}",
        output.stdout.escape_ascii()
    );
    let recorded = |e: &Event| matches!(e.saw, Saw::SessionRecorded { .. });
    assert_eq!(world.events().iter().filter(|e| recorded(e)).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_in_the_products_words() {
    if !clients() {
        return;
    }
    let world = World::new();
    let output = world.run_as("ssh", "Winter2026", &[], &["root@127.0.0.1", "id"], b"");
    assert_eq!(output.status.code(), Some(255));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied (publickey,password)."));
    let events = world.events();
    let attempt = events.iter().find_map(|e| match &e.saw {
        Saw::AuthAttempt { principal, secret, outcome, .. } => Some((principal.clone().unwrap(), secret.clone(), *outcome)),
        _ => None,
    });
    let (principal, secret, outcome) = attempt.unwrap();
    assert_eq!((principal.as_bytes(), secret.as_bytes(), outcome), (&b"root"[..], &b"Winter2026"[..], Outcome::Failure));
    let hello = events.iter().any(|e| matches!(&e.saw, Saw::SshClient { banner, kexinit } if banner.as_bytes().starts_with(b"SSH-2.0-OpenSSH") && kexinit.as_bytes()[0] == 20));
    assert!(hello);
}
