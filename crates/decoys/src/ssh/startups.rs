//! `MaxStartups 10:30:100`: how many visitors may stand between the door and a login at a time.

use rand::Rng;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// From here on some are turned away, this many of a hundred at first and all at [`FULL`].
const BEGIN: u32 = 10;
const RATE: u32 = 30;
const FULL: u32 = 100;

/// Visitors of one server who have not logged in.
#[derive(Debug, Default)]
pub(super) struct Startups(AtomicU32);

/// One of them; over when dropped.
#[derive(Debug)]
pub(super) struct Startup(Arc<Startups>);

impl Startups {
    /// Lets one more in, or not.
    pub(super) fn enter(self: &Arc<Self>, rng: &mut impl Rng) -> Option<Startup> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let one = Startup(Arc::clone(self));
        (!drops(before, rng.next_u32() % 100)).then_some(one)
    }
}

impl Drop for Startup {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the product drops a visitor when `startups` are there; `drawn` is one of 0 to 99.
fn drops(startups: u32, drawn: u32) -> bool {
    match startups {
        0..BEGIN => false,
        BEGIN..FULL => drawn < (100 - RATE) * (startups - BEGIN) / (FULL - BEGIN) + RATE,
        FULL.. => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_more_there_are_the_more_are_dropped() {
        let chance = |startups| (0..100).filter(|&drawn| drops(startups, drawn)).count();
        assert_eq!([0, 9, 10, 55, 99, 100, 5000].map(chance), [0, 0, 30, 65, 99, 100, 100]);
        let mut rng = rand_chacha::ChaCha12Rng::from_seed([1; 32]);
        let startups = Arc::<Startups>::default();
        let inside: Vec<_> = (0..1000).filter_map(|_| startups.enter(&mut rng)).collect();
        assert!((50..=100).contains(&inside.len()), "{}", inside.len());
        drop(inside);
        assert_eq!(startups.0.load(Ordering::Relaxed), 0);
    }
}
