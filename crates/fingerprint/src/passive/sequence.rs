//! How a host numbers its packets (IPv4 identification) and its connections (initial sequence numbers): a class from
//! the last eight values, in modular arithmetic.
//!
//! | class | rule |
//! |---|---|
//! | `unknown` | fewer than four values |
//! | `zero` | all zero |
//! | `constant` | all the same, not zero |
//! | `incremental` | a counter: see [`Manner`] |
//! | `random` | anything else |

/// Values looked at.
pub const KEPT: usize = 8;
/// Values needed for a verdict.
pub const NEEDED: usize = 4;
/// Largest step of a 16-bit counter that other traffic of the host may have advanced.
const STEP_16: u32 = 4_096;
/// Largest step of a 32-bit one: some seconds of a clock of 250,000 ticks per second. Three random steps in a row are
/// this small once in sixteen million.
const STEP_32: u32 = 1 << 24;

/// The class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    #[default]
    Unknown,
    Zero,
    Constant,
    Incremental,
    Random,
}

/// What kind of counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// Upwards by small steps, past the top to the bottom too.
    Up,
    /// Downwards by small steps.
    Down,
    /// By the same large step each time.
    Step,
    /// Upwards, but its bytes are sent in the wrong order.
    Swapped,
}

impl Class {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Zero => "zero",
            Self::Constant => "constant",
            Self::Incremental => "incremental",
            Self::Random => "random",
        }
    }
}

impl Manner {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Step => "step",
            Self::Swapped => "swapped",
        }
    }
}

/// A class and what it rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub class: Class,
    /// For counters.
    pub manner: Option<Manner>,
    /// How many values, at most [`KEPT`].
    pub samples: u8,
}

/// The last eight values, oldest first out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Last8<T> {
    values: [T; KEPT],
    count: u8,
}

impl<T: Copy + Default + PartialEq> Last8<T> {
    /// Takes a value in.
    pub fn push(&mut self, value: T) {
        if usize::from(self.count) == KEPT {
            self.values.rotate_left(1);
        } else {
            self.count += 1;
        }
        if let Some(slot) = self.values.get_mut(usize::from(self.count) - 1) {
            *slot = value;
        }
    }

    /// The values, oldest first.
    pub fn values(&self) -> &[T] {
        self.values.get(..usize::from(self.count)).unwrap_or_default()
    }
}

/// The class of IPv4 identifications, oldest first; only the last eight count.
pub fn of_ip_ids(values: &[u16]) -> Verdict {
    let (mut plain, mut swapped) = ([0; KEPT], [0; KEPT]);
    let values = values.get(values.len().saturating_sub(KEPT)..).unwrap_or_default();
    for ((plain, swapped), value) in plain.iter_mut().zip(&mut swapped).zip(values) {
        (*plain, *swapped) = (u32::from(*value), u32::from(value.swap_bytes()));
    }
    classify(plain.get(..values.len()).unwrap_or_default(), swapped.get(..values.len()).unwrap_or_default(), 0xffff, STEP_16)
}

/// The class of initial sequence numbers, oldest first; only the last eight count.
pub fn of_isns(values: &[u32]) -> Verdict {
    let mut swapped = [0; KEPT];
    let values = values.get(values.len().saturating_sub(KEPT)..).unwrap_or_default();
    for (swapped, value) in swapped.iter_mut().zip(values) {
        *swapped = value.swap_bytes();
    }
    classify(values, swapped.get(..values.len()).unwrap_or_default(), u32::MAX, STEP_32)
}

fn steps_of(values: &[u32], mask: u32) -> impl Iterator<Item = u32> {
    values.iter().zip(values.iter().skip(1)).map(move |(a, b)| b.wrapping_sub(*a) & mask)
}

fn classify(values: &[u32], swapped: &[u32], mask: u32, most: u32) -> Verdict {
    let mut verdict = Verdict { samples: u8::try_from(values.len()).unwrap_or(u8::MAX), ..Verdict::default() };
    if values.len() < NEEDED {
        return verdict;
    }
    let steps = || steps_of(values, mask);
    let first_step = steps().next().unwrap_or_default();
    let small = |step: &u32| (1..=most).contains(step);
    // How far a counter came in all, if it is one.
    let climb = |values| steps_of(values, mask).try_fold(0_u64, |sum, step| small(&step).then(|| sum + u64::from(step)));
    let counter = |manner| (Class::Incremental, Some(manner));
    (verdict.class, verdict.manner) = if values.iter().all(|v| *v == 0) {
        (Class::Zero, None)
    } else if steps().all(|s| s == 0) {
        (Class::Constant, None)
    } else {
        match (climb(values), climb(swapped)) {
            // Whichever explains the numbers with far smaller steps.
            (Some(plain), Some(other)) if other * 16 < plain => counter(Manner::Swapped),
            (Some(_), _) => counter(Manner::Up),
            (None, Some(_)) => counter(Manner::Swapped),
            _ if steps().all(|s| small(&(s.wrapping_neg() & mask))) => counter(Manner::Down),
            _ if steps().all(|s| s == first_step) => counter(Manner::Step),
            _ => (Class::Random, None),
        }
    };
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identifications() {
        let check = |values: &[u16], class, manner| {
            let verdict = of_ip_ids(values);
            assert_eq!((verdict.class, verdict.manner), (class, manner), "{values:?}");
            assert_eq!(usize::from(verdict.samples), values.len());
        };
        check(&[], Class::Unknown, None);
        check(&[1, 2, 3], Class::Unknown, None);
        check(&[0; 4], Class::Zero, None);
        check(&[54_321; 4], Class::Constant, None);
        check(&[1, 2, 3, 4], Class::Incremental, Some(Manner::Up));
        check(&[100, 4_196, 8_292, 8_300], Class::Incremental, Some(Manner::Up));
        check(&[100, 4_197, 4_198, 4_300], Class::Random, None);
        check(&[65_534, 65_535, 0, 1, 2], Class::Incremental, Some(Manner::Up));
        check(&[3, 2, 1, 0, 65_535], Class::Incremental, Some(Manner::Down));
        check(&[0x0100, 0x0200, 0x0300, 0x0400], Class::Incremental, Some(Manner::Swapped));
        check(&[100, 356, 612, 869], Class::Incremental, Some(Manner::Up));
        // A counter below: 0x00fe, 0x00ff, 0x0100, 0x0101 with its bytes swapped.
        check(&[0xfe00, 0xff00, 0x0001, 0x0101], Class::Incremental, Some(Manner::Swapped));
        check(&[0, 20_000, 40_000, 60_000, 14_464], Class::Incremental, Some(Manner::Step));
        check(&[0, 0, 7, 0], Class::Random, None);
        check(&[40_000, 3, 65_000, 22_000], Class::Random, None);
    }

    #[test]
    fn sequence_numbers() {
        let check = |values: &[u32], class, manner| {
            let verdict = of_isns(values);
            assert_eq!((verdict.class, verdict.manner), (class, manner), "{values:?}");
        };
        check(&[0; 8], Class::Zero, None);
        check(&[7; 8], Class::Constant, None);
        check(&[64_000, 128_000, 192_000, 256_000], Class::Incremental, Some(Manner::Up));
        check(&[u32::MAX - 5, 10, 70_000, 140_001], Class::Incremental, Some(Manner::Up));
        check(&[500_000, 300_000, 100_000, u32::MAX - 100_000], Class::Incremental, Some(Manner::Down));
        check(&[5, 0x4003_0206, 0x8006_0407, 0xc009_0608], Class::Incremental, Some(Manner::Step));
        check(&[964_675_635, 3_840_804_476, 2_501_962_906, 17], Class::Random, None);
        check(&[1u32, 2, 3, 4].map(u32::swap_bytes), Class::Incremental, Some(Manner::Swapped));
    }

    #[test]
    fn only_the_last_eight_count() {
        let mut last = Last8::default();
        for value in [9_u16, 40_000, 7].into_iter().chain(1..=8) {
            last.push(value);
        }
        assert_eq!(last.values(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    proptest! {
        #[test]
        fn where_a_counter_stands_does_not_matter(start in any::<u16>(), steps in proptest::collection::vec(1u16..=4096, 3..7)) {
            let values: Vec<u16> = std::iter::once(start).chain(steps.iter().scan(start, |at, step| { *at = at.wrapping_add(*step); Some(*at) })).collect();
            prop_assert_eq!(of_ip_ids(&values).manner, Some(Manner::Up));
            let back: Vec<u16> = values.iter().rev().copied().collect();
            prop_assert_eq!(of_ip_ids(&back).class, Class::Incremental);
        }
    }
}
