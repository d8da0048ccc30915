//! Values of the SSH binary format (RFC 4251 §5) and the numbers of messages (RFC 4250 §4.1).

/// Message numbers.
pub(super) mod msg {
    pub(crate) const DISCONNECT: u8 = 1;
    pub(crate) const IGNORE: u8 = 2;
    pub(crate) const UNIMPLEMENTED: u8 = 3;
    pub(crate) const DEBUG: u8 = 4;
    pub(crate) const SERVICE_REQUEST: u8 = 5;
    pub(crate) const SERVICE_ACCEPT: u8 = 6;
    pub(crate) const EXT_INFO: u8 = 7;
    pub(crate) const KEXINIT: u8 = 20;
    pub(crate) const NEWKEYS: u8 = 21;
    pub(crate) const KEX_INIT: u8 = 30;
    pub(crate) const KEX_REPLY: u8 = 31;
    pub(crate) const GEX_GROUP: u8 = 31;
    pub(crate) const GEX_INIT: u8 = 32;
    pub(crate) const GEX_REPLY: u8 = 33;
    pub(crate) const GEX_REQUEST: u8 = 34;
    pub(crate) const USERAUTH_REQUEST: u8 = 50;
    pub(crate) const USERAUTH_FAILURE: u8 = 51;
    pub(crate) const USERAUTH_SUCCESS: u8 = 52;
    pub(crate) const USERAUTH_INFO_REQUEST: u8 = 60;
    pub(crate) const USERAUTH_INFO_RESPONSE: u8 = 61;
    pub(crate) const GLOBAL_REQUEST: u8 = 80;
    pub(crate) const REQUEST_SUCCESS: u8 = 81;
    pub(crate) const REQUEST_FAILURE: u8 = 82;
    pub(crate) const CHANNEL_OPEN: u8 = 90;
    pub(crate) const CHANNEL_OPEN_CONFIRMATION: u8 = 91;
    pub(crate) const CHANNEL_OPEN_FAILURE: u8 = 92;
    pub(crate) const CHANNEL_WINDOW_ADJUST: u8 = 93;
    pub(crate) const CHANNEL_DATA: u8 = 94;
    pub(crate) const CHANNEL_EXTENDED_DATA: u8 = 95;
    pub(crate) const CHANNEL_EOF: u8 = 96;
    pub(crate) const CHANNEL_CLOSE: u8 = 97;
    pub(crate) const CHANNEL_REQUEST: u8 = 98;
    pub(crate) const CHANNEL_SUCCESS: u8 = 99;
    pub(crate) const CHANNEL_FAILURE: u8 = 100;
}

/// Disconnect reasons (RFC 4253 §11.1) that the product uses.
pub(super) mod reason {
    pub(crate) const PROTOCOL_ERROR: u32 = 2;
}

/// How a connection ends because of something the visitor sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bye {
    /// Closed without a word.
    Silent,
    /// A DISCONNECT message with this text goes out first.
    Say(String),
}

/// Something was missing, too long or malformed. The product closes without a word.
pub(super) struct Malformed;

impl From<Malformed> for Bye {
    fn from(_: Malformed) -> Self {
        Self::Silent
    }
}

impl From<openssl::error::ErrorStack> for Bye {
    fn from(_: openssl::error::ErrorStack) -> Self {
        Self::Silent
    }
}

/// Takes values off the front of a payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// Exactly `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        let (&head, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    /// Any byte but zero is true, as the product reads it.
    pub(super) fn bool(&mut self) -> Result<bool, Malformed> {
        Ok(self.u8()? != 0)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().map_err(|_| Malformed)?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.take(8)?.try_into().map_err(|_| Malformed)?))
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.u32()?;
        self.take(usize::try_from(n).map_err(|_| Malformed)?)
    }

    /// A string that the product reads as a C string: a zero byte may only be the last one.
    pub(super) fn cstring(&mut self) -> Result<&'a [u8], Malformed> {
        let s = self.string()?;
        match s.iter().position(|&b| b == 0) {
            None => Ok(s),
            Some(at) if at + 1 == s.len() => Ok(s.get(..at).unwrap_or_default()),
            Some(_) => Err(Malformed),
        }
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// Builds a payload.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// A message of this number.
    pub(super) fn message(number: u8) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(number);
        Self(bytes)
    }

    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn u8(mut self, v: u8) -> Self {
        self.0.push(v);
        self
    }

    pub(super) fn bool(self, v: bool) -> Self {
        self.u8(u8::from(v))
    }

    pub(super) fn u32(mut self, v: u32) -> Self {
        self.0.extend_from_slice(&v.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, v: u64) -> Self {
        self.0.extend_from_slice(&v.to_be_bytes());
        self
    }

    /// Length and bytes. Everything this program writes is far below 4 GiB.
    pub(super) fn string(self, v: &[u8]) -> Self {
        let mut out = self.u32(u32::try_from(v.len()).unwrap_or(u32::MAX));
        out.0.extend_from_slice(v);
        out
    }

    /// A non-negative multiple-precision integer from big-endian bytes.
    pub(super) fn mpint(self, v: &[u8]) -> Self {
        let start = v.iter().position(|&b| b != 0).unwrap_or(v.len());
        let v = v.get(start..).unwrap_or_default();
        let pad = v.first().is_some_and(|b| b & 0x80 != 0);
        let mut out = self.u32(u32::try_from(v.len() + usize::from(pad)).unwrap_or(u32::MAX));
        if pad {
            out.0.push(0);
        }
        out.0.extend_from_slice(v);
        out
    }

    pub(super) fn raw(mut self, v: &[u8]) -> Self {
        self.0.extend_from_slice(v);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_rfc_4251_shows() {
        assert_eq!(Writer::new().mpint(&[]).0, [0, 0, 0, 0]);
        assert_eq!(Writer::new().mpint(&[0, 0x80]).0, [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(Writer::new().mpint(&[0x09, 0xa3]).0, [0, 0, 0, 2, 0x09, 0xa3]);
    }

    #[test]
    fn a_length_beyond_the_payload_is_malformed() {
        assert!(Reader(&[0xff, 0xff, 0xff, 0xff, 1]).string().is_err());
        assert!(Reader(&[0, 0, 0, 3, b'a', 0, b'b']).cstring().is_err());
        assert_eq!(Reader(&[0, 0, 0, 2, b'a', 0]).cstring().ok(), Some(&b"a"[..]));
    }
}
