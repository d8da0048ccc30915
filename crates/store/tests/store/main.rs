//! The same tests on every backend.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod attackers;
mod evidence;
mod eyes;
mod fleet;
mod house;
mod logs;
mod recording;
mod search;
mod server;
mod world;
