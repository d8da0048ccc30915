//! x
pub const MIN_CHARS: usize = 12;
pub const MAX_BYTES: usize = 128;
