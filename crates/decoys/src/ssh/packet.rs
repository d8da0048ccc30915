//! The binary packet protocol (RFC 4253 §6) in both directions.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::{
    cipher::Cipher,
    mac::Mac,
    message::{Bye, msg},
};
use crate::decoy::Reply;

/// Largest packet length field that the product accepts.
const MAX_PACKET: u32 = 256 * 1024;
/// Packets under one key after which the product asks for new keys.
const MAX_PACKETS: u64 = 1 << 31;

/// Keys of one direction.
pub(super) struct Keys {
    pub(super) cipher: Cipher,
    /// Absent with an authenticating cipher.
    pub(super) mac: Option<Mac>,
    /// `zlib@openssh.com` was agreed; it starts when authentication is through.
    pub(super) compress: bool,
}

impl Keys {
    /// Whether so much went through that new keys are due.
    fn worn(&self, packets: u64, bytes: u64) -> bool {
        let block = u64::try_from(self.cipher.kind.block).unwrap_or(8);
        let blocks = if block >= 16 { 1u64 << (block * 2) } else { (1 << 30) / block };
        packets >= MAX_PACKETS || bytes / block > blocks
    }
}

/// The receiving half.
#[derive(Default)]
pub(super) struct Inbound {
    pub(super) sequence: u32,
    keys: Option<Keys>,
    /// First block, already deciphered, of a packet whose rest has not come.
    first: Option<[u8; 16]>,
    inflate: Option<Decompress>,
    pings: bool,
    packets: u64,
    bytes: u64,
}

/// A packet that came in.
#[derive(Debug)]
pub(super) struct Packet {
    /// Never empty; the first byte is the message number.
    pub(super) payload: Vec<u8>,
    pub(super) sequence: u32,
}

impl Inbound {
    /// `pings`: the imitated version knows message 192 (`ping@openssh.com`).
    pub(super) fn new(pings: bool) -> Self {
        Self { pings, ..Self::default() }
    }

    /// Opens the packet at the front of `input`: how many bytes it took, or `None` if more must come.
    pub(super) fn open(&mut self, input: &[u8]) -> Result<Option<(usize, Packet)>, Bye> {
        let Some((used, mut body)) = self.unseal(input)? else { return Ok(None) };
        self.packets += 1;
        self.bytes += used as u64;
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        let padding = body.first().copied().unwrap_or_default();
        if padding < 4 {
            return Err(Bye::Say(format!("Corrupted padlen {padding} on input.")));
        }
        let end = body.len().checked_sub(usize::from(padding)).filter(|&end| end >= 1).ok_or(Bye::Silent)?;
        body.truncate(end);
        body.remove(0);
        if let Some(inflate) = &mut self.inflate {
            body = expand(inflate, &body)?;
        }
        match body.first() {
            None => Err(Bye::Silent),
            Some(&kind) if !(msg::DISCONNECT..=192).contains(&kind) || kind == 192 && !self.pings => {
                Err(Bye::Say(format!("Invalid ssh2 packet type: {kind}")))
            }
            Some(_) => Ok(Some((used, Packet { payload: body, sequence }))),
        }
    }

    /// Padding length, payload and padding of the packet at the front, and the bytes it took.
    fn unseal(&mut self, input: &[u8]) -> Result<Option<(usize, Vec<u8>)>, Bye> {
        let field = |input: &[u8]| input.first_chunk::<4>().copied();
        let Some(keys) = &mut self.keys else {
            if input.len() < 8 {
                return Ok(None);
            }
            let Some(length) = field(input) else { return Ok(None) };
            let length = checked(u32::from_be_bytes(length))?;
            if !(length + 4).is_multiple_of(8) {
                return Err(Bye::Silent);
            }
            return Ok(input.get(4..4 + length).map(|body| (4 + length, body.to_vec())));
        };
        let kind = keys.cipher.kind;
        if kind.tag > 0 {
            let Some(length) = field(input) else { return Ok(None) };
            let length = checked(keys.cipher.length(self.sequence, length))?;
            if !length.is_multiple_of(kind.block) {
                return Err(Bye::Silent);
            }
            let whole = 4 + length + kind.tag;
            let Some(packet) = input.get(..whole) else { return Ok(None) };
            let mut packet = packet.to_vec();
            keys.cipher.open(self.sequence, &mut packet).map_err(|_| Bye::Silent)?;
            packet.truncate(4 + length);
            packet.drain(..4);
            return Ok(Some((whole, packet)));
        }
        let Some(mac) = &mut keys.mac else { return Err(Bye::Silent) };
        let tag = mac.kind.tag;
        if mac.kind.etm {
            let Some(length) = field(input) else { return Ok(None) };
            let length = checked(u32::from_be_bytes(length))?;
            if !length.is_multiple_of(kind.block) {
                return Err(Bye::Silent);
            }
            let whole = 4 + length + tag;
            let Some((covered, tag)) = input.get(..whole).and_then(|p| p.split_at_checked(4 + length)) else { return Ok(None) };
            if !mac.verify(self.sequence, covered, tag) {
                return Err(Bye::Silent);
            }
            let mut body = covered.get(4..).unwrap_or_default().to_vec();
            keys.cipher.stream(&mut body)?;
            return Ok(Some((whole, body)));
        }
        let first = match self.first {
            Some(first) => first,
            None => {
                let Some(&block) = input.first_chunk::<16>() else { return Ok(None) };
                let mut block = block;
                keys.cipher.stream(&mut block)?;
                self.first = Some(block);
                block
            }
        };
        let length = checked(field(&first).map_or(0, u32::from_be_bytes))?;
        if !(length + 4).is_multiple_of(kind.block) {
            return Err(Bye::Silent);
        }
        let whole = 4 + length + tag;
        let Some((covered, tag)) = input.get(..whole).and_then(|p| p.split_at_checked(4 + length)) else { return Ok(None) };
        self.first = None;
        let mut clear = covered.to_vec();
        let (head, rest) = clear.split_at_mut_checked(16).ok_or(Bye::Silent)?;
        head.copy_from_slice(&first);
        keys.cipher.stream(rest)?;
        if !mac.verify(self.sequence, &clear, tag) {
            return Err(Bye::Silent);
        }
        clear.drain(..4);
        Ok(Some((whole, clear)))
    }

    /// New keys from the next packet on. `restart`: strict key exchange counts from zero again.
    pub(super) fn rekey(&mut self, keys: Keys, restart: bool, authenticated: bool) {
        if restart {
            self.sequence = 0;
        }
        (self.packets, self.bytes) = (0, 0);
        self.inflate = (keys.compress && authenticated).then(|| Decompress::new(true));
        self.keys = Some(keys);
    }

    /// Authentication is through: delayed compression begins.
    pub(super) fn authenticated(&mut self) {
        if self.keys.as_ref().is_some_and(|k| k.compress) && self.inflate.is_none() {
            self.inflate = Some(Decompress::new(true));
        }
    }

    pub(super) fn worn(&self) -> bool {
        self.keys.as_ref().is_some_and(|k| k.worn(self.packets, self.bytes))
    }
}

/// The sending half.
#[derive(Default)]
pub(super) struct Outbound {
    pub(super) sequence: u32,
    keys: Option<Keys>,
    deflate: Option<Compress>,
    packets: u64,
    bytes: u64,
}

impl Outbound {
    /// Seals and sends a payload.
    pub(super) fn send(&mut self, payload: &[u8], out: &mut Reply) {
        let squeezed = self.deflate.as_mut().and_then(|deflate| squeeze(deflate, payload));
        let payload = squeezed.as_deref().unwrap_or(payload);
        let (block, etm_or_tag) = match &self.keys {
            None => (8, false),
            Some(keys) => (keys.cipher.kind.block, keys.cipher.kind.tag > 0 || keys.mac.as_ref().is_some_and(|m| m.kind.etm)),
        };
        let covered = payload.len() + 5 - if etm_or_tag { 4 } else { 0 };
        let mut padding = block - covered % block;
        if padding < 4 {
            padding += block;
        }
        let length = 1 + payload.len() + padding;
        let mut packet = Vec::with_capacity(4 + length + 64);
        packet.extend_from_slice(&u32::try_from(length).unwrap_or_default().to_be_bytes());
        packet.push(u8::try_from(padding).unwrap_or_default());
        packet.extend_from_slice(payload);
        let mut pad = [0u8; 32];
        // The product pads with zeros until there is a cipher.
        let pad = pad.get_mut(..padding).unwrap_or_default();
        if self.keys.is_some() {
            out.random(pad);
        }
        packet.extend_from_slice(pad);
        if let Some(keys) = &mut self.keys
            && seal(keys, self.sequence, &mut packet).is_err()
        {
            packet.clear();
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.bytes += packet.len() as u64;
        out.send(&packet);
    }

    /// As [`Inbound::rekey`].
    pub(super) fn rekey(&mut self, keys: Keys, restart: bool, authenticated: bool) {
        if restart {
            self.sequence = 0;
        }
        (self.packets, self.bytes) = (0, 0);
        self.deflate = (keys.compress && authenticated).then(|| Compress::new(Compression::new(6), true));
        self.keys = Some(keys);
    }

    /// As [`Inbound::authenticated`].
    pub(super) fn authenticated(&mut self) {
        if self.keys.as_ref().is_some_and(|k| k.compress) && self.deflate.is_none() {
            self.deflate = Some(Compress::new(Compression::new(6), true));
        }
    }

    pub(super) fn worn(&self) -> bool {
        self.keys.as_ref().is_some_and(|k| k.worn(self.packets, self.bytes))
    }
}

fn seal(keys: &mut Keys, sequence: u32, packet: &mut Vec<u8>) -> Result<(), openssl::error::ErrorStack> {
    if keys.cipher.kind.tag > 0 {
        return keys.cipher.seal(sequence, packet, 0);
    }
    let Some(mac) = &mut keys.mac else { return Ok(()) };
    let mut tag = Vec::with_capacity(64);
    if mac.kind.etm {
        keys.cipher.stream(packet.get_mut(4..).unwrap_or_default())?;
        mac.tag(sequence, packet, &mut tag)?;
    } else {
        mac.tag(sequence, packet, &mut tag)?;
        keys.cipher.stream(packet)?;
    }
    packet.extend_from_slice(&tag);
    Ok(())
}

fn checked(length: u32) -> Result<usize, Bye> {
    if (5..=MAX_PACKET).contains(&length) { usize::try_from(length).map_err(|_| Bye::Silent) } else { Err(Bye::Silent) }
}

/// Inflates one payload; more than a packet may hold is refused.
fn expand(inflate: &mut Decompress, body: &[u8]) -> Result<Vec<u8>, Bye> {
    let most = usize::try_from(MAX_PACKET).unwrap_or_default();
    let mut out = Vec::with_capacity(body.len() * 2 + 256);
    let start = inflate.total_in();
    loop {
        let taken = usize::try_from(inflate.total_in() - start).unwrap_or(body.len());
        let before = out.len();
        inflate.decompress_vec(body.get(taken..).unwrap_or_default(), &mut out, FlushDecompress::Sync).map_err(|_| Bye::Silent)?;
        let taken = usize::try_from(inflate.total_in() - start).unwrap_or(body.len());
        if out.len() < out.capacity() && (taken >= body.len() || out.len() == before) {
            return Ok(out);
        }
        if out.len() > most {
            return Err(Bye::Silent);
        }
        out.reserve(out.len().max(1024));
    }
}

fn squeeze(deflate: &mut Compress, payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(payload.len() + 256);
    let start = deflate.total_in();
    loop {
        let taken = usize::try_from(deflate.total_in() - start).ok()?;
        deflate.compress_vec(payload.get(taken..).unwrap_or_default(), &mut out, FlushCompress::Partial).ok()?;
        let taken = usize::try_from(deflate.total_in() - start).ok()?;
        if taken >= payload.len() && out.len() < out.capacity() {
            return Some(out);
        }
        out.reserve(1024);
    }
}
