//! Sockets, TLS, time-outs, caps, per-source limits, stamping of events: written once for all decoys.

pub mod keys;
pub mod memory;
pub mod rehearse;
pub mod side;

use hmac::{Hmac, KeyInit, Mac};
use model::Persona;
use sha2::Sha256;

/// `HMAC-SHA256(persona.seed, "decnet/v1/" + purpose)`.
pub fn derive(persona: &Persona, purpose: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&persona.seed)
        .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
    mac.update(Persona::derive_label(purpose).as_bytes());
    mac.finalize().into_bytes().into()
}
