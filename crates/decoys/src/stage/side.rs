//! Data doors: listening sockets of a decky that a conversation may open for a moment (FTP passive).

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use socket2::SockRef;
use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, Shutdown, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::line::{Read, read_plain};

/// The data doors of one service of one decky. A dialogue reserves one with [`SideDoors::reserve`] and
/// tells its port to the visitor; the stage accepts one connection there for that conversation.
#[derive(Clone, Debug, Default)]
pub struct SideDoors(Arc<Mutex<Vec<u16>>>, Arc<Mutex<Option<u16>>>);

impl SideDoors {
    /// Doors that stand free, by port.
    pub fn of(free: Arc<Mutex<Vec<u16>>>) -> Self {
        Self(free, Arc::default())
    }

    /// Reserves a door for this conversation and gives its port; an earlier reservation is given back.
    /// `None`: all are taken.
    pub fn reserve(&self) -> Option<u16> {
        let mut mine = self.1.lock();
        let mut free = self.0.lock();
        let port = if free.is_empty() { None } else { Some(free.remove(0)) };
        if let Some(old) = mine.take() {
            free.push(old);
        }
        *mine = port;
        port.or_else(|| {
            *mine = free.pop();
            *mine
        })
    }

    /// The port reserved now: for the stage.
    pub fn reserved(&self) -> Option<u16> {
        *self.1.lock()
    }

    /// Gives the reserved door back.
    pub fn release(&self) {
        if let Some(port) = self.1.lock().take() {
            self.0.lock().push(port);
        }
    }
}

/// How long a reserved door waits for its visitor.
const WAIT: Duration = Duration::from_secs(30);

/// Connections the kernel may hold at an open data door (vsftpd's own number).
const BACKLOG: i32 = 32;

/// The sockets behind the data doors of one service of one decky. A door listens only while it is reserved;
/// otherwise the kernel answers there as at any closed port.
#[derive(Debug, Default)]
pub(super) struct SideSockets {
    pub(super) free: Arc<Mutex<Vec<u16>>>,
    sockets: HashMap<u16, Vec<StdListener>>,
}

impl SideSockets {
    /// Takes over a bound socket.
    pub(super) fn add(&mut self, port: u16, socket: StdListener) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let at = socket.local_addr()?;
        close_door(&socket);
        // A port that the kernel had chosen is lost with the listening; asked for by name it is kept.
        match SockRef::from(&socket).bind(&at.into()) {
            Err(e) if e.kind() != io::ErrorKind::InvalidInput => return Err(e),
            _ => {}
        }
        let sockets = self.sockets.entry(port).or_default();
        if sockets.is_empty() {
            self.free.lock().push(port);
        }
        sockets.push(socket);
        Ok(())
    }

    /// Opens the reserved door.
    pub(super) fn open(&self, port: u16, host: IpAddr) -> io::Result<SideLine> {
        let mut listeners = Vec::new();
        for socket in self.sockets.get(&port).map(Vec::as_slice).unwrap_or_default() {
            SockRef::from(socket).listen(BACKLOG)?;
            listeners.push(TcpListener::from_std(socket.try_clone()?)?);
        }
        if listeners.is_empty() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        Ok(SideLine {
            port,
            host,
            until: Instant::now() + WAIT,
            listeners,
            stream: None,
            out: VecDeque::new(),
            sending: false,
            closing: false,
            ended: false,
        })
    }
}

fn close_door(socket: &StdListener) {
    // Not listening is what is wanted, so "not connected" is as good.
    _ = SockRef::from(socket).shutdown(Shutdown::Read);
}

/// A data connection of a conversation, or the open door that waits for it.
#[derive(Debug)]
pub(super) struct SideLine {
    pub(super) port: u16,
    host: IpAddr,
    until: Instant,
    listeners: Vec<TcpListener>,
    stream: Option<TcpStream>,
    out: VecDeque<Bytes>,
    sending: bool,
    closing: bool,
    ended: bool,
}

/// What happened on a data connection.
#[derive(Debug)]
pub(super) enum News {
    Opened {
        same_host: bool,
    },
    Data(BytesMut),
    Drained,
    /// The visitor closed, or nobody came.
    Closed,
    /// It is over because the conversation wanted so.
    Over,
}

impl SideLine {
    /// Sends once somebody is there.
    pub(super) fn send(&mut self, bytes: Bytes) {
        self.sending = true;
        self.out.push_back(bytes);
    }

    /// Closes once everything is out.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Waits for the next thing to happen. Cancel-safe.
    pub(super) async fn news(&mut self) -> News {
        loop {
            let Some(stream) = &self.stream else {
                if self.closing {
                    return News::Over;
                }
                match tokio::time::timeout_at(self.until, accept(&self.listeners)).await {
                    Err(_) => return News::Closed,
                    Ok(Ok((stream, peer))) => {
                        let same_host = peer == self.host;
                        if same_host {
                            self.stream = Some(stream);
                            self.shut();
                        }
                        return News::Opened { same_host };
                    }
                    Ok(Err(_)) => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    }
                }
            };
            if let Some(bytes) = self.out.front_mut() {
                if bytes.is_empty() {
                    self.out.pop_front();
                    continue;
                }
                tokio::select! {
                    ready = stream.writable() => match ready.and_then(|()| stream.try_write(bytes)) {
                        Ok(n) => bytes.advance(n),
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return News::Closed,
                    },
                    () = tokio::time::sleep(Duration::from_secs(300)) => return News::Closed,
                }
                continue;
            }
            if std::mem::take(&mut self.sending) {
                return News::Drained;
            }
            if self.closing {
                return News::Over;
            }
            if self.ended {
                std::future::pending::<()>().await;
            }
            if stream.readable().await.is_err() {
                return News::Closed;
            }
            let mut data = BytesMut::new();
            match read_plain(stream, &mut data, &mut 0) {
                Ok(Read::Some(_)) => return News::Data(data),
                Ok(Read::None) => {}
                Ok(Read::End) | Err(_) => {
                    self.ended = true;
                    return News::Closed;
                }
            }
        }
    }

    fn shut(&mut self) {
        for listener in self.listeners.drain(..) {
            _ = SockRef::from(&listener).shutdown(Shutdown::Read);
        }
    }
}

impl Drop for SideLine {
    fn drop(&mut self) {
        self.shut();
    }
}

/// Accepts at whichever listener somebody comes to.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, IpAddr)> {
    let (accepted, ..) = futures::future::select_all(listeners.iter().map(|l| Box::pin(l.accept()))).await;
    accepted.map(|(stream, peer)| (stream, peer.ip().to_canonical()))
}
