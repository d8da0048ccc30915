//! Poly1305 (RFC 8439 §2.5) with three 44-bit limbs, for `chacha20-poly1305@openssh.com`.

const M44: u64 = (1 << 44) - 1;
const M42: u64 = (1 << 42) - 1;

fn le64(b: &[u8]) -> u64 {
    b.iter().take(8).rev().fold(0, |v, &b| v << 8 | u64::from(b))
}

/// The tag of `message` under a one-time key.
pub(super) fn tag(key: &[u8; 32], message: &[u8]) -> [u8; 16] {
    let (r, s) = key.split_at(16);
    let (t0, t1) = (le64(r), le64(r.get(8..).unwrap_or_default()));
    let r0 = t0 & 0xffc_0fff_ffff;
    let r1 = (t0 >> 44 | t1 << 20) & 0xfff_ffc0_ffff;
    let r2 = (t1 >> 24) & 0x000f_ffff_fc0f;
    let (s1, s2) = (r1 * 20, r2 * 20);
    let (mut h0, mut h1, mut h2) = (0u64, 0u64, 0u64);
    let wide = |a: u64, b: u64| u128::from(a) * u128::from(b);
    let low = |v: u128, mask: u64| u64::try_from(v & u128::from(mask)).unwrap_or_default();
    let carry = |v: u128, by: u32| u64::try_from(v >> by).unwrap_or_default();
    for block in message.chunks(16) {
        let mut padded = [0u8; 17];
        for (to, from) in padded.iter_mut().zip(block) {
            *to = *from;
        }
        if let Some(one) = padded.get_mut(block.len()) {
            *one = 1;
        }
        let (t0, t1) = (le64(&padded), le64(padded.get(8..16).unwrap_or_default()));
        let high = u64::from(block.len() == 16) << 40;
        h0 += t0 & M44;
        h1 += (t0 >> 44 | t1 << 20) & M44;
        h2 += (t1 >> 24) | high;
        let d0 = wide(h0, r0) + wide(h1, s2) + wide(h2, s1);
        let mut d1 = wide(h0, r1) + wide(h1, r0) + wide(h2, s2);
        let mut d2 = wide(h0, r2) + wide(h1, r1) + wide(h2, r0);
        h0 = low(d0, M44);
        d1 += d0 >> 44;
        h1 = low(d1, M44);
        d2 += d1 >> 44;
        h2 = low(d2, M42);
        h0 += carry(d2, 42) * 5;
        h1 += h0 >> 44;
        h0 &= M44;
    }
    // Full carry, twice round.
    for _ in 0..2 {
        h2 += h1 >> 44;
        h1 &= M44;
        h0 += (h2 >> 42) * 5;
        h2 &= M42;
        h1 += h0 >> 44;
        h0 &= M44;
    }
    h2 += h1 >> 44;
    h1 &= M44;
    // h - p, kept if it does not borrow.
    let g0 = h0 + 5;
    let g1 = h1 + (g0 >> 44);
    let g2 = h2 + (g1 >> 44);
    if g2 >> 42 != 0 {
        (h0, h1, h2) = (g0 & M44, g1 & M44, g2 & M42);
    }
    let h = u128::from(h0) | u128::from(h1) << 44 | u128::from(h2) << 88;
    let s = u128::from(le64(s)) | u128::from(le64(s.get(8..).unwrap_or_default())) << 64;
    h.wrapping_add(s).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn the_example_of_rfc_8439() {
        let key: [u8; 32] = hex::decode("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b").unwrap().try_into().unwrap();
        assert_eq!(hex::encode(tag(&key, b"Cryptographic Forum Research Group")), "a8061dc1305136c6c22b8baf0c0127a9");
        // RFC 8439 A.3 #7 and #10: carries over the modulus.
        let mut key = [0u8; 32];
        key[0] = 2;
        assert_eq!(tag(&key, &[0xff; 16])[0], 3);
    }
}
