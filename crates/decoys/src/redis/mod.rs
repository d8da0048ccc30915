//! Redis 7.0 as Debian 12 ships it (6.x texts where the persona's version says so).
//!
//! Learnt from a genuine 7.0.15 on loopback and the public RESP description. The data is what a small
//! company's application server leaves there; what an attacker writes stays for that attacker.
//! Replication never connects anywhere and no module is ever loaded. Known to stop early: Lua beyond
//! a few statements, stream consumer groups, `COMMAND DOCS`.

mod config;
mod dialogue;
mod hashes;
mod info;
mod keys;
mod lists;
mod lua;
mod message;
mod more;
mod scene;
mod server;
mod sets;
mod store;
mod streams;
mod strings;
mod table;
mod zsets;

use crate::{Decoy, Door, Knob, KnobKind, Speaks};

/// The catalogue entry.
pub static REDIS: Decoy = Decoy {
    name: "redis",
    title: "Redis in-memory store",
    knobs: &[
        Knob { name: "version", help: "Version the server says it is, e.g. 7.0.15", kind: KnobKind::Text },
        Knob { name: "password", help: "Password clients must AUTH with; empty for none", kind: KnobKind::Password },
        Knob { name: "os_string", help: "The os: line of INFO", kind: KnobKind::Text },
        Knob {
            name: "protected_configs",
            help: "Whether CONFIG SET dir and dbfilename are allowed (always before 7.0)",
            kind: KnobKind::Flag,
        },
    ],
    speaks: &[Speaks::Stream(&[Door::Plain(6379)], |visit| Box::new(dialogue::Redis::new(visit)))],
};
