//! UMAC-64 and UMAC-128 (RFC 4418), as `umac-64@openssh.com` and `umac-128@openssh.com` use them: the
//! nonce is the packet's sequence number as eight bytes.

use openssl::{cipher::Cipher, cipher_ctx::CipherCtx, error::ErrorStack};

/// Most streams: UMAC-128.
const STREAMS: usize = 4;
const P36: u64 = (1 << 36) - 5;
const P64: u64 = u64::MAX - 58;

/// A keyed UMAC of two or four streams (8 or 16 bytes of tag).
pub(super) struct Umac {
    streams: usize,
    /// NH key, 1024 bytes and 16 more per further stream, as native words.
    nh: Vec<u32>,
    poly: [u64; STREAMS],
    ip: [[u64; 8]; STREAMS],
    it: [u32; STREAMS],
    pad: CipherCtx,
}

impl Umac {
    /// Sets up all keys. `tag` is 8 or 16 bytes.
    pub(super) fn new(key: &[u8], tag: usize) -> Result<Self, ErrorStack> {
        let streams = tag / 4;
        let mut kdf = ecb(key)?;
        let pad_key = derive(&mut kdf, 0, 16)?;
        let nh_bytes = derive(&mut kdf, 1, 1024 + 16 * (streams - 1))?;
        let poly_bytes = derive(&mut kdf, 2, 24 * streams)?;
        let ip_bytes = derive(&mut kdf, 3, 64 * streams)?;
        let it_bytes = derive(&mut kdf, 4, 4 * streams)?;
        let mut me = Self {
            streams,
            nh: nh_bytes.chunks_exact(4).map(be32).collect(),
            poly: [0; STREAMS],
            ip: [[0; 8]; STREAMS],
            it: [0; STREAMS],
            pad: ecb(&pad_key)?,
        };
        // Of each 24 bytes the first 8 are the 64-bit key; the rest belongs to the 128-bit polynomial of
        // messages over 16 MiB, which a packet never is.
        for (to, from) in me.poly.iter_mut().zip(poly_bytes.chunks_exact(24)) {
            *to = be64(from) & 0x01ff_ffff_01ff_ffff;
        }
        for (to, from) in me.ip.iter_mut().zip(ip_bytes.chunks_exact(64)) {
            for (to, from) in to.iter_mut().zip(from.chunks_exact(8)) {
                *to = be64(from) % P36;
            }
        }
        for (to, from) in me.it.iter_mut().zip(it_bytes.chunks_exact(4)) {
            *to = be32(from);
        }
        Ok(me)
    }

    /// The tag of `message`; the first `4 * streams` bytes count.
    pub(super) fn tag(&mut self, message: &[u8], sequence: u64) -> Result<[u8; 16], ErrorStack> {
        let mut nonce = [0u8; 16];
        nonce[..8].copy_from_slice(&sequence.to_be_bytes());
        let half = if self.streams == 2 { usize::from(nonce[7] & 1) } else { 0 };
        if self.streams == 2 {
            nonce[7] &= 0xfe;
        }
        let mut block = [0u8; 32];
        self.pad.cipher_update(&nonce, Some(&mut block))?;
        let mut out = [0u8; 16];
        for (stream, chunk) in out.chunks_exact_mut(4).take(self.streams).enumerate() {
            let hashed = self.hash(message, stream).to_be_bytes();
            for (i, to) in chunk.iter_mut().enumerate() {
                let pad = block.get(half * 8 + stream * 4 + i).copied().unwrap_or_default();
                *to = hashed.get(i).copied().unwrap_or_default() ^ pad;
            }
        }
        Ok(out)
    }

    fn hash(&self, message: &[u8], stream: usize) -> u32 {
        let key = self.nh.get(stream * 4..).unwrap_or_default();
        if message.len() <= 1024 {
            return self.inner_product(stream, nh(message, key));
        }
        let k = self.poly.get(stream).copied().unwrap_or_default();
        let mut y: u64 = 1;
        for block in message.chunks(1024) {
            let m = nh(block, key);
            if m >= 0xffff_ffff_0000_0000 {
                y = poly_step(k, y, P64 - 1);
                y = poly_step(k, y, m.wrapping_sub(59));
            } else {
                y = poly_step(k, y, m);
            }
        }
        self.inner_product(stream, y)
    }

    /// L3: sixteen bytes (the upper eight are zero here) to four.
    fn inner_product(&self, stream: usize, value: u64) -> u32 {
        let keys = self.ip.get(stream).copied().unwrap_or_default();
        let mut sum: u128 = 0;
        for (i, key) in keys.iter().skip(4).enumerate() {
            let part = value >> (48 - 16 * i) & 0xffff;
            sum += u128::from(part) * u128::from(*key);
        }
        let folded = u64::try_from(sum % u128::from(P36)).unwrap_or_default();
        let low = u32::try_from(folded & 0xffff_ffff).unwrap_or_default();
        low ^ self.it.get(stream).copied().unwrap_or_default()
    }
}

/// NH over at most 1024 bytes, zero-padded to 32, plus the length in bits.
fn nh(block: &[u8], key: &[u32]) -> u64 {
    let mut sum = (block.len() as u64).wrapping_mul(8);
    let mut keys = key.chunks_exact(8);
    let mut add = |m: &[u8]| {
        let Some(k) = keys.next() else { return };
        let mut words = [0u32; 8];
        for ((to, from), k) in words.iter_mut().zip(m.chunks_exact(4)).zip(k) {
            *to = u32::from_le_bytes(from.try_into().unwrap_or_default()).wrapping_add(*k);
        }
        let (a, b) = words.split_at(4);
        for (a, b) in a.iter().zip(b) {
            sum = sum.wrapping_add(u64::from(*a).wrapping_mul(u64::from(*b)));
        }
    };
    let chunks = block.chunks_exact(32);
    let rest = chunks.remainder();
    chunks.for_each(&mut add);
    if !rest.is_empty() || block.is_empty() {
        let mut last = [0u8; 32];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        add(&last);
    }
    sum
}

/// `k * y + m mod 2^64 - 59`.
fn poly_step(k: u64, y: u64, m: u64) -> u64 {
    let v = u128::from(k) * u128::from(y) + u128::from(m);
    u64::try_from(v % u128::from(P64)).unwrap_or_default()
}

fn ecb(key: &[u8]) -> Result<CipherCtx, ErrorStack> {
    let mut ctx = CipherCtx::new()?;
    ctx.encrypt_init(Some(Cipher::aes_128_ecb()), Some(key), None)?;
    ctx.set_padding(false);
    Ok(ctx)
}

fn derive(kdf: &mut CipherCtx, index: u8, bytes: usize) -> Result<Vec<u8>, ErrorStack> {
    let mut out = Vec::with_capacity(bytes + 16);
    let mut counter = 0u64;
    while out.len() < bytes {
        counter += 1;
        let mut block = [0u8; 16];
        block[7] = index;
        block[8..].copy_from_slice(&counter.to_be_bytes());
        let mut sealed = [0u8; 32];
        kdf.cipher_update(&block, Some(&mut sealed))?;
        out.extend_from_slice(&sealed[..16]);
    }
    out.truncate(bytes);
    Ok(out)
}

fn be32(b: &[u8]) -> u32 {
    b.iter().take(4).fold(0, |v, &b| v << 8 | u32::from(b))
}

fn be64(b: &[u8]) -> u64 {
    b.iter().take(8).fold(0, |v, &b| v << 8 | u64::from(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4418's appendix: key "abcdefghijklmnop", nonce "bcdefghi".
    #[test]
    fn the_vectors_of_rfc_4418() {
        let nonce = u64::from_be_bytes(*b"bcdefghi");
        let check = |message: &[u8], short: &str| {
            let mut umac = Umac::new(b"abcdefghijklmnop", 8).unwrap();
            assert_eq!(hex::encode(&umac.tag(message, nonce).unwrap()[..8]), short);
        };
        check(b"", "6e155fad26900be1");
        check(b"aaa", "44b5cb542f220104");
        check(&[b'a'; 1 << 10], "26bf2f5d60118bd9");
        check(&[b'a'; 1 << 15], "27f8ef643b0d118d");
    }
}
