//! Packet ciphers: AES in counter mode (RFC 4344), AES-GCM (RFC 5647 as the product does it) and
//! `chacha20-poly1305@openssh.com`.

use openssl::{
    cipher::{Cipher as Algorithm, CipherRef},
    cipher_ctx::CipherCtx,
    error::ErrorStack,
};

use super::poly1305;

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
    ChaCha { body: CipherCtx, length: CipherCtx },
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
                let (body, length) = key.split_at(key.len() / 2);
                Keyed::ChaCha { body: start(body, Some(&[0; 16]))?, length: start(length, Some(&[0; 16]))? }
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
    pub(super) fn length(&mut self, sequence: u32, field: [u8; 4]) -> Result<u32, ErrorStack> {
        let mut clear = field;
        if let Keyed::ChaCha { length, .. } = &mut self.keyed {
            length.decrypt_init(None, None, Some(&chacha_iv(0, sequence)))?;
            length.cipher_update_inplace(&mut clear, 4)?;
        }
        Ok(u32::from_be_bytes(clear))
    }

    /// Opens `packet` (length field, body, tag) of an authenticating cipher in place; the clear body is
    /// between the length field and the tag.
    pub(super) fn open(&mut self, sequence: u32, packet: &mut [u8]) -> Result<(), Forged> {
        let end = packet.len().checked_sub(self.kind.tag).ok_or(Forged)?;
        let (covered, tag) = packet.split_at_mut_checked(end).ok_or(Forged)?;
        match &mut self.keyed {
            Keyed::Ctr(_) => return Err(Forged),
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
            Keyed::ChaCha { body, .. } => {
                let key = one_time_key(body, sequence, false)?;
                if !openssl::memcmp::eq(&poly1305::tag(&key, covered), tag) {
                    return Err(Forged);
                }
                let inner = covered.get_mut(4..).ok_or(Forged)?;
                body.decrypt_init(None, None, Some(&chacha_iv(1, sequence)))?;
                let n = inner.len();
                body.cipher_update_inplace(inner, n)?;
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
            Keyed::Ctr(_) => return Ok(()),
            Keyed::Gcm { ctx, iv } => {
                ctx.encrypt_init(None, None, Some(iv))?;
                ctx.cipher_update(field, None)?;
                ctx.cipher_update_inplace(inner, n)?;
                ctx.cipher_final(&mut [0; 32])?;
                ctx.tag(&mut tag)?;
                step(iv);
            }
            Keyed::ChaCha { body, length } => {
                length.encrypt_init(None, None, Some(&chacha_iv(0, sequence)))?;
                length.cipher_update_inplace(field, 4)?;
                let key = one_time_key(body, sequence, true)?;
                body.encrypt_init(None, None, Some(&chacha_iv(1, sequence)))?;
                body.cipher_update_inplace(inner, n)?;
                tag = poly1305::tag(&key, packet.get(from..).unwrap_or_default());
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

fn chacha_iv(block: u64, sequence: u32) -> [u8; 16] {
    let mut iv = [0u8; 16];
    iv[..8].copy_from_slice(&block.to_le_bytes());
    iv[8..].copy_from_slice(&u64::from(sequence).to_be_bytes());
    iv
}

fn one_time_key(body: &mut CipherCtx, sequence: u32, seal: bool) -> Result<[u8; 32], ErrorStack> {
    let mut key = [0u8; 32];
    let iv = chacha_iv(0, sequence);
    if seal {
        body.encrypt_init(None, None, Some(&iv))?;
    } else {
        body.decrypt_init(None, None, Some(&iv))?;
    }
    body.cipher_update_inplace(&mut key, 32)?;
    Ok(key)
}
