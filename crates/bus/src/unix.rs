//! The bus of one host: the process that serves it shares its in-memory bus over a UNIX socket.
//!
//! Frames are a four-byte big-endian length and JSON. Only the serving user and root may join
//! (`SO_PEERCRED`), who joins under a name shows that it holds the name's key ([`crate::keys`]), a worker's health may only come from the connection that joined under its name, a
//! name is held by one connection at a time, and control only comes from `api` and `cli`.

use crate::{
    Bus, Error, Message, Subscription,
    keys::{Key, Keys},
    memory::Hub,
    subject, topics,
};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use tracing::{debug, info, warn};

/// Largest frame in bytes.
pub const MAX_FRAME: usize = 1024 * 1024;
/// Most patterns one connection may hold.
const MAX_PATTERNS: usize = 256;
/// Frames waiting for a connection that does not read; past that it is closed.
const WAITING: usize = 4096;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Frame {
    /// First frame of a client.
    Hello {
        name: String,
    },
    /// The server wants to see that the client holds the key of its name.
    Challenge {
        nonce: String,
    },
    /// The client's answer to it.
    Proof {
        mac: String,
    },
    /// The server's answer to it.
    Welcome,
    /// The server's answer to a name or a subject that is not the client's.
    Refused {
        why: String,
    },
    Subscribe {
        pattern: String,
    },
    Unsubscribe {
        pattern: String,
    },
    Publish {
        subject: String,
        payload: Value,
    },
    Event(Message),
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec()
}

fn encode(frame: &Frame) -> Bytes {
    serde_json::to_vec(frame).map(Bytes::from).unwrap_or_default()
}

/// How long a process may take to show who it is.
const KNOCK: Duration = Duration::from_secs(5);

/// Serves `bus` at `path` to whoever the kernel lets in, by name alone: for tests, where nobody pretends.
pub async fn serve(bus: &Bus, path: &Path) -> Result<(), Error> {
    serve_to(bus, path, None, &[]).await
}

/// Serves `bus` at `path` (mode 0660) until the future is dropped. A socket left behind by a dead process is replaced. With
/// `keys` a name belongs to those who hold its key; `own` are the names this process speaks under itself.
pub async fn serve_to(bus: &Bus, path: &Path, keys: Option<Keys>, own: &[&str]) -> Result<(), Error> {
    let listener = bind(path)?;
    let hub = bus.hub().ok_or(Error::Away)?;
    let names: Arc<Mutex<HashSet<String>>> = Arc::new(Mutex::new(own.iter().map(|name| (*name).to_owned()).collect()));
    let keys = keys.map(Arc::new);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let ours = nix::unistd::geteuid().as_raw();
                match stream.peer_cred() {
                    Ok(peer) if peer.uid() == 0 || peer.uid() == ours => {
                        tokio::spawn(guest(stream, Arc::clone(&hub), Arc::clone(&names), keys.clone()));
                    }
                    Ok(peer) => warn!(uid = peer.uid(), "refused a process of another user on the bus"),
                    Err(error) => warn!(%error, "cannot tell who joins the bus"),
                }
            }
            Err(error) => {
                warn!(%error, "cannot accept on the bus socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn bind(path: &Path) -> Result<UnixListener, Error> {
    let failed = |source| Error::Socket { path: path.to_owned(), source };
    if std::os::unix::net::UnixStream::connect(path).is_err() {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    Ok(listener)
}

/// Lets a process say who it is; `None` if it does not, or cannot show it.
async fn admit<S>(framed: &mut Framed<S, LengthDelimitedCodec>, keys: Option<&Keys>) -> Option<String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let first = framed.next().await?.ok()?;
    let Ok(Frame::Hello { name }) = serde_json::from_slice(&first) else { return None };
    if let Some(keys) = keys {
        let nonce = crate::keys::nonce().ok()?;
        framed.send(encode(&Frame::Challenge { nonce: nonce.clone() })).await.ok()?;
        let answer = framed.next().await?.ok()?;
        let shown = matches!(serde_json::from_slice(&answer), Ok(Frame::Proof { mac }) if keys.proves(&name, &nonce, &mac));
        if !shown {
            warn!(name, "a process on the bus could not show that the name is its own");
            let _refused = framed.send(encode(&Frame::Refused { why: format!("the key of {name} was not shown") })).await;
            return None;
        }
    }
    Some(name)
}

async fn guest(stream: UnixStream, hub: Arc<Hub>, names: Arc<Mutex<HashSet<String>>>, keys: Option<Arc<Keys>>) {
    let mut framed = Framed::new(stream, codec());
    let Ok(Some(name)) = tokio::time::timeout(KNOCK, admit(&mut framed, keys.as_deref())).await else { return };
    let (mut sink, mut source) = framed.split();
    if !names.lock().insert(name.clone()) {
        let _refused = sink.send(encode(&Frame::Refused { why: format!("another process is {name}") })).await;
        return;
    }
    let (out, mut queue) = mpsc::channel::<Bytes>(WAITING);
    let _welcomed = out.try_send(encode(&Frame::Welcome));
    let writer = tokio::spawn(async move {
        while let Some(frame) = queue.recv().await {
            if sink.send(frame).await.is_err() {
                return;
            }
        }
    });
    let mut held: HashMap<String, tokio::task::JoinHandle<()>> = HashMap::new();
    while let Some(Ok(bytes)) = source.next().await {
        match serde_json::from_slice(&bytes) {
            Ok(Frame::Publish { subject, payload }) => {
                if !subject::is_subject(&subject) || !may_say(&name, &subject) {
                    let why = format!("{name} may not publish {subject}");
                    warn!("{why}");
                    let _refused = out.try_send(encode(&Frame::Refused { why }));
                } else {
                    hub.publish(&subject, payload);
                }
            }
            Ok(Frame::Subscribe { pattern }) if subject::is_pattern(&pattern) && held.len() < MAX_PATTERNS => {
                held.entry(pattern.clone()).or_insert_with(|| forward(hub.subscribe(&pattern), out.clone()));
            }
            Ok(Frame::Unsubscribe { pattern }) => {
                if let Some(task) = held.remove(&pattern) {
                    task.abort();
                }
            }
            Ok(_) | Err(_) => {
                debug!(name, "a frame on the bus that makes no sense");
                break;
            }
        }
    }
    for task in held.into_values() {
        task.abort();
    }
    writer.abort();
    names.lock().remove(&name);
}

/// Who may say what: own health, control only from those an operator speaks through.
fn may_say(name: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    match (tokens.next(), tokens.next(), tokens.next(), tokens.next()) {
        (Some("system"), Some(worker), Some("health"), None) => worker == name,
        (Some("system"), Some(_), Some("control"), None) => name == "api" || name == "cli",
        _ => true,
    }
}

fn forward(mut messages: Subscription, out: mpsc::Sender<Bytes>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            if out.try_send(encode(&Frame::Event(Message::clone(&message)))).is_err() && out.is_closed() {
                return;
            }
        }
    })
}

/// A joined bus: a hub of its own whose patterns are asked for at the server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    hub: Arc<Hub>,
    ask: mpsc::Sender<Frame>,
    up: Arc<AtomicBool>,
}

impl Client {
    pub(crate) fn start(path: PathBuf, name: String, key: Option<Key>) -> Self {
        let (ask, asked) = mpsc::channel(WAITING);
        let client = Self { hub: Arc::default(), ask, up: Arc::default() };
        tokio::spawn(keep(path, (name, key), Arc::clone(&client.hub), asked, Arc::clone(&client.up)));
        client
    }

    pub(crate) fn hub(&self) -> Arc<Hub> {
        Arc::clone(&self.hub)
    }

    pub(crate) fn connected(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    pub(crate) fn publish(&self, subject: &str, payload: Value) -> Result<(), Error> {
        let bytes = payload.to_string().len() + subject.len();
        if bytes + 256 > MAX_FRAME {
            return Err(Error::TooLarge { subject: subject.to_owned(), bytes });
        }
        if !self.connected() {
            return Err(Error::Away);
        }
        self.ask.try_send(Frame::Publish { subject: subject.to_owned(), payload }).map_err(|_| Error::Away)
    }

    pub(crate) async fn subscribe(&self, pattern: &str) -> Subscription {
        let subscription = self.hub.subscribe(pattern);
        // While the server is away the pattern is asked for on reconnection.
        let _asked = self.ask.try_send(Frame::Subscribe { pattern: pattern.to_owned() });
        subscription
    }
}

async fn keep(path: PathBuf, who: (String, Option<Key>), hub: Arc<Hub>, mut asked: mpsc::Receiver<Frame>, up: Arc<AtomicBool>) {
    let mut wait = Duration::from_millis(50);
    loop {
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                let ended = attend(stream, &who, &hub, &mut asked, &up).await;
                up.store(false, Ordering::Release);
                match ended {
                    Ended::Asker => return,
                    Ended::Refused(why) => warn!(why, "the bus refused this process"),
                    Ended::Lost => info!("the bus is away; joining again"),
                    Ended::Welcomed => wait = Duration::from_millis(50),
                }
            }
            Err(error) => debug!(%error, path = %path.display(), "the bus cannot be joined yet"),
        }
        // Between tries the bus is dropped if every handle of it is gone.
        if asked.is_closed() {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

enum Ended {
    /// Nobody holds this bus any more.
    Asker,
    Refused(String),
    /// Never welcomed.
    Lost,
    /// Lost after it had worked.
    Welcomed,
}

async fn attend(
    stream: UnixStream,
    (name, key): &(String, Option<Key>),
    hub: &Hub,
    asked: &mut mpsc::Receiver<Frame>,
    up: &AtomicBool,
) -> Ended {
    let mut framed = Framed::new(stream, codec());
    if framed.send(encode(&Frame::Hello { name: name.clone() })).await.is_err() {
        return Ended::Lost;
    }
    let mut answer = framed.next().await;
    if let (Some(Ok(bytes)), Some(key)) = (&answer, key)
        && let Ok(Frame::Challenge { nonce }) = serde_json::from_slice(bytes)
    {
        if framed.send(encode(&Frame::Proof { mac: key.proof(name, &nonce) })).await.is_err() {
            return Ended::Lost;
        }
        answer = framed.next().await;
    }
    match answer {
        Some(Ok(bytes)) => match serde_json::from_slice(&bytes) {
            Ok(Frame::Welcome) => {}
            Ok(Frame::Refused { why }) => return Ended::Refused(why),
            Ok(Frame::Challenge { .. }) => return Ended::Refused("it wants the key of the name".into()),
            _ => return Ended::Lost,
        },
        _ => return Ended::Lost,
    }
    for pattern in hub.patterns() {
        if framed.send(encode(&Frame::Subscribe { pattern })).await.is_err() {
            return Ended::Welcomed;
        }
    }
    up.store(true, Ordering::Release);
    loop {
        tokio::select! {
            frame = asked.recv() => {
                let Some(frame) = frame else { return Ended::Asker };
                if framed.send(encode(&frame)).await.is_err() {
                    return Ended::Welcomed;
                }
            }
            got = framed.next() => match got {
                Some(Ok(bytes)) => match serde_json::from_slice(&bytes) {
                    Ok(Frame::Event(message)) => hub.deliver(Arc::new(message)),
                    Ok(Frame::Refused { why }) => warn!(why, "the bus refused a message"),
                    _ => return Ended::Welcomed,
                },
                _ => return Ended::Welcomed,
            },
        }
    }
}

/// Publishes and only logs what goes wrong: for data paths, where the store is the truth anyway.
pub async fn say(bus: &Bus, subject: &str, payload: Value) {
    if let Err(error) = bus.publish(subject, payload).await {
        debug!(%error, subject, "not said");
    }
}

/// Says that a worker is stopped, started …: see [`topics::control`].
pub async fn control(bus: &Bus, worker: &str, action: &str, requested_by: &str) -> Result<(), Error> {
    bus.publish(&topics::control(worker), serde_json::json!({ "action": action, "requested_by": requested_by })).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn until(mut done: impl FnMut() -> bool) {
        tokio::time::timeout(Duration::from_secs(10), async {
            while !done() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it never came to be");
    }

    #[tokio::test]
    async fn two_processes_hear_each_other_and_a_lost_server_is_joined_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.sock");
        let home = Bus::memory();
        let mut at_home = home.subscribe("attacker.>").await.unwrap();
        let serving = tokio::spawn({
            let (home, path) = (home.clone(), path.clone());
            async move { serve(&home, &path).await }
        });
        let far = Bus::join(&path, "profile");
        let mut far_heard = far.subscribe("system.log").await.unwrap();
        until(|| far.connected()).await;
        until(|| home.hub().unwrap().patterns().contains(&"system.log".to_owned())).await;
        home.publish("system.log", json!({"last_id": 7})).await.unwrap();
        assert_eq!(far_heard.next().await.unwrap().payload["last_id"], 7);
        far.publish("attacker.scored", json!({"ip": "192.0.2.1"})).await.unwrap();
        assert_eq!(at_home.next().await.unwrap().subject, "attacker.scored");
        // Another's health and control are refused, one's own is heard.
        let mut health = home.subscribe("system.>").await.unwrap();
        far.publish("system.record.health", json!({})).await.unwrap();
        far.publish("system.record.control", json!({})).await.unwrap();
        far.publish("system.profile.health", json!({})).await.unwrap();
        assert_eq!(health.next().await.unwrap().subject, "system.profile.health");
        // The server goes and comes back.
        serving.abort();
        let _ended = serving.await;
        let again = Bus::memory();
        tokio::spawn({
            let (again, path) = (again.clone(), path.clone());
            async move { serve(&again, &path).await }
        });
        // The aborted server's connections live on in their tasks until the old bus is gone; a second
        // client proves that the new server answers.
        let second = Bus::join(&path, "record");
        let mut heard = second.subscribe("system.log").await.unwrap();
        until(|| again.hub().unwrap().patterns().contains(&"system.log".to_owned())).await;
        again.publish("system.log", json!(1)).await.unwrap();
        assert_eq!(heard.next().await.unwrap().payload, json!(1));
    }

    #[tokio::test]
    async fn a_name_is_held_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.sock");
        let home = Bus::memory();
        tokio::spawn({
            let (home, path) = (home.clone(), path.clone());
            async move { serve(&home, &path).await }
        });
        let first = Bus::join(&path, "record");
        until(|| first.connected()).await;
        let mut raw = Framed::new(UnixStream::connect(&path).await.unwrap(), codec());
        raw.send(encode(&Frame::Hello { name: "record".into() })).await.unwrap();
        let answer = raw.next().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("refused"));
    }

    #[tokio::test]
    async fn a_name_is_its_key_holders_and_the_servers_own_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.sock");
        let (home, keys) = (Bus::memory(), Keys::of(&[3; 32]));
        let mut health = home.subscribe(topics::ALL_HEALTH).await.unwrap();
        tokio::spawn({
            let (home, path, keys) = (home.clone(), path.clone(), keys.clone());
            async move { serve_to(&home, &path, Some(keys), &["record"]).await }
        });
        let keyed = |name: &str, key: &str| Bus::join_with(&path, name, keys.key(key));
        let good = keyed("profile", "profile");
        until(|| good.connected()).await;
        good.publish("system.profile.health", json!(1)).await.unwrap();
        assert_eq!(health.next().await.unwrap().payload, json!(1));
        // Another's key, no key, and a name that the server speaks under itself.
        for (name, key) in [("api", Some("profile")), ("cli", None), ("record", Some("record"))] {
            let mut raw = Framed::new(UnixStream::connect(&path).await.unwrap(), codec());
            raw.send(encode(&Frame::Hello { name: name.into() })).await.unwrap();
            let Frame::Challenge { nonce } = serde_json::from_slice(&raw.next().await.unwrap().unwrap()).unwrap() else {
                panic!("no challenge")
            };
            let mac = key.map_or_else(String::new, |key| keys.key(key).proof(name, &nonce));
            raw.send(encode(&Frame::Proof { mac })).await.unwrap();
            let answer = raw.next().await.unwrap().unwrap();
            assert!(matches!(serde_json::from_slice(&answer).unwrap(), Frame::Refused { .. }), "{name}");
        }
        let without = Bus::join(&path, "mutator");
        assert!(!without.connected());
    }
}
