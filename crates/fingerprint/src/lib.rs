//! Who is there: what a client's packets say about the program and the system that sent them.
//!
//! Never here: a packet sent, a socket, a database, a clock. Captured frames come in with their times, sightings go out.
//! Start reading at [`sensor`] (packets to sightings), then [`passive`] (what each reading means) and [`flows`]
//! (connections put in order). To add a reading: one file in `passive`, one line in its `mod.rs`, and a call in
//! [`sensor`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::cast_possible_truncation, reason = "tests"))]

pub mod flows;
pub mod lru;
pub mod passive;
pub mod sensor;
