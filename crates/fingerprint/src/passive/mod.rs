//! Readings of what came by itself.

pub mod ssh;
pub mod syn;
pub mod tls;
