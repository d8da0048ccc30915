//! Sockets, TLS, time-outs, caps, per-source limits, stamping of events: written once for all decoys.
//!
//! [`Stage::play`] takes bound sockets and a persona; for each connection a session does what its dialogue wants
//! done, in order. What was noted is in the spool before any later answer leaves.

pub mod artifacts;
mod datagram;
pub mod keys;
pub mod limits;
mod line;
pub mod memories;
pub mod memory;
pub mod recording;
pub mod rehearse;
pub mod scribe;
mod session;
pub mod shelf;
pub mod side;
mod socket;
pub mod tls;

use hmac::{Hmac, KeyInit, Mac};
use model::{DeckyId, Event, Id, Persona, Saw};
use openssl::ssl::SslContext;
use parking_lot::Mutex;
use rand::Rng;
use sha2::Sha256;
use spool::Spool;
use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdUdp},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{Notify, OnceCell},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    control::{Handed, Kind, Stats},
    decoy::{Act, Answerer, Decoy, Dialogue, Reply, Speaks, Visit},
    mail::{Post, post},
};
use artifacts::{Artifacts, Quotas};
use limits::{Admission, Gate, Limits};
use memories::{Bounds, Memories};
use memory::Memory;
use scribe::{Page, Scribe};
use session::{Session, now};
use shelf::Shelf;
use side::{SideDoors, SideSockets};

/// How often what attackers left goes to the disk.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// Directories the stage writes to.
#[derive(Clone, Debug)]
pub struct Places {
    /// The spool of this process.
    pub spool: PathBuf,
    /// Root of the artifact store, shared by all processes.
    pub artifacts: PathBuf,
    /// Root of the recordings, shared by all processes.
    pub transcripts: PathBuf,
    /// What deckies remember: keys, what attackers left and mail that was delivered.
    pub state: PathBuf,
    /// Directories of mail that an operator names for a service, by its slug.
    pub seeds: BTreeMap<String, PathBuf>,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open {}: {source}", path.display())]
    Place { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Spool(#[from] spool::Error),
    #[error("there is no decoy called {service}")]
    NoSuchDecoy { service: String },
    #[error("{service} has no {kind:?} door")]
    NoSuchDoor { service: String, kind: Kind },
    #[error("{doors} doors came with {sockets} sockets")]
    Count { doors: usize, sockets: usize },
    #[error("socket for {service} at port {port}: {source}")]
    Socket { service: String, port: u16, source: io::Error },
    #[error("{decky} is not played here")]
    NotHere { decky: DeckyId },
}

/// Everything that is being played by one process.
#[derive(Clone, Debug)]
pub struct Stage {
    shared: Arc<Shared>,
    deckies: Arc<Mutex<HashMap<DeckyId, Arc<Playing>>>>,
    table: &'static [&'static Decoy],
    tasks: TaskTracker,
    chores: CancellationToken,
}

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    scribe: Scribe,
    artifacts: Artifacts,
    memories: Memories,
    transcripts: PathBuf,
    state: PathBuf,
    seeds: BTreeMap<String, PathBuf>,
    limits: Limits,
    gate: Arc<Gate>,
    /// Memory is short: see [`Limits::memory`].
    tight: AtomicBool,
    /// Told to bulky conversations when memory is short.
    squeeze: Notify,
}

/// One decky.
#[derive(Debug)]
struct Playing {
    persona: Arc<Persona>,
    post: Post,
    /// Ends the accept loops.
    doors: CancellationToken,
    /// Ends the conversations; outlives a change of doors.
    sessions: CancellationToken,
    contexts: Mutex<HashMap<&'static str, Arc<OnceCell<Option<SslContext>>>>>,
}

/// A listening socket and what stands behind it.
#[derive(Debug)]
struct Entrance {
    service: &'static str,
    tls: bool,
    make: fn(&Visit) -> Box<dyn Dialogue>,
    local: SocketAddr,
    knobs: Arc<BTreeMap<String, String>>,
    side: Option<Arc<SideSockets>>,
    shelf: Shelf,
}

impl Stage {
    /// Opens the places and starts the chores. Must be called inside a tokio runtime.
    pub fn open(places: &Places, limits: Limits) -> Result<Self, Error> {
        Self::with_table(places, limits, crate::ALL)
    }

    /// The same with decoys of one's own.
    pub fn with_table(places: &Places, limits: Limits, table: &'static [&'static Decoy]) -> Result<Self, Error> {
        let spool = Spool::open(&places.spool, spool::Options::default())?;
        let place = |path: &PathBuf| {
            let path = path.clone();
            move |source| Error::Place { path, source }
        };
        let shared = Arc::new(Shared {
            scribe: Scribe::new(spool, limits.backlog),
            artifacts: Artifacts::open(&places.artifacts, Quotas::default()).map_err(place(&places.artifacts))?,
            memories: Memories::open(&places.state, Bounds::default()).map_err(place(&places.state))?,
            transcripts: places.transcripts.clone(),
            state: places.state.clone(),
            seeds: places.seeds.clone(),
            limits,
            gate: Gate::new(limits),
            tight: AtomicBool::new(false),
            squeeze: Notify::new(),
        });
        let stage = Self { shared, deckies: Arc::default(), table, tasks: TaskTracker::new(), chores: CancellationToken::new() };
        let shared = Arc::clone(&stage.shared);
        tokio::spawn(stage.chores.clone().run_until_cancelled_owned(async move { shared.scribe.keep_trying().await }));
        let shared = Arc::clone(&stage.shared);
        tokio::spawn(stage.chores.clone().run_until_cancelled_owned(async move { shared.scribe.keep_punctual().await }));
        let shared = Arc::clone(&stage.shared);
        tokio::spawn(stage.chores.clone().run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(SAVE_EVERY).await;
                if shared.memories.have_changed() {
                    let shared = Arc::clone(&shared);
                    _ = tokio::task::spawn_blocking(move || shared.memories.save_all()).await;
                }
            }
        }));
        Ok(stage)
    }

    /// Plays a decky behind `sockets`, one for each of `doors` in order. Replaces what was played of it before;
    /// its conversations go on.
    pub fn play(&self, persona: Persona, doors: &[Handed], sockets: Vec<OwnedFd>) -> Result<(), Error> {
        if doors.len() != sockets.len() {
            return Err(Error::Count { doors: doors.len(), sockets: sockets.len() });
        }
        let persona = Arc::new(persona);
        let mut deckies = self.deckies.lock();
        let before = deckies.get(&persona.decky).cloned();
        let decky = Arc::new(Playing {
            persona: Arc::clone(&persona),
            post: Post::new(post::folder(&self.shared.state, &persona.decky), self.shared.seeds.clone()),
            doors: CancellationToken::new(),
            sessions: before.as_ref().map_or_else(CancellationToken::new, |b| b.sessions.clone()),
            contexts: Mutex::default(),
        });
        let mut side: HashMap<&str, SideSockets> = HashMap::new();
        let mut stand = Vec::new();
        for (door, socket) in doors.iter().zip(sockets) {
            let decoy = self.table.iter().find(|d| d.name == door.service);
            let decoy = *decoy.ok_or_else(|| Error::NoSuchDecoy { service: door.service.clone() })?;
            if door.kind == Kind::Side {
                let added = side.entry(decoy.name).or_default().add(door.port, StdListener::from(socket));
                added.map_err(failed(door))?;
            } else {
                stand.push((door, decoy, socket));
            }
        }
        let side: HashMap<_, _> = side.into_iter().map(|(name, sockets)| (name, Arc::new(sockets))).collect();
        let mut answerers: HashMap<&str, Arc<Mutex<Box<dyn Answerer>>>> = HashMap::new();
        let mut run: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for (door, decoy, socket) in stand {
            let knobs = Arc::new(persona.service(decoy.name).map(|s| s.knobs.clone()).unwrap_or_default());
            if door.kind == Kind::Udp {
                let make = stream_or_datagram(decoy, door)?.1.ok_or_else(|| no_such(door))?;
                let socket = StdUdp::from(socket);
                let local = socket.local_addr().map_err(failed(door))?;
                socket.set_nonblocking(true).map_err(failed(door))?;
                let socket = UdpSocket::from_std(socket).map_err(failed(door))?;
                let answerer = answerers.entry(decoy.name).or_insert_with(|| {
                    let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
                    let memory = Memory::default();
                    Arc::new(Mutex::new(make(&visit(&persona, decoy.name, &knobs, nobody, local, memory, SideDoors::default()))))
                });
                let listening = datagram::Listening {
                    shared: Arc::clone(&self.shared),
                    decky: Arc::clone(&decky),
                    service: decoy.name,
                    local: SocketAddr::new(local.ip().to_canonical(), local.port()),
                    answerer: Arc::clone(answerer),
                };
                let tasks = self.tasks.clone();
                run.push(Box::new(move || _ = tasks.spawn(listening.run(socket))));
            } else {
                let make = stream_or_datagram(decoy, door)?.0.ok_or_else(|| no_such(door))?;
                let listener = socket::listener(StdListener::from(socket)).map_err(failed(door))?;
                let local = listener.local_addr().map_err(failed(door))?;
                let entrance = Arc::new(Entrance {
                    service: decoy.name,
                    tls: door.kind == Kind::Tls,
                    make,
                    local: SocketAddr::new(local.ip().to_canonical(), local.port()),
                    knobs,
                    side: side.get(decoy.name).cloned(),
                    shelf: Shelf::default(),
                });
                let (shared, decky, tasks) = (Arc::clone(&self.shared), Arc::clone(&decky), self.tasks.clone());
                run.push(Box::new(move || {
                    let sessions = tasks.clone();
                    _ = tasks.spawn(welcome(shared, decky, entrance, listener, sessions));
                }));
            }
        }
        if let Some(before) = before {
            before.doors.cancel();
        }
        for start in run {
            start();
        }
        deckies.insert(persona.decky.clone(), decky);
        Ok(())
    }

    /// Ends a decky: its doors and its conversations.
    pub fn drop_decky(&self, decky: &DeckyId) -> Result<(), Error> {
        let playing = self.deckies.lock().remove(decky).ok_or_else(|| Error::NotHere { decky: decky.clone() })?;
        playing.doors.cancel();
        playing.sessions.cancel();
        Ok(())
    }

    /// What it was opened with.
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Told what the process takes now, in bytes: while that is more than [`Limits::memory`], bulky conversations end.
    pub fn mind_memory(&self, resident: u64) {
        let tight = resident > self.shared.limits.memory;
        if self.shared.tight.swap(tight, Ordering::AcqRel) != tight {
            if tight {
                tracing::warn!(resident, limit = self.shared.limits.memory, "memory is short: visitors who send much are shown out");
            } else {
                tracing::info!(resident, "there is memory again");
            }
        }
        if tight {
            self.shared.squeeze.notify_waiters();
        }
    }

    /// How things are. Resident memory is for the caller to add.
    pub fn stats(&self) -> Stats {
        let (sessions, connections, refused) = self.shared.gate.counts();
        Stats {
            deckies: self.deckies.lock().len() as u64,
            sessions,
            connections,
            refused,
            events: self.shared.scribe.written(),
            backlog: self.shared.scribe.waiting(),
            rss: 0,
        }
    }

    /// Ends everything, within about ten seconds, and brings what was seen to the disk.
    pub async fn stop(&self) {
        let all: Vec<_> = self.deckies.lock().drain().map(|(_, decky)| decky).collect();
        for decky in all {
            decky.doors.cancel();
            decky.sessions.cancel();
        }
        self.tasks.close();
        if tokio::time::timeout(Duration::from_secs(10), self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "some conversations did not end in time");
        }
        self.chores.cancel();
        self.shared.memories.save_all();
        self.shared.scribe.sync();
    }
}

impl Playing {
    /// The TLS context of a service, made when first needed.
    async fn tls(&self, shared: &Arc<Shared>, service: &'static str) -> Option<SslContext> {
        let cell = Arc::clone(self.contexts.lock().entry(service).or_default());
        let (persona, shared) = (Arc::clone(&self.persona), Arc::clone(shared));
        let make = || async move {
            let made = tokio::task::spawn_blocking(move || tls::context(&persona, service, &shared.state)).await;
            match made {
                Ok(Ok(context)) => Some(context),
                Ok(Err(e)) => {
                    tracing::error!(service, "no TLS: {e}");
                    None
                }
                Err(e) => {
                    tracing::error!(service, "no TLS: {e}");
                    None
                }
            }
        };
        cell.get_or_init(make).await.clone()
    }
}

/// Accepts at one door until the decky is dropped.
async fn welcome(shared: Arc<Shared>, decky: Arc<Playing>, entrance: Arc<Entrance>, listener: TcpListener, tasks: TaskTracker) {
    let mut failing = false;
    loop {
        shared.scribe.room().await;
        let (stream, peer) = tokio::select! {
            biased;
            () = decky.doors.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    // A visitor who left again is no trouble; running out of descriptors is.
                    if !matches!(e.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                        if !std::mem::replace(&mut failing, true) {
                            tracing::error!(service = entrance.service, "cannot accept: {e}");
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    continue;
                }
            },
        };
        failing = false;
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let ticket = match shared.gate.admit(peer.ip(), &decky.persona.decky, Instant::now()) {
            Admission::Admitted(ticket) => ticket,
            Admission::Refused(count) => {
                if count > 0 {
                    let saw = Saw::noted("connections_refused", [("count", count.to_string().as_bytes())]);
                    note_refusal(&shared, &decky, &entrance, peer, saw);
                }
                turn_away(&decky, &entrance, peer, &stream);
                drop(stream);
                tokio::task::consume_budget().await;
                continue;
            }
        };
        let syn = socket::saved_syn(&stream);
        let local = if entrance.local.ip().is_unspecified() {
            let told = syn.as_ref().and_then(|syn| socket::destination(syn.as_bytes()));
            let ip = told.or_else(|| Some(stream.local_addr().ok()?.ip().to_canonical()));
            SocketAddr::new(ip.unwrap_or(entrance.local.ip()), entrance.local.port())
        } else {
            entrance.local
        };
        let memory = shared.memories.enter(&decky.persona.decky, peer.ip());
        let doors = entrance.side.as_ref().map(|s| SideDoors::of(Arc::clone(&s.free))).unwrap_or_default();
        let mut visit = visit(&decky.persona, entrance.service, &entrance.knobs, peer, local, memory, doors);
        visit.post = decky.post.clone();
        visit.tls = entrance.tls;
        visit.shelf = entrance.shelf.clone();
        let session = Session::new(Arc::clone(&shared), Arc::clone(&decky), Arc::clone(&entrance), stream, visit, ticket);
        tasks.spawn(session.run(syn));
    }
}

/// Says what the product says to one visitor too many, as far as the kernel takes it at once.
fn turn_away(decky: &Playing, entrance: &Entrance, peer: SocketAddr, stream: &TcpStream) {
    if entrance.tls {
        return;
    }
    let (memory, side) = (Memory::default(), SideDoors::default());
    let mut visit = visit(&decky.persona, entrance.service, &entrance.knobs, peer, entrance.local, memory, side);
    visit.shelf = entrance.shelf.clone();
    let mut reply = Reply::new(visit.at, [0; 32]);
    (entrance.make)(&visit).full(&mut reply);
    for act in reply.take() {
        if let Act::Send(bytes) = act {
            _ = stream.try_write(&bytes);
        }
    }
}

fn note_refusal(shared: &Shared, decky: &Playing, entrance: &Entrance, peer: SocketAddr, saw: Saw) {
    let at = now();
    let mut page = Page::default();
    page.add(&Event {
        id: Id::at(at, random()),
        at,
        decky: decky.persona.decky.clone(),
        service: entrance.service.to_owned(),
        session: None,
        source: Some(peer),
        local: Some(entrance.local),
        saw,
    });
    shared.scribe.write(&mut page);
}

fn visit(
    persona: &Arc<Persona>,
    service: &'static str,
    knobs: &Arc<BTreeMap<String, String>>,
    peer: SocketAddr,
    local: SocketAddr,
    memory: Memory,
    side: SideDoors,
) -> Visit {
    let at = now();
    Visit {
        persona: Arc::clone(persona),
        service,
        knobs: Arc::clone(knobs),
        session: Id::at(at, random()),
        peer,
        local,
        tls: false,
        at,
        memory,
        side,
        shelf: Shelf::default(),
        post: Post::default(),
    }
}

type Makers = (Option<fn(&Visit) -> Box<dyn Dialogue>>, Option<fn(&Visit) -> Box<dyn Answerer>>);

/// What makes the dialogue or answerer for `door`: the stream that names this very door, or else (the
/// operator moved it to another port) the first that has doors of this kind.
fn stream_or_datagram(decoy: &'static Decoy, door: &Handed) -> Result<Makers, Error> {
    use crate::decoy::Door;
    let wanted = match door.kind {
        Kind::Plain => Some(Door::Plain(door.port)),
        Kind::Tls => Some(Door::Tls(door.port)),
        Kind::Side | Kind::Udp => None,
    };
    let mut found: Makers = (None, None);
    let mut exact = false;
    for speaks in decoy.speaks {
        match speaks {
            Speaks::Stream(doors, make) => {
                let here = wanted.is_some_and(|w| doors.contains(&w));
                if (here && !exact) || found.0.is_none() {
                    found.0 = Some(*make);
                }
                exact |= here;
            }
            Speaks::Datagram(ports, make) => {
                if found.1.is_none() || ports.contains(&door.port) {
                    found.1 = Some(*make);
                }
            }
        }
    }
    Ok(found)
}

fn no_such(door: &Handed) -> Error {
    Error::NoSuchDoor { service: door.service.clone(), kind: door.kind }
}

fn failed(door: &Handed) -> impl FnOnce(io::Error) -> Error {
    let (service, port) = (door.service.clone(), door.port);
    move |source| Error::Socket { service, port, source }
}

fn random() -> [u8; 10] {
    let mut bytes = [0; 10];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// A name that is safe as one part of a path: everything but letters, digits, `.`, `_` and `-` becomes `_`.
pub fn file_name(name: &str) -> String {
    let safe: String = name.chars().take(200).map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    if safe.chars().all(|c| c == '.') { "_".into() } else { safe }
}

/// `HMAC-SHA256(persona.seed, "decnet/v1/" + purpose)`.
pub fn derive(persona: &Persona, purpose: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&persona.seed).unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
    mac.update(Persona::derive_label(purpose).as_bytes());
    mac.finalize().into_bytes().into()
}
