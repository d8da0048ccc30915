//! A connection past its identification lines: packets, keys, phases.

use bytes::Bytes;
use model::Saw;
use std::sync::Arc;

use super::moment;
use crate::{
    decoy::{Reply, Visit},
    ssh::{
        auth::{Auth, Scene, Verdict},
        connection::Connection,
        hostkeys::HostKeys,
        identification::Client,
        kex::{self, AskedGroup, Choice, Method, Proposal, Transcript},
        message::{Bye, Reader, Writer, msg},
        packet::{Inbound, Keys, Packet},
        profile::Profile,
        sender::Sender,
    },
};

/// A connection that has got past the identification lines.
pub(super) struct Live {
    client: Client,
    keys: Arc<HostKeys>,
    pub(super) inbound: Inbound,
    pub(super) sender: Sender,
    kexing: Kexing,
    /// Host key of the first key exchange.
    host_key: Bytes,
    /// First exchange hash, once there is one.
    session: Option<Vec<u8>>,
    strict: bool,
    extensions: bool,
    pub(super) phase: Phase,
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

pub(super) enum Phase {
    /// No keys yet.
    Bare,
    /// Waiting for the ssh-userauth service.
    Service,
    Auth(Auth),
    Connected(Box<Connection>),
}

impl Live {
    /// `pings`: the imitated version knows message 192.
    pub(super) fn new(client: Client, keys: Arc<HostKeys>, pings: bool) -> Self {
        Self {
            client,
            keys,
            inbound: Inbound::new(pings),
            sender: Sender::default(),
            kexing: Kexing::Idle,
            host_key: Bytes::new(),
            session: None,
            strict: false,
            extensions: false,
            phase: Phase::Bare,
        }
    }

    pub(super) fn worn(&self) -> bool {
        matches!(self.kexing, Kexing::Idle) && self.session.is_some() && (self.inbound.worn() || self.sender.seal.worn())
    }

    /// Sends our KEXINIT.
    pub(super) fn offer(&mut self, profile: &Profile, out: &mut Reply) {
        let mut cookie = [0u8; 16];
        out.random(&mut cookie);
        let ours = kex::kexinit(profile, cookie);
        self.sender.send(ours.clone(), out);
        self.sender.shut();
        self.kexing = Kexing::Offered { ours };
    }

    pub(super) fn packet(&mut self, packet: &Packet, visit: &Visit, profile: &Profile, out: &mut Reply) -> Result<(), Bye> {
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
