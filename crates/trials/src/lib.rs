//! Trials of the whole: the test world, real clients, and tests of the house itself.
//!
//! Never here: anything that ships. Start reading at [`world`], then `tests/`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a trial that cannot go on stops with the reason")]

pub mod mariadb;
pub mod world;
