//! The TLS ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2), with everything in the order it was sent.

use crate::{
    Malformed,
    cursor::{Cursor, u16s},
};

/// A ClientHello. Borrowed from the bytes where it can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `legacy_version`: 0x0303 for TLS 1.2 and 1.3.
    pub version: u16,
    /// In the order offered, GREASE included.
    pub ciphers: Vec<u16>,
    pub compression: Vec<u8>,
    /// Types in the order sent, GREASE included.
    pub extensions: Vec<u16>,
    pub server_name: Option<Vec<u8>>,
    pub alpn: Vec<Vec<u8>>,
    pub groups: Vec<u16>,
    pub point_formats: Vec<u8>,
    pub signature_algorithms: Vec<u16>,
    pub supported_versions: Vec<u16>,
    /// Whether a session ticket or a pre-shared key was offered.
    pub resumes: bool,
}

/// Whether a value is one of those reserved by RFC 8701 to keep servers honest.
pub fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

impl ClientHello {
    /// Reads it from TLS records (the hello may be spread over several).
    pub fn from_records(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut records = Cursor::new(bytes);
        let mut handshake = Vec::new();
        while !records.is_empty() {
            if records.u8("record type")? != 22 {
                break;
            }
            records.u16("record version")?;
            handshake.extend_from_slice(records.vec16("record")?);
            if let [_, a, b, c, body @ ..] = handshake.as_slice()
                && body.len() >= (usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c))
            {
                break;
            }
        }
        Self::from_handshake(&handshake)
    }

    /// Reads it from a handshake message with its four-byte header.
    pub fn from_handshake(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut message = Cursor::new(bytes);
        if message.u8("handshake type")? != 1 {
            return Err(Malformed { what: "handshake type", at: 0 });
        }
        let len = message.u24("handshake length")?;
        let mut body = Cursor::new(message.take(len, "client hello")?);
        let mut hello = Self { version: body.u16("version")?, ..Self::default() };
        body.take(32, "random")?;
        body.vec8("session id")?;
        hello.ciphers = u16s(body.vec16("cipher suites")?);
        hello.compression = body.vec8("compression methods")?.to_vec();
        if body.is_empty() {
            return Ok(hello);
        }
        let mut extensions = Cursor::new(body.vec16("extensions")?);
        while !extensions.is_empty() {
            let kind = extensions.u16("extension type")?;
            let data = extensions.vec16("extension")?;
            hello.extensions.push(kind);
            hello.extension(kind, data);
        }
        Ok(hello)
    }

    /// The contents of the extensions we read; what is broken inside one stays empty.
    fn extension(&mut self, kind: u16, data: &[u8]) {
        let mut inner = Cursor::new(data);
        match kind {
            0 => self.server_name = server_name(inner).ok(),
            10 => self.groups = inner.vec16("groups").map(u16s).unwrap_or_default(),
            11 => self.point_formats = inner.vec8("point formats").map(<[u8]>::to_vec).unwrap_or_default(),
            13 => self.signature_algorithms = inner.vec16("signature algorithms").map(u16s).unwrap_or_default(),
            16 => {
                if let Ok(list) = inner.vec16("alpn") {
                    let mut list = Cursor::new(list);
                    while let Ok(name) = list.vec8("protocol name") {
                        self.alpn.push(name.to_vec());
                    }
                }
            }
            35 => self.resumes |= !data.is_empty(),
            41 => self.resumes = true,
            43 => self.supported_versions = inner.vec8("versions").map(u16s).unwrap_or_default(),
            _ => {}
        }
    }
}

/// A ServerHello (RFC 8446 §4.1.3, RFC 5246 §7.4.1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// `legacy_version`.
    pub version: u16,
    pub cipher: u16,
    /// Types in the order sent.
    pub extensions: Vec<u16>,
    /// The version chosen by the `supported_versions` extension.
    pub selected_version: Option<u16>,
}

impl ServerHello {
    /// Reads it from a handshake message with its four-byte header.
    pub fn from_handshake(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut message = Cursor::new(bytes);
        if message.u8("handshake type")? != 2 {
            return Err(Malformed { what: "handshake type", at: 0 });
        }
        let len = message.u24("handshake length")?;
        let mut body = Cursor::new(message.take(len, "server hello")?);
        let mut hello = Self { version: body.u16("version")?, ..Self::default() };
        body.take(32, "random")?;
        body.vec8("session id")?;
        hello.cipher = body.u16("cipher suite")?;
        body.u8("compression")?;
        if body.is_empty() {
            return Ok(hello);
        }
        let mut extensions = Cursor::new(body.vec16("extensions")?);
        while !extensions.is_empty() {
            let kind = extensions.u16("extension type")?;
            let data = extensions.vec16("extension")?;
            hello.extensions.push(kind);
            if let (43, &[a, b]) = (kind, data) {
                hello.selected_version = Some(u16::from_be_bytes([a, b]));
            }
        }
        Ok(hello)
    }
}

/// What can be said of the beginning of a stream of TLS records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstMessage {
    /// The first handshake message, whole, with its header.
    Whole(Vec<u8>),
    /// It is not there yet.
    Partial,
    /// These are not TLS handshake records.
    Other,
}

/// Longest first handshake message that is waited for, bytes.
const LONGEST_HELLO: usize = 1 << 16;

/// Gathers the first handshake message of a stream, which may be spread over several records.
pub fn first_message(bytes: &[u8]) -> FirstMessage {
    match bytes {
        [] | [22] => return FirstMessage::Partial,
        [22, 3, ..] => {}
        _ => return FirstMessage::Other,
    }
    let mut records = Cursor::new(bytes);
    let mut message = Vec::new();
    loop {
        let Ok(kind) = records.u8("record type") else { return FirstMessage::Partial };
        if kind != 22 {
            return FirstMessage::Other;
        }
        let (Ok(_), Ok(len)) = (records.u16("record version"), records.u16("record length")) else { return FirstMessage::Partial };
        let rest = records.rest();
        let piece = rest.get(..usize::from(len).min(rest.len())).unwrap_or_default();
        message.extend_from_slice(piece);
        if let [kind, a, b, c, body @ ..] = message.as_slice() {
            let wanted = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if !matches!(kind, 1 | 2) || wanted > LONGEST_HELLO {
                return FirstMessage::Other;
            }
            if body.len() >= wanted {
                message.truncate(wanted + 4);
                return FirstMessage::Whole(message);
            }
        }
        if records.take(usize::from(len), "record").is_err() {
            return FirstMessage::Partial;
        }
    }
}

fn server_name(mut data: Cursor<'_>) -> Result<Vec<u8>, Malformed> {
    let mut list = Cursor::new(data.vec16("server names")?);
    list.u8("name type")?;
    Ok(list.vec16("host name")?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grease_is_told_apart() {
        assert!(is_grease(0x0a0a) && is_grease(0xfafa));
        assert!(!is_grease(0x0a1a) && !is_grease(0x1301));
    }

    #[test]
    fn the_first_message_is_gathered_from_any_cut() {
        let message = [&[1, 0, 0, 6][..], b"abcdef"].concat();
        let records = [&[22, 3, 1, 0, 3, 1, 0, 0, 22, 3, 1, 0, 7, 6, b'a', b'b'][..], b"cdef"].concat();
        for cut in 0..records.len() {
            assert_eq!(first_message(&records[..cut]), FirstMessage::Partial, "{cut}");
        }
        assert_eq!(first_message(&records), FirstMessage::Whole(message));
        for other in [&b"GET / HTTP/1.1"[..], &[22, 2, 0], &[22, 3, 1, 0, 4, 9, 0, 0, 0], &[22, 3, 1, 0, 1, 1, 23]] {
            assert_eq!(first_message(other), FirstMessage::Other, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = ClientHello::from_records(&bytes);
            let _ = ServerHello::from_handshake(&bytes);
            let _ = first_message(&[&[22, 3, 1, 0, 200][..], &bytes].concat());
            let mut framed = vec![1, 0, 0, u8::try_from(bytes.len().min(255)).unwrap()];
            framed.extend_from_slice(&bytes);
            let _ = ClientHello::from_handshake(&framed);
        }
    }
}
