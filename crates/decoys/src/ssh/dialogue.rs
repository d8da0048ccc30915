//! The states of a connection: identification, key exchange, authentication, channels.

use model::{Micros, Saw};
use rand::Rng;
use std::{sync::Arc, time::Duration};

use super::{
    auth::{Auth, Scene, Verdict},
    connection::Connection,
    hostkeys::HostKeys,
    identification::{self, Client},
    kex::{self, AskedGroup, Choice, Method, Proposal, Transcript},
    message::{Bye, Reader, Writer, msg, reason},
    packet::{Inbound, Keys, Packet},
    profile::Profile,
    sender::Sender,
};
use crate::decoy::{Dialogue, Heard, Reply, Visit};

/// `LoginGraceTime`.
const GRACE: Duration = Duration::from_secs(120);
/// Most bytes sent in one turn; the rest goes when the stage has got rid of them.
const BUDGET: usize = 512 * 1024;

/// One visitor of the SSH server.
pub(super) struct Ssh {
    visit: Visit,
    profile: Profile,
    step: Step,
    /// When the login must be through.
    grace: Micros,
    /// What the stage was last asked to wake us for.
    armed: Option<Micros>,
    /// More output than one turn's budget is waiting.
    backlog: bool,
}

enum Step {
    Identification,
    Packets(Box<Live>),
    Over,
}

/// A connection that has got past the identification lines.
struct Live {
    client: Client,
    keys: Arc<HostKeys>,
    inbound: Inbound,
    sender: Sender,
    kexing: Kexing,
    /// Host key of the first key exchange.
    host_key: bytes::Bytes,
    /// First exchange hash, once there is one.
    session: Option<Vec<u8>>,
    strict: bool,
    extensions: bool,
    phase: Phase,
}

/// Where a key exchange stands.
enum Kexing {
    Idle,
    /// Our KEXINIT is out, the client's has not come.
    Offered {
        ours: Vec<u8>,
    },
    Agreed(Box<Exchange>),
    /// Our NEWKEYS are out; these keys open what follows the client's.
    Keyed(Box<Keys>),
}

struct Exchange {
    ours: Vec<u8>,
    theirs: Vec<u8>,
    choice: Choice,
    asked: Option<AskedGroup>,
}

enum Phase {
    /// No keys yet.
    Bare,
    /// Waiting for the ssh-userauth service.
    Service,
    Auth(Auth),
    Connected(Box<Connection>),
}

impl Ssh {
    pub(super) fn new(visit: &Visit) -> Self {
        Self {
            visit: visit.clone(),
            profile: Profile::of(&visit.persona),
            step: Step::Identification,
            grace: visit.at.plus(GRACE),
            armed: None,
            backlog: false,
        }
    }

    /// Takes one unit off the front of the input; zero if it is not complete.
    fn step(&mut self, input: &[u8], out: &mut Reply) -> Result<usize, Bye> {
        match &mut self.step {
            Step::Over => Ok(input.len()),
            Step::Identification => {
                let Some((used, client)) = identification::read(input, out)? else { return Ok(0) };
                let keys = HostKeys::of(&self.visit)?;
                let mut live = Live {
                    client,
                    keys,
                    inbound: Inbound::new(self.profile.version >= (9, 5)),
                    sender: Sender::default(),
                    kexing: Kexing::Idle,
                    host_key: bytes::Bytes::new(),
                    session: None,
                    strict: false,
                    extensions: false,
                    phase: Phase::Bare,
                };
                // The unprivileged process is made between the two lines.
                let time = moment(out, 2_400, 900);
                out.pause(time);
                live.offer(&self.profile, out);
                self.step = Step::Packets(Box::new(live));
                Ok(used)
            }
            Step::Packets(live) => {
                let Some((used, packet)) = live.inbound.open(input)? else { return Ok(0) };
                live.packet(&packet, &self.visit, &self.profile, out)?;
                if live.sender.overrun() {
                    return Err(Bye::Silent);
                }
                Ok(used)
            }
        }
    }

    /// Ends the connection the way the product does.
    fn leave(&mut self, bye: &Bye, out: &mut Reply) -> Heard {
        if let (Step::Packets(live), Bye::Say(text)) = (&mut self.step, bye) {
            let payload = Writer::message(msg::DISCONNECT).u32(reason::PROTOCOL_ERROR).string(text.as_bytes()).string(b"");
            live.sender.send(payload.0, out);
        }
        self.end(out);
        out.hangup();
        Heard::Hangup
    }

    fn end(&mut self, out: &mut Reply) {
        if let Step::Packets(live) = &mut self.step
            && let Phase::Connected(connection) = &mut live.phase
        {
            connection.lost(out);
        }
        self.step = Step::Over;
    }

    /// Sends waiting output and asks for the next wake.
    fn settle(&mut self, out: &mut Reply) {
        let mut next = Some(self.grace);
        self.backlog = false;
        if let Step::Packets(live) = &mut self.step {
            if live.worn() {
                live.offer(&self.profile, out);
            }
            if let Phase::Connected(connection) = &mut live.phase {
                let mut budget = BUDGET;
                self.backlog = connection.flush(&mut budget, &mut live.sender, out);
                next = connection.next_wake();
            }
        }
        if self.backlog {
            next = Some(out.now());
        }
        if next != self.armed || self.backlog {
            self.armed = next;
            if let Some(at) = next {
                out.wake_after(at.since(out.now()));
            }
        }
    }
}

/// A time of at least `least` microseconds, and a tail that is usually short: `tail` more on average.
fn moment(out: &mut Reply, least: u32, tail: u32) -> Duration {
    let rng = out.rng();
    let product = u64::from(rng.next_u32()) * u64::from(rng.next_u32()) >> 32;
    Duration::from_micros(u64::from(least) + (product * 4 * u64::from(tail) >> 32))
}

impl Dialogue for Ssh {
    fn open(&mut self, out: &mut Reply) {
        // A process is started for every visitor before anything is said.
        let time = moment(out, 7_500 + u32::from(self.visit.derive("ssh/pace")[0]) * 16, 2_500);
        out.pause(time);
        out.send(self.profile.banner.as_bytes());
        out.send(b"\r\n");
        self.armed = Some(self.grace);
        out.wake_after(GRACE);
    }

    fn hear(&mut self, input: &[u8], out: &mut Reply) -> Heard {
        let mut used = 0;
        let mut budget = 256 * 1024;
        while let Some(rest) = input.get(used..).filter(|r| !r.is_empty()) {
            match self.step(rest, out) {
                Ok(0) => break,
                Ok(n) => {
                    used += n;
                    budget -= n.min(budget);
                    if budget == 0 {
                        break;
                    }
                }
                Err(bye) => return self.leave(&bye, out),
            }
        }
        self.settle(out);
        if used == 0 { Heard::NeedMore } else { Heard::Used(used) }
    }

    fn wake(&mut self, out: &mut Reply) -> Heard {
        self.armed = None;
        match &mut self.step {
            Step::Packets(live) => match &mut live.phase {
                Phase::Connected(connection) => {
                    connection.woken(out);
                }
                _ if out.now() >= self.grace => return self.leave(&Bye::Silent, out),
                _ => {}
            },
            Step::Identification if out.now() >= self.grace => return self.leave(&Bye::Silent, out),
            _ => {}
        }
        self.settle(out);
        Heard::Used(0)
    }

    fn half_closed(&mut self, _rest: &[u8], _out: &mut Reply) -> bool {
        true
    }

    fn closed(&mut self, out: &mut Reply) {
        self.end(out);
    }

    fn appetite(&self) -> usize {
        // A packet of the largest size with its length field and tag, and a little of the next.
        320 * 1024
    }

    fn patience(&self) -> Duration {
        // The product has no idle limit of its own; before login the grace time rules.
        Duration::from_secs(12 * 3600)
    }
}

impl Live {
    fn worn(&self) -> bool {
        matches!(self.kexing, Kexing::Idle) && self.session.is_some() && (self.inbound.worn() || self.sender.seal.worn())
    }

    /// Sends our KEXINIT.
    fn offer(&mut self, profile: &Profile, out: &mut Reply) {
        let mut cookie = [0u8; 16];
        out.random(&mut cookie);
        let ours = kex::kexinit(profile, cookie);
        self.sender.send(ours.clone(), out);
        self.sender.shut();
        self.kexing = Kexing::Offered { ours };
    }

    fn packet(&mut self, packet: &Packet, visit: &Visit, profile: &Profile, out: &mut Reply) -> Result<(), Bye> {
        let payload = packet.payload.as_slice();
        let kind = payload.first().copied().unwrap_or_default();
        let mut body = Reader(payload.get(1..).unwrap_or_default());
        let strict_start = self.strict && self.session_is_new();
        match kind {
            msg::DISCONNECT => return Err(Bye::Silent),
            msg::IGNORE if !strict_start => return Ok(()),
            msg::DEBUG if !strict_start => {
                body.bool()?;
                body.string()?;
                body.string()?;
                return Ok(());
            }
            msg::UNIMPLEMENTED if !strict_start => {
                body.u32()?;
                return Ok(());
            }
            192 => {
                self.sender.send(Writer::message(193).string(body.string()?).0, out);
                return Ok(());
            }
            msg::KEXINIT if self.may_exchange() => return self.kexinit(packet, profile, out),
            1..=49 if !matches!(self.kexing, Kexing::Idle) => return self.exchange(packet, profile, out),
            _ => {}
        }
        match &mut self.phase {
            Phase::Bare => Err(Bye::Silent),
            Phase::Service | Phase::Auth(_) => self.login(packet, visit, profile, out),
            Phase::Connected(connection) => {
                if connection.hear(payload, &self.keys, self.session.as_deref().unwrap_or_default(), &mut self.sender, out)? {
                    return Ok(());
                }
                self.unimplemented(packet.sequence, out);
                Ok(())
            }
        }
    }

    /// Whether a KEXINIT is expected. While somebody logs in the product does not know that message.
    fn may_exchange(&self) -> bool {
        match self.kexing {
            Kexing::Offered { .. } => true,
            Kexing::Idle => matches!(self.phase, Phase::Bare | Phase::Connected(_)),
            _ => false,
        }
    }

    /// The first key exchange is not through.
    fn session_is_new(&self) -> bool {
        matches!(self.phase, Phase::Bare)
    }

    fn unimplemented(&mut self, sequence: u32, out: &mut Reply) {
        self.sender.send(Writer::message(msg::UNIMPLEMENTED).u32(sequence).0, out);
    }

    fn kexinit(&mut self, packet: &Packet, profile: &Profile, out: &mut Reply) -> Result<(), Bye> {
        let proposal = Proposal::read(&packet.payload)?;
        if matches!(self.kexing, Kexing::Idle) {
            self.offer(profile, out);
        }
        if self.session_is_new() {
            out.note(Saw::SshClient { banner: self.client.banner.clone().into(), kexinit: packet.payload.clone().into() });
            self.strict = proposal.strict() && profile.strict();
            self.extensions = proposal.wants_extensions();
            if self.strict && packet.sequence != 0 {
                return Err(Bye::Say("strict KEX violation: KEXINIT was not the first packet".into()));
            }
        }
        let choice = Choice::between(&proposal, profile).ok_or(Bye::Silent)?;
        let Kexing::Offered { ours } = std::mem::replace(&mut self.kexing, Kexing::Idle) else { return Err(Bye::Silent) };
        self.kexing = Kexing::Agreed(Box::new(Exchange { ours, theirs: packet.payload.clone(), choice, asked: None }));
        Ok(())
    }

    /// A transport message while keys are being exchanged.
    fn exchange(&mut self, packet: &Packet, profile: &Profile, out: &mut Reply) -> Result<(), Bye> {
        let kind = packet.payload.first().copied().unwrap_or_default();
        match &mut self.kexing {
            Kexing::Agreed(exchange) => {
                if std::mem::take(&mut exchange.choice.wrong_guess) {
                    return Ok(());
                }
                match (exchange.choice.method, kind) {
                    (Method::GroupExchange, msg::GEX_REQUEST) if exchange.asked.is_none() => {
                        let asked = AskedGroup::read(&packet.payload, out.rng())?;
                        self.sender.send(asked.offer(), out);
                        exchange.asked = Some(asked);
                        return Ok(());
                    }
                    (Method::GroupExchange, msg::GEX_INIT) if exchange.asked.is_some() => return self.agree(&packet.payload, profile, out),
                    (Method::GroupExchange, _) => {}
                    (_, msg::KEX_INIT) => return self.agree(&packet.payload, profile, out),
                    _ => {}
                }
            }
            Kexing::Keyed(_) if kind == msg::NEWKEYS => {
                Reader(packet.payload.get(1..).unwrap_or_default()).end()?;
                let Kexing::Keyed(keys) = std::mem::replace(&mut self.kexing, Kexing::Idle) else { return Err(Bye::Silent) };
                self.inbound.rekey(*keys, self.strict, matches!(self.phase, Phase::Connected(_)));
                if self.session_is_new() {
                    self.phase = Phase::Service;
                }
                return Ok(());
            }
            _ => {}
        }
        if self.strict && self.session_is_new() {
            return Err(Bye::Say(format!("strict KEX violation: unexpected packet type {kind} (seqnr {})", packet.sequence)));
        }
        // Before the first keys the product knows no service; afterwards a login may go on meanwhile.
        self.unimplemented(packet.sequence, out);
        Ok(())
    }

    /// Computes the secret, answers, and turns the sending half to the new keys.
    fn agree(&mut self, payload: &[u8], profile: &Profile, out: &mut Reply) -> Result<(), Bye> {
        let Kexing::Agreed(exchange) = std::mem::replace(&mut self.kexing, Kexing::Idle) else { return Err(Bye::Silent) };
        let choice = &exchange.choice;
        let key = self.keys.serving(&choice.host_key).ok_or(Bye::Silent)?;
        let told = Transcript {
            client_banner: &self.client.banner,
            server_banner: profile.banner.as_bytes(),
            client_init: &exchange.theirs,
            server_init: &exchange.ours,
            host_key: &key.blob,
        };
        let (ours, agreed) = kex::answer(choice.method, exchange.asked.as_ref(), payload, &told, out.rng())?;
        let signature = key.sign(&choice.host_key, &agreed.hash)?;
        let number = if choice.method == Method::GroupExchange { msg::GEX_REPLY } else { msg::KEX_REPLY };
        self.sender.send(Writer::message(number).string(&key.blob).raw(&ours).string(&signature).0, out);
        self.sender.send(vec![msg::NEWKEYS], out);
        let first = self.session.is_none();
        if first {
            self.host_key = key.blob.clone();
        }
        let session = self.session.get_or_insert_with(|| agreed.hash.clone());
        let (receive, send) = choice.keys(&agreed, session)?;
        self.sender.seal.rekey(send, self.strict, matches!(self.phase, Phase::Connected(_)));
        if first && self.extensions {
            let list = profile.extensions();
            let mut w = Writer::message(msg::EXT_INFO).u32(u32::try_from(list.len()).unwrap_or_default());
            for (name, value) in list {
                w = w.string(name.as_bytes()).string(value.as_bytes());
            }
            self.sender.seal.send(&w.0, out);
        }
        self.sender.release(out);
        self.kexing = Kexing::Keyed(Box::new(receive));
        Ok(())
    }

    fn login(&mut self, packet: &Packet, visit: &Visit, profile: &Profile, out: &mut Reply) -> Result<(), Bye> {
        let payload = packet.payload.as_slice();
        let scene = Scene { visit, profile, host_key: &self.host_key };
        let verdict = match (payload.first().copied().unwrap_or_default(), &mut self.phase) {
            (msg::SERVICE_REQUEST, phase) => {
                let mut r = Reader(payload.get(1..).unwrap_or_default());
                let service = r.cstring()?;
                r.end()?;
                if service != b"ssh-userauth" {
                    return Err(Bye::Say(format!("bad service request {}", String::from_utf8_lossy(service))));
                }
                if matches!(phase, Phase::Service) {
                    *phase = Phase::Auth(Auth::default());
                }
                self.sender.send(Writer::message(msg::SERVICE_ACCEPT).string(service).0, out);
                return Ok(());
            }
            (msg::EXT_INFO, _) if profile.version >= (9, 6) => return Ok(()),
            (msg::USERAUTH_REQUEST, Phase::Auth(auth)) => Some(auth.request(payload, &scene, out)?),
            (msg::USERAUTH_INFO_RESPONSE, Phase::Auth(auth)) => auth.response(payload, &scene, out)?,
            _ => None,
        };
        match verdict {
            None => self.unimplemented(packet.sequence, out),
            Some(Verdict::Answer(answer)) => self.sender.send(answer, out),
            Some(Verdict::Accepted(account)) => {
                self.sender.send(vec![msg::USERAUTH_SUCCESS], out);
                let time = moment(out, 8_500, 2_500);
                out.pause(time);
                self.inbound.authenticated();
                self.sender.seal.authenticated();
                let mut w = Writer::message(msg::GLOBAL_REQUEST).string(b"hostkeys-00@openssh.com").bool(false);
                if self.client.takes_host_keys {
                    for key in self.keys.all() {
                        w = w.string(&key.blob);
                    }
                    self.sender.send(w.0, out);
                }
                self.phase = Phase::Connected(Box::new(Connection::new(visit, *account, self.client.openssh, profile.version)));
            }
        }
        Ok(())
    }
}
