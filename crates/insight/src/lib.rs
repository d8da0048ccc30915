//! What it means: evidence in, belief out.
//!
//! Never here: I/O, SQL, a clock, tokio. Everything is handed in, so every conclusion can be tested and replayed.
//! Start reading at [`profile`], then [`evidence`], [`cluster`] and [`campaign`]: from what was seen at an address to who
//! is who and who works together. To add an insight: one file, one line here, a worker that feeds it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

pub mod agents;
pub mod baseline;
pub mod behaviour;
pub mod campaign;
pub mod cluster;
pub mod commonness;
pub mod dice;
pub mod endpoint;
pub mod evidence;
pub mod profile;
pub mod reconcile;
pub mod rhythm;
pub mod score;
pub mod story;
pub mod tactics;
