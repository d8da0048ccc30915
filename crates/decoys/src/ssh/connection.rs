//! After login: global requests, channels opened and asked things (RFC 4254), forwarding. Nothing here
//! ever connects anywhere.

mod forward;

use model::{Account, Micros, Saw};
use std::collections::BTreeMap;

use super::{
    channel::{Channel, MAX_PACKET},
    hostkeys::HostKeys,
    message::{Bye, Reader, Writer, msg},
    program::Program,
    scp::Scp,
    sender::Sender,
    sftp::Sftp,
};
use crate::{
    decoy::{Frame, Reply, Visit},
    shell::{Login, Shell, Tty},
};

/// `MaxSessions`.
const MAX_SESSIONS: usize = 10;
/// Most forwarded connections that wait for their time to fail.
const MAX_PENDING: usize = 256;
/// Most environment variables a session takes, as the product limits them.
const MAX_ENV: usize = 128;

/// Reasons of CHANNEL_OPEN_FAILURE.
const PROHIBITED: u32 = 1;
const CONNECT_FAILED: u32 = 2;

/// An authenticated connection.
pub(super) struct Connection {
    visit: Visit,
    account: Account,
    openssh: bool,
    /// Version imitated.
    version: (u8, u8),
    channels: BTreeMap<u32, Channel>,
    /// Forwarded connections that will fail: when, our number, the visitor's number, what the product says then.
    pending: Vec<(Micros, u32, u32, &'static str)>,
    no_more_sessions: bool,
    /// Agent forwarding was asked for; once per connection.
    agent: bool,
    forwards: Vec<(Vec<u8>, u32)>,
}

impl Connection {
    pub(super) fn new(visit: &Visit, account: Account, openssh: bool, version: (u8, u8)) -> Self {
        Self {
            version,
            visit: visit.clone(),
            account,
            openssh,
            channels: BTreeMap::new(),
            pending: Vec::new(),
            no_more_sessions: false,
            agent: false,
            forwards: Vec::new(),
        }
    }

    /// A message of the connection protocol; `false` if the product does not know it here.
    pub(super) fn hear(
        &mut self,
        payload: &[u8],
        keys: &HostKeys,
        session: &[u8],
        sender: &mut Sender,
        out: &mut Reply,
    ) -> Result<bool, Bye> {
        let mut r = Reader(payload);
        match r.u8()? {
            msg::GLOBAL_REQUEST => self.global(r, keys, session, sender, out)?,
            msg::CHANNEL_OPEN => self.open(r, sender, out)?,
            msg::CHANNEL_WINDOW_ADJUST => {
                // For a channel that is not there the product only logs it.
                if let Some(channel) = self.channels.get_mut(&r.u32()?) {
                    let by = r.u32()?;
                    r.end()?;
                    channel.widen(by)?;
                }
            }
            msg::CHANNEL_DATA => {
                let channel = self.channel(r.u32()?, "data")?;
                let data = r.string()?;
                r.end()?;
                channel.data(data, out)?;
            }
            msg::CHANNEL_EXTENDED_DATA => {
                self.channel(r.u32()?, "extended data")?;
                r.u32()?;
                r.string()?;
                r.end()?;
            }
            msg::CHANNEL_EOF => {
                let channel = self.channel(r.u32()?, "ieof")?;
                r.end()?;
                channel.eof(out);
            }
            msg::CHANNEL_CLOSE => {
                let id = r.u32()?;
                if let Some(at) = self.pending.iter().position(|p| p.1 == id) {
                    self.pending.remove(at);
                    return Ok(true);
                }
                let openssh = self.openssh;
                let channel = self.channel(id, "oclose")?;
                r.end()?;
                channel.close(openssh, sender, out);
            }
            msg::CHANNEL_REQUEST => self.request(r, sender, out)?,
            // Answers to keepalives we never send, and to requests that want none.
            msg::CHANNEL_SUCCESS | msg::CHANNEL_FAILURE | msg::REQUEST_SUCCESS | msg::REQUEST_FAILURE => {}
            msg::CHANNEL_OPEN_CONFIRMATION => {
                let id = r.u32()?;
                self.channel(id, "open confirmation")?;
                return Err(Bye::Say(format!("Received open confirmation for non-opening channel {id}.")));
            }
            msg::CHANNEL_OPEN_FAILURE => {
                let id = r.u32()?;
                self.channel(id, "open failure")?;
                return Err(Bye::Say(format!("Received open failure for non-opening channel {id}.")));
            }
            // Authentication is over; further requests are ignored without a word.
            msg::USERAUTH_REQUEST => return Ok(false),
            _ => return Ok(false),
        }
        self.channels.retain(|_, c| !c.over());
        Ok(true)
    }

    fn channel(&mut self, id: u32, what: &str) -> Result<&mut Channel, Bye> {
        self.channels.get_mut(&id).ok_or_else(|| Bye::Say(format!("{what} packet referred to nonexistent channel {id}")))
    }

    fn global(&mut self, mut r: Reader<'_>, keys: &HostKeys, session: &[u8], sender: &mut Sender, out: &mut Reply) -> Result<(), Bye> {
        let name = r.cstring()?;
        let answer = r.bool()?;
        let mut reply = Some(Vec::new());
        match name {
            b"tcpip-forward" => {
                let host = r.cstring()?;
                let port = r.u32()?;
                noted("tcpip_forward", host, port, out);
                reply = self.listen(host, port, answer, sender, out);
            }
            b"cancel-tcpip-forward" => {
                let host = r.cstring()?;
                let port = r.u32()?;
                let at = self.forwards.iter().position(|(h, p)| h == host && *p == port);
                reply = at.map(|at| {
                    self.forwards.remove(at);
                    Vec::new()
                });
            }
            b"streamlocal-forward@openssh.com" => {
                let path = r.cstring()?;
                out.note(Saw::noted("streamlocal_forward", [("path", path)]));
                if self.forwards.len() < MAX_PENDING && self.binds(path, out.now()) {
                    self.forwards.push((path.to_vec(), u32::MAX));
                } else {
                    reply = None;
                }
            }
            b"cancel-streamlocal-forward@openssh.com" => {
                let path = r.cstring()?;
                let at = self.forwards.iter().position(|(h, p)| h == path && *p == u32::MAX);
                reply = at.map(|at| {
                    self.forwards.remove(at);
                    Vec::new()
                });
            }
            b"no-more-sessions@openssh.com" => self.no_more_sessions = true,
            b"hostkeys-prove-00@openssh.com" => reply = prove(r, keys, session),
            _ => reply = None,
        }
        if answer {
            let message = match reply {
                Some(body) => Writer::message(msg::REQUEST_SUCCESS).raw(&body),
                None => Writer::message(msg::REQUEST_FAILURE),
            };
            sender.send(message.0, out);
        }
        Ok(())
    }

    fn open(&mut self, mut r: Reader<'_>, sender: &mut Sender, out: &mut Reply) -> Result<(), Bye> {
        let kind = r.cstring()?;
        let (remote, window, packet) = (r.u32()?, r.u32()?, r.u32()?);
        let mut refuse = |reason: u32, text: &str, out: &mut Reply| {
            let w = Writer::message(msg::CHANNEL_OPEN_FAILURE).u32(remote).u32(reason);
            sender.send(w.string(text.as_bytes()).string(b"").0, out);
        };
        match kind {
            b"session" => {
                r.end()?;
                if self.no_more_sessions {
                    return Err(Bye::Say("Possible attack: attempt to open a session after additional sessions disabled".into()));
                }
                if self.channels.len() >= MAX_SESSIONS {
                    refuse(CONNECT_FAILED, "open failed", out);
                    return Ok(());
                }
                let local = self.free_number();
                self.channels.insert(local, Channel::new(local, remote, window, packet));
                let w = Writer::message(msg::CHANNEL_OPEN_CONFIRMATION).u32(remote).u32(local).u32(0).u32(MAX_PACKET);
                sender.send(w.0, out);
            }
            b"direct-tcpip" => {
                let host = r.cstring()?;
                let port = r.u32()?;
                r.cstring()?;
                let origin = r.u32()?;
                r.end()?;
                noted("direct_tcpip", host, port, out);
                if port > 65535 || origin > 65535 {
                    refuse(PROHIBITED, "open failed", out);
                    return Ok(());
                }
                let (after, text) = self.unreachable(host, out);
                let local = self.free_number();
                if self.pending.len() >= MAX_PENDING {
                    refuse(CONNECT_FAILED, "open failed", out);
                } else {
                    self.pending.push((out.now().plus(after), local, remote, text));
                }
            }
            b"direct-streamlocal@openssh.com" => {
                let path = r.cstring()?;
                r.string()?;
                r.u32()?;
                r.end()?;
                out.note(Saw::noted("direct_streamlocal", [("path", path)]));
                refuse(CONNECT_FAILED, "open failed", out);
            }
            b"tun@openssh.com" => {
                // Layer 3 and layer 2 are the modes there are; neither is permitted.
                let text = if matches!(r.u32()?, 1 | 2) {
                    "Server has rejected tunnel device forwarding"
                } else {
                    "Unsupported tunnel device mode."
                };
                let debug = Writer::message(msg::DEBUG).bool(false).string(text.as_bytes()).string(b"");
                sender.send(debug.0, out);
                let w = Writer::message(msg::CHANNEL_OPEN_FAILURE).u32(remote).u32(CONNECT_FAILED);
                sender.send(w.string(b"open failed").string(b"").0, out);
            }
            _ => refuse(CONNECT_FAILED, "open failed", out),
        }
        Ok(())
    }

    fn free_number(&self) -> u32 {
        let taken = |n: &u32| self.channels.contains_key(n) || self.pending.iter().any(|p| p.1 == *n);
        (0..).find(|n| !taken(n)).unwrap_or_default()
    }

    fn request(&mut self, mut r: Reader<'_>, sender: &mut Sender, out: &mut Reply) -> Result<(), Bye> {
        let id = r.u32()?;
        let name = r.cstring()?;
        let answer = r.bool()?;
        if !self.channels.contains_key(&id) {
            return Err(Bye::Say(format!("server_input_channel_req: unknown channel {id}")));
        }
        let done = match name {
            b"exec" | b"shell" | b"subsystem" => match self.program(id, name, r, out)? {
                Some((program, record)) => {
                    if let Some(channel) = self.channels.get_mut(&id) {
                        channel.interactive = name == b"shell";
                        channel.start(program, answer, record, sender, out);
                    }
                    return Ok(());
                }
                None => false,
            },
            b"eow@openssh.com" => {
                r.end()?;
                false
            }
            _ => self.ask(id, name, r, out)?,
        };
        let channel = self.channel(id, "request")?;
        if answer && channel.answers() {
            let number = if done { msg::CHANNEL_SUCCESS } else { msg::CHANNEL_FAILURE };
            let remote = channel.remote;
            sender.send(Writer::message(number).u32(remote).0, out);
        }
        Ok(())
    }

    /// Requests that start nothing.
    fn ask(&mut self, id: u32, name: &[u8], mut r: Reader<'_>, out: &mut Reply) -> Result<bool, Bye> {
        let used: Vec<String> = self.channels.values().filter_map(|c| c.tty.as_ref().map(|t| t.name.clone())).collect();
        let channel = self.channel(id, "request")?;
        let idle = !channel.running();
        match name {
            b"pty-req" if idle => {
                let term = String::from_utf8_lossy(r.cstring()?).into_owned();
                let (cols, rows) = (r.u32()?, r.u32()?);
                r.u32()?;
                r.u32()?;
                let _modes = r.string()?;
                r.end()?;
                if channel.tty.is_some() {
                    return Err(Bye::Say("Protocol error: you already have a pty.".into()));
                }
                let name = (0..).map(|n| format!("pts/{n}")).find(|n| !used.contains(n)).unwrap_or_default();
                let term = term.chars().take(256).collect();
                channel.tty = Some(Tty { cols: cells(cols), rows: cells(rows), term, name });
                Ok(true)
            }
            b"env" if idle => {
                let (key, value) = (r.cstring()?, r.cstring()?);
                r.end()?;
                out.note(Saw::noted("env", [("name", key), ("value", value)]));
                let taken = (key == b"LANG" || key.starts_with(b"LC_")) && channel.env.len() < MAX_ENV;
                if taken {
                    let text = |b: &[u8]| String::from_utf8_lossy(b.get(..4096).unwrap_or(b)).into_owned();
                    channel.env.push((text(key), text(value)));
                }
                Ok(taken)
            }
            b"x11-req" if idle => {
                r.bool()?;
                r.cstring()?;
                r.cstring()?;
                r.u32()?;
                r.end()?;
                out.note(Saw::noted("x11_request", []));
                Ok(!std::mem::replace(&mut channel.x11, true))
            }
            b"auth-agent-req@openssh.com" if idle => {
                out.note(Saw::noted("agent_request", []));
                Ok(!std::mem::replace(&mut self.agent, true))
            }
            b"window-change" => {
                let (cols, rows) = (r.u32()?, r.u32()?);
                r.u32()?;
                r.u32()?;
                r.end()?;
                channel.resize(cells(cols), cells(rows), out);
                Ok(true)
            }
            b"break" => {
                r.u32()?;
                r.end()?;
                Ok(channel.tty.is_some())
            }
            b"signal" => {
                let name = r.cstring()?;
                r.end()?;
                out.note(Saw::noted("signal", [("name", name)]));
                Ok(channel.signal(name, out))
            }
            _ => Ok(false),
        }
    }

    /// What `exec`, `shell` and `subsystem` start, if the channel does not run something already.
    fn program(&mut self, id: u32, name: &[u8], mut r: Reader<'_>, out: &mut Reply) -> Result<Option<(Program, Option<Frame>)>, Bye> {
        let argument = if name == b"shell" { None } else { Some(r.cstring()?) };
        r.end()?;
        let (visit, account, version) = (self.visit.clone(), self.account.clone(), self.version);
        let recording = self.channels.values().any(Channel::recorded);
        let channel = self.channel(id, "request")?;
        if channel.running() {
            return Ok(None);
        }
        let login = |command: Option<Vec<u8>>| Login {
            user: account.name.clone(),
            tty: channel.tty.clone(),
            service: "ssh",
            command,
            env: channel.env.clone(),
            peer_port: visit.peer.port(),
        };
        let now = out.now();
        if name == b"subsystem" {
            let subsystem = argument.unwrap_or_default();
            out.note(Saw::noted("subsystem", [("name", subsystem)]));
            if subsystem != b"sftp" {
                return Ok(None);
            }
            return Ok(Some((Program::Sftp(Box::new(Sftp::new(&visit, &account, version, now))), None)));
        }
        if let Some(command) = argument {
            if let Some(scp) = Scp::new(&visit, command, &account, now) {
                out.note(Saw::Command { line: command.into(), user: Some(account.name.clone()), cwd: Some(account.home.clone()) });
                return Ok(Some((Program::Scp(Box::new(scp)), None)));
            }
            if Sftp::serves(command) {
                out.note(Saw::Command { line: command.into(), user: Some(account.name.clone()), cwd: Some(account.home.clone()) });
                return Ok(Some((Program::Sftp(Box::new(Sftp::new(&visit, &account, version, now))), None)));
            }
        }
        let frame = (!recording).then(|| {
            let (width, height, term) =
                channel.tty.as_ref().map_or((80, 24, String::new()), |t| (t.cols.max(1), t.rows.max(1), t.term.clone()));
            Frame::Start { width, height, term, command: argument.map(|c| String::from_utf8_lossy(c).into_owned()) }
        });
        let shell = Shell::new(&visit, login(argument.map(<[u8]>::to_vec)), now);
        Ok(Some((Program::Shell(Box::new(shell)), frame)))
    }

    /// Sends waiting output; `true`: more could go out at once.
    pub(super) fn flush(&mut self, budget: &mut usize, sender: &mut Sender, out: &mut Reply) -> bool {
        let now = out.now();
        if self.pending.iter().any(|p| p.0 <= now) {
            for (_, _, remote, text) in self.pending.extract_if(.., |p| p.0 <= now) {
                let w = Writer::message(msg::CHANNEL_OPEN_FAILURE).u32(remote).u32(CONNECT_FAILED);
                sender.send(w.string(text.as_bytes()).string(b"").0, out);
            }
        }
        let mut more = false;
        for channel in self.channels.values_mut() {
            more |= channel.flush(self.openssh, budget, sender, out);
        }
        self.channels.retain(|_, c| !c.over());
        more
    }

    /// When something wants to be woken next.
    pub(super) fn next_wake(&self) -> Option<Micros> {
        self.channels.values().filter_map(|c| c.wake).chain(self.pending.iter().map(|p| p.0)).min()
    }

    pub(super) fn woken(&mut self, out: &mut Reply) {
        for channel in self.channels.values_mut() {
            channel.woken(out);
        }
    }

    /// The visitor is gone.
    pub(super) fn lost(&mut self, out: &mut Reply) {
        for channel in self.channels.values_mut() {
            channel.lost(out);
        }
    }
}

fn cells(n: u32) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

fn noted(what: &str, host: &[u8], port: u32, out: &mut Reply) {
    out.note(Saw::noted(what, [("host", host), ("port", port.to_string().as_bytes())]));
}

/// Signatures with the host keys asked for, over the session (OpenSSH PROTOCOL §2.5).
fn prove(mut r: Reader<'_>, keys: &HostKeys, session: &[u8]) -> Option<Vec<u8>> {
    let mut reply = Vec::new();
    for _ in 0..16 {
        if r.0.is_empty() {
            return Some(reply);
        }
        let blob = r.string().ok()?;
        let (key, algorithm) = [("ssh-ed25519"), ("ecdsa-sha2-nistp256"), ("rsa-sha2-512")]
            .into_iter()
            .filter_map(|name| Some((keys.serving(name)?, name)))
            .find(|(key, _)| key.blob == blob)?;
        let signed = Writer::new().string(b"hostkeys-prove-00@openssh.com").string(session).string(blob).0;
        let signature = key.sign(algorithm, &signed).ok()?;
        reply.extend_from_slice(&Writer::new().string(&signature).0);
    }
    None
}
