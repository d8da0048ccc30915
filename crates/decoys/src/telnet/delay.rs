//! How long PAM lets a refused visitor wait: the asked time, half more or half less, by a generator that the second
//! of the attempt seeds. Whoever watches the clock can compute it, so it is computed here too.

use std::time::Duration;

/// The C library's additive feedback generator as `srandom` leaves it.
struct Feedback(Vec<i32>);

impl Feedback {
    fn seeded(seed: u32) -> Self {
        let mut word = i64::from(i32::from_ne_bytes(seed.max(1).to_ne_bytes()));
        let mut words = Vec::with_capacity(400);
        words.push(narrow(word));
        for _ in 1..31 {
            word = 16_807 * (word % 127_773) - 2_836 * (word / 127_773);
            if word < 0 {
                word += 2_147_483_647;
            }
            words.push(narrow(word));
        }
        let mut all = Self(words);
        for back in 31..34usize {
            let value = all.0.get(back - 31).copied().unwrap_or_default();
            all.0.push(value);
        }
        for _ in 0..310 {
            all.step();
        }
        all
    }

    fn step(&mut self) -> i32 {
        let at = self.0.len();
        let word = |back: usize| at.checked_sub(back).and_then(|i| self.0.get(i)).copied().unwrap_or_default();
        let next = word(31).wrapping_add(word(3));
        self.0.push(next);
        next
    }

    /// 0 to 1.
    fn fraction(&mut self) -> f64 {
        let bits = u32::from_ne_bytes(self.step().to_ne_bytes()) >> 1;
        f64::from(bits) / 2_147_483_647.0
    }
}

fn narrow(word: i64) -> i32 {
    i32::try_from(word).unwrap_or_default()
}

/// The wait for an attempt that began in `second` (UNIX time), if `asked` was asked for.
pub(super) fn failure(second: i64, asked: Duration) -> Duration {
    let [a, b, c, d, ..] = second.to_le_bytes();
    let mut source = Feedback::seeded(u32::from_le_bytes([a, b, c, d]));
    let sum: f64 = (0..3).map(|_| source.fraction()).sum();
    asked.mul_f64(0.5 + sum / 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_c_librarys() {
        let mut one = Feedback::seeded(1);
        let first: Vec<u32> = (0..3).map(|_| u32::from_ne_bytes(one.step().to_ne_bytes()) >> 1).collect();
        assert_eq!(first, [1_804_289_383, 846_930_886, 1_681_692_777]);
    }

    #[test]
    fn waits_stay_within_a_half() {
        for second in 1_772_442_900..1_772_443_200 {
            let wait = failure(second, Duration::from_secs(3));
            assert!(wait >= Duration::from_millis(1_500) && wait <= Duration::from_millis(4_500));
        }
    }
}
