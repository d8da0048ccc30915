//! Packet authentication codes: HMAC (RFC 4253 §6.4, RFC 6668) and UMAC.

use hmac::{Hmac, KeyInit, Mac as _};
use openssl::error::ErrorStack;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::umac::Umac;

/// Which MAC, and whether it covers the ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MacKind {
    pub(super) name: &'static str,
    algorithm: Algorithm,
    pub(super) etm: bool,
    pub(super) key: usize,
    pub(super) tag: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Umac,
    Sha1,
    Sha256,
    Sha512,
}

const fn kind(name: &'static str, algorithm: Algorithm, etm: bool, key: usize, tag: usize) -> MacKind {
    MacKind { name, algorithm, etm, key, tag }
}

static KINDS: [MacKind; 10] = [
    kind("umac-64-etm@openssh.com", Algorithm::Umac, true, 16, 8),
    kind("umac-128-etm@openssh.com", Algorithm::Umac, true, 16, 16),
    kind("hmac-sha2-256-etm@openssh.com", Algorithm::Sha256, true, 32, 32),
    kind("hmac-sha2-512-etm@openssh.com", Algorithm::Sha512, true, 64, 64),
    kind("hmac-sha1-etm@openssh.com", Algorithm::Sha1, true, 20, 20),
    kind("umac-64@openssh.com", Algorithm::Umac, false, 16, 8),
    kind("umac-128@openssh.com", Algorithm::Umac, false, 16, 16),
    kind("hmac-sha2-256", Algorithm::Sha256, false, 32, 32),
    kind("hmac-sha2-512", Algorithm::Sha512, false, 64, 64),
    kind("hmac-sha1", Algorithm::Sha1, false, 20, 20),
];

impl MacKind {
    /// The MAC called `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|k| k.name == name).copied()
    }
}

enum Keyed {
    Umac(Box<Umac>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Box<Hmac<Sha512>>),
}

/// A keyed MAC.
pub(super) struct Mac {
    pub(super) kind: MacKind,
    keyed: Keyed,
}

impl Mac {
    pub(super) fn new(kind: MacKind, key: &[u8]) -> Result<Self, ErrorStack> {
        // HMAC takes keys of any length, so the error cannot come.
        let bad = |_| ErrorStack::get();
        let keyed = match kind.algorithm {
            Algorithm::Umac => Keyed::Umac(Box::new(Umac::new(key, kind.tag)?)),
            Algorithm::Sha1 => Keyed::Sha1(Hmac::new_from_slice(key).map_err(bad)?),
            Algorithm::Sha256 => Keyed::Sha256(Hmac::new_from_slice(key).map_err(bad)?),
            Algorithm::Sha512 => Keyed::Sha512(Box::new(Hmac::new_from_slice(key).map_err(bad)?)),
        };
        Ok(Self { kind, keyed })
    }

    /// Appends the tag of `bytes` to `out`.
    pub(super) fn tag(&mut self, sequence: u32, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ErrorStack> {
        let counted = sequence.to_be_bytes();
        match &mut self.keyed {
            Keyed::Umac(umac) => {
                let tag = umac.tag(bytes, u64::from(sequence))?;
                out.extend_from_slice(tag.get(..self.kind.tag).unwrap_or(&tag));
            }
            Keyed::Sha1(mac) => out.extend_from_slice(&mac.clone().chain_update(counted).chain_update(bytes).finalize().into_bytes()),
            Keyed::Sha256(mac) => out.extend_from_slice(&mac.clone().chain_update(counted).chain_update(bytes).finalize().into_bytes()),
            Keyed::Sha512(mac) => {
                let mac = mac.as_ref().clone();
                out.extend_from_slice(&mac.chain_update(counted).chain_update(bytes).finalize().into_bytes());
            }
        }
        Ok(())
    }

    /// Whether `tag` is the tag of `bytes`.
    pub(super) fn verify(&mut self, sequence: u32, bytes: &[u8], tag: &[u8]) -> bool {
        let mut mine = Vec::with_capacity(64);
        self.tag(sequence, bytes, &mut mine).is_ok() && mine.len() == tag.len() && openssl::memcmp::eq(&mine, tag)
    }
}
