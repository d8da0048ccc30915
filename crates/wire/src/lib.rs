//! Bytes to values and back, for what is read off the wire: frames down to TCP, UDP and ICMP, capture files, TLS hellos,
//! QUIC Initials, SSH key exchange, DNS questions.
//!
//! Never here: I/O, a clock, an allocation that grows past the input, a panic. Every parser takes hostile
//! bytes and answers `Err(Malformed)` for what it cannot read.
//! Start reading at [`tls`]. To add a format: one file, one line here, one fuzz target.

pub mod dns;
pub mod ip;
pub mod packet;
pub mod pcap;
pub mod quic;
pub mod ssh;
pub mod tls;

mod cursor;

/// The bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what} at byte {at}")]
pub struct Malformed {
    /// The part that was being read.
    pub what: &'static str,
    /// How far reading had come.
    pub at: usize,
}
