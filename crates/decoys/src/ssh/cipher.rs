//! Packet ciphers: AES in counter mode (RFC 4344), AES-GCM (RFC 5647 as the product does it) and
//! `chacha20-poly1305@openssh.com`.

use openssl::{
    cipher::{Cipher as Algorithm, CipherRef},
    cipher_ctx::CipherCtx,
    error::ErrorStack,
};
use ring::aead::chacha20_poly1305_openssh::{KEY_LEN, OpeningKey, SealingKey};

/// Which cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CipherKind {
    pub(super) name: &'static str,
    mode: Mode,
    /// Block size for padding.
    pub(super) block: usize,
    pub(super) key: usize,
    pub(super) iv: usize,
    /// Bytes of tag if the cipher authenticates; then no MAC is used.
    pub(super) tag: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Ctr,
    Gcm,
    ChaCha,
}

const fn kind(name: &'static str, mode: Mode, block: usize, key: usize, iv: usize, tag: usize) -> CipherKind {
    CipherKind { name, mode, block, key, iv, tag }
}

static KINDS: [CipherKind; 6] = [
    kind("chacha20-poly1305@openssh.com", Mode::ChaCha, 8, 64, 0, 16),
    kind("aes128-ctr", Mode::Ctr, 16, 16, 16, 0),
    kind("aes192-ctr", Mode::Ctr, 16, 24, 16, 0),
    kind("aes256-ctr", Mode::Ctr, 16, 32, 16, 0),
    kind("aes128-gcm@openssh.com", Mode::Gcm, 16, 16, 12, 16),
    kind("aes256-gcm@openssh.com", Mode::Gcm, 16, 32, 12, 16),
];

impl CipherKind {
    /// The cipher called `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|k| k.name == name).copied()
    }

    fn algorithm(self) -> &'static CipherRef {
        match (self.mode, self.key) {
            (Mode::Ctr, 16) => Algorithm::aes_128_ctr(),
            (Mode::Ctr, 24) => Algorithm::aes_192_ctr(),
            (Mode::Ctr, _) => Algorithm::aes_256_ctr(),
            (Mode::Gcm, 16) => Algorithm::aes_128_gcm(),
            (Mode::Gcm, _) => Algorithm::aes_256_gcm(),
            // Not asked for: see `Cipher::new`.
            (Mode::ChaCha, _) => Algorithm::chacha20(),
        }
    }
}

/// The packet was not made with this key.
#[derive(Debug)]
pub(super) struct Forged;

impl From<ErrorStack> for Forged {
    fn from(_: ErrorStack) -> Self {
        Self
    }
}

enum Keyed {
    Ctr(CipherCtx),
    Gcm { ctx: CipherCtx, iv: [u8; 12] },
    ChaChaOpen(Box<OpeningKey>),
    ChaChaSeal(Box<SealingKey>),
}

/// A keyed cipher of one direction.
pub(super) struct Cipher {
    pub(super) kind: CipherKind,
    keyed: Keyed,
}

impl Cipher {
    /// `seal`: for packets to be sent.
    pub(super) fn new(kind: CipherKind, key: &[u8], iv: &[u8], seal: bool) -> Result<Self, ErrorStack> {
        let start = |key: &[u8], iv: Option<&[u8]>| {
            let mut ctx = CipherCtx::new()?;
            if seal {
                ctx.encrypt_init(Some(kind.algorithm()), Some(key), iv)?;
            } else {
                ctx.decrypt_init(Some(kind.algorithm()), Some(key), iv)?;
            }
            Ok::<_, ErrorStack>(ctx)
        };
        let keyed = match kind.mode {
            Mode::Ctr => Keyed::Ctr(start(key, Some(iv))?),
            Mode::Gcm => Keyed::Gcm { ctx: start(key, Some(iv))?, iv: iv.try_into().unwrap_or_default() },
            Mode::ChaCha => {
                let key: &[u8; KEY_LEN] = key.try_into().map_err(|_| ErrorStack::get())?;
                if seal { Keyed::ChaChaSeal(Box::new(SealingKey::new(key))) } else { Keyed::ChaChaOpen(Box::new(OpeningKey::new(key))) }
            }
        };
        Ok(Self { kind, keyed })
    }

    /// Counter mode: the next bytes of the stream, in place.
    pub(super) fn stream(&mut self, data: &mut [u8]) -> Result<(), ErrorStack> {
        if let Keyed::Ctr(ctx) = &mut self.keyed {
            let n = data.len();
            ctx.cipher_update_inplace(data, n)?;
        }
        Ok(())
    }

    /// Reads the length field of an authenticating cipher.
    pub(super) fn length(&self, sequence: u32, field: [u8; 4]) -> u32 {
        u32::from_be_bytes(match &self.keyed {
            Keyed::ChaChaOpen(key) => key.decrypt_packet_length(sequence, field),
            _ => field,
        })
    }

    /// Opens `packet` (length field, body, tag) of an authenticating cipher in place; the clear body is
    /// between the length field and the tag.
    pub(super) fn open(&mut self, sequence: u32, packet: &mut [u8]) -> Result<(), Forged> {
        let end = packet.len().checked_sub(self.kind.tag).ok_or(Forged)?;
        let (covered, tag) = packet.split_at_mut_checked(end).ok_or(Forged)?;
        match &mut self.keyed {
            Keyed::Ctr(_) | Keyed::ChaChaSeal(_) => return Err(Forged),
            Keyed::Gcm { ctx, iv } => {
                let (field, body) = covered.split_at_mut_checked(4).ok_or(Forged)?;
                ctx.decrypt_init(None, None, Some(iv))?;
                ctx.cipher_update(field, None)?;
                let n = body.len();
                ctx.cipher_update_inplace(body, n)?;
                ctx.set_tag(tag)?;
                ctx.cipher_final(&mut [0; 32])?;
                step(iv);
            }
            Keyed::ChaChaOpen(key) => {
                let tag: &[u8; 16] = (&*tag).try_into().map_err(|_| Forged)?;
                key.open_in_place(sequence, covered, tag).map_err(|_| Forged)?;
            }
        }
        Ok(())
    }

    /// Seals `packet` (length field and body) in place and appends the tag.
    pub(super) fn seal(&mut self, sequence: u32, packet: &mut Vec<u8>, from: usize) -> Result<(), ErrorStack> {
        let mut tag = [0u8; 16];
        let Some((field, inner)) = packet.get_mut(from..).and_then(|p| p.split_at_mut_checked(4)) else { return Ok(()) };
        let n = inner.len();
        match &mut self.keyed {
            Keyed::Ctr(_) | Keyed::ChaChaOpen(_) => return Ok(()),
            Keyed::Gcm { ctx, iv } => {
                ctx.encrypt_init(None, None, Some(iv))?;
                ctx.cipher_update(field, None)?;
                ctx.cipher_update_inplace(inner, n)?;
                ctx.cipher_final(&mut [0; 32])?;
                ctx.tag(&mut tag)?;
                step(iv);
            }
            Keyed::ChaChaSeal(key) => {
                if let Some(whole) = packet.get_mut(from..) {
                    key.seal_in_place(sequence, whole, &mut tag);
                }
            }
        }
        packet.extend_from_slice(&tag);
        Ok(())
    }
}

/// The invocation counter of RFC 5647: the last eight bytes.
fn step(iv: &mut [u8; 12]) {
    if let Some(tail) = iv.last_chunk_mut::<8>() {
        *tail = u64::from_be_bytes(*tail).wrapping_add(1).to_be_bytes();
    }
}
