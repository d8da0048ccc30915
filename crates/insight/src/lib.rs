//! What it means: evidence in, belief out.
//!
//! Never here: I/O, SQL, a clock, tokio. Everything is handed in, so every conclusion can be tested and replayed.
//! Start reading at [`profile`]. To add an insight: one file, one line here, a worker that feeds it.

pub mod profile;
