//! What the fleet and a `decoy` process say to each other, over one SOCK_SEQPACKET pair.
//!
//! Each packet is one JSON object of at most [`MAX_MESSAGE`] bytes. The fleet asks ([`Ask`]), the player answers
//! each ask with exactly one [`Answer`], in order. `play` carries one listening (or UDP) socket per door, in the
//! order of its doors, as SCM_RIGHTS; the fleet keeps its own copies, so that a player which died is replaced on the
//! same sockets and nobody sees a refused connection.
//!
//! ```text
//! > {"do":"play","persona":{…},"doors":[{"service":"redis","kind":"plain","port":6379}]}   + 1 descriptor
//! < {"is":"ok"}
//! > {"do":"drop","decky":"local:web-01"}      its sockets and sessions are closed
//! > {"do":"stats"}
//! < {"is":"stats","sessions":3,"connections":17,…}
//! > {"do":"stop"}                              stop accepting, end all sessions, sync the spool
//! < {"is":"ok"}                                then the player exits with status 0
//! ```
//! The end of the control socket means `stop` too. `play` for a decky that is being played replaces it: doors whose
//! service, kind and port are as before go on with the new socket, running sessions stay.

use model::{DeckyId, Persona};
use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tokio::io::{Interest, unix::AsyncFd};

/// Longest packet in bytes. Below the default socket buffer of Linux (212,992).
pub const MAX_MESSAGE: usize = 160 * 1024;

/// Most doors in one `play` (the kernel's limit for SCM_RIGHTS).
pub const MAX_DOORS: usize = 253;

/// Environment variable naming the control descriptor; 0 (standard input) if it is not set.
pub const CONTROL_FD: &str = "DECOY_CONTROL_FD";

/// What the fleet asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Ask {
    Play { persona: Box<Persona>, doors: Vec<Handed> },
    Drop { decky: DeckyId },
    Stats,
    Stop,
}

/// A socket that is handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// Slug of the decoy.
    pub service: String,
    pub kind: Kind,
    /// Port it is bound to.
    pub port: u16,
}

/// What stands behind a handed socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A listening TCP socket.
    Plain,
    /// A listening TCP socket, TLS from the first byte.
    Tls,
    /// A listening TCP socket for data connections of the service.
    Side,
    /// A bound UDP socket.
    Udp,
}

/// What the player answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Answer {
    Ok,
    Err { why: String },
    Stats(Stats),
}

/// How the player is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Deckies being played.
    pub deckies: u64,
    /// Connections open now.
    pub sessions: u64,
    /// Connections accepted since the start.
    pub connections: u64,
    /// Connections closed at once because their source or decky had too many.
    pub refused: u64,
    /// Events written to the spool since the start.
    pub events: u64,
    /// Events that wait in memory because the spool cannot be written.
    pub backlog: u64,
    /// Resident memory in bytes.
    pub rss: u64,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the control socket failed: {source}")]
    Io {
        #[from]
        source: io::Error,
    },
    #[error("the player has gone")]
    Gone,
    #[error("a message of {bytes} bytes is over the limit of {MAX_MESSAGE}")]
    TooLong { bytes: usize },
    #[error("{count} sockets are more than {MAX_DOORS}")]
    TooMany { count: usize },
    #[error("a message could not be understood: {source}")]
    Json {
        #[from]
        source: serde_json::Error,
    },
    #[error("the player answered: {why}")]
    Refused { why: String },
    #[error("the player answered something else than was asked")]
    Unexpected,
}

/// How to start a player.
#[derive(Clone, Debug)]
pub struct Start {
    /// Path of the `decoy` binary.
    pub binary: PathBuf,
    /// Directories that belong to `user`; the player may write there and nowhere else.
    pub spool: PathBuf,
    pub artifacts: PathBuf,
    pub transcripts: PathBuf,
    pub state: PathBuf,
    /// Numeric user and group to become; `None`: stay who one is (not root).
    pub user: Option<(u32, u32)>,
    /// Go on with what the kernel allows instead of refusing to start.
    pub best_effort: bool,
}

/// The command that starts a player, and the fleet's end of its control socket. The player's end is its
/// standard input; standard output is unused, standard error is its log.
pub fn command(start: &Start) -> io::Result<(Command, OwnedFd)> {
    let (ours, theirs) = pair()?;
    let mut command = Command::new(&start.binary);
    command.env_clear().env(CONTROL_FD, "0").stdin(Stdio::from(theirs)).stdout(Stdio::null());
    if let Some(log) = std::env::var_os("RUST_LOG") {
        command.env("RUST_LOG", log);
    }
    for (name, path) in
        [("--spool", &start.spool), ("--artifacts", &start.artifacts), ("--transcripts", &start.transcripts), ("--state", &start.state)]
    {
        command.arg(name).arg(path);
    }
    for (service, variable) in [("imap", "IMAP_EMAIL_SEED"), ("pop3", "POP3_EMAIL_SEED")] {
        if let Some(dir) = std::env::var_os(variable).filter(|d| !d.is_empty()) {
            let mut seed = std::ffi::OsString::from(format!("{service}="));
            seed.push(dir);
            command.arg("--seed").arg(seed);
        }
    }
    if let Some((uid, gid)) = start.user {
        command.arg("--uid").arg(uid.to_string()).arg("--gid").arg(gid.to_string());
    }
    if start.best_effort {
        command.arg("--sandbox=best-effort");
    }
    Ok((command, ours))
}

/// A connected pair: the fleet's end and the player's.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// The `decoy` binary beside this program, which is where they are installed.
pub fn beside_this_program() -> io::Result<PathBuf> {
    let here = std::env::current_exe()?;
    Ok(here.parent().unwrap_or(Path::new("/")).join("decoy"))
}

/// The fleet's side: asks and awaits the answer. One ask at a time.
#[derive(Debug)]
pub struct Player(Line);

impl Player {
    /// Speaks over `fd`. Must be called inside a tokio runtime.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Line::new(fd).map(Self)
    }

    /// Plays a decky behind these sockets.
    pub async fn play(&mut self, persona: &Persona, doors: &[(Handed, BorrowedFd<'_>)]) -> Result<(), Error> {
        let ask = Ask::Play { persona: Box::new(persona.clone()), doors: doors.iter().map(|(h, _)| h.clone()).collect() };
        let fds: Vec<RawFd> = doors.iter().map(|(_, fd)| fd.as_raw_fd()).collect();
        self.done(&ask, &fds).await
    }

    /// Ends a decky: its sockets and sessions are closed.
    pub async fn drop_decky(&mut self, decky: &DeckyId) -> Result<(), Error> {
        self.done(&Ask::Drop { decky: decky.clone() }, &[]).await
    }

    /// How the player is.
    pub async fn stats(&mut self) -> Result<Stats, Error> {
        match self.ask(&Ask::Stats, &[]).await? {
            Answer::Stats(stats) => Ok(stats),
            Answer::Err { why } => Err(Error::Refused { why }),
            Answer::Ok => Err(Error::Unexpected),
        }
    }

    /// Ends everything. The answer comes when all that was seen is in the spool.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.done(&Ask::Stop, &[]).await
    }

    async fn done(&mut self, ask: &Ask, fds: &[RawFd]) -> Result<(), Error> {
        match self.ask(ask, fds).await? {
            Answer::Ok => Ok(()),
            Answer::Err { why } => Err(Error::Refused { why }),
            Answer::Stats(_) => Err(Error::Unexpected),
        }
    }

    async fn ask(&mut self, ask: &Ask, fds: &[RawFd]) -> Result<Answer, Error> {
        self.0.send(ask, fds).await?;
        match self.0.receive().await? {
            Some((answer, _)) => Ok(answer),
            None => Err(Error::Gone),
        }
    }
}

/// The player's side.
#[derive(Debug)]
pub struct Seat(Line);

impl Seat {
    /// Listens to `fd`. Must be called inside a tokio runtime.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Line::new(fd).map(Self)
    }

    /// The next ask and the sockets that came with it. `None`: the fleet has gone. An ask that cannot be
    /// understood is [`Error::Json`]; answer it and go on.
    pub async fn next(&mut self) -> Result<Option<(Ask, Vec<OwnedFd>)>, Error> {
        self.0.receive().await
    }

    /// Answers the last ask.
    pub async fn answer(&mut self, answer: &Answer) -> Result<(), Error> {
        self.0.send(answer, &[]).await
    }
}

/// Packets of JSON and descriptors over one socket.
#[derive(Debug)]
struct Line(AsyncFd<OwnedFd>);

impl Line {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        socket2::SockRef::from(&fd).set_nonblocking(true)?;
        #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
        // SAFETY: the `OwnedFd` moves in, stays open and is never replaced.
        let fd = unsafe { AsyncFd::register(fd) }?;
        Ok(Self(fd))
    }

    async fn send(&mut self, message: &impl Serialize, fds: &[RawFd]) -> Result<(), Error> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > MAX_MESSAGE {
            return Err(Error::TooLong { bytes: bytes.len() });
        }
        if fds.len() > MAX_DOORS {
            return Err(Error::TooMany { count: fds.len() });
        }
        let rights = [ControlMessage::ScmRights(fds)];
        let rights: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
        let sent = self.0.async_io(Interest::WRITABLE, |fd| {
            loop {
                match sendmsg::<()>(fd.as_raw_fd(), &[IoSlice::new(&bytes)], rights, MsgFlags::MSG_NOSIGNAL, None) {
                    Err(Errno::EINTR) => {}
                    other => return other.map_err(io::Error::from),
                }
            }
        });
        match sent.await {
            Ok(_) => Ok(()),
            Err(e) if matches!(e.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Err(Error::Gone),
            Err(e) => Err(e.into()),
        }
    }

    async fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<(T, Vec<OwnedFd>)>, Error> {
        let received = self.0.async_io(Interest::READABLE, |fd| {
            loop {
                match receive_packet(fd.as_fd()) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    other => return other,
                }
            }
        });
        let (bytes, fds) = match received.await {
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            other => other?,
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(&bytes)?, fds)))
    }
}

fn receive_packet(fd: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; MAX_MESSAGE];
    let mut space = cmsg_space!([RawFd; MAX_DOORS]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(fd.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            #[expect(unsafe_code, reason = "the kernel made these descriptors for this process")]
            // SAFETY: each number was just created by recvmsg and belongs to nobody else.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    let length = message.bytes;
    if message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a control message was cut"));
    }
    bytes.truncate(length);
    Ok((bytes, fds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::rehearse;

    #[tokio::test]
    async fn sockets_and_words_cross_in_order() {
        let (ours, theirs) = pair().unwrap();
        let (mut player, mut seat) = (Player::new(ours).unwrap(), Seat::new(theirs).unwrap());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (ask, fds) = seat.next().await.unwrap().unwrap();
            let Ask::Play { persona, doors } = ask else { panic!("{ask:?}") };
            assert_eq!((persona.hostname.as_str(), doors.len(), fds.len()), ("files02", 1, 1));
            let listener = std::net::TcpListener::from(fds.into_iter().next().unwrap());
            assert_eq!(listener.local_addr().unwrap().port(), doors[0].port);
            seat.answer(&Answer::Ok).await.unwrap();
            seat.next().await.unwrap().unwrap();
            seat.answer(&Answer::Stats(Stats { sessions: 5, ..Stats::default() })).await.unwrap();
            seat.next().await.unwrap().unwrap();
            seat.answer(&Answer::Err { why: "no".into() }).await.unwrap();
            assert!(seat.next().await.unwrap().is_none());
        });
        let handed = Handed { service: "redis".into(), kind: Kind::Plain, port };
        player.play(&rehearse::persona(), &[(handed, listener.as_fd())]).await.unwrap();
        assert_eq!(player.stats().await.unwrap().sessions, 5);
        assert!(matches!(player.drop_decky(&DeckyId::local("x")).await, Err(Error::Refused { .. })));
        drop(player);
        served.await.unwrap();
    }
}
