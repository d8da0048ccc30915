//! Randomness from a seed: the same seed gives the same numbers on every machine and in every version
//! (xoshiro256++ seeded by SplitMix64, both public domain algorithms by Blackman and Vigna).

/// A stream of numbers that depends on nothing but its seed.
#[derive(Clone, Debug)]
pub struct Dice([u64; 4]);

/// One step of SplitMix64: also a good mixer of 64 bits.
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A 64-bit digest of bytes, the same everywhere. Not for secrets.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0_u8; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        hash = mix(hash ^ u64::from_le_bytes(word)).rotate_left(23);
    }
    mix(hash)
}

impl Dice {
    /// Starts the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let a = mix(seed);
        let b = mix(a);
        let c = mix(b);
        Self([a, b, c, mix(c)])
    }

    /// A stream of its own for `name`, so that a change in one part of a story leaves the others as they were.
    pub fn named(seed: u64, name: &str) -> Self {
        Self::new(seed ^ digest(name.as_bytes()))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let out = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        out
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number of `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low)).unwrap_or(0).saturating_add(1);
        low.saturating_add(i64::try_from(self.below(span)).unwrap_or(0))
    }

    /// True with probability `chance`.
    pub fn chance(&mut self, chance: f64) -> bool {
        // 53 bits make every double in [0, 1) equally likely.
        let unit = (self.bits() >> 11) as f64 / 9_007_199_254_740_992.0;
        unit < chance
    }

    /// One of `from`.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(at)
    }

    /// Puts `items` in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = usize::try_from(self.below(i as u64 + 1)).unwrap_or(0);
            items.swap(i, j);
        }
    }

    /// Ten random bytes, as ids take them.
    pub fn ten(&mut self) -> [u8; 10] {
        let mut out = [0; 10];
        let words = [self.bits().to_le_bytes(), self.bits().to_le_bytes()].concat();
        for (to, from) in out.iter_mut().zip(words) {
            *to = from;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_stream() {
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            (0..4).map(|_| dice.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let mut dice = Dice::named(1, "a");
        for _ in 0..1_000 {
            assert!(dice.below(3) < 3);
            assert!((-2..=2).contains(&dice.between(-2, 2)));
        }
        assert!(!dice.chance(0.0) && dice.chance(1.0));
    }
}
