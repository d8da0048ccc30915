//! Trials of the whole: the test world, real clients, and tests of the house itself.
//!
//! Never here: anything that ships. Start reading at `tests/house.rs`.
