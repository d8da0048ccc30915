//! How long PAM lets a refused visitor wait: the asked time, up to half more or half less, by a generator that the
//! second of the attempt seeds. Whoever watches the clock can compute it, so it is computed here too.

use std::time::Duration;

/// The wait for an attempt that began in `second` (UNIX time), if `asked` was asked for.
pub(super) fn failure(second: i64, asked: Duration) -> Duration {
    let [a, b, c, d, ..] = second.to_le_bytes();
    let mut state = u32::from_le_bytes([a, b, c, d]);
    let mut sum = 0u32;
    for _ in 0..3 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        sum += state / 10 % 1_000_000;
    }
    // The mean of three values below a million is what is added to a half.
    asked * (1_500_000 + sum) / 3_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_within_a_half_and_depend_on_the_second() {
        let three = Duration::from_secs(3);
        for second in 1_772_442_900..1_772_443_200 {
            let wait = failure(second, three);
            assert!(wait >= Duration::from_millis(1_500) && wait <= Duration::from_millis(4_500));
            assert_ne!(wait, failure(second + 1, three));
        }
    }

    #[test]
    fn waits_are_pams() {
        // Worked out by hand from the recurrence for second 0: 1013904223, 1196435762, 3519870697.
        let sum: u64 = [1_013_904_223u64, 1_196_435_762, 3_519_870_697].iter().map(|s| s / 10 % 1_000_000).sum();
        assert_eq!(failure(0, Duration::from_secs(3)).as_micros(), u128::from(1_500_000 + sum));
    }
}
