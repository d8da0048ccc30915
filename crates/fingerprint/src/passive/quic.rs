//! The ClientHello of a QUIC client: its Initial packets are opened with the keys that everybody can make of the
//! connection id (RFC 9001 §5.2, version 2 by RFC 9369 §3.3), and its pieces put together.

use ring::{
    aead::{
        AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey,
        quic::{AES_128, HeaderProtectionKey},
    },
    hkdf,
};
use std::fmt;
use wire::quic::{Crypto, Initial, Version, crypto_frames};

/// Longest handshake message that is put together, bytes.
pub const LONGEST: usize = 16 * 1024;
/// Pieces that wait for one before them.
const WAITING: usize = 32;
/// Packets looked at for one hello.
const PACKETS: u8 = 16;

/// The protection of a client's Initial packets.
pub struct Keys {
    header: HeaderProtectionKey,
    packet: LessSafeKey,
    iv: [u8; 12],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// The client's keys for the first destination connection id it sent.
    pub fn new(version: Version, destination_id: &[u8]) -> Option<Self> {
        let (salt, names) = match version {
            Version::V1 => (&SALT_V1, ["quic key", "quic iv", "quic hp"]),
            Version::V2 => (&SALT_V2, ["quicv2 key", "quicv2 iv", "quicv2 hp"]),
        };
        let initial = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(destination_id);
        let client = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &expand::<32>(&initial, "client in")?);
        let [key, iv, header] = names;
        Some(Self {
            header: HeaderProtectionKey::new(&AES_128, &expand::<16>(&client, header)?).ok()?,
            packet: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &expand::<16>(&client, key)?).ok()?),
            iv: expand::<12>(&client, iv)?,
        })
    }

    /// The payload of a packet; `None` if these are not its keys or it was tampered with.
    pub fn open(&self, initial: &Initial<'_>) -> Option<Vec<u8>> {
        let at = initial.number_at;
        let mut packet = initial.packet.to_vec();
        let mask = self.header.new_mask(packet.get(at + 4..at + 20)?).ok()?;
        let [first_mask, number_mask @ ..] = mask;
        let first = packet.first_mut()?;
        *first ^= first_mask & 0x0f;
        let length = usize::from(*first & 3) + 1;
        let mut number = 0_u64;
        for (byte, mask) in packet.get_mut(at..at + length)?.iter_mut().zip(number_mask) {
            *byte ^= mask;
            number = number << 8 | u64::from(*byte);
        }
        let mut nonce = self.iv;
        for (byte, part) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *byte ^= part;
        }
        let (header, sealed) = packet.split_at_mut_checked(at + length)?;
        let opened = self.packet.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(&*header), sealed).ok()?;
        Some(opened.to_vec())
    }
}

/// Puts one client's hello together.
#[derive(Debug)]
pub struct Assembly {
    pub version: Version,
    keys: Keys,
    have: Vec<u8>,
    waiting: Vec<(usize, Vec<u8>)>,
    packets: u8,
    done: bool,
}

impl Assembly {
    /// Begins with the first Initial of a client.
    pub fn new(initial: &Initial<'_>) -> Option<Self> {
        let keys = Keys::new(initial.version, initial.destination_id)?;
        Some(Self { version: initial.version, keys, have: Vec::new(), waiting: Vec::new(), packets: 0, done: false })
    }

    /// Takes in a datagram, which may hold several packets; the hello with its four-byte header when it is whole, once.
    pub fn absorb(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut rest = datagram;
        while !self.done
            && let Ok(initial) = Initial::parse(rest)
        {
            rest = initial.rest;
            self.packets += 1;
            self.done = self.packets >= PACKETS;
            let Some(payload) = self.keys.open(&initial) else { continue };
            for frame in crypto_frames(&payload).unwrap_or_default() {
                self.put(frame);
            }
            if let [kind, a, b, c, body @ ..] = self.have.as_slice() {
                let wanted = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
                if *kind != 1 || wanted > LONGEST {
                    self.done = true;
                } else if body.len() >= wanted {
                    self.done = true;
                    let mut hello = std::mem::take(&mut self.have);
                    hello.truncate(wanted + 4);
                    self.waiting = Vec::new();
                    return Some(hello);
                }
            }
        }
        None
    }

    /// Whether nothing more can come of it.
    pub fn is_done(&self) -> bool {
        self.done
    }

    fn put(&mut self, frame: Crypto<'_>) {
        let Some(offset) = usize::try_from(frame.offset).ok().filter(|at| *at <= LONGEST) else { return };
        if self.waiting.len() < WAITING {
            self.waiting.push((offset, frame.bytes.to_vec()));
        }
        while let Some(at) = self.waiting.iter().position(|(offset, _)| *offset <= self.have.len()) {
            let (offset, bytes) = self.waiting.swap_remove(at);
            let new = bytes.get(self.have.len() - offset..).unwrap_or_default();
            let room = (LONGEST + 4).saturating_sub(self.have.len());
            self.have.extend_from_slice(new.get(..new.len().min(room)).unwrap_or_default());
        }
    }
}

const SALT_V1: [u8; 20] =
    [0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a];
const SALT_V2: [u8; 20] =
    [0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9];

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label of TLS 1.3 with an empty context.
fn expand<const N: usize>(secret: &hkdf::Prk, label: &str) -> Option<[u8; N]> {
    let length = u16::try_from(N).ok()?.to_be_bytes();
    let name = u8::try_from(label.len() + 6).ok()?;
    let info: [&[u8]; 5] = [&length, &[name], b"tls13 ", label.as_bytes(), &[0]];
    let mut out = [0; N];
    secret.expand(&info, Length(N)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Seals a payload as a client would, to have packets to open.
    pub(crate) fn seal(version: Version, id: &[u8], number: u8, payload: &[u8]) -> Vec<u8> {
        let keys = Keys::new(version, id).unwrap();
        let first = if version == Version::V1 { 0xc0 } else { 0xd0 };
        let mut packet = vec![first];
        packet.extend(version.number().to_be_bytes());
        packet.push(id.len().try_into().unwrap());
        packet.extend_from_slice(id);
        packet.extend([0, 0]);
        packet.extend((0x4000 | u16::try_from(payload.len() + 17).unwrap()).to_be_bytes());
        let at = packet.len();
        packet.push(number);
        let mut nonce = keys.iv;
        nonce[11] ^= number;
        let mut body = payload.to_vec();
        keys.packet.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(packet.clone()), &mut body).unwrap();
        packet.extend(body);
        let mask = keys.header.new_mask(&packet[at + 4..at + 20]).unwrap();
        packet[0] ^= mask[0] & 0x0f;
        packet[at] ^= mask[1];
        packet
    }

    #[test]
    fn keys_are_those_of_the_published_example() {
        // RFC 9001 A.1 and RFC 9369 A.1: the connection id and the client's IV and header key.
        let id = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        assert_eq!(hex::encode(Keys::new(Version::V1, &id).unwrap().iv), "fa044b2f42a3fd3b46fb255c");
        assert_eq!(hex::encode(Keys::new(Version::V2, &id).unwrap().iv), "91f73e2351d8fa91660e909f");
        // A.2: the sample and the mask of its header.
        let sample = hex::decode("d1b1c98dd7689fb8ec11d242b123dc9b").unwrap();
        assert_eq!(hex::encode(Keys::new(Version::V1, &id).unwrap().header.new_mask(&sample).unwrap()), "437b9aec36");
    }

    #[test]
    fn a_hello_over_several_packets_in_any_order() {
        for version in [Version::V1, Version::V2] {
            let hello: Vec<u8> = [1, 0, 8, 0].into_iter().chain((0..2048_u32).map(|n| (n % 251) as u8)).collect();
            let frame = |from: usize, to: usize| {
                let mut frame = vec![6, 0x40 | (from >> 8) as u8, from as u8, 0x40 | ((to - from) >> 8) as u8, (to - from) as u8];
                frame.extend_from_slice(&hello[from..to]);
                frame
            };
            let first = seal(version, b"12345678", 0, &[frame(0, 500), vec![0; 100], frame(900, 1100)].concat());
            let second = seal(version, b"12345678", 1, &[frame(1100, 2052), frame(500, 900)].concat());
            let mut assembly = Assembly::new(&Initial::parse(&first).unwrap()).unwrap();
            assert_eq!(assembly.absorb(&first), None);
            assert_eq!(assembly.absorb(&second), Some(hello.clone()));
            assert!(assembly.is_done());
            // Both in one datagram, and the second one first.
            let mut assembly = Assembly::new(&Initial::parse(&second).unwrap()).unwrap();
            assert_eq!(assembly.absorb(&[second, first].concat()), Some(hello));
        }
    }

    #[test]
    fn a_tampered_packet_gives_nothing() {
        let mut packet = seal(Version::V1, b"12345678", 0, &[0; 64]);
        let mut assembly = Assembly::new(&Initial::parse(&packet).unwrap()).unwrap();
        *packet.last_mut().unwrap() ^= 1;
        for _ in 0..100 {
            assert_eq!(assembly.absorb(&packet), None);
        }
        assert!(assembly.is_done(), "it is not tried for ever");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(payload in proptest::collection::vec(any::<u8>(), 20..200)) {
            let packet = seal(Version::V2, b"abcdefgh", 3, &payload);
            let mut assembly = Assembly::new(&Initial::parse(&packet).unwrap()).unwrap();
            let _ = assembly.absorb(&packet);
        }
    }
}
