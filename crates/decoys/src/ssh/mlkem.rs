//! ML-KEM-768, the encapsulating side only (FIPS 203), for `mlkem768x25519-sha256`. Not constant-time on
//! purpose: there is no long-lived secret here.

use openssl::{
    error::ErrorStack,
    hash::{Hasher, MessageDigest, hash, hash_xof},
};

const Q: u32 = 3329;
const K: usize = 3;
const N: usize = 256;
/// Bytes of an encapsulation key.
pub(super) const PUBLIC: usize = 384 * K + 32;

type Poly = [u32; N];
/// Ciphertext and shared secret.
type Encapsulated = (Vec<u8>, [u8; 32]);

/// Encapsulates to `public` with 32 fresh random bytes: ciphertext (1088 bytes) and shared secret.
/// `None`: the key is not canonical.
pub(super) fn encapsulate(public: &[u8; PUBLIC], m: &[u8; 32]) -> Result<Option<Encapsulated>, ErrorStack> {
    let mut t = [[0u32; N]; K];
    for (poly, bytes) in t.iter_mut().zip(public.chunks(384)) {
        if !unpack12(bytes, poly) {
            return Ok(None);
        }
    }
    let rho = public.get(384 * K..).unwrap_or_default();
    let public_hash = hash(MessageDigest::sha3_256(), public)?;
    let both = hash(MessageDigest::sha3_512(), &[&m[..], &public_hash].concat())?;
    let (secret, coins) = both.split_at_checked(32).unwrap_or_default();

    let mut nonce = 0u8;
    let mut noise = || {
        let mut bytes = [0u8; 128];
        hash_xof(MessageDigest::shake_256(), &[coins, &[nonce]].concat(), &mut bytes)?;
        nonce += 1;
        Ok::<_, ErrorStack>(binomial(&bytes))
    };
    let mut y = [noise()?, noise()?, noise()?];
    let e1 = [noise()?, noise()?, noise()?];
    let e2 = noise()?;
    y.iter_mut().for_each(ntt);

    let mut ciphertext = Vec::with_capacity(1088);
    for (i, e) in (0u8..).zip(&e1) {
        let mut sum = [0u32; N];
        for (j, y) in (0u8..).zip(&y) {
            // The transposed matrix: row and column exchanged.
            multiply_add(&sample(rho, i, j)?, y, &mut sum);
        }
        inverse_ntt(&mut sum);
        add(&mut sum, e);
        pack(&sum, 10, &mut ciphertext);
    }
    let mut v = [0u32; N];
    for (t, y) in t.iter().zip(&y) {
        multiply_add(t, y, &mut v);
    }
    inverse_ntt(&mut v);
    add(&mut v, &e2);
    for (i, c) in v.iter_mut().enumerate() {
        let bit = m.get(i / 8).map_or(0, |b| u32::from(b >> (i % 8) & 1));
        *c = (*c + bit * Q.div_ceil(2)) % Q;
    }
    pack(&v, 4, &mut ciphertext);
    Ok(Some((ciphertext, secret.try_into().unwrap_or_default())))
}

/// Twelve bits per coefficient; `false` if one is not below q.
fn unpack12(bytes: &[u8], poly: &mut Poly) -> bool {
    for (pair, three) in poly.chunks_mut(2).zip(bytes.chunks(3)) {
        let (&mut [ref mut a, ref mut b], &[x, y, z]) = (pair, three) else { return false };
        *a = u32::from(x) | u32::from(y & 15) << 8;
        *b = u32::from(y >> 4) | u32::from(z) << 4;
    }
    poly.iter().all(|c| *c < Q)
}

/// Compresses to `bits` per coefficient and appends.
fn pack(poly: &Poly, bits: u32, out: &mut Vec<u8>) {
    let (mut have, mut held) = (0u32, 0u64);
    for &c in poly {
        let squeezed = (((u64::from(c) << bits) + u64::from(Q / 2)) / u64::from(Q)) & ((1 << bits) - 1);
        held |= squeezed << have;
        have += bits;
        while have >= 8 {
            out.push(held.to_le_bytes()[0]);
            held >>= 8;
            have -= 8;
        }
    }
}

/// Centred binomial noise with eta = 2.
fn binomial(bytes: &[u8; 128]) -> Poly {
    let mut out = [0u32; N];
    for (i, c) in out.iter_mut().enumerate() {
        let nibble = bytes.get(i / 2).map_or(0, |b| u32::from(b >> (4 * (i % 2)) & 15));
        *c = (Q + (nibble & 3).count_ones() - (nibble >> 2).count_ones()) % Q;
    }
    out
}

/// Uniform coefficients from SHAKE128 by rejection; already in the transformed domain.
fn sample(rho: &[u8], i: u8, j: u8) -> Result<Poly, ErrorStack> {
    // 840 bytes run short once in 2^40 or so; then ask for more.
    let mut bytes = vec![0u8; 840];
    loop {
        let mut hasher = Hasher::new(MessageDigest::shake_128())?;
        hasher.update(rho)?;
        hasher.update(&[i, j])?;
        hasher.finish_xof(&mut bytes)?;
        let mut out = [0u32; N];
        let mut at = 0;
        for three in bytes.chunks_exact(3) {
            let &[x, y, z] = three else { continue };
            for candidate in [u32::from(x) | u32::from(y & 15) << 8, u32::from(y >> 4) | u32::from(z) << 4] {
                if candidate < Q
                    && let Some(c) = out.get_mut(at)
                {
                    *c = candidate;
                    at += 1;
                }
            }
        }
        if at == N {
            return Ok(out);
        }
        let more = bytes.len() * 2;
        bytes.resize(more, 0);
    }
}

fn power(base: u32, exponent: u32) -> u32 {
    (0..exponent).fold(1, |v, _| v * base % Q)
}

/// 17 is a primitive 256th root of unity.
fn root(index: usize) -> u32 {
    static ROOTS: std::sync::LazyLock<[u32; 128]> = std::sync::LazyLock::new(|| {
        let mut table = [0u32; 128];
        for (i, r) in (0u8..).zip(table.iter_mut()) {
            *r = power(17, u32::from(i.reverse_bits() >> 1));
        }
        table
    });
    ROOTS.get(index).copied().unwrap_or(1)
}

fn ntt(f: &mut Poly) {
    let mut index = 1;
    for half in [128usize, 64, 32, 16, 8, 4, 2] {
        for block in f.chunks_mut(2 * half) {
            let zeta = root(index);
            index += 1;
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                let t = zeta * *b % Q;
                *b = (*a + Q - t) % Q;
                *a = (*a + t) % Q;
            }
        }
    }
}

fn inverse_ntt(f: &mut Poly) {
    let mut index = 127;
    for half in [2usize, 4, 8, 16, 32, 64, 128] {
        for block in f.chunks_mut(2 * half) {
            let zeta = root(index);
            index -= 1;
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                let t = *a;
                *a = (t + *b) % Q;
                *b = zeta * (*b + Q - t) % Q;
            }
        }
    }
    for c in f {
        *c = *c * 3303 % Q;
    }
}

/// Adds the product of two transformed polynomials to `sum`.
fn multiply_add(a: &Poly, b: &Poly, sum: &mut Poly) {
    for (i, ((s, a), b)) in sum.chunks_mut(2).zip(a.chunks(2)).zip(b.chunks(2)).enumerate() {
        let (&mut [ref mut s0, ref mut s1], &[a0, a1], &[b0, b1]) = (s, a, b) else { continue };
        let zeta = root(64 + i / 2);
        let zeta = if i % 2 == 0 { zeta } else { Q - zeta };
        *s0 = (*s0 + a0 * b0 + a1 * b1 % Q * zeta) % Q;
        *s1 = (*s1 + a0 * b1 + a1 * b0) % Q;
    }
}

fn add(a: &mut Poly, b: &Poly) {
    for (a, b) in a.iter_mut().zip(b) {
        *a = (*a + *b) % Q;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_undoes_itself_and_sizes_are_right() {
        let mut f = [0u32; N];
        for (i, c) in (0u32..).zip(f.iter_mut()) {
            *c = i * 13 % Q;
        }
        let original = f;
        ntt(&mut f);
        assert_ne!(f, original);
        inverse_ntt(&mut f);
        assert_eq!(f, original);
        let (ciphertext, _) = encapsulate(&[0; PUBLIC], &[1; 32]).unwrap().unwrap();
        assert_eq!(ciphertext.len(), 1088);
        assert!(encapsulate(&[0xff; PUBLIC], &[1; 32]).unwrap().is_none());
    }
}
