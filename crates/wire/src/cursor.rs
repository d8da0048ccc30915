//! Reads forward through bytes and never past their end.

use crate::Malformed;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed { what, at: self.at })?;
        self.rest = rest;
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.take(1, what)?.first().copied().ok_or(Malformed { what, at: self.at })
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        match self.take(2, what)? {
            &[a, b] => Ok(u16::from_be_bytes([a, b])),
            _ => Err(Malformed { what, at: self.at }),
        }
    }

    pub(crate) fn u24(&mut self, what: &'static str) -> Result<usize, Malformed> {
        let high = usize::from(self.u8(what)?);
        Ok(high << 16 | usize::from(self.u16(what)?))
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        match self.take(4, what)? {
            &[a, b, c, d] => Ok(u32::from_be_bytes([a, b, c, d])),
            _ => Err(Malformed { what, at: self.at }),
        }
    }

    /// A QUIC variable-length integer (RFC 9000 §16).
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let first = self.u8(what)?;
        let more = (1_usize << (first >> 6)) - 1;
        Ok(self.take(more, what)?.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A vector with an 8-bit length.
    pub(crate) fn vec8(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let len = usize::from(self.u8(what)?);
        self.take(len, what)
    }

    /// A vector with a 16-bit length.
    pub(crate) fn vec16(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let len = usize::from(self.u16(what)?);
        self.take(len, what)
    }
}

/// Big-endian 16-bit numbers; an odd last byte is left away.
pub(crate) fn u16s(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))).collect()
}
