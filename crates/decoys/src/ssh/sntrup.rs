//! Streamlined NTRU Prime 761, the encapsulating side only (NTRU Prime round 3 specification), for
//! `sntrup761x25519-sha512`. Not constant-time on purpose: there is no long-lived secret here.

use openssl::sha::Sha512;
use rand::Rng;

const P: usize = 761;
const Q: i32 = 4591;
const W: usize = 286;
const HALF: i32 = (Q - 1) / 2;
/// Bytes of a public key.
pub(super) const PUBLIC: usize = 1158;

/// Encapsulates to `public`: the ciphertext to send and the shared secret.
pub(super) fn encapsulate(public: &[u8; PUBLIC], rng: &mut impl Rng) -> (Vec<u8>, [u8; 32]) {
    let r = short(rng);
    let h = decode_public(public);
    let product = multiply(&h, &r);
    let mut ciphertext = encode_rounded(&product);
    let r_bytes = encode_small(&r);
    let r_hash = hash(3, &[&r_bytes]);
    let confirm = hash(2, &[&r_hash, &hash(4, &[public])]);
    ciphertext.extend_from_slice(&confirm);
    let secret = hash(1, &[&r_hash, &ciphertext]);
    (ciphertext, secret)
}

fn hash(prefix: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut sha = Sha512::new();
    sha.update(&[prefix]);
    for part in parts {
        sha.update(part);
    }
    let whole = sha.finish();
    let mut out = [0u8; 32];
    for (to, from) in out.iter_mut().zip(whole) {
        *to = from;
    }
    out
}

/// A random small polynomial of weight exactly W: a shuffle that stops when the places of all signs are drawn.
fn short(rng: &mut impl Rng) -> [i8; P] {
    let mut places: [u16; P] = std::array::from_fn(|i| u16::try_from(i).unwrap_or_default());
    let mut out = [0i8; P];
    for i in 0..W {
        let v = rng.next_u64();
        // The high part picks the place: biased by less than 2^-50. The lowest bit is the sign.
        let left = u64::try_from(P - i).unwrap_or(1);
        let picked = usize::try_from((u128::from(v) * u128::from(left)) >> 64).unwrap_or_default();
        places.swap(i, i + picked);
        if let Some(to) = places.get(i).and_then(|&at| out.get_mut(usize::from(at))) {
            *to = if v & 1 == 0 { 1 } else { -1 };
        }
    }
    out
}

/// `h * r` in Z/q[x]/(x^761 - x - 1), coefficients in -2295..=2295.
fn multiply(h: &[i32; P], r: &[i8; P]) -> [i32; P] {
    let mut wide = [0i32; 2 * P];
    // Sums of up to 14 coefficients fit 16 bits, and twice as many of these are added at a time.
    let h: [i16; P] = h.map(|v| i16::try_from(v).unwrap_or_default());
    let mut narrow = [0i16; 2 * P];
    let mut sums = 0;
    for (i, &c) in r.iter().enumerate() {
        let Some(to) = narrow.get_mut(i..i + P) else { continue };
        match c {
            1 => to.iter_mut().zip(&h).for_each(|(t, v)| *t = t.wrapping_add(*v)),
            -1 => to.iter_mut().zip(&h).for_each(|(t, v)| *t = t.wrapping_sub(*v)),
            _ => continue,
        }
        sums += 1;
        if sums == 14 {
            widen(&mut narrow, &mut wide);
            sums = 0;
        }
    }
    widen(&mut narrow, &mut wide);
    let mut out = [0i32; P];
    // x^(761+i) = x^(i+1) + x^i, from the top down.
    for i in (P..2 * P - 1).rev() {
        let v = wide.get(i).copied().unwrap_or_default() % Q;
        if let Some(t) = wide.get_mut(i - P) {
            *t += v;
        }
        if let Some(t) = wide.get_mut(i - P + 1) {
            *t += v;
        }
    }
    for (to, from) in out.iter_mut().zip(wide) {
        *to = centre(from);
    }
    out
}

fn widen(narrow: &mut [i16; 2 * P], wide: &mut [i32; 2 * P]) {
    for (to, from) in wide.iter_mut().zip(narrow) {
        *to += i32::from(std::mem::take(from));
    }
}

fn centre(v: i32) -> i32 {
    let v = v.rem_euclid(Q);
    if v > HALF { v - Q } else { v }
}

fn decode_public(bytes: &[u8; PUBLIC]) -> [i32; P] {
    let mut out = [0i32; P];
    let sizes = vec![4591u32; P];
    for (to, from) in out.iter_mut().zip(decode(bytes, &sizes)) {
        *to = i32::try_from(from).unwrap_or_default() - HALF;
    }
    out
}

/// Rounds each coefficient to the nearest multiple of three and packs.
fn encode_rounded(product: &[i32; P]) -> Vec<u8> {
    let values = product
        .iter()
        .map(|&v| {
            let third = (v + 1).rem_euclid(3) - 1;
            u32::try_from((v - third + HALF) / 3).unwrap_or_default()
        })
        .collect();
    encode(values, vec![1531; P])
}

fn encode_small(r: &[i8; P]) -> Vec<u8> {
    r.chunks(4).map(|four| four.iter().enumerate().fold(0u8, |byte, (i, c)| byte | (c + 1).unsigned_abs() << (2 * i))).collect()
}

const LIMIT: u32 = 16384;

/// The mixed-radix packing of the specification, pairs first.
fn encode(mut values: Vec<u32>, mut sizes: Vec<u32>) -> Vec<u8> {
    let mut out = Vec::with_capacity(PUBLIC);
    while values.len() > 1 {
        let mut next_values = Vec::with_capacity(values.len() / 2 + 1);
        let mut next_sizes = Vec::with_capacity(values.len() / 2 + 1);
        for (v, m) in values.chunks(2).zip(sizes.chunks(2)) {
            let (&[v0, v1], &[m0, m1]) = (v, m) else {
                next_values.extend_from_slice(v);
                next_sizes.extend_from_slice(m);
                continue;
            };
            let (mut v, mut m) = (v0 + v1 * m0, m0 * m1);
            while m >= LIMIT {
                out.push(v.to_le_bytes()[0]);
                v >>= 8;
                m = m.div_ceil(256);
            }
            next_values.push(v);
            next_sizes.push(m);
        }
        (values, sizes) = (next_values, next_sizes);
    }
    if let (Some(&v), Some(&m)) = (values.first(), sizes.first()) {
        let (mut v, mut m) = (v, m);
        while m > 1 {
            out.push(v.to_le_bytes()[0]);
            v >>= 8;
            m = m.div_ceil(256);
        }
    }
    out
}

/// The sizes of one level of pairs, and what was read of each pair with its scale.
type Level = (Vec<u32>, Vec<(u32, u32)>);

/// Undoes [`encode`]. Any bytes decode to values within `sizes`.
fn decode(bytes: &[u8], sizes: &[u32]) -> Vec<u32> {
    let byte = |i: usize| u32::from(bytes.get(i).copied().unwrap_or_default());
    let mut at = 0;
    let mut levels: Vec<Level> = Vec::new();
    let mut sizes = sizes.to_vec();
    while sizes.len() > 1 {
        let mut next = Vec::with_capacity(sizes.len() / 2 + 1);
        let mut bottoms = Vec::with_capacity(sizes.len() / 2 + 1);
        for pair in sizes.chunks(2) {
            let &[m0, m1] = pair else {
                next.extend_from_slice(pair);
                continue;
            };
            let (mut m, mut low, mut scale) = (m0 * m1, 0, 1);
            while m >= LIMIT {
                low += byte(at) * scale;
                scale *= 256;
                at += 1;
                m = m.div_ceil(256);
            }
            next.push(m);
            bottoms.push((low, scale));
        }
        levels.push((std::mem::replace(&mut sizes, next), bottoms));
    }
    let top = sizes.first().copied().unwrap_or(1).max(1);
    let mut values = vec![if top == 1 {
        0
    } else if top <= 256 {
        byte(at) % top
    } else {
        (byte(at) | byte(at + 1) << 8) % top
    }];
    for (sizes, bottoms) in levels.into_iter().rev() {
        let mut next = Vec::with_capacity(sizes.len());
        for (i, pair) in sizes.chunks(2).enumerate() {
            let upper = values.get(i).copied().unwrap_or_default();
            let (&[m0, m1], Some(&(low, scale))) = (pair, bottoms.get(i)) else {
                next.push(upper);
                continue;
            };
            let v = low + scale * upper;
            next.push(v % m0);
            next.push(v / m0 % m1);
        }
        values = next;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    #[test]
    fn packing_has_the_specified_sizes_and_round_trips() {
        let mut rng = ChaCha12Rng::from_seed([3; 32]);
        let values: Vec<u32> = (0..P).map(|_| rng.next_u32() % 4591).collect();
        let bytes = encode(values.clone(), vec![4591; P]);
        assert_eq!(bytes.len(), PUBLIC);
        assert_eq!(decode(&bytes, &vec![4591; P]), values);
        assert_eq!(encode(vec![0; P], vec![1531; P]).len(), 1007);
        assert_eq!(short(&mut rng).iter().filter(|c| **c != 0).count(), W);
    }
}
