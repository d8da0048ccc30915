//! The outside of a QUIC Initial packet (RFC 9000 §17.2.2, version 2 by RFC 9369), and the CRYPTO frames inside it once
//! somebody has taken the protection off.

use crate::{Malformed, cursor::Cursor};

/// Which QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    /// The version with this number on the wire.
    pub fn of_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            0x6b33_43cf => Some(Self::V2),
            _ => None,
        }
    }

    /// Its number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 0x6b33_43cf,
        }
    }
}

/// A protected Initial packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Initial<'a> {
    pub version: Version,
    /// The first one a client sends is what the keys are made of.
    pub destination_id: &'a [u8],
    pub source_id: &'a [u8],
    /// The whole packet: header, protected packet number, sealed payload.
    pub packet: &'a [u8],
    /// Where the packet number stands in `packet`.
    pub number_at: usize,
    /// What follows in the datagram: packets may share one.
    pub rest: &'a [u8],
}

impl<'a> Initial<'a> {
    /// Reads the first packet of a datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let mut head = Cursor::new(datagram);
        let first = head.u8("first byte")?;
        if first & 0xc0 != 0xc0 {
            return Err(Malformed { what: "long header", at: 0 });
        }
        let version = Version::of_number(head.u32("version")?).ok_or(Malformed { what: "version", at: 1 })?;
        let kind = first >> 4 & 3;
        if kind != u8::from(version == Version::V2) {
            return Err(Malformed { what: "Initial packet", at: 0 });
        }
        let destination_id = head.vec8("destination id")?;
        let source_id = head.vec8("source id")?;
        if destination_id.len() > 20 || source_id.len() > 20 {
            return Err(Malformed { what: "connection id", at: 5 });
        }
        let token = usize::try_from(head.varint("token length")?).map_err(|_| Malformed { what: "token length", at: 5 })?;
        head.take(token, "token")?;
        let length = usize::try_from(head.varint("length")?).map_err(|_| Malformed { what: "length", at: 5 })?;
        let number_at = datagram.len() - head.rest().len();
        let end = number_at.checked_add(length).ok_or(Malformed { what: "length", at: number_at })?;
        let (packet, rest) = datagram.split_at_checked(end).ok_or(Malformed { what: "packet", at: number_at })?;
        Ok(Self { version, destination_id, source_id, packet, number_at, rest })
    }
}

/// A piece of the handshake: where it belongs and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crypto<'a> {
    pub offset: u64,
    pub bytes: &'a [u8],
}

/// The CRYPTO frames of an opened Initial. Others that may stand there (PADDING, PING, ACK, CONNECTION_CLOSE) are
/// passed over; anything else is malformed.
pub fn crypto_frames(payload: &[u8]) -> Result<Vec<Crypto<'_>>, Malformed> {
    let mut rest = Cursor::new(payload);
    let mut found = Vec::new();
    while !rest.is_empty() {
        match rest.varint("frame type")? {
            0 | 1 => {}
            kind @ (2 | 3) => {
                rest.varint("largest acknowledged")?;
                rest.varint("delay")?;
                let ranges = rest.varint("range count")?;
                rest.varint("first range")?;
                // Each range takes two bytes at least, so the payload bounds the loop.
                for _ in 0..ranges {
                    rest.varint("gap")?;
                    rest.varint("range")?;
                }
                if kind == 3 {
                    for _ in 0..3 {
                        rest.varint("ECN count")?;
                    }
                }
            }
            6 => {
                let offset = rest.varint("offset")?;
                let length = usize::try_from(rest.varint("length")?).map_err(|_| Malformed { what: "CRYPTO length", at: 0 })?;
                found.push(Crypto { offset, bytes: rest.take(length, "CRYPTO frame")? });
            }
            0x1c => break,
            _ => return Err(Malformed { what: "frame type", at: payload.len() - rest.rest().len() }),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_header_of_the_published_example() {
        // RFC 9001 A.2: the client's Initial.
        let head = [0xc0, 0, 0, 0, 1, 8, 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08, 0, 0, 0x44, 0x9e];
        let datagram = [&head[..], &[7; 1182], b"next"].concat();
        let initial = Initial::parse(&datagram).unwrap();
        assert_eq!((initial.version, initial.number_at, initial.packet.len(), initial.rest), (Version::V1, 18, 1200, &b"next"[..]));
        assert_eq!(initial.destination_id, [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]);
        assert!(Initial::parse(&datagram[..1000]).is_err());
    }

    #[test]
    fn frames_are_found_among_padding() {
        let payload = [&[0, 0, 1, 6, 0, 3][..], b"abc", &[2, 5, 0, 0, 0, 6, 0x40, 3, 2], b"de", &[0; 9]].concat();
        let frames = crypto_frames(&payload).unwrap();
        assert_eq!(frames, [Crypto { offset: 0, bytes: b"abc" }, Crypto { offset: 3, bytes: b"de" }]);
        assert!(crypto_frames(&[6, 0, 9, 1]).is_err() && crypto_frames(&[0x08]).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), two in any::<bool>()) {
            let _ = crypto_frames(&bytes);
            let head: &[u8] = if two { &[0xd0, 0x6b, 0x33, 0x43, 0xcf] } else { &[0xc0, 0, 0, 0, 1] };
            bytes.splice(0..0, head.iter().copied());
            let _ = Initial::parse(&bytes);
        }
    }
}
