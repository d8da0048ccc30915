//! vsftpd 3.0.3 as Debian 12 ships it, with local accounts, writing allowed and passive data only.
//!
//! Learnt from a genuine 3.0.3 on loopback (RFC 959, 2428, 3659). The tree is the machine's file system,
//! the same that a shell shows; what is uploaded is kept and found again by the same visitor. Active
//! mode is off, as with `port_enable=NO`: nothing here ever connects out. Known to stop early: TLS.

mod dialogue;
mod listing;

use crate::{Decoy, Door, Knob, KnobKind, Speaks};

/// The catalogue entry.
pub static FTP: Decoy = Decoy {
    name: "ftp",
    title: "vsftpd file server",
    knobs: &[
        Knob { name: "banner", help: "Text of the greeting after 220", kind: KnobKind::Text },
        Knob { name: "anonymous", help: "Let anonymous in, read only", kind: KnobKind::Flag },
        Knob { name: "write", help: "Let accounts upload and change files", kind: KnobKind::Flag },
    ],
    speaks: &[Speaks::Stream(&[Door::Plain(21), Door::Side(2)], |visit| Box::new(dialogue::Ftp::new(visit)))],
};
