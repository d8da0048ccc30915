//! Postfix 3.7 as Debian 12 ships it, on 25, 587 (submission) and 465 (TLS from the first byte).
//!
//! Learnt from a genuine 3.7.11 on loopback (RFC 5321, 3030, 3207, 4954). Mail for the machine's own
//! accounts and from those who know a password is taken and kept; nothing ever leaves.

mod address;
mod dialogue;
mod session;

use crate::{Decoy, Dialogue, Door, Knob, KnobKind, Speaks, Visit};

fn start(visit: &Visit) -> Box<dyn Dialogue> {
    Box::new(dialogue::Smtp::new(visit))
}

/// The catalogue entry.
pub static SMTP: Decoy = Decoy {
    name: "smtp",
    title: "Postfix mail server",
    knobs: &[
        Knob { name: "banner", help: "Text of the greeting after the host name", kind: KnobKind::Text },
        Knob { name: "auth", help: "Offer AUTH PLAIN LOGIN on port 25 too", kind: KnobKind::Flag },
        Knob { name: "open_relay", help: "Take mail for any address; it is kept and goes nowhere", kind: KnobKind::Flag },
    ],
    speaks: &[Speaks::Stream(&[Door::Plain(25), Door::Tls(465), Door::Plain(587)], start)],
};
