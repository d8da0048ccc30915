//! OpenSSH's server: our own SSH-2 transport, authentication, channels, sftp and scp.
//!
//! Imitates OpenSSH as the persona's distribution ships it (`persona.service("ssh").software`), from 8.2 to
//! 10.x, checked against Debian's `openssh-server` 9.2p1. RFC 4250-4254, 4256, 4344, 4418, 4419, 5656,
//! 6668, 8268, 8308, 8332, 8731, OpenSSH's PROTOCOL notes, draft-ietf-secsh-filexfer-02.
//! Never here: an outgoing connection; forwarding requests are noted and fail as on a machine behind a
//! firewall. Start reading at `dialogue.rs`; a new version is a line in `profile.rs`.

mod auth;
mod channel;
mod cipher;
mod connection;
mod dialogue;
mod hostkeys;
mod identification;
mod kex;
mod mac;
mod message;
mod mlkem;
mod moduli;
mod packet;
mod profile;
mod program;
mod scp;
mod sender;
mod sftp;
mod sntrup;
mod startups;
#[cfg(test)]
mod tests;
mod transfer;
mod umac;

use crate::decoy::{Decoy, Dialogue, Door, Knob, KnobKind, Speaks, Visit};

/// The `ssh` decoy.
pub static SSH: Decoy = Decoy {
    name: "ssh",
    title: "OpenSSH server with an interactive shell, sftp and scp",
    knobs: &[
        Knob { name: "version", help: "OpenSSH version to imitate, with the package revision", kind: KnobKind::Text },
        Knob { name: "password", help: "Password of root; without one root may not log in by password", kind: KnobKind::Password },
        Knob { name: "user", help: "Name of an ordinary account", kind: KnobKind::Text },
        Knob { name: "user_password", help: "Password of the ordinary account", kind: KnobKind::Password },
        Knob { name: "hostname", help: "Host name shown by the shell", kind: KnobKind::Text },
    ],
    speaks: &[Speaks::Stream(&[Door::Plain(22)], start)],
};

fn start(visit: &Visit) -> Box<dyn Dialogue> {
    Box::new(dialogue::Ssh::new(visit))
}
