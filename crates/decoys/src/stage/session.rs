//! One visitor's connection from the first byte to the last: does, in order, what the dialogue wants done.

use bytes::{Buf, Bytes, BytesMut};
use model::{Captured, Envelope, Id, Micros, Saw, Why};
use rand::Rng;
use std::{
    convert::Infallible,
    io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};
use tokio::{net::TcpStream, time::Instant};

use super::{
    Entrance, Playing, Shared,
    limits::{BULKY, Ticket},
    line::{Line, Read},
    recording::{Recording, Terminal},
    scribe::Page,
    side::{News, SideLine},
    tls,
};
use crate::decoy::{Act, Dialogue, Frame, Heard, Kept, Reply, Side, Visit};

/// Answers gather up to this many bytes before they leave, if the visitor sent many requests at once.
const GATHER: usize = 64 * 1024;

/// How long one visitor's many requests may keep others waiting.
const SLICE: Duration = Duration::from_millis(1);

/// Longest wait for the first TLS message and for each step of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// Longest conversation where the product sets no bound; the kernel's own idea of a dead peer is far shorter.
const LONGEST_STAY: Duration = Duration::from_secs(7 * 86_400);

/// Longest pause for which events wait for the answer that follows.
const MOMENT: Duration = Duration::from_millis(20);

/// Files up to this size are written without leaving the thread.
const SMALL_FILE: usize = 256 * 1024;

pub(super) struct Session {
    shared: Arc<Shared>,
    decky: Arc<Playing>,
    entrance: Arc<Entrance>,
    visit: Visit,
    dialogue: Box<dyn Dialogue>,
    reply: Reply,
    line: Line,
    input: BytesMut,
    /// What all events of this conversation have in common.
    envelope: Envelope,
    page: Page,
    /// Events of this conversation may still wait for company in front of the spool.
    late: bool,
    recording: Option<Box<Recording>>,
    recordings: u32,
    side: Option<Box<SideLine>>,
    began: Instant,
    heard: Instant,
    wake: Option<Instant>,
    /// The visitor closed its sending half; whether the dialogue knows.
    ended: Option<bool>,
    _ticket: Ticket,
}

impl Session {
    pub(super) fn new(
        shared: Arc<Shared>,
        decky: Arc<Playing>,
        entrance: Arc<Entrance>,
        stream: TcpStream,
        visit: Visit,
        ticket: Ticket,
    ) -> Box<Self> {
        let mut seed = [0; 32];
        rand::rng().fill_bytes(&mut seed);
        let now = Instant::now();
        Box::new(Self {
            dialogue: (entrance.make)(&visit),
            envelope: Envelope::new(&visit.persona.decky, visit.service, Some(visit.session), Some(visit.peer), Some(visit.local)),
            reply: Reply::new(visit.at, seed),
            line: Line::new(stream),
            shared,
            decky,
            entrance,
            visit,
            input: BytesMut::new(),
            page: Page::default(),
            late: false,
            recording: None,
            recordings: 0,
            side: None,
            began: now,
            heard: now,
            wake: None,
            ended: None,
            _ticket: ticket,
        })
    }

    /// Holds the conversation. `syn` is what the kernel saved.
    pub(super) async fn run(mut self: Box<Self>, syn: Option<Captured>) {
        self.note_at(self.visit.at, Saw::Connect { syn });
        let Err(why) = self.converse().await;
        self.reply.take();
        self.tell(|d, out| d.closed(out));
        for act in self.reply.take() {
            match act {
                Act::Note(saw) => self.note(saw),
                Act::Keep(kept) => self.keep(kept).await,
                Act::Record(frame) => self.record(frame),
                _ => {}
            }
        }
        self.end_recording();
        self.side = None;
        self.visit.side.release();
        if matches!(why, Why::Done | Why::Idle | Why::Limit | Why::Stopped) {
            self.line.finish().await;
        }
        let disconnect = Saw::Disconnect {
            duration_us: u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX),
            bytes_in: self.line.bytes_in,
            bytes_out: self.line.bytes_out,
            why,
        };
        self.note_at(now(), disconnect);
        self.shared.scribe.write_soon(&mut self.page);
        self.shared.memories.leave(&self.visit.persona.decky, self.visit.peer.ip());
    }

    async fn converse(&mut self) -> Result<Infallible, Why> {
        if self.visit.tls {
            self.enter_tls().await?;
        }
        self.tell(|d, out| d.open(out));
        self.perform().await?;
        if self.line.bytes_out == 0 {
            // Most who speak first have spoken already.
            let read = self.line.read_at_once(&mut self.input);
            self.has_read(read)?;
        }
        loop {
            self.hear().await?;
            if self.ended == Some(false) {
                self.ended = Some(true);
                let rest = self.input.split();
                let mut over = false;
                self.tell(|d, out| over = d.half_closed(&rest, out));
                self.perform().await?;
                if over {
                    return Err(Why::Visitor);
                }
            }
            self.settle();
            self.wait().await?;
        }
    }

    /// Lets the dialogue hear everything that came; others have their turn in between.
    async fn hear(&mut self) -> Result<(), Why> {
        let mut began = Instant::now();
        while !self.input.is_empty() {
            if began.elapsed() > SLICE {
                tokio::task::yield_now().await;
                began = Instant::now();
            }
            self.shared.scribe.room().await;
            let heard = loop {
                let heard = self.dialogue.hear(&self.input, &mut self.reply);
                let Heard::Used(n @ 1..) = heard else { break heard };
                self.input.advance(n.min(self.input.len()));
                let long = self.reply.queued() > GATHER || began.elapsed() > SLICE;
                if self.input.is_empty() || self.reply.is_urgent() || long {
                    break heard;
                }
            };
            self.perform().await?;
            match heard {
                Heard::Used(1..) => {}
                Heard::Hangup => return Err(Why::Done),
                Heard::Used(0) | Heard::NeedMore if self.input.len() > self.dialogue.appetite() => return Err(Why::Limit),
                Heard::Used(0) | Heard::NeedMore => return Ok(()),
            }
        }
        Ok(())
    }

    /// Before an answer: everything noted is in the spool.
    fn write(&mut self) {
        if std::mem::take(&mut self.late) || !self.page.is_empty() {
            self.shared.scribe.write(&mut self.page);
        }
    }

    /// Before a wait: everything noted is on its way to the spool and no empty buffer is held.
    fn settle(&mut self) {
        self.late |= !self.page.is_empty();
        self.shared.scribe.write_soon(&mut self.page);
        if let Some(recording) = &mut self.recording {
            recording.flush();
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// Waits for the next thing to happen and tells the dialogue, except for input, which is read.
    async fn wait(&mut self) -> Result<(), Why> {
        let idle = self.heard + self.dialogue.patience();
        let last = self.last();
        let until = self.wake.map_or(idle, |w| w.min(idle)).min(last);
        let news = tokio::select! {
            biased;
            () = self.decky.sessions.cancelled() => return Err(Why::Stopped),
            ready = self.line.readable(), if self.ended.is_none() => {
                let read = match ready {
                    Ok(()) => self.line.read(&mut self.input).await,
                    Err(e) => Err(e),
                };
                self.has_read(read)?;
                return Ok(());
            }
            () = self.shared.squeeze.notified(), if self.is_bulky() => return Err(Why::Limit),
            news = side_news(&mut self.side), if self.side.is_some() => Some(news),
            () = tokio::time::sleep_until(until) => None,
        };
        self.reply.set_now(now());
        match news {
            Some(news) => self.side_happened(news).await,
            None => self.time_came().await,
        }
    }

    async fn time_came(&mut self) -> Result<(), Why> {
        let at = Instant::now();
        if self.wake.is_some_and(|w| w <= at) {
            self.wake = None;
            let heard = self.dialogue.wake(&mut self.reply);
            self.perform().await?;
            return if heard == Heard::Hangup { Err(Why::Done) } else { Ok(()) };
        }
        if self.last() <= at {
            return Err(Why::Limit);
        }
        if self.heard + self.dialogue.patience() <= at {
            self.dialogue.idle(&mut self.reply);
            self.perform().await?;
            return Err(Why::Idle);
        }
        Ok(())
    }

    /// When this conversation is ended whatever happens.
    fn last(&self) -> Instant {
        self.began + if self.dialogue.may_stay() { LONGEST_STAY } else { self.shared.limits.longest }
    }

    async fn side_happened(&mut self, news: News) -> Result<(), Why> {
        self.heard = Instant::now();
        match news {
            News::Opened { same_host } => self.dialogue.side(Side::Opened { same_host }, &mut self.reply),
            News::Data(data) => self.dialogue.side(Side::Data(&data), &mut self.reply),
            News::Drained => self.dialogue.side(Side::Drained, &mut self.reply),
            News::Closed => {
                self.side = None;
                self.visit.side.release();
                self.dialogue.side(Side::Closed, &mut self.reply);
            }
            News::Over => {
                self.side = None;
                self.visit.side.release();
            }
        }
        self.perform().await
    }

    /// Does everything the dialogue asked for, in order.
    async fn perform(&mut self) -> Result<(), Why> {
        while !self.reply.is_empty() {
            if self.reply.queued() > self.shared.limits.queued {
                tracing::warn!(service = self.visit.service, bytes = self.reply.queued(), "a dialogue wanted to say too much");
                return Err(Why::Limit);
            }
            self.mind_side();
            let mut out = Vec::new();
            for act in self.reply.take() {
                match act {
                    Act::Send(bytes) => out.push(bytes),
                    Act::Note(saw) => self.note(saw),
                    Act::Keep(kept) => self.keep(kept).await,
                    Act::Record(frame) => self.record(frame),
                    Act::Wake(time) => self.wake = Some(Instant::now() + time),
                    Act::SideSend(bytes) => {
                        if let Some(side) = &mut self.side {
                            side.send(bytes);
                        }
                    }
                    Act::SideClose => match &mut self.side {
                        Some(side) => side.close(),
                        None => self.visit.side.release(),
                    },
                    Act::Urgent(byte) => {
                        self.deliver(&mut out).await?;
                        self.line.urgent(byte);
                    }
                    Act::Pause(time) => {
                        self.deliver(&mut out).await?;
                        self.pause(time).await?;
                    }
                    Act::StartTls => {
                        self.deliver(&mut out).await?;
                        self.input.clear();
                        let first = self.first_words().await?;
                        self.secure(&first).await?;
                        self.tell(|d, out| d.secured(out));
                    }
                    Act::Hangup => {
                        self.deliver(&mut out).await?;
                        return Err(Why::Done);
                    }
                }
            }
            self.deliver(&mut out).await?;
        }
        Ok(())
    }

    /// Writes what was noted, then sends.
    async fn deliver(&mut self, out: &mut Vec<Bytes>) -> Result<(), Why> {
        if out.is_empty() {
            return Ok(());
        }
        self.write();
        let parts = std::mem::take(out);
        let joined;
        let bytes: &[u8] = match parts.as_slice() {
            [one] => one,
            many => {
                joined = many.concat();
                &joined
            }
        };
        let patience = self.dialogue.patience();
        tokio::select! {
            biased;
            sent = self.line.write(bytes) => sent.map_err(|e| broken(&e)),
            () = self.decky.sessions.cancelled() => Err(Why::Stopped),
            () = tokio::time::sleep(patience) => Err(Why::Idle),
        }
    }

    /// Waits, reading meanwhile what comes but saying nothing of it.
    async fn pause(&mut self, time: Duration) -> Result<(), Why> {
        // What is written before the answer anyhow need not be written now as well, unless somebody watches.
        if time > MOMENT {
            self.settle();
        }
        let until = Instant::now() + time;
        loop {
            let hungry = self.ended.is_none() && self.input.len() < self.dialogue.appetite();
            tokio::select! {
                biased;
                () = self.decky.sessions.cancelled() => return Err(Why::Stopped),
                ready = self.line.readable(), if hungry => {
                    let read = match ready {
                        Ok(()) => self.line.read(&mut self.input).await,
                        Err(e) => Err(e),
                    };
                    let arrived = self.reply.now();
                    self.has_read(read)?;
                    self.reply.set_now(arrived);
                }
                () = tokio::time::sleep_until(until) => {
                    self.reply.set_now(now());
                    return Ok(());
                }
            }
        }
    }

    fn has_read(&mut self, read: io::Result<Read>) -> Result<(), Why> {
        match read.map_err(|e| broken(&e))? {
            Read::Some(_) => {
                self.heard = Instant::now();
                self.reply.set_now(now());
                if self.is_bulky() && self.shared.tight.load(Ordering::Acquire) {
                    return Err(Why::Limit);
                }
            }
            Read::None => {}
            Read::End => {
                self.reply.set_now(now());
                self.ended = Some(false);
            }
        }
        Ok(())
    }

    /// Whether the visitor brought so much that it may hold memory.
    fn is_bulky(&self) -> bool {
        self.line.bytes_in > BULKY
    }

    /// TLS from the first byte.
    async fn enter_tls(&mut self) -> Result<(), Why> {
        let first = self.first_words().await?;
        if tls::hello_length(&first).is_none() {
            self.dialogue.not_tls(&first, &mut self.reply);
            if !self.reply.is_empty() {
                self.perform().await?;
                return Err(Why::Done);
            }
        }
        self.secure(&first).await
    }

    async fn first_words(&mut self) -> Result<BytesMut, Why> {
        self.settle();
        let first = tokio::select! {
            biased;
            first = self.line.first_words() => first,
            () = self.decky.sessions.cancelled() => return Err(Why::Stopped),
            () = tokio::time::sleep(HANDSHAKE) => return Err(Why::Idle),
        };
        self.heard = Instant::now();
        self.reply.set_now(now());
        first.map_err(|e| broken(&e))?.ok_or(Why::Visitor)
    }

    async fn secure(&mut self, first: &[u8]) -> Result<(), Why> {
        if let Some(hello) = tls::hello(first) {
            self.note(Saw::TlsClientHello { hello: Captured::copy(hello) });
        }
        self.write();
        let context = self.decky.tls(&self.shared, self.visit.service).await.ok_or(Why::Broken)?;
        let shaken = tokio::select! {
            biased;
            shaken = self.line.handshake(&context, first) => shaken,
            () = self.decky.sessions.cancelled() => return Err(Why::Stopped),
            () = tokio::time::sleep(HANDSHAKE) => return Err(Why::Idle),
        };
        shaken.map_err(|e| {
            tracing::debug!(service = self.visit.service, "handshake: {e}");
            Why::Broken
        })?;
        self.heard = Instant::now();
        // The first request may have come with the end of the handshake.
        let read = self.line.read(&mut self.input).await;
        self.has_read(read)
    }

    /// Opens the data door that the dialogue reserved in this turn.
    fn mind_side(&mut self) {
        let reserved = self.visit.side.reserved();
        if reserved == self.side.as_ref().map(|s| s.port) {
            return;
        }
        self.side = None;
        let (Some(port), Some(sockets)) = (reserved, &self.entrance.side) else { return };
        match sockets.open(port, self.visit.peer.ip()) {
            Ok(side) => self.side = Some(Box::new(side)),
            Err(e) => tracing::warn!(decky = %self.visit.persona.decky, port, "a data door cannot be opened: {e}"),
        }
    }

    fn tell(&mut self, what: impl FnOnce(&mut DialogueObject, &mut Reply)) {
        what(self.dialogue.as_mut(), &mut self.reply);
    }

    fn note(&mut self, saw: Saw) {
        self.note_at(self.reply.now(), saw);
    }

    fn note_at(&mut self, at: Micros, saw: Saw) {
        let mut random = [0; 10];
        rand::rng().fill_bytes(&mut random);
        self.page.add_in(&self.envelope, Id::at(at, random), at, &saw);
    }

    async fn keep(&mut self, kept: Kept) {
        let decky = self.visit.persona.decky.clone();
        let ip = self.visit.peer.ip();
        let saw = if kept.bytes.len() <= SMALL_FILE {
            self.shared.artifacts.keep(&kept, &decky, ip)
        } else {
            let shared = Arc::clone(&self.shared);
            match tokio::task::spawn_blocking(move || shared.artifacts.keep(&kept, &decky, ip)).await {
                Ok(saw) => saw,
                Err(e) => {
                    tracing::error!("a file could not be kept: {e}");
                    return;
                }
            }
        };
        self.note(saw);
    }

    fn record(&mut self, frame: Frame) {
        let at = std::time::Instant::now();
        match (frame, &mut self.recording) {
            (Frame::Start { width, height, term, command }, _) => {
                // Clients without a terminal say 0 by 0; programs then take the usual size.
                let (width, height) = (if width == 0 { 80 } else { width }, if height == 0 { 24 } else { height });
                self.end_recording();
                self.recordings += 1;
                let name = match self.recordings {
                    1 => format!("{}.cast", self.visit.session),
                    n => format!("{}-{n}.cast", self.visit.session),
                };
                let shell = self.visit.persona.accounts.first().map(|a| a.shell.as_str());
                let terminal =
                    Terminal { width, height, term: &term, command: command.as_deref(), shell, timestamp: self.reply.now().seconds() };
                let folder = self.shared.transcripts.join(super::file_name(self.visit.persona.decky.name()));
                self.recording = Some(Box::new(Recording::begin(&folder, name, &terminal, at)));
            }
            (Frame::Output(bytes), Some(recording)) => recording.output(&bytes, at),
            (Frame::Input(bytes), Some(recording)) => recording.input(&bytes, at),
            (Frame::Resize { width, height }, Some(recording)) => recording.resize(width, height, at),
            (Frame::End, _) => self.end_recording(),
            (_, None) => {}
        }
    }

    fn end_recording(&mut self) {
        if let Some(recording) = self.recording.take() {
            let saw = recording.end(std::time::Instant::now());
            self.note(saw);
        }
    }
}

type DialogueObject = dyn Dialogue + 'static;

async fn side_news(side: &mut Option<Box<SideLine>>) -> News {
    match side {
        Some(side) => side.news().await,
        None => std::future::pending().await,
    }
}

fn broken(e: &io::Error) -> Why {
    if e.kind() == io::ErrorKind::BrokenPipe { Why::Visitor } else { Why::Broken }
}

pub(super) fn now() -> Micros {
    Micros::of(SystemTime::now())
}
