//! Telnet servers as distributions ship them, leading into the machine's shell.
//!
//! Three faces, each compared byte for byte with the running product: GNU inetutils 2.4 as Debian 12 builds it
//! (with Kerberos options), netkit 0.17 (Ubuntu, Red Hat) and BusyBox (Alpine, devices); behind them Debian's `login`
//! with PAM or BusyBox's own. RFC 854-861, 1073, 1079, 1091, 1096, 1184, 1372, 1408, 1572, 2941, 2946.
//! util-linux's `login`, which Red Hat and Arch use, is written from its documentation and was not compared.
//! Never here: a way in without the right password; a `USER` variable with options for `login` is noted and dropped, as
//! the patched packages do. Start reading at `dialogue.rs`; a new product is an arm of `face.rs`.

mod busybox;
mod delay;
mod dialogue;
mod face;
mod login;
mod message;
mod options;
mod slc;
mod terminal;
#[cfg(test)]
mod tests;

use crate::decoy::{Decoy, Dialogue, Door, Knob, KnobKind, Speaks, Visit};

/// The `telnet` decoy.
pub static TELNET: Decoy = Decoy {
    name: "telnet",
    title: "Telnet server with a login and an interactive shell",
    knobs: &[
        Knob { name: "password", help: "Password of root; without one root may not log in", kind: KnobKind::Password },
        Knob { name: "user", help: "Name of an ordinary account", kind: KnobKind::Text },
        Knob { name: "user_password", help: "Password of the ordinary account", kind: KnobKind::Password },
        Knob { name: "hostname", help: "Host name shown before the login", kind: KnobKind::Text },
    ],
    speaks: &[Speaks::Stream(&[Door::Plain(23)], start)],
};

fn start(visit: &Visit) -> Box<dyn Dialogue> {
    Box::new(dialogue::Telnet::new(visit))
}
