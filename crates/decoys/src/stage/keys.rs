//! Private keys made from 32 bytes: the same bytes always give the same key, so a decky keeps its host keys
//! and certificates without a file. The bytes come from [`Visit::derive`](crate::Visit::derive).

use openssl::{
    bn::{BigNum, BigNumContext, BigNumRef},
    ec::{EcGroup, EcKey, EcPoint},
    error::ErrorStack,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::{Rsa, RsaPrivateKeyBuilder},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// An Ed25519 key (RFC 8032); the seed is its private key.
pub fn ed25519(seed: &[u8; 32]) -> Result<PKey<Private>, ErrorStack> {
    PKey::private_key_from_raw_bytes(seed, Id::ED25519)
}

/// A NIST P-256 key.
pub fn p256(seed: &[u8; 32]) -> Result<PKey<Private>, ErrorStack> {
    let mut rng = ChaCha12Rng::from_seed(*seed);
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let mut ctx = BigNumContext::new()?;
    let mut order = BigNum::new()?;
    group.order(&mut order, &mut ctx)?;
    let zero = BigNum::from_u32(0)?;
    let scalar = loop {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        let scalar = BigNum::from_slice(&bytes)?;
        if scalar > zero && scalar < order {
            break scalar;
        }
    };
    let mut point = EcPoint::new(&group)?;
    point.mul_generator2(&group, &scalar, &mut ctx)?;
    PKey::from_ec_key(EcKey::from_private_components(&group, &scalar, &point)?)
}

/// An RSA key of `bits` (a multiple of 128, 1024 to 4096), e = 65537. Takes tens to hundreds of
/// milliseconds: make it once and keep it.
pub fn rsa(seed: &[u8; 32], bits: u32) -> Result<PKey<Private>, ErrorStack> {
    let bits = bits.clamp(1024, 4096) / 128 * 128;
    let mut rng = ChaCha12Rng::from_seed(*seed);
    let mut ctx = BigNumContext::new_secure()?;
    let one = BigNum::from_u32(1)?;
    let e = BigNum::from_u32(65_537)?;
    let (p, q) = loop {
        let p = prime(&mut rng, bits / 2, &mut ctx)?;
        let q = prime(&mut rng, bits / 2, &mut ctx)?;
        // FIPS 186-5 A.1.3: the factors must not be near each other.
        let mut apart = BigNum::new()?;
        apart.checked_sub(&p, &q)?;
        if apart.num_bits() > i32::try_from(bits / 2).unwrap_or(i32::MAX) - 100 {
            break if p > q { (p, q) } else { (q, p) };
        }
    };
    let less_one = |n: &BigNumRef| -> Result<BigNum, ErrorStack> {
        let mut m = BigNum::new()?;
        m.checked_sub(n, &one)?;
        Ok(m)
    };
    let (p1, q1) = (less_one(&p)?, less_one(&q)?);
    let mut n = BigNum::new()?;
    n.checked_mul(&p, &q, &mut ctx)?;
    // d = e^-1 mod lcm(p-1, q-1), as OpenSSL makes it.
    let (mut product, mut gcd, mut lcm) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
    product.checked_mul(&p1, &q1, &mut ctx)?;
    gcd.gcd(&p1, &q1, &mut ctx)?;
    lcm.checked_div(&product, &gcd, &mut ctx)?;
    let (mut d, mut dp, mut dq, mut qi) = (BigNum::new()?, BigNum::new()?, BigNum::new()?, BigNum::new()?);
    d.mod_inverse(&e, &lcm, &mut ctx)?;
    dp.nnmod(&d, &p1, &mut ctx)?;
    dq.nnmod(&d, &q1, &mut ctx)?;
    qi.mod_inverse(&q, &p, &mut ctx)?;
    let key = RsaPrivateKeyBuilder::new(n, e, d)?.set_factors(p, q)?.set_crt_params(dp, dq, qi)?.build();
    PKey::from_rsa(Rsa::clone(&key))
}

/// A prime of exactly `bits` with its two top bits set, p-1 not divisible by 65537: the first at or after a
/// random odd number.
fn prime(rng: &mut ChaCha12Rng, bits: u32, ctx: &mut BigNumContext) -> Result<BigNum, ErrorStack> {
    let top = i32::try_from(bits).unwrap_or(2048);
    loop {
        let mut bytes = vec![0; bits as usize / 8];
        rng.fill_bytes(&mut bytes);
        let mut candidate = BigNum::from_slice(&bytes)?;
        for bit in [top - 1, top - 2, 0] {
            candidate.set_bit(bit)?;
        }
        for _ in 0..8192 {
            if candidate.num_bits() != top {
                break;
            }
            if candidate.mod_word(65_537)? != 1 && candidate.is_prime_fasttest(0, ctx, true)? {
                return Ok(candidate);
            }
            candidate.add_word(2)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::{
        hash::MessageDigest,
        sign::{Signer, Verifier},
    };

    #[test]
    fn the_same_seed_gives_the_same_key_and_the_key_is_sound() {
        for bits in [2048, 3072] {
            let key = rsa(&[7; 32], bits).unwrap();
            let parts = key.rsa().unwrap();
            assert_eq!(key.bits(), bits);
            assert!(parts.check_key().unwrap());
            assert_eq!(parts.e(), &*BigNum::from_u32(65_537).unwrap());
            assert!(parts.p() > parts.q());
        }
        let der = |key: PKey<Private>| key.private_key_to_der().unwrap();
        assert_eq!(der(rsa(&[7; 32], 2048).unwrap()), der(rsa(&[7; 32], 2048).unwrap()));
        assert_ne!(der(rsa(&[7; 32], 2048).unwrap()), der(rsa(&[8; 32], 2048).unwrap()));
        assert_eq!(der(p256(&[7; 32]).unwrap()), der(p256(&[7; 32]).unwrap()));
        p256(&[7; 32]).unwrap().ec_key().unwrap().check_key().unwrap();
        for key in [p256(&[9; 32]).unwrap(), rsa(&[9; 32], 2048).unwrap()] {
            let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
            signer.update(b"x").unwrap();
            let signature = signer.sign_to_vec().unwrap();
            let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
            verifier.update(b"x").unwrap();
            assert!(verifier.verify(&signature).unwrap());
        }
        assert_eq!(ed25519(&[1; 32]).unwrap().raw_private_key().unwrap(), [1; 32]);
    }
}
