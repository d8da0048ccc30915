//! Randomness that is an argument and stays the same for ever: SplitMix64 started from a hash of labels.

use sha2::{Digest, Sha256};

/// A stream of numbers. The same labels give the same stream in every version of the product.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of `seed` for one purpose.
    pub fn of(seed: &[u8], purpose: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed);
        for part in purpose {
            hash.update([0]);
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut first = [0; 8];
        first.iter_mut().zip(digest.iter()).for_each(|(a, b)| *a = *b);
        Self(u64::from_le_bytes(first))
    }

    /// A stream of its own, beside this one.
    #[must_use]
    pub fn fork(&self, number: u64) -> Self {
        let mut other = Self(self.0 ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        other.next();
        Self(other.next())
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0) }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True this often of a hundred times.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let number = (self.next() >> 11) as f64;
        number / 9_007_199_254_740_992.0
    }

    /// A draw from the normal distribution (Box-Muller).
    pub fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.unit(), self.unit());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// One of `all`; the default of an empty list.
    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(all.len() as u64)).unwrap_or(0);
        all.get(index).copied()
    }

    /// One word of `all`, empty if there is none.
    pub fn word<'a>(&mut self, all: &[&'a str]) -> &'a str {
        self.pick(all).unwrap_or_default()
    }

    /// A place in a list of `length`; 0 if it is empty.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// This many lower-case hexadecimal digits, at most 32.
    pub fn hex(&mut self, digits: usize) -> String {
        let mut text = format!("{:016x}{:016x}", self.next(), self.next());
        text.truncate(digits);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_labels_give_the_same_numbers_for_ever() {
        let mut dice = Dice::of(b"seed", &["mail", "2026"]);
        let first: Vec<u64> = (0..3).map(|_| dice.below(1000)).collect();
        let mut again = Dice::of(b"seed", &["mail", "2026"]);
        assert_eq!(first, (0..3).map(|_| again.below(1000)).collect::<Vec<_>>());
        assert_ne!(Dice::of(b"seed", &["mail2026"]).next(), Dice::of(b"seed", &["mail", "2026"]).next());
        let mean = (0..4000).map(|_| dice.normal()).sum::<f64>() / 4000.0;
        assert!(mean.abs() < 0.06, "{mean}");
    }
}
