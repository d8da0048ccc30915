//! Who may be called what: each name has a key that derives from the deployment secret, and a process shows that it holds it
//! before it may speak under the name. The key itself never travels.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{fs::File, io::Read};

/// The keys of all names. Held by the process that serves the bus.
#[derive(Clone)]
pub struct Keys([u8; 32]);

/// The key of one name. Held by the process that joins under it.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Keys {
    /// From the deployment secret.
    pub fn of(secret: &[u8; 32]) -> Self {
        Self(*secret)
    }

    /// The key of `name`.
    pub fn key(&self, name: &str) -> Key {
        let mut mac = keyed(&self.0);
        mac.update(b"decnet/v1/bus/");
        mac.update(name.as_bytes());
        Key(mac.finalize().into_bytes().into())
    }

    /// Whether `proof` (hex) answers `nonce` for `name`. Takes the same time whatever differs.
    pub(crate) fn proves(&self, name: &str, nonce: &str, proof: &str) -> bool {
        let Ok(given) = hex::decode(proof) else { return false };
        self.key(name).mac(name, nonce).verify_slice(&given).is_ok()
    }
}

impl Key {
    /// What answers `nonce` for `name`.
    pub(crate) fn proof(&self, name: &str, nonce: &str) -> String {
        hex::encode(self.mac(name, nonce).finalize().into_bytes())
    }

    fn mac(&self, name: &str, nonce: &str) -> Hmac<Sha256> {
        let mut mac = keyed(&self.0);
        mac.update(name.as_bytes());
        mac.update(b"\0");
        mac.update(nonce.as_bytes());
        mac
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"))
}

/// 32 random bytes in hex, from the kernel.
pub(crate) fn nonce() -> std::io::Result<String> {
    let mut bytes = [0_u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn a_key_opens_its_name_and_no_other() {
        let keys = Keys::of(&[7; 32]);
        let proof = keys.key("record").proof("record", "ab");
        assert!(keys.proves("record", "ab", &proof));
        assert!(!keys.proves("record", "ac", &proof) && !keys.proves("api", "ab", &proof));
        assert!(!keys.proves("api", "ab", &keys.key("record").proof("api", "ab")));
        assert!(!Keys::of(&[8; 32]).proves("record", "ab", &proof) && !keys.proves("record", "ab", "zz"));
    }
}
