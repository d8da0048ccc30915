//! Trials of the whole: the test world, real clients, and tests of the house itself.
//!
//! Never here: anything that ships. Start reading at [`world`], then [`visitor`] (who comes from outside), then `tests/`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a trial that cannot go on stops with the reason")]

pub mod disk;
pub mod flood;
pub mod hostile;
pub mod leftovers;
pub mod mariadb;
pub mod marks;
pub mod nmap;
pub mod visitor;
pub mod world;
