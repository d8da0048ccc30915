//! The host keys of one decky: the same after a restart, shared with no other. The RSA key takes a
//! moment to find, so it is looked for in the background from the first visit on.

use bytes::Bytes;
use openssl::{
    bn::BigNumContext,
    ec::PointConversionForm,
    ecdsa::EcdsaSig,
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
    sign::Signer,
};
use parking_lot::Mutex;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock},
    thread,
};

use super::message::Writer;
use crate::{decoy::Visit, stage::keys};

/// Bits of the RSA key, as `ssh-keygen -A` makes it.
const RSA_BITS: u32 = 3072;

static KNOWN: LazyLock<Mutex<HashMap<[u8; 32], Arc<HostKeys>>>> = LazyLock::new(Mutex::default);

/// One key: its public blob and what signs.
pub(super) struct HostKey {
    pub(super) blob: Bytes,
    key: Signing,
}

/// What signs.
enum Signing {
    Ed25519(Ed25519KeyPair),
    Other(PKey<Private>),
}

/// The three keys of a decky.
pub(super) struct HostKeys {
    ed25519: HostKey,
    ecdsa: HostKey,
    rsa: OnceLock<Option<HostKey>>,
    rsa_seed: [u8; 32],
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
            rsa_seed: visit.derive("ssh/hostkey/rsa"),
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
        self.rsa.get_or_init(|| rsa(&self.rsa_seed).ok()).as_ref()
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
        let raw = match (&self.key, algorithm) {
            (Signing::Ed25519(key), _) => key.sign(data).as_ref().to_vec(),
            (Signing::Other(key), "ecdsa-sha2-nistp256") => {
                let hash = openssl::sha::sha256(data);
                let sig = EcdsaSig::sign(&hash, key.ec_key()?.as_ref())?;
                Writer::new().mpint(&sig.r().to_vec()).mpint(&sig.s().to_vec()).0
            }
            (Signing::Other(key), _) => {
                let digest = match algorithm {
                    "rsa-sha2-512" => MessageDigest::sha512(),
                    "rsa-sha2-256" => MessageDigest::sha256(),
                    _ => MessageDigest::sha1(),
                };
                let mut signer = Signer::new(digest, key)?;
                signer.sign_oneshot_to_vec(data)?
            }
        };
        Ok(Writer::new().string(algorithm.as_bytes()).string(&raw).0)
    }
}

fn ed25519(seed: &[u8; 32]) -> Result<HostKey, ErrorStack> {
    let key = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| ErrorStack::get())?;
    let blob = Writer::new().string(b"ssh-ed25519").string(key.public_key().as_ref()).0.into();
    Ok(HostKey { blob, key: Signing::Ed25519(key) })
}

fn ecdsa(seed: &[u8; 32]) -> Result<HostKey, ErrorStack> {
    let key = keys::p256(seed)?;
    let ec = key.ec_key()?;
    let mut ctx = BigNumContext::new()?;
    let point = ec.public_key().to_bytes(ec.group(), PointConversionForm::UNCOMPRESSED, &mut ctx)?;
    let blob = Writer::new().string(b"ecdsa-sha2-nistp256").string(b"nistp256").string(&point).0.into();
    Ok(HostKey { blob, key: Signing::Other(key) })
}

fn rsa(seed: &[u8; 32]) -> Result<HostKey, ErrorStack> {
    let key = keys::rsa(seed, RSA_BITS)?;
    let inner = key.rsa()?;
    let blob = Writer::new().string(b"ssh-rsa").mpint(&inner.e().to_vec()).mpint(&inner.n().to_vec()).0.into();
    Ok(HostKey { blob, key: Signing::Other(key) })
}
