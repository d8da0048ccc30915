//! Readings of what came by itself.

pub mod clock;
pub mod quic;
pub mod scan;
pub mod sequence;
pub mod ssh;
pub mod stacks;
pub mod syn;
pub mod tls;
