//! The `decoy` process: started, given its sockets, replaced on the same sockets when it dies.
//!
//! The sockets stay open here. While a player is being replaced the kernel completes handshakes and keeps the
//! connections waiting, so a visitor notices a moment of silence at most.

use async_trait::async_trait;
use decoys::control::{self, Handed, Player, Start, Stats};
use model::{DeckyId, Persona};
use nix::unistd::{Gid, Uid, User, chown};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::{
        fd::BorrowedFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{process::Child, sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{Error, runtime::Door};

/// How long an ask may take before the player counts as stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long a player may take to put its affairs in order.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);
/// A player that lived this long did not die of its start.
const LIVED: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whoever answers behind the sockets. One besides the process exists: tests answer themselves.
#[async_trait]
pub trait Face: Send + Sync {
    /// Plays a decky behind these sockets; again for one that is played replaces its sockets.
    async fn play(&self, persona: Arc<Persona>, doors: Vec<Arc<Door>>) -> Result<(), Error>;
    /// Stops playing a decky.
    async fn forget(&self, decky: &DeckyId) -> Result<(), Error>;
    /// Whether it answers now, and what it says of itself.
    async fn health(&self) -> Health;
    /// Services that should be played and are not, where each is played by itself.
    async fn down(&self) -> BTreeSet<(DeckyId, String)> {
        BTreeSet::new()
    }
    /// Ends all sessions and whoever answers.
    async fn stop(&self);
}

/// How the face is.
#[derive(Clone, Debug, Default)]
pub struct Health {
    pub alive: bool,
    /// Process id of the player.
    pub pid: Option<u32>,
    /// Times it had to be replaced.
    pub restarts: u64,
    pub stats: Option<Stats>,
}

/// Directories the player writes to; all belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// Events.
    pub spool: PathBuf,
    /// Files that attackers brought, by sha256.
    pub artifacts: PathBuf,
    /// Terminal recordings.
    pub transcripts: PathBuf,
    /// What attackers left on deckies.
    pub memory: PathBuf,
}

impl Dirs {
    /// Where they are in the data directory.
    pub fn under(data_dir: &Path) -> Self {
        Self {
            spool: data_dir.join("spool").join("decoy"),
            artifacts: data_dir.join("artifacts"),
            transcripts: data_dir.join("transcripts"),
            memory: data_dir.join("memory"),
        }
    }

    /// Makes them and gives them to `user`.
    pub(crate) fn prepare(&self, user: Option<(u32, u32)>) -> Result<(), Error> {
        for dir in [&self.spool, &self.artifacts, &self.transcripts, &self.memory] {
            fs::create_dir_all(dir).map_err(Error::file(dir))?;
            if let Some((uid, gid)) = user {
                // Only when they change hands: there may be many files.
                if fs::metadata(dir).map_err(Error::file(dir))?.uid() != uid {
                    give(dir, uid, gid, 8).map_err(Error::file(dir))?;
                }
                // The player must be able to walk there; it cannot list what is beside its directories.
                if let Some(parent) = dir.parent() {
                    let mode = fs::metadata(parent).map_err(Error::file(parent))?.permissions().mode();
                    fs::set_permissions(parent, fs::Permissions::from_mode(mode | 0o011)).map_err(Error::file(parent))?;
                }
            }
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(Error::file(dir))?;
        }
        Ok(())
    }
}

/// Gives a tree to a user, without following links.
fn give(path: &Path, uid: u32, gid: u32, depth: u8) -> std::io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if meta.is_symlink() {
        return Ok(());
    }
    chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    if meta.is_dir() && depth > 0 {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid, depth - 1)?;
        }
    }
    Ok(())
}

/// The user the player becomes: `decnet` if there is one, else `nobody`. `None` when this process is not root.
pub fn player_user() -> Option<(u32, u32)> {
    if !Uid::effective().is_root() {
        return None;
    }
    let find = |name| User::from_name(name).ok().flatten().filter(|u| !u.uid.is_root());
    find("decnet").or_else(|| find("nobody")).map_or(Some((65_534, 65_534)), |u| Some((u.uid.as_raw(), u.gid.as_raw())))
}

/// The supervisor of one player.
#[derive(Debug)]
pub struct Hands {
    shared: Arc<Shared>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    start: Start,
    /// What is to be played, whoever plays it.
    played: Mutex<BTreeMap<DeckyId, Part>>,
    seat: Mutex<Option<Seat>>,
    restarts: AtomicU64,
}

#[derive(Clone, Debug)]
struct Part {
    persona: Arc<Persona>,
    doors: Vec<Arc<Door>>,
}

#[derive(Debug)]
struct Seat {
    player: Player,
    pid: Option<u32>,
}

impl Hands {
    /// Starts a player. It is started again whenever it dies, until [`Face::stop`].
    pub async fn start(binary: &Path, dirs: &Dirs) -> Result<Self, Error> {
        let user = player_user();
        dirs.prepare(user)?;
        if !binary.is_file() {
            return Err(Error::Decoy(format!("{} is not there", binary.display())));
        }
        raise_limit();
        let start = Start {
            binary: binary.into(),
            spool: dirs.spool.clone(),
            artifacts: dirs.artifacts.clone(),
            transcripts: dirs.transcripts.clone(),
            state: dirs.memory.clone(),
            user,
            best_effort: user.is_none(),
        };
        let shared = Arc::new(Shared { start, played: Mutex::default(), seat: Mutex::default(), restarts: AtomicU64::new(0) });
        let stop = CancellationToken::new();
        let child = shared.seat_player().await?;
        let keeper = tokio::spawn(keep(Arc::clone(&shared), child, stop.clone()));
        Ok(Self { shared, keeper: Mutex::new(Some(keeper)), stop })
    }

    /// Process id of the player, for trials that kill it.
    pub async fn pid(&self) -> Option<u32> {
        self.shared.seat.lock().await.as_ref().and_then(|s| s.pid)
    }
}

/// Waits for the player's death and replaces it.
async fn keep(shared: Arc<Shared>, first: Child, stopped: CancellationToken) {
    let mut child = Some(first);
    let mut pause = Duration::ZERO;
    let mut born = Instant::now();
    loop {
        if let Some(mut alive) = child.take() {
            tokio::select! {
                status = alive.wait() => tracing::warn!(?status, "the decoy process ended; it is started again on the same sockets"),
                () = stopped.cancelled() => {
                    if tokio::time::timeout(DRAIN_WITHIN, alive.wait()).await.is_err() {
                        tracing::warn!("the decoy process did not end in time and is killed");
                        let _ = alive.kill().await;
                    }
                    return;
                }
            }
        }
        if stopped.is_cancelled() {
            return;
        }
        *shared.seat.lock().await = None;
        shared.restarts.fetch_add(1, Ordering::Relaxed);
        pause = if born.elapsed() > LIVED { Duration::ZERO } else { (pause * 2).max(Duration::from_millis(50)).min(LONGEST_PAUSE) };
        // The first death is answered at once, later ones after a growing pause.
        if shared.restarts.load(Ordering::Relaxed) > 1 && !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopped.cancelled() => return,
            }
        }
        born = Instant::now();
        match shared.seat_player().await {
            Ok(alive) => child = Some(alive),
            Err(error) => tracing::error!(%error, "the decoy process cannot be started"),
        }
    }
}

impl Shared {
    /// Starts a process and gives it everything that is to be played.
    async fn seat_player(&self) -> Result<Child, Error> {
        let say = |e: String| Error::Decoy(format!("{}: {e}", self.start.binary.display()));
        let (command, ours) = control::command(&self.start).map_err(|e| say(e.to_string()))?;
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let child = command.spawn().map_err(|e| say(e.to_string()))?;
        let player = Player::new(ours).map_err(|e| say(e.to_string()))?;
        let mut seat = self.seat.lock().await;
        let mut new = Seat { player, pid: child.id() };
        // Nobody else holds `played` while waiting for `seat`: play and forget take `played` first and let it go.
        let parts: Vec<Part> = self.played.lock().await.values().cloned().collect();
        for part in &parts {
            if let Err(e) = hand_over(&mut new.player, part).await {
                match e {
                    control::Error::Refused { why } => {
                        tracing::error!(decky = %part.persona.decky, why, "the decoy process refused a decky")
                    }
                    other => return Err(say(other.to_string())),
                }
            }
        }
        *seat = Some(new);
        Ok(child)
    }
}

async fn hand_over(player: &mut Player, part: &Part) -> Result<(), control::Error> {
    let doors: Vec<(Handed, BorrowedFd<'_>)> = part.doors.iter().map(|d| (d.handed.clone(), d.fd())).collect();
    match tokio::time::timeout(ANSWER_WITHIN, player.play(&part.persona, &doors)).await {
        Ok(result) => result,
        Err(_) => Err(control::Error::Gone),
    }
}

#[async_trait]
impl Face for Hands {
    async fn play(&self, persona: Arc<Persona>, doors: Vec<Arc<Door>>) -> Result<(), Error> {
        let part = Part { persona: Arc::clone(&persona), doors };
        self.shared.played.lock().await.insert(persona.decky.clone(), part.clone());
        let mut seat = self.shared.seat.lock().await;
        // Without a player now: the next one is given all parts, this one too.
        let Some(now) = seat.as_mut() else { return Ok(()) };
        match hand_over(&mut now.player, &part).await {
            Ok(()) => Ok(()),
            Err(control::Error::Refused { why }) => Err(Error::Decoy(format!("{}: {why}", persona.decky.name()))),
            // It died meanwhile, or is stuck; a stuck one ends when its control socket does.
            Err(_) => {
                *seat = None;
                Ok(())
            }
        }
    }

    async fn forget(&self, decky: &DeckyId) -> Result<(), Error> {
        self.shared.played.lock().await.remove(decky);
        let mut seat = self.shared.seat.lock().await;
        let Some(now) = seat.as_mut() else { return Ok(()) };
        match tokio::time::timeout(ANSWER_WITHIN, now.player.drop_decky(decky)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(control::Error::Refused { why })) => {
                tracing::debug!(%decky, why, "the decoy process did not play it");
                Ok(())
            }
            _ => {
                *seat = None;
                Ok(())
            }
        }
    }

    async fn health(&self) -> Health {
        let restarts = self.shared.restarts.load(Ordering::Relaxed);
        let mut seat = self.shared.seat.lock().await;
        let Some(now) = seat.as_mut() else { return Health { restarts, ..Health::default() } };
        let stats = tokio::time::timeout(ANSWER_WITHIN, now.player.stats()).await;
        match stats {
            Ok(Ok(stats)) => Health { alive: true, pid: now.pid, restarts, stats: Some(stats) },
            Ok(Err(_)) | Err(_) => {
                *seat = None;
                Health { restarts, ..Health::default() }
            }
        }
    }

    async fn stop(&self) {
        self.stop.cancel();
        if let Some(mut seat) = self.shared.seat.lock().await.take() {
            let stopped = tokio::time::timeout(DRAIN_WITHIN, seat.player.stop()).await;
            if !matches!(stopped, Ok(Ok(()))) {
                tracing::warn!("the decoy process did not say that it has stopped");
            }
        }
        if let Some(keeper) = self.keeper.lock().await.take() {
            let _ = keeper.await;
        }
        self.shared.played.lock().await.clear();
    }
}

/// Lets this process and its children hold as many sockets as the system allows.
fn raise_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let wanted = if Uid::effective().is_root() { hard.max(1 << 20) } else { hard };
        if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted.max(hard)).is_err() {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
    }
}
