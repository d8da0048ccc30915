//! Chance that always falls the same way for the same decky and purpose.

use hmac::{Hmac, KeyInit, Mac};
use model::Persona;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use sha2::Sha256;

/// A generator for one purpose.
pub(crate) struct Dice(ChaCha12Rng);

impl Dice {
    /// Falls the same way for the same `key` and `purpose`.
    pub(crate) fn of(key: &[u8; 32], purpose: &str) -> Self {
        Self(ChaCha12Rng::from_seed(keyed(key, Persona::derive_label(purpose).as_bytes())))
    }

    /// Less than `bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// From `low` up to and including `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Whether something with so many chances in a hundred happens.
    pub(crate) fn percent(&mut self, chances: u64) -> bool {
        self.below(100) < chances
    }

    /// One of `items`, which must not be empty.
    pub(crate) fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        let at = usize::try_from(self.below(items.len() as u64)).unwrap_or(0);
        items.get(at).unwrap_or_else(|| unreachable!("the tables picked from are not empty"))
    }
}

/// `HMAC-SHA256(key, text)`.
pub(crate) fn keyed(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
    mac.update(text);
    mac.finalize().into_bytes().into()
}
