//! The service containers: one for each service of a decky, in the network of its base container. Each runs the `decoy`
//! program, which takes its sockets over a UNIX socket that is all it has in common with the host besides its directories.

use async_trait::async_trait;
use decoys::control::{Handed, Player};
use model::{DeckyId, Persona};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Mutex;

use super::Yard;
use crate::{Dirs, Error, Face, Health, hands::player_user, runtime::Door};

/// How long a container may take to call.
const CALL_WITHIN: Duration = Duration::from_secs(15);
/// How long an ask may take before a player counts as stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often players are asked whether they are well.
const LOOK: Duration = Duration::from_secs(2);

/// All service containers.
#[derive(Debug)]
pub(crate) struct Troupe {
    yard: Arc<Yard>,
    seats: Mutex<BTreeMap<(DeckyId, String), Arc<Seat>>>,
    restarts: AtomicU64,
}

/// One service of one decky.
#[derive(Debug)]
struct Seat {
    container: String,
    base: String,
    listener: OwnedFd,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    persona: Arc<Persona>,
    doors: Vec<Arc<Door>>,
    player: Option<Player>,
}

impl Troupe {
    pub(super) fn new(yard: Arc<Yard>) -> Arc<Self> {
        let troupe = Arc::new(Self { yard, seats: Mutex::default(), restarts: AtomicU64::new(0) });
        tokio::spawn(keep(Arc::downgrade(&troupe)));
        troupe
    }

    async fn seat(&self, persona: &Arc<Persona>, service: &str) -> Result<Arc<Seat>, Error> {
        let key = (persona.decky.clone(), service.to_owned());
        if let Some(seat) = self.seats.lock().await.get(&key) {
            return Ok(Arc::clone(seat));
        }
        let base = self.yard.link_of(&persona.decky).ok_or_else(|| Error::NoSuchDecky(persona.decky.name().into()))?;
        let container = format!("{base}-{}", service.replace('_', "-"));
        let dir = self.yard.run_dir.join("c").join(&container);
        fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).map_err(Error::file(&dir))?;
        let path = dir.join("s");
        let _left = fs::remove_file(&path);
        let fail = |doing: &str| Error::kernel(format!("{container}: {doing}"));
        let listener = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)
            .map_err(fail("cannot make its control socket"))?;
        let at = UnixAddr::new(&path).map_err(fail("its control socket has no name"))?;
        bind(listener.as_raw_fd(), &at).map_err(fail("cannot bind its control socket"))?;
        listen(&listener, Backlog::new(4).unwrap_or(Backlog::MAXCONN)).map_err(fail("cannot listen on its control socket"))?;
        if let Some((uid, gid)) = player_user() {
            for path in [&dir, &path] {
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(Error::file(path))?;
            }
        }
        let inner = Inner { persona: Arc::clone(persona), doors: Vec::new(), player: None };
        let seat = Arc::new(Seat { container, base, listener, inner: Mutex::new(inner) });
        self.seats.lock().await.insert(key, Arc::clone(&seat));
        Ok(seat)
    }

    /// A container with a player in it, fresh; plays what the seat holds.
    async fn raise(&self, seat: &Seat, inner: &mut Inner, service: &str) -> Result<(), Error> {
        inner.player = None;
        let (uid, gid) = player_user().unwrap_or((65_534, 65_534));
        let host = Dirs {
            spool: self.yard.data_dir.join("spool").join(&seat.container),
            memory: self.yard.data_dir.join("memory").join(&seat.container),
            ..Dirs::under(&self.yard.data_dir)
        };
        host.prepare(Some((uid, gid)))?;
        let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string();
        let binds = [
            format!("{}:/control", real(&self.yard.run_dir.join("c").join(&seat.container))),
            format!("{}:/data/spool", real(&host.spool)),
            format!("{}:/data/artifacts", real(&host.artifacts)),
            format!("{}:/data/transcripts", real(&host.transcripts)),
            format!("{}:/data/memory", real(&host.memory)),
        ];
        let what = json!({
            "Image": self.yard.image().await?,
            "Entrypoint": ["/decoy"],
            "Cmd": ["--control", "/control/s", "--spool", "/data/spool", "--artifacts", "/data/artifacts", "--transcripts", "/data/transcripts",
                "--state", "/data/memory", "--sandbox", "best-effort", "--threads", "1"],
            "User": format!("{uid}:{gid}"),
            "Labels": self.yard.labels(&inner.persona.decky, &seat.base, service),
            "HostConfig": self.yard.host_config(&format!("container:{}", seat.base), 256 << 20, 64, &binds),
        });
        self.yard.fresh(&seat.container, &what).await?;
        let fd = accept(&seat.listener, &seat.container).await?;
        inner.player = Some(Player::new(fd).map_err(Error::kernel(format!("{}: its control socket", seat.container)))?);
        hand_over(inner, &seat.container).await
    }

    async fn drop_seat(&self, seat: &Seat) -> Result<(), Error> {
        if let Some(mut player) = seat.inner.lock().await.player.take() {
            let _stopped = tokio::time::timeout(ANSWER_WITHIN, player.stop()).await;
        }
        self.yard.remove_container(&seat.container).await?;
        let _gone = fs::remove_dir_all(self.yard.run_dir.join("c").join(&seat.container));
        Ok(())
    }
}

/// Waits for the container to call.
async fn accept(listener: &OwnedFd, name: &str) -> Result<OwnedFd, Error> {
    let deadline = tokio::time::Instant::now() + CALL_WITHIN;
    loop {
        match accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            Ok(fd) => {
                #[expect(unsafe_code, reason = "the crate gives a number")]
                // SAFETY: accept4 just made it and nobody else has it.
                return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
            }
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(nix::errno::Errno::EAGAIN) => return Err(Error::Decoy(format!("{name}: its container does not call; see its log"))),
            Err(e) => return Err(Error::kernel(format!("{name}: cannot accept its call"))(e)),
        }
    }
}

async fn hand_over(inner: &mut Inner, name: &str) -> Result<(), Error> {
    let Some(player) = inner.player.as_mut() else { return Err(Error::Decoy(format!("{name}: nobody plays"))) };
    let doors: Vec<(Handed, BorrowedFd<'_>)> = inner.doors.iter().map(|d| (d.handed.clone(), d.fd())).collect();
    let played = tokio::time::timeout(ANSWER_WITHIN, player.play(&inner.persona, &doors)).await;
    match played {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => {
            inner.player = None;
            Err(Error::Decoy(format!("{name}: {e}")))
        }
        Err(_) => {
            inner.player = None;
            Err(Error::Decoy(format!("{name}: does not answer")))
        }
    }
}

/// Makes containers again whose player died. Their sockets stay open meanwhile.
async fn keep(troupe: Weak<Troupe>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(troupe) = troupe.upgrade() else { return };
        let seats: Vec<(String, Arc<Seat>)> =
            troupe.seats.lock().await.iter().map(|((_, s), seat)| (s.clone(), Arc::clone(seat))).collect();
        for (service, seat) in seats {
            let mut inner = seat.inner.lock().await;
            if inner.doors.is_empty() {
                continue;
            }
            let well = match inner.player.as_mut() {
                Some(player) => matches!(tokio::time::timeout(ANSWER_WITHIN, player.stats()).await, Ok(Ok(_))),
                None => false,
            };
            if !well {
                troupe.restarts.fetch_add(1, Ordering::Relaxed);
                match troupe.raise(&seat, &mut inner, &service).await {
                    Ok(()) => tracing::warn!(container = seat.container, "its player ended; it was made again on the same sockets"),
                    Err(error) => tracing::warn!(container = seat.container, %error, "cannot be made again yet"),
                }
            }
        }
    }
}

#[async_trait]
impl Face for Troupe {
    async fn play(&self, persona: Arc<Persona>, doors: Vec<Arc<Door>>) -> Result<(), Error> {
        let mut by_service: BTreeMap<String, Vec<Arc<Door>>> = BTreeMap::new();
        for door in doors {
            by_service.entry(door.handed.service.clone()).or_default().push(door);
        }
        let gone: Vec<Arc<Seat>> = {
            let mut seats = self.seats.lock().await;
            let keys: Vec<_> = seats.keys().filter(|(d, s)| *d == persona.decky && !by_service.contains_key(s)).cloned().collect();
            keys.iter().filter_map(|key| seats.remove(key)).collect()
        };
        for seat in gone {
            self.drop_seat(&seat).await?;
        }
        let work = by_service.into_iter().map(|(service, doors)| {
            let persona = Arc::clone(&persona);
            async move {
                let seat = self.seat(&persona, &service).await?;
                let mut inner = seat.inner.lock().await;
                (inner.persona, inner.doors) = (persona, doors);
                if inner.player.is_some() && hand_over(&mut inner, &seat.container).await.is_ok() {
                    return Ok(());
                }
                self.raise(&seat, &mut inner, &service).await
            }
        });
        futures::future::join_all(work).await.into_iter().collect()
    }

    async fn forget(&self, decky: &DeckyId) -> Result<(), Error> {
        let gone: Vec<Arc<Seat>> = {
            let mut seats = self.seats.lock().await;
            let keys: Vec<_> = seats.keys().filter(|(d, _)| d == decky).cloned().collect();
            keys.iter().filter_map(|key| seats.remove(key)).collect()
        };
        for seat in gone {
            self.drop_seat(&seat).await?;
        }
        Ok(())
    }

    async fn health(&self) -> Health {
        Health { alive: true, restarts: self.restarts.load(Ordering::Relaxed), ..Health::default() }
    }

    async fn down(&self) -> BTreeSet<(DeckyId, String)> {
        let seats: Vec<_> = self.seats.lock().await.iter().map(|(key, seat)| (key.clone(), Arc::clone(seat))).collect();
        let mut down = BTreeSet::new();
        for (key, seat) in seats {
            let mut inner = seat.inner.lock().await;
            let well = match inner.player.as_mut() {
                Some(player) => matches!(tokio::time::timeout(ANSWER_WITHIN, player.stats()).await, Ok(Ok(_))),
                None => false,
            };
            if !well {
                inner.player = None;
                down.insert(key);
            }
        }
        down
    }

    async fn stop(&self) {
        let seats = std::mem::take(&mut *self.seats.lock().await);
        for seat in seats.into_values() {
            if let Err(error) = self.drop_seat(&seat).await {
                tracing::warn!(container = seat.container, %error, "cannot be taken away");
            }
        }
    }
}
