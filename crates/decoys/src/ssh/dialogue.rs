//! The states of a connection: identification, key exchange, authentication, channels.

mod live;

use model::{Micros, Saw};
use rand::Rng;
use std::{sync::Arc, time::Duration};

use live::{Live, Phase};

use super::{
    hostkeys::HostKeys,
    identification,
    message::{Bye, Writer, msg, reason},
    profile::Profile,
    startups::{Startup, Startups},
};
use crate::decoy::{Dialogue, Heard, Reply, Visit};

/// `LoginGraceTime`.
const GRACE: Duration = Duration::from_secs(120);
/// Most bytes sent in one turn; the rest goes when the stage has got rid of them.
const BUDGET: usize = 512 * 1024;

/// One visitor of the SSH server.
pub(super) struct Ssh {
    visit: Visit,
    profile: Arc<Profile>,
    step: Step,
    /// When the login must be through.
    grace: Micros,
    /// What the stage was last asked to wake us for.
    armed: Option<Micros>,
    /// Holds a place of `MaxStartups` until the login is through.
    startup: Option<Startup>,
    /// More output than one turn's budget is waiting.
    backlog: bool,
}

enum Step {
    Identification,
    Packets(Box<Live>),
    Over,
}

impl Ssh {
    pub(super) fn new(visit: &Visit) -> Self {
        Self {
            visit: visit.clone(),
            profile: visit.shelf.once(|| Profile::of(&visit.persona)),
            step: Step::Identification,
            grace: visit.at.plus(GRACE),
            armed: None,
            startup: None,
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
                let mut live = Live::new(client, keys, self.profile.version >= (9, 5));
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
                self.startup = None;
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
    let product = (u64::from(rng.next_u32()) * u64::from(rng.next_u32())) >> 32;
    Duration::from_micros(u64::from(least) + ((product * 4 * u64::from(tail)) >> 32))
}

impl Dialogue for Ssh {
    fn open(&mut self, out: &mut Reply) {
        self.startup = self.visit.shelf.once(Startups::default).enter(out.rng());
        if self.startup.is_none() {
            out.note(Saw::noted("max_startups", []));
            self.full(out);
            self.step = Step::Over;
            out.hangup();
            return;
        }
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

    fn full(&mut self, out: &mut Reply) {
        // Older versions close without a word.
        if self.profile.version >= (8, 5) {
            out.send(b"Exceeded MaxStartups\r\n");
        }
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
        Duration::from_secs(7 * 86_400)
    }

    fn may_stay(&self) -> bool {
        true
    }
}
