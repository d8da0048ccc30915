//! What a decoy is, and the conversation it holds. The whole contract between protocols and stage.

use bytes::{Bytes, BytesMut};
use model::{Captured, FileWay, Id, Micros, Persona, Saw, Session};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use crate::mail::Post;
use crate::stage::{memory::Memory, shelf::Shelf, side::SideDoors};

/// What a decoy is. Data, not a hierarchy.
#[derive(Debug)]
pub struct Decoy {
    /// Slug, unique: `ssh`.
    pub name: &'static str,
    /// What an operator reads in the catalogue: `OpenSSH server with an interactive shell`.
    pub title: &'static str,
    pub knobs: &'static [Knob],
    pub speaks: &'static [Speaks],
}

/// A setting an operator may give a service.
#[derive(Debug)]
pub struct Knob {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: KnobKind,
}

/// What a knob takes.
#[derive(Debug)]
pub enum KnobKind {
    /// Text without control characters, at most 256 bytes.
    Text,
    Password,
    /// A whole number in the range, both ends included.
    Number(i64, i64),
    Flag,
    OneOf(&'static [&'static str]),
}

/// Where and how a decoy speaks.
#[derive(Debug)]
pub enum Speaks {
    /// TCP: the doors it stands at and the start of a conversation.
    Stream(&'static [Door], fn(&Visit) -> Box<dyn Dialogue>),
    /// UDP ports, and the one answerer that serves all datagrams of a decky.
    Datagram(&'static [u16], fn(&Visit) -> Box<dyn Answerer>),
}

/// A listening TCP socket a decoy wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Plain(u16),
    /// TLS from the first byte; the stage does the handshake and notes the ClientHello.
    Tls(u16),
    /// This many listening sockets on ephemeral ports, for data connections (FTP passive mode).
    Side(u8),
}

/// Who visits whom: everything a conversation may know when it starts.
#[derive(Clone, Debug)]
pub struct Visit {
    pub persona: Arc<Persona>,
    /// Slug of the service being visited.
    pub service: &'static str,
    /// Checked knobs the operator set for this service.
    pub knobs: Arc<BTreeMap<String, String>>,
    pub session: Id<Session>,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    /// Whether the stage already speaks TLS on this connection.
    pub tls: bool,
    /// When the connection was accepted.
    pub at: Micros,
    /// What this attacker left on this decky before; shared by all its sessions and services.
    pub memory: Memory,
    /// Data doors of this service, if its table asks for some.
    pub side: SideDoors,
    /// The decky's mail, for the services that show it.
    pub post: Post,
    /// What this service made once for all its visitors at this door.
    pub shelf: Shelf,
}

impl Visit {
    /// A knob's value.
    pub fn knob(&self, name: &str) -> Option<&str> {
        self.knobs.get(name).map(String::as_str)
    }

    /// Deterministic secret material of this decky for one purpose; the same after a restart, shared
    /// with no other decky. `HMAC-SHA256(seed, "decnet/v1/" + purpose)`.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        crate::stage::derive(&self.persona, purpose)
    }

    /// A random generator that always yields the same for this decky and purpose.
    pub fn derived_rng(&self, purpose: &str) -> ChaCha12Rng {
        ChaCha12Rng::from_seed(self.derive(purpose))
    }
}

/// How far a dialogue came with what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Took this many bytes off the front; call again if some are left. `Used(0)` counts as `NeedMore`.
    Used(usize),
    /// An incomplete message: call again when more has come. Past [`Dialogue::appetite`] the stage
    /// closes with [`model::Why::Limit`].
    NeedMore,
    /// Close after what was sent has gone out.
    Hangup,
}

/// One visitor's conversation. No sockets, no clock, cannot fail. Must never panic, never grow without
/// bound, and never answer with more than the genuine product would.
pub trait Dialogue: Send {
    /// The connection is open (after TLS, if the door is a TLS door): greet, if the product does.
    fn open(&mut self, _out: &mut Reply) {}

    /// `input` is everything received and not yet used, never empty.
    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard;

    /// The visitor closed its sending half. What is left unused in the buffer is given. Return `false` to
    /// go on (the stage then waits only for wakes), `true` to close.
    fn half_closed(&mut self, _rest: &[u8], _out: &mut Reply) -> bool {
        true
    }

    /// TLS that [`Reply::start_tls`] asked for is established.
    fn secured(&mut self, _out: &mut Reply) {}

    /// The time asked for with [`Reply::wake_after`] has come. `Heard::Used(_)`: go on.
    fn wake(&mut self, _out: &mut Reply) -> Heard {
        Heard::NeedMore
    }

    /// Something happened on this conversation's data connection.
    fn side(&mut self, _what: Side<'_>, _out: &mut Reply) {}

    /// The connection is gone, whatever the reason. Notes and files may still be given; sends are lost.
    fn closed(&mut self, _out: &mut Reply) {}

    /// At a TLS door the visitor spoke something else: what the product answers in plain text, if
    /// anything. The stage closes afterwards. `input` is what came first, never empty.
    fn not_tls(&mut self, _input: &[u8], _out: &mut Reply) {}

    /// Largest number of unused input bytes the stage may hold for this dialogue. Default 64 KiB.
    fn appetite(&self) -> usize {
        64 * 1024
    }

    /// How long the visitor may be silent before the stage closes ([`Dialogue::idle`] is told first).
    fn patience(&self) -> Duration {
        Duration::from_secs(300)
    }

    /// Whether the product lets a visitor stay as long as he likes. If not, the stage ends the conversation after
    /// [`Limits::longest`](crate::stage::limits::Limits::longest).
    fn may_stay(&self) -> bool {
        false
    }

    /// There are too many visitors for one more: what the product says before it closes, if anything. Nothing else of
    /// this dialogue is called then.
    fn full(&mut self, _out: &mut Reply) {}

    /// The visitor was silent for [`Dialogue::patience`]: the last words the product says, if any.
    fn idle(&mut self, _out: &mut Reply) {}
}

/// What happens on a data connection.
#[derive(Debug)]
pub enum Side<'a> {
    /// A peer connected to the data door. `same_host`: from the same address as the conversation.
    Opened {
        same_host: bool,
    },
    Data(&'a [u8]),
    /// Everything sent with [`Reply::side_send`] has gone out.
    Drained,
    Closed,
}

/// Answers datagrams of one decky. Never sends more than three times what it got to a source.
pub trait Answerer: Send {
    /// `out.send` answers to the sender; several sends are several datagrams.
    fn hear(&mut self, from: SocketAddr, datagram: &[u8], out: &mut Reply);
}

/// A part of a terminal recording (asciicast v2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Starts a recording. Sizes in character cells.
    Start {
        width: u16,
        height: u16,
        term: String,
        command: Option<String>,
    },
    Output(Bytes),
    Input(Bytes),
    Resize {
        width: u16,
        height: u16,
    },
    /// Ends it; the stage then notes `SessionRecorded`. Implied when the connection ends.
    End,
}

/// A file to keep. The stage stores it under its sha256, within quotas, and notes `FileCaptured`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub path: Captured,
    pub bytes: Bytes,
    pub way: FileWay,
}

/// What the stage does for a dialogue, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Send(Bytes),
    /// One byte out of band (TCP urgent data), after everything sent before.
    Urgent(u8),
    /// Written to the spool before any later `Send` of the same turn leaves.
    Note(Saw),
    Keep(Kept),
    Record(Frame),
    /// Wait before the following acts; input is read meanwhile but not heard.
    Pause(Duration),
    /// Call [`Dialogue::wake`] after this time; a later `Wake` replaces an earlier one.
    Wake(Duration),
    /// Answer the client's TLS handshake from here on. Unused plaintext input is dropped (RFC 3207 §4.2).
    StartTls,
    SideSend(Bytes),
    SideClose,
    Hangup,
}

/// Collects what a dialogue wants done. Lives as long as the connection.
#[derive(Debug)]
pub struct Reply {
    now: Micros,
    rng: ChaCha12Rng,
    acts: Vec<Act>,
    pending: BytesMut,
    queued: usize,
    urgent: bool,
}

impl Reply {
    /// For the stage and for tests: time and randomness are given.
    pub fn new(now: Micros, seed: [u8; 32]) -> Self {
        Self { now, rng: ChaCha12Rng::from_seed(seed), acts: Vec::new(), pending: BytesMut::new(), queued: 0, urgent: false }
    }

    /// Sets the time that [`Reply::now`] tells. The stage does this before every call.
    pub fn set_now(&mut self, now: Micros) {
        self.now = now;
    }

    /// When the input being heard arrived.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Fresh randomness of this connection: nonces, challenges, jitter.
    pub fn rng(&mut self) -> &mut ChaCha12Rng {
        &mut self.rng
    }

    /// Fills `buffer` with fresh random bytes.
    pub fn random(&mut self, buffer: &mut [u8]) {
        self.rng.fill_bytes(buffer);
    }

    /// Sends bytes to the visitor. Consecutive sends are joined.
    pub fn send(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Sends one byte as TCP urgent data: a client that does not read it inline never sees it.
    pub fn send_urgent(&mut self, byte: u8) {
        self.act(Act::Urgent(byte));
    }

    /// Notes what was seen.
    pub fn note(&mut self, saw: impl Into<Saw>) {
        self.act(Act::Note(saw.into()));
    }

    /// Keeps a file the attacker brought.
    pub fn keep(&mut self, path: impl Into<Captured>, bytes: impl Into<Bytes>, way: FileWay) {
        self.act(Act::Keep(Kept { path: path.into(), bytes: bytes.into(), way }));
    }

    /// Adds to the terminal recording.
    pub fn record(&mut self, frame: Frame) {
        self.act(Act::Record(frame));
    }

    /// Waits before what follows.
    pub fn pause(&mut self, time: Duration) {
        self.act(Act::Pause(time));
    }

    /// Asks to be woken.
    pub fn wake_after(&mut self, time: Duration) {
        self.act(Act::Wake(time));
    }

    /// Turns the connection to TLS after what was sent so far.
    pub fn start_tls(&mut self) {
        self.act(Act::StartTls);
    }

    /// Sends on the data connection.
    pub fn side_send(&mut self, bytes: impl Into<Bytes>) {
        self.act(Act::SideSend(bytes.into()));
    }

    /// Closes the data connection and its door once everything has gone out.
    pub fn side_close(&mut self) {
        self.act(Act::SideClose);
    }

    /// Closes the connection after what was sent so far.
    pub fn hangup(&mut self) {
        self.act(Act::Hangup);
    }

    /// For the stage: bytes that are to be sent and were not taken yet.
    pub fn queued(&self) -> usize {
        self.queued + self.pending.len()
    }

    /// For the stage: whether what was collected must be done before more input is heard.
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// For the stage: whether nothing was collected.
    pub fn is_empty(&self) -> bool {
        self.acts.is_empty() && self.pending.is_empty()
    }

    /// Takes everything collected so far.
    pub fn take(&mut self) -> Vec<Act> {
        self.flush();
        self.queued = 0;
        self.urgent = false;
        std::mem::take(&mut self.acts)
    }

    fn act(&mut self, act: Act) {
        self.flush();
        match &act {
            Act::Pause(_) | Act::StartTls | Act::Hangup => self.urgent = true,
            Act::Keep(kept) => self.queued += kept.bytes.len(),
            Act::SideSend(bytes) => self.queued += bytes.len(),
            _ => {}
        }
        self.acts.push(act);
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            self.queued += self.pending.len();
            // Taken whole, so that an idle conversation keeps no buffer.
            self.acts.push(Act::Send(std::mem::take(&mut self.pending).freeze()));
        }
    }
}
