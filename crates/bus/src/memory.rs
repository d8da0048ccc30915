//! The bus within one process: patterns, and who holds them.

use crate::{Message, Subscription, subject};
use model::Micros;
use parking_lot::RwLock;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};
use tokio::sync::mpsc;

/// Most subjects whose readers are remembered; past that the memory is emptied.
const REMEMBERED: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Hub {
    readers: RwLock<Readers>,
    counter: AtomicU64,
}

#[derive(Debug, Default)]
struct Readers {
    all: Vec<Arc<Reader>>,
    /// Which readers fit a subject, so that matching is done once for each subject.
    fitting: HashMap<String, Arc<[Arc<Reader>]>>,
}

#[derive(Debug)]
struct Reader {
    pattern: String,
    sender: mpsc::Sender<Arc<Message>>,
    dropped: Arc<AtomicU64>,
    alive: Weak<()>,
}

impl Hub {
    pub(crate) fn publish(&self, subject: &str, payload: Value) {
        let id = format!("{}-{}", std::process::id(), self.counter.fetch_add(1, Ordering::Relaxed));
        self.deliver(Arc::new(Message { subject: subject.to_owned(), at: Micros::of(SystemTime::now()), id, payload }));
    }

    pub(crate) fn deliver(&self, message: Arc<Message>) {
        for reader in self.fitting(&message.subject).iter() {
            if reader.sender.try_send(Arc::clone(&message)).is_err() {
                reader.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn subscribe(&self, pattern: &str) -> Subscription {
        let (sender, receiver) = mpsc::channel(Subscription::DEPTH);
        let (dropped, alive) = (Arc::new(AtomicU64::new(0)), Arc::new(()));
        let reader = Reader { pattern: pattern.to_owned(), sender, dropped: Arc::clone(&dropped), alive: Arc::downgrade(&alive) };
        let mut readers = self.readers.write();
        readers.all.retain(|r| r.alive.strong_count() > 0);
        readers.all.push(Arc::new(reader));
        readers.fitting.clear();
        Subscription { receiver, dropped, _alive: alive }
    }

    /// The patterns somebody listens to now.
    pub(crate) fn patterns(&self) -> Vec<String> {
        let mut patterns: Vec<String> =
            self.readers.read().all.iter().filter(|r| r.alive.strong_count() > 0).map(|r| r.pattern.clone()).collect();
        patterns.sort();
        patterns.dedup();
        patterns
    }

    fn fitting(&self, subject: &str) -> Arc<[Arc<Reader>]> {
        if let Some(known) = self.readers.read().fitting.get(subject) {
            return Arc::clone(known);
        }
        let mut readers = self.readers.write();
        let found: Arc<[Arc<Reader>]> =
            readers.all.iter().filter(|r| r.alive.strong_count() > 0 && subject::fits(&r.pattern, subject)).cloned().collect();
        if readers.fitting.len() >= REMEMBERED {
            readers.fitting.clear();
        }
        readers.fitting.insert(subject.to_owned(), Arc::clone(&found));
        found
    }
}

#[cfg(test)]
mod tests {
    use crate::{Bus, Subscription};
    use serde_json::json;

    #[tokio::test]
    async fn a_reader_gets_what_fits_and_a_slow_one_loses_only_the_newest() {
        let bus = Bus::memory();
        let mut all = bus.subscribe("attacker.>").await.unwrap();
        let mut one = bus.subscribe("attacker.scored").await.unwrap();
        for n in 0..Subscription::DEPTH + 5 {
            bus.publish("attacker.scored", json!(n)).await.unwrap();
        }
        bus.publish("identity.formed", json!(0)).await.unwrap();
        assert_eq!(one.next().await.unwrap().payload, json!(0));
        assert_eq!(all.dropped(), 5);
        let mut seen = 0;
        while all.try_next().is_some() {
            seen += 1;
        }
        assert_eq!(seen, Subscription::DEPTH);
        assert!(bus.publish("a..b", json!(1)).await.is_err());
    }

    #[tokio::test]
    async fn a_pattern_whose_reader_is_gone_is_forgotten() {
        let bus = Bus::memory();
        drop(bus.subscribe("a.>").await.unwrap());
        let _kept = bus.subscribe("b.*").await.unwrap();
        assert_eq!(bus.hub().unwrap().patterns(), ["b.*"]);
    }
}
