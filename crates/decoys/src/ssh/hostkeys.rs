//! The host keys of one decky: the same after a restart, shared with no other. The RSA key takes a
//! moment to find, so it is looked for in the background from the first visit on.

use bytes::Bytes;
use openssl::{
    bn::{BigNum, BigNumContext},
    ec::{EcGroup, EcKey, EcPoint},
    ecdsa::EcdsaSig,
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::Rsa,
    sign::Signer,
};
use parking_lot::Mutex;
use rand::Rng;
use rand_chacha::ChaCha12Rng;
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock},
    thread,
};

use super::message::Writer;
use crate::decoy::Visit;

/// Bits of the RSA key, as `ssh-keygen -A` makes it.
const RSA_BITS: i32 = 3072;

static KNOWN: LazyLock<Mutex<HashMap<[u8; 32], Arc<HostKeys>>>> = LazyLock::new(Mutex::default);

/// One key: its public blob and what signs.
pub(super) struct HostKey {
    pub(super) blob: Bytes,
    key: PKey<Private>,
}

/// The three keys of a decky.
pub(super) struct HostKeys {
    ed25519: HostKey,
    ecdsa: HostKey,
    rsa: OnceLock<Option<HostKey>>,
    rsa_rng: ChaCha12Rng,
}

impl HostKeys {
    /// The keys of the decky that is visited. Made once per process and decky.
    pub(super) fn of(visit: &Visit) -> Result<Arc<Self>, ErrorStack> {
        if let Some(keys) = KNOWN.lock().get(&visit.persona.seed) {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(Self {
            ed25519: ed25519(&visit.derive("ssh/hostkey/ed25519"))?,
            ecdsa: ecdsa(&visit.derive("ssh/hostkey/ecdsa"))?,
            rsa: OnceLock::new(),
            rsa_rng: visit.derived_rng("ssh/hostkey/rsa"),
        });
        let kept = Arc::clone(KNOWN.lock().entry(visit.persona.seed).or_insert(keys));
        let background = Arc::clone(&kept);
        // Where threads are forbidden the key is found when first needed.
        let _ = thread::Builder::new().name("ssh-hostkey".into()).spawn(move || {
            background.rsa();
        });
        Ok(kept)
    }

    fn rsa(&self) -> Option<&HostKey> {
        self.rsa.get_or_init(|| rsa(&mut self.rsa_rng.clone()).ok()).as_ref()
    }

    /// The key that serves a host key algorithm.
    pub(super) fn serving(&self, algorithm: &str) -> Option<&HostKey> {
        match algorithm {
            "ssh-ed25519" => Some(&self.ed25519),
            "ecdsa-sha2-nistp256" => Some(&self.ecdsa),
            "rsa-sha2-512" | "rsa-sha2-256" | "ssh-rsa" => self.rsa(),
            _ => None,
        }
    }

    /// All keys in the order of the default configuration.
    pub(super) fn all(&self) -> impl Iterator<Item = &HostKey> {
        self.rsa().into_iter().chain([&self.ecdsa, &self.ed25519])
    }
}

impl HostKey {
    /// A signature blob (RFC 4253 §6.6) over `data`.
    pub(super) fn sign(&self, algorithm: &str, data: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let raw = match algorithm {
            "ssh-ed25519" => Signer::new_without_digest(&self.key)?.sign_oneshot_to_vec(data)?,
            "ecdsa-sha2-nistp256" => {
                let hash = openssl::sha::sha256(data);
                let sig = EcdsaSig::sign(&hash, self.key.ec_key()?.as_ref())?;
                Writer::new().mpint(&sig.r().to_vec()).mpint(&sig.s().to_vec()).0
            }
            _ => {
                let digest = match algorithm {
                    "rsa-sha2-512" => MessageDigest::sha512(),
                    "rsa-sha2-256" => MessageDigest::sha256(),
                    _ => MessageDigest::sha1(),
                };
                let mut signer = Signer::new(digest, &self.key)?;
                signer.sign_oneshot_to_vec(data)?
            }
        };
        Ok(Writer::new().string(algorithm.as_bytes()).string(&raw).0)
    }
}

fn ed25519(seed: &[u8; 32]) -> Result<HostKey, ErrorStack> {
    let key = PKey::private_key_from_raw_bytes(seed, Id::ED25519)?;
    let blob = Writer::new().string(b"ssh-ed25519").string(&key.raw_public_key()?).0.into();
    Ok(HostKey { blob, key })
}

fn ecdsa(seed: &[u8; 32]) -> Result<HostKey, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let mut ctx = BigNumContext::new()?;
    let mut order = BigNum::new()?;
    group.order(&mut order, &mut ctx)?;
    order.sub_word(1)?;
    let mut scalar = BigNum::new()?;
    scalar.nnmod(&*BigNum::from_slice(seed)?, &order, &mut ctx)?;
    scalar.add_word(1)?;
    let mut public = EcPoint::new(&group)?;
    public.mul_generator2(&group, &scalar, &mut ctx)?;
    let point = public.to_bytes(&group, openssl::ec::PointConversionForm::UNCOMPRESSED, &mut ctx)?;
    let key = PKey::from_ec_key(EcKey::from_private_components(&group, &scalar, &public)?)?;
    let blob = Writer::new().string(b"ecdsa-sha2-nistp256").string(b"nistp256").string(&point).0.into();
    Ok(HostKey { blob, key })
}

fn rsa(rng: &mut ChaCha12Rng) -> Result<HostKey, ErrorStack> {
    let mut ctx = BigNumContext::new()?;
    let e = BigNum::from_u32(65537)?;
    loop {
        let (p, q) = (prime(rng, &e, &mut ctx)?, prime(rng, &e, &mut ctx)?);
        let (p, q) = if p > q { (p, q) } else { (q, p) };
        let n = &p * &q;
        if n.num_bits() != RSA_BITS {
            continue;
        }
        let (mut p1, mut q1) = (p.to_owned()?, q.to_owned()?);
        p1.sub_word(1)?;
        q1.sub_word(1)?;
        let mut lcm = BigNum::new()?;
        let mut gcd = BigNum::new()?;
        gcd.gcd(&p1, &q1, &mut ctx)?;
        lcm.checked_div(&(&p1 * &q1), &gcd, &mut ctx)?;
        let mut d = BigNum::new()?;
        d.mod_inverse(&e, &lcm, &mut ctx)?;
        let mut inverse = BigNum::new()?;
        inverse.mod_inverse(&q, &p, &mut ctx)?;
        let (dp, dq) = (&d % &p1, &d % &q1);
        let blob = Writer::new().string(b"ssh-rsa").mpint(&e.to_vec()).mpint(&n.to_vec()).0.into();
        let rsa = Rsa::from_private_components(n, e, d, p, q, dp, dq, inverse)?;
        return Ok(HostKey { blob, key: PKey::from_rsa(rsa)? });
    }
}

/// A prime of half the size whose two top bits are set and that fits the exponent.
fn prime(rng: &mut ChaCha12Rng, e: &BigNum, ctx: &mut BigNumContext) -> Result<BigNum, ErrorStack> {
    let mut bytes = vec![0u8; usize::try_from(RSA_BITS / 16).unwrap_or(192)];
    loop {
        rng.fill_bytes(&mut bytes);
        if let Some(first) = bytes.first_mut() {
            *first |= 0xc0;
        }
        if let Some(last) = bytes.last_mut() {
            *last |= 1;
        }
        let mut candidate = BigNum::from_slice(&bytes)?;
        // Walking up by two from a random start is deterministic, whatever the primality test rolls.
        for _ in 0..4096 {
            if candidate.is_prime_fasttest(8, ctx, true)? {
                let mut less = candidate.to_owned()?;
                less.sub_word(1)?;
                let mut gcd = BigNum::new()?;
                gcd.gcd(&less, e, ctx)?;
                if gcd.num_bits() == 1 {
                    return Ok(candidate);
                }
            }
            candidate.add_word(2)?;
        }
    }
}
