//! Who is there: what a client's first bytes say about the program and the system that sent them.
//!
//! Never here: a packet sent (active readings come with the prober), a database, a clock.
//! Start reading at [`passive`]. To add a reading: one file there, one line in its `mod.rs`.

pub mod passive;
