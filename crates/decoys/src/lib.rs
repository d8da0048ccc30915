//! The machines an attacker can talk to: one folder or file per protocol, and the stage they play on.
//!
//! Never here: an outgoing connection, a database, the deployment secret. A [`Dialogue`] has no
//! sockets and no clock and cannot fail; nonsense from an attacker is evidence.
//! Start reading at [`decoy`] (the contract), then `redis.rs` (a small protocol), then [`stage`].
//! To add a decoy: one file or folder, one line in [`ALL`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

pub mod control;
pub mod decoy;
pub mod ftp;
pub mod http;
pub mod imap;
pub mod mail;
pub mod mysql;
pub mod pop3;
pub mod redis;
pub mod shell;
pub mod smtp;
pub mod ssh;
pub mod stage;
pub mod telnet;

pub use decoy::{Answerer, Decoy, Dialogue, Door, Heard, Knob, KnobKind, Reply, Speaks, Visit};

/// Every decoy there is, alphabetical. The catalogue, the dashboard's form and the fleet's port plan
/// are all read from it.
pub static ALL: &[&Decoy] = &[
    &ftp::FTP,
    &http::HTTP,
    &http::HTTPS,
    &imap::IMAP,
    &mysql::MYSQL,
    &pop3::POP3,
    &redis::REDIS,
    &smtp::SMTP,
    &ssh::SSH,
    &telnet::TELNET,
];

/// The decoy called `name`.
pub fn find(name: &str) -> Option<&'static Decoy> {
    ALL.iter().find(|d| d.name == name).copied()
}
