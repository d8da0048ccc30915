//! The clock behind TCP time stamps: how fast it ticks, how far off it is, and since when it has been running.

use model::Micros;

/// Frequencies that stacks use, Hz.
const KNOWN: [u32; 7] = [2, 10, 100, 250, 300, 500, 1_000];
/// Least time between first and last value, microseconds.
const SPAN: i64 = 1_500_000;
/// How far the measured frequency may be from a known one, parts in a hundred.
const TOLERANCE: f64 = 4.0;

/// What is known of a clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockReading {
    /// Nominal ticks per second.
    pub hz: u32,
    /// How far it runs from that, parts per million.
    pub skew_ppm: f64,
    /// Seconds since it stood at zero, if it did since the machine was started. Systems that add a random number to
    /// it (Linux since 4.10) make this meaningless.
    pub since_zero_s: u64,
}

/// Follows the time stamps that one source sends to one decky.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Which decky, when, what it said: the first and the newest.
    first: Option<(u32, i64, u32)>,
    last: (i64, u32),
}

impl Clock {
    /// Takes in a value sent to the decky with the number `to`. Values for other deckies may have other offsets.
    pub fn absorb(&mut self, to: u32, at: Micros, value: u32) {
        if value == 0 {
            return;
        }
        match self.first {
            Some((decky, _, _)) if decky != to => {}
            // Going back means another machine behind the same address, or a restart.
            Some((_, then, _)) if at.0 >= then && value.wrapping_sub(self.last.1) < 1 << 31 => self.last = (at.0, value),
            _ => {
                self.first = Some((to, at.0, value));
                self.last = (at.0, value);
            }
        }
    }

    /// The reading, once enough time has passed between values.
    pub fn reading(&self) -> Option<ClockReading> {
        let (_, then, from) = self.first?;
        let (now, to) = self.last;
        let span = now - then;
        if span < SPAN {
            return None;
        }
        let measured = f64::from(to.wrapping_sub(from)) * 1e6 / span as f64;
        let hz = KNOWN.into_iter().find(|hz| (measured / f64::from(*hz) - 1.0).abs() * 100.0 <= TOLERANCE)?;
        let skew_ppm = ((measured / f64::from(hz) - 1.0) * 1e6).round();
        Some(ClockReading { hz, skew_ppm, since_zero_s: u64::from(to / hz) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_measured_across_its_end_and_per_decky() {
        let mut clock = Clock::default();
        for second in 0..10_i64 {
            let ticks = u32::MAX.wrapping_sub(4_000).wrapping_add(u32::try_from(second).unwrap() * 1_000);
            clock.absorb(0, Micros(second * 1_000_100), ticks);
            clock.absorb(1, Micros(second * 1_000_100 + 5), 77);
        }
        let reading = clock.reading().unwrap();
        assert_eq!((reading.hz, reading.skew_ppm), (1_000, -100.0));
        let mut slow = Clock::default();
        slow.absorb(0, Micros(0), 360_000);
        assert_eq!(slow.reading(), None);
        slow.absorb(0, Micros(3_000_000), 360_300);
        assert_eq!(slow.reading().map(|r| (r.hz, r.since_zero_s)), Some((100, 3_603)));
    }
}
