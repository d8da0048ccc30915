//! The real `decoy` binary: its walls, its sockets, its death and return.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::{
    Door, Speaks,
    control::{self, Handed, Kind, Player, Start},
    stage::rehearse,
};
use model::Event;
use spool::{Follower, Position};
use std::{
    collections::HashSet,
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

struct Home(tempfile::TempDir);

impl Home {
    /// A place that the unprivileged user reaches, with a binary of its own.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_decoy"), dir.path().join("decoy")).unwrap();
        for name in ["spool", "artifacts", "transcripts", "state"] {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            if nix::unistd::geteuid().is_root() {
                std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).unwrap();
            }
        }
        Self(dir)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn start(&self) -> Start {
        Start {
            binary: self.at("decoy"),
            spool: self.at("spool"),
            artifacts: self.at("artifacts"),
            transcripts: self.at("transcripts"),
            state: self.at("state"),
            user: nix::unistd::geteuid().is_root().then_some((65_534, 65_534)),
            best_effort: !nix::unistd::geteuid().is_root(),
        }
    }

    fn raise(&self) -> (Child, Player) {
        let (mut command, ours) = control::command(&self.start()).unwrap();
        (command.spawn().unwrap(), Player::new(ours).unwrap())
    }

    /// Follows the spool until `done`.
    async fn until(&self, done: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let mut all = Vec::new();
        let mut follower = Follower::open(self.at("spool"), Position::default()).unwrap();
        let wait = async {
            loop {
                all.extend(follower.next_batch(10_000, 1 << 24).unwrap().events);
                if done(&all) {
                    return;
                }
                follower.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("seen in time");
        all
    }
}

/// A listening socket for every plain TCP door there is.
fn doors() -> Vec<(Handed, TcpListener)> {
    let mut all = Vec::new();
    for decoy in decoys::ALL {
        for speaks in decoy.speaks {
            let Speaks::Stream(doors, _) = speaks else { continue };
            if doors.iter().any(|d| matches!(d, Door::Plain(_))) {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                all.push((Handed { service: decoy.name.into(), kind: Kind::Plain, port }, listener));
            }
        }
    }
    all
}

fn visit(at: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(at).unwrap();
    // Means something to one or another; none may fall over it.
    stream.write_all(b"SSH-2.0-x\r\nPING\r\n").unwrap();
    stream
}

#[test]
fn nothing_that_must_not_work_works() {
    let home = Home::new();
    let start = home.start();
    let mut command = Command::new(&start.binary);
    command.arg("--prove-sandbox").stdin(Stdio::null());
    for (name, path) in
        [("--spool", &start.spool), ("--artifacts", &start.artifacts), ("--transcripts", &start.transcripts), ("--state", &start.state)]
    {
        command.arg(name).arg(path);
    }
    if start.best_effort {
        command.arg("--sandbox=best-effort");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for what in ["socket", "connect", "execve", "fork", "ptrace", "mount", "unshare", "setuid", "kill", "read /etc/passwd", "write /tmp"] {
        assert!(text.contains(&format!("{what}: refused")), "{what}:\n{text}");
    }
    assert!(!text.contains("WORKED"), "{text}");
}

#[tokio::test]
async fn plays_behind_handed_sockets_dies_and_comes_back_on_the_same() {
    let home = Home::new();
    let (mut child, mut player) = home.raise();
    let doors = doors();
    let handed: Vec<_> = doors.iter().map(|(h, l)| (h.clone(), l.as_fd())).collect();
    let at = |listener: &TcpListener| listener.local_addr().unwrap();
    player.play(&rehearse::persona(), &handed).await.unwrap();
    let streams: Vec<_> = doors.iter().map(|(_, l)| visit(at(l))).collect();
    let services: HashSet<&str> = doors.iter().map(|(h, _)| h.service.as_str()).collect();
    let connected = |all: &[Event], times: usize| {
        services.iter().all(|s| all.iter().filter(|e| e.service == *s && e.saw.event_type() == "connect").count() >= times)
    };
    home.until(|all| connected(all, 1)).await;
    let stats = player.stats().await.unwrap();
    assert_eq!((stats.deckies, stats.connections, stats.backlog), (1, doors.len() as u64, 0));
    assert!(stats.rss > 1 << 20 && stats.rss < 64 << 20, "{stats:?}");

    child.kill().unwrap();
    child.wait().unwrap();
    drop(streams);
    // Nobody is refused while there is no player: the fleet keeps the sockets.
    let waiting: Vec<_> = doors.iter().map(|(_, l)| visit(at(l))).collect();
    let (mut child, mut player) = home.raise();
    player.play(&rehearse::persona(), &handed).await.unwrap();
    let all = home.until(|all| connected(all, 2)).await;
    let ids: HashSet<_> = all.iter().map(|e| e.id).collect();
    assert_eq!(ids.len(), all.len());

    player.drop_decky(&rehearse::persona().decky).await.unwrap();
    assert!(player.drop_decky(&rehearse::persona().decky).await.is_err());
    player.stop().await.unwrap();
    assert!(child.wait().unwrap().success());
    drop(waiting);
    let ended = home.until(|_| true).await;
    assert!(ended.iter().filter(|e| e.saw.event_type() == "disconnect").count() >= doors.len());
}

#[tokio::test]
async fn the_end_of_the_control_socket_is_the_end() {
    let home = Home::new();
    let (mut child, mut player) = home.raise();
    assert_eq!(player.stats().await.unwrap().deckies, 0);
    let nonsense = Handed { service: "none".into(), kind: Kind::Plain, port: 1 };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(player.play(&rehearse::persona(), &[(nonsense, listener.as_fd())]).await.is_err());
    drop(player);
    assert!(child.wait().unwrap().success());
}
