//! Dovecot 2.3.19 as Debian 12 ships it, IMAP on 143 (STARTTLS) and 993 (TLS from the first byte).
//!
//! Learnt from a genuine 2.3.19.1 on loopback, mail in mbox files as Debian sets it (RFC 3501 and the extensions of
//! [`session`]'s capability line). Boxes are those of [`crate::mail`]. Known tell: the times in the answers are drawn,
//! not measured.

mod dialogue;
mod fetch;
mod folders;
mod parse;
mod search;
mod session;
mod store;

use crate::{Decoy, Dialogue, Door, Knob, KnobKind, Speaks, Visit};

fn start(visit: &Visit) -> Box<dyn Dialogue> {
    Box::new(dialogue::Imap::new(visit))
}

/// The catalogue entry.
pub static IMAP: Decoy = Decoy {
    name: "imap",
    title: "Dovecot IMAP server",
    knobs: &[
        Knob { name: "banner", help: "Text of the greeting: Dovecot (Debian) ready.", kind: KnobKind::Text },
        Knob { name: "plaintext", help: "Take passwords without TLS (on unless set)", kind: KnobKind::Flag },
    ],
    speaks: &[Speaks::Stream(&[Door::Plain(143), Door::Tls(993)], start)],
};

/// `Dovecot (Debian) ready.`, as the distribution names itself.
pub(crate) fn greeting(visit: &Visit) -> String {
    if let Some(text) = visit.knob("banner").filter(|b| !b.is_empty()) {
        return text.to_owned();
    }
    match visit.persona.distro.id.as_str() {
        "debian" => "Dovecot (Debian) ready.".into(),
        "ubuntu" => "Dovecot (Ubuntu) ready.".into(),
        _ => "Dovecot ready.".into(),
    }
}

/// Whether passwords are taken on this connection.
pub(crate) fn takes_passwords(visit: &Visit, tls: bool) -> bool {
    tls || visit.knob("plaintext").is_none_or(|v| matches!(v, "true" | "yes" | "on" | "1"))
}
