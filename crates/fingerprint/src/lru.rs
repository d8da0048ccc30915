//! A table of bounded size that forgets what was not touched for longest.

use std::{collections::HashMap, hash::Hash};

const NONE: u32 = u32::MAX;

/// The table.
#[derive(Clone, Debug)]
pub struct Lru<K, V> {
    places: HashMap<K, u32>,
    slots: Vec<Slot<K, V>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    most: usize,
}

#[derive(Clone, Debug)]
struct Slot<K, V> {
    /// `None`: free.
    held: Option<(K, V)>,
    newer: u32,
    older: u32,
}

impl<K: Hash + Eq + Clone, V> Lru<K, V> {
    /// Holds `most` entries, at least one.
    pub fn new(most: usize) -> Self {
        let most = most.clamp(1, 1 << 24);
        Self { places: HashMap::new(), slots: Vec::new(), free: Vec::new(), newest: NONE, oldest: NONE, most }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The value of a key, which is now the newest.
    pub fn touch(&mut self, key: &K) -> Option<&mut V> {
        let at = *self.places.get(key)?;
        self.freshen(at);
        self.value(at)
    }

    /// The value of a key as it stands, its age unchanged.
    pub fn peek(&mut self, key: &K) -> Option<&mut V> {
        let at = *self.places.get(key)?;
        self.value(at)
    }

    /// Puts a new value in; what had to go for it. An old value of the key goes too.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        let mut gone = self.remove(&key).map(|old| (key.clone(), old));
        if self.places.len() >= self.most {
            gone = self.pop_oldest();
        }
        let slot = Slot { held: Some((key.clone(), value)), newer: NONE, older: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.slots.get_mut(at as usize) {
                    *place = slot;
                }
                at
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
            }
        };
        self.link(at);
        self.places.insert(key, at);
        gone
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.places.remove(key)?;
        self.unlink(at);
        self.free.push(at);
        self.slots.get_mut(at as usize)?.held.take().map(|(_, value)| value)
    }

    /// The one not touched for longest.
    pub fn oldest(&self) -> Option<(&K, &V)> {
        self.slots.get(self.oldest as usize)?.held.as_ref().map(|(key, value)| (key, value))
    }

    /// Takes the one not touched for longest out.
    pub fn pop_oldest(&mut self) -> Option<(K, V)> {
        let key = self.oldest()?.0.clone();
        let value = self.remove(&key)?;
        Some((key, value))
    }

    fn value(&mut self, at: u32) -> Option<&mut V> {
        self.slots.get_mut(at as usize)?.held.as_mut().map(|(_, value)| value)
    }

    fn freshen(&mut self, at: u32) {
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
    }

    fn link(&mut self, at: u32) {
        let before = self.newest;
        if let Some(slot) = self.slots.get_mut(at as usize) {
            (slot.older, slot.newer) = (before, NONE);
        }
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }

    fn unlink(&mut self, at: u32) {
        let Some((newer, older)) = self.slots.get(at as usize).map(|s| (s.newer, s.older)) else { return };
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_least_touched_goes_first() {
        let mut lru = Lru::new(3);
        for n in 0..3 {
            assert_eq!(lru.insert(n, n * 10), None);
        }
        assert_eq!(lru.touch(&0), Some(&mut 0));
        assert_eq!(lru.insert(3, 30), Some((1, 10)));
        assert_eq!(lru.remove(&2), Some(20));
        assert_eq!(lru.insert(4, 40), None);
        assert_eq!(lru.insert(0, 5), Some((0, 0)));
        assert_eq!(
            (lru.pop_oldest(), lru.pop_oldest(), lru.pop_oldest(), lru.pop_oldest()),
            (Some((3, 30)), Some((4, 40)), Some((0, 5)), None)
        );
        assert!(lru.is_empty());
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list(steps in proptest::collection::vec((0u8..3, 0u8..12), 0..300)) {
            let (mut lru, mut list) = (Lru::new(5), Vec::<u8>::new());
            for (what, key) in steps {
                match what {
                    0 => { lru.insert(key, key); list.retain(|k| *k != key); list.push(key); if list.len() > 5 { list.remove(0); } }
                    1 => { let found = lru.touch(&key).is_some(); prop_assert_eq!(found, list.contains(&key)); if found { list.retain(|k| *k != key); list.push(key); } }
                    _ => { lru.remove(&key); list.retain(|k| *k != key); }
                }
                prop_assert_eq!(lru.oldest().map(|(k, _)| *k), list.first().copied());
                prop_assert_eq!(lru.len(), list.len());
            }
        }
    }
}
